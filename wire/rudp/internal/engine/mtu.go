package engine

// mtuState is the search for the path's MTU (4.6).
type mtuState struct {
	wanted  bool // two full datagrams were sent in one flush
	step    int  // index of the next size to try
	tries   int
	flying  bool
	failed  int64 // when a size failed; it is tried again after MTURaise
	strikes int   // PTOs in a row whose lost packets were all long
}

// mtuSteps are MTUSteps: sizes of UDP payload.
var mtuSteps = [...]int{1452, 8952, 61440}

// mostDatagram is the longest datagram that we read.
const mostDatagram = 61440

// most is the longest datagram that may be tried.
func (c *Conn) mostMTU() int {
	most := c.cfg.MTU
	if most == 0 {
		most = mtuSteps[0]
		if c.cfg.SameHost {
			most = mostDatagram
		}
	}
	if c.peered {
		most = min(most, int(min(c.peer.MaxDatagram, mostDatagram)))
	}
	return most
}

// size is what the next probe has; 0: none.
func (m *mtuState) size() int {
	if m.step >= len(mtuSteps) {
		return 0
	}
	return mtuSteps[m.step]
}

// due reports whether a probe is to be sent.
func (m *mtuState) due(c *Conn, now int64) bool {
	if !m.wanted || m.flying || m.step >= len(mtuSteps) || m.size() > c.mostMTU() {
		return false
	}
	if m.failed != 0 {
		if now-m.failed < mtuRaise {
			return false
		}
		m.failed = 0
	}
	return true
}

// acked notes that a probe arrived: the size is used.
func (m *mtuState) acked(c *Conn, now int64, size int) {
	m.flying, m.tries = false, 0
	if size > c.mtu {
		c.setMTU(size)
		m.step++
	}
}

// lost notes that a probe did not.
func (m *mtuState) lost(c *Conn, now int64, size int) {
	m.flying = false
	if m.tries++; m.tries >= 3 {
		m.failed, m.tries = now, 0
	}
}

// tooLong takes in EMSGSIZE.
func (m *mtuState) tooLong(c *Conn, now int64) {
	if m.flying {
		m.flying, m.failed, m.tries = false, now, 0
	}
}

// blackHole counts PTOs where only long packets are missing.
func (m *mtuState) blackHole(c *Conn, now int64) {
	if c.mtu <= BaseMTU {
		return
	}
	for n := c.sent.base; n < c.sent.next; n++ {
		if r := c.sent.at(n); !r.over && r.elicits && int(r.size) <= BaseMTU {
			m.strikes = 0
			return
		}
	}
	if m.strikes++; m.strikes >= 3 {
		c.setMTU(BaseMTU)
		*m = mtuState{wanted: m.wanted, failed: now}
	}
}

// buildProbe makes a datagram of the next size: PING and PAD.
func (c *Conn) buildProbe(now int64, b *Batch) bool {
	size := c.search.size()
	if cap(b.Buf)-len(b.Buf) < size {
		return false
	}
	f := c.beginPacket(now, b, LevelData, size)
	c.putAck(now, LevelData)
	f.b = AppendType(f.b, TypePing)
	f.elicits = true
	c.settleLazies()
	for f.room() > 0 {
		f.b = append(f.b, byte(TypePad))
	}
	f.rec.probe = true
	c.search.flying = true
	c.finishPacket(now, b, LevelData, false)
	return true
}

// setMTU makes datagrams so long from now on.
func (c *Conn) setMTU(size int) {
	c.mtu = size
	c.cc.SetMaxDatagram(size)
}

// paceAt is when the next datagram may leave, if only pacing holds it up; 0: it
// does not.
func (c *Conn) paceAt() int64 {
	rate := c.cc.Rate()
	if rate <= 0 || c.inFlight >= c.cc.Window() || !c.wantsData() || c.pace.Allow(c.now, rate, c.mtu) {
		return 0
	}
	return c.pace.Wake(rate, c.mtu)
}
