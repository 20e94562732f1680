package engine

import (
	"fmt"

	"github.com/lupine-rpc/lupine"
)

// insert takes in a stream frame's bytes (5.4). took says that the packet may be
// acked for it, news that something of it was new. What can be parsed is then
// read through view.
func (c *Conn) insert(now int64, s *slot, f *Frame) (took, news bool, err *Error) {
	in := &s.in
	c.direct = nil
	if err := in.check(f); err != nil {
		return false, false, err
	}
	lo, hi := max(f.Offset, in.have), f.Offset+uint64(len(f.Data))
	fin := f.Type&StreamFin != 0 && !in.ended
	if hi > lo && !in.discard {
		if !c.roomFor(s, f, lo, hi, fin) {
			return false, false, nil
		}
		c.store(s, f, lo, hi)
	}
	if hi > lo {
		news = in.note(lo, hi)
	}
	if fin {
		in.ended, in.end = true, hi
		news = true
	}
	if in.discard {
		in.read = in.have
	}
	return true, news, nil
}

// roomFor reports whether the bytes [lo, hi) of f may be kept (5.4).
func (c *Conn) roomFor(s *slot, f *Frame, lo, hi uint64, fin bool) bool {
	in := &s.in
	if lo > in.have && len(in.above) >= gaps {
		c.hit(LimitGaps)
		c.Stats.Unacked++
		return false
	}
	if in.reserved > 0 || fin && lo == in.have && in.read == in.have && len(in.above) == 0 {
		return true
	}
	if in.buf != nil {
		if lo = max(lo, in.msgEnd); lo >= hi {
			return true
		}
	}
	need := int(hi - lo)
	if in.tiles.size > 0 {
		need = in.tiles.need(lo, hi)
	}
	used := c.budget.receive.Load() + int64(need)
	if used+c.budget.reserved.Load() <= c.budget.Receive || hi <= LeastCredit && used <= c.budget.Receive/4 {
		return true // what reservations hold keeps no head and no small message out
	}
	c.hit(LimitReceive)
	c.Stats.Unacked++
	return false
}

// book keeps the book of what s keeps. What comes for a reservation is in that.
func (c *Conn) book(s *slot) {
	now := int64(0)
	if s.in.reserved == 0 {
		now = int64(s.in.tiles.size + len(s.in.buf))
	}
	if now != s.in.booked {
		c.budget.receive.Add(now - s.in.booked)
		s.in.booked = now
	}
}

// store keeps the bytes of f that are new. If they can be parsed where they
// are, that is noted, and keep stores what is left of them.
func (c *Conn) store(s *slot, f *Frame, lo, hi uint64) {
	in := &s.in
	c.assemble(s)
	if in.tiles.size == 0 {
		if in.buf == nil && lo == in.have && len(in.above) == 0 && in.read == in.have {
			c.direct = f.Data[lo-f.Offset:]
			return
		}
		in.tiles.base, in.tiles.skip = in.read, 0
		if in.buf != nil {
			in.tiles.base = in.msgEnd
		}
	}
	for _, have := range in.above {
		if have.hi <= lo {
			continue
		}
		if have.lo >= hi {
			break
		}
		if have.lo > lo {
			in.put(&c.budget.pools, lo, f.Data[lo-f.Offset:have.lo-f.Offset])
		}
		lo = have.hi
	}
	if lo < hi {
		in.put(&c.budget.pools, lo, f.Data[lo-f.Offset:])
	}
	c.book(s)
}

// assembleShare is how much of a message has to be there before its buffer is made
// (5.4, Block): a sixteenth. So memory is bounded by what came, and next to nothing of a
// message in order is copied twice.
const assembleShare = 16

// assemble makes the buffer of the message in work, if it is time for that, and moves
// into it what is in tiles.
func (c *Conn) assemble(s *slot) {
	in := &s.in
	if in.buf != nil || in.have >= in.msgEnd || in.have < in.bufAt || in.looks < 2 && !s.mine && s.messages == 0 {
		return // there is none, or its limit is not sure
	}
	length := in.msgEnd - in.bufAt
	if in.have-in.bufAt < length/assembleShare {
		return
	}
	if in.reserved == 0 {
		if length > in.window || c.budget.receive.Load()+c.budget.reserved.Load()+int64(length) > c.budget.Receive {
			return
		}
	}
	buf := c.cfg.Buffer(int(length))
	if in.tiles.size > 0 {
		in.tiles.read(buf[:in.have-in.bufAt], in.bufAt)
		beyond := false
		for _, have := range in.above {
			if have.lo < in.msgEnd {
				in.tiles.read(buf[have.lo-in.bufAt:min(have.hi, in.msgEnd)-in.bufAt], have.lo)
			}
			beyond = beyond || have.hi > in.msgEnd
		}
		if beyond {
			in.tiles.drop(&c.budget.pools, in.msgEnd)
		} else {
			in.tiles.clear(&c.budget.pools)
		}
	}
	in.buf = buf
	c.book(s)
}

// view is what of a stream can be parsed: from in.read to in.have.
type view struct {
	s      *slot
	data   []byte // where the frame has it; else it is in tiles
	direct bool
}

// view returns that of s, after insert.
func (c *Conn) view(s *slot) view {
	v := view{s: s, data: c.direct, direct: c.direct != nil}
	c.direct = nil
	return v
}

// peek returns up to n bytes that come next.
func (v *view) peek(c *Conn, n int) []byte {
	if v.direct {
		return v.data[:min(n, len(v.data))]
	}
	in := &v.s.in
	return in.tiles.view(in.read, int(min(uint64(n), in.have-in.read)), &c.scratch)
}

// record returns as much as may be needed to parse the next record.
func (v *view) record(c *Conn) []byte {
	b := v.peek(c, 16)
	if len(b) > 0 && RecordKind(b[0]&3) != RecordMessage {
		b = v.peek(c, StatusBytes+int(c.local.MaxHeader)+4096)
	}
	return b
}

// next parses the record that comes next, or what is known of the message in work.
func (v *view) next(c *Conn, reply bool, r *Record) (n int, err error) {
	if in := &v.s.in; in.buf != nil {
		*r = Record{Kind: RecordMessage, Compression: in.compression, Length: in.msgEnd - in.bufAt, CRC: in.crc}
		return int(in.bufAt - in.read), nil
	}
	return ParseRecord(v.record(c), reply, c.rdict, int(c.local.MaxHeader), r)
}

// advance says that n bytes were parsed.
func (v *view) advance(c *Conn, n int) {
	in := &v.s.in
	in.read += uint64(n)
	in.taken += uint64(n)
	if v.direct {
		v.data = v.data[n:]
		return
	}
	c.dropTiles(v.s)
}

func (c *Conn) dropTiles(s *slot) {
	in := &s.in
	if in.tiles.size == 0 {
		return
	}
	if in.read == in.have && len(in.above) == 0 {
		in.tiles.clear(&c.budget.pools)
	} else {
		in.tiles.drop(&c.budget.pools, in.read)
	}
	c.book(s)
}

// keep stores what was not parsed.
func (v *view) keep(c *Conn) {
	in := &v.s.in
	if !v.direct || len(v.data) == 0 || in.discard {
		return
	}
	if c.assemble(v.s); in.buf != nil {
		copy(in.buf, v.data[in.bufAt-in.read:])
		return
	}
	in.tiles.base, in.tiles.skip = in.read, 0
	in.tiles.write(&c.budget.pools, in.read, v.data)
	c.book(v.s)
}

// takeMessage takes the message whose record r, with a prefix of n bytes, comes
// next. It returns false if not all of it is there, or nobody wants it.
func (c *Conn) takeMessage(now int64, s *slot, r *Record, n int, v *view) bool {
	in := &s.in
	limit := s.call.MaxReceive
	if limit == 0 {
		limit = c.cfg.MaxReceive
	}
	if limit > 0 && r.Length > uint64(limit) {
		c.hit(LimitMessage)
		c.refuseMessage(now, s, lupine.ResourceExhausted,
			fmt.Sprintf("a message of %d bytes is larger than the receiver's limit of %d (MaxReceive)", r.Length, limit))
		return false
	}
	in.msgEnd = in.read + uint64(n) + r.Length
	in.bufAt, in.compression, in.crc = in.read+uint64(n), r.Compression, r.CRC
	if in.have < in.msgEnd {
		in.looks = min(in.looks+1, 2)
		if s.messages > 0 && s.kind == lupine.Unary {
			c.refuseMessage(now, s, lupine.Unimplemented, "a unary call has one message each way")
		}
		return false
	}
	if s.kind == lupine.Unary && (s.messages > 0 || !s.mine && in.whole() && in.msgEnd != in.end) {
		c.refuseMessage(now, s, lupine.Unimplemented, "a unary call has one message each way")
		return false
	}
	if s.kind == lupine.Unary && !s.mine && !in.whole() {
		return false // the handler starts when all of it is there
	}
	e := Event{Kind: EventMessage, Call: s.call, Compression: r.Compression, CRC: r.CRC}
	e.End = in.whole() && in.msgEnd == in.end
	length := int(r.Length)
	if in.buf != nil {
		e.Message, e.Own, in.buf = in.buf, true, nil
	} else if v.direct {
		e.Message = v.data[n : n+length : n+length]
	} else {
		e.Message, e.Own = c.cfg.Buffer(length), true
		in.tiles.read(e.Message, in.read+uint64(n))
	}
	s.messages++
	s.gotRecord = true
	s.half = e.End
	v.advance(c, n+length)
	in.taken -= r.Length // until it is Consumed
	in.msgEnd, in.looks, in.since, in.mark = 0, 0, now, in.have
	c.unreserve(s)
	c.emit(e)
	return true
}

// refuseMessage ends a call whose message cannot be taken.
func (c *Conn) refuseMessage(now int64, s *slot, code lupine.Code, text string) {
	switch {
	case s.mine:
		c.giveUp(now, s, code, text)
	case s.state == slotReceiving:
		c.refuse(now, s, code, lupine.No, text)
	default:
		c.stopReading(s)
		c.tell(s, failed(code, lupine.Yes, text))
	}
}

// stopReading throws away what is still to come of a stream.
func (c *Conn) stopReading(s *slot) {
	s.in.discard = true
	c.refund(s)
	s.in.read = s.in.have
	s.wantGrant = false
}

// Consumed says that the application took n bytes of messages of the call.
func (c *Conn) Consumed(now int64, call *Call, n int) {
	s := call.s
	if s == nil || s.kind == lupine.Unary {
		return
	}
	s.in.taken += uint64(n)
	c.grant(now, s)
}
