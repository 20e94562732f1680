package engine

import (
	"slices"
	"strconv"
)

// clientCall is a stream of the client, reused as the driver reuses its own.
type clientCall struct {
	Stream
	n       *node
	call    *simCall
	in      inflow
	start   int64 // where its first byte stands among all that the link sends
	sent    int   // messages handed to the engine
	closed  bool  // END_STREAM was, too
	headed  bool
	reading bool // the reader will take what is there
	pausing bool // the sender waits before the next message
	buf     []byte
	uses    int // counts the calls that have used it: timers of older ones do nothing
}

// submit opens the call's stream, now or when the peer allows one more.
func (n *node) submit(call *simCall) {
	w := n.c.w
	call.node = n
	err := n.eng.CanOpen()
	switch {
	case err == nil && len(n.slots) == 0:
		n.open(call)
	case err == nil || err == ErrFull:
		w.did("waits for a stream")
		n.slots = append(n.slots, call)
	default:
		w.fail(badConn, "%v takes calls, and cannot: %v", n, err)
	}
}

func (n *node) unqueue(call *simCall) {
	n.slots = slices.DeleteFunc(n.slots, func(c *simCall) bool { return c == call })
}

// nextSlot opens streams for calls that wait.
func (n *node) nextSlot() {
	for len(n.slots) > 0 && !n.dead && !n.down && n.eng.CanOpen() == nil {
		call := n.slots[0]
		n.slots = n.slots[1:]
		n.open(call)
	}
}

func (n *node) open(call *simCall) {
	w := n.c.w
	e := n.eng
	if w.bug.beforeOpen != nil {
		w.bug.beforeOpen(n)
	}
	var s *clientCall
	if k := len(w.pool); k > 0 {
		s = w.pool[k-1]
		w.pool = w.pool[:k-1]
	} else {
		s = new(clientCall)
	}
	buf, uses := s.buf[:0], s.uses+1
	*s = clientCall{n: n, call: call, start: n.taken + int64(len(e.Out)), buf: buf, uses: uses}
	s.Owner = s
	p := call.plan
	s.in = inflow{key: p.key, reply: true, sizes: p.res}
	call.st = s
	e.Open(n.time(), &s.Stream)
	e.BeginHeaders()
	e.Out = e.Enc.AppendBlock(e.Out, n.blocks.request)
	for _, f := range metadata(p.key, call.try, p.header) {
		e.Out = e.Enc.Append(e.Out, f)
	}
	empty := len(p.req) == 0 && !p.lateEnd
	e.EndHeaders(&s.Stream, empty)
	s.closed = empty
	w.trace.Add(uint64(p.key), uint64(call.try), uint64(s.ID))
	n.arm()
	if k := e.peer.maxStreams; e.peer.seen && uint32(e.Streams()) > k {
		w.fail(badWindow, "%v has %d streams open, and its peer allows %d", n, e.Streams(), k)
	}
	if !s.Closed {
		s.push()
	}
	if e.CanOpen() == ErrUsedUp {
		w.did("stream ids used up")
		n.goDown(ErrUsedUp.Error())
	}
}

// push sends messages until it must wait.
func (s *clientCall) push() {
	p, e := s.call.plan, s.n.eng
	for !s.closed && !s.Closed && !s.pausing && !s.Pending() {
		if s.sent == len(p.req) {
			s.closed = true
			e.Send(&s.Stream, nil, true, s.n.cfg.outLimit)
			return
		}
		i := s.sent
		s.sent++
		last := s.sent == len(p.req) && !p.lateEnd
		s.closed = last
		s.buf = appendMessage(s.buf[:0], body(p.key, false, i, p.req[i]))
		e.Send(&s.Stream, s.buf, last, s.n.cfg.outLimit)
		if s.Closed {
			return
		}
		if s.Pending() {
			s.n.c.w.waits(&s.Stream, e)
		} else {
			scribble(s.buf)
		}
		if b := s.n.c.w.bug.sent; b != nil {
			b(s.buf)
		}
		if p.gap > 0 && !s.closed {
			s.pausing = true
			s.later(p.gap, func() { s.pausing = false; s.push() })
		}
	}
}

// waits counts why data has to wait.
func (w *world) waits(s *Stream, e *Conn) {
	switch {
	case s.sendWindow <= 0:
		w.did("data waits for the stream's window")
	case e.sendWindow <= 0:
		w.did("data waits for the connection's window")
	default:
		w.did("data waits for room")
	}
}

// scribble overwrites bytes that are the caller's again.
func scribble(b []byte) {
	for i := range b[:min(len(b), 512)] {
		b[i] = 0xdd
	}
}

// later runs f after d unless the call has ended by then.
func (s *clientCall) later(d int64, f func()) {
	uses := s.uses
	s.n.c.w.After(d, func() {
		if s.uses == uses && s.call != nil && !s.n.dead {
			f()
		}
	})
}

// drained is told that a stream's pending bytes are free again.
func (n *node) drained(es *Stream) {
	switch s := es.Owner.(type) {
	case *clientCall:
		scribble(s.buf)
		s.later(0, s.push) // not within the engine's call
	case *serverCall:
		scribble(s.buf)
		n.c.w.After(0, s.step)
	}
}

func (n *node) clientEvent(ev *Event) {
	w := n.c.w
	switch ev.Kind {
	case EventHeaders, EventData, EventReset:
		s, _ := ev.Stream.Owner.(*clientCall)
		if s == nil || s.call == nil || s.call.st != s {
			w.fail(badEnd, "%v: event %d on stream %d, whose call has ended", n, ev.Kind, ev.Stream.ID)
			return
		}
		switch ev.Kind {
		case EventHeaders:
			s.headers(ev)
		case EventData:
			s.data(ev)
		default:
			s.reset(ev)
		}
	case EventGoAway:
		n.goAway(ev)
	case EventSettings:
		n.nextSlot()
	}
}

func (s *clientCall) headers(ev *Event) {
	w, h, p := s.n.c.w, s.n.eng.Head, s.call.plan
	key, try, pads, wrong := readMetadata(h)
	switch {
	case wrong != "" || h.TooLarge:
		w.fail(badOrder, "call %d, stream %d: header block of the response: %s", p.key, s.ID, wrong)
		return
	case key != p.key || try != s.call.try:
		w.fail(badOrder, "call %d, attempt %d gets a header block of call %d, attempt %d", p.key, s.call.try, key, try)
		return
	case ev.Trailers != s.headed:
		w.fail(badOrder, "call %d: header block out of turn", p.key)
		return
	}
	s.headed = true
	if !ev.End {
		if pads != 0 {
			w.fail(badOrder, "call %d: header with %d bytes of trailer", p.key, pads)
		}
		return
	}
	if pads != p.trailer {
		w.fail(badOrder, "call %d: trailer of %d bytes, want %d", p.key, pads, p.trailer)
	}
	s.trailers(h)
}

// trailers ends the call with what the server says.
func (s *clientCall) trailers(h *Head) {
	w, p := s.n.c.w, s.call.plan
	status := -1
	for i := range h.Fields {
		if h.Fields[i].Name == "grpc-status" {
			status, _ = strconv.Atoi(h.Fields[i].Value)
		}
	}
	switch {
	case status == statusDeadline && p.deadline > 0:
		w.did("the handler's deadline came first")
	case status != int(p.status):
		w.fail(badEnd, "call %d ends with status %d, want %d", p.key, status, p.status)
	case s.in.at != 0 || s.in.msg != len(p.res):
		w.fail(badEnd, "call %d ends after %d of %d messages and %d bytes of the next", p.key, s.in.msg, len(p.res), s.in.at)
	}
	s.finish(ok)
}

func (s *clientCall) data(ev *Event) {
	w, e, p := s.n.c.w, s.n.eng, s.call.plan
	if !s.headed {
		w.fail(badOrder, "call %d: DATA before the header", p.key)
	}
	if wrong := s.in.add(ev.Data); wrong != "" {
		w.fail(badOrder, "call %d, stream %d: reply: %s", p.key, s.ID, wrong)
		return
	}
	if ev.End {
		w.fail(badEnd, "call %d: DATA ends the response", p.key)
		return
	}
	if s.in.whole == 0 {
		if k := s.in.missing(); k > 0 {
			e.Want(&s.Stream, k)
		}
	} else if p.kind == serverStream || p.kind == bidi {
		s.read()
	} // a unary call's only reply stays where it is
}

// read takes what has come, after a while.
func (s *clientCall) read() {
	if s.reading {
		return
	}
	s.reading = true
	s.later(s.call.plan.slowClient, func() {
		s.reading = false
		k := s.in.take()
		if s.Closed || k == 0 {
			return
		}
		s.n.eng.Assembled(&s.Stream)
		s.n.eng.Consumed(&s.Stream, k)
		if k := s.in.missing(); k > 0 {
			s.n.eng.Want(&s.Stream, k)
		}
	})
}

func (s *clientCall) reset(ev *Event) {
	w := s.n.c.w
	switch {
	case !ev.Remote && s.n != s.n.c.attacker: // who may have confused itself
		w.fail(badConn, "call %d: our engine resets stream %d: %v", s.call.plan.key, s.ID, ev.Err)
		s.finish(malformed)
	case ev.Code == RefusedStream:
		w.fire("stream refused")
		s.finish(refused)
	default:
		s.finish(aborted)
	}
}

// finish ends the attempt. The stream has left the engine or leaves it now.
func (s *clientCall) finish(how outcome) {
	n, call := s.n, s.call
	w := n.c.w
	if call == nil {
		w.fail(badTable, "%v: a stream that has ended, %d, is in the table", n, s.ID)
		return
	}
	if !s.Closed {
		if w.bug.beforeReset != nil {
			w.bug.beforeReset(n, &s.Stream)
		}
		n.eng.Reset(&s.Stream, Cancel)
		if w.bug.afterReset != nil {
			w.bug.afterReset(n, &s.Stream)
		}
	}
	if s.Stream.pending != nil || s.queued || s.inWant || s.grant != 0 {
		w.fail(badTable, "stream %d has left the engine and is in a list of it", s.ID)
	}
	s.call, s.uses = nil, s.uses+1
	w.pool = append(w.pool, s)
	if how == refused {
		call.repeat()
	} else {
		call.over(how)
	}
	n.nextSlot()
	n.quietDown()
}

// goAway takes the server's GOAWAY: calls above its last stream did not run.
func (n *node) goAway(ev *Event) {
	n.c.w.logf("%v: GOAWAY, last stream %d, %v", n, ev.Last, ev.Code)
	n.eng.EachAbove(ev.Last, func(es *Stream) {
		n.c.w.fire("refused by GOAWAY")
		es.Owner.(*clientCall).finish(refused)
	})
	n.goDown("GOAWAY")
}

// goDown lets the link take no more calls: those that wait go elsewhere.
func (n *node) goDown(why string) {
	if !n.down {
		n.down = true
		n.c.w.logf("%v takes no more calls: %s", n, why)
	}
	for _, call := range n.slots {
		call.repeat()
	}
	n.slots = nil
	n.quietDown()
}

// quietDown ends a link that takes no more calls when the last has ended.
func (n *node) quietDown() {
	if n.down && !n.dead && n.eng.Streams() == 0 {
		n.eng.Drain()
		n.die("the last call has ended", true)
	}
}

// clientBroken fails every call: the link has ended.
func (n *node) clientBroken() {
	w := n.c.w
	n.eng.EachAbove(0, func(es *Stream) {
		s := es.Owner.(*clientCall)
		if s.start >= n.taken || w.bug.alwaysNo {
			w.did("never sent when the link ended")
			s.finish(refused)
			return
		}
		s.finish(lost)
	})
	n.goDown("the link has ended")
}
