package h2

import (
	"context"
	"encoding/base64"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// buffer is the bytes of a message with its prefix, on its way out or in.
type buffer struct{ b []byte }

// Buffers are kept for further messages in two sizes, so that small messages do
// not sit in large buffers.
const (
	maxPooled = 64 << 10
	maxBig    = 64 << 20
)

var (
	bufferPool = sync.Pool{New: func() any { return new(buffer) }}
	bigPool    = sync.Pool{New: func() any { return new(buffer) }}
)

func getBuffer() *buffer { return bufferPool.Get().(*buffer) }

// getBufferFor returns a buffer for a message that is likely to take n bytes.
func getBufferFor(n int) *buffer {
	if n <= maxPooled/2 {
		return getBuffer()
	}
	b := bigPool.Get().(*buffer)
	if cap(b.b) < n {
		b.b = make([]byte, 0, n+n/8) // the next one may be a little longer
	}
	return b
}

// getBig returns a kept buffer of at least n bytes, or nil if there is none.
func getBig(n int) *buffer {
	b := bigPool.Get().(*buffer)
	if cap(b.b) < n {
		return nil // too small to be worth keeping
	}
	return b
}

func (b *buffer) free() {
	if b == nil || cap(b.b) > maxBig {
		return
	}
	b.b = b.b[:0]
	if cap(b.b) > maxPooled {
		bigPool.Put(b)
		return
	}
	bufferPool.Put(b)
}

// sizeHint remembers how large messages of one kind have been of late. A lost
// update does no harm.
type sizeHint struct{ n atomic.Int64 }

func (h *sizeHint) get() int { return int(h.n.Load()) }

// saw notes a message of n bytes. Small ones are all the same.
func (h *sizeHint) saw(n int) {
	if n > maxPooled/2 || h.n.Load() != 0 {
		h.n.Store(int64(grpcmsg.PrefixLen + n))
	}
}

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

// marshal encodes m behind its prefix. limit bounds it before compression. It
// returns the size of the encoding.
func (b *buffer) marshal(c lupine.Codec, m any, comp grpcmsg.Compressor, limit int) (n int, err error) {
	b.b = append(b.b[:0], 0, 0, 0, 0, 0)
	full, err := c.Append(b.b, m)
	if err != nil {
		return 0, lupine.Errorf(lupine.Internal, "encoding %T: %w", m, err)
	}
	b.b = full
	n = len(full) - grpcmsg.PrefixLen
	if err := grpcmsg.CheckSend(n, limit); err != nil {
		return n, err
	}
	if comp == nil || n < minCompress {
		grpcmsg.PutPrefix(b.b, false, uint32(n))
		return n, nil
	}
	packed := getBuffer()
	defer packed.free()
	packed.b = append(packed.b[:0], 0, 0, 0, 0, 0)
	small, err := comp.Compress(packed.b, full[grpcmsg.PrefixLen:])
	if err != nil {
		return n, lupine.Errorf(lupine.Internal, "compressing %T as %s: %w", m, comp.Name(), err)
	}
	packed.b = small
	b.b, packed.b = packed.b, b.b
	grpcmsg.PutPrefix(b.b, true, uint32(len(b.b)-grpcmsg.PrefixLen))
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
