package engine

// ackFrame takes in ACK and ACK_ECN (5.2, 5.3).
func (c *Conn) ackFrame(now int64, level Level, a *Ack, ecn bool) *Error {
	if a.Largest >= c.sent.next {
		return protocol("ACK: largest: packet %d was never sent", a.Largest)
	}
	lv := &c.levels[level]
	newest, any := int64(0), false
	largestNew, grew, marked := false, a.Largest+1 > lv.acked, 0
	for a.Count > 0 {
		r := a.Next()
		if r.High < c.sent.base {
			break
		}
		for n := r.High; n >= max(r.Low, c.sent.base); n-- {
			rec := c.sent.at(n)
			if rec.level == level && !rec.over {
				if n == a.Largest {
					largestNew = true
				}
				newest, any = max(newest, rec.time), true
				if rec.ecn {
					marked++
				}
				c.acked(now, n, rec)
			}
			if n == 0 {
				break
			}
		}
	}
	if grew {
		lv.acked = a.Largest + 1
	}
	if largestNew {
		c.sampleRTT(now, level, c.sent.at(a.Largest).time, int64(min(a.Delay, MostAckDelay))*microsecond)
	}
	if level == LevelData && !c.cfg.Server {
		c.confirm()
	}
	if any {
		c.ptoCount, c.probes = 0, 0
		c.pickJitter()
		c.lossStart = 0
		if grew {
			c.marks(now, a, ecn, marked, newest)
		}
		c.detect(now, level)
		c.sent.trim()
	}
	return nil
}

// sampleRTT takes a sample of the round trip, if the ack is fresh enough (5.3).
func (c *Conn) sampleRTT(now int64, level Level, sent, held int64) {
	most := int64(0)
	if c.peered {
		most = int64(c.peer.AckDelay) * microsecond
	}
	if level != LevelData {
		held = min(held, most)
	}
	if held <= 2*max(most, DefaultAckDelay*microsecond) && now >= sent {
		c.rtt.sample(now-sent, held)
	}
}

// acked notes that a packet was acked.
func (c *Conn) acked(now int64, n uint64, r *record) {
	c.cc.Acked(now, n, r.time, int(r.size), c.inFlight, &c.rtt)
	c.gone(r)
	if r.level == LevelData {
		c.keys.packetAcked(n)
	}
	c.search.strikes = 0
	if r.probe {
		c.search.acked(c, now, int(r.size))
	}
	for i := r.first; i < r.first+uint64(r.count); i++ {
		c.meantAcked(now, r, *c.sent.mean(i))
	}
}

// gone notes that nothing more is expected of a packet.
func (c *Conn) gone(r *record) {
	r.over = true
	if r.flying {
		c.inFlight -= int(r.size)
		r.flying = false
	}
	if r.elicits {
		c.levels[r.level].eliciting--
	}
}

// meantAcked notes that what a frame meant has arrived.
func (c *Conn) meantAcked(now int64, r *record, m meaning) {
	switch m.kind {
	case meantStream:
		s := c.slotOf(&m)
		if s == nil || s.out.settled || !s.out.ack(m.off, m.off+uint64(m.n)) {
			return
		}
		if !s.mine && s.state == slotDone && s.out.done() {
			s.state = slotSettled
			c.settle(s)
			return
		}
		c.releaseOut(s)
	case meantCrypto:
		c.levels[m.level].crypto.ack(m.off, m.off+uint64(m.n))
	case meantDefine:
		c.wdict.Acked(m.off)
	case meantEnded:
		if s := c.slotOf(&m); s != nil && s.ended && s.state == slotDone {
			s.state, s.wantEnded = slotSettled, false
		}
	case meantAck:
		lv := &c.levels[m.level]
		if len(lv.came.ranges) > 0 {
			lv.came.forget(m.off)
		}
	case meantDone:
		c.session.doneAcked = true
	}
}

// detect finds packets of a level that are lost (5.3).
func (c *Conn) detect(now int64, level Level) {
	lv := &c.levels[level]
	lv.lossAt = 0
	if lv.acked == 0 {
		return
	}
	delay := c.lossDelay()
	var from, to int64
	for n := c.sent.base; n+1 < lv.acked; n++ {
		r := c.sent.at(n)
		if r.over || r.level != level {
			continue
		}
		if n+reorderPackets >= lv.acked && r.time+delay > now {
			if lv.lossAt == 0 || r.time+delay < lv.lossAt {
				lv.lossAt = r.time + delay
			}
			continue
		}
		if r.elicits {
			if from == 0 || r.time < from {
				from = r.time
			}
			to = max(to, r.time)
		}
		c.lost(now, n, r)
	}
	if from != 0 && c.rtt.Known && to-from > 3*c.ptoBase(LevelData) {
		c.cc.Persistent(now)
	}
	c.sent.trim()
}

func (c *Conn) lossDelay() int64 {
	rtt := max(c.rtt.Smoothed, c.rtt.Latest)
	if !c.rtt.Known {
		rtt = c.cfg.FirstPTO
	}
	return max(rtt*9/8, granularity)
}

// lost notes that a packet is lost, and wants again what is still wanted of it.
func (c *Conn) lost(now int64, n uint64, r *record) {
	c.Stats.Lost++
	switch {
	case r.probe:
		c.search.lost(c, now, int(r.size))
	case r.flying && !r.lazy:
		c.cc.Lost(now, n, r.time, int(r.size))
	}
	c.gone(r)
	for i := r.first; i < r.first+uint64(r.count); i++ {
		if m := c.sent.mean(i); !m.moved {
			c.wantAgain(*m)
		}
	}
}

// wantAgain wants what a frame meant to be sent again, if it still matters (5.1).
func (c *Conn) wantAgain(m meaning) {
	switch m.kind {
	case meantStream:
		if s := c.slotOf(&m); s != nil && !s.out.settled && !s.lazy && s.out.lose(m.off, m.off+uint64(m.n)) {
			c.push(queueLost, s)
		}
	case meantCrypto:
		c.levels[m.level].crypto.lose(m.off, m.off+uint64(m.n))
	case meantGrant:
		if s := c.slotOf(&m); s != nil && s.in.credit == m.off && !s.in.discard && !s.in.ended && s.state != slotFree {
			s.wantGrant = true
			c.push(queueControl, s)
		}
	case meantMaxSlots:
		c.wantMaxSlots = c.wantMaxSlots || m.off == c.announced
	case meantCancel:
		if s := c.slotOf(&m); s != nil && s.state == slotClosing {
			s.wantCancel = true
			c.push(queueControl, s)
		}
	case meantEnded:
		if s := c.slotOf(&m); s != nil && s.ended && s.state == slotDone {
			s.wantEnded = true
			c.push(queueControl, s)
		}
	case meantDone:
		c.wantDone = !c.session.doneAcked
	case meantToken:
		c.wantToken = true
	case meantDrain:
		c.wantDrain = c.wantDrain || m.off == uint64(c.session.drainSaid)
	}
}

// ptoBase is a PTO without back-off (5.3).
func (c *Conn) ptoBase(level Level) int64 {
	if !c.rtt.Known {
		pto := c.cfg.FirstPTO
		return pto
	}
	pto := c.rtt.Smoothed + max(4*c.rtt.Var, granularity)
	if level == LevelData && c.phase != phaseHandshake {
		pto += int64(c.peer.AckDelay) * microsecond
	}
	return pto
}

// ptoAt is when the PTO of a level is due; 0: it is not armed.
func (c *Conn) ptoAt(level Level) int64 {
	lv := &c.levels[level]
	if lv.eliciting == 0 || lv.dropped {
		return 0
	}
	base := c.ptoBase(level)
	wait := base
	if c.ptoCount > 1 {
		wait = base << min(c.ptoCount-1, 20)
	}
	wait = min(wait, max(base, ptoMax))
	return lv.lastSent + wait + wait*c.ptoJitter/10240
}

func (c *Conn) pickJitter() { c.ptoJitter = int64(c.cfg.Rand() % 1024) }

// pto sends again what may be lost (5.3). It moves no more into the next datagram
// than that holds; see fillProbe.
func (c *Conn) pto(now int64, level Level) {
	c.Stats.PTOs++
	c.ptoCount++
	c.pickJitter()
	c.probes = 1
	c.probeLevel = level
	c.search.blackHole(c, now)
	if level == LevelData {
		return
	}
	if level == LevelHandshake && !c.cfg.Server && c.phase == phaseOpen {
		c.wantPing = true // a server that has done with the level hears of a new address by that
	}
	for n := c.sent.base; n < c.sent.next; n++ {
		r := c.sent.at(n)
		if r.over || r.level != level || r.count == 0 {
			continue
		}
		for i := r.first; i < r.first+uint64(r.count); i++ {
			c.wantAgain(*c.sent.mean(i))
		}
		if len(c.levels[level].crypto.lost) > 0 {
			return // one datagram
		}
	}
}
