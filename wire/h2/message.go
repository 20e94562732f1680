package h2

import (
	"context"
	"encoding/base64"
	"strings"
	"unsafe"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// encodings is what both ends compress with.
type encodings struct{ *grpcmsg.Encodings }

// newEncodings returns them with a budget for what they decompress; nil is the
// process's.
func newEncodings(b *grpcmsg.Budget) encodings {
	gzip, zstd := grpcmsg.Gzip(), grpcmsg.Zstd()
	if b != nil {
		gzip, zstd = grpcmsg.Bounded(gzip, b), grpcmsg.Bounded(zstd, b)
	}
	e, err := grpcmsg.NewEncodings(gzip, zstd)
	if err != nil {
		panic(err) // two different names: it cannot fail
	}
	return encodings{e}
}

// minCompress is the smallest message that is compressed: below it the header of
// the format outweighs what is saved.
const minCompress = 64

// marshal encodes m into b behind its prefix. limit bounds it before compression. It
// returns the size of the encoding.
func marshal(b *buffers.Buffer, c lupine.Codec, m any, comp grpcmsg.Compressor, limit int) (n int, err error) {
	b.B = append(b.B[:0], 0, 0, 0, 0, 0)
	full, err := c.Append(b.B, m)
	if err != nil {
		return 0, lupine.Errorf(lupine.Internal, "encoding %T: %w", m, err)
	}
	b.B = full
	n = len(full) - grpcmsg.PrefixLen
	if err := grpcmsg.CheckSend(n, limit); err != nil {
		return n, err
	}
	if comp == nil || n < minCompress {
		grpcmsg.PutPrefix(b.B, false, uint32(n))
		return n, nil
	}
	packed := buffers.Get()
	defer packed.Free()
	packed.B = append(packed.B[:0], 0, 0, 0, 0, 0)
	small, err := comp.Compress(packed.B, full[grpcmsg.PrefixLen:])
	if err != nil {
		return n, lupine.Errorf(lupine.Internal, "compressing %T as %s: %w", m, comp.Name(), err)
	}
	packed.B = small
	b.B, packed.B = packed.B, b.B
	grpcmsg.PutPrefix(b.B, true, uint32(len(b.B)-grpcmsg.PrefixLen))
	return n, nil
}

// unmarshal decodes one message. It returns its size when decompressed. A large
// one may wait for its turn, within ctx.
func unmarshal(ctx context.Context, c lupine.Codec, compressed bool, body []byte, m any, comp grpcmsg.Compressor, limit int) (n int, err error) {
	if compressed {
		if comp == nil {
			return 0, grpcmsg.ErrCompressedFlag()
		}
		plain, err := grpcmsg.Decompress(ctx, comp, body, limit, nil)
		if e := ctx.Err(); err != nil && e != nil && lupine.CodeOf(err) == lupine.CodeOf(e) {
			return 0, e
		}
		if err != nil {
			return 0, err
		}
		defer plain.Release()
		body = plain.Bytes()
	}
	if err := c.Decode(body, m); err != nil {
		return len(body), lupine.Errorf(lupine.Internal, "decoding %T: %w", m, err)
	}
	return len(body), nil
}

// stable returns a field's strings for keeping.
func stable(f *hpack.Field) (name, value string) {
	if f.Entry != nil {
		return f.Name, f.Value
	}
	return strings.Clone(f.Name), strings.Clone(f.Value)
}

// view is b as a string without a copy, for as long as b does not change.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// appendMetadata encodes md into dst. scratch is for values that have to be
// encoded first; it is returned for the next time.
func appendMetadata(enc *hpack.Encoder, dst []byte, md lupine.Metadata, scratch []byte) ([]byte, []byte) {
	for i := range md {
		p := hpack.Pair{Name: md[i].Key, Value: md[i].Value}
		switch {
		case strings.HasSuffix(p.Name, "-bin"):
			// Its bytes are ours for now only, so that no table may keep them.
			scratch = grpcmsg.AppendValue(scratch[:0], p.Name, p.Value)
			p.Value, p.Mode = view(scratch), hpack.Literal
		case p.Name == "authorization" || p.Name == "cookie":
			p.Mode = hpack.Sensitive
		}
		dst = enc.Append(dst, p)
	}
	return dst, scratch
}

// headerSize is what md counts towards SETTINGS_MAX_HEADER_LIST_SIZE.
func headerSize(md lupine.Metadata) int {
	n := 0
	for i := range md {
		v := len(md[i].Value)
		if strings.HasSuffix(md[i].Key, "-bin") {
			v = base64.RawStdEncoding.EncodedLen(v)
		}
		n += len(md[i].Key) + v + fieldOverhead
	}
	return n
}

// fieldOverhead is what a field counts beside its text (RFC 9113, 6.5.2).
const fieldOverhead = 32

// blockSize is what b's fields count.
func blockSize(b *hpack.Block) int {
	n := 0
	for i := range b.Fields {
		n += len(b.Fields[i].Name) + len(b.Fields[i].Value) + fieldOverhead
	}
	return n
}
