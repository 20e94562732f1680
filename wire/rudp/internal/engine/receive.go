package engine

import "bytes"

// Receive takes in a packet (2.1). The events that it left have to be taken before
// anything else is called; the packet's bytes are the owner's again once they
// have been dealt with. A batch of packets ends with a call of Flush.
func (c *Conn) Receive(now int64, p *Packet) {
	c.now = max(c.now, now)
	if c.phase == phaseGone || c.hooks.opened != nil && c.hooks.opened(c, p) {
		return
	}
	switch p.Kind {
	case KindHello, KindHandshake, KindData0, KindData1:
	case KindReset:
		c.resetPacket(now, p)
		return
	default:
		c.clearPacket(now, p)
		return
	}
	if !c.admit(now, p) {
		return
	}
	c.session.heardPacket(c, now, p)
	if c.phase == phaseClosing {
		c.closeAgain()
		return
	}
	asks, took, err := c.frames(now, p)
	if err != nil {
		c.fail(now, err)
		return
	}
	if c.phase == phaseGone {
		return
	}
	lv := &c.levels[p.Kind.Level()]
	if !took || lv.dropped {
		return // not acked: the peer has to send it again
	}
	gap := lv.came.add(now, p.Number)
	switch p.ECN & 3 {
	case 1:
		lv.came.ect1++
		lv.came.marked = true
	case 2:
		lv.came.ect0++
		lv.came.marked = true
	case 3:
		lv.came.ce++
		lv.came.marked = true
		asks = max(asks, AsksAtOnce)
	}
	if p.Size >= c.fullSize() && asks >= AsksSoon {
		if lv.came.full++; lv.came.full >= 2 {
			asks = AsksAtOnce
		}
	}
	if asks >= AsksSoon && (p.Kind.Level() != LevelData || gap && c.partial) {
		asks = AsksAtOnce
	}
	lv.came.ask(now, asks, int64(c.local.AckDelay)*microsecond)
}

// fullSize is how long a packet is that counts as full.
func (c *Conn) fullSize() int { return BaseMTU - 32 }

// admit reports whether a packet is to be read, and notes its number.
func (c *Conn) admit(now int64, p *Packet) bool {
	level := p.Kind.Level()
	if c.levels[level].dropped {
		c.Stats.Dropped++
		if level == LevelInitial && !c.cfg.Server && p.Hello.ID == c.cfg.ID {
			c.wantPing = c.phase == phaseOpen // the server does not know yet that we are through
		}
		return false
	}
	if level == LevelInitial {
		if !c.admitHello(now, p) {
			c.Stats.Dropped++
			return false
		}
	} else if p.Index != c.cfg.Index {
		c.Stats.Dropped++
		return false
	}
	if c.window.seen(p.Number) {
		if p.Number+replayWindow < c.window.next {
			c.hit(LimitOld)
		}
		c.Stats.Duplicates++
		return false
	}
	c.window.set(p.Number)
	c.opener.floor.Store(c.window.floor())
	c.Stats.Received++
	if !c.moveKeys(now, p) {
		return false
	}
	c.seenFrom(now, p)
	if level == LevelData && c.cfg.Server && c.phase == phaseOpen {
		c.confirm()
	}
	return true
}

// frames lets the frames of a packet take effect, in their order. took is
// whether the packet may be acked.
func (c *Conn) frames(now int64, p *Packet) (asks Asks, took bool, err *Error) {
	level := p.Kind.Level()
	fs := ParseFrames(level, p.Frames)
	took, c.partial = true, false
	f := &c.frame
	for {
		more, err := fs.Next(f)
		if err != nil {
			return asks, took, err
		}
		if !more {
			return asks, took, nil
		}
		if f.Type == TypePad {
			fs.rest = bytes.TrimLeft(fs.rest, "\x00") // a row of them at once
			continue
		}
		if c.hooks.frame != nil && c.hooks.frame(c, p, f) {
			continue
		}
		asks = max(asks, f.Type.Asks())
		ok, err := c.effect(now, p, level, f)
		took = took && ok
		if err != nil {
			return asks, took, err
		}
		if ok && c.hooks.took != nil {
			c.hooks.took(c, p, f)
		}
		if c.phase >= phaseClosing {
			return asks, took, nil
		}
	}
}

// effect lets one frame take effect.
func (c *Conn) effect(now int64, p *Packet, level Level, f *Frame) (took bool, err *Error) {
	if f.Type.Stream() {
		if c.phase != phaseOpen {
			return false, nil // it overtook the end of the handshake
		}
		if f.Type&StreamFin == 0 || f.Type&StreamOffset != 0 {
			c.partial = true
		}
		if f.Type&StreamReply != 0 {
			return c.replyFrame(now, f)
		}
		return c.requestFrame(now, f)
	}
	switch f.Type {
	case TypePing:
		return true, c.waste(now)
	case TypeAck, TypeAckECN:
		return true, c.ackFrame(now, level, &f.Ack, f.Type == TypeAckECN)
	case TypeCrypto:
		return c.cryptoFrame(now, level, f)
	case TypeClose:
		c.closeFrame(now, level, f)
	case TypePathChallenge:
		return true, c.challengeFrame(now, p, f)
	case TypePathResponse:
		c.responseFrame(now, p, f)
	default:
		if c.phase != phaseOpen {
			return false, nil
		}
		return true, c.callFrame(now, f)
	}
	return true, nil
}

// callFrame is effect for the frames of an open session.
func (c *Conn) callFrame(now int64, f *Frame) *Error {
	switch f.Type {
	case TypeDone:
		return c.doneFrame(now)
	case TypeToken:
		if c.cfg.Server {
			return protocol("TOKEN: it comes from a client")
		}
		c.emit(Event{Kind: EventToken, Message: f.Data})
	case TypeMaxSlots:
		if f.Slots <= c.allowed {
			return c.waste(now)
		}
		c.allowed, c.wantedRoom = f.Slots, false
		c.emit(Event{Kind: EventRoom}) // a driver that asks Room has not been told ErrFull
	case TypeGrantReply, TypeGrantRequest:
		return c.grantFrame(now, f)
	case TypeProbe:
		return c.probeFrame(now, f)
	case TypeWorking: // that it came is all it says
	case TypeCancel:
		return c.cancelFrame(now, f)
	case TypeEnded:
		return c.endedFrame(now, f)
	case TypeDrain:
		c.drainFrame(now, f.Drain)
	case TypeDefine:
		return c.rdict.Define(f.ID, f.Data)
	}
	return nil
}

// Flush says that a batch of packets has been received, and that handlers that
// were run for it have replied: ACKs that are due with it leave at the next Poll (5.2).
func (c *Conn) Flush(now int64) {
	c.now = max(c.now, now)
	for i := range c.levels {
		c.levels[i].came.full = 0
	}
}
