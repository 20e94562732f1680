package engine

// outflow is what we send of a stream (5.1, 5.4): what is appended, and what
// has become of it. The stream's end, where it is known, counts as one more
// byte after the last, so that it is sent, lost and acked as bytes are.
type outflow struct {
	pieces []piece // from the first on
	first  int     // those before were released
	end    uint64  // bytes appended
	fin    bool    // no more will be
	next   uint64  // everything below was sent once
	credit uint64
	acked  uint64 // everything below was acked
	above  spans  // acked beyond that
	lost   spans  // to be sent again
	// settled: the peer needs no more of it, whatever was acked.
	settled bool
}

type piece struct {
	b     []byte
	at    uint64
	owner any
}

// reset makes it an empty stream.
func (o *outflow) reset(credit uint64) {
	clear(o.pieces)
	*o = outflow{pieces: o.pieces[:0], above: o.above[:0], lost: o.lost[:0], credit: credit}
}

// total is the end of what there is to send.
func (o *outflow) total() uint64 {
	if o.fin {
		return o.end + 1
	}
	return o.end
}

// append adds bytes.
func (o *outflow) append(m Message) {
	if len(m.Bytes) == 0 && m.Owner == nil {
		return
	}
	if o.first == len(o.pieces) {
		o.pieces, o.first = o.pieces[:0], 0
	}
	o.pieces = append(o.pieces, piece{m.Bytes, o.end, m.Owner})
	o.end += uint64(len(m.Bytes))
}

// fresh returns how much can be sent for the first time: the end counts.
func (o *outflow) fresh() uint64 {
	if o.settled || o.next >= o.total() {
		return 0
	}
	if o.end <= o.credit {
		return o.total() - o.next
	}
	return max(o.credit, o.next) - o.next
}

// left is how much is not sent yet, whatever the credit.
func (o *outflow) left() uint64 { return o.total() - min(o.next, o.total()) }

// done reports whether all of it, with its end, was acked.
func (o *outflow) done() bool { return o.fin && o.acked == o.end+1 }

// copyTo fills dst with the bytes from off on.
func (o *outflow) copyTo(dst []byte, off uint64) {
	i := len(o.pieces) - 1
	for i > o.first && o.pieces[i].at > off {
		i--
	}
	for ; len(dst) > 0; i++ {
		p := &o.pieces[i]
		n := copy(dst, p.b[off-p.at:])
		dst, off = dst[n:], off+uint64(n)
	}
}

// ack notes that [lo, hi) was received. It returns whether that was news.
func (o *outflow) ack(lo, hi uint64) bool {
	if o.settled || hi <= o.acked {
		return false
	}
	o.lost.cut(lo, hi)
	if lo > o.acked {
		return o.above.add(lo, hi) > 0
	}
	o.acked = hi
	for len(o.above) > 0 && o.above[0].lo <= o.acked {
		o.acked = max(o.acked, o.above[0].hi)
		o.above = append(o.above[:0], o.above[1:]...)
	}
	return true
}

// lose notes that [lo, hi) has to be sent again, as far as it is not acked.
func (o *outflow) lose(lo, hi uint64) bool {
	lo = max(lo, o.acked)
	if o.settled || lo >= hi {
		return false
	}
	o.lost.add(lo, hi)
	for _, a := range o.above {
		o.lost.cut(a.lo, a.hi)
	}
	return len(o.lost) > 0
}

// held is how many bytes are kept by reference.
func (o *outflow) held() uint64 {
	if o.settled || o.first == len(o.pieces) {
		return 0
	}
	return o.end - o.pieces[o.first].at
}
