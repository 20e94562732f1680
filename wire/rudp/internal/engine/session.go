package engine

import (
	"strings"

	"github.com/lupine-rpc/lupine"
)

// session is what 4.3 needs of a session.
type session struct {
	heard     int64 // the last packet that opened came
	waiting   int64 // when somebody began to wait, or we came back from a stop
	resumed   int64 // when we came back from a stop
	active    int64 // the last time that a call was under way
	suspect   bool
	mute      bool // a server's client was lost: nothing is sent until it is heard of
	down      bool // EventDown was given
	leaving   bool // no new calls of ours
	draining  bool // no new calls of the peer's
	lostTold  bool // the handlers were told that their caller is lost
	closedBy  bool // the peer sent CLOSE
	early     bool // the session ended in its handshake
	untaken   bool // the peer has never taken DATA, and said so under its keys
	code      Code
	reason    string
	lingerTo  int64
	afterward int // packets that came after CLOSE
	stallAt   int64
	due       int64 // what Next said last
	resetAt   int64 // a RESET is suspected since; 0: not
	resets    int

	drainSaid, drainGot uint8 // flags of DRAIN

	doneAcked bool
}

// quiet is since when it is quiet, for who waits.
func (s *session) quiet() int64 { return max(s.heard, s.waiting) }

// waitFrom notes that somebody begins to wait.
func (s *session) waitFrom(now int64) { s.waiting = max(s.waiting, now) }

// heardPacket notes that a packet opened.
func (s *session) heardPacket(c *Conn, now int64, p *Packet) {
	s.heard, s.lostTold = max(s.heard, now), false
	s.resetAt, s.resets, s.mute = 0, 0, false
	if s.suspect && c.phase == phaseOpen {
		s.suspect = false
		if s.down && !s.leaving {
			s.down = false
			c.emit(Event{Kind: EventUp})
		}
	}
}

// keepAlive is how often we ask, in ns; 0: never.
func (c *Conn) keepAlive() int64 { return int64(c.local.KeepAlive) * millisecond }

// waits reports whether somebody waits for the peer (4.3): for DONE too.
func (c *Conn) waits() bool {
	return !c.session.mute && (c.inUse > 0 || c.levels[LevelData].eliciting > 0 || c.hello.asked)
}

// sendDown says that new calls should go elsewhere.
func (c *Conn) sendDown(code Code, text string) {
	if !c.session.down {
		c.session.down = true
		c.emit(Event{Kind: EventDown, Code: code, Err: failed(lupine.Unavailable, lupine.No, text)})
	}
}

// Tick is called when Next has come, or later. What the socket had before has
// been given to Receive then.
func (c *Conn) Tick(now int64) {
	if c.hooks.tick != nil {
		c.hooks.tick(c, now)
	}
	c.now = max(c.now, now)
	s := &c.session
	if s.due != 0 && now-s.due > max(c.keepAlive(), second) {
		s.resumed = now
		s.waitFrom(now) // we were stopped, or slept
	}
	switch c.phase {
	case phaseGone:
		return
	case phaseClosing:
		if now >= s.lingerTo {
			c.vanish()
		}
		return
	}
	for level := range c.levels {
		lv := &c.levels[level]
		if lv.lossAt != 0 && lv.lossAt <= now {
			c.detect(now, Level(level))
		}
		if at := c.ptoAt(Level(level)); at != 0 && at <= now && !c.path.stuck() {
			c.pto(now, Level(level))
		}
	}
	c.restLazy(now)
	if c.phase == phaseHandshake {
		c.tickHandshake(now)
		return
	}
	if at := c.unconfirmedTo(); at != 0 && at <= now && c.cfg.Server {
		c.confirm() // a client that has not got our HELLO by now has given up
	} else if at != 0 && at <= now {
		c.session.reason = "the handshake took too long (HandshakeTimeout): its end was not confirmed"
		c.Close(now, CodeNone, c.session.reason)
		return
	}
	c.path.tick(c, now)
	c.tickKeys(now)
	c.tickWaiting(now)
	if c.phase == phaseOpen {
		c.tickIdle(now)
	}
	if c.phase == phaseOpen && len(c.wanting) > 0 {
		c.giveRoom(now)
	}
	if c.phase == phaseOpen && s.stallAt != 0 && s.stallAt <= now {
		c.stalls(now)
	}
}

// tickWaiting is what silence brings about while somebody waits (4.3).
func (c *Conn) tickWaiting(now int64) {
	s := &c.session
	silence := now - s.quiet()
	if c.waits() {
		unacked := c.levels[LevelData].eliciting > 0
		if k := c.keepAlive(); k > 0 && silence >= k && !unacked {
			c.wantProbe = true
		}
		if silence >= c.cfg.SuspectAfter && unacked && !s.suspect {
			s.suspect = true
			c.sendDown(CodeNone, "the peer has been silent for too long (SuspectAfter)")
		}
		if c.cfg.LostAfter > 0 && silence >= c.cfg.LostAfter {
			c.lose(now, "the peer was not heard of any more (LostAfter)")
			return
		}
	} else if s.suspect && !c.cfg.Server {
		c.Close(now, CodeNone, "")
		return
	}
	if c.cfg.Server && c.theirsBusy > 0 && !s.lostTold && c.lostCallerAt() != 0 && now >= c.lostCallerAt() {
		s.lostTold = true
		for _, t := range c.theirs {
			if t != nil && t.state == slotRunning {
				c.tell(t, failed(lupine.Canceled, lupine.Maybe, "the caller was not heard of any more"))
			}
		}
	}
	if s.resetAt != 0 && s.resets > 1 && now-s.resetAt >= c.resetProof() {
		c.lose(now, "the peer does not know the session any more: it was restarted")
	}
}

// resetProof is how long a peer that lives has to show it (5.6).
func (c *Conn) resetProof() int64 { return max(3*c.ptoBase(LevelData), resetProof) }

// lostCallerAt is when a server takes its client for lost; 0: never.
func (c *Conn) lostCallerAt() int64 {
	k := int64(c.peer.KeepAlive) * millisecond
	if k == 0 || c.cfg.LostAfter < 0 {
		return 0
	}
	return max(c.session.heard, c.session.resumed) + max(c.cfg.LostAfter, 3*k)
}

// lose ends our calls: the peer is lost (4.3).
func (c *Conn) lose(now int64, text string) {
	if c.cfg.Server {
		for _, s := range c.mine { // the client still has them: slots are free when it says so
			if s.state != slotFree && s.call != nil {
				c.giveUp(now, s, lupine.Unavailable, text)
			}
		}
	} else {
		c.endMine(now, text)
		c.sendDown(CodeNone, text)
		c.session.reason = text
		c.vanish()
		return
	}
	for n := c.sent.base; n < c.sent.next; n++ {
		if r := c.sent.at(n); !r.over {
			c.gone(r)
			for i := r.first; i < r.first+uint64(r.count); i++ {
				if m := c.sent.mean(i); !m.moved {
					c.wantAgain(*m) // sent when the client is heard of again
				}
			}
		}
	}
	c.sent.trim()
	for _, s := range c.theirs {
		if s != nil && s.lazy {
			s.lazy = false
		}
	}
	c.session.mute = true
	c.lazyIn, c.lazyLeft, c.ptoCount, c.probes = 0, 0, 0, 0
}

// endMine ends all calls of ours.
func (c *Conn) endMine(now int64, text string) {
	for _, s := range c.mine {
		if s.state == slotFree {
			continue
		}
		executed := lupine.Maybe
		if s.state == slotQueued || c.session.untaken {
			executed = lupine.No
		}
		c.end(now, s, failed(lupine.Unavailable, executed, text), nil)
	}
	c.wantedRoom = false
}

// idleAt is when an idle client closes, or a server forgets its client; 0: never.
func (c *Conn) idleAt() int64 {
	s := &c.session
	since := max(s.heard, s.active)
	switch {
	case c.inUse > 0 && !s.mute || c.theirsBusy > 0:
		return 0
	case c.cfg.Server:
		if c.local.IdleTimeout == 0 {
			return 0
		}
		return since + int64(c.local.IdleTimeout)*millisecond
	case c.peer.IdleTimeout == 0 || c.local.MaxSlots > 0 && c.cfg.NatKeepAlive > 0:
		return 0
	}
	return since + int64(c.peer.IdleTimeout)*millisecond*3/4
}

// natAt is when a client that hosts services shows that it is there; 0: never.
func (c *Conn) natAt() int64 {
	if c.cfg.Server || c.local.MaxSlots == 0 || c.cfg.NatKeepAlive <= 0 || c.levels[LevelData].eliciting > 0 {
		return 0
	}
	return max(c.session.heard, c.lastSent) + c.cfg.NatKeepAlive
}

func (c *Conn) tickIdle(now int64) {
	s := &c.session
	if at := c.idleAt(); at != 0 && at <= now {
		if c.cfg.Server {
			s.reason = "the client was idle (IdleTimeout)"
			c.vanish()
			return
		}
		c.sendDown(CodeNone, "the session was idle")
		c.Close(now, CodeNone, "")
		return
	}
	if at := c.natAt(); at != 0 && at <= now {
		c.wantPing = true
	}
	if s.leaving && c.left() {
		c.Close(now, CodeNone, s.reason)
	}
}

// left reports whether no call is left in either direction, as both ends know
// (4.3, Leaving).
func (c *Conn) left() bool {
	if s := &c.session; c.inUse > 0 || c.theirsBusy > 0 || s.drainSaid&s.drainGot&DrainCaller == 0 || c.wantDrain {
		return false
	}
	for _, s := range c.theirs {
		if s != nil && s.state == slotDone {
			return false
		}
	}
	return true
}

// Drain makes no more calls and takes none; the session ends when those under
// way have (4.3).
func (c *Conn) Drain(now int64) {
	c.now = max(c.now, now)
	s := &c.session
	if c.phase != phaseOpen || s.draining {
		if c.phase == phaseHandshake {
			c.Close(now, CodeNone, "")
		}
		return
	}
	s.draining, s.leaving = true, true
	s.drainSaid |= DrainCallee
	c.wantDrain = true
	c.noMoreCalls()
	c.sendDown(CodeNone, "the session is draining")
	// Replies that are under way lazily are not: their slots count as calls left.
	if c.lazyLeft > 0 {
		c.unlazy()
		c.wantPing = true
	}
}

// drainFrame takes in DRAIN.
func (c *Conn) drainFrame(now int64, flags uint8) {
	c.session.drainGot |= flags
	if !c.session.leaving {
		c.session.leaving = true
		c.sendDown(CodeNone, "the peer is draining")
		c.noMoreCalls()
	}
}

// noMoreCalls says so, once an end that is leaving has no call of its own under
// way. Only a caller knows what is still on its way to the callee.
func (c *Conn) noMoreCalls() {
	s := &c.session
	if s.leaving && c.inUse == 0 && s.drainSaid&DrainCaller == 0 {
		s.drainSaid |= DrainCaller
		c.wantDrain = true
	}
}

// fail ends the session for what the peer did.
func (c *Conn) fail(now int64, err *Error) {
	if err.Code == CodeProtocol || err.Code == CodeFlow {
		c.hit(LimitProtocol)
	}
	c.Close(now, err.Code, err.Reason)
}

// Close ends the session and all its calls (4.3).
func (c *Conn) Close(now int64, code Code, reason string) {
	c.now = max(c.now, now)
	if c.phase >= phaseClosing {
		return
	}
	c.wantClose = true
	c.closing(now, code, reason, closeText("the session was closed", code, reason))
}

// closing is Close but for what is sent.
func (c *Conn) closing(now int64, code Code, reason, text string) {
	s := &c.session
	s.code, s.reason, s.early = code, reason, c.phase == phaseHandshake
	s.lingerTo = now + 3*c.ptoBase(LevelData)
	c.sendDown(code, text)
	c.endMine(now, text)
	for _, t := range c.theirs {
		if t == nil {
			continue
		}
		switch {
		case t.state == slotRunning:
			c.tell(t, failed(lupine.Canceled, lupine.Maybe, text))
		case t.state == slotReceiving && t.headDone:
			t.own.s = nil
			c.emit(Event{Kind: EventDropped, Call: t.call, Err: failed(lupine.Canceled, lupine.No, text)})
			c.notBusy(t)
			t.state = slotSettled
		}
		c.settle(t)
		c.refund(t)
		t.in.discard = true
	}
	c.phase = phaseClosing
	for level := range c.levels {
		c.forgetLevel(Level(level))
	}
}

// Over reports whether the session has ended but for CloseLinger: CLOSE was sent or came.
func (c *Conn) Over() bool { return c.phase >= phaseClosing }

// closeText says why a session ended, behind what. Nothing is said where there is no
// reason but that somebody wanted it.
func closeText(what string, code Code, reason string) string {
	var parts []string
	if what != "" {
		parts = append(parts, what)
	}
	if code != CodeNone {
		parts = append(parts, code.String())
	}
	if reason != "" {
		parts = append(parts, reason)
	}
	return strings.Join(parts, ": ")
}

// closeFrame takes in CLOSE.
func (c *Conn) closeFrame(now int64, level Level, f *Frame) {
	if level == LevelInitial && c.phase != phaseHandshake {
		return // nobody vouches for it
	}
	code, reason := Code(f.Code), string(f.Data)
	c.session.closedBy = true
	c.session.untaken = level == LevelHandshake // it would have said it in DATA else
	c.closing(now, code, reason, closeText("the peer closed the session", code, reason))
}

// closeAgain answers packets that come after our CLOSE, less and less.
func (c *Conn) closeAgain() {
	s := &c.session
	if s.closedBy {
		return
	}
	if s.afterward++; s.afterward&(s.afterward-1) == 0 {
		c.wantClose = true
	}
}

// vanish ends the session without a word.
func (c *Conn) vanish() {
	if c.phase == phaseGone {
		return
	}
	text := closeText("", c.session.code, c.session.reason)
	if c.phase != phaseClosing {
		c.closing(c.now, c.session.code, c.session.reason, text)
	}
	c.phase = phaseGone
	for _, t := range c.theirs {
		if t != nil {
			c.settle(t)
		}
	}
	c.emit(Event{Kind: EventGone, Code: c.session.code, Err: failed(lupine.Unavailable, lupine.Maybe, text)})
}

// stalls looks for messages that do not come on, and replies that nobody grants
// anything for (5.4).
func (c *Conn) stalls(now int64) {
	c.session.stallAt = 0
	wait := c.cfg.StallTimeout
	for _, s := range c.theirs {
		if s == nil {
			continue
		}
		in := &s.in
		switch {
		case s.state == slotDone && !s.ended && s.kind == lupine.Unary && s.out.next < s.out.total() && s.out.next > 0:
			if s.out.fresh() > 0 {
				s.grantedAt = now // it is we who are slow
			}
			if now-s.grantedAt >= wait {
				c.hit(LimitStall)
				c.endCall(now, s, lupine.DataLoss, lupine.Yes, "the caller did not take the reply (StallTimeout)")
			}
		case s.state != slotReceiving && s.state != slotRunning || in.discard || in.whole():
		case in.have == in.read && len(in.above) == 0 && s.state == slotRunning,
			in.credit <= in.have, in.wanted > 0:
			in.since, in.mark = now, in.have
		case now-in.since < wait:
		case in.have-in.mark < uint64(c.leastRate(now, in)*wait/second):
			c.hit(LimitStall)
			c.refuseMessage(now, s, lupine.DeadlineExceeded, "a message came too slowly (StallTimeout)")
		default:
			in.since, in.mark = now, in.have
		}
	}
}

// leastRate is how fast a message must come, in bytes a second: faster where it keeps room that
// others wait for.
func (c *Conn) leastRate(now int64, in *inflow) int64 {
	if short := c.budget.short.Load(); in.reserved > 0 && short != 0 && now-short < c.cfg.StallTimeout/2 {
		return crowdRate
	}
	return leastRate
}

// watchStalls sees to it that stalls is called while there is something to look at.
func (c *Conn) watchStalls() int64 {
	busy := c.theirsBusy > 0 || c.replies > 0
	if c.session.stallAt == 0 && busy {
		c.session.stallAt = c.now + c.cfg.StallTimeout/4
	}
	return c.session.stallAt
}

// Next returns when Tick is due; 0: never.
func (c *Conn) Next() int64 {
	s := &c.session
	at := int64(0)
	sooner := func(t int64) {
		if t != 0 && (at == 0 || t < at) {
			at = t
		}
	}
	switch c.phase {
	case phaseGone:
		return 0
	case phaseClosing:
		sooner(s.lingerTo)
		s.due = at
		return at
	case phaseHandshake:
		sooner(c.hello.deadline)
	}
	for i := range c.levels {
		lv := &c.levels[i]
		sooner(lv.lossAt)
		if !c.path.stuck() {
			if !s.mute {
				sooner(lv.came.due) // an ACK that there was no way for before may wait
			}
			sooner(c.ptoAt(Level(i)))
		}
	}
	if c.phase == phaseOpen {
		c.nextOpen(sooner)
	}
	s.due = at
	return at
}

// nextOpen is Next for the timers of an open session.
func (c *Conn) nextOpen(sooner func(int64)) {
	s := &c.session
	if c.waits() {
		unacked := c.levels[LevelData].eliciting > 0
		if k := c.keepAlive(); k > 0 && !unacked && !c.wantProbe {
			sooner(s.quiet() + k)
		}
		if unacked && !s.suspect {
			sooner(s.quiet() + c.cfg.SuspectAfter)
		}
		if c.cfg.LostAfter > 0 {
			sooner(s.quiet() + c.cfg.LostAfter)
		}
	}
	if c.cfg.Server && c.theirsBusy > 0 && !s.lostTold {
		sooner(c.lostCallerAt())
	}
	if s.resetAt != 0 && s.resets > 1 {
		sooner(s.resetAt + c.resetProof())
	}
	if s.leaving && c.left() || s.suspect && !c.cfg.Server && !c.waits() {
		sooner(c.now)
	}
	if c.sent.base < c.sent.next {
		if r := c.sent.at(c.sent.base); r.lazy && r.flying {
			sooner(r.time + 2*lazyAck)
		}
	}
	if len(c.wanting) > 0 {
		sooner(c.now + roomAgain) // another session may give room back
	}
	sooner(c.unconfirmedTo())
	sooner(c.idleAt())
	sooner(c.natAt())
	sooner(c.watchStalls())
	sooner(c.path.next(c))
	sooner(c.nextKeys())
	sooner(c.paceAt())
}

// resetPacket takes in RESET: a hint, and no more (4.3).
func (c *Conn) resetPacket(now int64, p *Packet) {
	if c.cfg.Server || c.phase != phaseOpen || p.Index != c.cfg.PeerIndex || p.Number >= c.sent.next || p.Number < c.sent.base {
		c.Stats.Dropped++
		return
	}
	if r := c.sent.at(p.Number); now-r.time > max(c.cfg.LostAfter, second) {
		c.Stats.Dropped++
		return
	}
	c.suspectReset(now)
}

// suspectReset probes a peer that may be gone.
func (c *Conn) suspectReset(now int64) {
	s := &c.session
	s.resets++
	if s.resetAt == 0 {
		s.resetAt = now
	} else if now-s.resetAt < c.resetProof() {
		return
	}
	if c.waits() {
		c.probes, c.probeLevel = 1, LevelData
	}
}

// Hint takes in what nobody vouches for.
func (c *Conn) Hint(now int64, h Hint) {
	c.now = max(c.now, now)
	switch h {
	case HintUnreachable:
		c.unreachable(now)
	case HintTooLong:
		c.search.tooLong(c, now)
	case HintMoved:
		c.wantPing = c.phase == phaseOpen
	case HintNetwork:
		if c.phase == phaseOpen {
			c.anew()
			c.wantPing, c.ptoCount, c.probes, c.probeLevel = true, 0, 1, LevelData // at once, whatever is under way
		}
	case HintNoECN:
		c.path.ecnFailed = true
	}
}
