package engine

// A long message of the only stream that has something to send need not be copied into
// Out: Burst frames it where it is, and the owner writes headers and payload from where
// they are, as far as the kernel takes them. The rest goes back to the stream, so that
// other streams have their turn, but for the frame that was begun.

// BurstMin is the shortest message that Send leaves for Burst.
const BurstMin = 4 * soloChunk

// burst is what the owner is writing.
type burst struct {
	active bool
	s      *Stream // nil: removed meanwhile
	data   []byte
	frame  int    // payload of each frame; the last one's may be shorter
	heads  []byte // the frames' headers
}

// Burst appends to bufs headers and payload of pending data, at most most bytes of it, if
// it belongs to the only stream that can send and is at least least bytes long. They go
// behind what TakeOut has given, and before what it gives next. The last bytes of a
// message are always left to Pump. Wrote must follow; until then the stream's data must
// not change, even if the stream is reset.
func (c *Conn) Burst(bufs [][]byte, least, most int) [][]byte {
	s := c.readyFirst
	if s == nil || s != c.readyLast || c.burst.active {
		return bufs
	}
	n := int(min(int64(most), int64(len(s.pending)-1), s.sendWindow, c.sendWindow))
	if n < least || n <= 0 {
		return bufs
	}
	c.popReady()
	b := &c.burst
	b.active, b.s, b.data = true, s, s.pending[:n]
	b.frame = int(min(soloChunk, int64(c.peer.maxFrame)))
	if frames := (n + b.frame - 1) / b.frame; cap(b.heads) < frames*frameHeaderLen {
		b.heads = make([]byte, 0, frames*frameHeaderLen) // no append may move it
	}
	b.heads = b.heads[:0]
	for p := b.data; len(p) > 0; {
		k := min(b.frame, len(p))
		at := len(b.heads)
		b.heads = appendFrameHeader(b.heads, k, frameData, 0, s.ID)
		bufs = append(bufs, b.heads[at:], p[:k])
		p = p[k:]
	}
	s.pending = s.pending[n:]
	s.sendWindow -= int64(n)
	c.sendWindow -= int64(n)
	s.bursting = true
	return bufs
}

// Bursting returns the stream whose data is being written, or nil.
func (c *Conn) Bursting() *Stream { return c.burst.s }

// Wrote ends a burst of which the first n bytes, headers included, have left. head and
// payload, which may be empty, must follow before anything else: the rest of the frame
// that was begun, or the next one, so that there is something to wait for. left is how
// many bytes of the burst will not be sent now.
func (c *Conn) Wrote(n int) (head, payload []byte, left int) {
	b := &c.burst
	size := b.frame + frameHeaderLen
	i, in := n/size, n%size // frame, and how far into it
	at := i * b.frame
	end := min(at+b.frame, len(b.data))
	if at < len(b.data) {
		head = b.heads[i*frameHeaderLen:][min(in, frameHeaderLen):frameHeaderLen]
		payload = b.data[at+max(in-frameHeaderLen, 0) : end]
	} else {
		end = len(b.data)
	}
	back := int64(len(b.data) - end)
	left = int(back) + ((len(b.data)-end)+b.frame-1)/b.frame*frameHeaderLen
	c.sendWindow += back
	c.controls.give(2*int64((end+b.frame-1)/b.frame) + int64(end/updateBytes))
	if s := b.s; s != nil {
		s.bursting = false
		s.sendWindow += back
		whole := b.data[:len(b.data)+len(s.pending)] // what Burst took it from
		s.pending = whole[end:]
		c.ready(s)
	}
	b.active, b.s, b.data = false, nil, nil
	return head, payload, left
}
