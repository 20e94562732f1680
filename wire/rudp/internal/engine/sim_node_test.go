package engine

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// joint is a session: the client's end and, once it is made, the server's.
type joint struct {
	w              *world
	n              int
	id             uint64
	client, server *node
	// attempts are the calls by their names; of the client's, and of the server's.
	attempts [2]map[CallName]*attempt
}

// alive reports whether both ends live.
func (p *joint) alive() bool { return p.client.alive() && p.server.alive() }

// node is one end of a session with its driver.
type node struct {
	w      *world
	p      *process
	pair   *joint
	peer   *node // nil: there is none yet
	server bool
	conn   *Conn
	opener *Opener
	index  uint32
	to     netip.AddrPort

	timer   *sim.Timer
	due     int64 // when the timer runs, by the engine's clock
	fires   int64 // by the network's
	dirty   bool  // it got something
	reading bool  // it deals with what it got: what it sends leaves after that

	open     bool
	down     bool // takes no new calls
	dead     bool // the session is over, or the host has crashed
	crashed  bool
	crashAt  int64
	relapsed bool // see the bug of ends that drain
	drained  bool // the program drained it
	closed   bool // the program closed it
	hinted   bool // ICMP said that nobody listens
	heard    int64
	sent     int
	buffers  int // of messages, that the engine has
	running  int // handlers
	waiting  []*attempt
	calls    int // of ours, under way
	seen     seen
	race     bool // the next datagram comes from somebody else first
	cheat    int  // one more than which of cheats the peer is to try
	tricked  bool // one of the two ends did
	between  middleman
	last     []byte // a datagram that arrived, for forgeries
	tick     ticks
	tls      script
	spins    int // ticks at spinAt
	spinAt   int64
	bare     int // bytes of datagrams of the batch that are ACK and PING
	todo     []func()
	did      int  // of todo
	taking   bool // events are being taken
	probed   bool // a PTO is due, or a RESET came: one datagram beyond the window
}

func (e *node) alive() bool { return e != nil && !e.dead }

// busy reports whether somebody waits for the session.
func (e *node) busy() bool { return e.alive() && (e.calls > 0 || e.running > 0) }

func (e *node) now() int64 { return e.p.now() }

func (e *node) String() string {
	side := "client"
	if e.server {
		side = "server"
	}
	return fmt.Sprintf("session %d, %s's end", e.pair.n, side)
}

// peerIndex is the peer's name for the session.
func (e *node) peerIndex() uint32 {
	if e.peer == nil {
		return 0
	}
	return e.peer.index
}

// newNode makes one end, without its engine.
func newNode(p *process, pr *joint, to netip.AddrPort) *node {
	e := &node{w: p.w, p: p, pair: pr, server: p.server, index: p.index(), to: to}
	if e.server {
		pr.server = e
		e.peer = pr.client
		pr.client.peer = e
	} else {
		pr.client = e
	}
	p.ends[e.index] = e
	p.order = append(p.order, e)
	e.heard = e.now()
	return e
}

// longest is more than any message with its blocks takes: one may exceed the
// budget, so that there is one that can be finished.
const longest = 512 << 10

// config is what both kinds of end have in common.
func (e *node) config() Config {
	c := e.p.cfg
	cfg := Config{
		Server: e.server, Mode: ModePlain, ID: e.pair.id, Index: e.index,
		Rand:      e.w.engine.Uint64,
		Budget:    e.p.budget,
		LostAfter: c.lostAfter, Assembly: c.assembly, ECN: c.ecn, ReplyBudget: int64(c.replyBudget), NatKeepAlive: -1,
		Local: e.params(),
	}
	if e.w.plan.hosted() {
		cfg.NatKeepAlive = natKeepAliveFor
	}
	if e.w.plan.tls {
		cfg.Mode, cfg.Suite = ModeTLS, newSimKeys
	}
	cfg.Identity = e.w.bug.identity
	cfg.hooks = hooks{frame: e.beforeFrame, took: e.afterFrame}
	return cfg
}

// natKeepAliveFor is shorter than the time after the last fault, so that a server
// hears of a client's new address.
const natKeepAliveFor = 10 * s1

func (e *node) params() Params {
	c := e.p.cfg
	p := DefaultParams()
	p.Incarnation = e.p.incarnation
	p.MaxSlots = uint64(c.slots)
	if !e.server && !e.w.plan.hosted() {
		p.MaxSlots = 0
	}
	p.FirstCredit = uint64(c.credit)
	p.AckDelay = uint64(c.ackDelay / us)
	p.IdleTimeout = uint64(c.idleTimeout / ms)
	p.KeepAlive = uint64(c.keepAlive / ms)
	p.MaxHeader = 8 << 10
	p.DictEntries, p.DictBytes = DictEntries, DictBytes
	p.Versions = []byte{Version}
	if e.server && !e.w.plan.tls {
		p.HasSalt = true
		p.Salt[0], p.Salt[7] = byte(e.index), byte(e.pair.n)
	}
	return p
}

// start makes the engine.
func (e *node) start(cfg Config) {
	e.conn = New(cfg, e.now())
	e.opener = e.conn.Opener()
	if e.w.plan.highSeq && !e.server {
		e.startHigh()
	}
}

// receive takes a datagram.
func (e *node) receive(from netip.AddrPort, ecn byte, b []byte) {
	if e.dead || e.conn == nil {
		return
	}
	if len(b) > HeaderBytes && e.w.rand.IntN(8) == 0 {
		e.last = append(e.last[:0], b...)
	}
	var p Packet
	size := len(b)
	if d := e.opener.Open(b, &p); d != DropNone {
		e.w.tally["dropped: "+d.String()]++
		if e.w.bug.dropped != nil {
			e.w.bug.dropped(e, b, d)
		}
		return
	}
	p.From, p.ECN, p.Size = from, ecn, size
	if e.server {
		e.p.address(from).session = true
	}
	e.take(&p)
}

// take gives a packet to the engine.
func (e *node) take(p *Packet) {
	if e.w.trace.Log != nil {
		e.w.logf("%v gets %s", e, describe(p.Kind, p.Number, p.Frames))
	}
	e.dirty = true
	if p.Kind != KindData0 && p.Kind != KindData1 {
		e.tick.input()
	}
	if e.seen.begin(p) {
		if !e.open || p.Kind != KindHello { // an open session has no keys of that level
			e.heard = e.now()
		}
		e.tick.input()
	}
	if p.Kind == KindReset && e.w.bug.reset != nil {
		e.w.bug.reset(e)
	}
	trick := e.cheated(p)
	if trick != nil {
		e.seen.begin(p)
	}
	e.conn.Receive(e.now(), p)
	e.punished(trick)
	e.checkAssembly()
	if used, _ := e.p.budget.Used(); used > e.p.cfg.receive+longest {
		e.w.fail(badMemory, "%v: %d bytes of messages are kept, of %d", e, used, e.p.cfg.receive)
	}
	e.seen.end(p)
	e.collect()
}

// settle has the engine send, and sets its timer.
func (e *node) settle() {
	for polls := 0; !e.dead && !e.reading; polls++ {
		if polls > 1000 {
			e.w.fail(badLiveness, "%v: the engine has always more to send", e)
			return
		}
		b := &e.w.batch
		b.Reset()
		before := e.conn.inFlight
		e.probed = e.conn.probes > 0
		idle := e.conn.Idle(e.now())
		more := e.conn.Poll(e.now(), b)
		if idle && len(b.List) > 0 {
			e.w.fail(badIdle, "%v: it was idle, and had %d datagrams to send", e, len(b.List))
			return
		}
		e.sendBatch(b, before)
		if e.events(); !more {
			break
		}
	}
	e.arm()
}

// sendBatch seals and sends.
func (e *node) sendBatch(b *Batch, before int) {
	for i := range b.List {
		e.inspect(b, &b.List[i])
	}
	b.Seal()
	for i := range b.List {
		d := &b.List[i]
		to := d.To
		if !to.IsValid() {
			to = e.to
		}
		e.sent++
		e.p.send(to, d.ECN, b.Bytes(i))
	}
	if len(b.List) > 0 {
		if !e.probed { // the engine has said something of its own accord
			e.tick.input()
		}
		e.checkFlight(before)
		if e.w.bug.sent != nil {
			e.w.bug.sent(e)
		}
	}
}

// arm sets the timer for when the engine wants it.
func (e *node) arm() {
	if e.dead {
		e.timer.Stop()
		return
	}
	next := e.conn.Next()
	fires := e.w.Now() + next - e.now() // clocks of hosts leap, the network's does not
	if next == 0 || e.timer != nil && e.fires <= fires {
		return
	}
	e.timer.Stop()
	e.due, e.fires = next, fires
	e.timer = e.p.host.After(next-e.now(), e.expire)
}

func (e *node) expire() {
	e.timer = nil
	if e.dead {
		return
	}
	if next := e.conn.Next(); next != 0 && e.now() >= next {
		if e.spins++; e.now() != e.spinAt {
			e.spins, e.spinAt = 0, e.now()
		} else if e.spins > 50 {
			e.w.fail(badLiveness, "%v: its timer is due again and again", e)
			return
		}
		e.tick.before(e)
		if e.w.bug.tick != nil {
			e.w.bug.tick(e)
		}
		e.conn.Tick(e.now())
		e.hop()
		e.events()
		e.settle()
		e.tick.after(e)
		return
	}
	e.arm()
}

// hop is what a client's driver does when nothing comes back for SuspectAfter: it binds another
// port (4.5.1). The process's sessions share a socket here: to the others it is a NAT's doing.
func (e *node) hop() {
	if e.server {
		return
	}
	ptos, quiet := e.conn.Silence(e.now())
	if suspect := e.conn.cfg.SuspectAfter; ptos < 3 || quiet < suspect || e.p.hopped != 0 && e.now()-e.p.hopped < suspect {
		return
	}
	e.p.hopped = e.now()
	e.p.socket.Rebind()
	e.w.did("clients that took another port")
	e.tick.input()
	e.conn.Hint(e.now(), HintMoved)
}

// events takes what has happened. What follows from it is done when all events
// have been taken: what they hold is good until the engine is called.
func (e *node) events() {
	if e.taking {
		return
	}
	e.taking = true
	for {
		e.collect()
		if e.did == len(e.todo) {
			break
		}
		for ; e.did < len(e.todo); e.did++ {
			run := e.todo[e.did]
			e.todo[e.did] = nil
			run()
		}
	}
	e.todo, e.did = e.todo[:0], 0
	e.taking = false
}

// collect takes the events, and leaves what follows from them for later.
func (e *node) collect() {
	for {
		ev, ok := e.conn.Event()
		if !ok {
			return
		}
		e.event(&ev)
	}
}

// later does something when all events have been taken.
func (e *node) later(run func()) { e.todo = append(e.todo, run) }

func (e *node) event(ev *Event) {
	w := e.w
	w.trace.Add(uint64(ev.Kind), uint64(w.Now()))
	if e.dead {
		w.fail(badBooks, "%v: event %d after its end", e, ev.Kind)
		return
	}
	switch ev.Kind {
	case EventOpen:
		e.opened()
	case EventCrypto:
		e.heardTLS(ev)
	case EventToken:
		e.p.token = append([]byte(nil), ev.Message...)
	case EventCall:
		e.called(ev)
	case EventHeader, EventEnded:
		a, _ := ev.Call.Owner.(*attempt)
		if a == nil || a.end != e {
			w.fail(badBooks, "%v: event %d of a call that is not known", e, ev.Kind)
			return
		}
		if ev.Kind == EventHeader {
			a.header(ev)
		} else {
			a.ended(ev)
		}
	case EventMessage:
		switch o := ev.Call.Owner.(type) {
		case *attempt:
			o.message(ev)
		case *served:
			o.message(ev)
		default:
			w.fail(badBooks, "%v: a message of a call that is not known", e)
		}
	case EventHalfClose, EventCanceled, EventDropped:
		s, _ := ev.Call.Owner.(*served)
		if s == nil {
			w.fail(badBooks, "%v: event %d of a call that is not known", e, ev.Kind)
			return
		}
		s.event(ev)
	case EventReleased:
		e.released(ev.Owner)
	case EventRoom:
		if !e.server {
			e.later(e.p.serve)
		} else {
			e.later(e.servePeer)
		}
	case EventDown:
		e.down = true
		w.did("session down")
		w.logf("%v is down: %v", e, ev.Err)
		e.p.abandonSession(e)
	case EventUp:
		w.did("session up again")
		if !e.drained && !e.closed {
			e.down = false
		}
	case EventGone:
		e.gone(ev)
	}
}

// opened is the handshake's end.
func (e *node) opened() {
	e.open = true
	e.w.did("sessions")
	if !e.server {
		e.later(e.p.serve)
	}
}

// gone is the session's end.
func (e *node) gone(ev *Event) {
	w := e.w
	w.logf("%v is gone: %v %v", e, ev.Code, ev.Err)
	w.did("session gone: " + ev.Code.String())
	if ev.Code != CodeNone && !e.tricked {
		w.fail(badPeer, "%v ended with %v: %v", e, ev.Code, ev.Err)
	}
	e.dead, e.down = true, true
	if e.calls != 0 {
		w.fail(badEnd, "%v is gone with %d calls that have not ended", e, e.calls)
	}
	if e.buffers != 0 {
		w.fail(badMemory, "%v is gone and has %d buffers", e, e.buffers)
	}
	e.timer.Stop()
	delete(e.p.ends, e.index)
	e.p.abandonSession(e)
}

// abandonSession has calls that wait go to another session.
func (p *process) abandonSession(e *node) {
	if p.cur == e {
		p.cur = nil
	}
	if e.server {
		e.servePeer()
	} else if len(p.queue) > 0 {
		p.dialLater()
	}
}

// crash is the end of the process.
func (e *node) crash() {
	e.dead, e.down, e.crashed, e.crashAt = true, true, true, e.w.Now()
	e.timer.Stop()
	for _, a := range e.pair.attempts[flag(e.server)] {
		if !a.over {
			a.over = true
			a.call.abandon()
		}
	}
	for _, a := range e.waiting {
		a.call.abandon()
	}
	e.waiting = nil
}

// stop ends the simulation of a session.
func (e *node) stop() {
	if e != nil {
		e.timer.Stop()
		e.dead = true
	}
}

// lost reports whether the end may give up its calls: the other end is no more,
// or was not heard of for long.
func (e *node) lost() bool {
	if p := e.peer; p != nil && p.conn.phase >= phaseClosing && strings.Contains(p.conn.session.reason, "HandshakeTimeout") {
		return true // it never heard that the handshake was done
	}
	return e.peer == nil || e.peer.dead || e.closed || e.peer.closed || e.hinted && !e.peer.alive() || e.now()-e.heard >= e.p.cfg.lostAfter
}

func (e *node) sentSoFar() int {
	if e == nil {
		return 0
	}
	return e.sent
}

// forge sends the end a RESET that nobody has sent, or again what it got.
func (e *node) forge(value int64) {
	if e.server {
		e.race = true
		return
	}
	if value&1 == 0 || len(e.last) == 0 {
		if e.peer == nil {
			return
		}
		e.w.did("forged RESET")
		b := append([]byte{byte(KindReset)}, make([]byte, 12)...)
		b = append(b[:1], 0, 0, 0, 0)
		for i := range 4 {
			b[1+i] = byte(e.peer.index >> (24 - 8*i))
		}
		n := uint64(max(e.sent-1-int(value>>1&3), 0))
		for i := range 8 {
			b = append(b, byte(n>>(56-8*i)))
		}
		e.p.arrive(e.to, 0, b)
		return
	}
	e.w.did("replayed datagram")
	e.p.arrive(e.to, 0, append([]byte(nil), e.last...))
}

// direct makes a session without a handshake.
func (p *process) direct() {
	w := p.w
	if !w.server.up {
		p.cur = nil
		p.dialLater()
		return
	}
	pr := w.newPair()
	c := newNode(p, pr, w.serverAddr())
	s := newNode(w.server, pr, p.socket.Addr())
	w.server.address(s.to).proven = true
	cp, sp := c.params(), s.params()
	seal := NewPlain(pr.id, sp.Salt)
	for _, x := range []struct {
		e, peer *node
		params  *Params
	}{{c, s, &sp}, {s, c, &cp}} {
		cfg := x.e.config()
		cfg.PeerIndex, cfg.Peer, cfg.Seal = x.peer.index, x.params, seal
		x.e.start(cfg)
	}
	s.conn.path.here = s.to // as the handshake would know
	p.cur = c
	for _, e := range []*node{s, c} {
		e.events()
		e.open = true
		e.settle()
	}
}

func errorString(err *lupine.Error) string {
	if err == nil {
		return "OK"
	}
	return fmt.Sprintf("%v %v (%s)", err.Code, err.Executed, err.Message)
}
