package protobuf

import (
	"encoding/binary"
	"math"
	"unsafe"
)

// Short reports whether there is a varint of one byte at b[i:], for ReadShort and
// ReadShortBool: most are, and these need no call.
func Short(b []byte, i int) bool { return uint(i) < uint(len(b)) && b[i] < 0x80 }

// ReadShort is ReadVarint where Short is true.
func ReadShort[T Integer](p *T, b []byte, i int) int {
	*p = T(b[i])
	return i + 1
}

// ReadShortBool is ReadBool where Short is true.
func ReadShortBool(p *bool, b []byte, i int) int {
	*p = b[i] != 0
	return i + 1
}

// ReadVarint reads a varint field, cut to the width of T.
func ReadVarint[T Integer](p *T, b []byte, i int) int {
	v, i := varint(b, i)
	*p = T(v)
	return i
}

// ReadOptVarint is ReadVarint into an optional field.
func ReadOptVarint[T Integer](p **T, b []byte, i int) int {
	return ReadVarint(New(p), b, i)
}

// ReadSint reads a varint field in zigzag form.
func ReadSint[T int32 | int64](p *T, b []byte, i int) int {
	i = ReadVarint(p, b, i)
	*p = unzigzag(*p)
	return i
}

// ReadOptSint is ReadSint into an optional field.
func ReadOptSint[T int32 | int64](p **T, b []byte, i int) int {
	return ReadSint(New(p), b, i)
}

// unzigzag undoes Zigzag, in the width of T.
func unzigzag[T int32 | int64](v T) T {
	// The shift brings in the sign; the mask takes it out again.
	var low T = 1
	mask := ^(low << (8*unsafe.Sizeof(v) - 1))
	return v>>1&mask ^ -(v & 1)
}

// ReadBool reads a bool field: every number but zero is true.
func ReadBool(p *bool, b []byte, i int) int {
	v, i := varint(b, i)
	*p = v != 0
	return i
}

// ReadOptBool is ReadBool into an optional field.
func ReadOptBool(p **bool, b []byte, i int) int {
	return ReadBool(New(p), b, i)
}

// ReadFixed32 reads a 32-bit field.
func ReadFixed32[T ~int32 | ~uint32](p *T, b []byte, i int) int {
	if uint(i) > uint(len(b)) || len(b)-i < 4 {
		return short(i)
	}
	*p = T(binary.LittleEndian.Uint32(b[i:]))
	return i + 4
}

// short is the failure at i of a value that needs more bytes than there are,
// or the one that i stands for.
func short(i int) int {
	if i < 0 {
		return i
	}
	return badTruncated
}

// ReadFloat reads a float field.
func ReadFloat(p *float32, b []byte, i int) int {
	var v uint32
	i = ReadFixed32(&v, b, i)
	*p = math.Float32frombits(v)
	return i
}

// ReadFixed64 reads a 64-bit field.
func ReadFixed64[T ~int64 | ~uint64](p *T, b []byte, i int) int {
	if uint(i) > uint(len(b)) || len(b)-i < 8 {
		return short(i)
	}
	*p = T(binary.LittleEndian.Uint64(b[i:]))
	return i + 8
}

// ReadDouble reads a double field.
func ReadDouble(p *float64, b []byte, i int) int {
	var v uint64
	i = ReadFixed64(&v, b, i)
	*p = math.Float64frombits(v)
	return i
}

// ReadOptFixed32 is ReadFixed32 into an optional field.
func ReadOptFixed32[T ~int32 | ~uint32](p **T, b []byte, i int) int {
	return ReadFixed32(New(p), b, i)
}

// ReadOptFloat is ReadFloat into an optional field.
func ReadOptFloat(p **float32, b []byte, i int) int { return ReadFloat(New(p), b, i) }

// ReadOptFixed64 is ReadFixed64 into an optional field.
func ReadOptFixed64[T ~int64 | ~uint64](p **T, b []byte, i int) int {
	return ReadFixed64(New(p), b, i)
}

// ReadOptDouble is ReadDouble into an optional field.
func ReadOptDouble(p **float64, b []byte, i int) int { return ReadDouble(New(p), b, i) }
