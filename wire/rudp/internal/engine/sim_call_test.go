package engine

import (
	"bytes"
	"fmt"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// paths are the methods that are called.
var paths = [...]string{"/sim.Service/One", "/sim.Service/Two", "/another.Service/ALongerNameOfAMethod"}

// simCall is one call, with all of its attempts, in the oracle's books.
type simCall struct {
	w        *world
	plan     *callPlan
	p        *process // who calls
	host     *process // of a call by the server: which client it calls
	start    int64
	tries    []*attempt
	cur      *attempt // under way; nil: waits for a session
	ended    bool
	nobody   bool // its process crashed
	err      *lupine.Error
	deadline *sim.Timer
	cancel   *sim.Timer
	then     func()   // called at the end
	first    bool     // see probe
	meant    [16]byte // of one with an identity: which server's incarnation
	again    bool     // it may have run: further attempts are repeats
}

func (c *simCall) over() bool { return c.ended || c.nobody }

// work is how long the call takes by itself, at most.
func (c *callPlan) work() int64 {
	return c.think + c.slow*int64(len(c.req)+len(c.res)) + c.gap*int64(len(c.req)+len(c.res)) + 100*ms
}

// attempt is one attempt at a call: the driver's object at the caller, and the
// books on both ends.
type attempt struct {
	Call
	call  *simCall
	end   *node
	n     int
	again bool // it says that it is a repeat

	wrote    int // requests
	got      int // replies
	headed   bool
	over     bool
	told     bool // the caller was told that it did not run
	cancelAt int64
	canceled bool
	started  int // how often its handler started
	served   *served
	status   *lupine.Error // that the handler ended with
	done     bool          // the handler has returned
}

// begin starts a call of a client.
func (w *world) begin(p *callPlan, h *process) {
	if !h.up {
		return
	}
	call := w.newCall(p, h)
	h.queue = append(h.queue, call)
	h.serve()
	if h.cur != nil {
		h.cur.settle()
	}
}

// beginPeer starts a call of the server to a client.
func (w *world) beginPeer(p *callPlan, h *process) {
	e := h.cur
	if e == nil || e.peer == nil || e.peer.dead || !e.peer.open || e.peer.down {
		return
	}
	w.did("peer calls")
	call := w.newCall(p, w.server)
	call.host = h
	s := e.peer
	s.waiting = append(s.waiting, &attempt{call: call, end: s})
	s.servePeer()
	s.settle()
}

func (w *world) newCall(p *callPlan, h *process) *simCall {
	call := &simCall{w: w, plan: p, p: h, start: w.Now()}
	w.calls = append(w.calls, call)
	w.left++
	if w.trace.Log != nil {
		w.logf("%v makes call%v", h, p)
	}
	if p.deadline > 0 {
		call.deadline = h.host.After(p.deadline, func() { call.giveUp(lupine.DeadlineExceeded) })
	}
	if p.cancel > 0 {
		call.cancel = h.host.After(p.cancel, func() { call.giveUp(lupine.Canceled) })
	}
	return call
}

// servePeer has the server's calls that wait on the session begin.
func (e *node) servePeer() {
	for len(e.waiting) > 0 && !e.down {
		call := e.waiting[0].call
		err := e.begin(call)
		if err == ErrFull {
			return
		}
		if err == ErrDown {
			break
		}
		if err != nil {
			e.w.fail(badEnd, "call %d cannot begin: %v", call.plan.key, err)
			return
		}
		e.waiting = e.waiting[1:]
	}
	if e.down { // it has no other session to go to
		for _, a := range e.waiting {
			a.call.finish(&lupine.Error{Code: lupine.Unavailable, Executed: lupine.No})
		}
		e.waiting = nil
	}
}

// begin begins an attempt.
func (e *node) begin(call *simCall) error {
	w, p := e.w, call.plan
	if w.bug.begin != nil {
		w.bug.begin(e)
	}
	a := &attempt{call: call, end: e, n: len(call.tries)}
	a.Owner = a
	head := &Head{Kind: p.kind, Path: paths[p.path], Metadata: metadata(p.key, p.header)}
	if p.deadline > 0 {
		head.Timed, head.Timeout = true, uint64(max(call.start+p.deadline-w.Now(), 0)/us)
	}
	if p.identity {
		head.ID = lupine.CallID{Seq: uint64(p.key), Unsettled: 1, Server: call.meant, Repeat: call.again}
		if a.again = call.again; !a.again {
			head.ID.Server = e.conn.Peer().Incarnation
			call.meant = head.ID.Server
		}
	}
	var m Message
	if len(p.req) > 0 {
		m = e.message(p.key, false, 0, p.req[0])
		a.wrote = 1
	}
	if err := e.conn.Begin(e.now(), &a.Call, head, m, len(p.req) <= 1); err != nil {
		if m.Owner != nil {
			e.released(m.Owner)
		}
		return err
	}
	name := CallName{uint64(a.Slot), a.Seq}
	books := e.pair.attempts[flag(e.server)]
	if books[name] != nil {
		w.fail(badBooks, "%v: call %d is the second with slot %d, seq %d", e, p.key, a.Slot, a.Seq)
	}
	books[name] = a
	call.tries = append(call.tries, a)
	call.cur = a
	e.calls++
	e.tick.input()
	if w.trace.Log != nil {
		w.logf("%v: call %d is slot %d, seq %d", e, p.key, a.Slot, a.Seq)
	}
	a.writeLater()
	return nil
}

// writeLater writes the requests that follow.
func (a *attempt) writeLater() {
	p := a.call.plan
	if a.wrote >= len(p.req) {
		return
	}
	a.end.p.host.After(p.gap, func() {
		if a.over || a.end.dead {
			return
		}
		e := a.end
		i := a.wrote
		a.wrote++
		e.tick.input()
		e.conn.Write(e.now(), &a.Call, e.message(p.key, false, i, p.req[i]), a.wrote == len(p.req))
		a.writeLater()
		e.settle()
	})
}

// header takes the reply's header.
func (a *attempt) header(ev *Event) {
	if a.headed || a.got > 0 || !a.call.plan.headers {
		a.call.w.fail(badMessage, "call %d: a header that was not sent, or comes late", a.call.plan.key)
	}
	a.headed = true
	a.call.w.check(ev.Metadata, metadata(a.call.plan.key+1, 20), "header", a.call.plan.key)
}

// message takes a reply.
func (a *attempt) message(ev *Event) {
	w, p := a.call.w, a.call.plan
	if a.over {
		w.fail(badMessage, "call %d: a reply after its end", p.key)
		return
	}
	if a.started == 0 || a.got >= len(p.res) {
		w.fail(badMessage, "call %d: a reply that nobody sent", p.key)
		return
	}
	w.checkMessage(ev, p.key, true, a.got, p.res[a.got])
	a.got++
	a.end.consume(&a.Call, len(ev.Message), p.slow, func() bool { return a.over })
}

// consume tells the engine that the application has taken a message.
func (e *node) consume(c *Call, n int, after int64, over func() bool) {
	if after == 0 {
		e.later(func() {
			if !e.dead && !over() {
				e.conn.Consumed(e.now(), c, n)
			}
		})
		return
	}
	e.p.host.After(after, func() {
		if !e.dead && !over() {
			e.conn.Consumed(e.now(), c, n)
			e.events()
			e.settle()
		}
	})
}

// checkMessage compares a message with what was sent.
func (w *world) checkMessage(ev *Event, key uint32, reply bool, i int, size int32) {
	switch want := body(key, reply, i, size); {
	case Checksum(ev.Message) != ev.CRC:
		w.fail(badMessage, "call %d: the checksum of message %d is wrong", key, i)
	case !bytes.Equal(ev.Message, want):
		w.fail(badMessage, "call %d: message %d (reply: %v) has %d bytes, and differs from the %d that were sent", key, i, reply, len(ev.Message), len(want))
	}
}

// metadata is n bytes in fields.
func metadata(key uint32, n int32) (md lupine.Metadata) {
	for at := int32(0); at < n; {
		k := min(n-at, 1000)
		from := int32(key*613&0x7ff) + at
		name := "sim-a"
		if key%2 == 0 { // the dictionary has what comes again
			from, name = at, "sim-b"
		}
		md = append(md, lupine.Pair{Key: name, Value: text[from : from+k]})
		at += k
	}
	return md
}

func (w *world) check(md, want lupine.Metadata, what string, key uint32) {
	same := len(md) == len(want)
	for i := 0; same && i < len(md); i++ {
		same = md[i] == want[i]
	}
	if !same {
		w.fail(badMessage, "call %d: %s is %v, and not %v", key, what, md, want)
	}
}

// ended is the end of an attempt, as the engine says.
func (a *attempt) ended(ev *Event) {
	w, call, p := a.call.w, a.call, a.call.plan
	if a.over {
		w.fail(badEnd, "call %d, attempt %d: ends twice", p.key, a.n)
		return
	}
	a.over = true
	a.end.calls--
	if w.trace.Log != nil {
		w.logf("call %d, attempt %d: the engine says %s", p.key, a.n, errorString(ev.Err))
	}
	err := ev.Err
	if w.bug.ended != nil {
		err = w.bug.ended(a, err)
	}
	a.judge(err, ev.Metadata)
	if err != nil && err.Code == lupine.Unavailable && err.Executed == lupine.Maybe && p.identity && !call.again && !a.end.server {
		w.did("repeats of identified calls")
		call.again, call.cur = true, nil
		call.repeat()
		return
	}
	if err != nil && err.Executed == lupine.No && a.mayRepeat(err.Code) {
		w.did("attempt refused: " + err.Code.String())
		call.cur = nil
		if a.end.server {
			call.finish(err)
			return
		}
		call.repeat()
		return
	}
	call.finish(err)
}

// repeat makes another attempt, a little later.
func (c *simCall) repeat() {
	c.p.host.After(c.w.rand.Between(ms, 200*ms), func() {
		if !c.over() {
			c.p.queue = append(c.p.queue, c)
			c.p.serve()
			if cur := c.p.cur; cur != nil {
				cur.settle()
			}
		}
	})
}

// mayRepeat reports whether the driver makes another attempt after a No.
func (a *attempt) mayRepeat(code lupine.Code) bool {
	return code == lupine.Unavailable || code == lupine.ResourceExhausted
}

// judge checks that the attempt had a reason to end as it did.
func (a *attempt) judge(err *lupine.Error, trailer lupine.Metadata) {
	w, p := a.call.w, a.call.plan
	bad := func(why string) {
		w.fail(badEnd, "call %d, attempt %d on %v, slot %d, seq %d: %s: %s", p.key, a.n, a.end, a.Slot, a.Seq, errorString(err), why)
	}
	switch {
	case err == nil || err.Executed == lupine.Yes && err.Code != lupine.DataLoss:
		if a.started != 1 {
			w.fail(badRun, "call %d, attempt %d: ended with %s, and its handler started %d times", p.key, a.n, errorString(err), a.started)
			return
		}
		if a.status == nil != (err == nil) || err != nil && a.status.Code != err.Code || err != nil && a.status.Message != err.Message {
			bad("the handler ended with " + errorString(a.status))
		}
		if a.served != nil && a.got != a.served.wrote {
			bad(fmt.Sprintf("%d of %d replies came", a.got, a.served.wrote))
		}
		if a.served != nil && a.headed != a.served.headed {
			bad("the header did not come")
		}
		w.check(trailer, metadata(p.key+2, p.trailer), "trailer", p.key)
		w.did("calls ok: " + p.kind.String())
	case err.Executed == lupine.No:
		a.notRun()
		reason := err.Code == lupine.Unavailable && (a.end.leaving() || a.end.lost() || a.end.peer.leaving()) ||
			err.Code == lupine.ResourceExhausted && a.end.peer.tight() || err.Code == lupine.DeadlineExceeded && a.stalled(p.req)
		if !reason {
			bad("nothing was wrong")
		}
	case err.Executed == lupine.Yes: // DataLoss
		if a.started != 1 || !a.end.peer.tight() && !a.stalled(p.res) {
			bad(fmt.Sprintf("its handler started %d times", a.started))
		}
		w.did("replies that were dropped")
	case a.again && err.Code == lupine.Unavailable && a.started == 0: // the server does not know how the first attempt ended
		w.did("repeats that were not run")
	default:
		if err.Code != lupine.Unavailable || !a.end.lost() {
			bad("the session lives")
		}
		w.did("calls lost")
		a.canceled, a.cancelAt = true, w.Now() // where the session goes on, the other end is told
	}
}

// stalled reports whether a message may have come so slowly that it was given up
// (StallTimeout): the network was bad not long ago.
func (a *attempt) stalled(sizes []int32) bool {
	w := a.call.w
	sum := a.call.plan.header + a.call.plan.trailer
	for _, n := range sizes {
		sum += n
	}
	if sum == 0 || w.calm > 0 && w.Now()-w.calm > 2*stallTimeout {
		return false
	}
	w.did("messages that stalled")
	return true
}

func (e *node) leaving() bool { return e != nil && (e.drained || e.closed || e.dead) }

// tight reports whether replies may be dropped, or calls refused, for want of
// room.
func (e *node) tight() bool { return e != nil && e.p.cfg.replyBudget < 1<<20 }

// notRun notes that the caller is told that the attempt did not run.
func (a *attempt) notRun() {
	a.told = true
	if a.started > 0 {
		a.call.w.fail(badRun, "call %d, attempt %d: the caller is told that it did not run, and its handler started", a.call.plan.key, a.n)
	}
}

// giveUp ends a call from the caller's side.
func (c *simCall) giveUp(code lupine.Code) {
	if c.over() {
		return
	}
	w := c.w
	err := &lupine.Error{Code: code, Executed: lupine.No}
	if a := c.cur; a != nil {
		e := a.end
		a.over, a.canceled, a.cancelAt = true, true, w.Now()
		e.calls--
		e.tick.input()
		err.Executed = e.conn.Cancel(e.now(), &a.Call)
		if w.bug.canceled != nil {
			err.Executed = w.bug.canceled(a, err.Executed)
		}
		if err.Executed == lupine.No {
			a.notRun()
			w.did("given up before it was sent")
		} else {
			w.did("fault: given up while under way")
		}
		c.finish(err)
		e.events()
		e.settle()
		return
	}
	c.p.unqueue(c)
	if c.host != nil {
		for _, e := range c.p.order {
			for i, a := range e.waiting {
				if a.call == c {
					e.waiting = append(e.waiting[:i:i], e.waiting[i+1:]...)
					break
				}
			}
		}
	}
	c.finish(err)
}

// finish ends the call.
func (c *simCall) finish(err *lupine.Error) {
	w := c.w
	if c.over() {
		w.fail(badEnd, "call %d ends twice", c.plan.key)
		return
	}
	c.deadline.Stop()
	c.cancel.Stop()
	c.ended, c.err, c.cur = true, err, nil
	w.left--
	code := lupine.CodeOf(nil)
	if err != nil {
		code = err.Code
	}
	w.trace.Add(uint64(c.plan.key), uint64(code), uint64(w.Now()))
	if w.trace.Log != nil {
		w.logf("call %d ends: %s", c.plan.key, errorString(err))
	}
	if late := w.Now() - c.start - c.plan.deadline; c.plan.deadline > 0 && late > 50*ms+c.p.slack+c.plan.deadline/5 {
		w.fail(badEnd, "call %d ends %s after its deadline", c.plan.key, millis(late))
	}
	switch cur := c.p.cur; {
	case c.then == nil:
	case cur != nil && (cur.taking || cur.dirty):
		cur.later(c.then)
	default:
		w.After(0, c.then)
	}
}

// abandon is the end of a call whose process crashed.
func (c *simCall) abandon() {
	if c.over() {
		return
	}
	c.nobody, c.cur = true, nil
	c.w.left--
	c.w.did("calls whose process crashed")
}

// where says what a pending call is doing.
func (c *simCall) where() string {
	a := c.cur
	switch {
	case c.nobody:
		return "its process crashed"
	case c.ended:
		return "ended: " + errorString(c.err)
	case a == nil:
		cur := c.p.cur
		if cur == nil {
			return "waits, and there is no session"
		}
		return fmt.Sprintf("waits for %v: open %v, down %v", cur, cur.open, cur.down)
	}
	state := "no handler"
	if a.served != nil {
		state = fmt.Sprintf("handler: %d requests, %d replies written, returned %v, canceled %v", a.served.got, a.served.wrote, a.done, a.served.canceled)
	}
	return fmt.Sprintf("attempt %d on %v, slot %d, seq %d: wrote %d requests, got %d replies; %s; peer alive %v", a.n, a.end, a.Slot, a.Seq, a.wrote, a.got, state, a.end.peer.alive())
}
