package rudp

import (
	"context"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
)

// bufferFor returns a buffer for a record that is likely to take n bytes. It has room for
// what goes before the message.
func bufferFor(n int) *buffers.Buffer {
	b := buffers.For(n)
	if cap(b.B) < 512 {
		b.B = make([]byte, 0, 512)
	}
	return b
}

// assembled returns n bytes for a message that comes in many datagrams.
func assembled(n int) []byte {
	if n > buffers.MaxSmall {
		if b := buffers.Kept(n); b != nil {
			return b.B[:n]
		}
	}
	return make([]byte, n)
}

// inMessage is a message that came and was not decoded yet.
type inMessage struct {
	buf  *buffers.Buffer
	comp engine.Compression
	crc  uint32
}

// keep takes the message of an event out of what it came in.
func keep(ev *engine.Event) inMessage {
	m := inMessage{comp: ev.Compression, crc: ev.CRC}
	if ev.Own {
		m.buf = &buffers.Buffer{B: ev.Message}
		return m
	}
	m.buf = buffers.Get()
	m.buf.B = append(m.buf.B[:0], ev.Message...)
	return m
}

// freeAll gives back the buffers of list, and returns it emptied.
func freeAll(list []inMessage) []inMessage {
	for i := range list {
		list[i].buf.Free()
		list[i] = inMessage{}
	}
	return list[:0]
}

// taken are messages that a receiver has taken and not decoded yet. They are its own.
type taken struct {
	list []inMessage
	at   int
}

// empty reports whether all are decoded.
func (t *taken) empty() bool { return t.at == len(t.list) }

// first is the next one.
func (t *taken) first() *inMessage { return &t.list[t.at] }

// drop forgets the first.
func (t *taken) drop() {
	t.list[t.at].buf.Free()
	t.list[t.at] = inMessage{}
	t.at++
}

// take moves the messages of in here, which is empty, and returns how many bytes that is
// and an empty list to collect the next ones in.
func (t *taken) take(in []inMessage) (n int, empty []inMessage) {
	for i := range in {
		n += len(in[i].buf.B)
	}
	empty = t.list[:0]
	t.list, t.at = in, 0
	return n, empty
}

// free gives back those that were not decoded.
func (t *taken) free() {
	freeAll(t.list[t.at:])
	t.list, t.at = t.list[:0], 0
}

// compressions is what we can decompress, as the parameter says it.
const compressions = 1<<0 | 1<<1

// compressor returns the one that a record's number means; nil is none.
func compressor(c engine.Compression) grpcmsg.Compressor {
	switch c {
	case engine.CompressionGzip:
		return grpcmsg.Gzip()
	case engine.CompressionZstd:
		return grpcmsg.Zstd()
	}
	return nil
}

// compression returns the number of a compressor's name.
func compression(name string) (engine.Compression, bool) {
	switch name {
	case "", "identity":
		return engine.CompressionNone, true
	case "gzip":
		return engine.CompressionGzip, true
	case "zstd":
		return engine.CompressionZstd, true
	}
	return 0, false
}

// compressorName is the reverse.
func compressorName(c engine.Compression) string {
	if comp := compressor(c); comp != nil {
		return comp.Name()
	}
	return ""
}

// minCompress is the smallest message that is compressed: below it the header of the
// format outweighs what is saved.
const minCompress = 64

// marshal encodes m as a record, into a buffer of its own. limit bounds it before
// compression. It returns the size of the encoding.
func marshal(c lupine.Codec, m any, how engine.Compression, limit int, hint *buffers.SizeHint) (record []byte, b *buffers.Buffer, n int, err error) {
	b = bufferFor(hint.Get())
	full, err := c.Append(b.B[:engine.MessageRoom], m)
	if err != nil {
		b.Free()
		return nil, nil, 0, lupine.Errorf(lupine.Internal, "encoding %T: %w", m, err)
	}
	b.B = full
	n = len(full) - engine.MessageRoom
	hint.Saw(engine.MessageRoom + n)
	if err := grpcmsg.CheckSend(n, limit); err != nil {
		b.Free()
		return nil, nil, n, err
	}
	comp := compressor(how)
	if comp == nil || n < minCompress {
		return engine.SealMessage(b.B, engine.CompressionNone), b, n, nil
	}
	packed := bufferFor(n / 2)
	small, err := comp.Compress(packed.B[:engine.MessageRoom], full[engine.MessageRoom:])
	b.Free()
	if err != nil {
		packed.Free()
		return nil, nil, n, lupine.Errorf(lupine.Internal, "compressing %T as %s: %w", m, comp.Name(), err)
	}
	packed.B = small
	return engine.SealMessage(packed.B, how), packed, n, nil
}

// errDamaged is a message whose checksum is wrong although every datagram's was right.
func errDamaged() *lupine.Error {
	return lupine.Errorf(lupine.DataLoss, "the message's checksum is wrong: it was changed within one of the two processes")
}

// decode decodes the message. It returns its size when decompressed. A large one may
// wait for its turn, within ctx; err is ctx's then. m's buffer stays m's.
func (in *inMessage) decode(ctx context.Context, c lupine.Codec, m any, limit int) (n int, err error) {
	body := in.buf.B
	if engine.Checksum(body) != in.crc {
		return 0, errDamaged()
	}
	if comp := compressor(in.comp); comp != nil {
		plain, err := grpcmsg.Decompress(ctx, comp, body, limit, nil)
		if e := ctx.Err(); err != nil && e != nil && lupine.CodeOf(err) == lupine.CodeOf(e) {
			return 0, e
		}
		if err != nil {
			return 0, err
		}
		defer plain.Release()
		body = plain.Bytes()
	} else if err := grpcmsg.CheckReceive(uint32(len(body)), limit); err != nil {
		return len(body), err
	}
	if err := c.Decode(body, m); err != nil {
		return len(body), lupine.Errorf(lupine.Internal, "decoding %T: %w", m, err)
	}
	return len(body), nil
}
