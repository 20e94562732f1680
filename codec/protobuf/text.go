package protobuf

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

// high has the top bit of every byte set: a word of ASCII has none of them.
const high = 0x8080808080808080

// maxShort is the length in bytes up to which copyASCII takes strings.
const maxShort = 32

// copyASCII copies s, of at most maxShort bytes, to dst if it is ASCII. Most
// strings are short and ASCII: a few words, which may overlap, hold them.
func copyASCII(dst *[maxShort]byte, s string) bool {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	switch n := len(b); {
	case n >= 16:
		x, y := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		z, w := binary.LittleEndian.Uint64(b[n-16:]), binary.LittleEndian.Uint64(b[n-8:])
		if (x|y|z|w)&high != 0 || n > maxShort {
			return false
		}
		binary.LittleEndian.PutUint64(dst[0:], x)
		binary.LittleEndian.PutUint64(dst[8:], y)
		binary.LittleEndian.PutUint64(dst[n-16:], z)
		binary.LittleEndian.PutUint64(dst[n-8:], w)
	case n >= 8:
		x, y := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[n-8:])
		if (x|y)&high != 0 {
			return false
		}
		binary.LittleEndian.PutUint64(dst[0:], x)
		binary.LittleEndian.PutUint64(dst[n-8:], y)
	case n >= 4:
		x, y := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[n-4:])
		if (x|y)&(high>>32) != 0 {
			return false
		}
		binary.LittleEndian.PutUint32(dst[0:], x)
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
	i, n := 0, len(b)
	for ; n-i >= 16; i += 16 {
		if (binary.LittleEndian.Uint64(b[i:])|binary.LittleEndian.Uint64(b[i+8:]))&high != 0 {
			return utf8.Valid(b[i:])
		}
	}
	if n >= 16 {
		if i < n && (binary.LittleEndian.Uint64(b[n-16:])|binary.LittleEndian.Uint64(b[n-8:]))&high != 0 {
			return utf8.Valid(b[i:])
		}
		return true
	}
	var w uint64
	switch {
	case n >= 8:
		w = binary.LittleEndian.Uint64(b) | binary.LittleEndian.Uint64(b[n-8:])
	case n >= 4:
		w = uint64(binary.LittleEndian.Uint32(b) | binary.LittleEndian.Uint32(b[n-4:]))
	default:
		for _, c := range b {
			w |= uint64(c)
		}
	}
	return w&high == 0 || utf8.Valid(b)
}
