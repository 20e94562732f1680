package engine

// inflow is what came of a stream (5.4).
type inflow struct {
	have  uint64 // everything below came
	above spans  // came beyond that
	end   uint64 // of the stream, if ended
	ended bool
	read  uint64 // everything below was parsed, or thrown away
	// discard: nobody wants the bytes; only offsets are noted (4.1, Closing).
	discard bool

	credit uint64 // what the peer may send
	window uint64
	taken  uint64 // of what was parsed, what the application took
	// grantedAt is when credit last grew.
	grantedAt int64
	// reserved is room kept for the message that is being assembled, which ends at
	// msgEnd; wanted is room asked for.
	reserved, wanted int64
	msgEnd           uint64 // 0: not known
	looks            uint8  // at the message's prefix, with more to come
	asked            int64  // when room was asked for
	booked           int64  // what of tiles counts in the budget beside reservations

	// buf is the message in work, [bufAt, msgEnd) of the stream, once enough of it has
	// come (assemble); the rest is in tiles. Its record's prefix said the other two.
	buf         []byte
	bufAt       uint64
	compression Compression
	crc         uint32

	tiles tiles
	since int64  // when the message in work began, or last waited: StallTimeout
	mark  uint64 // have, then
}

func (in *inflow) reset(credit uint64, now int64) {
	*in = inflow{
		credit: credit, window: credit, above: in.above[:0], since: now, grantedAt: now,
		tiles: tiles{list: in.tiles.list[:0]},
	}
}

// whole reports whether all of the stream came.
func (in *inflow) whole() bool { return in.ended && in.have == in.end }

// waits reports whether the message in work has more to come, and its prefix was
// looked at with the limit that the owner may have set since.
func (in *inflow) waits() bool { return in.have < in.msgEnd && in.looks > 1 }

// check looks at [lo, hi) of a stream frame, with F or not, before it is taken in.
func (in *inflow) check(f *Frame) *Error {
	hi := f.Offset + uint64(len(f.Data))
	switch fin := f.Type&StreamFin != 0; {
	case in.ended && hi > in.end:
		return protocol("%s: length: bytes past the stream's end at %d", f.Type, in.end)
	case fin && in.ended && hi != in.end:
		return protocol("%s: F: the stream ends at %d and at %d", f.Type, in.end, hi)
	case fin && (hi < in.have || len(in.above) > 0 && hi < in.above[len(in.above)-1].hi):
		return protocol("%s: F: bytes came past the end at %d", f.Type, hi)
	case hi > in.credit:
		return &Error{CodeFlow, f.Type.String() + ": bytes beyond what was granted"}
	}
	return nil
}

// put keeps b, which begins at off: in the message's buffer, or in tiles.
func (in *inflow) put(pool *pools, off uint64, b []byte) {
	if in.buf != nil && off < in.msgEnd {
		n := copy(in.buf[off-in.bufAt:], b)
		b, off = b[n:], off+uint64(n)
	}
	in.tiles.write(pool, off, b)
}

// note takes in the offsets of [lo, hi), and returns whether any was new.
func (in *inflow) note(lo, hi uint64) bool {
	if hi <= in.have {
		return false
	}
	if lo > in.have {
		return in.above.add(lo, hi) > 0
	}
	in.have = hi
	for len(in.above) > 0 && in.above[0].lo <= in.have {
		in.have = max(in.have, in.above[0].hi)
		in.above = append(in.above[:0], in.above[1:]...)
	}
	return true
}
