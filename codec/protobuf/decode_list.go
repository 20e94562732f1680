package protobuf

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unsafe"
)

// run counts the values from i on that follow each other under the same tag,
// whole ones only, the first (whose tag has been read) included. It stops at
// most. Tags longer than need be end a run; the caller can skip size bytes.
func run(b []byte, i int, tag uint64, most int) (n, size int) {
	if tag >= 1<<7 || tag&7 != 2 {
		return longRun(b, i, tag, most)
	}
	for n < most {
		if uint(i) >= uint(len(b)) {
			break
		}
		length := int(b[i])
		i++
		if length >= 0x80 {
			if length, i = longLength(b, i-1); i < 0 {
				break
			}
		}
		i += length
		if i > len(b) {
			break
		}
		n++
		if i == len(b) || b[i] != byte(tag) {
			break
		}
		i++
	}
	return max(n, 1), 1
}

// longRun is run for all wire types and field numbers.
func longRun(b []byte, i int, tag uint64, most int) (n, size int) {
	size = SizeVarint(tag)
	for n < most {
		at := skip(b, i, tag, 0)
		if at < 0 {
			break
		}
		n++
		t, next := Tag(b, at)
		if t != tag || next != at+size {
			break
		}
		i = next
	}
	return max(n, 1), size
}

// ReadMessages reads an element of a repeated message field and those that
// follow it directly, and allocates them together.
func ReadMessages[T any, P interface {
	*T
	Message
}](d *Decoder, slot int, list *[]*T, b []byte, i int, tag uint64) int {
	n, size := run(b, i, tag, mostTogether[T]())
	if d.depth <= 0 {
		return badDepth
	}
	d.depth--
	d.pos = cap(d.src) - cap(b) + i
	values, s := takeList(d, slot, *list, n)
	for k := range values {
		m := &values[k]
		s = append(s, m)
		var n int
		if uint(i) < uint(len(b)) && b[i] < 0x80 && int(b[i]) < len(b)-i { // length, written out
			n, i = int(b[i]), i+1
		} else if n, i = length(b, i); i < 0 {
			break
		}
		if got := P(m).LupineDecode(d, b[i:i+n]); got != n {
			i = inside(got)
			break
		}
		i += n + size
	}
	d.depth++
	*list = s
	if i < 0 {
		return i
	}
	return i - size
}

// ReadGroups reads an element of a repeated group.
func ReadGroups[T any, P interface {
	*T
	Message
}](d *Decoder, slot int, list *[]*T, b []byte, i int, end uint64) int {
	m := Alloc[T](d, slot)
	*list = append(*list, m)
	return d.Group(P(m), b, i, end)
}

// ReadStrings reads an element of a repeated string field and those that
// follow it directly.
func (d *Decoder) ReadStrings(list *[]string, b []byte, i int, tag uint64) int {
	n, size := run(b, i, tag, len(b))
	s := extendIn(d, slotStrings, list, n)
	for k := range s {
		if i = d.ReadString(&s[k], b, i); i < 0 {
			return i
		}
		i += size
	}
	return i - size
}

// ReadRawStrings is ReadStrings for strings that are not checked.
func (d *Decoder) ReadRawStrings(list *[]string, b []byte, i int, tag uint64) int {
	n, size := run(b, i, tag, len(b))
	s := extendIn(d, slotStrings, list, n)
	for k := range s {
		if i = d.ReadRawString(&s[k], b, i); i < 0 {
			return i
		}
		i += size
	}
	return i - size
}

// ReadByteses is ReadStrings for byte fields.
func (d *Decoder) ReadByteses(list *[][]byte, b []byte, i int, tag uint64) int {
	n, size := run(b, i, tag, len(b))
	s := extendIn(d, slotBytes, list, n)
	for k := range s {
		if i = d.ReadBytes(&s[k], b, i); i < 0 {
			return i
		}
		i += size
	}
	return i - size
}

// extend adds n zero values to list and returns them.
func extend[T any](list *[]T, n int) []T {
	s := *list
	if s == nil {
		s = make([]T, n)
		*list = s
		return s
	}
	s = append(s, make([]T, n)...)
	*list = s
	return s[len(s)-n:]
}

// extendIn is extend, with memory that many short lists share.
func extendIn[T any](d *Decoder, slot int, list *[]T, n int) []T {
	if *list == nil {
		if s := slabOf[T](d, slot); s != nil {
			*list = s.take(d, n)
			return *list
		}
	}
	return extend(list, n)
}

// readLoose reads an element of a list of numbers that is not packed, and those
// that follow it directly.
func readLoose[T any](list *[]T, b []byte, i int, tag uint64, read func(*T, []byte, int) int) int {
	n, size := run(b, i, tag, len(b))
	s := extend(list, n)
	for k := range s {
		if i = read(&s[k], b, i); i < 0 {
			return i
		}
		i += size
	}
	return i - size
}

// countVarints returns how many varints b holds: bytes whose top bit is clear.
func countVarints(b []byte) int {
	const ones = 0x0101010101010101
	n := len(b)
	for len(b) >= 16 {
		// A count for each byte of a word, which takes 127 rounds to overflow.
		few := b[:min(len(b)&^15, 127*16)]
		b = b[len(few):]
		var longer uint64
		for ; len(few) >= 16; few = few[16:] {
			longer += binary.LittleEndian.Uint64(few)>>7&ones + binary.LittleEndian.Uint64(few[8:])>>7&ones
		}
		longer = longer&0x00ff00ff00ff00ff + longer>>8&0x00ff00ff00ff00ff
		n -= int(longer * 0x0001000100010001 >> 48)
	}
	for _, c := range b {
		n -= int(c >> 7)
	}
	return n
}

// unspread undoes spread: it joins the seven-bit groups of a varint of at most
// eight bytes, whose top bits have been cleared.
func unspread(w uint64) uint64 {
	// Taking h*(1-1/1<<k) from what includes h shifts h down by k.
	w -= w & 0x7f007f007f007f00 >> 1
	w -= w & 0x3fff00003fff0000 >> 2 * 3
	return w - w&0x0fffffff00000000>>4*15
}

// ReadPackedVarint reads a packed list and appends it.
func ReadPackedVarint[T Integer](list *[]T, b []byte, i int) int {
	n, i := length(b, i)
	if i < 0 {
		return i
	}
	packed := b[i : i+n]
	count := countVarints(packed)
	s := extend(list, count)
	if count == n {
		for k, c := range packed {
			s[k] = T(c)
		}
	} else if code := readPacked(s, packed); code < 0 {
		return code
	}
	return i + n
}

// readPacked fills out with the varints in b, whose number is that of b's bytes
// that end one. Where the next begins depends on where the one before ends,
// which would make each wait for the other; so the ends of many are found at
// once, in a word with a bit for each byte.
func readPacked[T Integer](out []T, b []byte) int {
	at, k := 0, 0 // where the next varint begins, and which it is
	if fastBits && len(b) >= block/2 {
		if at, k = unpackBlocks(out, b); at < 0 {
			return at
		}
	} else {
		for base := 0; base+block <= len(b) && base+block+16 <= cap(b); base += block {
			ends := endBits((*[block]byte)(b[base:]))
			for ; ends != 0 && k < len(out); ends &= ends - 1 {
				n := base + bits.TrailingZeros64(ends) - at // bytes but one
				w := binary.LittleEndian.Uint64(b[at : at+8 : cap(b)])
				if n < 8 {
					out[k] = T(unspread(w & (^uint64(high) >> (uint(7-n) * 8 & 63))))
				} else {
					v, next := wideVarint(b[:cap(b)], at, w)
					if next < 0 {
						return next
					}
					out[k] = T(v)
				}
				at += n + 1
				k++
			}
		}
	}
	for ; k < len(out); k++ {
		v, next := varint(b, at)
		if next < 0 {
			return next
		}
		out[k], at = T(v), next
	}
	if at != len(b) {
		return badTruncated
	}
	return 0
}

// unpackBlocks is readPacked with unpackBlock, as far as that goes. It returns
// where it stopped and how many it read, or a failure.
func unpackBlocks[T Integer](out []T, b []byte) (at, k int) {
	var words [block]uint64
	var last [block + 16]byte
	for base := 0; at < len(b); base += block {
		into, from := &words, unsafe.Pointer(&last)
		if base+block <= len(b) && base+block+16 <= cap(b) {
			from = unsafe.Pointer(&b[base])
		} else {
			base, last = at, lastBlock
			copy(last[:block], b[at:])
		}
		direct := unsafe.Sizeof(out[0]) == 8 && len(out)-k >= block
		if direct { // a block of bytes has no more varints than that
			into = (*[block]uint64)(unsafe.Pointer(&out[k]))
		}
		n, next := unpackBlock(into, (*byte)(from), at-base)
		if n < 0 {
			return badVarint, 0
		}
		if n == 0 || n > len(out)-k {
			break
		}
		if !direct {
			dst := out[k:][:n]
			for j := range dst {
				dst[j] = T(words[j])
			}
		}
		at, k = base+next, k+n
	}
	return at, k
}

// lastBlock is a block, and what is read behind it, in which no varint ends.
var lastBlock = [block + 16]byte(bytes.Repeat([]byte{0x80}, block+16))

// endBits returns a word with a bit for each byte of b whose top bit is clear.
func endBits(b *[64]byte) uint64 {
	return ^(topBits(b[0:]) | topBits(b[8:])<<8 | topBits(b[16:])<<16 | topBits(b[24:])<<24 |
		topBits(b[32:])<<32 | topBits(b[40:])<<40 | topBits(b[48:])<<48 | topBits(b[56:])<<56)
}

// topBits gathers the top bits of eight bytes: the product brings bit 8k+7 to
// bit 56+k, and no two terms meet.
func topBits(b []byte) uint64 {
	return binary.LittleEndian.Uint64(b) & high * 0x0002040810204081 >> 56
}

// ReadVarints reads an element of a list that is not packed, and those that
// follow it directly.
func ReadVarints[T Integer](list *[]T, b []byte, i int, tag uint64) int {
	return readLoose(list, b, i, tag, ReadVarint[T])
}

// ReadPackedSint is ReadPackedVarint in zigzag form.
func ReadPackedSint[T int32 | int64](list *[]T, b []byte, i int) int {
	at := len(*list)
	i = ReadPackedVarint(list, b, i)
	s := (*list)[at:]
	for k, v := range s {
		s[k] = unzigzag(v)
	}
	return i
}

// ReadSints is ReadVarints in zigzag form.
func ReadSints[T int32 | int64](list *[]T, b []byte, i int, tag uint64) int {
	return readLoose(list, b, i, tag, ReadSint[T])
}

// ReadPackedBool reads a packed list and appends it.
func ReadPackedBool(list *[]bool, b []byte, i int) int {
	n, i := length(b, i)
	if i < 0 {
		return i
	}
	b = b[:i+n]
	s := slices.Grow(*list, countVarints(b[i:]))
	for i < len(b) {
		var v bool
		if i = ReadBool(&v, b, i); i < 0 {
			return i
		}
		s = append(s, v)
	}
	*list = s
	return i
}

// ReadBools is ReadVarints for bools.
func ReadBools(list *[]bool, b []byte, i int, tag uint64) int {
	return readLoose(list, b, i, tag, ReadBool)
}

// ReadPackedFixed32 reads a packed list and appends it.
func ReadPackedFixed32[T ~int32 | ~uint32 | ~float32](list *[]T, b []byte, i int) int {
	n, i := length(b, i)
	if i < 0 {
		return i
	}
	if n%4 != 0 {
		return badTruncated
	}
	s, b := slices.Grow(*list, n/4), b[i:i+n]
	at := len(s)
	s = s[:at+n/4]
	for k := range s[at:] {
		v := binary.LittleEndian.Uint32(b[4*k:])
		s[at+k] = *(*T)(unsafe.Pointer(&v))
	}
	*list = s
	return i + n
}

// ReadFixed32s is ReadVarints for 32-bit numbers.
func ReadFixed32s[T ~int32 | ~uint32 | ~float32](list *[]T, b []byte, i int, tag uint64) int {
	return readLoose(list, b, i, tag, func(p *T, b []byte, i int) int {
		return ReadFixed32((*uint32)(unsafe.Pointer(p)), b, i)
	})
}

// ReadPackedFixed64 reads a packed list and appends it.
func ReadPackedFixed64[T ~int64 | ~uint64 | ~float64](list *[]T, b []byte, i int) int {
	n, i := length(b, i)
	if i < 0 {
		return i
	}
	if n%8 != 0 {
		return badTruncated
	}
	s, b := slices.Grow(*list, n/8), b[i:i+n]
	at := len(s)
	s = s[:at+n/8]
	for k := range s[at:] {
		v := binary.LittleEndian.Uint64(b[8*k:])
		s[at+k] = *(*T)(unsafe.Pointer(&v))
	}
	*list = s
	return i + n
}

// ReadFixed64s is ReadVarints for 64-bit numbers.
func ReadFixed64s[T ~int64 | ~uint64 | ~float64](list *[]T, b []byte, i int, tag uint64) int {
	return readLoose(list, b, i, tag, func(p *T, b []byte, i int) int {
		return ReadFixed64((*uint64)(unsafe.Pointer(p)), b, i)
	})
}
