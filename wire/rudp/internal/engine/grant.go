package engine

import (
	"slices"

	"github.com/lupine-rpc/lupine"
)

// grant lets the peer send more of the stream that comes in s, if that is due (5.4).
func (c *Conn) grant(now int64, s *slot) {
	in := &s.in
	if in.discard || in.ended || s.state == slotQueued || s.state == slotFree {
		return
	}
	c.wantRoom(now, s)
	if in.wanted > 0 {
		return // it waits for its turn
	}
	if c.oneMessage(s) && in.msgEnd != 0 && in.credit > in.msgEnd {
		return // all of it may come, and F
	}
	target := in.taken + in.window
	if c.oneMessage(s) {
		target = in.have + in.window
	}
	if in.msgEnd > target {
		if in.reserved == 0 {
			return // it waits for its turn
		}
		target = in.msgEnd
	} else if in.msgEnd != 0 && c.oneMessage(s) {
		target = in.msgEnd + statusRoom
	}
	if target <= in.credit || in.reserved == 0 && in.credit-in.have >= in.window/2 && in.credit-in.have >= target-in.credit {
		return
	}
	if c.rtt.Known && now-in.grantedAt < 2*c.rtt.Smoothed && in.window < uint64(c.cfg.MaxWindow) && in.credit-in.have < in.window/2 {
		in.window = min(2*in.window, uint64(c.cfg.MaxWindow))
	}
	in.credit, in.grantedAt = target, now
	if in.mark != in.have || in.since == 0 {
		in.since, in.mark = now, in.have
	}
	s.wantGrant = true
	c.push(queueControl, s)
}

// statusRoom is what may follow the message of a unary reply: STATUS and a trailer.
const statusRoom = StatusBytes + maxHeaderBytes + 4096

// oneMessage reports whether the stream that comes in s has one message only.
func (c *Conn) oneMessage(s *slot) bool {
	return s.kind == lupine.Unary || s.mine && s.kind == lupine.ClientStreaming || !s.mine && s.kind == lupine.ServerStreaming
}

// wantRoom asks for room for the message in work, if its window does not hold it.
func (c *Conn) wantRoom(now int64, s *slot) {
	in := &s.in
	if in.msgEnd == 0 || in.reserved > 0 || in.wanted > 0 {
		return
	}
	if need := in.msgEnd - in.read; need > in.window {
		in.wanted, in.asked = int64(need), now
		c.wanting = append(c.wanting, s)
		c.giveRoom(now)
	}
}

// giveRoom reserves room for messages, in their turn: the one with the least to
// come first, every tenth time the one that waits longest.
func (c *Conn) giveRoom(now int64) {
	for len(c.wanting) > 0 {
		best := 0
		c.roomTurns++
		for i, s := range c.wanting {
			b := c.wanting[best]
			if c.roomTurns%10 == 0 {
				if s.in.asked < b.in.asked {
					best = i
				}
			} else if s.in.msgEnd-s.in.have < b.in.msgEnd-b.in.have {
				best = i
			}
		}
		s := c.wanting[best]
		need := s.in.wanted
		if c.reserved > 0 && c.reserved+need > c.cfg.Assembly {
			c.hit(LimitAssembly)
			return
		}
		if others := c.budget.reserved.Load(); others > 0 && max(c.budget.receive.Load(), c.budget.Receive/4)+others+need > c.budget.Receive {
			c.hit(LimitReceive)
			c.budget.short.Store(now)
			return
		}
		c.wanting = slices.Delete(c.wanting, best, best+1)
		s.in.wanted, s.in.reserved = 0, need
		s.in.since, s.in.mark = now, s.in.have
		c.reserved += need
		c.budget.reserved.Add(need)
		c.book(s)
		c.grant(now, s)
	}
}

// unreserve gives back the room that s has or waits for.
func (c *Conn) unreserve(s *slot) {
	in := &s.in
	if in.wanted > 0 {
		in.wanted = 0
		if i := slices.Index(c.wanting, s); i >= 0 {
			c.wanting = slices.Delete(c.wanting, i, i+1)
		}
	}
	if in.reserved > 0 {
		c.reserved -= in.reserved
		c.budget.reserved.Add(-in.reserved)
		in.reserved = 0
		c.book(s)
		c.giveRoom(c.now)
	}
}

// grantFrame takes in GRANT, of either stream.
func (c *Conn) grantFrame(now int64, f *Frame) *Error {
	var s *slot
	if f.Type == TypeGrantRequest {
		var err *Error
		if s, err = c.myCall(f); err != nil {
			return err
		}
	} else {
		if s = c.theirCall(f.Call); s != nil && s.seq != f.Call.Seq {
			s = nil
		}
	}
	if s == nil || s.out.settled || f.Offset <= s.out.credit {
		return c.waste(now)
	}
	s.out.credit = f.Offset
	s.grantedAt = now
	c.more(s)
	return nil
}
