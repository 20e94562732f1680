package inproc

import (
	"reflect"
	"sync"

	"github.com/lupine-rpc/lupine"
)

// maxPooled is the largest buffer kept for another message.
const maxPooled = 1 << 20

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// parcel is a message on its way: a copy of it, or its encoding.
type parcel struct {
	copied any
	bytes  *[]byte // from buffers; nil when copied is set
	size   int     // bytes of the encoding, 0 when unknown
}

// free gives the buffer back.
func (p *parcel) free() {
	if p.bytes != nil && cap(*p.bytes) <= maxPooled {
		buffers.Put(p.bytes)
	}
	*p = parcel{}
}

// copier returns the codec that can copy messages of the type of a to that of b,
// or nil when they have to be encoded.
func copier(c lupine.Codec, a, b any) lupine.Copier {
	cp, ok := c.(lupine.Copier)
	if !ok || reflect.TypeOf(a) != reflect.TypeOf(b) {
		return nil
	}
	return cp
}

func sizeOf(c lupine.Codec, m any) int {
	if sizer, ok := c.(lupine.Sizer); ok {
		if n, ok := sizer.Size(m); ok {
			return n
		}
	}
	return 0
}

// pack copies m, which from sends to to. fresh makes a new message of to.
func pack(from, to lupine.Codec, m any, fresh func() any) (parcel, *lupine.Error) {
	if _, ok := to.(lupine.Copier); ok {
		dst := fresh()
		if cp := copier(to, dst, m); cp != nil {
			if err := cp.Copy(dst, m); err != nil {
				return parcel{}, badSend(m, err)
			}
			return parcel{copied: dst, size: sizeOf(to, dst)}, nil
		}
	}
	if err := understand(from, to); err != nil {
		return parcel{}, err
	}
	buf := buffers.Get().(*[]byte)
	b, err := from.Append((*buf)[:0], m)
	if err != nil {
		buffers.Put(buf)
		return parcel{}, badSend(m, err)
	}
	*buf = b
	return parcel{bytes: buf, size: len(b)}, nil
}

// unpack puts the message into m, a new message, and frees the parcel.
func (p *parcel) unpack(to lupine.Codec, m any) *lupine.Error {
	defer p.free()
	if p.bytes == nil {
		cp := copier(to, m, p.copied)
		if cp == nil {
			return lupine.Errorf(lupine.Internal, "cannot receive a %T into a %T", p.copied, m)
		}
		if err := cp.Copy(m, p.copied); err != nil {
			return badReceive(m, err)
		}
		return nil
	}
	if err := to.Decode(*p.bytes, m); err != nil {
		return badReceive(m, err)
	}
	return nil
}

// carry copies src into dst in one step, for a receiver that waits. It fails as
// pack and unpack do. fits is asked before dst is written.
func carry(from, to lupine.Codec, dst, src any, fits func(size int) *lupine.Error) (size int, failed *lupine.Error) {
	if cp := copier(to, dst, src); cp != nil {
		size = sizeOf(to, src)
		if failed = fits(size); failed != nil {
			return size, failed
		}
		if err := cp.Copy(dst, src); err != nil {
			return size, badSend(src, err)
		}
		return size, nil
	}
	p, failed := pack(from, to, src, func() any { return dst })
	if failed != nil {
		return 0, failed
	}
	size = p.size
	if failed = fits(size); failed != nil {
		p.free()
		return size, failed
	}
	return size, p.unpack(to, dst)
}

// understand checks that to can decode what from encodes. A raw codec without a
// name takes, and passes on, whatever comes.
func understand(from, to lupine.Codec) *lupine.Error {
	if from.Name() == to.Name() || anything(from) || anything(to) {
		return nil
	}
	return lupine.Errorf(lupine.Unimplemented, "one side encodes messages as %s, the other as %s", from.Name(), to.Name()).NotExecuted()
}

func anything(c lupine.Codec) bool {
	raw, ok := c.(lupine.RawCodec)
	return ok && raw.Use == ""
}

func badSend(m any, err error) *lupine.Error {
	return lupine.Errorf(lupine.Internal, "cannot encode %T: %w", m, err)
}

func badReceive(m any, err error) *lupine.Error {
	return lupine.Errorf(lupine.Internal, "cannot decode %T: %w", m, err)
}

// over returns the error of a message that is larger than limit, or nil.
func over(size, limit int, what, option string) *lupine.Error {
	if limit < 0 || size <= limit {
		return nil
	}
	return lupine.Errorf(lupine.ResourceExhausted, "the %s message has %d bytes, over the limit of %d: raise %s", what, size, limit, option)
}
