package protobuf

import (
	"encoding/binary"
	"unicode/utf8"
	"unsafe"
)

// high has the top bit of every byte set: a word of ASCII has none of them.
const high = 0x8080808080808080

// maxShort is the length in bytes up to which AppendString copies by words.
const maxShort = 32

// word and putWord read and write the eight bytes at p, which must exist, as a
// number in the order of the wire; halfWord and putHalfWord do so with four. The
// compiler makes one instruction of each, where alignment and the machine's own
// byte order allow it.
func word(p unsafe.Pointer) uint64           { return binary.LittleEndian.Uint64((*[8]byte)(p)[:]) }
func putWord(p unsafe.Pointer, w uint64)     { binary.LittleEndian.PutUint64((*[8]byte)(p)[:], w) }
func halfWord(p unsafe.Pointer) uint32       { return binary.LittleEndian.Uint32((*[4]byte)(p)[:]) }
func putHalfWord(p unsafe.Pointer, w uint32) { binary.LittleEndian.PutUint32((*[4]byte)(p)[:], w) }

// isASCII reports whether all of s is.
func isASCII(s string) bool {
	p, n := unsafe.Pointer(unsafe.StringData(s)), len(s)
	// All reads are of words within s. Those at its end may overlap others.
	var bits uint64
	switch {
	case n >= 32:
		end := n - 32
		for i := 0; i < end; i += 32 {
			q := unsafe.Add(p, i)
			bits |= word(q) | word(unsafe.Add(q, 8)) | word(unsafe.Add(q, 16)) | word(unsafe.Add(q, 24))
		}
		p = unsafe.Add(p, end)
		bits |= word(p) | word(unsafe.Add(p, 8)) | word(unsafe.Add(p, 16)) | word(unsafe.Add(p, 24))
	case n >= 16:
		bits = word(p) | word(unsafe.Add(p, 8)) | word(unsafe.Add(p, n-16)) | word(unsafe.Add(p, n-8))
	case n >= 8:
		bits = word(p) | word(unsafe.Add(p, n-8))
	case n >= 4:
		bits = uint64(halfWord(p) | halfWord(unsafe.Add(p, n-4)))
	case n > 0:
		bits = uint64(s[0] | s[n>>1] | s[n-1])
	}
	return bits&high == 0
}

// validText reports whether b is UTF-8, soon if it is ASCII.
func validText(b []byte) bool {
	return isASCII(unsafe.String(unsafe.SliceData(b), len(b))) || utf8.Valid(b)
}
