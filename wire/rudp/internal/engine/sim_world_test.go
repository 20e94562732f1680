package engine

import (
	"bytes"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// world is a schedule being run: hosts on a network, programs that call, and the
// oracle's books.
type world struct {
	sim.Clock
	trace  sim.Trace
	tally  sim.Tally
	plan   *schedule
	bug    *bug
	net    *sim.Net
	rand   sim.Rand // of what is neither planned nor the network's
	engine sim.Rand // what engines draw
	server *process
	hosts  []*process // of the clients
	pairs  []*joint
	calls  []*simCall
	*scratch
	left   int   // calls that have not ended
	begun  int   // steps of the program
	calm   int64 // when the last fault was healed; 0: not yet
	fired  bool  // a fault hit a session in use
	fault  *failure
	frames [128]int // by type
}

// scratch is memory that one schedule leaves to the next.
type scratch struct {
	pool  []*buffer
	batch Batch
}

func newScratch() *scratch { return &scratch{batch: Batch{Buf: make([]byte, 0, batchBytes)}} }

// failure is why a schedule failed. kind says what was violated: the shrinker
// keeps to it.
type failure struct{ kind, text string }

func (f *failure) Error() string { return f.kind + ": " + f.text }

// The kinds of failure: the invariants of docs/rudp.md, 8.5.
const (
	badStart    = "a handler started twice"
	badEnd      = "a call's end"
	badRun      = "executed"
	badMessage  = "messages"
	badLiveness = "liveness"
	badSeal     = "a number was used twice"
	badAck      = "acked before it took effect"
	badFlight   = "bytes in flight"
	badAddress  = "bytes to an unproven address"
	badMemory   = "memory"
	badBooks    = "the two ends' books"
	badRest     = "a session at rest sends"
	badIdle     = "Idle hides what is to be sent"
	badBackOff  = "PTO intervals"
	badPeer     = "an honest peer was disconnected"
	badPanic    = "panic"
)

// fail notes the first violation.
func (w *world) fail(kind, format string, args ...any) {
	if w.fault != nil {
		return
	}
	w.fault = &failure{kind, fmt.Sprintf("at %s: ", millis(w.Now())) + fmt.Sprintf(format, args...)}
	w.logf("FAILED: %v", w.fault)
}

// did counts a corner that was reached.
func (w *world) did(what string) { w.tally[what]++ }

func (w *world) logf(format string, args ...any) {
	if w.trace.Log != nil {
		w.trace.Printf("%12s  "+format, append([]any{millis(w.Now())}, args...)...)
	}
}

// maxSteps bounds a schedule: no honest one comes near.
const maxSteps = 300_000

// run runs a schedule. It returns the trace's hash and the first violation.
func (s *schedule) run(b *bug, tally sim.Tally, log io.Writer) (sum uint64, counts bool, err error) {
	w := s.world(b, tally, log)
	return w.run()
}

// world sets the scene.
func (s *schedule) world(b *bug, tally sim.Tally, log io.Writer) *world {
	w := &world{plan: s, bug: b, tally: tally, rand: sim.NewRand(s.seed, 1), engine: sim.NewRand(s.seed, 2), trace: sim.Trace{Log: log}}
	if w.bug == nil {
		w.bug = new(bug)
	}
	if w.scratch = s.scratch; w.scratch == nil {
		w.scratch = newScratch()
	}
	w.net = sim.NewNet(&w.Clock, sim.NewRand(s.seed, 3), sim.NetConfig{Link: s.link, Skew: s1, Record: !s.scripted, Scripted: s.scripted, Trace: &w.trace})
	names := s.hosts()
	for i, name := range names {
		p := newProcess(w, name, i == len(names)-1)
		if p.server {
			w.server = p
		} else {
			w.hosts = append(w.hosts, p)
		}
	}
	return w
}

func (w *world) run() (sum uint64, counts bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			w.fail(badPanic, "%v\n%s", p, debug.Stack())
			sum, counts, err = w.trace.Sum(), true, w.fault
		}
	}()
	w.net.Host(serverName).Boot()
	for _, h := range w.hosts {
		h.host.Boot()
	}
	if err := w.net.Play(w.plan.faults...); err != nil {
		return 0, false, err
	}
	for _, f := range w.plan.faults {
		if f.At > 0 {
			w.After(f.At-w.Now(), func() {
				w.hit()
				if f.Op == sim.OpMove && f.At%2 == 0 { // the machine knows
					w.moved(f.From)
				}
			})
		}
	}
	w.left = 1 // the program itself
	w.next()
	for w.fault == nil && w.Step() {
		if w.Steps() > maxSteps {
			w.fail(badLiveness, "%d events, and %d calls still pending", w.Steps(), w.left)
		}
	}
	if w.fault == nil {
		w.finish()
	}
	w.count()
	if w.fault != nil {
		return w.trace.Sum(), true, w.fault
	}
	return w.trace.Sum(), w.fired && len(w.calls) >= minCalls, nil
}

// moved tells a client's sessions that its address is another.
func (w *world) moved(name string) {
	for _, p := range w.hosts {
		if p.name != name || !p.up {
			continue
		}
		p.host.After(0, func() {
			for _, e := range p.order {
				if !e.dead {
					e.tick.input()
					e.conn.Hint(e.now(), HintNetwork)
					e.events()
					e.settle()
				}
			}
		})
	}
}

// hit looks whether a fault that begins now hits a session in use.
func (w *world) hit() {
	for _, p := range w.pairs {
		if p.client.busy() || p.server.busy() {
			w.fired = true
			return
		}
	}
}

// count takes the network's counts into the tally.
func (w *world) count() {
	for name, n := range w.net.Tally() {
		w.tally[name] += n
	}
	for t, n := range w.frames {
		if n > 0 {
			w.tally["frames: "+Type(t).String()] += n
		}
	}
	// What happens to datagrams happens to sessions in use: others send none.
	var c sim.Counts
	for _, h := range w.hosts {
		for _, l := range []*sim.Link{w.net.Link(h.name, serverName), w.net.Link(serverName, h.name)} {
			k := l.Counts()
			c.Lost += k.Lost + k.BurstLost + k.Duplicated + k.Corrupted + k.Reordered
		}
	}
	w.fired = w.fired || c.Lost > 0
}

// next runs the next step of the program, and at its end heals everything.
func (w *world) next() {
	if w.begun == len(w.plan.steps) {
		w.begun++
		w.After(w.lastFault()-w.Now(), w.heal)
		return
	}
	st := &w.plan.steps[w.begun]
	w.After(st.after, func() {
		w.begun++
		w.trace.Add(uint64(st.op), uint64(w.Now()))
		w.step(st)
		w.next()
	})
}

// lastFault is when the last fault has begun, and has had time to do harm.
func (w *world) lastFault() int64 {
	at := w.Now()
	for _, f := range w.plan.faults {
		if f.At > 0 {
			at = max(at, f.At+f.For)
		}
	}
	return at
}

// heal ends all faults. From now on nothing goes wrong any more, so each call must
// end in the time that it takes, and one that begins a little later succeed.
func (w *world) heal() {
	w.logf("from now on nothing goes wrong")
	w.net.Heal()
	for _, h := range w.hosts {
		for _, l := range []*sim.Link{w.net.Link(h.name, serverName), w.net.Link(serverName, h.name)} {
			l.Config = sim.LinkConfig{Delay: min(w.plan.link.Delay, 20*ms), BurstLeave: 1000}
		}
	}
	w.calm = w.Now()
	work := int64(0)
	for _, call := range w.calls {
		work += call.plan.work()
	}
	w.After(max(w.plan.client.lostAfter, w.plan.server.lostAfter)+10*s1+work, func() {
		for _, call := range w.calls {
			if !call.over() {
				w.fail(badLiveness, "call %d has not ended %s after the last fault: %v", call.plan.key, millis(w.Now()-w.calm), call.where())
			}
		}
		for i, h := range w.hosts {
			w.probe(h, i, true)
		}
		w.left-- // the program is over
		w.After(8*s1, w.ended)
	})
}

const probeKey = 1 << 20

// probe makes a call that must succeed. The first one may find out that its
// session's other end is gone.
func (w *world) probe(h *process, i int, first bool) {
	call := w.newCall(&callPlan{key: probeKey + uint32(i), req: []int32{30}, res: []int32{30}, early: -1}, h)
	call.first = first
	call.then = func() {
		if first && call.err != nil {
			w.probe(h, i, false)
		}
	}
	h.queue = append(h.queue, call)
	h.serve()
	if h.cur != nil {
		h.cur.settle()
	}
}

// ended looks at sessions that have nothing to do.
func (w *world) ended() {
	for _, call := range w.calls {
		if call.plan.key >= probeKey && !(call.over() && (call.err == nil || call.first && call.tries[0].end.lost())) {
			w.fail(badLiveness, "call %d, made when nothing was wrong any more, failed: %v", call.plan.key, call.where())
		}
	}
	sent := make([]int, 0, 2*len(w.pairs))
	for _, p := range w.pairs {
		sent = append(sent, p.client.sentSoFar(), p.server.sentSoFar())
		p.compare()
	}
	most := 0
	if w.plan.hosted() {
		most = 6 // NatKeepAlive: PING, PATH_CHALLENGE, PATH_RESPONSE and ACKs
	}
	w.After(3*max(w.plan.client.keepAlive, w.plan.server.keepAlive), func() {
		for i, p := range w.pairs {
			for k, e := range []*node{p.client, p.server} {
				if n := e.sentSoFar() - sent[2*i+k]; p.alive() && n > most {
					w.fail(badRest, "%v has sent %d datagrams, and has nothing to do", e, n)
				}
			}
		}
		for _, p := range w.pairs {
			p.client.stop()
			p.server.stop()
		}
	})
}

// step does one step of the program.
func (w *world) step(st *step) {
	h := w.hosts[int(st.host)%len(w.hosts)]
	if st.op == opCall {
		if st.server {
			w.server.host.After(0, func() { w.beginPeer(&st.call, h) })
		} else {
			h.host.After(0, func() { w.begin(&st.call, h) }) // it may be paused
		}
		return
	}
	e := h.cur
	if e == nil || e.dead {
		return
	}
	if st.server {
		e = e.peer
	}
	if e == nil || e.dead {
		return
	}
	w.logf("step %v", st)
	if e.busy() || e.peer.busy() {
		w.did("fault: " + opNames[st.op])
		w.fired = true
	}
	e.tick.input()
	switch st.op {
	case opDrain:
		e.drained = true
		e.conn.Drain(e.now())
		e.settle()
	case opClose:
		e.closed = true
		e.conn.Close(e.now(), CodeNone, "the simulation")
		e.settle()
	case opKeys:
		before := e.conn.keys.writeGen
		e.conn.updateKeys(e.now())
		if e.conn.keys.writeGen > before {
			w.did("key updates")
		}
	case opForge:
		e.forge(st.value)
	case opCheat:
		e.cheat = 1 + int(st.value%int64(len(cheats)))
	case opMiddle:
		if e.server {
			e.middle(st.value)
		}
	}
}

// finish checks what must hold when all is over.
func (w *world) finish() {
	for _, call := range w.calls {
		if !call.over() {
			w.fail(badLiveness, "call %d never ended: %v", call.plan.key, call.where())
		}
		for _, a := range call.tries {
			if a.started > 0 && a.told {
				w.fail(badRun, "call %d, attempt %d: its caller was told that it did not run, and it has", call.plan.key, a.n)
			}
		}
	}
	if w.left != 0 {
		w.fail(badLiveness, "%d calls are left", w.left)
	}
}

// buffer is what a message is sent from.
type buffer struct {
	b    []byte
	used bool
	end  *node
}

var poison = bytes.Repeat([]byte{0xdd}, 1<<12)

func (f *buffer) scribble() {
	for b := f.b; len(b) > 0; {
		b = b[copy(b, poison):]
	}
}

// message returns a record of message i of a call, in a buffer that is scribbled
// over when the engine gives it back.
func (e *node) message(key uint32, reply bool, i int, size int32) Message {
	w := e.w
	var f *buffer
	if n := len(w.pool); n > 0 {
		f, w.pool = w.pool[n-1], w.pool[:n-1]
	} else {
		f = new(buffer)
	}
	f.used, f.end = true, e
	e.buffers++
	f.b = append(append(f.b[:0], make([]byte, MessageRoom)...), body(key, reply, i, size)...)
	return Message{Bytes: SealMessage(f.b, CompressionNone), Owner: f}
}

// released takes a buffer back.
func (e *node) released(owner any) {
	f, _ := owner.(*buffer)
	if f == nil || !f.used || f.end != e {
		e.w.fail(badMemory, "%v releases a buffer that it does not have", e)
		return
	}
	f.used = false
	e.buffers--
	f.scribble()
	e.w.pool = append(e.w.pool, f)
}

// pattern is what messages are made of, text what metadata is.
var pattern, text = func() (p []byte, t string) {
	r := sim.NewRand(7, 7)
	p = make([]byte, 64<<10+512<<10)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	b := make([]byte, 16<<10)
	for i := range b {
		b[i] = byte('!' + r.IntN(94))
	}
	return p, string(b)
}()

// body is message i of a call.
func body(key uint32, reply bool, i int, size int32) []byte {
	at := (key*7919 + uint32(i)*104729 + uint32(flag(reply))*31337) & 0xffff
	return pattern[at : at+uint32(size)]
}
