package protobuf

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"
	"unsafe"
)

const (
	// minRegion is the size in bytes of the first copy that strings share.
	minRegion = 4 << 10

	// MaxRegion is the most bytes that strings and byte fields share one copy
	// of. Regions double from 4 KiB up to it.
	MaxRegion = 64 << 10

	// maxSlab is the most bytes allocated together for values that are likely
	// to come, maxList for elements that have been counted. The allocator adds a
	// word to what has pointers, and has a size class of 8 KiB.
	maxSlab = 8<<10 - 8
	maxList = 16 << 10
)

// Decoder is the state of one Decode. Generated code passes it down.
type Decoder struct {
	src    []byte // the whole input; every slice decoded from ends where it ends
	region []byte // copy of src[at : at+len(region)]
	at     int
	next   int // size of the next region
	pos    int // how much of src has been read, roughly: to judge what is to come
	depth  int // how many levels may still be entered
	endTag uint64
	check  bool
	err    error
	allocs int // up to firstShared
	slots  *slots
	arena  *Arena // or nil
}

// Check notes that a required field may be missing somewhere: the whole
// message is walked at the end.
func (d *Decoder) Check() { d.check = true }

// stable returns b[i:i+n], which must exist, in memory that the message may keep.
func (d *Decoder) stable(b []byte, i, n int) []byte {
	off := cap(d.src) - cap(b) + i - d.at
	if uint(off) < uint(len(d.region)) && n <= len(d.region)-off {
		return d.region[off : off+n : off+n]
	}
	return d.copy(b, i, n)
}

// copy is stable where the region does not hold the bytes: it begins a new
// region there, or copies what is too long to share.
func (d *Decoder) copy(b []byte, i, n int) []byte {
	if n > d.next/2 {
		long := b[i : i+n]
		own := make([]byte, len(long)) // into a variable of its own: then it is not cleared first
		copy(own, long)
		return own
	}
	at := cap(d.src) - cap(b) + i
	rest := d.src[at:]
	if n < 16 && len(rest)-n < 32 { // hardly worth sharing, and tiny ones are cheap
		return append(make([]byte, 0, n), b[i:i+n]...)
	}
	d.at = at
	if len(rest) > d.next {
		rest = rest[:d.next]
	}
	region := make([]byte, len(rest)) // not cleared either
	copy(region, rest)
	d.region = region
	d.next = min(2*d.next, MaxRegion)
	return region[:n:n]
}

// Tag reads a field's tag: its number times eight, plus the wire type.
func Tag(b []byte, i int) (uint64, int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		return uint64(b[i]), i + 1
	}
	return LongTag(b, i+1)
}

// LongTag is Tag for tags of two bytes and more; i is the index after the first.
func LongTag(b []byte, i int) (uint64, int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		return uint64(b[i-1]&0x7f) | uint64(b[i])<<7, i + 1
	}
	v, i := varint(b, i-1)
	if v > math.MaxUint32 { // the largest field number is 1<<29 - 1
		return 0, badTag
	}
	return v, i
}

// varint reads a varint of any width.
func varint(b []byte, i int) (uint64, int) {
	if uint(i) < uint(len(b)) {
		if b[i] < 0x80 {
			return uint64(b[i]), i + 1
		}
		var w uint64
		if len(b)-i >= 8 {
			w = binary.LittleEndian.Uint64(b[i:])
		} else if len(b) >= 8 {
			// The last eight bytes, without what precedes i. The zeros that come
			// in would end a varint.
			w = binary.LittleEndian.Uint64(b[len(b)-8:]) >> (uint(8-(len(b)-i)) * 8 & 63)
		} else {
			return anyVarint(b, i)
		}
		stop := ^w & high
		if stop == 0 {
			return wideVarint(b, i, w)
		}
		if next := i + bits.TrailingZeros64(stop)>>3 + 1; next <= len(b) {
			return unspread(w & (stop ^ (stop - 1)) &^ high), next
		}
	}
	return anyVarint(b, i)
}

// wideVarint is varint for nine bytes and ten, of which w is the first eight.
func wideVarint(b []byte, i int, w uint64) (uint64, int) {
	if len(b)-i < 10 {
		return anyVarint(b, i)
	}
	v := unspread(w&^high) | uint64(b[i+8]&0x7f)<<56
	if b[i+8] < 0x80 {
		return v, i + 9
	}
	if b[i+9] > 1 {
		return 0, badVarint
	}
	return v | uint64(b[i+9])<<63, i + 10
}

// anyVarint is varint byte by byte, at the end of the input, or for an i that
// stands for a failure.
//
//go:noinline
func anyVarint(b []byte, i int) (uint64, int) {
	if i < 0 {
		return 0, i
	}
	var v uint64
	for shift := uint(0); shift < 64; shift += 7 {
		if i >= len(b) {
			return 0, badTruncated
		}
		c := b[i]
		i++
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			if shift == 63 && c > 1 {
				return 0, badVarint
			}
			return v, i
		}
	}
	return 0, badVarint
}

// length reads the length of a value that is wholly there.
func length(b []byte, i int) (n, next int) {
	if uint(i) < uint(len(b)) && b[i] < 0x80 {
		n, i = int(b[i]), i+1
		if n <= len(b)-i {
			return n, i
		}
		return 0, badTruncated
	}
	return longLength(b, i)
}

func longLength(b []byte, i int) (n, next int) {
	v, i := varint(b, i)
	if i < 0 {
		return 0, i
	}
	if v > uint64(len(b)-i) {
		return 0, badTruncated
	}
	return int(v), i
}

// New returns *p, allocated if need be.
func New[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// Message reads a length-delimited message into m.
func (d *Decoder) Message(m Message, b []byte, i int) int {
	var n int
	if uint(i) < uint(len(b)) && b[i] < 0x80 && int(b[i]) < len(b)-i { // length, written out
		n, i = int(b[i]), i+1
	} else if n, i = length(b, i); i < 0 {
		return i
	}
	if d.depth <= 0 {
		return badDepth
	}
	d.depth--
	got := m.LupineDecode(d, b[i:i+n])
	d.depth++
	if got != n {
		return inside(got)
	}
	return i + n
}

// inside is what a failure within a length-delimited message amounts to: a
// group cannot end there that began outside it.
func inside(code int) int {
	if code <= endGroup {
		return badEndGroup
	}
	return code
}

// Group reads a group into m up to its end tag.
func (d *Decoder) Group(m Message, b []byte, i int, end uint64) int {
	if i < 0 {
		return i
	}
	if d.depth <= 0 {
		return badDepth
	}
	d.depth--
	got := m.LupineDecode(d, b[i:])
	d.depth++
	if got > endGroup {
		if got >= 0 {
			return badTruncated
		}
		return got
	}
	if d.endTag != end {
		return badEndGroup
	}
	return i + endGroup - got
}

// Unknown reads a field that the message does not have, and keeps it in
// unknown, tag and all. from is the index of the tag, i that of the value.
func (d *Decoder) Unknown(unknown *[]byte, b []byte, i int, tag uint64) int {
	if i < 0 {
		return i
	}
	if tag < 8 {
		return badTag
	}
	if tag&7 == 4 {
		d.endTag = tag
		return endGroup - i
	}
	end := skip(b, i, tag, d.depth)
	if end < 0 {
		return end
	}
	*unknown = append(appendVarint(*unknown, tag), b[i:end]...)
	return end
}

// skip returns the index after the value at b[i:], in which groups may be
// nested depth deep.
func skip(b []byte, i int, tag uint64, depth int) int {
	var n int
	switch tag & 7 {
	case 0:
		_, i = varint(b, i)
		return i
	case 1:
		n = 8
	case 2:
		n, i = length(b, i)
		if i < 0 {
			return i
		}
	case 3:
		return skipGroup(b, i, tag, depth)
	case 5:
		n = 4
	case 4:
		return badEndGroup
	default:
		return badTag
	}
	if n > len(b)-i {
		return badTruncated
	}
	return i + n
}

func skipGroup(b []byte, i int, begin uint64, depth int) int {
	if depth <= 0 {
		return badDepth
	}
	for {
		var tag uint64
		tag, i = varint(b, i)
		// As google.golang.org/protobuf does, take field numbers up to
		// 1<<31 - 1 here.
		if i >= 0 && (tag < 8 || tag>>3 > math.MaxInt32) {
			return badTag
		}
		if i < 0 {
			return i
		}
		if tag&7 == 4 {
			if tag != begin+1 {
				return badEndGroup
			}
			return i
		}
		if i = skip(b, i, tag, depth-1); i < 0 {
			return i
		}
	}
}

// ReadBytes reads a bytes field.
func (d *Decoder) ReadBytes(p *[]byte, b []byte, i int) int {
	n, i := length(b, i)
	if n == 0 {
		*p = []byte{}
		return i
	}
	*p = d.stable(b, i, n)
	return i + n
}

// ReadRawString reads a string field that is not checked.
func (d *Decoder) ReadRawString(p *string, b []byte, i int) int {
	n, i := length(b, i)
	if n == 0 {
		*p = ""
		return i
	}
	*p = unsafe.String(unsafe.SliceData(d.stable(b, i, n)), n)
	return i + n
}

// ReadString reads a string field and checks that it is UTF-8.
func (d *Decoder) ReadString(p *string, b []byte, i int) int {
	var n int
	// Here and below the short cases of length and stable are written out:
	// strings are what most messages are made of.
	if uint(i) < uint(len(b)) && b[i] < 0x80 && int(b[i]) < len(b)-i {
		n, i = int(b[i]), i+1
	} else {
		n, i = length(b, i)
	}
	if n == 0 {
		*p = ""
		return i
	}
	if n <= maxShort && cap(b)-i >= maxShort {
		// All words are within b's memory, which is the input. They may overlap.
		at, bits := unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i), uint64(0)
		switch {
		case n >= 16:
			bits = word(at) | word(unsafe.Add(at, 8)) | word(unsafe.Add(at, n-16)) | word(unsafe.Add(at, n-8))
		case n >= 8:
			bits = word(at) | word(unsafe.Add(at, n-8))
		default:
			bits = word(at) << (uint(8-n) * 8 & 63) // only what is ours
		}
		if bits&high != 0 && !utf8.Valid(b[i:i+n]) {
			return badUTF8
		}
	} else if !validText(b[i : i+n]) {
		return badUTF8
	}
	off := cap(d.src) - cap(b) + i - d.at
	if uint(off) < uint(len(d.region)) && n <= len(d.region)-off {
		*p = unsafe.String(&d.region[off], n)
		return i + n
	}
	if rest := cap(b) - i; n < 16 && rest-n < 32 { // as in copy
		*p = string(b[i : i+n])
		return i + n
	}
	*p = unsafe.String(unsafe.SliceData(d.copy(b, i, n)), n)
	return i + n
}

// ReadOptString is ReadString into an optional field.
func (d *Decoder) ReadOptString(p **string, b []byte, i int) int {
	return d.ReadString(New(p), b, i)
}

// ReadOptRawString is ReadRawString into an optional field.
func (d *Decoder) ReadOptRawString(p **string, b []byte, i int) int {
	return d.ReadRawString(New(p), b, i)
}
