package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest/sim"
)

const (
	us = int64(1e3)
	s1 = int64(1e9)
)

// A schedule is one simulated run: hosts, a network, a program of steps, and
// what goes wrong. All of it follows from the seed.
type schedule struct {
	seed           uint64
	scratch        *scratch // nil: its own
	client, server sideConfig
	clients        int // hosts that call the server's, each with sessions of its own
	link           sim.LinkConfig
	scripted       bool // chance does nothing: faults has what it did
	direct         bool // sessions are made by hand, without a handshake
	tls            bool // the handshake has TLS's levels and keys
	peers          bool // clients host services
	highSeq        bool // calls of a slot are counted from near 2^16
	steps          []step
	faults         []sim.Fault
}

// sideConfig is how the engines of one side are set up. Times are nanoseconds.
type sideConfig struct {
	slots                          int // taken at first
	ackDelay, keepAlive, lostAfter int64
	idleTimeout                    int64
	replyBudget                    int
	credit                         int
	assembly, receive              int64 // room for messages that come, of a session and of the process
	ecn                            bool
	batch                          int64 // datagrams that come within it are read at once; 0: each by itself
}

type op uint8

const (
	opCall   op = iota
	opDrain     // one end of a session drains it
	opClose     // one end closes it
	opKeys      // one end updates its keys
	opForge     // somebody sends the client a RESET that he made up, or copies datagrams
	opCheat     // the other end breaks the protocol
	opMiddle    // somebody on the path sends copies from an address of his own
	numOps
)

var opNames = [numOps]string{"call", "drain", "close", "key update", "forged RESET", "dishonest peer", "middleman"}

// step is one step of a program.
type step struct {
	after  int64 // nanoseconds after the step before
	op     op
	call   callPlan
	host   int8 // which client's session; of a call, who calls
	server bool // the server's end does it
	value  int64
}

// callPlan is all that caller and handler will do in a call. Times are
// nanoseconds.
type callPlan struct {
	key      uint32 // names the call, and fixes the contents of its messages
	kind     lupine.Kind
	path     uint8
	req, res []int32 // sizes of messages
	header   int32   // bytes of metadata in the request, and in the trailer
	trailer  int32
	status   uint8
	early    int8 // the handler ends after so many requests; -1: when all are here
	headers  bool // the handler sets a header
	identity bool // it has a CallID, and is repeated where it may have run
	gap      int64
	think    int64 // before the handler answers
	slow     int64 // before the application takes a message

	cancel, deadline int64 // after the call's beginning; 0: not
}

// minCalls is how many calls a schedule has at least.
const minCalls = 20

// plan works out the schedule of a seed.
func plan(seed uint64) *schedule {
	r := sim.NewRand(seed, 0)
	s := &schedule{seed: seed, clients: 1, client: planSide(r), server: planSide(r), highSeq: r.Chance(10), direct: r.Chance(30), peers: r.Chance(50)}
	if r.Chance(15) {
		s.clients = 2
	}
	s.tls = !s.direct && r.Chance(50)
	s.link = planLink(r)
	calls := minCalls + r.IntN(12)
	busy := r.Chance(40) // many calls at once
	long := r.Chance(15)
	span := int64(0)
	for i := range calls {
		after := planGap(r, busy)
		span += after
		c := s.planCall(r, uint32(i+1), long)
		s.steps = append(s.steps, step{after: after, op: opCall, call: c, host: int8(r.IntN(s.clients)), server: s.peers && r.Chance(30)})
	}
	if s.tls {
		for range r.IntN(4) {
			s.steps = slices.Insert(s.steps, 1+r.IntN(len(s.steps)), step{after: sim.Pick(r, 0, planGap(r, false)), op: opKeys, host: int8(r.IntN(s.clients)), server: r.Chance(50)})
		}
	}
	for range r.IntN(3) - 1 {
		s.steps = slices.Insert(s.steps, 1+r.IntN(len(s.steps)), s.planStep(r))
	}
	s.faults = s.planFaults(r, max(span, 100*ms))
	s.planHostile(sim.NewRand(seed, 4))
	return s
}

// planHostile adds who means harm.
func (s *schedule) planHostile(r sim.Rand) {
	add := func(st step) {
		st.after, st.host, st.value = planGap(r, false)%(20*ms), int8(r.IntN(s.clients)), r.Int64()
		s.steps = slices.Insert(s.steps, 1+r.IntN(len(s.steps)), st)
	}
	if r.Chance(6) {
		add(step{op: opCheat, server: r.Chance(70)})
	}
	if r.Chance(6) {
		add(step{op: opMiddle, server: true})
	}
}

func planSide(r sim.Rand) sideConfig {
	return sideConfig{
		slots:       sim.Pick(r, 1, 2, 4, 16, 256),
		ackDelay:    sim.Pick(r, ms, 10*ms, 10*ms, 25*ms),
		keepAlive:   sim.Pick(r, s1, s1, 300*ms),
		lostAfter:   sim.Pick(r, 10*s1, 10*s1, 5*s1),
		idleTimeout: sim.Pick(r, 300*s1, 300*s1, 30*s1),
		replyBudget: sim.Pick(r, 16<<20, 16<<20, 16<<20, 5000),
		credit:      sim.Pick(r, 64<<10, 64<<10, LeastCredit),
		batch:       sim.Pick(r, 0, 0, 1, 50*us),
		assembly:    sim.Pick[int64](r, 16<<20, 16<<20, 100e3),
		receive:     sim.Pick[int64](r, receiveBudget, receiveBudget, 2<<20),
		ecn:         r.Chance(50),
	}
}

// hosted reports whether clients host services, which servers call.
func (s *schedule) hosted() bool { return s.peers }

// moves reports whether clients change their addresses: a server finds one that
// has nothing to say after NatKeepAlive only.
func (s *schedule) moves() bool {
	return slices.ContainsFunc(s.faults, func(f sim.Fault) bool { return f.Op == sim.OpMove || f.Op == sim.OpRebind })
}

// planLink is what the network is like all the time. In most schedules it does
// some damage by itself.
func planLink(r sim.Rand) sim.LinkConfig {
	c := sim.LinkConfig{Delay: sim.Pick(r, 10*us, 100*us, ms, 20*ms), Late: sim.Pick(r, ms, 10*ms, 300*ms)}
	c.Jitter = sim.Pick(r, 0, c.Delay, 3*ms)
	c.Reports = r.Chance(30)
	chance := func(percent, most int) int {
		if r.Chance(percent) {
			return 1 + r.IntN(most)
		}
		return 0
	}
	c.Loss = chance(40, sim.Pick(r, 20, 100, 300))
	c.Duplicate, c.Reorder, c.Corrupt = chance(25, 200), chance(25, 200), chance(15, 100)
	if r.Chance(20) {
		c.Rate, c.Queue = r.Between(30e3, 3e6), r.Between(4e3, 64e3)
		c.Mark = sim.Pick(r, 0, c.Queue/4)
		c.Bleach = r.Chance(20)
	}
	if r.Chance(15) { // of contents: what is longer than BaseMTU may be a black hole
		c.MTU = BaseMTU + r.IntN(300)
	}
	if r.Chance(10) {
		c.BurstEnter, c.BurstLeave = 1+r.IntN(50), 50+r.IntN(400)
	}
	return c
}

func planGap(r sim.Rand, busy bool) int64 {
	switch n := r.IntN(100); {
	case busy && n < 80 || n < 30:
		return 0
	case n < 70:
		return r.Between(0, 5*ms)
	case n < 96:
		return r.Between(0, 60*ms)
	}
	return r.Between(0, 3*s1)
}

// planSize is that of one message.
func planSize(r sim.Rand, long bool) int32 {
	switch n := r.IntN(100); {
	case n < 10:
		return 0
	case n < 70:
		return int32(r.IntN(200))
	case n < 90 || !long:
		return int32(r.IntN(900))
	case n < 95: // about what datagrams and credits hold
		return sim.Pick[int32](r, BaseMTU, 2*BaseMTU, LeastCredit, 64<<10, 128<<10) - int32(r.IntN(40))
	}
	return int32(r.IntN(300e3))
}

func planSizes(r sim.Rand, n int, long bool) []int32 {
	s := make([]int32, n)
	for i := range s {
		s[i] = planSize(r, long)
	}
	return s
}

func (s *schedule) planCall(r sim.Rand, key uint32, long bool) callPlan {
	c := callPlan{key: key, kind: lupine.Unary, path: uint8(r.IntN(len(paths))), early: -1}
	if r.Chance(40) {
		c.kind = lupine.Kind(r.IntN(4))
	}
	nreq, nres := 1, 1
	if c.kind == lupine.ClientStreaming || c.kind == lupine.Bidi {
		nreq = r.IntN(6)
	}
	if c.kind == lupine.ServerStreaming || c.kind == lupine.Bidi {
		nres = r.IntN(7)
	}
	if r.Chance(15) {
		c.status = uint8(1 + r.IntN(14)) // not DataLoss, which the callee may say too
		nres = 0
		if c.kind != lupine.Unary && c.kind != lupine.ClientStreaming {
			nres = r.IntN(4)
		}
	}
	c.req, c.res = planSizes(r, nreq, long), planSizes(r, nres, long)
	if c.kind != lupine.Unary && r.Chance(10) {
		c.early = int8(r.IntN(nreq + 1))
	}
	c.identity = c.kind == lupine.Unary && r.Chance(15)
	c.header, c.trailer = planField(r), planField(r)
	c.headers = r.Chance(10)
	if c.kind != lupine.Unary && r.Chance(40) {
		c.gap = r.Between(0, 30*ms)
	}
	switch n := r.IntN(100); {
	case n < 25:
		c.think = r.Between(0, 3*ms)
	case n < 35:
		c.think = r.Between(5*ms, 50*ms)
	case n < 38: // long silences
		c.think = r.Between(s1, 6*s1)
	case n < 39:
		c.think = r.Between(10*s1, 40*s1)
	}
	if r.Chance(20) {
		c.slow = r.Between(0, 40*ms)
	}
	if r.Chance(10) {
		c.cancel = r.Between(1, sim.Pick(r, 1, ms, 50*ms, 2*s1))
		if r.Chance(30) { // a handler that has to be told
			c.think = r.Between(6*s1, 15*s1)
		}
	}
	if r.Chance(12) {
		c.deadline = r.Between(1, sim.Pick(r, us, 10*ms, 2*s1))
	}
	return c
}

// planField is how many bytes of metadata there are.
func planField(r sim.Rand) int32 {
	switch n := r.IntN(100); {
	case n < 70:
		return 0
	case n < 95:
		return int32(1 + r.IntN(200))
	}
	return int32(1 + r.IntN(6000))
}

func (s *schedule) planStep(r sim.Rand) step {
	st := step{after: planGap(r, false), host: int8(r.IntN(s.clients)), server: r.Chance(60), op: opForge, value: r.Int64()}
	st.op = sim.Pick(r, opDrain, opDrain, opClose, opForge, opForge)
	if s.tls && r.Chance(60) {
		st.op = opKeys
	}
	return st
}

// planFaults draws what goes wrong beside what the links do by themselves.
func (s *schedule) planFaults(r sim.Rand, span int64) []sim.Fault {
	hosts := s.hosts()
	datagrams := sim.Plan{Hosts: hosts, Ops: []sim.Op{sim.OpDrop, sim.OpDrop, sim.OpDuplicate, sim.OpReorder, sim.OpCorrupt},
		Count: r.IntN(5), Span: span, Datagrams: 60}
	timed := sim.Plan{Hosts: hosts, Ops: simFaults, Count: r.IntN(3), Span: span, Link: s.link}
	faults := append(datagrams.Draw(r), timed.Draw(r)...)
	for i := range faults {
		f := &faults[i]
		if f.Op == sim.OpBlock && r.Chance(20) { // long enough that somebody gives up
			f.For = r.Between(s1, 25*s1)
		}
		if f.Op == sim.OpJump { // engines count on a clock that is monotonic; they stand small leaps
			f.Value %= 300 * ms
		}
		if f.From == serverName && (f.Op == sim.OpRebind || f.Op == sim.OpMove) {
			f.From = hosts[r.IntN(s.clients)] // a server's address is fixed
		}
		// Between two clients there is nothing.
		if f.To != "" && f.To != serverName {
			f.To = serverName
			if f.From == serverName {
				f.To = hosts[r.IntN(s.clients)]
			}
		}
	}
	if s.link.Loss+s.link.Duplicate+s.link.Reorder+s.link.Corrupt+s.link.BurstEnter == 0 && len(faults) == 0 {
		faults = append(faults, sim.Fault{Op: sim.OpDrop, From: hosts[0], To: serverName, Nth: 1 + r.IntN(20)})
	}
	return faults
}

const serverName = "server"

// hosts are the names of the hosts, the server's last.
func (s *schedule) hosts() []string {
	names := []string{"client", "other"}[:s.clients]
	return append(names[:s.clients:s.clients], serverName)
}

func (s step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "+%-10s %-8s", millis(s.after), opNames[s.op])
	side := [...]string{"client", "other"}[s.host]
	if s.server {
		side = "server to " + side
	}
	b.WriteString(" " + side)
	if s.op == opCall {
		b.WriteString(s.call.String())
	}
	return b.String()
}

func (c *callPlan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, " %d %s: requests %v, replies %v", c.key, [...]string{"unary", "client-stream", "server-stream", "bidi"}[c.kind], c.req, c.res)
	for _, n := range []struct {
		name string
		v    int64
	}{
		{"header", int64(c.header)}, {"trailer", int64(c.trailer)}, {"status", int64(c.status)}, {"early", int64(c.early) + 1}, {"sets a header", flag(c.headers)}, {"identity", flag(c.identity)},
	} {
		if n.v != 0 {
			fmt.Fprintf(&b, ", %s %d", n.name, n.v)
		}
	}
	for _, n := range []struct {
		name string
		v    int64
	}{
		{"gap", c.gap}, {"think", c.think}, {"reads after", c.slow}, {"cancel", c.cancel}, {"deadline", c.deadline},
	} {
		if n.v != 0 {
			fmt.Fprintf(&b, ", %s %s", n.name, millis(n.v))
		}
	}
	return b.String()
}

// simplerStep returns plainer forms of a step, the plainest first.
func simplerStep(s step) (forms []step) {
	with := func(change func(*step)) {
		t := s
		if change(&t); fmt.Sprint(t) != fmt.Sprint(s) {
			forms = append(forms, t)
		}
	}
	with(func(t *step) { t.after -= t.after % ms })
	if s.op != opCall {
		return forms
	}
	with(func(t *step) {
		t.call = callPlan{key: s.call.key, kind: s.call.kind, req: s.call.req, res: s.call.res, early: -1}
	})
	with(func(t *step) { t.call.header, t.call.trailer, t.call.headers = 0, 0, false })
	with(func(t *step) { t.call.status = 0; t.call.res = []int32{0} })
	with(func(t *step) { t.call.think = 0 })
	with(func(t *step) { t.call.slow, t.call.gap = 0, 0 })
	with(func(t *step) { t.call.cancel = 0 })
	with(func(t *step) { t.call.deadline = 0 })
	with(func(t *step) { t.call.path = 0 })
	if s.call.kind == lupine.Unary {
		with(func(t *step) { t.call.req, t.call.res = []int32{0}, make([]int32, len(s.call.res)) })
	}
	return forms
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func millis(ns int64) string { return fmt.Sprintf("%.3fms", float64(ns)/1e6) }
