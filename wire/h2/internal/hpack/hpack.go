// Package hpack is header compression for HTTP/2 (RFC 7541).
//
// It differs from golang.org/x/net/http2/hpack in two ways that the engine
// needs. The decoder's table entries are objects: what a reader works out
// about a field (which method a path names, say) is kept with the entry and
// found again at the price of an index. And the encoder never evicts: it fills
// its table once, freezes it, and from then on a header block that repeats is
// the same bytes, so it can be kept and copied (Block).
//
// Huffman coding is x/net's.
package hpack

import "errors"

// DefaultTableSize is the table size both ends start with (RFC 9113, 6.5.2).
const DefaultTableSize = 4096

// entryOverhead is what RFC 7541, 4.1 adds to a field's length for its size.
const entryOverhead = 32

// Errors of the decoder. All of them are connection errors of type
// COMPRESSION_ERROR (RFC 9113, 4.3).
var (
	ErrTruncated  = errors.New("header block ends within a field")
	ErrIndex      = errors.New("header field index outside the table")
	ErrInteger    = errors.New("header block integer is too large")
	ErrHuffman    = errors.New("bad Huffman code in a header string")
	ErrTableSize  = errors.New("header table size update above what was allowed")
	ErrLateUpdate = errors.New("header table size update after the first field")
	ErrNoUpdate   = errors.New("header table size update is missing after the limit was lowered")
)

// Entry is one field held by a table. It lives as long as somebody points to
// it; its strings never change.
type Entry struct {
	Name, Value string
	// Checked is the reader's: it found the field well formed. Fields of the
	// static table are.
	Checked bool
	memo    any
	size    uint32 // 0: an entry of the static table, which all connections share
}

// Memo returns what SetMemo kept, or nil.
func (e *Entry) Memo() any { return e.memo }

// SetMemo keeps what the reader worked out about this field. On an entry of
// the static table it does nothing.
func (e *Entry) SetMemo(v any) {
	if e.size > 0 {
		e.memo = v
	}
}

// Field is one decoded field.
type Field struct {
	// Name and Value stay good only until the decoder's next call, unless
	// Entry is set: then they are the entry's and stay good for ever.
	Name, Value string
	// Entry is the table entry that the field came from or was put into, or nil.
	Entry *Entry
	// Sensitive says that the sender barred the field from any table (RFC 7541, 7.1.3).
	Sensitive bool
}

// Size is the field's size as RFC 7541, 4.1 counts it.
func (f *Field) Size() int { return len(f.Name) + len(f.Value) + entryOverhead }

// appendInt appends an integer with an n-bit prefix; first holds the bits above it.
func appendInt(dst []byte, first byte, n uint, v uint64) []byte {
	limit := uint64(1)<<n - 1
	if v < limit {
		return append(dst, first|byte(v))
	}
	dst = append(dst, first|byte(limit))
	v -= limit
	for v >= 0x80 {
		dst = append(dst, byte(v)|0x80)
		v >>= 7
	}
	return append(dst, byte(v))
}

// readInt reads an integer with an n-bit prefix (RFC 7541, 5.1). Values above
// 2^31 are refused: nothing here is that large.
func readInt(p []byte, n uint) (v uint64, rest []byte, err error) {
	if len(p) == 0 {
		return 0, nil, ErrTruncated
	}
	limit := uint64(1)<<n - 1
	v = uint64(p[0]) & limit
	p = p[1:]
	if v < limit {
		return v, p, nil
	}
	for shift := uint(0); ; shift += 7 {
		if len(p) == 0 {
			return 0, nil, ErrTruncated
		}
		b := p[0]
		p = p[1:]
		// Five bytes hold 2^35: enough for all that is legal.
		if shift > 28 {
			return 0, nil, ErrInteger
		}
		v += uint64(b&0x7f) << shift
		if b&0x80 == 0 {
			if v > 1<<31 {
				return 0, nil, ErrInteger
			}
			return v, p, nil
		}
	}
}
