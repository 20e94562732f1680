package engine

// putContents fills the packet, in the order of 5.4: control frames, lost
// contents, opening frames, the rest.
func (c *Conn) putContents(now int64) {
	if c.probes > 0 {
		c.moveOldest()
	}
	c.putSession(now)
	c.putControls(now)
	c.putLost()
	c.putOpenings()
	c.putData()
	f := &c.fill
	if (c.probes > 0 || c.wantPing && len(f.lazies) == 0) && !f.elicits && f.room() > 0 {
		f.b = AppendType(f.b, TypePing)
		f.elicits, f.lastType = true, -1
	}
	c.wantPing = false
}

// moveOldest wants again what the oldest packets meant, as much as one datagram
// holds (5.3, PTO). From the third PTO in a row on it begins anywhere: it may be
// what the oldest packets hold that the peer has no room for (5.4).
func (c *Conn) moveOldest() {
	first := c.sent.base
	if n := c.sent.next - 1 - first; c.ptoCount > 2 && n > 1 {
		first += c.cfg.Rand() % n
	}
	if !c.moveFrom(first) && first > c.sent.base {
		c.moveFrom(c.sent.base)
	}
}

// moveFrom is moveOldest from a packet on. It reports whether there was anything.
func (c *Conn) moveFrom(first uint64) (any bool) {
	room := c.mtu - 100
	for n := first; n < c.sent.next-1; n++ {
		r := c.sent.at(n)
		if r.over || !r.elicits || r.level != LevelData {
			continue
		}
		for i := r.first; i < r.first+uint64(r.count); i++ {
			m := c.sent.mean(i)
			if m.moved || m.kind == meantAck || m.kind == meantDefine {
				continue
			}
			if m.kind == meantStream {
				if s := c.slotOf(m); s == nil || s.out.settled || s.lazy || m.off+uint64(m.n) <= s.out.acked {
					continue
				}
				if room -= int(m.n) + 16; room < 0 {
					if room+int(m.n)+16 == c.mtu-100 {
						c.wantAgain(*m) // one that is longer than the datagram: cut anew
						m.moved = true
					}
					return true
				}
			}
			m.moved, any = true, true
			c.wantAgain(*m)
		}
	}
	return any
}

// control appends a frame by put if size bytes are left, and notes what it means.
func (c *Conn) fits(size int) bool { return c.fill.room() >= size+1 } // one for PING

// note notes the meaning of a frame that asks for an ack.
func (c *Conn) note(m meaning) {
	c.sent.add(m)
	c.fill.elicits, c.fill.lastType = true, -1
}

// putSession appends the frames of the session.
func (c *Conn) putSession(now int64) {
	f := &c.fill
	c.putCrypto(LevelData)
	if c.wantDone && c.fits(1) {
		c.wantDone = false
		f.b = AppendType(f.b, TypeDone)
		c.note(meaning{kind: meantDone})
	}
	if c.wantToken && c.fits(2+len(c.cfg.Token)) {
		c.wantToken = false
		f.b = AppendToken(f.b, c.cfg.Token)
		c.note(meaning{kind: meantToken})
	}
	if c.wantMaxSlots && c.fits(9) {
		c.wantMaxSlots = false
		f.b = AppendMaxSlots(f.b, c.announced)
		c.note(meaning{kind: meantMaxSlots, off: c.announced})
	}
	if c.wantDrain && c.fits(2) {
		c.wantDrain = false
		f.b = AppendDrain(f.b, c.session.drainSaid)
		c.note(meaning{kind: meantDrain, off: uint64(c.session.drainSaid)})
	}
	if c.wantProbe && c.fits(40) {
		c.wantProbe = false
		c.putProbe(now)
	}
	if len(c.working) > 0 && c.fits(3+len(c.working)*16) {
		f.b = AppendCalls(f.b, TypeWorking, c.working)
		f.lastType = -1
		c.working = c.working[:0]
	}
}

// putProbe appends PROBE of the calls that wait the longest, or PING.
func (c *Conn) putProbe(now int64) {
	f := &c.fill
	c.calls = c.calls[:0]
	for _, s := range c.mine {
		if len(s.out.lost) == 0 && s.state == slotSent && s.out.next == s.out.total() || s.state == slotClosing {
			c.calls = append(c.calls, CallName{uint64(s.index), s.seq})
		}
	}
	if most := min(ProbeCalls, (f.room()-8)/16); len(c.calls) > most {
		c.oldestCalls(most)
	}
	if len(c.calls) == 0 {
		f.b = AppendType(f.b, TypePing)
	} else {
		f.b = AppendCalls(f.b, TypeProbe, c.calls)
	}
	f.elicits, f.lastType = true, -1
}

// oldestCalls leaves the oldest in c.calls.
func (c *Conn) oldestCalls(most int) {
	for i := range most {
		for j := i + 1; j < len(c.calls); j++ {
			if c.mine[c.calls[j].Slot].began < c.mine[c.calls[i].Slot].began {
				c.calls[i], c.calls[j] = c.calls[j], c.calls[i]
			}
		}
	}
	c.calls = c.calls[:most]
}

// putControls appends GRANT, CANCEL and ENDED.
func (c *Conn) putControls(now int64) {
	f := &c.fill
	for {
		s := c.queues[queueControl].first
		if s == nil {
			return
		}
		if s.wantCancel || s.wantGrant {
			if !c.fits(32) {
				return
			}
		}
		m := meaning{mine: s.mine, slot: s.index, seq: s.seq}
		if s.wantCancel && s.state == slotClosing {
			f.b = AppendCancel(f.b, s.name())
			m.kind = meantCancel
			c.note(m)
		}
		if s.wantGrant && !s.in.discard {
			t := TypeGrantReply
			if !s.mine {
				t = TypeGrantRequest
			}
			f.b = AppendGrant(f.b, t, s.name(), s.in.credit)
			m.kind, m.off = meantGrant, s.in.credit
			c.note(m)
		}
		s.wantCancel, s.wantGrant = false, false
		if s.wantEnded && s.state == slotDone {
			reason := s.endReason
			if !c.fits(32 + min(len(reason)*3, ReasonBytes)) {
				if len(f.b) > f.body {
					return
				}
				reason = reason[:min(len(reason), max(f.room()-40, 0)/3)]
			}
			f.b = AppendEnded(f.b, s.name(), s.endCode, s.endExec, reason)
			m.kind = meantEnded
			c.note(m)
		}
		s.wantEnded = false
		c.pop(queueControl)
	}
}

// putLost appends stream bytes that were lost. Each datagram begins with another
// stream, since the peer may have no room for one of them (5.4).
func (c *Conn) putLost() {
	for put := false; ; put = true {
		s := c.queues[queueLost].first
		if s == nil {
			return
		}
		if s.again {
			s.again = false
			// What was not sent yet has its first time still to come.
			if n := min(s.out.total(), s.out.next); n <= uint64(c.mtu) {
				s.out.lose(0, n)
			} else {
				s.out.lose(0, min(n, 512))
			}
		}
		for len(s.out.lost) > 0 && !s.out.settled {
			lost := s.out.lost[0]
			to := c.putStream(s, lost.lo, lost.hi)
			if to == lost.lo { // no room
				if put {
					c.pop(queueLost)
					c.push(queueLost, s)
				}
				return
			}
			put = true
			s.out.lost.cut(lost.lo, to)
		}
		c.pop(queueLost)
	}
}

// putOpenings appends what calls and replies begin with.
func (c *Conn) putOpenings() {
	for {
		s := c.queues[queueOpen].first
		if s == nil {
			return
		}
		valid := s.state == slotQueued
		if !s.mine {
			valid = s.state == slotRunning || s.state == slotDone && !s.ended
		}
		if n := s.out.fresh(); valid && s.out.next == 0 && n > 0 {
			to := c.putStream(s, 0, n)
			if to == 0 {
				return
			}
			s.out.next = to
			if s.mine {
				s.state = slotSent
			}
			if s.out.fresh() > 0 {
				c.push(queueData, s)
			}
			c.wrote(s)
		}
		c.pop(queueOpen)
	}
}

// putData appends bytes of long streams: the shortest remainder first, in every
// tenth datagram the one that waits longest; streams of unknown length take turns.
func (c *Conn) putData() {
	c.turns++
	for c.queues[queueData].first != nil && c.fits(48) {
		var prev, best, before *slot
		least := uint64(0)
		seen := 0
		for s := c.queues[queueData].first; s != nil && seen < 64; s = s.next[queueData] {
			left := s.out.left()
			if !s.out.fin {
				left = turn
			}
			if best == nil || left < least && c.turns%10 != 0 {
				best, before, least = s, prev, left
			}
			prev = s
			seen++
		}
		s := best
		if n := s.out.fresh(); n > 0 && s.out.next > 0 {
			if !s.out.fin {
				n = min(n, uint64(turn-s.turned))
			}
			to := c.putStream(s, s.out.next, s.out.next+n)
			if to == s.out.next {
				return
			}
			s.turned += int(to - s.out.next)
			s.out.next = to
			c.wrote(s)
		}
		if s.out.fresh() == 0 || s.out.next == 0 {
			s.turned = 0
			c.drop(queueData, before, s)
		} else if !s.out.fin && s.turned >= turn {
			s.turned = 0
			c.drop(queueData, before, s)
			c.push(queueData, s)
		}
	}
}

// wrote tells the application that there is room for more, if it asked.
func (c *Conn) wrote(s *slot) {
	if s.blocked && s.call != nil && s.out.left() < turn {
		s.blocked = false
		c.emit(Event{Kind: EventWritable, Call: s.call})
	}
}

// putStream appends a stream frame with what there is room for of [lo, hi), where
// the end counts as a byte, and returns how far it came.
func (c *Conn) putStream(s *slot, lo, hi uint64) uint64 {
	f, o := &c.fill, &s.out
	length := int(min(hi, o.end) - lo)
	room := f.room() - 1
	if lo == 0 {
		room -= c.wdict.SizeDefines(&s.uses, f.number)
	}
	fit := FitStream(room, s.name(), lo, length)
	if fit < 0 || fit < length && (fit < 64 || length < c.mtu-200 && len(f.b) > f.body) {
		return lo
	}
	fin := hi > o.end && fit == length
	if lo == 0 {
		at := len(f.b)
		f.b = c.wdict.AppendDefines(f.b, &s.uses, f.number)
		if len(f.b) > at {
			for _, id := range s.uses.IDs() {
				c.sent.add(meaning{kind: meantDefine, off: uint64(id)})
			}
			f.elicits = true
		}
	}
	bits := s.bits() | StreamLength
	if fin {
		bits |= StreamFin
	}
	whole := !s.mine && lo == 0 && fin
	if !s.mine && (!whole || s.eager || s.acksAt != c.acksSent || c.session.leaving) {
		bits |= StreamEager
		s.eager = true
	}
	typeAt := len(f.b)
	f.b = appendStreamHead(f.b, bits, s.name(), lo, fit)
	f.lastType, f.lastSize = typeAt, SizeVarint(uint64(fit))
	f.lastLength = len(f.b) - f.lastSize
	at := len(f.b)
	f.b = f.b[:at+fit]
	o.copyTo(f.b[at:], lo)
	if bits&StreamEager != 0 || s.mine {
		f.elicits = true
	} else {
		f.lazies = append(f.lazies, lazyFrame{s, typeAt})
	}
	to := lo + uint64(fit)
	if fin {
		to = hi
	}
	if lo < o.next {
		c.Stats.Retransmits++
	}
	c.sent.add(meaning{kind: meantStream, mine: s.mine, slot: s.index, seq: s.seq, off: lo, n: uint32(to - lo)})
	if lo == 0 {
		s.inPacket = f.number + 1
	}
	return to
}
