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
	if len(list) == 0 {
		return b
	}
	size := 0
	for _, v := range list {
		size += SizeVarint(uint64(v))
	}
	b = appendTagVarint(b, tag, uint64(size))
	if size == len(list) {
		for _, v := range list {
			b = append(b, byte(v))
		}
		return b
	}
	// With eight bytes to spare every number but a huge one is one store.
	b = slices.Grow(b, size+8)
	out, i := b[len(b):len(b)+size+8], 0
	for _, v := range list {
		if u := uint64(v); u < 1<<56 {
			w, n := spread(u)
			binary.LittleEndian.PutUint64(out[i:], w)
			i += n
		} else {
			i += binary.PutUvarint(out[i:], u)
		}
	}
	return b[:len(b)+size]
}

// AppendPackedSint is AppendPackedVarint in zigzag form.
func AppendPackedSint[T int32 | int64](b []byte, tag uint64, list []T) []byte {
	if len(list) == 0 {
		return b
	}
	size := 0
	for _, v := range list {
		size += SizeVarint(Zigzag(int64(v)))
	}
	b = appendTagVarint(b, tag, uint64(size))
	b = slices.Grow(b, size)
	for _, v := range list {
		b = appendVarint(b, Zigzag(int64(v)))
	}
	return b
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
