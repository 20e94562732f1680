package protobuf

import (
	"fmt"
	"sync"
	"unsafe"

	"google.golang.org/protobuf/proto"
)

const (
	// DefaultMaxDepth is how many messages, groups and map entries may lie
	// inside each other in a decoded message, the outermost included, unless
	// Codec.MaxDepth says otherwise.
	DefaultMaxDepth = 100

	// MaxEncodeDepth is how many recursive messages may lie inside each other
	// in an encoded message. It exists so that a message that contains itself
	// is an error and not an endless loop; it cannot be changed.
	MaxEncodeDepth = 10000

	// GeneratedVersion3 is referred to by generated code. When the runtime can
	// no longer serve code of that form, the constant goes away and old code
	// stops compiling, with a clear cause.
	GeneratedVersion3 = true
)

// Codec marshals Protocol Buffers messages. The zero value is ready for use,
// and a Codec may be used by many goroutines at once.
type Codec struct {
	// Deterministic sorts map entries by key, so that equal messages give
	// equal bytes within one build of a program. As with
	// google.golang.org/protobuf it is no canonical form.
	Deterministic bool

	// MaxDepth limits the nesting of decoded messages; deeper input fails with
	// ErrDepth. Zero means DefaultMaxDepth.
	MaxDepth int
}

// Message is what generated code adds to a message type. The methods are for
// this package alone: they neither reset nor finally check the message.
type Message interface {
	// LupineAppend appends the message to b. It must not keep e or b.
	LupineAppend(e *Encoder, b []byte) []byte
	// LupineDecode merges b into the message and returns len(b), or a negative
	// number for bad input. It must not keep d or b.
	LupineDecode(d *Decoder, b []byte) int
}

// Name returns "proto", the subtype in "application/grpc+proto".
func (Codec) Name() string { return "proto" }

// Append appends the wire form of msg, which must be a proto.Message, to dst.
// A nil message has no bytes. On error dst is returned as it was; the errors
// are ErrUTF8, ErrRequired, ErrDepth and ErrType, wrapped with the message's
// name. msg must not change meanwhile.
//
// The size is not known in advance. A dst without any room, such as nil, is
// allocated once, with as much as is needed; one with some room grows by steps.
func (c Codec) Append(dst []byte, msg any) ([]byte, error) {
	if len(dst) == cap(dst) {
		return c.appendNew(dst, msg)
	}
	e := Encoder{deterministic: c.Deterministic}
	var b []byte
	switch m := msg.(type) {
	case Message:
		b = m.LupineAppend(noEscape(&e), dst)
	case proto.Message:
		b = noEscape(&e).foreign(dst, m)
	case nil:
		return dst, nil
	default:
		return dst, typeError(msg)
	}
	if e.err != nil || e.check {
		return c.settleAppend(&e, dst, b, msg)
	}
	return b, nil
}

// maxScratch is the largest buffer that is kept for appendNew.
const maxScratch = 256 << 10

// scratch has buffers with room, for appendNew.
var scratch = sync.Pool{New: func() any {
	b := make([]byte, 0, 1<<10)
	return &b
}}

// appendNew is Append where there is no room: by way of a buffer that is used
// again.
func (c Codec) appendNew(dst []byte, msg any) ([]byte, error) {
	s := scratch.Get().(*[]byte)
	b, err := c.Append((*s)[:0], msg)
	if err == nil {
		dst = append(dst, b...)
	}
	if cap(b) <= maxScratch {
		*s = b
		scratch.Put(s)
	}
	return dst, err
}

// settleAppend deals with the rare ends of Append, away from its hot path.
func (c Codec) settleAppend(e *Encoder, dst, b []byte, msg any) ([]byte, error) {
	if e.err == nil {
		e.err = checkRequired(msg)
	}
	if e.err != nil {
		return dst, fmt.Errorf("protobuf: encode %s: %w", messageName(msg), e.err)
	}
	return b, nil
}

// Decode replaces the contents of msg, a pointer to a proto.Message, by what
// src holds. It does not keep src. After an error the contents of msg are
// unspecified; the errors are ErrMalformed, ErrTruncated, ErrUTF8, ErrRequired,
// ErrDepth and ErrType, wrapped with the message's name.
func (c Codec) Decode(src []byte, msg any) error {
	d := Decoder{src: src, next: minRegion}
	err := c.decode(noEscape(&d), msg)
	if d.slots != nil {
		d.slots.put()
	}
	return err
}

// decode is Decode with the state that d begins with.
func (c Codec) decode(d *Decoder, msg any) error {
	if c.MaxDepth <= 0 {
		c.MaxDepth = DefaultMaxDepth
	}
	d.depth = c.MaxDepth - 1
	// Whole words are read up to the capacity, and what lies beyond the length
	// may be somebody else's to write.
	d.src = d.src[:len(d.src):len(d.src)]
	var n int
	switch m := msg.(type) {
	case interface {
		Message
		LupineReset() // Reset, but that it leaves reflection to be set up when it is asked for
	}:
		if isNil(msg) {
			return typeError(msg)
		}
		m.LupineReset()
		n = m.LupineDecode(d, d.src)
	case proto.Message:
		if isNil(msg) {
			return typeError(msg)
		}
		proto.Reset(m)
		d.depth = c.MaxDepth
		n = d.foreign(m, d.src)
	default:
		return typeError(msg)
	}
	if n != len(d.src) || d.check {
		return settleDecode(d, n, msg)
	}
	return nil
}

// settleDecode deals with the rare ends of Decode, away from its hot path.
func settleDecode(d *Decoder, n int, msg any) error {
	err := d.err
	if n != len(d.src) {
		if err == nil {
			err = codeError(n)
		}
	} else {
		err = checkRequired(msg)
	}
	if err != nil {
		return fmt.Errorf("protobuf: decode %s: %w", messageName(msg), err)
	}
	return nil
}

// isNil reports whether msg holds a nil pointer. Messages are pointers, so
// the interface's data word is the pointer itself.
func isNil(msg any) bool {
	return (*[2]unsafe.Pointer)(unsafe.Pointer(&msg))[1] == nil
}

// noEscape returns p without the compiler knowing that it does, so that what p
// points to may stay on the stack although p is passed to an interface's
// method. It is sound because Message forbids keeping it, and because nothing
// in here can move the stack while only x holds the address: package strings
// does the same. Pointer checking would put a call between the two lines.
//
//go:nosplit
//go:nocheckptr
func noEscape[T any](p *T) *T {
	x := uintptr(unsafe.Pointer(p))
	return *(**T)(unsafe.Pointer(&x))
}
