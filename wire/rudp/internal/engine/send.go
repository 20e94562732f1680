package engine

// filler is the datagram being made.
type filler struct {
	b       []byte
	at      int    // where it begins
	limit   int    // where its tag begins at the latest
	number  uint64 // of the packet
	rec     *record
	body    int  // where what follows ACK begins
	acked   bool // it has ACK
	elicits bool // it asks for an ack, soon or at once
	// lazies are its whole replies that may be lazy, by where their type stands.
	lazies []lazyFrame
	// The stream frame that it ends with, to leave its length out.
	lastType, lastLength, lastSize int
}

type lazyFrame struct {
	s  *slot
	at int
}

func (f *filler) room() int { return f.limit - len(f.b) }

// Poll puts datagrams into b until it is full or nothing is left to send now. It
// reports whether it put one; until it returns false it should be called again,
// with an emptied b (8.2).
func (c *Conn) Poll(now int64, b *Batch) (any bool) {
	c.now = max(c.now, now)
	long := 0
	for c.phase != phaseGone && cap(b.Buf)-len(b.Buf) >= c.mtu && c.build(now, b) {
		any = true
		if d := &b.List[len(b.List)-1]; d.End+d.Tag-d.At > c.mtu-64 {
			long++
		}
	}
	if long >= 2 && c.phase == phaseOpen {
		c.search.wanted = true
	}
	return any
}

// build makes the next datagram, if there is one to send.
func (c *Conn) build(now int64, b *Batch) bool {
	if c.phase == phaseClosing {
		return c.buildClose(now, b)
	}
	for level := LevelInitial; level < LevelData; level++ {
		if c.buildCrypto(now, b, level) {
			return true
		}
	}
	if c.writers[LevelData] == nil || c.phase != phaseOpen || c.session.mute {
		return false
	}
	if need := HeaderBytes + 10 + c.writers[LevelData].Overhead(); len(c.challenges) > 0 || c.path.ask && c.path.room(need) == need {
		return c.buildPath(now, b)
	}
	if c.path.stuck() {
		return false
	}
	if c.search.due(c, now) && !c.path.trial && c.mayFly(now) && c.buildProbe(now, b) {
		return true
	}
	return c.buildData(now, b)
}

// mayFly reports whether packets may be sent that count as in flight.
func (c *Conn) mayFly(now int64) bool {
	if c.path.stuck() {
		return false
	}
	if c.probes > 0 {
		return true
	}
	return c.inFlight < c.cc.Window() && c.sent.len() < sentPackets && c.pace.Allow(now, c.cc.Rate(), c.mtu)
}

// begin begins a packet of a level.
func (c *Conn) beginPacket(now int64, b *Batch, level Level, mtu int) *filler {
	f := &c.fill
	w := c.writers[level]
	*f = filler{b: b.Buf, at: len(b.Buf), lazies: f.lazies[:0], lastType: -1}
	f.rec = c.sent.begin(now, level)
	f.number = c.sent.next - 1
	f.limit = f.at + mtu - w.Overhead()
	switch level {
	case LevelInitial:
		f.b = c.appendHello(f.b, f.number)
	case LevelHandshake:
		f.b = AppendHeader(f.b, Header{KindHandshake, c.cfg.PeerIndex, f.number})
	default:
		f.b = AppendHeader(f.b, Header{KindData0 + Kind(c.keyPhase), c.cfg.PeerIndex, f.number})
	}
	return f
}

// buildData makes a DATA packet.
func (c *Conn) buildData(now int64, b *Batch) bool {
	ack := &c.levels[LevelData].came
	ackDue := ack.atOnce || ack.due != 0 && ack.due <= now
	fly := c.mayFly(now)
	if !ackDue && (!fly || !c.wantsData()) {
		return false
	}
	f := c.beginPacket(now, b, LevelData, c.path.room(c.mtu))
	c.putAck(now, LevelData)
	if fly {
		c.putContents(now)
	}
	if len(f.b) == f.body && !ackDue {
		c.sent.undo()
		return false
	}
	more := fly && c.wantsData()
	c.settleLazies()
	c.finishPacket(now, b, LevelData, more)
	return true
}

// Idle reports whether Poll would find nothing to send at now. It may say no although that
// is so, and is cheaper.
func (c *Conn) Idle(now int64) bool {
	ack := &c.levels[LevelData].came
	return c.phase == phaseOpen && c.levels[LevelInitial].dropped && c.levels[LevelHandshake].dropped && !c.wantsData() &&
		!ack.atOnce && (ack.due == 0 || ack.due > now) && len(c.challenges) == 0 && !c.path.ask && !c.search.due(c, now)
}

// Wants reports whether there may be anything to send but ACK. It is cheaper than Poll.
func (c *Conn) Wants() bool { return c.wantsData() }

// wantsData reports whether there may be anything to send but ACK.
func (c *Conn) wantsData() bool {
	return c.queues[queueControl].first != nil || c.queues[queueLost].first != nil || c.queues[queueOpen].first != nil ||
		c.queues[queueData].first != nil || c.probes > 0 || c.wantDone || c.wantToken || c.wantMaxSlots || c.wantDrain ||
		c.wantPing || c.wantProbe || len(c.working) > 0 || c.cryptoWants(LevelData)
}

// putAck appends ACK, if something came since the last.
func (c *Conn) putAck(now int64, level Level) {
	f, lv := &c.fill, &c.levels[level]
	came := &lv.came
	if came.fresh && len(came.ranges) > 0 {
		delay := uint64(max(now-came.largest, 0) / microsecond)
		ranges := came.ranges
		if most := (f.room() - 80) / 16; len(ranges) > most {
			ranges = ranges[:max(most, 1)]
		}
		if came.marked && level == LevelData {
			f.b = AppendAckECN(f.b, delay, ranges, came.ect0, came.ect1, came.ce)
		} else {
			f.b = AppendAck(f.b, delay, ranges)
		}
		c.sent.add(meaning{kind: meantAck, level: level, off: ranges[0].High})
		f.acked = true
	}
	f.body = len(f.b)
}

// finishPacket ends the packet and adds it to the batch. more says that another
// one of full size follows.
func (c *Conn) finishPacket(now int64, b *Batch, level Level, more bool) {
	f, r := &c.fill, c.fill.rec
	w := c.writers[level]
	gap := f.room()
	switch {
	case more && gap > 0 && gap <= 128:
		for range gap { // all of a batch have one size, for one system call
			f.b = append(f.b, byte(TypePad))
		}
	case f.lastType >= 0 && f.lastLength+f.lastSize <= len(f.b) && len(f.b)-f.lastLength <= 512:
		f.b[f.lastType] &^= byte(StreamLength)
		n := copy(f.b[f.lastLength:], f.b[f.lastLength+f.lastSize:])
		f.b = f.b[:f.lastLength+n]
	}
	size := len(f.b) - f.at + w.Overhead()
	lv := &c.levels[level]
	if f.acked {
		lv.came.told()
	}
	r.size = int32(size)
	r.elicits = f.elicits
	r.lazy = len(f.lazies) > 0 && !f.elicits
	r.ecn = c.path.ecn(c)
	if r.ecn {
		c.path.ecnSent++
	}
	if f.elicits || len(f.lazies) > 0 {
		r.flying = true
		c.inFlight += size
		c.cc.Sent(now, f.number, size, c.inFlight)
		c.pace.Sent(now, c.cc.Rate(), size)
		c.probes = 0
	}
	if f.elicits {
		if c.inUse == 0 && lv.eliciting == 0 {
			c.session.waitFrom(now)
		}
		lv.eliciting++
		lv.lastSent = now
		c.lastSent = now
	}
	if !r.flying {
		r.over = true
		c.sent.trim()
	}
	if c.sent.len() > 2*sentPackets { // ACKs that nobody acks, and PTOs: nothing else goes on
		c.hit(LimitSent)
		c.fail(now, &Error{CodeLimit, "the peer sends and never acknowledges (limit SentPackets)"})
	}
	c.Stats.Sent++
	c.path.sent(size)
	d := Datagram{At: f.at, End: len(f.b), Tag: w.Overhead(), Number: f.number, To: c.path.to(), Sealer: w}
	if r.ecn {
		d.ECN = 2
	}
	c.emitDatagram(b, d)
}

func (c *Conn) emitDatagram(b *Batch, d Datagram) {
	f := &c.fill
	at := len(b.List)
	b.List = append(b.List, d)
	if c.hooks.made != nil {
		c.hooks.made(c, &b.List[at], f.b)
	}
	b.Buf = f.b[:d.End+d.Tag]
	f.b = nil
	c.countKey(d.Number)
}

// settleLazies decides which replies of the packet stay lazy (5.2).
func (c *Conn) settleLazies() {
	f := &c.fill
	if f.acked {
		c.acksSent++
	}
	there := 0
	for _, l := range f.lazies {
		l.s.acksAt = c.acksSent
		if l.s.lazy {
			there++
		}
	}
	if c.lazyLeft > there {
		// A lazy reply under way is not in here: from now on it is ours to send again.
		c.unlazy()
		for _, l := range f.lazies {
			f.b[l.at] |= byte(StreamEager)
			l.s.eager = true
			f.elicits = true
		}
		f.lazies = f.lazies[:0]
		if !f.elicits {
			f.b = AppendType(f.b, TypePing)
			f.elicits, f.lastType = true, -1
		}
		return
	}
	if len(f.lazies) == 0 {
		return
	}
	for _, l := range f.lazies {
		l.s.lazy = true
	}
	c.lazyIn, c.lazyLeft = f.number+1, len(f.lazies)
}

// unlazy makes the lazy replies under way ours to send again: their packet has
// a PTO now.
func (c *Conn) unlazy() {
	n := c.lazyIn - 1
	c.lazyIn, c.lazyLeft = 0, 0
	if n < c.sent.base || n >= c.sent.next {
		return
	}
	r := c.sent.at(n)
	for i := r.first; i < r.first+uint64(r.count); i++ {
		if m := c.sent.mean(i); m.kind == meantStream {
			if s := c.slotOf(m); s != nil {
				s.lazy, s.eager = false, true
			}
		}
	}
	if r.lazy && !r.over {
		r.lazy, r.elicits = false, true
		lv := &c.levels[LevelData]
		if c.inUse == 0 && lv.eliciting == 0 {
			c.session.waitFrom(c.now) // nobody has waited so far
		}
		lv.eliciting++
		lv.lastSent = max(lv.lastSent, r.time)
	}
}

// restLazy takes lazy replies that were silent for long out of what is in flight.
func (c *Conn) restLazy(now int64) {
	for n := c.sent.base; n < c.sent.next; n++ {
		r := c.sent.at(n)
		if r.over {
			continue
		}
		if !r.lazy || now-r.time < 2*lazyAck {
			return
		}
		if r.flying {
			r.flying = false
			c.inFlight -= int(r.size)
		}
		if n+1 != c.lazyIn {
			c.gone(r)
		}
	}
	c.sent.trim()
}

// buildClose makes a packet with CLOSE.
func (c *Conn) buildClose(now int64, b *Batch) bool {
	if !c.wantClose {
		return false
	}
	c.wantClose = false
	level := LevelData
	if c.session.early {
		level = LevelHandshake // nobody may have the keys of DATA yet
	}
	for level > LevelInitial && (c.writers[level] == nil || c.levels[level].dropped) {
		level--
	}
	if c.writers[level] == nil || c.cfg.PeerIndex == 0 && level != LevelInitial || c.path.stuck() {
		return false
	}
	f := c.beginPacket(now, b, level, c.path.room(BaseMTU))
	f.body = len(f.b)
	reason := c.session.reason
	if room := f.room() - 16; len(reason) > room {
		reason = reason[:max(room, 0)/3]
	}
	f.b = AppendClose(f.b, c.session.code, reason)
	f.lastType = -1
	f.rec.over = true
	w := c.writers[level]
	c.Stats.Sent++
	c.path.sent(len(f.b) - f.at + w.Overhead())
	d := Datagram{At: f.at, End: len(f.b), Tag: w.Overhead(), Number: f.number, To: c.path.to(), Sealer: w}
	c.emitDatagram(b, d)
	c.sent.trim()
	return true
}
