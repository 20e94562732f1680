package protobuf

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
	"unsafe"
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

// Sized completes a length-delimited value that begins at b[p:]: the length goes
// into the one byte before it. If that is not enough it returns false, and Move
// makes room.
func Sized(b []byte, p int) bool {
	n := len(b) - p
	if n >= 1<<7 {
		return false
	}
	b[p-1] = byte(n)
	return true
}

// Sized2 is Sized where two bytes have been left for the length.
func Sized2(b []byte, p int) bool {
	n := len(b) - p
	if n < 1<<7 || n >= 1<<14 {
		return false
	}
	b[p-2], b[p-1] = byte(n)|0x80, byte(n>>7)
	return true
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

// Open begins a length-delimited field, Close ends it: like Sized, but for what
// may be nested deeply. tag is one byte, or the last byte of several.
func (e *Encoder) Open(b []byte, tag byte) []byte {
	if e.depth >= deepFrom {
		return openDeep(b, tag)
	}
	return append(b, tag, 0)
}

func openDeep(b []byte, tag byte) []byte { return append(b, tag, 0, 0, 0, 0, 0) }

// Close completes a field that Open began; p is the length that b had then.
func (e *Encoder) Close(b []byte, p int) []byte {
	n := len(b) - p
	if e.depth >= deepFrom {
		return closeDeep(b, p)
	}
	if n >= 1<<7 {
		return Move(b, p, 1)
	}
	b[p-1] = byte(n)
	return b
}

// closeDeep is Close where deepRoom bytes have been left for the length.
func closeDeep(b []byte, p int) []byte {
	n := len(b) - p
	if n <= moveMost {
		return Move(b, p, deepRoom)
	}
	putVarint(b[p-deepRoom:p], uint64(n))
	return b
}

// open is Open for any tag.
func (e *Encoder) open(b []byte, tag uint64) []byte {
	for ; tag >= 1<<7; tag >>= 7 {
		b = append(b, byte(tag)|0x80)
	}
	return e.Open(b, byte(tag))
}

// Move writes the length of b[p:] before it, where room bytes have been left and
// another number may be needed.
func Move(b []byte, p, room int) []byte {
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

// appendLongVarint is appendVarint for two bytes and more.
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

// maxVarint is the most bytes that a varint takes.
const maxVarint = 10

// spread returns the varint of v < 1<<56 in the low bytes of a word, and its
// length in bytes. It has no branches: widths are hard to predict.
func spread(v uint64) (w uint64, size int) {
	size = SizeVarint(v)
	// Four groups of seven bits move up by four, then those in the upper half
	// of each by two, then every other one by one: adding h*(1<<k-1) to what
	// includes h shifts h by k.
	h := v & 0x00fffffff0000000
	v += h<<4 - h
	h = v & 0x0fffc0000fffc000
	v += h * 3
	v += v & 0x3f803f803f803f80
	return v | high>>8>>(uint(8-size)*8&63), size
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

// appendTagVarint is AppendVarint for larger tags and values.
//
//go:noinline
func appendTagVarint(b []byte, tag, v uint64) []byte {
	for ; tag >= 1<<7; tag >>= 7 {
		b = append(b, byte(tag)|0x80)
	}
	return appendTagged(b, byte(tag), v)
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

// appendTagged is PutVarint for two bytes and more.
//
//go:noinline
func appendTagged(b []byte, tag byte, v uint64) []byte {
	n := len(b)
	if cap(b)-n < 9 || v >= 1<<56 {
		return appendAnyVarint(b, tag, v)
	}
	w, size := spread(v)
	b = b[:n+9]
	b[n] = tag
	binary.LittleEndian.PutUint64(b[n+1:], w)
	return b[:n+1+size]
}

// appendAnyVarint is appendTagged for huge values, and where b has to grow.
//
//go:noinline
func appendAnyVarint(b []byte, tag byte, v uint64) []byte {
	return binary.AppendUvarint(append(b, tag), v)
}

// PutFarVarint is PutVarint for larger tags.
func PutFarVarint(b []byte, tag, v uint64) []byte {
	if v == 0 {
		return b
	}
	return appendTagVarint(b, tag, v)
}

// PutBool appends a bool field if v is true.
func PutBool(b []byte, tag byte, v bool) []byte {
	if !v {
		return b
	}
	return append(b, tag, 1)
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
	for ; tag >= 1<<7; tag >>= 7 {
		b = append(b, byte(tag)|0x80)
	}
	return append(b, byte(tag), byte(v), byte(v>>8), byte(v>>16), byte(v>>24))
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
	for ; tag >= 1<<7; tag >>= 7 {
		b = append(b, byte(tag)|0x80)
	}
	return append(b, byte(tag), byte(v), byte(v>>8), byte(v>>16), byte(v>>24),
		byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56))
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
	if len(v) >= farBytes {
		return appendLong(b, v)
	}
	return append(b, v...)
}

// farBytes is from which length on the runtime copies past the processor's caches (on
// amd64). That is slower for who reads the copy next, as those do who send it.
const farBytes = 1 << 20

// appendLong is append, by way of the caches.
func appendLong[T ~string | ~[]byte](b []byte, v T) []byte {
	b = slices.Grow(b, len(v))
	for len(v) >= farBytes {
		b = append(b, v[:farBytes/8]...)
		v = v[farBytes/8:]
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

// AppendString appends a string field and checks that it is UTF-8. Most
// strings are short and ASCII: a few words, which may overlap, hold them.
func (e *Encoder) AppendString(b []byte, tag uint64, s string) []byte {
	at, n := len(b), len(s)
	if n > maxShort || cap(b)-at < maxShort+2 || tag >= 1<<7 {
		return e.appendString(b, tag, s)
	}
	// All writes go to the maxShort+2 bytes after at, which are b's; all reads
	// are of the n bytes of s. FuzzEncode goes to the ends of both.
	to, from := unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), at), unsafe.Pointer(unsafe.StringData(s))
	*(*byte)(to) = byte(tag)
	to = unsafe.Add(to, 1)
	*(*byte)(to) = byte(n)
	to = unsafe.Add(to, 1)
	var bits uint64
	switch {
	case n >= 16:
		x, y := word(from), word(unsafe.Add(from, 8))
		z, w := word(unsafe.Add(from, n-16)), word(unsafe.Add(from, n-8))
		putWord(to, x)
		putWord(unsafe.Add(to, 8), y)
		putWord(unsafe.Add(to, n-16), z)
		putWord(unsafe.Add(to, n-8), w)
		bits = x | y | z | w
	case n >= 8:
		x, y := word(from), word(unsafe.Add(from, n-8))
		putWord(to, x)
		putWord(unsafe.Add(to, n-8), y)
		bits = x | y
	case n >= 4:
		x, y := halfWord(from), halfWord(unsafe.Add(from, n-4))
		putHalfWord(to, x)
		putHalfWord(unsafe.Add(to, n-4), y)
		bits = uint64(x | y)
	case n > 0:
		x, y, z := s[0], s[n>>1], s[n-1]
		*(*byte)(to) = x
		*(*byte)(unsafe.Add(to, n>>1)) = y
		*(*byte)(unsafe.Add(to, n-1)) = z
		bits = uint64(x | y | z)
	}
	if bits&high != 0 {
		e.checkText(s)
	}
	return b[:at+2+n]
}

// checkText notes it if s is not UTF-8.
//
//go:noinline
func (e *Encoder) checkText(s string) {
	if !utf8.ValidString(s) && e.err == nil {
		e.err = ErrUTF8
	}
}

// appendString is AppendString for long strings and far fields, and where b has
// to grow.
func (e *Encoder) appendString(b []byte, tag uint64, s string) []byte {
	if tag >= 1<<7 { // all bytes of the tag but the last one
		for ; tag >= 1<<7; tag >>= 7 {
			b = append(b, byte(tag)|0x80)
		}
		return e.AppendString(b, tag, s)
	}
	switch n := len(s); {
	case n < 1<<7:
		b = append(b, byte(tag), byte(n))
	case n < 1<<14:
		b = append(b, byte(tag), byte(n)|0x80, byte(n>>7))
	default:
		b = appendTagVarint(b, tag, uint64(n))
	}
	if !isASCII(s) {
		e.checkText(s)
	}
	return append(b, s...)
}

// AppendUnknown appends the fields that a message was decoded with and does
// not know.
func AppendUnknown(b, fields []byte) []byte {
	if len(fields) == 0 {
		return b
	}
	return append(b, fields...)
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

// Large appends a message field that is likely to be not much longer than n
// bytes: its length goes where it belongs at once, so that the message need not
// be moved.
func (e *Encoder) Large(b []byte, tag uint64, m Message, n int) []byte {
	b = appendVarint(b, tag)
	room := SizeVarint(uint64(n) + uint64(n)>>10 + 8)
	b = append(b, "0123456789"[:room]...) // to be overwritten
	p := len(b)
	return Move(m.LupineAppend(e, b), p, room)
}
