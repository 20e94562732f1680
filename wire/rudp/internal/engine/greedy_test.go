package engine

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/race"
)

// Peers that have the keys and keep to the letter of the protocol, but want memory, time or
// a wrong answer.

// hits counts the limits that a server of newDuo says were hit.
func hits(cfg *[2]Config) *[NumLimits]int {
	n := new([NumLimits]int)
	cfg[1].Hit = func(l Limit) { n[l]++ }
	return n
}

// alone lets time pass for the server, whose datagrams nobody gets, and has its peer send
// frames each second.
func (d *duo) alone(seconds int, frames []byte) {
	d.lose = func(int, []byte) bool { return true }
	for range seconds {
		if frames != nil && d.ends[1].c.phase == phaseOpen {
			d.forge(1, frames)
		}
		d.run(second, nil)
	}
}

// TestOverlaps sends a request in fragments that overlap in every way, in any order. Of two
// that disagree, the bytes that came first stay; the message is handed over once.
func TestOverlaps(t *testing.T) {
	whole := request(bytes.Repeat([]byte("0123456789"), 700))
	for round := range 300 {
		d := newDuo(t, nil)
		d.forged = true
		var got [][]byte
		d.ends[1].serve = func(e *end, ev Event) {
			if ev.Kind == EventMessage {
				got = append(got, bytes.Clone(ev.Message))
			}
			echo(e, ev)
		}
		liar := round%2 == 1
		want, have := make([]byte, len(whole)), make([]bool, len(whole))
		left := len(whole)
		put := func(lo, hi int, lie bool) {
			p := bytes.Clone(whole[lo:hi])
			for i := range p {
				// The head and the record's prefix stay what they are.
				if lie && lo+i >= 40 {
					p[i] ^= 0x20
				}
			}
			bits := StreamLength
			if hi == len(whole) {
				bits |= StreamFin
			}
			d.forge(1, AppendStream(nil, bits, CallName{0, 1}, uint64(lo), p))
			for i := lo; i < hi; i++ {
				if !have[i] {
					have[i], want[i] = true, p[i-lo]
					left--
				}
			}
		}
		for range 40 {
			lo := int(d.rand.Uint64() % uint64(len(whole)))
			put(lo, min(lo+1+int(d.rand.Uint64()%1500), len(whole)), liar && d.rand.Uint64()%2 == 0)
		}
		for at := 0; at < len(whole); at += 1000 {
			put(at, min(at+1000, len(whole)), liar && d.rand.Uint64()%3 == 0)
		}
		if left > 0 || len(got) != 1 {
			t.Fatalf("round %d: %d messages, %d bytes not sent: %s", round, len(got), left, d.ends[1].c.session.reason)
		}
		if !bytes.HasSuffix(want, got[0]) {
			t.Fatalf("round %d: the message is not made of the bytes that came first", round)
		}
		put(0, 1000, liar) // late: its call is over
		if len(got) != 1 {
			t.Fatal("it was handed over again")
		}
	}
}

// TestLengthsLie: messages that claim to be longer than what comes cost what came, and are
// given up one after the other, as they get their turn; those over the receiver's limit are
// refused at once.
func TestLengthsLie(t *testing.T) {
	const calls = 50
	claim := func(n uint64) []byte { // a request whose message says that it has n bytes
		b, _ := AppendHead(nil, &Head{Path: "/a.B/C"}, nil, nil)
		b = append(b, byte(RecordMessage))
		b = AppendVarint(b, n)
		return append(b, make([]byte, 4+100)...)
	}
	for _, tt := range []struct {
		name    string
		claim   uint64
		limit   int
		refused bool
	}{
		{"64 MiB", 64 << 20, 0, false}, {"2^61", 1 << 61, 0, false}, {"over MaxReceive", 1<<20 + 1, 1 << 20, true}, {"2^61 with MaxReceive", 1 << 61, 1 << 20, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var hit *[NumLimits]int
			d := newDuo(t, func(cfg *[2]Config) {
				hit = hits(cfg)
				cfg[1].MaxReceive = tt.limit
			})
			d.lose = func(int, []byte) bool { return true }
			c := d.ends[1].c
			begun := 0
			d.ends[1].serve = func(_ *end, ev Event) { begun += int(flag(ev.Kind == EventMessage)) }
			for slot := range uint64(calls) {
				d.forge(1, AppendStream(nil, StreamLength, CallName{slot, 1}, 0, claim(tt.claim)))
				d.ends[1].pump()
			}
			kept := 0
			for _, s := range c.theirs {
				kept += s.in.tiles.size
			}
			alone := 0
			for _, s := range c.theirs {
				alone += int(flag(s.in.reserved > 0))
			}
			switch {
			case c.phase != phaseOpen || begun > 0:
				t.Fatalf("phase %d, %d handlers: %s", c.phase, begun, c.session.reason)
			case tt.refused && (kept != 0 || hit[LimitMessage] != calls || c.theirsBusy != 0):
				t.Errorf("%d bytes are kept, %d calls are busy, %d were refused", kept, c.theirsBusy, hit[LimitMessage])
			case !tt.refused && (kept > calls*leastTile || c.reserved > assembly && alone > 1):
				t.Errorf("%d bytes are kept; %d are reserved for %d messages", kept, c.reserved, alone)
			}
			d.most = 1e6
			d.alone(calls*int(stallTimeout/second)*3/2, AppendType(nil, TypePing)) // nothing more comes
			if used, _ := c.budget.Used(); used != 0 || c.theirsBusy != 0 || !tt.refused && hit[LimitStall] == 0 {
				t.Errorf("in the end %d bytes and %d calls are kept; %d have stalled", used, c.theirsBusy, hit[LimitStall])
			}
		})
	}
}

// TestSlotFlood: a peer that begins a call in each slot that it may use, and whose handlers
// never return, gets no more than MaxSlotsTop; each costs little.
func TestSlotFlood(t *testing.T) {
	const top = 1024
	d := newDuo(t, func(cfg *[2]Config) { cfg[1].MaxSlotsTop = top })
	d.lose = func(int, []byte) bool { return true }
	c := d.ends[1].c
	begun := 0
	d.ends[1].serve = func(_ *end, ev Event) { begun += int(flag(ev.Kind == EventMessage)) }
	before := live()
	each, slot := int64(0), uint64(0)
	for ; c.phase == phaseOpen && slot < 100_000; slot++ {
		d.forge(1, AppendStream(nil, StreamFin|StreamLength, CallName{slot, 1}, 0, request([]byte("x"))))
		d.ends[1].pump()
		d.now += 10 * microsecond
		if slot == top-1 {
			each = (live() - before) / top
		}
	}
	if slot != top+1 || begun != top || c.session.code != CodeFlow || !strings.Contains(c.session.reason, "MAX_SLOTS") {
		t.Errorf("closed at slot %d after %d calls: %v %s", slot, begun, c.session.code, c.session.reason)
	}
	t.Logf("%d bytes a call", each)
	if each > 4096 {
		t.Errorf("a call that hangs costs %d bytes", each)
	}
}

func live() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestNeverAcks: a peer makes calls with large replies, and acknowledges nothing. What is
// kept for it stays within ReplyBudget, what is sent within the window, and then one
// datagram a PTO; calls beyond that are refused.
func TestNeverAcks(t *testing.T) {
	const size = 256 << 10
	var hit *[NumLimits]int
	d := newDuo(t, func(cfg *[2]Config) {
		hit = hits(cfg)
		cfg[1].ReplyBudget = 1 << 20
		cfg[1].Local.IdleTimeout = 30_000
	})
	d.lose = func(int, []byte) bool { return true }
	c := d.ends[1].c
	ran := 0
	d.ends[1].serve = func(e *end, ev Event) {
		if ev.Kind == EventMessage {
			ran++
			e.c.Write(d.now, ev.Call, msg(make([]byte, size)), false)
			e.c.Finish(d.now, ev.Call, nil, nil)
		}
	}
	for slot := range uint64(256) {
		d.forge(1, AppendStream(nil, StreamFin|StreamLength, CallName{slot, 1}, 0, request([]byte("x"))))
		d.ends[1].pump()
		if c.replies > 1<<20+2*size {
			t.Fatalf("%d bytes of replies are kept", c.replies)
		}
	}
	if ran > 6 || hit[LimitReplies] < 250 {
		t.Errorf("%d handlers ran, the limit was hit %d times", ran, hit[LimitReplies])
	}
	sent, ptos := d.ends[1].sent, c.Stats.PTOs
	d.alone(60, AppendType(nil, TypePing))
	// Each PTO sends one datagram beyond the window.
	if ptos = c.Stats.PTOs - ptos; c.phase != phaseOpen || c.inFlight > c.cc.Window()+int(ptos+10)*c.mtu || ptos > 70 {
		t.Errorf("phase %d, %d PTOs, %d bytes in flight: %s", c.phase, ptos, c.inFlight, c.session.reason)
	}
	if n := d.ends[1].sent - sent; n > 3*60 {
		t.Errorf("%d datagrams were sent in a minute to who acknowledges none", n)
	}
	d.alone(60, nil) // and now it is silent
	if d.ends[1].gone == nil || c.replies != 0 {
		t.Errorf("it is gone: %v; %d bytes are kept for it", d.ends[1].gone != nil, c.replies)
	}
}

// TestNeverAcksForLong: who acknowledges nothing, but shows for hours that it is there, is
// disconnected before what is remembered of packets outgrows SentPackets twice.
func TestNeverAcksForLong(t *testing.T) {
	if race.Enabled {
		t.Skip("one goroutine, for hours of virtual time: nothing for the race detector")
	}
	for name, sign := range map[string]Type{"PING": TypePing, "PAD": TypePad} { // PAD is not acked
		t.Run(name, func(t *testing.T) {
			d := newDuo(t, nil)
			d.lose = func(int, []byte) bool { return true }
			d.ends[1].serve = echo
			c := d.ends[1].c
			d.forge(1, AppendStream(nil, StreamFin|StreamLength, CallName{0, 1}, 0, request(make([]byte, 2000))))
			d.most = 1e7
			hours, most := 0, 0
			for ; c.phase == phaseOpen && hours < 24; hours++ {
				for i := 0; i < 3600 && c.phase == phaseOpen; i++ {
					d.forge(1, AppendType(nil, sign))
					d.run(second, nil)
					most = max(most, c.sent.len())
				}
			}
			if c.phase == phaseOpen || c.session.code != CodeLimit || most > 2*sentPackets+1 {
				t.Errorf("after %d hours it is in phase %d (%v %s); %d packets were remembered", hours, c.phase, c.session.code, c.session.reason, most)
			}
			t.Logf("%d hours, %d packets: %s", hours, most, c.session.reason)
		})
	}
}

// TestNeverAcksSmall: the same with small calls without end, each slot used again and again:
// each next call settles the reply before, and what the engine remembers of its packets ends
// at SentPackets.
func TestNeverAcksSmall(t *testing.T) {
	d := newDuo(t, nil)
	d.lose = func(int, []byte) bool { return true }
	d.ends[1].serve = echo
	c := d.ends[1].c
	most := 0
	for i := range uint64(100_000) {
		if c.phase != phaseOpen {
			break
		}
		d.forge(1, AppendStream(nil, StreamFin|StreamLength, CallName{i % 8, i/8 + 1}, 0, request([]byte("x"))))
		d.ends[1].pump()
		most = max(most, c.sent.len())
		if i%100 == 0 {
			d.run(millisecond, nil)
		}
	}
	t.Logf("at most %d packets were remembered; phase %d: %s", most, c.phase, c.session.reason)
	if most > 2*sentPackets+1 {
		t.Errorf("%d packets were remembered", most)
	}
	if c.phase != phaseOpen && c.session.code != CodeLimit {
		t.Errorf("%v %s", c.session.code, c.session.reason)
	}
}

// TestGrantsNothing: a peer acknowledges all and grants nothing. A reply that its first
// credit does not hold is dropped after StallTimeout; a stream may wait for ever, and holds
// no more than what its handler wrote.
func TestGrantsNothing(t *testing.T) {
	for _, kind := range []lupine.Kind{lupine.Unary, lupine.ServerStreaming} {
		var hit *[NumLimits]int
		d := newDuo(t, func(cfg *[2]Config) { hit = hits(cfg) })
		c := d.ends[1].c
		freed := false
		d.ends[1].serve = func(e *end, ev Event) {
			if ev.Kind == EventMessage {
				m := msg(make([]byte, 1<<20))
				m.Owner = "reply"
				e.c.Write(d.now, ev.Call, m, false)
				if kind == lupine.Unary {
					e.c.Finish(d.now, ev.Call, nil, nil)
				}
			}
		}
		// The client never says GRANT.
		d.ends[0].c.hooks.made = func(_ *Conn, dg *Datagram, b []byte) {}
		d.ends[1].c.hooks.frame = func(_ *Conn, _ *Packet, f *Frame) bool { return f.Type == TypeGrantReply || f.Type == TypeGrantRequest }
		call, r := new(Call), new(reply)
		d.ends[0].replies[call] = r
		if err := d.ends[0].c.Begin(d.now, call, &Head{Kind: kind, Path: "/a.B/C"}, msg([]byte("x")), true); err != nil {
			t.Fatal(err)
		}
		d.run(40*second, func() bool { return r.over })
		for _, o := range d.ends[1].freed {
			freed = freed || o == "reply"
		}
		if kind == lupine.Unary {
			if r.err == nil || r.err.Code != lupine.DataLoss || r.err.Executed != lupine.Yes || !strings.Contains(r.err.Message, "StallTimeout") {
				t.Errorf("unary: %v, over %v", r.err, r.over)
			}
			if !freed || c.replies != 0 || hit[LimitStall] != 1 {
				t.Errorf("unary: freed %v, %d bytes are kept, stalled %d times", freed, c.replies, hit[LimitStall])
			}
			continue
		}
		if r.over || freed || c.phase != phaseOpen {
			t.Errorf("stream: over %v, freed %v, phase %d", r.over, freed, c.phase)
		}
		if s := c.theirs[0]; s.out.next > d.ends[0].c.local.FirstCredit {
			t.Errorf("stream: %d bytes were sent", s.out.next)
		}
		d.ends[0].c.Close(d.now, CodeNone, "")
		d.run(20*second, nil)
		if c.replies != 0 {
			t.Errorf("stream: %d bytes are kept", c.replies)
		}
	}
}

// TestClearPacketsForged: who sees an open session's handshake knows its id and indices, and
// can make each packet without a key. None ends the session.
func TestClearPacketsForged(t *testing.T) {
	d := newHello(t, nil)
	if !d.run(10*second, func() bool { return d.ends[0].open }) {
		t.Fatal("the handshake does not end")
	}
	call := func(what string) {
		t.Helper()
		_, r := d.ends[0].begin("/a.B/C", []byte("hello"))
		if !d.run(20*second, func() bool { return r.over }) || r.err != nil {
			t.Fatalf("after %s: %+v", what, r.err)
		}
	}
	call("the handshake")
	d.run(second, nil)
	client, server := d.ends[0].c, d.ends[1].c
	hello := func(to, from uint32, number uint64, frames ...byte) []byte {
		b := AppendHello(nil, &Hello{Mode: ModePlain, To: to, From: from, ID: client.cfg.ID, Number: number})
		return AppendCRC(append(b, frames...), 0)
	}
	closes := AppendClose(nil, CodeBusy, "forged")
	data := AppendHeader(nil, Header{KindData0, server.cfg.Index, client.sent.next - 1})
	for _, tt := range []struct {
		name string
		to   int
		b    []byte
	}{
		{"CLOSE in HELLO, to the client", 0, hello(client.cfg.Index, server.cfg.Index, 1<<20, closes...)},
		{"CLOSE in HELLO, to the server", 1, hello(server.cfg.Index, client.cfg.Index, 1<<20, closes...)},
		{"RETRY", 0, AppendRetry(nil, &Retry{To: client.cfg.Index, ID: client.cfg.ID, Cookie: []byte("forged")})},
		{"VERSIONS", 0, AppendVersions(nil, &Versions{To: client.cfg.Index, ID: client.cfg.ID, List: []byte{1}})},
		{"RESET", 0, AppendReset(nil, data)},
		{"RESET of a packet never sent", 0, AppendReset(nil, AppendHeader(nil, Header{KindData0, server.cfg.Index, 1 << 40}))},
		{"HELLO with parameters that are none", 1, hello(server.cfg.Index, client.cfg.Index, 1<<20+1, byte(TypeCrypto), 0, 2, 9, 9)},
	} {
		for range 3 {
			var p Packet
			e := d.ends[tt.to]
			b := bytes.Clone(tt.b)
			p.From, p.Size = testFrom, len(b)
			if drop := e.c.Opener().Open(b, &p); drop == DropNone {
				e.c.Receive(d.now, &p)
				e.take()
				e.c.Flush(d.now)
			}
			d.run(150*millisecond, nil)
		}
		if client.phase != phaseOpen || server.phase != phaseOpen {
			t.Fatalf("%s: the client is in phase %d (%s), the server in %d (%s)", tt.name, client.phase, client.session.reason, server.phase, server.session.reason)
		}
		call(tt.name)
	}
}

// TestLyingServer: replies that claim to be longer than what comes, to a client with
// MaxReceive and to one without. Its calls end by that or when they are given up; what came
// is all that they cost.
func TestLyingServer(t *testing.T) {
	const calls = 100
	for _, limit := range []int{1 << 20, 0} {
		d := newDuo(t, func(cfg *[2]Config) { cfg[0].MaxReceive = limit })
		d.lose = func(int, []byte) bool { return true }
		c := d.ends[0].c
		made := make(map[*Call]*reply)
		for range calls {
			call, r := d.ends[0].begin("/a.B/C", []byte("x"))
			made[call] = r
		}
		d.ends[0].pump()
		lie := AppendVarint([]byte{byte(RecordMessage)}, 1<<61)
		lie = append(lie, make([]byte, 4+100)...)
		for call := range made {
			d.forge(0, AppendStream(nil, StreamReply|StreamEager|StreamLength, CallName{uint64(call.Slot), call.Seq}, 0, lie))
			d.ends[0].pump()
		}
		kept := 0
		for _, s := range c.mine {
			kept += s.in.tiles.size
		}
		if c.phase != phaseOpen || kept > calls*leastTile {
			t.Fatalf("limit %d: phase %d, %d bytes are kept: %s", limit, c.phase, kept, c.session.reason)
		}
		for call, r := range made {
			if limit > 0 {
				if !r.over || r.err == nil || r.err.Code != lupine.ResourceExhausted || r.err.Executed != lupine.Maybe || !strings.Contains(r.err.Message, "MaxReceive") {
					t.Fatalf("%+v, over %v", r.err, r.over)
				}
				continue
			}
			if r.over {
				t.Fatalf("it has ended: %v", r.err)
			}
			if x := c.Cancel(d.now, call); x != lupine.Maybe {
				t.Errorf("given up: executed %v", x)
			}
		}
		d.ends[0].take()
		if used, _ := c.budget.Used(); used != 0 || c.reserved != 0 || len(c.wanting) != 0 {
			t.Errorf("limit %d: %d bytes are kept, %d reserved, %d wait", limit, used, c.reserved, len(c.wanting))
		}
	}
}

// TestRoomIsNotHeld: two messages of 1 MiB that come at 300 bytes a second, which LeastRate
// allows, keep all the room that there is. When another session's message waits for some, they
// have to come at CrowdRate.
func TestRoomIsNotHeld(t *testing.T) {
	budget := NewBudget()
	budget.Receive = 4 << 20
	two := func(hit **[NumLimits]int) *duo {
		return newDuo(t, func(cfg *[2]Config) {
			*hit = hits(cfg)
			cfg[1].Budget = budget
		})
	}
	var slow, quick *[NumLimits]int
	a, b := two(&slow), two(&quick)
	a.lose = func(int, []byte) bool { return true }
	b.ends[1].serve = echo
	head, _ := AppendHead(nil, &Head{Path: "/a.B/C"}, nil, nil)
	head = append(AppendVarint(append(head, byte(RecordMessage)), 1<<20), make([]byte, 4)...)
	at := uint64(len(head))
	for slot := range uint64(2) {
		a.forge(1, AppendStream(nil, StreamLength, CallName{slot, 1}, 0, head))
	}
	trickle := func(seconds int) {
		for range seconds {
			for slot := range uint64(2) {
				a.forge(1, AppendStream(nil, StreamLength, CallName{slot, 1}, at, make([]byte, 300)))
			}
			at += 300
			a.run(second, nil)
			b.run(second, nil)
		}
	}
	trickle(60)
	if c := a.ends[1].c; c.reserved < 2<<20 || c.theirsBusy != 2 || slow[LimitStall] != 0 {
		t.Fatalf("%d bytes are reserved, %d calls go on, %d have stalled", c.reserved, c.theirsBusy, slow[LimitStall])
	}
	_, r := b.ends[0].begin("/a.B/C", make([]byte, 1500<<10))
	for waited := 0; !r.over; waited++ {
		if waited > 30 {
			t.Fatalf("a message waits for room for %d s; %d have stalled", waited, slow[LimitStall])
		}
		trickle(1)
	}
	if r.err != nil || slow[LimitStall] == 0 || quick[LimitReceive] == 0 {
		t.Errorf("%v; %d have stalled, room was short %d times", r.err, slow[LimitStall], quick[LimitReceive])
	}
}
