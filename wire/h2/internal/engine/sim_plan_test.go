package engine

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// A schedule is one simulated run: two sides, a network, and a program of steps.
// All of it follows from the seed.
type schedule struct {
	seed           uint64
	client, server sideConfig
	up, down       sim.PipeConfig
	highID         bool // the client's stream ids begin near the end of their range
	steps          []step
}

// sideConfig is how one side is set up, and what it does to the frames that it
// sends, as other implementations might: all of it is legal.
type sideConfig struct {
	streamWindow, connWindow int32
	maxFrame                 uint32
	maxStreams               uint32
	assembly                 int64
	headerBytes              int
	outLimit                 int

	foreign  bool // it does not say that it is Lupine
	pad      int  // percent of DATA and HEADERS that are padded
	split    int  // percent of DATA and HEADERS that are cut into two or more
	junk     int  // percent of frames before which something without meaning is sent
	reserved bool // the reserved bit of stream ids is set
	inform   int  // percent of responses with 1xx before them
}

type op uint8

const (
	opCall     op = iota
	opCut         // the connection breaks; a part of what is under way arrives
	opHang        // nothing arrives any more, and nobody is told for a while
	opStall       // nothing arrives for a while
	opDrain       // the server drains
	opLeave       // the client drains
	opAbort       // the server is gone without a word; what it sent arrives
	opSettings    // a side sends SETTINGS
	opPing        // a side sends PINGs
	opJump        // a side's clock leaps
	opHostile     // a side breaks the protocol
	numOps
)

var opNames = [numOps]string{"call", "cut", "hang", "stall", "drain", "leave", "abort", "settings", "ping", "jump", "hostile"}

// step is one step of a program.
type step struct {
	after int64 // nanoseconds after the step before
	op    op
	call  callPlan
	// server says which side does it.
	server bool
	// id and value are a setting; for other ops value is a number, or nanoseconds.
	id    uint16
	value int64
}

type callKind uint8

const (
	unary callKind = iota
	clientStream
	serverStream
	bidi
)

// callPlan is all that client and handler will do in a call. Times are
// nanoseconds.
type callPlan struct {
	key      uint32 // names the call, and fixes the contents of its messages
	kind     callKind
	req, res []int32 // sizes of messages
	header   int32   // bytes of metadata in the request, and in trailers
	trailer  int32
	status   uint8
	early    int8 // the handler ends after so many requests; -1: when all are here
	// lateEnd has END_STREAM follow the last request in a frame of its own.
	lateEnd      bool
	headFirst    bool // the response's header is sent before the handler reads
	trailersOnly bool
	queueTail    bool  // trailers are handed over behind messages not sent yet
	gap, think   int64 // between the client's, and the handler's, messages
	slowClient   int64 // before it takes messages that have come
	slowServer   int64
	linger       int64 // the handler returns so long after it has ended the call

	cancel, abort, deadline int64 // after the call's beginning; 0: not
}

func (s step) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "+%-10s %-8s", millis(s.after), opNames[s.op])
	side := "client"
	if s.server {
		side = "server"
	}
	switch s.op {
	case opCall:
		b.WriteString(s.call.String())
	case opSettings:
		fmt.Fprintf(&b, " %s: %s = %d", side, settingNames[s.id], s.value)
	case opHang, opLeave, opAbort:
	case opDrain:
		fmt.Fprintf(&b, " for %s at most", millis(s.value))
	case opHostile:
		fmt.Fprintf(&b, " %s: %s", side, attackOf(s).name)
	case opStall, opJump:
		fmt.Fprintf(&b, " %s %s", side, millis(s.value))
	default:
		fmt.Fprintf(&b, " %s %d", side, s.value)
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
		{"header", int64(c.header)}, {"trailer", int64(c.trailer)}, {"status", int64(c.status)}, {"early", int64(c.early) + 1},
		{"lateEnd", flag(c.lateEnd)}, {"headFirst", flag(c.headFirst)}, {"trailersOnly", flag(c.trailersOnly)}, {"queueTail", flag(c.queueTail)},
	} {
		if n.v != 0 {
			fmt.Fprintf(&b, ", %s %d", n.name, n.v)
		}
	}
	for _, n := range []struct {
		name string
		v    int64
	}{
		{"gap", c.gap}, {"think", c.think}, {"client reads after", c.slowClient}, {"server reads after", c.slowServer}, {"linger", c.linger},
		{"cancel", c.cancel}, {"abort", c.abort}, {"deadline", c.deadline},
	} {
		if n.v != 0 {
			fmt.Fprintf(&b, ", %s %s", n.name, millis(n.v))
		}
	}
	return b.String()
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func millis(ns int64) string { return fmt.Sprintf("%.3fms", float64(ns)/1e6) }

const (
	us = int64(1e3)
	ms = int64(1e6)
)

// minCalls is how many calls a schedule has at least.
const minCalls = 20

// plan works out the schedule of a seed.
func plan(seed uint64) *schedule {
	r := sim.NewRand(seed, 0)
	s := &schedule{seed: seed, client: planSide(r), server: planSide(r), up: planPipe(r), down: planPipe(r), highID: r.Chance(5)}
	calls := minCalls + r.IntN(12)
	big := r.Chance(15)
	busy := r.Chance(40) // many calls at once
	for i := range calls {
		s.steps = append(s.steps, step{after: planGap(r, busy), op: opCall, call: s.planCall(r, uint32(i+1), big)})
	}
	for range 1 + r.IntN(6) {
		s.steps = slices.Insert(s.steps, 1+r.IntN(len(s.steps)), planFault(r))
	}
	if r.Chance(30) { // small windows from the beginning
		s.steps = slices.Insert(s.steps, 1, step{op: opSettings, server: r.Chance(50), id: settingWindow, value: r.Between(1, 5000)})
	}
	return s
}

func planGap(r sim.Rand, busy bool) int64 {
	switch n := r.IntN(100); {
	case busy && n < 80 || n < 40:
		return 0
	case n < 70:
		return r.Between(0, ms)
	case n < 97:
		return r.Between(0, 20*ms)
	}
	return r.Between(0, 2000*ms)
}

func planSide(r sim.Rand) sideConfig {
	c := sideConfig{
		streamWindow: sim.Pick[int32](r, defaultWindow, defaultWindow, 80000, 1<<20),
		connWindow:   sim.Pick[int32](r, defaultWindow, 1<<20),
		maxFrame:     sim.Pick[uint32](r, minMaxFrame, 1<<20),
		maxStreams:   sim.Pick[uint32](r, 1, 2, 3, 5, 10, 100),
		assembly:     sim.Pick[int64](r, 1, 100e3, 16<<20),
		headerBytes:  sim.Pick(r, 8<<10, 8<<10, 64<<10),
		outLimit:     sim.Pick(r, 1, 1000, 64<<10, 64<<10, 64<<10),
	}
	if r.Chance(40) { // not our own kind
		c.foreign = r.Chance(50)
		c.pad, c.split, c.junk, c.inform = r.IntN(30), r.IntN(50), r.IntN(10), r.IntN(30)
		c.reserved = r.Chance(20)
	}
	return c
}

func planPipe(r sim.Rand) sim.PipeConfig {
	return sim.PipeConfig{
		MinDelay: sim.Pick(r, 0, 10*us, ms), MaxDelay: sim.Pick(r, 10*us, 100*us, 5*ms, 30*ms),
		Split: sim.Pick(r, 5, 20, 50), Room: sim.Pick(r, 1, 1000, 64<<10, 256<<10),
	}
}

// size is that of one message.
func planSize(r sim.Rand, big bool) int32 {
	switch n := r.IntN(100); {
	case n < 10:
		return 0
	case n < 70:
		return int32(r.IntN(200))
	case n < 90 || !big:
		return int32(r.IntN(4000))
	case n < 94: // about what windows and frames hold
		return sim.Pick[int32](r, minMaxFrame, defaultWindow, 80000, 2*defaultWindow) - int32(r.IntN(10))
	}
	return int32(r.IntN(200e3))
}

func planSizes(r sim.Rand, n int, big bool) []int32 {
	s := make([]int32, n)
	for i := range s {
		s[i] = planSize(r, big)
	}
	return s
}

func (s *schedule) planCall(r sim.Rand, key uint32, big bool) callPlan {
	c := callPlan{key: key, kind: callKind(r.IntN(4)), early: -1}
	nreq, nres := 1, 1
	if c.kind == clientStream || c.kind == bidi {
		nreq = r.IntN(6)
	}
	if c.kind == serverStream || c.kind == bidi {
		nres = r.IntN(7)
	}
	if r.Chance(20) {
		c.status = uint8(1 + r.IntN(16))
		if nres = r.IntN(nres + 1); nres == 0 {
			c.trailersOnly = r.Chance(50)
		}
	}
	c.req, c.res = planSizes(r, nreq, big), planSizes(r, nres, big)
	if r.Chance(10) {
		c.early = int8(r.IntN(nreq + 1))
	}
	c.header = planField(r, s.server.headerBytes)
	c.trailer = planField(r, s.client.headerBytes)
	c.lateEnd, c.headFirst, c.queueTail = r.Chance(20), r.Chance(30), r.Chance(50)
	if r.Chance(40) {
		c.gap = r.Between(0, 3*ms)
	}
	if r.Chance(40) {
		c.think = r.Between(0, 3*ms)
	}
	if r.Chance(3) { // long silences
		c.think = r.Between(1000*ms, 6000*ms)
	}
	if r.Chance(25) {
		c.slowClient = r.Between(0, 40*ms)
	}
	if r.Chance(25) {
		c.slowServer = r.Between(0, 40*ms)
	}
	if r.Chance(20) {
		c.linger = r.Between(0, 30*ms)
	}
	if r.Chance(12) {
		c.cancel = r.Between(1, sim.Pick(r, 1, ms, 50*ms))
	}
	if r.Chance(6) {
		c.abort = r.Between(1, sim.Pick(r, 1, ms, 50*ms))
	}
	if r.Chance(12) {
		c.deadline = r.Between(1, sim.Pick(r, us, 10*ms, 2000*ms))
	}
	return c
}

// planField is how many bytes of metadata there are, for a peer that takes a
// header list of limit.
func planField(r sim.Rand, limit int) int32 {
	switch n := r.IntN(100); {
	case n < 60:
		return 0
	case n < 90:
		return int32(1 + r.IntN(300))
	}
	return int32(1 + r.IntN(limit*3/4))
}

var settingNames = map[uint16]string{
	settingTableSize: "HEADER_TABLE_SIZE", settingMaxStreams: "MAX_CONCURRENT_STREAMS",
	settingWindow: "INITIAL_WINDOW_SIZE", settingMaxFrame: "MAX_FRAME_SIZE",
}

func planFault(r sim.Rand) step {
	st := step{after: planGap(r, false), server: r.Chance(50)}
	switch n := r.IntN(100); {
	case n < 10:
		st.op, st.value = opCut, int64(r.IntN(100)) // percent that still arrives
	case n < 15:
		st.op = opHang
	case n < 22:
		st.op, st.value = opStall, r.Between(0, sim.Pick(r, 50*ms, 4000*ms))
	case n < 34:
		// How long the client has to answer before the last GOAWAY.
		st.op, st.value = opDrain, sim.Pick(r, 1000*ms, r.Between(0, 5*ms))
	case n < 38:
		st.op = opLeave
	case n < 44:
		st.op = opAbort
	case n < 80:
		st.op = opSettings
		planSetting(r, &st)
	case n < 85:
		st.op, st.value = opPing, r.Between(1, 20)
	case n < 91:
		st.op, st.value = opJump, sim.Pick(r, 10*ms, 1500*ms, 10000*ms, 3600000*ms)
	default:
		st.op, st.value = opHostile, int64(r.IntN(math.MaxInt32))
	}
	return st
}

func planSetting(r sim.Rand, st *step) {
	switch n := r.IntN(100); {
	case n < 45:
		st.id, st.value = settingWindow, sim.Pick(r, 0, r.Between(0, 200), r.Between(0, 70000), defaultWindow, 1<<20)
	case n < 70:
		st.id, st.value, st.server = settingMaxStreams, sim.Pick[int64](r, 0, 1, 2, 10, 100), true
	case n < 85:
		st.id, st.value = settingTableSize, sim.Pick(r, 0, 100, r.Between(0, 4096), 4096, 65536)
	default:
		st.id, st.value = settingMaxFrame, sim.Pick(r, minMaxFrame, r.Between(minMaxFrame, 40000), 1<<20)
	}
}

// simpler returns simpler forms of a step, for the shrinker: the simplest first.
func simpler(s step) (forms []step) {
	add := func(change func(*step)) {
		o := s
		o.call.req, o.call.res = slices.Clone(s.call.req), slices.Clone(s.call.res)
		change(&o)
		if o.String() != s.String() {
			forms = append(forms, o)
		}
	}
	if s.op != opCall {
		add(func(o *step) { o.after = 0 })
		return forms
	}
	add(func(o *step) {
		c := &o.call
		*c = callPlan{key: c.key, kind: c.kind, req: c.req, res: c.res, early: -1}
	})
	for _, change := range []func(*step, *callPlan){
		func(o *step, _ *callPlan) { o.after = 0 },
		func(_ *step, c *callPlan) { c.cancel = 0 }, func(_ *step, c *callPlan) { c.abort = 0 }, func(_ *step, c *callPlan) { c.deadline = 0 },
		func(_ *step, c *callPlan) { c.gap = 0 }, func(_ *step, c *callPlan) { c.think = 0 }, func(_ *step, c *callPlan) { c.linger = 0 },
		func(_ *step, c *callPlan) { c.slowClient = 0 }, func(_ *step, c *callPlan) { c.slowServer = 0 },
		func(_ *step, c *callPlan) { c.header = 0 }, func(_ *step, c *callPlan) { c.trailer = 0 },
		func(_ *step, c *callPlan) { c.lateEnd, c.headFirst, c.queueTail = false, false, false },
		func(_ *step, c *callPlan) { c.status, c.trailersOnly = 0, false }, func(_ *step, c *callPlan) { c.early = -1 },
		func(_ *step, c *callPlan) { c.kind = unary; c.req, c.res = []int32{0}, []int32{0} },
		func(_ *step, c *callPlan) { clear(c.req) }, func(_ *step, c *callPlan) { clear(c.res) },
		func(_ *step, c *callPlan) { c.req = halved(c.req, c.kind == clientStream || c.kind == bidi) },
		func(_ *step, c *callPlan) { c.res = halved(c.res, c.kind == serverStream || c.kind == bidi) },
	} {
		add(func(o *step) { change(o, &o.call) })
	}
	return forms
}

// halved is a list of sizes with the last one, or half of the largest, taken off.
func halved(s []int32, many bool) []int32 {
	if many && len(s) > 1 {
		return s[:len(s)-1]
	}
	for i := range s {
		s[i] /= 2
	}
	return s
}
