package engine

import (
	"strconv"

	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// serverCall is a stream of the server with its handler.
type serverCall struct {
	Stream
	n       *node
	call    *simCall
	try     int
	in      inflow
	read    int  // messages that the handler has taken
	sent    int  // messages handed to the engine
	headed  bool // the header was sent
	waiting bool // for the reader, or between two messages
	over    bool // client or link have gone
	done    bool // the handler has ended the call
	free    bool // the handler has returned
	buf     []byte
}

// statusDeadline is what a handler answers whose deadline has passed. It is no
// real code, so that no plan has it.
const statusDeadline = 17

func (n *node) newStream() *Stream {
	s := &serverCall{n: n}
	s.Owner = s
	return &s.Stream
}

func (n *node) serverEvent(ev *Event) {
	switch ev.Kind {
	case EventHeaders:
		n.live += int(1 - flag(ev.Trailers))
		if ev.Trailers {
			n.c.w.fail(badOrder, "%v: trailers of a request", n)
			return
		}
		n.arm()
		ev.Stream.Owner.(*serverCall).request(ev)
	case EventData:
		ev.Stream.Owner.(*serverCall).data(ev)
	case EventReset:
		s := ev.Stream.Owner.(*serverCall)
		if !ev.Remote && n != n.c.attacker { // who may have confused itself
			n.c.w.fail(badConn, "call %d: our engine resets stream %d: %v", s.call.plan.key, s.ID, ev.Err)
		}
		n.c.w.did("handler told that its caller has left")
		s.gone()
	case EventDrained:
		n.c.w.did("drained by PING")
		n.eng.DrainNow()
	}
}

// request takes a call's header block: it runs from here on.
func (s *serverCall) request(ev *Event) {
	n, w := s.n, s.n.c.w
	h := n.eng.Head
	key, try, pads, wrong := readMetadata(h)
	if wrong == "" && (h.TooLarge || h.Method != "POST" || h.Path != "/a.B/C") {
		wrong = "method or path, or too large"
	}
	if wrong != "" {
		w.fail(badOrder, "%v, stream %d: header block of the request: %s", n, s.ID, wrong)
		return
	}
	for _, c := range w.calls {
		if c.plan.key == key {
			s.call = c
		}
	}
	switch {
	case s.call == nil || try >= len(s.call.tries):
		w.fail(badOrder, "%v, stream %d: request of call %d, attempt %d, which nobody made", n, s.ID, key, try)
		return
	case pads != s.call.plan.header:
		w.fail(badOrder, "call %d: header of %d bytes, want %d", key, pads, s.call.plan.header)
		return
	}
	s.try = try
	a := &s.call.tries[try]
	switch {
	case a.told:
		w.fail(badRun, "call %d, attempt %d on conn %d runs after its caller was told that it did not", key, try, n.c.n)
	case a.ran:
		w.fail(badRun, "call %d, attempt %d on conn %d runs twice", key, try, n.c.n)
	case uint32(n.eng.Held()) > n.eng.cfg.MaxStreams:
		w.fail(badWindow, "%v runs %d calls, and allows %d", n, n.eng.Held(), n.eng.cfg.MaxStreams)
	case n.eng.goAwaySent && s.ID > n.eng.goAwayLast:
		w.fail(badRun, "call %d runs on stream %d, above GOAWAY's last", key, s.ID)
	}
	a.ran = true
	if n.c.drained {
		w.did("call runs on a draining link")
	}
	p := s.call.plan
	w.trace.Add(uint64(key), uint64(try), uint64(w.Now()))
	s.in = inflow{key: key, sizes: p.req}
	if p.abort > 0 {
		w.After(p.abort, s.abort)
	}
	if p.deadline > 0 {
		// The handlers of some calls have less time than their callers.
		w.After(p.deadline*int64(3+key%2)/4, func() { s.status(statusDeadline) })
	}
	if p.headFirst && !p.trailersOnly {
		s.header()
	}
	if ev.End && (s.in.msg != len(p.req) || s.in.at != 0) {
		w.fail(badEnd, "call %d: the request ends with its header", key)
		return
	}
	s.step()
}

func (s *serverCall) data(ev *Event) {
	w := s.n.c.w
	if wrong := s.in.add(ev.Data); wrong != "" {
		w.fail(badOrder, "call %d, stream %d: request: %s", s.call.plan.key, s.ID, wrong)
		return
	}
	p := s.call.plan
	if ev.End && (s.in.at != 0 || s.in.msg != len(p.req)) {
		w.fail(badEnd, "call %d: the request ends after %d of %d messages and %d bytes of the next", p.key, s.in.msg, len(p.req), s.in.at)
		return
	}
	if s.in.whole == 0 && !s.RecvEnd {
		if k := s.in.missing(); k > 0 && !s.Closed {
			s.n.eng.Want(&s.Stream, k)
		}
	}
	s.step()
}

// take has the handler take the messages that are here.
func (s *serverCall) take() {
	k := s.in.take()
	s.read = s.in.msg
	if s.Closed {
		return
	}
	s.n.eng.Assembled(&s.Stream)
	s.n.eng.Consumed(&s.Stream, k)
	if k := s.in.missing(); k > 0 {
		s.n.eng.Want(&s.Stream, k)
	}
}

// step does what the handler can do now.
func (s *serverCall) step() {
	if s.over || s.done || s.waiting || s.n.dead {
		return
	}
	p := s.call.plan
	many := p.kind == clientStream || p.kind == bidi
	if s.in.whole > 0 && many {
		if p.slowServer == 0 {
			s.take()
		} else {
			s.wait(p.slowServer, s.take)
			return
		}
	}
	all := s.RecvEnd && (!many || s.read == len(p.req)) || p.early >= 0 && max(s.read, int(flag(!many))*s.in.msg) >= int(p.early)
	if p.trailersOnly && all {
		s.status(p.status)
		return
	}
	for !s.Pending() && (all && s.sent < len(p.res) || p.kind == bidi && s.sent < min(s.read, len(p.res))) {
		s.send()
		if s.Closed || s.waiting {
			return
		}
	}
	if all && s.sent == len(p.res) && (p.queueTail || !s.Pending()) {
		s.status(p.status)
	}
}

// wait has the handler do nothing else for a while.
func (s *serverCall) wait(d int64, f func()) {
	s.waiting = true
	s.n.c.w.After(d, func() {
		s.waiting = false
		if !s.over && !s.done && !s.n.dead {
			if f != nil {
				f()
			}
			s.step()
		}
	})
}

func (s *serverCall) send() {
	p, e := s.call.plan, s.n.eng
	s.header()
	s.buf = appendMessage(s.buf[:0], body(p.key, true, s.sent, p.res[s.sent]))
	s.sent++
	e.Send(&s.Stream, s.buf, false, s.n.cfg.outLimit)
	if s.Pending() {
		s.n.c.w.waits(&s.Stream, e)
	} else {
		scribble(s.buf)
	}
	if p.think > 0 {
		s.wait(p.think, nil)
	}
}

func (s *serverCall) header() {
	if s.headed || s.Closed {
		return
	}
	s.headed = true
	e := s.n.eng
	e.BeginHeaders()
	e.Out = e.Enc.AppendBlock(e.Out, s.n.blocks.response)
	for _, f := range metadata(s.call.plan.key, s.try, 0) {
		e.Out = e.Enc.Append(e.Out, f)
	}
	e.EndHeaders(&s.Stream, false)
}

// status ends the call.
func (s *serverCall) status(code uint8) {
	if s.over || s.done || s.n.dead {
		return
	}
	w, e, p := s.n.c.w, s.n.eng, s.call.plan
	if !s.RecvEnd {
		w.did("answered before the whole request")
	}
	if code != statusDeadline && !p.trailersOnly {
		s.header()
	}
	tail := metadata(p.key, s.try, p.trailer)
	tail = append(tail, hpack.Pair{Name: "grpc-status", Value: strconv.Itoa(int(code)), Mode: hpack.Keep})
	switch {
	case !s.headed: // trailers only
		w.did("trailers only")
		s.headed = true
		e.BeginHeaders()
		e.Out = e.Enc.AppendBlock(e.Out, s.n.blocks.response)
		for _, f := range tail {
			e.Out = e.Enc.Append(e.Out, f)
		}
		e.EndHeaders(&s.Stream, true)
	case code == 0:
		e.Finish(&s.Stream, s.n.blocks.done, tail[:len(tail)-1])
	default:
		e.Finish(&s.Stream, nil, tail)
	}
	s.done = true
	s.returns()
}

// abort has the handler end the call with RST_STREAM.
func (s *serverCall) abort() {
	if s.over || s.done || s.n.dead {
		return
	}
	s.n.c.w.fire("aborted by the handler")
	s.call.tries[s.try].aborted = true
	s.n.eng.Reset(&s.Stream, InternalError)
	s.done = true
	s.returns()
}

// gone tells the handler that client or link have left.
func (s *serverCall) gone() {
	if s.over {
		return
	}
	s.over = true
	if !s.done {
		s.call.tries[s.try].gone = true
		s.returns()
	}
}

// returns has the handler return, at once or after a while.
func (s *serverCall) returns() {
	n := s.n
	release := func() {
		if s.free {
			return
		}
		s.free = true
		n.live--
		n.eng.Release(n.time(), &s.Stream)
		if n.c.w.bug.afterRelease != nil {
			n.c.w.bug.afterRelease(n, &s.Stream)
		}
	}
	if d := s.call.plan.linger; d > 0 {
		n.c.w.After(d, release)
	} else {
		n.c.w.After(0, release)
	}
}

// serverBroken cancels every call: the link has ended.
func (n *node) serverBroken() {
	n.eng.EachAbove(0, func(es *Stream) { es.Owner.(*serverCall).gone() })
}
