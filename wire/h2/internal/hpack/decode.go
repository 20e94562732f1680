package hpack

import (
	"strings"
	"unsafe"

	xhpack "golang.org/x/net/http2/hpack"
)

// Decoder decodes header blocks. It belongs to one goroutine at a time.
type Decoder struct {
	ring  []*Entry // dynamic table; a power of two long
	head  uint     // entries ever inserted; the newest is at head-1
	count uint
	size  uint32
	max   uint32 // the encoder's choice
	limit uint32 // the most that the encoder may choose
	// lowered says that limit fell below max: the next block must say so.
	lowered bool
	scratch sink
	gen     uint64
}

// sink collects what x/net's Huffman decoder writes.
type sink struct{ b []byte }

func (s *sink) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// NewDecoder returns a decoder whose table holds at most limit bytes: the
// SETTINGS_HEADER_TABLE_SIZE that was announced to the encoder. Until the
// encoder has acknowledged another value that is DefaultTableSize.
func NewDecoder(limit uint32) *Decoder {
	return &Decoder{limit: limit, max: limit}
}

// SetLimit changes the limit once the peer has acknowledged it.
func (d *Decoder) SetLimit(limit uint32) {
	d.limit = limit
	if d.max > limit {
		d.lowered = true
		d.gen++
	}
}

// Generation changes whenever the table does: as long as it stays the same, a block
// of indexes alone means what it meant before.
func (d *Decoder) Generation() uint64 { return d.gen }

// Limits bounds what Decode returns, whatever a block expands to. Past a limit
// the block is still read to its end, so that the tables stay in step.
type Limits struct {
	Bytes  int // sum of Field.Size
	Fields int
}

// Decode appends block's fields to dst. over says that the block held more
// than lim allows; the fields past it are left out. After an error the
// decoder must not be used again.
func (d *Decoder) Decode(dst []Field, block []byte, lim Limits) (fields []Field, over bool, err error) {
	d.scratch.b = d.scratch.b[:0]
	if cap(d.scratch.b) > 64<<10 {
		d.scratch.b = nil
	}
	bytes, count := 0, 0
	first := true
	for len(block) > 0 {
		var f Field
		b := block[0]
		switch {
		case b&0x80 != 0:
			if b&0x7f < 0x7f { // the common case: an index in one byte
				f.Entry = d.at(uint64(b & 0x7f))
				block = block[1:]
			} else {
				var i uint64
				if i, block, err = readInt(block, 7); err != nil {
					return dst, over, err
				}
				f.Entry = d.at(i)
			}
			if f.Entry == nil {
				return dst, over, ErrIndex
			}
			f.Name, f.Value = f.Entry.Name, f.Entry.Value
		case b&0xe0 == 0x20:
			if !first {
				return dst, over, ErrLateUpdate
			}
			var v uint64
			if v, block, err = readInt(block, 5); err != nil {
				return dst, over, err
			}
			if v > uint64(d.limit) {
				return dst, over, ErrTableSize
			}
			d.lowered = false
			d.gen++
			d.max = uint32(v)
			d.evict(0)
			continue
		default:
			if f, block, err = d.literal(block); err != nil {
				return dst, over, err
			}
		}
		if first {
			first = false
			if d.lowered {
				return dst, over, ErrNoUpdate
			}
		}
		bytes += f.Size()
		count++
		if bytes > lim.Bytes || count > lim.Fields {
			over = true
			continue
		}
		dst = append(dst, f)
	}
	return dst, over, nil
}

// literal reads a field whose value is spelled out (RFC 7541, 6.2).
func (d *Decoder) literal(p []byte) (f Field, rest []byte, err error) {
	b := p[0]
	n := uint(4)
	index := false
	switch {
	case b&0xc0 == 0x40:
		n, index = 6, true
	case b&0xf0 == 0x10:
		f.Sensitive = true
	}
	i, p, err := readInt(p, n)
	if err != nil {
		return f, nil, err
	}
	var from *Entry
	if i > 0 {
		if from = d.at(i); from == nil {
			return f, nil, ErrIndex
		}
		f.Name = from.Name
	} else if f.Name, p, err = d.str(p); err != nil {
		return f, nil, err
	}
	if f.Value, p, err = d.str(p); err != nil {
		return f, nil, err
	}
	if index {
		e := &Entry{Name: f.Name, Value: f.Value, size: uint32(f.Size())}
		// The table keeps the strings: they may not point into the block.
		if from == nil {
			e.Name = strings.Clone(f.Name)
		}
		e.Value = strings.Clone(f.Value)
		f = Field{Name: e.Name, Value: e.Value, Entry: e}
		d.insert(e)
	}
	return f, p, nil
}

// str reads a string (RFC 7541, 5.2). What it returns points into p or into
// the decoder's scratch space.
func (d *Decoder) str(p []byte) (s string, rest []byte, err error) {
	if len(p) == 0 {
		return "", nil, ErrTruncated
	}
	huffman := p[0]&0x80 != 0
	n, p, err := readInt(p, 7)
	if err != nil {
		return "", nil, err
	}
	if n > uint64(len(p)) {
		return "", nil, ErrTruncated
	}
	raw, rest := p[:n], p[n:]
	if !huffman {
		return view(raw), rest, nil
	}
	from := len(d.scratch.b)
	if _, err := xhpack.HuffmanDecode(&d.scratch, raw); err != nil {
		return "", nil, ErrHuffman
	}
	return view(d.scratch.b[from:]), rest, nil
}

// view is b as a string without a copy: see Field for how long it is good.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// at returns the entry with index i, or nil.
func (d *Decoder) at(i uint64) *Entry {
	if i == 0 {
		return nil
	}
	if i <= uint64(len(static)) {
		return &static[i-1]
	}
	i -= uint64(len(static)) + 1
	if i >= uint64(d.count) {
		return nil
	}
	return d.ring[(d.head-1-uint(i))&uint(len(d.ring)-1)]
}

func (d *Decoder) insert(e *Entry) {
	d.gen++
	d.evict(e.size)
	if e.size > d.max {
		return // larger than the table: it empties it, and is not in it (RFC 7541, 4.4)
	}
	if d.count == uint(len(d.ring)) {
		d.grow()
	}
	d.ring[d.head&uint(len(d.ring)-1)] = e
	d.head++
	d.count++
	d.size += e.size
}

func (d *Decoder) grow() {
	ring := make([]*Entry, max(16, 2*len(d.ring)))
	for i := range d.count {
		ring[i] = d.ring[(d.head-d.count+i)&uint(len(d.ring)-1)]
	}
	d.ring = ring
	d.head = d.count
}

// evict drops the oldest entries until more bytes fit.
func (d *Decoder) evict(more uint32) {
	for d.count > 0 && d.size+more > d.max {
		i := (d.head - d.count) & uint(len(d.ring)-1)
		d.size -= d.ring[i].size
		d.ring[i] = nil
		d.count--
	}
}
