package engine

import "github.com/lupine-rpc/lupine"

// requestFrame takes in CALL and DATA of a call of the peer's (4.2).
func (c *Conn) requestFrame(now int64, f *Frame) (took bool, err *Error) {
	s, err := c.entry(now, f)
	if s == nil || err != nil {
		return true, err
	}
	switch s.state {
	case slotReceiving, slotRunning:
	case slotDone:
		c.replyAgain(now, s)
		return true, c.waste(now)
	default:
		return true, c.waste(now)
	}
	took, news, err := c.insert(now, s, f)
	if err != nil || !took {
		return took, err
	}
	if !news {
		return true, c.waste(now)
	}
	return true, c.readRequest(now, s)
}

// theirCall returns the entry of a slot of the peer's, or nil if there is none.
func (c *Conn) theirCall(n CallName) *slot {
	if n.Slot >= uint64(len(c.theirs)) {
		return nil
	}
	return c.theirs[n.Slot]
}

// entry returns the slot of the call that a caller's CALL, DATA or CANCEL names,
// made anew if the call is (4.2). It is nil if the call is over for its caller.
func (c *Conn) entry(now int64, f *Frame) (*slot, *Error) {
	if f.Call.Slot >= c.announced {
		c.hit(LimitSlots)
		return nil, &Error{CodeFlow, f.Type.String() + ": slot beyond MAX_SLOTS"}
	}
	for uint64(len(c.theirs)) <= f.Call.Slot {
		c.theirs = append(c.theirs, nil)
	}
	s := c.theirs[f.Call.Slot]
	if s == nil {
		s = &slot{index: uint32(f.Call.Slot)}
		c.theirs[f.Call.Slot] = s
	}
	switch {
	case f.Call.Seq < s.seq:
		return nil, c.waste(now)
	case f.Call.Seq == s.seq:
		return s, nil
	case s.state == slotReceiving || s.state == slotRunning:
		return nil, protocol("%s: seq: call %d of slot %d, while call %d is not over", f.Type, f.Call.Seq, s.index, s.seq)
	}
	c.begin(now, s, f.Call.Seq)
	return s, nil
}

// begin makes s the entry of the call seq. The reply to the one before is settled.
func (c *Conn) begin(now int64, s *slot, seq uint64) {
	c.settle(s)
	s.seq, s.state, s.began = seq, slotReceiving, now
	s.own = Call{Slot: s.index, Seq: seq, s: s}
	s.call = &s.own
	s.out.reset(c.peer.FirstCredit)
	s.in.reset(c.local.FirstCredit, now)
	s.buf, s.uses = s.buf[:0], Uses{}
	s.headDone, s.canceled, s.told, s.ended, s.headerOut, s.half, s.blocked = false, false, false, false, false, false, false
	s.gotRecord, s.messages, s.kind = false, 0, lupine.Unary
	s.wantGrant, s.wantEnded = false, false
	s.endReason = ""
	s.eager, s.again = false, false
	s.acksAt, s.inPacket, s.resentAt, s.grantedAt = c.acksSent, 0, 0, now
	c.theirsBusy++
	c.Stats.Came++
	if c.announced < c.cfg.MaxSlotsTop && uint64(c.theirsBusy)*4 > c.announced*3 {
		c.announced = min(2*c.announced, c.cfg.MaxSlotsTop)
		c.wantMaxSlots = true
	}
}

// readRequest parses what can be of a request.
func (c *Conn) readRequest(now int64, s *slot) *Error {
	in := &s.in
	if in.discard {
		return nil
	}
	v := c.view(s)
	if !s.headDone {
		ok, err := c.readHead(now, s, &v)
		if err != nil || s.state == slotDone {
			return err
		}
		if !ok {
			if in.whole() {
				return protocol("head: the stream ends within it")
			}
			v.keep(c)
			return nil
		}
	}
	for in.read < in.have && !in.discard && !in.waits() {
		var r Record
		n, err := v.next(c, false, &r)
		if err == ErrShort {
			break
		}
		if err != nil {
			return err.(*Error)
		}
		if !c.takeMessage(now, s, &r, n, &v) {
			break
		}
	}
	if in.discard || s.state == slotDone {
		return nil
	}
	if in.whole() && !s.half {
		if in.read < in.end {
			return protocol("request: the stream ends within a record")
		}
		if s.kind == lupine.Unary {
			c.refuse(now, s, lupine.Unimplemented, lupine.No, "a unary call has one message each way")
			return nil
		}
		s.half = true
		c.emit(Event{Kind: EventHalfClose, Call: s.call})
	}
	if s.half && s.kind == lupine.Unary {
		s.state = slotRunning
	}
	c.grant(now, s) // it may reserve room for the message, which has its buffer then
	v.keep(c)
	return nil
}

// readHead parses the head, and refuses what cannot be run (4.2).
func (c *Conn) readHead(now int64, s *slot, v *view) (done bool, err *Error) {
	b := v.peek(c, LeastCredit)
	n, e := ParseHead(b, c.rdict, int(c.local.MaxHeader), &s.head)
	if e == ErrShort {
		return false, nil
	}
	if large, ok := e.(*TooLarge); ok {
		c.hit(LimitHeader)
		c.refuse(now, s, lupine.ResourceExhausted, lupine.No, large.Error())
		return true, nil
	}
	if e != nil {
		return false, e.(*Error)
	}
	s.kind = s.head.Kind
	if !v.direct {
		// What the head's fields point to goes away with its tile.
		s.headBytes = append(s.headBytes[:0], b[:n]...)
		ParseHead(s.headBytes, c.rdict, int(c.local.MaxHeader), &s.head)
	}
	switch {
	case c.session.draining:
		c.refuse(now, s, lupine.Unavailable, lupine.No, "the server is draining")
		return true, nil
	case !c.roomForReply():
		c.hit(LimitReplies)
		c.refuse(now, s, lupine.ResourceExhausted, lupine.No, "too many bytes of replies wait (limits ReplyBudget, ReplyTotal)")
		return true, nil
	case s.head.ID.Seq != 0 && !c.identify(now, s):
		return true, nil
	}
	s.headDone = true
	v.advance(c, n)
	if s.kind != lupine.Unary {
		s.state = slotRunning
	}
	ev := Event{Kind: EventCall, Call: s.call, Head: &s.head}
	if s.head.Fields.Count > 0 {
		ev.Metadata = s.head.Fields.Append(nil, c.rdict)
	}
	c.emit(ev)
	return true, nil
}

// identify asks what is known of an identity (4.2.1); false: the call was refused.
func (c *Conn) identify(now int64, s *slot) bool {
	id := &s.head.ID
	switch {
	case id.Server != [16]byte{} && id.Server != c.local.Incarnation:
		c.refuse(now, s, lupine.Unavailable, lupine.Maybe, "the call was meant for another run of the server")
		return false
	case id.Repeat && s.kind != lupine.Unary:
		c.refuse(now, s, lupine.Unavailable, lupine.Maybe, "streams are not repeated")
		return false
	}
	known := KnownNew
	switch {
	case c.cfg.Identity != nil:
		known = c.cfg.Identity(s.call, &s.head)
	case id.Repeat:
		known = KnownLost
	}
	switch known {
	case KnownLost:
		c.refuse(now, s, lupine.Unavailable, lupine.Maybe, "the server does not know how the first attempt ended")
		return false
	case KnownOther:
		c.refuse(now, s, lupine.FailedPrecondition, lupine.Maybe, "the call's identity belongs to another request")
		return false
	}
	return true
}

// refuse ends a call of the peer's whose handler was not started.
func (c *Conn) refuse(now int64, s *slot, code lupine.Code, executed lupine.Executed, reason string) {
	if s.headDone {
		c.emit(Event{Kind: EventDropped, Call: s.call, Err: failed(code, executed, reason)})
	}
	c.endCall(now, s, code, executed, reason)
}

// endCall makes ENDED the reply.
func (c *Conn) endCall(now int64, s *slot, code lupine.Code, executed lupine.Executed, reason string) {
	if code == lupine.OK {
		code = lupine.Unknown
	}
	c.notBusy(s)
	c.stopReading(s)
	c.settle(s)
	s.own.s = nil
	s.state, s.ended = slotDone, true
	s.endCode, s.endExec, s.endReason = code, executed, reason
	s.wantEnded = true
	c.push(queueControl, s)
}

// notBusy notes that the call in s is neither received nor run any more.
func (c *Conn) notBusy(s *slot) {
	if s.state != slotReceiving && s.state != slotRunning {
		return
	}
	c.theirsBusy--
	c.session.active = c.now
}

// Refuse ends a call whose handler was not started, with ENDED. The engine has
// forgotten the call when it returns.
func (c *Conn) Refuse(now int64, call *Call, code lupine.Code, executed lupine.Executed, reason string) {
	c.now = max(c.now, now)
	if s := call.s; s != nil && !s.mine && (s.state == slotReceiving || s.state == slotRunning) {
		call.s = nil
		c.endCall(now, s, code, executed, reason)
	}
}

// Header sends the reply's header, which may be empty, before its first message; later
// calls do nothing.
func (c *Conn) Header(now int64, call *Call, md lupine.Metadata) {
	s := call.s
	if s == nil || s.mine || s.state != slotRunning || s.headerOut || s.out.end > 0 || s.out.settled {
		return
	}
	s.headerOut = true
	if CheckFields(md, c.peer.MaxHeader) != nil {
		return // the caller could not take it
	}
	at := len(s.buf)
	s.buf = AppendHeaderRecord(s.buf, md, c.replyDict(s), &s.uses)
	s.out.append(Message{Bytes: s.buf[at:]})
	c.more(s)
}

// replyDict is the dictionary for a reply: none where another session may have
// to send it (4.2.1).
func (c *Conn) replyDict(s *slot) *WriteDict {
	if s.head.ID.Seq != 0 {
		return nil
	}
	return c.wdict
}

// Finish says that the handler has returned; end nil is OK. The engine has
// forgotten the call when it returns, but for its messages (4.2).
func (c *Conn) Finish(now int64, call *Call, end *lupine.Error, trailer lupine.Metadata) {
	c.now = max(c.now, now)
	s := call.s
	if s == nil || s.mine || s.state != slotRunning && s.state != slotReceiving {
		return
	}
	call.s = nil
	if s.canceled {
		c.endCall(now, s, lupine.Canceled, lupine.Yes, "the caller canceled")
		return
	}
	c.notBusy(s)
	c.idle.give(idleRefill)
	c.cancels.give(cancelRefill)
	c.stopReading(s)
	s.state = slotDone
	if end != nil && trailer == nil {
		trailer = end.Metadata
	}
	if CheckFields(trailer, c.peer.MaxHeader) != nil {
		trailer = nil
	}
	if end != nil || len(trailer) > 0 {
		var uses *Uses
		if s.out.next == 0 {
			uses = &s.uses
		}
		at := len(s.buf)
		s.buf = AppendStatus(s.buf, ran(end), trailer, c.replyDict(s), uses)
		s.out.append(Message{Bytes: s.buf[at:]})
	}
	s.out.fin = true
	s.grantedAt = now
	c.account(s)
	c.trimReplies(now)
	c.more(s)
}

// ran returns e as what a handler returned: the call has run.
func ran(e *lupine.Error) *lupine.Error {
	if e == nil || e.Executed == lupine.Yes {
		return e
	}
	copied := *e
	copied.Executed = lupine.Yes
	return &copied
}

// replyAgain answers a duplicate of a call that has its reply (4.2).
func (c *Conn) replyAgain(now int64, s *slot) {
	if s.resentAt != 0 && now-s.resentAt < resendGap {
		return
	}
	s.resentAt = now
	if s.ended {
		s.wantEnded = true
		c.push(queueControl, s)
		return
	}
	if s.out.next == 0 || s.out.acked > 0 {
		return // it has not been sent yet, or the caller has its beginning
	}
	c.Stats.Retransmits++
	s.again = true
	c.push(queueLost, s)
}

// cancelFrame takes in CANCEL (4.2).
func (c *Conn) cancelFrame(now int64, f *Frame) *Error {
	known := f.Call.Slot < uint64(len(c.theirs)) && c.theirs[f.Call.Slot] != nil && c.theirs[f.Call.Slot].seq >= f.Call.Seq
	s, err := c.entry(now, f)
	if s == nil || err != nil {
		return err
	}
	if now-s.began < honestCall && (s.state == slotReceiving || s.state == slotRunning) && !c.cancels.take(now) {
		c.hit(LimitCancels)
		return &Error{CodeLimit, "too many calls were canceled at once (limit Cancels)"}
	}
	switch {
	case !known || s.state == slotReceiving:
		c.refuse(now, s, lupine.Canceled, lupine.No, "the caller canceled")
	case s.canceled || s.state == slotSettled || s.state == slotDone && s.ended:
		return c.waste(now)
	case s.state == slotRunning:
		s.canceled = true
		c.stopReading(s)
		c.settle(s)
		c.tell(s, failed(lupine.Canceled, lupine.Maybe, "the caller canceled"))
	case s.state == slotDone:
		c.endCall(now, s, lupine.Canceled, lupine.Yes, "the caller canceled")
	}
	return nil
}

// tell ends the handler's context, once.
func (c *Conn) tell(s *slot, err *lupine.Error) {
	if !s.told && s.call != nil && s.call.s != nil {
		s.told = true
		c.emit(Event{Kind: EventCanceled, Call: s.call, Err: err})
	}
}

// probeFrame takes in PROBE (4.2).
func (c *Conn) probeFrame(now int64, f *Frame) *Error {
	if err := c.waste(now); err != nil {
		return err
	}
	c.working = c.working[:0]
	for f.Calls.Count > 0 {
		n := f.Calls.Next()
		g := Frame{Type: TypeProbe, Call: n}
		if s := c.theirCall(n); s != nil && n.Seq <= s.seq {
			if n.Seq < s.seq {
				continue
			}
			switch s.state {
			case slotReceiving, slotRunning:
				c.working = append(c.working, n)
			case slotDone:
				c.replyAgain(now, s)
			}
			continue
		}
		s, err := c.entry(now, &g)
		if err != nil {
			return err
		}
		if s != nil {
			c.endCall(now, s, lupine.Internal, lupine.Maybe, "the callee has never heard of the call")
		}
	}
	return nil
}

// trimReplies makes tombstones of replies while they are over budget (5.4).
func (c *Conn) trimReplies(now int64) {
	for c.replies > c.cfg.ReplyBudget || c.budget.replies.Load() > c.budget.Replies {
		var oldest *slot
		for _, s := range c.theirs {
			if s != nil && s.state == slotDone && !s.ended && s.kept > 0 && s.out.next == s.out.total() &&
				(oldest == nil || s.grantedAt < oldest.grantedAt) {
				oldest = s
			}
		}
		if oldest == nil {
			return
		}
		c.hit(LimitReplies)
		c.endCall(now, oldest, lupine.DataLoss, lupine.Yes, "the reply was dropped before it arrived (limits ReplyBudget, ReplyTotal)")
	}
}

// roomForReply reports whether a new call's reply could be kept. The largest reply
// of the session does not count towards its budget: one message may always exceed it.
func (c *Conn) roomForReply() bool {
	over := c.replies - c.cfg.ReplyBudget
	if over > 0 {
		for _, s := range c.theirs {
			if s != nil && s.kept >= over {
				over = 0
				break
			}
		}
	}
	return over <= 0 && c.budget.replies.Load() <= c.budget.Replies
}
