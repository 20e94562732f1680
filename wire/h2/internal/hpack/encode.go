package hpack

import (
	xhpack "golang.org/x/net/http2/hpack"
)

// Pair is a field to encode.
type Pair struct {
	Name, Value string
	Mode        Mode
}

// Mode says whether a field may enter the table.
type Mode uint8

const (
	// Auto puts a field into the table when it is seen a second time.
	Auto Mode = iota
	// Keep puts a field into the table at once: it will be sent often.
	Keep
	// Literal never puts a field into the table: it changes with every call.
	Literal
	// Sensitive also bars every hop from doing so (RFC 7541, 7.1.3).
	Sensitive
)

// maxKeptValue is the longest value that Auto puts into the table: longer ones
// would crowd out the fields that pay.
const maxKeptValue = 512

// Encoder encodes header blocks. It belongs to one goroutine at a time. A
// block must be sent once it is encoded: the peer's table follows it.
type Encoder struct {
	index map[key]uint32 // number of each entry, in order of insertion, from 1
	names map[string]uint32
	ents  uint32 // entries in the table
	size  uint32
	max   uint32       // in force
	want  uint32       // what the peer allows; differs from max until the next block
	low   uint32       // the lowest of want since the last block
	gen   uint32       // counts changes of the table: kept blocks of older ones are stale
	seen  *[128]uint32 // hashes of fields met once; made when first needed
}

type key struct{ name, value string }

// NewEncoder returns an encoder with a table of DefaultTableSize bytes.
func NewEncoder() *Encoder {
	return &Encoder{
		index: make(map[key]uint32), names: make(map[string]uint32),
		max: DefaultTableSize, want: DefaultTableSize, low: DefaultTableSize, gen: 1,
	}
}

// SetLimit takes the peer's SETTINGS_HEADER_TABLE_SIZE. More than
// DefaultTableSize is not used. A smaller table is begun anew.
func (e *Encoder) SetLimit(n uint32) {
	e.want = min(n, DefaultTableSize)
	e.low = min(e.low, e.want)
	if e.want != e.max {
		e.gen++ // kept blocks lack the size update
	}
}

// Block is a header block that is sent often, with its encoding kept while it
// is good. The zero value with Fields set is ready. A Block belongs to one
// Encoder.
type Block struct {
	Fields []Pair
	bytes  []byte
	gen    uint32
}

// AppendBlock appends b's encoding.
func (e *Encoder) AppendBlock(dst []byte, b *Block) []byte {
	if b.gen == e.gen && e.want == e.max {
		return append(dst, b.bytes...)
	}
	dst = e.Begin(dst)
	from, gen := len(dst), e.gen
	for i := range b.Fields {
		dst = e.Append(dst, b.Fields[i])
	}
	if e.gen == gen { // nothing was inserted: the same bytes will do next time
		b.bytes = append(b.bytes[:0], dst[from:]...)
		b.gen = gen
	}
	return dst
}

// Begin starts a header block: it tells the peer of a change of the table's
// size where one is due (RFC 7541, 4.2). AppendBlock does so itself, and is
// a block's first part if it is part of one.
func (e *Encoder) Begin(dst []byte) []byte {
	if e.want == e.max && e.low >= e.max {
		return dst
	}
	// The table is emptied at both ends, whatever the sizes are: what is left
	// after an eviction could not be numbered from its start.
	if e.ents > 0 || e.low < e.want {
		dst = appendInt(dst, 0x20, 5, 0)
	}
	if e.want > 0 || e.ents == 0 {
		dst = appendInt(dst, 0x20, 5, uint64(e.want))
	}
	clear(e.index)
	clear(e.names)
	e.ents, e.size = 0, 0
	e.max, e.low = e.want, e.want
	e.gen++
	return dst
}

// Append appends one field.
func (e *Encoder) Append(dst []byte, f Pair) []byte {
	if f.Mode == Sensitive {
		return e.literal(dst, f, 0x10, 4)
	}
	if f.Mode == Literal {
		return e.literal(dst, f, 0, 4)
	}
	if i := staticPair(f.Name, f.Value); i > 0 {
		return appendInt(dst, 0x80, 7, uint64(i))
	}
	if i, ok := e.index[key{f.Name, f.Value}]; ok {
		return appendInt(dst, 0x80, 7, uint64(e.number(i)))
	}
	size := uint32(len(f.Name) + len(f.Value) + entryOverhead)
	if e.size+size > e.max || f.Mode == Auto && !e.second(f) {
		return e.literal(dst, f, 0, 4)
	}
	dst = e.literal(dst, f, 0x40, 6)
	e.ents++
	e.size += size
	e.gen++
	e.index[key{f.Name, f.Value}] = e.ents
	if _, ok := e.names[f.Name]; !ok {
		e.names[f.Name] = e.ents
	}
	return dst
}

// number is the index that a peer has for our i-th entry.
func (e *Encoder) number(i uint32) uint32 { return uint32(len(static)) + 1 + e.ents - i }

// second reports whether f was (very likely) met before.
func (e *Encoder) second(f Pair) bool {
	if len(f.Value) > maxKeptValue {
		return false
	}
	h := uint32(2166136261) // FNV-1a
	for i := range len(f.Name) {
		h = (h ^ uint32(f.Name[i])) * 16777619
	}
	for i := range len(f.Value) {
		h = (h ^ uint32(f.Value[i])) * 16777619
	}
	if e.seen == nil {
		e.seen = new([128]uint32)
	}
	slot := &e.seen[h%uint32(len(e.seen))]
	if *slot == h {
		return true
	}
	*slot = h
	return false
}

func (e *Encoder) literal(dst []byte, f Pair, first byte, n uint) []byte {
	if i := staticName(f.Name); i > 0 {
		dst = appendInt(dst, first, n, uint64(i))
	} else if i, ok := e.names[f.Name]; ok {
		dst = appendInt(dst, first, n, uint64(e.number(i)))
	} else {
		dst = append(dst, first)
		dst = appendString(dst, f.Name)
	}
	return appendString(dst, f.Value)
}

// appendString uses Huffman's code only where the bytes saved are worth the
// time: a short string is sent as it is.
func appendString(dst []byte, s string) []byte {
	if len(s) >= 32 {
		if n := xhpack.HuffmanEncodeLength(s); n < uint64(len(s)) {
			dst = appendInt(dst, 0x80, 7, n)
			return xhpack.AppendHuffmanString(dst, s)
		}
	}
	dst = appendInt(dst, 0, 7, uint64(len(s)))
	return append(dst, s...)
}
