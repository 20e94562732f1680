package protobuf

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

// high has the top bit of every byte set: a word of ASCII has none of them.
const high = 0x8080808080808080

// copyASCII copies s, of at most 16 bytes, to dst, which has 16, if it is
// ASCII. Most strings are short and ASCII, and two words hold them.
func copyASCII(dst []byte, s string) bool {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	_ = dst[15]
	switch n := len(b); {
	case n >= 8:
		x, y := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
		if (x|y)&high != 0 {
			return false
		}
		binary.LittleEndian.PutUint64(dst, x)
		binary.LittleEndian.PutUint64(dst[n-8:], y)
	case n >= 4:
		x, y := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[n-4:])
		if (x|y)&(high>>32) != 0 {
			return false
		}
		binary.LittleEndian.PutUint32(dst, x)
		binary.LittleEndian.PutUint32(dst[n-4:], y)
	default:
		for i, c := range b {
			if c >= 0x80 {
				return false
			}
			dst[i] = c
		}
	}
	return true
}

// validText reports whether b is UTF-8, soon if it is ASCII.
func validText(b []byte) bool {
	i := 0
	for ; len(b)-i >= 8; i += 8 {
		if binary.LittleEndian.Uint64(b[i:])&high != 0 {
			return utf8.Valid(b[i:])
		}
	}
	if len(b) >= 8 {
		i = len(b) - 8
		if binary.LittleEndian.Uint64(b[i:])&high != 0 {
			return utf8.Valid(b)
		}
		return true
	}
	for _, c := range b {
		if c >= 0x80 {
			return utf8.Valid(b)
		}
	}
	return true
}
