package engine

import (
	"github.com/lupine-rpc/lupine"
)

// served is a call at its callee: the driver's object, and the handler.
type served struct {
	end  *node
	c    *Call
	at   *attempt
	slot uint32
	seq  uint64

	got      int // requests
	wrote    int // replies
	whole    bool
	started  bool
	canceled bool
	over     bool // the engine has forgotten it
	thought  bool
	headed   bool
}

// called takes a call that came.
func (e *node) called(ev *Event) {
	w := e.w
	a := e.pair.attempts[flag(!e.server)][CallName{uint64(ev.Call.Slot), ev.Call.Seq}]
	if a == nil {
		w.fail(badBooks, "%v: a call of slot %d, seq %d that nobody made", e, ev.Call.Slot, ev.Call.Seq)
		return
	}
	s := &served{end: e, c: ev.Call, at: a, slot: ev.Call.Slot, seq: ev.Call.Seq}
	ev.Call.Owner = s
	p, h := a.call.plan, ev.Head
	path := string(h.Path)
	if h.Method != nil {
		path = h.Method.Bytes
	}
	if path != paths[p.path] || h.Kind != p.kind || h.Timed != (p.deadline > 0) || h.Timed && int64(h.Timeout)*us > p.deadline || p.identity != (h.ID.Seq == uint64(p.key)) {
		w.fail(badMessage, "call %d: its head came as %v of %q, timeout %d", p.key, h.Kind, path, h.Timeout)
	}
	w.check(h.Fields.Append(nil, e.conn.rdict), metadata(p.key, p.header), "metadata", p.key)
	if p.kind != lupine.Unary {
		s.start()
	}
}

// start starts the handler.
func (s *served) start() {
	e, a := s.end, s.at
	w, p := e.w, a.call.plan
	a.started++
	s.started = true
	if a.served == nil {
		a.served = s
	}
	e.running++
	if w.trace.Log != nil {
		w.logf("%v: the handler of call %d, attempt %d starts", e, p.key, a.n)
	}
	if a.started > 1 {
		w.fail(badStart, "the handler of call %d, attempt %d (slot %d, seq %d) starts for the %d. time", p.key, a.n, s.slot, s.seq, a.started)
		return
	}
	for _, other := range a.call.tries {
		if other != a && other.started > 0 {
			w.fail(badStart, "the handler of call %d starts in attempt %d, and had started in attempt %d", p.key, a.n, other.n)
		}
	}
	if a.told {
		w.fail(badRun, "the handler of call %d, attempt %d starts, and the caller was told that it did not run", p.key, a.n)
	}
	if p.think == 0 {
		e.later(func() {
			if !e.dead && !s.over {
				s.think()
			}
		})
		return
	}
	e.p.host.After(p.think, func() {
		if e.dead || s.over {
			return
		}
		if a.canceled && !s.canceled && (e.server || !w.plan.moves() && e.p.hopped == 0) && w.calm > 0 && w.Now()-max(a.cancelAt, w.calm) > 4*s1 && e.peer.alive() {
			w.fail(badLiveness, "call %d was canceled %s ago, and its handler does not know", p.key, millis(w.Now()-a.cancelAt))
		}
		if c := w.plan.client; e.server && e.peer.crashed && !s.canceled {
			if patience := max(w.plan.server.lostAfter, 3*c.keepAlive) + 2*s1 + e.p.slack; w.Now()-e.peer.crashAt > patience+patience/5 {
				w.fail(badLiveness, "the process that made call %d crashed %s ago, and its handler does not know", p.key, millis(w.Now()-e.peer.crashAt))
			}
		}
		s.think()
		e.events()
		e.settle()
	})
}

// think is when the handler begins to answer.
func (s *served) think() {
	s.thought = true
	s.end.tick.input()
	p := s.at.call.plan
	if s.canceled {
		s.finish()
		return
	}
	if s.headed = p.headers; s.headed {
		s.end.conn.Header(s.end.now(), s.c, metadata(p.key+1, 20))
	}
	s.advance()
}

// advance writes the next reply, or returns.
func (s *served) advance() {
	p := s.at.call.plan
	if s.over || !s.thought {
		return
	}
	switch {
	case s.canceled:
		s.finish()
	case s.wrote < len(p.res):
		s.write()
		if p.gap > 0 {
			s.end.p.host.After(p.gap, func() {
				if !s.end.dead && !s.over {
					s.advance()
					s.end.events()
					s.end.settle()
				}
			})
			return
		}
		s.advance()
	case s.whole || p.early >= 0 && s.got >= int(p.early):
		s.finish()
	}
}

func (s *served) write() {
	e, p := s.end, s.at.call.plan
	i := s.wrote
	s.wrote++
	e.tick.input()
	e.conn.Write(e.now(), s.c, e.message(p.key, true, i, p.res[i]), false)
}

// finish is the handler's return.
func (s *served) finish() {
	e, p := s.end, s.at.call.plan
	var err *lupine.Error
	if p.status != 0 {
		err = &lupine.Error{Code: lupine.Code(p.status), Message: "as planned", Executed: lupine.Yes}
	}
	if s.canceled {
		err = &lupine.Error{Code: lupine.Canceled, Message: "the context has ended", Executed: lupine.Yes}
	}
	s.over = true
	s.at.done, s.at.status = true, err
	e.running--
	e.tick.input()
	if e.w.trace.Log != nil {
		e.w.logf("%v: the handler of call %d, attempt %d returns", e, p.key, s.at.n)
	}
	e.conn.Finish(e.now(), s.c, err, metadata(p.key+2, p.trailer))
}

// message takes a request.
func (s *served) message(ev *Event) {
	w, p := s.end.w, s.at.call.plan
	if s.over || s.whole || s.got >= len(p.req) {
		w.fail(badMessage, "call %d: a request that nobody sent", p.key)
		return
	}
	w.checkMessage(ev, p.key, false, s.got, p.req[s.got])
	n := len(ev.Message)
	s.got++
	s.whole = ev.End
	if ev.End && s.got != len(p.req) {
		w.fail(badMessage, "call %d: the last request came as number %d of %d", p.key, s.got, len(p.req))
	}
	s.end.consume(s.c, n, p.slow, func() bool { return s.over })
	if p.kind == lupine.Unary {
		s.start()
		return
	}
	s.end.later(s.advance)
}

// event takes what else happens to a call at its callee.
func (s *served) event(ev *Event) {
	w, p := s.end.w, s.at.call.plan
	switch ev.Kind {
	case EventHalfClose:
		if s.whole || s.got != len(p.req) {
			w.fail(badMessage, "call %d: half-closed after %d of %d requests", p.key, s.got, len(p.req))
		}
		s.whole = true
		s.end.later(s.advance)
	case EventCanceled:
		if s.over || !s.started || s.canceled {
			w.fail(badBooks, "call %d: a handler that does not run is canceled", p.key)
			return
		}
		stalled := ev.Err != nil && ev.Err.Code == lupine.DeadlineExceeded && s.at.stalled(p.req)
		if !stalled && !s.at.canceled && !s.end.lost() && !s.end.leaving() && !s.end.peer.leaving() && s.end.now()-s.end.heard < s.end.p.cfg.lostAfter {
			w.fail(badEnd, "call %d: its handler's context ends, and nobody canceled it: %s", p.key, errorString(ev.Err))
		}
		s.canceled = true
		w.did("handler told that its caller has left")
		e := s.end
		e.p.host.After(w.rand.Between(0, 5*ms), func() {
			if !e.dead && !s.over {
				s.finish()
				e.events()
				e.settle()
			}
		})
	case EventDropped:
		if s.started || s.over {
			w.fail(badBooks, "call %d: a handler that runs is dropped", p.key)
		}
		s.over = true
		w.did("dropped before its handler started")
	}
}
