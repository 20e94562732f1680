package protobuf

import (
	"math/bits"
	"slices"
	"unicode/utf8"

	"encoding/binary"
)

// Encoder is the state of one Append. Generated code passes it down.
type Encoder struct {
	err           error
	depth         int
	deterministic bool
	check         bool
}

// Check notes that a required field may be missing somewhere: the whole
// message is walked at the end.
func (e *Encoder) Check() { e.check = true }

// Enter is called on entry to a message that may contain itself. It reports
// whether to go on; if so, Leave must be called on exit.
func (e *Encoder) Enter() bool {
	if e.depth >= MaxEncodeDepth {
		e.err = ErrDepth
	}
	if e.err != nil {
		return false
	}
	e.depth++
	return true
}

// Leave undoes Enter.
func (e *Encoder) Leave() { e.depth-- }

// End completes a length-delimited value that begins at b[p:]: the length goes
// into the one byte before it, or is made room for.
func End(b []byte, p int) []byte {
	if len(b)-p < 1<<7 {
		b[p-1] = byte(len(b) - p)
		return b
	}
	return moveLength(b, p, 1)
}

// End2 is End where two bytes have been left for the length.
func End2(b []byte, p int) []byte {
	n := len(b) - p
	if n < 1<<7 || n >= 1<<14 {
		return moveLength(b, p, 2)
	}
	b[p-1] = byte(n >> 7)
	b[p-2] = byte(n) | 0x80
	return b
}

const (
	// deepFrom is from which nesting of recursive messages on lengths get
	// deepRoom bytes. Moving what is inside at every level would take time that
	// grows with size times depth.
	deepFrom = 16
	deepRoom = 5
	// moveMost is up to how many bytes are moved there all the same, so that
	// the length has no more bytes than it needs.
	moveMost = 4 << 10
)

// open begins a length-delimited field, close ends it: like End, but for
// messages that may be nested deeply.
func (e *Encoder) open(b []byte, tag uint64) []byte {
	b = appendVarint(b, tag)
	if e.depth < deepFrom {
		return append(b, 0)
	}
	return append(b, make([]byte, deepRoom)...)
}

func (e *Encoder) close(b []byte, p int) []byte {
	n := len(b) - p
	switch {
	case e.depth < deepFrom:
		return End(b, p)
	case n <= moveMost:
		return moveLength(b, p, deepRoom)
	}
	putVarint(b[p-deepRoom:p], uint64(n))
	return b
}

// Nested appends a message field of a type that the message itself may be
// inside of.
func (e *Encoder) Nested(b []byte, tag uint64, m Message) []byte {
	b = e.open(b, tag)
	return e.close(m.LupineAppend(e, b), len(b))
}

// moveLength writes the length of b[p:] before it, where room bytes have been
// left and another number is needed.
func moveLength(b []byte, p, room int) []byte {
	n := len(b) - p
	size := SizeVarint(uint64(n))
	at := p - room
	if size != room {
		b = slices.Grow(b, max(0, size-room))
		b = b[:at+size+n]
		copy(b[at+size:], b[p:p+n])
	}
	putVarint(b[at:at+size], uint64(n))
	return b
}

// SizeVarint returns how many bytes v takes as a varint.
func SizeVarint(v uint64) int {
	return (bits.Len64(v|1)*9 + 64) >> 6
}

// putVarint fills b, which has exactly the right length.
func putVarint(b []byte, v uint64) {
	for i := range b {
		b[i] = byte(v) | 0x80
		v >>= 7
	}
	b[len(b)-1] &= 0x7f
}

// appendVarint appends v as a varint.
func appendVarint(b []byte, v uint64) []byte {
	if v < 1<<7 {
		return append(b, byte(v))
	}
	return appendLongVarint(b, v)
}

// appendLongVarint is appendVarint for two bytes and more. It spreads the
// bits with arithmetic: widths are hard to predict, so branches are dear.
//
//go:noinline
func appendLongVarint(b []byte, v uint64) []byte {
	n := len(b)
	if cap(b)-n < 8 || v >= 1<<56 {
		return binary.AppendUvarint(b, v)
	}
	w, size := spread(v)
	binary.LittleEndian.PutUint64(b[n:n+8], w)
	return b[:n+size]
}

// spread returns the varint of v < 1<<56 in the low bytes of a word, and its
// length in bytes.
func spread(v uint64) (w uint64, size int) {
	size = SizeVarint(v)
	w = v&0x000000000fffffff | v&0x00fffffff0000000<<4
	w = w&0x00003fff00003fff | w&0x0fffc0000fffc000<<2
	w = w&0x007f007f007f007f | w&0x3f803f803f803f80<<1
	return w | 0x8080808080808080&(1<<(uint(size-1)*8&63)-1), size
}

// Zigzag is how sint32 and sint64 map small negative numbers to small varints.
func Zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

// Bool returns 1 for true and 0 for false.
func Bool(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// AppendVarint appends a varint field.
func AppendVarint(b []byte, tag, v uint64) []byte {
	if tag < 1<<7 && v < 1<<7 {
		return append(b, byte(tag), byte(v))
	}
	return appendTagVarint(b, tag, v)
}

// appendTagVarint is kept out of line so that its callers are not.
//
//go:noinline
func appendTagVarint(b []byte, tag, v uint64) []byte {
	return appendVarint(appendVarint(b, tag), v)
}

// PutVarint appends a varint field unless v is zero. tag is one byte: the
// field's number is at most 15.
func PutVarint(b []byte, tag byte, v uint64) []byte {
	if v == 0 {
		return b
	}
	if v < 1<<7 {
		return append(b, tag, byte(v))
	}
	return appendTagged(b, tag, v)
}

//go:noinline
func appendTagged(b []byte, tag byte, v uint64) []byte {
	return appendLongVarint(append(b, tag), v)
}

// PutFarVarint is PutVarint for larger tags.
func PutFarVarint(b []byte, tag, v uint64) []byte {
	if v == 0 {
		return b
	}
	return appendTagVarint(b, tag, v)
}

// Integer is a field type written as a varint or a fixed-width integer.
type Integer interface {
	~int32 | ~int64 | ~uint32 | ~uint64
}

// OptVarint appends a varint field unless p is nil.
func OptVarint[T Integer](b []byte, tag uint64, p *T) []byte {
	if p == nil {
		return b
	}
	return AppendVarint(b, tag, uint64(*p))
}

// OptSint is OptVarint in zigzag form.
func OptSint[T int32 | int64](b []byte, tag uint64, p *T) []byte {
	if p == nil {
		return b
	}
	return AppendVarint(b, tag, Zigzag(int64(*p)))
}

// OptBool appends a bool field unless p is nil.
func OptBool(b []byte, tag uint64, p *bool) []byte {
	if p == nil {
		return b
	}
	return AppendVarint(b, tag, Bool(*p))
}

// AppendFixed32 appends a 32-bit field.
func AppendFixed32(b []byte, tag uint64, v uint32) []byte {
	if tag < 1<<7 {
		return append(b, byte(tag), byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
	}
	return binary.LittleEndian.AppendUint32(appendVarint(b, tag), v)
}

// PutFixed32 appends a 32-bit field unless v is zero.
func PutFixed32(b []byte, tag uint64, v uint32) []byte {
	if v == 0 {
		return b
	}
	return AppendFixed32(b, tag, v)
}

// OptFixed32 appends a 32-bit field unless p is nil.
func OptFixed32[T ~int32 | ~uint32 | ~float32](b []byte, tag uint64, p *T) []byte {
	if p == nil {
		return b
	}
	return AppendFixed32(b, tag, bits32(p))
}

// AppendFixed64 appends a 64-bit field.
func AppendFixed64(b []byte, tag uint64, v uint64) []byte {
	if tag < 1<<7 {
		return append(b, byte(tag), byte(v), byte(v>>8), byte(v>>16), byte(v>>24),
			byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
	}
	return binary.LittleEndian.AppendUint64(appendVarint(b, tag), v)
}

// PutFixed64 appends a 64-bit field unless v is zero.
func PutFixed64(b []byte, tag uint64, v uint64) []byte {
	if v == 0 {
		return b
	}
	return AppendFixed64(b, tag, v)
}

// OptFixed64 appends a 64-bit field unless p is nil.
func OptFixed64[T ~int64 | ~uint64 | ~float64](b []byte, tag uint64, p *T) []byte {
	if p == nil {
		return b
	}
	return AppendFixed64(b, tag, bits64(p))
}

// AppendBytes appends a bytes field, or a string field that is not checked.
func AppendBytes[T ~string | ~[]byte](b []byte, tag uint64, v T) []byte {
	if n := uint64(len(v)); tag < 1<<7 && n < 1<<7 {
		b = append(b, byte(tag), byte(n))
	} else {
		b = appendTagVarint(b, tag, n)
	}
	return append(b, v...)
}

// PutBytes is AppendBytes unless v is empty.
func PutBytes[T ~string | ~[]byte](b []byte, tag uint64, v T) []byte {
	if len(v) == 0 {
		return b
	}
	return AppendBytes(b, tag, v)
}

// OptBytes appends a bytes field unless v is nil.
func OptBytes(b []byte, tag uint64, v []byte) []byte {
	if v == nil {
		return b
	}
	return AppendBytes(b, tag, v)
}

// OptRawString appends a string field that is not checked unless p is nil.
func OptRawString(b []byte, tag uint64, p *string) []byte {
	if p == nil {
		return b
	}
	return AppendBytes(b, tag, *p)
}

// AppendString appends a string field and checks that it is UTF-8.
func (e *Encoder) AppendString(b []byte, tag uint64, s string) []byte {
	at := len(b)
	if len(s) <= maxShort && cap(b)-at >= maxShort+2 && tag < 1<<7 {
		b = b[: at+2+maxShort : cap(b)]
		b[at], b[at+1] = byte(tag), byte(len(s))
		if copyASCII((*[maxShort]byte)(b[at+2:]), s) {
			return b[:at+2+len(s)]
		}
	}
	return e.appendString(b[:at], tag, s)
}

// appendString is AppendString for long strings and those beyond ASCII.
func (e *Encoder) appendString(b []byte, tag uint64, s string) []byte {
	if !utf8.ValidString(s) {
		e.badString()
	}
	return append(appendTagVarint(b, tag, uint64(len(s))), s...)
}

// PutString is AppendString unless s is empty.
func (e *Encoder) PutString(b []byte, tag uint64, s string) []byte {
	if s == "" {
		return b
	}
	return e.AppendString(b, tag, s)
}

// OptString is AppendString unless p is nil.
func (e *Encoder) OptString(b []byte, tag uint64, p *string) []byte {
	if p == nil {
		return b
	}
	return e.AppendString(b, tag, *p)
}

func (e *Encoder) badString() {
	if e.err == nil {
		e.err = ErrUTF8
	}
}

// Large appends a message field that is likely to be not much longer than n
// bytes: its length goes where it belongs at once, so that the message need not
// be moved.
func (e *Encoder) Large(b []byte, tag uint64, m Message, n int) []byte {
	b = appendVarint(b, tag)
	room := SizeVarint(uint64(n) + uint64(n)>>10 + 8)
	b = append(b, "0123456789"[:room]...) // to be overwritten
	p := len(b)
	return moveLength(m.LupineAppend(e, b), p, room)
}
