package engine

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// world is a schedule being run: a client with one connection after another to a
// server, and the oracle's books.
type world struct {
	sim.Clock
	trace sim.Trace
	tally sim.Tally
	plan  *schedule
	bug   *bug
	rand  sim.Rand // of what is neither planned nor the network's
	calls []*simCall
	conns []*simConn
	cur   *simConn // what new calls use; nil: none yet
	pool  []*clientCall
	left  int  // calls that have not ended
	fired bool // a fault did something
	last  int64
	begun int // steps of the program
	fault *failure
}

// failure is why a schedule failed. kind says what was violated: the shrinker
// keeps to it.
type failure struct{ kind, text string }

func (f *failure) Error() string { return f.kind + ": " + f.text }

// The kinds of failure.
const (
	badOrder    = "order or contents"
	badEnd      = "a call's end"
	badRun      = "ran after No"
	badWindow   = "windows and credits"
	badTable    = "streams left over"
	badConn     = "connection failed"
	badLiveness = "liveness"
	badMemory   = "memory"
	badAttack   = "attack not stopped"
	badPanic    = "panic"
)

// fail notes the first violation.
func (w *world) fail(kind, format string, args ...any) {
	if w.fault != nil {
		return
	}
	w.fault = &failure{kind, fmt.Sprintf("at %s: ", millis(w.Now())) + fmt.Sprintf(format, args...)}
	w.trace.Printf("%12s  FAILED: %v", millis(w.Now()), w.fault)
}

// did counts a corner that was reached.
func (w *world) did(what string) { w.tally[what]++ }

// fire counts a fault that did something.
func (w *world) fire(what string) {
	w.tally["fault: "+what]++
	w.fired = true
}

func (w *world) logf(format string, args ...any) {
	if w.trace.Log != nil {
		w.trace.Printf("%12s  "+format, append([]any{millis(w.Now())}, args...)...)
	}
}

const (
	// maxSteps and healTime bound a schedule: no honest one comes near.
	maxSteps = 400_000
	healTime = 300_000 * ms
	// maxOutput is the most that an engine may keep to be written: what was framed
	// ahead of the network, answers, and header blocks.
	maxOutput = 2 << 20
)

// run runs a schedule. It returns the trace's hash and the first violation.
func (s *schedule) run(b *bug, tally sim.Tally, log io.Writer) (sum uint64, counts bool, err error) {
	w := &world{plan: s, bug: b, tally: tally, rand: sim.NewRand(s.seed, 1), trace: sim.Trace{Log: log}}
	if w.bug == nil {
		w.bug = new(bug)
	}
	defer func() {
		if p := recover(); p != nil {
			w.fail(badPanic, "%v\n%s", p, debug.Stack())
			err = w.fault
		}
	}()
	w.left = 1 // the program itself
	w.next()
	for w.fault == nil && w.Step() {
		w.settle()
		if w.Steps() > maxSteps {
			w.fail(badLiveness, "%d events, and %d calls still pending", w.Steps(), w.left)
		}
		if w.begun > len(s.steps) && w.left > 0 && w.Now() > w.last+healTime {
			w.stuck()
		}
	}
	w.finish()
	if w.fault != nil {
		return w.trace.Sum(), true, w.fault
	}
	return w.trace.Sum(), w.fired && len(w.calls) >= minCalls, nil
}

// next runs the next step of the program, and at its end heals everything.
func (w *world) next() {
	if w.begun == len(w.plan.steps) {
		w.begun++
		w.last = w.Now()
		w.heal()
		return
	}
	st := &w.plan.steps[w.begun]
	w.After(st.after, func() {
		w.begun++
		w.last = w.Now()
		if st.op != opCall && w.trace.Log != nil {
			w.logf("step %v", st)
		}
		w.trace.Add(uint64(st.op), uint64(w.Now()))
		w.step(st)
		w.next()
	})
}

// heal undoes what would keep calls from ending, and makes a last call, which
// must succeed.
func (w *world) heal() {
	for _, c := range w.conns {
		c.restore()
	}
	w.After(10_000*ms, func() {
		for _, c := range w.conns {
			c.restore()
		}
		probe := callPlan{key: 1 << 20, kind: unary, req: []int32{300}, res: []int32{300}, early: -1, header: 30}
		w.begin(&probe)
		w.left-- // the program is over
	})
}

// step does one step of the program.
func (w *world) step(st *step) {
	if st.op == opCall {
		w.begin(&st.call)
		return
	}
	c := w.cur
	if c == nil || c.client.dead || c.server.dead || c.hung || c.cut {
		return
	}
	n := c.client
	if st.server {
		n = c.server
	}
	busy := c.client.eng.Streams() > 0 || c.server.eng.Held() > 0 || c.up.Len()+c.down.Len() > 0
	if busy {
		w.fire(opNames[st.op])
	}
	switch st.op {
	case opCut:
		c.faulty, c.cut = true, true
		c.up.Cut(c.up.Len() * int(st.value) / 100)
		c.down.Cut(c.down.Len() * int(w.rand.Between(0, 100)) / 100)
	case opHang:
		c.faulty, c.hung = true, true
		c.up.Hang()
		c.down.Hang()
		w.After(8000*ms, func() { // TCP gives up
			c.up.Unhang()
			c.down.Unhang()
		})
	case opStall:
		c.slow = true
		n.out.Stall(st.value)
	case opDrain:
		c.drain(st.value)
	case opLeave:
		c.client.goDown("the client leaves")
	case opAbort:
		c.faulty = true
		c.server.die("abort", false)
	case opSettings:
		n.change(st.id, uint32(st.value))
	case opPing:
		for i := range st.value {
			n.out.Write(appendPing(nil, 0, uint64(i)))
		}
	case opJump:
		c.slow = true
		n.skew += st.value
		n.tick()
	case opHostile:
		n.attack(attackOf(*st))
	}
}

// dial makes a connection.
func (w *world) dial() *simConn {
	c := &simConn{w: w, n: len(w.conns)}
	s := w.plan
	stream := uint64(2 + 2*c.n)
	c.up = sim.NewPipe(&w.Clock, sim.NewRand(s.seed, stream), s.up)
	c.down = sim.NewPipe(&w.Clock, sim.NewRand(s.seed, stream+1), s.down)
	c.client = newNode(c, false, &s.client, c.up)
	c.server = newNode(c, true, &s.server, c.down)
	c.client.peer, c.server.peer = c.server, c.client
	c.up.Arrive, c.up.Ended, c.up.Drained = c.server.arrive, c.server.ended, c.client.roomy
	c.down.Arrive, c.down.Ended, c.down.Drained = c.client.arrive, c.client.ended, c.server.roomy
	if s.highID {
		c.client.eng.nextID = maxStreamID - 2*uint32(w.rand.IntN(20))
	}
	w.conns = append(w.conns, c)
	w.cur = c
	w.logf("conn %d begins", c.n)
	return c
}

// settle flushes all links and looks at those where nothing is under way.
func (w *world) settle() {
	for _, c := range w.conns {
		if c.client.dead && c.server.dead {
			continue
		}
		c.client.flush()
		c.server.flush()
		if w.fault == nil && c.dirty && c.quiet() {
			c.dirty = false
			c.conserved()
		}
	}
}

// stuck says what keeps calls from ending.
func (w *world) stuck() {
	for _, call := range w.calls {
		if !call.ended {
			w.fail(badLiveness, "call %d has not ended %s after the last step: %v", call.plan.key, millis(w.Now()-w.last), call.where())
		}
	}
	w.fail(badLiveness, "the program has not ended")
}

// finish checks what must hold when nothing is left to do.
func (w *world) finish() {
	if w.fault != nil {
		return
	}
	if w.left > 0 {
		w.stuck()
	}
	for _, c := range w.conns {
		c.finished()
	}
	// The client closes the last connection, and all that it held is given back.
	if c := w.cur; c != nil && !c.client.dead {
		c.client.goDown("the end")
	}
	for w.fault == nil && w.Step() {
		w.settle()
	}
	for _, c := range w.conns {
		for _, n := range []*node{c.client, c.server} {
			if !n.dead {
				w.fail(badTable, "conn %d: %v has not closed", c.n, n)
			}
			if k := n.eng.Held(); k != 0 {
				w.fail(badTable, "conn %d: %d streams of the server were not released", c.n, k)
			}
		}
		if k := c.client.eng.Streams(); k != 0 {
			w.fail(badTable, "conn %d: %d streams of the client are left over", c.n, k)
		}
		w.tally["split arrivals"] += c.up.Splits + c.down.Splits
	}
	w.tally["connections"] += len(w.conns)
	w.tally["calls"] += len(w.calls)
}

// simConn is one connection: two engines and what joins them.
type simConn struct {
	w              *world
	n              int
	client, server *node
	up, down       *sim.Pipe
	faulty         bool // calls on it may be lost
	slow           bool // its ends may take each other for dead
	hung, cut      bool
	dirty          bool // something arrived since the books were last looked at
	onTrial        *attack
	attacker       *node // who has broken the protocol; nil: nobody
	drained        bool
}

// node is one end of a connection: an engine and the driver's part.
type node struct {
	c      *simConn
	cfg    *sideConfig
	eng    *Conn
	server bool
	out    *sim.Pipe
	peer   *node
	in     []byte
	skew   int64 // by how much its clock is ahead
	dead   bool
	down   bool // no more calls
	why    error

	spare, styled []byte
	taken         int64 // bytes that have left Out
	greeted       bool
	acksAhead     int // SETTINGS acknowledgements in what is being written

	ticking   bool
	changes   []change // SETTINGS that the peer has not acknowledged
	postponed *change
	live      int // server: handlers that have not returned
	slots     []*simCall
	blocks    kept
	dataAt    int64 // when the engine last saw data, and the PINGs since then
	pings     int
	drainAt   *sim.Timer
}

func (n *node) String() string {
	if n.server {
		return fmt.Sprintf("conn %d server", n.c.n)
	}
	return fmt.Sprintf("conn %d client", n.c.n)
}

func newNode(c *simConn, server bool, side *sideConfig, out *sim.Pipe) *node {
	n := &node{c: c, cfg: side, server: server, out: out, changes: []change{{}}, blocks: newKept()}
	cfg := Config{
		Server: server, MaxStreams: side.maxStreams, StreamWindow: side.streamWindow, ConnWindow: side.connWindow, MaxWindow: 8 << 20,
		Assembly: side.assembly, MaxHeaderBytes: side.headerBytes, MaxHeaderFields: 100, MaxFrame: side.maxFrame,
		KeepAlive: 1000 * ms, KeepAliveTimeout: 2000 * ms, Drained: n.drained,
	}
	if server {
		cfg.NewStream = n.newStream
	}
	n.eng = New(cfg, n.time())
	return n
}

// time is the node's clock. It never stands at 0, which engines take for never.
func (n *node) time() int64 { return n.c.w.Now() + n.skew + 1 }

// arrive takes bytes off the network.
func (n *node) arrive(b []byte) {
	w := n.c.w
	n.c.dirty = true
	w.trace.Add(uint64(w.Now()), uint64(n.c.n)<<1|uint64(flag(n.server)))
	w.trace.Bytes(b)
	if n.dead {
		return
	}
	n.eng.Received(n.time())
	n.in = append(n.in, b...)
	n.process()
}

// process feeds what has come to the engine. While SETTINGS of ours are not
// acknowledged it does so frame by frame, to see when they are.
func (n *node) process() {
	used := 0
	for !n.dead && n.c.w.fault == nil {
		p := n.in[used:]
		waits := len(n.changes) > 0
		if waits || n.c.w.bug.stepwise {
			p = p[:n.eng.frameEnd(p)]
		}
		if n.c.w.bug.before != nil {
			n.c.w.bug.before(n)
		}
		window := n.eng.peer.window
		n.eng.settingsUnacked = waits
		ev, k, err := n.eng.Next(n.time(), p)
		used += k
		if waits && !n.eng.settingsUnacked {
			n.acknowledged()
		}
		if err != nil {
			n.failed(err)
			break
		}
		if n.c.w.bug.after != nil {
			n.c.w.bug.after(n, &ev, window)
		}
		if ev.Kind == EventNone {
			if k == 0 || used == len(n.in) {
				break
			}
			continue
		}
		n.event(&ev)
	}
	rest := copy(n.in, n.in[used:])
	for i := rest; i < min(len(n.in), rest+256); i++ {
		n.in[i] = 0xaa // nobody may look at it any more
	}
	n.in = n.in[:rest]
}

// frameEnd returns how many bytes of p belong to the frame being read.
func (c *Conn) frameEnd(p []byte) int {
	switch {
	case c.preface > 0:
		return min(c.preface, len(p))
	case c.skip > 0:
		return min(int(c.skip), len(p))
	case c.inData && c.dataLeft > 0:
		return min(int(c.dataLeft), len(p))
	case len(p) < frameHeaderLen:
		return len(p)
	}
	return min(frameHeaderLen+int(parseFrameHeader(p).length), len(p))
}

func (n *node) event(ev *Event) {
	if n.server {
		n.serverEvent(ev)
	} else {
		n.clientEvent(ev)
	}
}

// failed takes an error of the engine: only an attack may cause one.
func (n *node) failed(err error) {
	w, a := n.c.w, n.c.onTrial
	var e *Error
	if !errors.As(err, &e) {
		w.fail(badConn, "%v: %v, which is no *Error", n, err)
		return
	}
	if n == n.c.attacker {
		// What it provoked, answers to a flood say, may be too much for itself.
		n.c.onTrial = nil
		n.die(err.Error(), true)
		return
	}
	switch {
	case a == nil:
		w.fail(badConn, "%v: %v", n, err)
	case a.code != e.Code:
		w.fail(badAttack, "%v: %s was answered with %v", n, a.name, err)
	}
	w.did("attacks stopped")
	n.c.onTrial = nil
	n.die(err.Error(), true)
}

// flush writes what is in Out, as far as the network has room.
func (n *node) flush() {
	for !n.dead && n.out.Room() > 0 {
		if !n.writeBurst() {
			n.eng.Pump(n.cfg.outLimit)
			n.checkMemory()
			if len(n.eng.Out) == 0 {
				break
			}
			n.write()
		}
		if n.c.w.fault != nil {
			return
		}
	}
	if n.server && !n.dead && n.c.drained && n.eng.GoneAway() && len(n.eng.Out) == 0 && n.eng.Held() == 0 && n.eng.Streams() == 0 {
		n.die("drained", false)
	}
}

// writeBurst writes pending data by reference, as far as a kernel might take it, and
// reports whether there was any. Nodes with large windows do so.
func (n *node) writeBurst() bool {
	if n.cfg.streamWindow != 1<<20 || n.cfg.outLimit != 64<<10 {
		return false
	}
	var data []byte
	for _, p := range n.eng.Burst(nil, 1, 200e3) {
		data = append(data, p...)
	}
	if len(data) == 0 {
		return false
	}
	b := n.eng.TakeOut(n.spare)
	n.taken += int64(len(b) + len(data))
	took := int(uint64(n.taken) * 2654435761 >> 12 % uint64(len(data)+1)) // any number will do
	head, payload, left := n.eng.Wrote(took)
	if took+len(head)+len(payload)+left != len(data) {
		n.c.w.fail(badConn, "%v: of a burst of %d bytes %d went, then %d and %d, and %d are left", n, len(data), took, len(head), len(payload), left)
	}
	b = append(append(append(b, data[:took]...), head...), payload...)
	n.c.w.did("bursts")
	n.c.dirty = true
	n.out.Write(n.style(b))
	n.spare = b[:0]
	return true
}

func (n *node) write() {
	b := n.eng.TakeOut(n.spare)
	n.taken += int64(len(b))
	n.c.dirty = true
	n.out.Write(n.style(b))
	n.spare = b[:0]
}

// roomy is called when the network has room again.
func (n *node) roomy() { n.flush() }

// ended is called when the peer has closed.
func (n *node) ended() {
	if !n.dead {
		n.die("the peer has closed", false)
	}
}

// die ends the link. With say, what the engine has left to say is written.
func (n *node) die(why string, say bool) {
	if n.dead {
		return
	}
	n.c.w.logf("%v ends: %s", n, why)
	if say && len(n.eng.Out) > 0 {
		n.write()
	}
	n.dead, n.why = true, errors.New(why)
	n.drainAt.Stop()
	if n.server {
		n.serverBroken()
	} else {
		n.clientBroken()
	}
	n.out.Close()
}

// arm starts housekeeping: a stream was opened.
func (n *node) arm() {
	if !n.ticking {
		n.ticking = true
		n.c.w.After(1000*ms, func() {
			n.ticking = false
			n.tick()
		})
	}
}

// tick does what is due by the clock.
func (n *node) tick() {
	if n.dead {
		return
	}
	w := n.c.w
	before := n.eng.pingSent
	next, silent := n.eng.Tick(n.time())
	if at := n.eng.pingSent; at != 0 && at != before {
		n.pinged()
	}
	if silent {
		if !n.c.slow && !n.c.faulty {
			w.fail(badConn, "%v: keepalive took a peer for dead that lives", n)
		}
		n.c.faulty = true
		w.did("keepalive ended a link")
		n.die("keepalive", false)
		return
	}
	if n.eng.Streams() == 0 || n.ticking {
		return
	}
	wait := 1000 * ms
	if next > 0 {
		wait = min(wait, max(next-n.time(), ms))
	}
	n.ticking = true
	w.After(wait, func() {
		n.ticking = false
		n.tick()
	})
}

// drain begins the server's graceful shutdown, whose last GOAWAY follows after d
// at the latest.
func (c *simConn) drain(d int64) {
	n := c.server
	if c.drained || n.dead {
		return
	}
	c.drained = true
	n.eng.Drain()
	n.drainAt = c.w.After(d, func() {
		if !n.dead {
			n.eng.DrainNow()
		}
	})
}
