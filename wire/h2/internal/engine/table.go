package engine

// table finds streams by id. Ids rise by two, so that a ring finds nearly all
// of them; a stream that outlives a whole turn of it moves newcomers to a map.
// It also keeps them in order of age, so that walking them is the same each time.
type table struct {
	ring     []*Stream // a power of two long
	overflow map[uint32]*Stream
	first    *Stream
	last     *Stream
	n        int
}

const minRing, maxRing = 16, 1024

func (t *table) slot(id uint32) **Stream { return &t.ring[int(id>>1)&(len(t.ring)-1)] }

func (t *table) get(id uint32) *Stream {
	if len(t.ring) == 0 {
		return nil
	}
	if s := *t.slot(id); s != nil && s.ID == id {
		return s
	}
	if len(t.overflow) > 0 {
		return t.overflow[id]
	}
	return nil
}

func (t *table) add(s *Stream) {
	if 2*t.n >= len(t.ring) && len(t.ring) < maxRing {
		t.grow()
	}
	t.place(s)
	s.prevStream, s.nextStream = t.last, nil
	if t.last != nil {
		t.last.nextStream = s
	} else {
		t.first = s
	}
	t.last = s
	t.n++
}

func (t *table) place(s *Stream) {
	if slot := t.slot(s.ID); *slot == nil {
		*slot = s
		return
	}
	if t.overflow == nil {
		t.overflow = make(map[uint32]*Stream)
	}
	t.overflow[s.ID] = s
}

func (t *table) grow() {
	t.ring = make([]*Stream, max(minRing, 2*len(t.ring)))
	clear(t.overflow)
	for s := t.first; s != nil; s = s.nextStream {
		t.place(s)
	}
}

func (t *table) remove(s *Stream) {
	if slot := t.slot(s.ID); *slot == s {
		*slot = nil
	} else {
		delete(t.overflow, s.ID)
	}
	if s.prevStream != nil {
		s.prevStream.nextStream = s.nextStream
	} else {
		t.first = s.nextStream
	}
	if s.nextStream != nil {
		s.nextStream.prevStream = s.prevStream
	} else {
		t.last = s.prevStream
	}
	s.prevStream, s.nextStream = nil, nil
	t.n--
}
