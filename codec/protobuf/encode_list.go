package protobuf

import (
	"encoding/binary"
	"slices"
	"unsafe"
)

// bits32 and bits64 read a number's bits, floating point or not.
func bits32[T ~int32 | ~uint32 | ~float32](p *T) uint32 { return *(*uint32)(unsafe.Pointer(p)) }
func bits64[T ~int64 | ~uint64 | ~float64](p *T) uint64 { return *(*uint64)(unsafe.Pointer(p)) }

// AppendPackedVarint appends a packed list unless it is empty.
func AppendPackedVarint[T Integer](b []byte, tag uint64, list []T) []byte {
	return appendPacked(b, tag, list, false)
}

// AppendPackedSint is AppendPackedVarint in zigzag form.
func AppendPackedSint[T int32 | int64](b []byte, tag uint64, list []T) []byte {
	return appendPacked(b, tag, list, true)
}

// appendPacked guesses how long the length will be, and goes over the list
// once.
func appendPacked[T Integer](b []byte, tag uint64, list []T, zigzag bool) []byte {
	if len(list) == 0 {
		return b
	}
	middle := uint64(list[len(list)/2])
	if zigzag {
		middle = Zigzag(int64(middle))
	}
	guess := uint64(len(list)) * uint64(SizeVarint(middle))
	room := SizeVarint(guess)
	b = appendTagVarint(b, tag, guess) // to be overwritten
	p := len(b)
	for len(list) > 0 {
		few := list[:min(len(list), block)]
		list = list[len(few):]
		if cap(b)-len(b) < len(few)*maxVarint {
			b = slices.Grow(b, len(few)*maxVarint+len(list))
		}
		n := putVarints(b[len(b):cap(b)], few, zigzag, middle < 1<<7)
		b = b[:len(b)+n]
	}
	return Move(b, p, room)
}

// block is how many varints, or bytes of them, are dealt with at a time.
const block = 64

// putVarints writes the varints of list, a block at most, to b, which has maxVarint bytes for each,
// and returns their length. small says that most take one byte: worth a branch.
func putVarints[T Integer](b []byte, list []T, zigzag, small bool) int {
	b = b[:len(list)*maxVarint]
	if fastBits && !small {
		var words [block]uint64
		for k, v := range list {
			if words[k] = uint64(v); zigzag {
				words[k] = Zigzag(int64(v))
			}
		}
		return packWords(unsafe.SliceData(b), &words, len(list))
	}
	i := 0
	for _, v := range list {
		u := uint64(v)
		if zigzag {
			u = Zigzag(int64(v))
		}
		if small && u < 1<<7 {
			b[i] = byte(u)
			i++
			continue
		}
		if u >= 1<<56 {
			i += putWide(b[i:], u)
			continue
		}
		w, size := spread(u)
		// Eight bytes from i on are in b: each number before this one has
		// taken at most maxVarint, and this one has as many. FuzzEncode and
		// TestPackedRoom go to the ends.
		putWord(unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), i), w)
		i += size
	}
	return i
}

// putWide writes the varint of v >= 1<<56, nine bytes or ten.
func putWide(b []byte, v uint64) int {
	_ = b[maxVarint-1]
	w, _ := spread(v & (1<<56 - 1))
	binary.LittleEndian.PutUint64(b, w|high)
	b[8] = byte(v>>56)&0x7f | byte(v>>63)<<7
	b[9] = byte(v >> 63)
	return 9 + int(v>>63)
}

// AppendPackedBool appends a packed list unless it is empty.
func AppendPackedBool(b []byte, tag uint64, list []bool) []byte {
	if len(list) == 0 {
		return b
	}
	b = appendTagVarint(b, tag, uint64(len(list)))
	for _, v := range list {
		b = append(b, byte(Bool(v)))
	}
	return b
}

// AppendPackedFixed32 appends a packed list unless it is empty.
func AppendPackedFixed32[T ~int32 | ~uint32 | ~float32](b []byte, tag uint64, list []T) []byte {
	if len(list) == 0 {
		return b
	}
	b = appendTagVarint(b, tag, uint64(len(list))*4)
	b = slices.Grow(b, len(list)*4)
	for i := range list {
		b = binary.LittleEndian.AppendUint32(b, bits32(&list[i]))
	}
	return b
}

// AppendPackedFixed64 appends a packed list unless it is empty.
func AppendPackedFixed64[T ~int64 | ~uint64 | ~float64](b []byte, tag uint64, list []T) []byte {
	if len(list) == 0 {
		return b
	}
	b = appendTagVarint(b, tag, uint64(len(list))*8)
	b = slices.Grow(b, len(list)*8)
	for i := range list {
		b = binary.LittleEndian.AppendUint64(b, bits64(&list[i]))
	}
	return b
}

// AppendVarints appends a list that is not packed, as the next four do.
func AppendVarints[T Integer](b []byte, tag uint64, list []T) []byte {
	for _, v := range list {
		b = AppendVarint(b, tag, uint64(v))
	}
	return b
}

// AppendSints is AppendVarints in zigzag form.
func AppendSints[T int32 | int64](b []byte, tag uint64, list []T) []byte {
	for _, v := range list {
		b = AppendVarint(b, tag, Zigzag(int64(v)))
	}
	return b
}

// AppendBools appends a list of bools.
func AppendBools(b []byte, tag uint64, list []bool) []byte {
	for _, v := range list {
		b = AppendVarint(b, tag, Bool(v))
	}
	return b
}

// AppendFixed32s appends a list of 32-bit numbers.
func AppendFixed32s[T ~int32 | ~uint32 | ~float32](b []byte, tag uint64, list []T) []byte {
	for i := range list {
		b = AppendFixed32(b, tag, bits32(&list[i]))
	}
	return b
}

// AppendFixed64s appends a list of 64-bit numbers.
func AppendFixed64s[T ~int64 | ~uint64 | ~float64](b []byte, tag uint64, list []T) []byte {
	for i := range list {
		b = AppendFixed64(b, tag, bits64(&list[i]))
	}
	return b
}

// AppendByteses appends a list of byte fields, or of strings not checked.
func AppendByteses[T ~string | ~[]byte](b []byte, tag uint64, list []T) []byte {
	for _, v := range list {
		b = AppendBytes(b, tag, v)
	}
	return b
}

// AppendStrings appends a list of strings and checks that they are UTF-8.
func (e *Encoder) AppendStrings(b []byte, tag uint64, list []string) []byte {
	for _, v := range list {
		b = e.AppendString(b, tag, v)
	}
	return b
}
