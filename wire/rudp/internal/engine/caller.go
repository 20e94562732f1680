package engine

import "github.com/lupine-rpc/lupine"

// Begin begins a call (4.1). last says that message is all of the request. A
// unary call has one message and last; a stream's message may be empty. The error
// is ErrFull, ErrDown, a *TooLarge for the head or its metadata, or says what is
// wrong with head.ID; no slot is taken then.
func (c *Conn) Begin(now int64, call *Call, head *Head, message Message, last bool) error {
	if c.phase != phaseOpen || c.session.leaving || c.session.mute {
		return ErrDown
	}
	if err := CheckFields(head.Metadata, c.peer.MaxHeader); err != nil {
		return err
	}
	s, err := c.takeSlot()
	if err != nil {
		return err
	}
	s.uses = Uses{}
	s.buf, err = AppendHead(s.buf[:0], head, c.wdict, &s.uses)
	if err != nil {
		c.putSlot(s)
		return err
	}
	if c.inUse == 1 {
		c.session.waitFrom(now)
	}
	s.seq++
	s.state, s.kind, s.began = slotQueued, head.Kind, now
	s.call = call
	s.wantCancel, s.wantGrant, s.canceled = false, false, false
	s.gotRecord, s.gotStatus, s.messages, s.err, s.trailer = false, false, 0, nil, nil
	s.out.reset(c.peer.FirstCredit)
	s.in.reset(c.local.FirstCredit, now)
	s.out.append(Message{Bytes: s.buf})
	s.out.append(message)
	s.out.fin = last
	call.s, call.Slot, call.Seq = s, s.index, s.seq
	c.Stats.Began++
	c.push(queueOpen, s)
	return nil
}

// takeSlot returns the lowest free slot of ours (4.1).
func (c *Conn) takeSlot() (*slot, error) {
	limit := min(c.allowed, c.cfg.MaxSlotsTop)
	i, ok := c.free.take(limit)
	switch {
	case ok:
	case uint64(len(c.mine)) < limit:
		i = uint32(len(c.mine))
		c.mine = append(c.mine, &slot{mine: true, index: i})
	default:
		c.wantedRoom = true
		return nil, ErrFull
	}
	c.inUse++
	return c.mine[i], nil
}

// putSlot makes a slot of ours free.
func (c *Conn) putSlot(s *slot) {
	s.state = slotFree
	c.free.put(s.index)
	c.inUse--
	c.noMoreCalls()
	if c.wantedRoom {
		c.wantedRoom = false
		c.emit(Event{Kind: EventRoom})
	}
}

// Write sends more, in either stream: of a request, last is the half-close. Of
// a reply, Finish ends it, and last says nothing.
func (c *Conn) Write(now int64, call *Call, message Message, last bool) {
	s := call.s
	if s == nil || s.out.settled || s.out.fin {
		if message.Owner != nil {
			c.emit(Event{Kind: EventReleased, Owner: message.Owner})
		}
		return
	}
	s.out.append(message)
	if s.mine {
		s.out.fin = last
	} else {
		c.account(s)
		c.trimReplies(now)
	}
	c.more(s)
}

// more puts s in the queue that fits what it has to send for the first time.
func (c *Conn) more(s *slot) {
	switch {
	case s.out.settled:
	case s.out.next == 0:
		c.push(queueOpen, s)
	case s.out.fresh() > 0:
		c.push(queueData, s)
	}
}

// Unsent returns how many bytes of the call's messages wait to be sent. When it was
// above 16 KiB and sinks below, EventWritable comes, if it was asked.
func (c *Conn) Unsent(call *Call) int {
	s := call.s
	if s == nil || s.out.settled {
		return 0
	}
	n := int(s.out.left())
	s.blocked = n >= turn
	return n
}

// Cancel ends a call of ours at once: the engine forgets it, and no event comes,
// but EventReleased. It returns No if no datagram with it was made, else Maybe (4.1).
func (c *Conn) Cancel(now int64, call *Call) lupine.Executed {
	s := call.s
	if s == nil || !s.mine {
		return lupine.Maybe
	}
	return c.abandon(now, s)
}

// abandon ends the application's part in a call of ours.
func (c *Conn) abandon(now int64, s *slot) lupine.Executed {
	s.call.s, s.call = nil, nil
	if s.state == slotQueued {
		c.over(s)
		return lupine.No
	}
	s.state = slotClosing
	s.in.discard = true
	c.refund(s)
	c.settle(s)
	s.wantCancel, s.wantGrant = true, false
	c.push(queueControl, s)
	return lupine.Maybe
}

// over makes the slot of a call of ours free: its callee has nothing more to say.
func (c *Conn) over(s *slot) {
	c.settle(s)
	c.refund(s)
	s.wantCancel, s.wantGrant = false, false
	c.putSlot(s)
	c.idle.give(idleRefill)
}

// end is over, and tells the application.
func (c *Conn) end(now int64, s *slot, err *lupine.Error, trailer lupine.Metadata) {
	call := s.call
	c.over(s)
	if call != nil {
		call.s, s.call = nil, nil
		c.emit(Event{Kind: EventEnded, Call: call, Err: err, Metadata: trailer})
	}
}

// replyFrame takes in REPLY and DATA of a call of ours (4.1).
func (c *Conn) replyFrame(now int64, f *Frame) (took bool, err *Error) {
	s, err := c.myCall(f)
	if s == nil || err != nil {
		if err == nil {
			err = c.waste(now)
		}
		return true, err
	}
	took, news, err := c.insert(now, s, f)
	if err != nil || !took {
		return took, err
	}
	if !news {
		return true, c.waste(now)
	}
	if s.kind == lupine.Unary {
		c.settle(s) // its request was whole; nothing of it is wanted any more
	}
	return true, c.readReply(now, s)
}

// myCall returns the slot of the call of ours that a callee's frame names, or nil
// if the call is over.
func (c *Conn) myCall(f *Frame) (*slot, *Error) {
	if f.Call.Slot >= uint64(len(c.mine)) {
		return nil, protocol("%s: slot: %d was never used", f.Type, f.Call.Slot)
	}
	s := c.mine[f.Call.Slot]
	switch {
	case f.Call.Seq > s.seq || f.Call.Seq == s.seq && s.state == slotQueued:
		return nil, protocol("%s: seq: call %d of slot %d was never sent", f.Type, f.Call.Seq, s.index)
	case f.Call.Seq < s.seq || s.state == slotFree:
		return nil, nil
	}
	return s, nil
}

// readReply parses what can be of a reply.
func (c *Conn) readReply(now int64, s *slot) *Error {
	in := &s.in
	if in.discard {
		if in.whole() {
			c.over(s)
		}
		return nil
	}
	v := c.view(s)
	for in.read < in.have && !in.discard && !in.waits() {
		var r Record
		n, err := v.next(c, true, &r)
		if err == ErrShort {
			break
		}
		if e, ok := err.(*TooLarge); ok {
			if r.Kind == RecordStatus {
				r.Fields = Fields{} // what it said is worth more than its trailer
				c.hit(LimitHeader)
				s.err, s.gotStatus = statusError(&r.Status), true
				c.finishReply(now, s)
				return nil
			}
			c.giveUp(now, s, lupine.ResourceExhausted, e.Error())
			return nil
		}
		if err != nil {
			return err.(*Error)
		}
		if s.gotStatus {
			return protocol("STATUS: a record follows it")
		}
		if r.Kind == RecordMessage {
			if !c.takeMessage(now, s, &r, n, &v) {
				break
			}
			continue
		}
		if err := c.replyRecord(s, &r); err != nil {
			return err
		}
		v.advance(c, n)
	}
	if in.discard {
		return nil
	}
	if in.ended && in.read == in.end && in.have == in.end {
		c.finishReply(now, s)
		return nil
	}
	if in.whole() && in.read < in.end {
		return protocol("reply: the stream ends within a record")
	}
	c.grant(now, s) // it may reserve room for the message, which has its buffer then
	v.keep(c)
	return nil
}

// replyRecord takes in HEADER and STATUS.
func (c *Conn) replyRecord(s *slot, r *Record) *Error {
	if r.Kind == RecordHeader {
		if s.gotRecord {
			return protocol("HEADER: it is not the first record")
		}
		s.gotRecord = true
		c.emit(Event{Kind: EventHeader, Call: s.call, Metadata: r.Fields.Append(nil, c.rdict)})
		return nil
	}
	s.gotStatus = true
	if r.Fields.Count > 0 {
		s.trailer = r.Fields.Append(nil, c.rdict)
	}
	if r.Status.Code != lupine.OK {
		s.err = statusError(&r.Status)
		s.err.Metadata = s.trailer
	}
	return nil
}

func statusError(s *Status) *lupine.Error {
	if s.Code == lupine.OK {
		return nil
	}
	e := failed(s.Code, s.Executed, string(s.Text))
	e.Details = s.AppendDetails(nil)
	return e
}

// finishReply ends a call whose reply is complete.
func (c *Conn) finishReply(now int64, s *slot) { c.end(now, s, s.err, s.trailer) }

// giveUp ends a call of ours with an error that we found.
func (c *Conn) giveUp(now int64, s *slot, code lupine.Code, text string) {
	call := s.call
	executed := c.abandon(now, s)
	c.emit(Event{Kind: EventEnded, Call: call, Err: failed(code, executed, text)})
}

// endedFrame takes in ENDED (4.1).
func (c *Conn) endedFrame(now int64, f *Frame) *Error {
	s, err := c.myCall(f)
	if err != nil {
		return err
	}
	if s == nil {
		return c.waste(now)
	}
	c.end(now, s, failed(lupine.Code(f.Code), f.Executed, string(f.Data)), nil)
	return nil
}
