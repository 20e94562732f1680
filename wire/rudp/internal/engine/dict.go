package engine

// Entry is a byte string that the peer defined (2.5). It never changes, and
// lives as long as somebody points to it.
type Entry struct {
	// Bytes is all of it: the path, where it names a method.
	Bytes string
	// Name and Value are it read as a field, if IsField.
	Name, Value string
	IsField     bool
	// Memo is the reader's: what it worked out about the entry, such as the
	// route of a path (8.3).
	Memo any
}

// ReadDict is what the peer has defined in a session (2.5).
type ReadDict struct {
	entries     []*Entry // id is the index and one
	most, bytes int      // entries, bytes still free
}

// NewReadDict returns an empty dictionary of at most so many entries and bytes
// of text: what we announced as dict_entries and dict_bytes (2.5, 3.3).
func NewReadDict(entries, bytes int) *ReadDict {
	return &ReadDict{most: entries, bytes: bytes}
}

// Define takes in a DEFINE frame (2.5). Known ids may be repeated with the same
// bytes. It copies p. Errors are PROTOCOL: an id that now means something else,
// or is above dict_entries; bytes beyond dict_bytes.
func (d *ReadDict) Define(id uint64, p []byte) *Error {
	if id == 0 || id > uint64(d.most) {
		return protocol("DEFINE: id: %d is not among 1 to %d (limit dict_entries)", id, d.most)
	}
	if e := d.Get(id); e != nil {
		if e.Bytes != string(p) {
			return protocol("DEFINE: bytes: id %d means something else already", id)
		}
		return nil
	}
	if len(p) > d.bytes {
		return protocol("DEFINE: length: %d bytes with %d left (limit dict_bytes)", len(p), d.bytes)
	}
	d.bytes -= len(p)
	for uint64(len(d.entries)) < id {
		d.entries = append(d.entries, nil)
	}
	e := &Entry{Bytes: string(p)}
	if size, n := readVarint(p); n > 0 && size <= uint64(len(p)-n) {
		end := n + int(size)
		e.Name, e.Value, e.IsField = e.Bytes[n:end], e.Bytes[end:], true
	}
	d.entries[id-1] = e
	return nil
}

// Get returns the entry of an id, or nil if there is none (2.5).
func (d *ReadDict) Get(id uint64) *Entry {
	if id == 0 || id > uint64(len(d.entries)) {
		return nil
	}
	return d.entries[id-1]
}

// ref reads a ref; nil means that a literal follows, or that reading failed.
func (c *cursor) ref(field string, d *ReadDict) *Entry {
	id := c.varint(field)
	if id == 0 {
		return nil
	}
	e := d.Get(id)
	if e == nil {
		c.bad(field, "id %d is not defined", id)
	}
	return e
}
