package engine

// WriteDict is what we have defined for the peer in a session (2.5). A path is
// defined when it is first used, a field at its second use. Nothing is ever
// replaced; when the peer's room is used up the rest goes as literals.
type WriteDict struct {
	ids     map[string]uint32
	entries []written // id is the index and one
	most    int       // entries
	bytes   int       // bytes still free
	seen    [256]uint32
	scratch []byte
}

type written struct {
	bytes  string
	acked  bool
	packet uint64 // one more than the packet that had its DEFINE last; 0: none
}

// Uses are the ids that an opening frame's bytes use and whose DEFINE has to
// stand before it in its packet (2.5). The zero value holds none.
type Uses struct {
	ids [PacketDefines]uint32
	n   int
}

// NewWriteDict returns an empty dictionary for a peer with these parameters
// (2.5, 3.3); more than DictEntries and DictBytes is not used.
func NewWriteDict(entries, bytes uint64) *WriteDict {
	return &WriteDict{
		ids:  make(map[string]uint32),
		most: int(min(entries, DictEntries)), bytes: int(min(bytes, DictBytes)),
	}
}

// method returns the id of a path, or 0 for a literal. d may be nil.
func (d *WriteDict) method(path string, uses *Uses) uint64 {
	if d == nil {
		return 0
	}
	d.scratch = append(d.scratch[:0], path...)
	return d.ref(true, uses)
}

// field is method for a field.
func (d *WriteDict) field(name, value string, uses *Uses) uint64 {
	if d == nil || name == "authorization" || 1+len(name)+len(value) > DefineBytes {
		return 0
	}
	d.scratch = append(AppendVarint(d.scratch[:0], uint64(len(name))), name...)
	d.scratch = append(d.scratch, value...)
	return d.ref(false, uses)
}

// ref returns the id of the bytes in scratch if it may be used: its DEFINE was
// acked, or uses has room to note that it has to go along. at says to define
// the bytes at first sight.
func (d *WriteDict) ref(at bool, uses *Uses) uint64 {
	id, ok := d.ids[string(d.scratch)]
	if ok && d.entries[id-1].acked {
		return uint64(id)
	}
	if uses == nil || len(d.scratch) > DefineBytes || len(d.scratch) == 0 {
		return 0
	}
	if !ok {
		if len(d.entries) == d.most || len(d.scratch) > d.bytes || uses.n == len(uses.ids) || !at && !d.again() {
			return 0
		}
		s := string(d.scratch)
		d.entries = append(d.entries, written{bytes: s})
		d.bytes -= len(s)
		id = uint32(len(d.entries))
		d.ids[s] = id
	}
	if !uses.add(id) {
		return 0
	}
	return uint64(id)
}

func (u *Uses) add(id uint32) bool {
	for _, have := range u.ids[:u.n] {
		if have == id {
			return true
		}
	}
	if u.n == len(u.ids) {
		return false
	}
	u.ids[u.n] = id
	u.n++
	return true
}

// again reports whether scratch was looked at before, and remembers that it
// was. It is a table of hashes without chains: it may forget, and may rarely take
// one field for another, which then is defined a use early.
func (d *WriteDict) again() bool {
	h := uint32(2166136261) // FNV-1a
	for _, b := range d.scratch {
		h = (h ^ uint32(b)) * 16777619
	}
	place := &d.seen[h%uint32(len(d.seen))]
	if *place == h {
		return true
	}
	*place = h
	return false
}

// Acked notes that a packet with the DEFINE of id was acked: from now on every
// record may use the id (2.5).
func (d *WriteDict) Acked(id uint64) { d.entries[id-1].acked = true }

// AppendDefine appends the DEFINE of id for the packet of that number, unless it
// was acked or the packet has it already (2.5).
func (d *WriteDict) AppendDefine(dst []byte, id, packet uint64) []byte {
	e := &d.entries[id-1]
	if e.acked || e.packet == packet+1 {
		return dst
	}
	e.packet = packet + 1
	dst = AppendVarint(append(dst, byte(TypeDefine)), id)
	dst = AppendVarint(dst, uint64(len(e.bytes)))
	return append(dst, e.bytes...)
}

// AppendDefines appends what has to stand before an opening frame with these
// uses in the packet of that number (2.5).
func (d *WriteDict) AppendDefines(dst []byte, uses *Uses, packet uint64) []byte {
	for _, id := range uses.ids[:uses.n] {
		dst = d.AppendDefine(dst, uint64(id), packet)
	}
	return dst
}

// SizeDefines returns how many bytes AppendDefines would append (2.5).
func (d *WriteDict) SizeDefines(uses *Uses, packet uint64) (n int) {
	for _, id := range uses.ids[:uses.n] {
		if e := &d.entries[id-1]; !e.acked && e.packet != packet+1 {
			n += 1 + SizeVarint(uint64(id)) + SizeVarint(uint64(len(e.bytes))) + len(e.bytes)
		}
	}
	return n
}

// IDs returns the ids in u, for the sender's record of what a packet meant (5.1).
func (u *Uses) IDs() []uint32 { return u.ids[:u.n] }
