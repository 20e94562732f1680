package engine

import (
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// forge makes a DATA packet for end to, with the next number.
func (d *duo) forge(to int, frames []byte) {
	e := d.ends[to]
	b := AppendHeader(nil, Header{KindData0, e.c.cfg.Index, e.c.window.next})
	var p Packet
	p.From = testFrom
	if drop := e.c.Opener().Open(testSeal.Seal(append(b, frames...), 0, 0), &p); drop != DropNone {
		d.t.Fatalf("forged packet: %v", drop)
	}
	e.c.Receive(d.now, &p)
	e.take()
	e.c.Flush(d.now)
}

func frames(f ...[]byte) (b []byte) {
	for _, p := range f {
		b = append(b, p...)
	}
	return b
}

// request is the stream of a unary call with the message p.
func request(p []byte) []byte {
	b, _ := AppendHead(nil, &Head{Path: "/a.B/C"}, nil, nil)
	return append(b, msg(p).Bytes...)
}

// TestBreach: what breaks the protocol ends the session with a reason.
func TestBreach(t *testing.T) {
	name := CallName{0, 1}
	call := AppendStream(nil, StreamFin|StreamLength, name, 0, request([]byte("x")))
	open := AppendStream(nil, StreamLength, name, 0, request([]byte("x")))
	for _, tt := range []struct {
		name   string
		frames []byte
		code   Code
		reason string
	}{
		{"ack of a packet never sent", AppendAck(nil, 0, []AckRange{{5, 7}}), CodeProtocol, "never sent"},
		{"slot beyond MAX_SLOTS", AppendStream(nil, StreamFin, CallName{256, 1}, 0, request(nil)), CodeFlow, "slot"},
		{"bytes beyond credit", AppendStream(nil, 0, name, firstCredit, []byte("x")), CodeFlow, "granted"},
		{"call while one is open", frames(open, AppendStream(nil, StreamFin, CallName{0, 2}, 0, request(nil))), CodeProtocol, "not over"},
		{"two ends", frames(AppendStream(nil, StreamFin|StreamLength, name, 100, []byte("x")),
			AppendStream(nil, StreamFin, name, 200, []byte("x"))), CodeProtocol, "end"},
		{"bytes past the end", frames(AppendStream(nil, StreamFin|StreamLength, name, 100, []byte("x")),
			AppendStream(nil, 0, name, 200, []byte("x"))), CodeProtocol, "end"},
		{"end before bytes", frames(AppendStream(nil, StreamLength, name, 100, []byte("x")),
			AppendStream(nil, StreamFin, name, 50, []byte("x"))), CodeProtocol, "end"},
		{"reply to nothing", AppendStream(nil, StreamReply|StreamFin, name, 0, []byte{1}), CodeProtocol, "never used"},
		{"ENDED of nothing", AppendEnded(nil, name, lupine.Aborted, lupine.Yes, ""), CodeProtocol, "never used"},
		{"stream ends in the head", AppendStream(nil, StreamFin, name, 0, request(nil)[:4]), CodeProtocol, "head"},
		{"stream ends in a record", AppendStream(nil, StreamFin, name, 0, request([]byte("hello"))[:14]), CodeProtocol, "record"},
		{"undefined id", AppendStream(nil, StreamFin, name, 0, []byte{0, 9}), CodeProtocol, "not defined"},
		{"TOKEN from a client", AppendToken(nil, []byte("x")), CodeProtocol, "TOKEN"},
		{"DONE from a client", AppendType(nil, TypeDone), CodeProtocol, "DONE"},
		{"DEFINE above the limit", AppendDefine(nil, 300, []byte("x")), CodeProtocol, "dict_entries"},
		{"no frames", nil, CodeProtocol, "none"},
		{"unknown frame", []byte{0x3f}, CodeProtocol, "unknown"},
		{"good", call, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDuo(t, nil)
			d.forge(1, tt.frames)
			c := d.ends[1].c
			if tt.reason == "" {
				if c.phase != phaseOpen {
					t.Fatalf("closed: %s", c.session.reason)
				}
				return
			}
			if c.phase != phaseClosing || c.session.code != tt.code || !strings.Contains(c.session.reason, tt.reason) {
				t.Fatalf("phase %d, %v: %q", c.phase, c.session.code, c.session.reason)
			}
			d.run(20*second, nil)
			if d.ends[0].gone == nil || d.ends[0].gone.Code != tt.code {
				t.Error("the peer is not told")
			}
		})
	}
}

// TestFloods: frames that carry nothing, and calls that are thrown away, end the
// session once there are too many; memory stays as it is.
func TestFloods(t *testing.T) {
	ping := AppendType(nil, TypePing)
	for _, tt := range []struct {
		name  string
		frame func(i uint64) []byte
	}{
		{"PING", func(uint64) []byte { return ping }},
		{"PROBE", func(uint64) []byte { return AppendCalls(nil, TypeProbe, []CallName{{3, 1}}) }},
		{"PATH_CHALLENGE", func(i uint64) []byte { return AppendPath(nil, TypePathChallenge, i) }},
		{"rapid reset", func(i uint64) []byte {
			n := CallName{0, i + 1}
			return frames(AppendStream(nil, StreamFin|StreamLength, n, 0, request(nil)), AppendCancel(nil, n))
		}},
		{"old CANCEL", func(i uint64) []byte { return AppendCancel(nil, CallName{0, 1}) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDuo(t, nil)
			c := d.ends[1].c
			d.ends[1].serve = func(e *end, ev Event) {
				if ev.Kind == EventCanceled {
					e.c.Finish(d.now, ev.Call, nil, nil)
				}
			}
			i := uint64(0)
			for ; c.phase == phaseOpen && i < 50_000; i++ {
				d.forge(1, tt.frame(i))
				d.ends[1].pump()
				d.air = d.air[:0]
			}
			if c.phase == phaseOpen || c.session.code != CodeLimit {
				t.Fatalf("%d frames were taken: %v %s", i, c.session.code, c.session.reason)
			}
			t.Logf("closed after %d: %s", i, c.session.reason)
		})
	}
}

// TestHoles sends a byte in each of many places of many calls: memory is what came,
// by blocks, and no more than the budget.
func TestHoles(t *testing.T) {
	var budget Budget
	d := newDuo(t, func(cfg *[2]Config) {
		budget = *NewBudget()
		budget.Receive = 1 << 20
		cfg[1].Budget = &budget
	})
	c := d.ends[1].c
	for slot := range uint64(200) {
		for at := range uint64(300) {
			d.forge(1, AppendStream(nil, 0, CallName{slot, 1}, 1000+at*200, []byte("x")))
			d.ends[1].pump()
			d.air = d.air[:0]
		}
	}
	if c.phase != phaseOpen {
		t.Fatalf("closed: %s", c.session.reason)
	}
	if used, _ := budget.Used(); used > budget.Receive {
		t.Errorf("%d bytes are kept; the limit is %d", used, budget.Receive)
	}
	for _, s := range c.theirs {
		if len(s.in.above) > gaps {
			t.Errorf("%d holes", len(s.in.above))
		}
	}
	if c.Stats.Unacked == 0 {
		t.Error("nothing was dropped")
	}
	d.run(60*second, nil) // too slow: they are refused
	if used, _ := budget.Used(); used != 0 || c.theirsBusy != 0 {
		t.Errorf("%d bytes and %d calls are kept for who sends no more", used, c.theirsBusy)
	}
}

// TestPeerCalls has the server call its client, from within a handler.
func TestPeerCalls(t *testing.T) {
	d := newDuo(t, func(cfg *[2]Config) { cfg[0].Local.MaxSlots = 4 })
	d.lose = dropSome(d, 100)
	d.ends[0].serve = echo
	done := 0
	waiting := map[*Call]*Call{}
	d.ends[1].serve = func(e *end, ev Event) {
		switch ev.Kind {
		case EventMessage:
			back, r := new(Call), new(reply)
			if err := e.c.Begin(d.now, back, &Head{Path: "/p.Q/R"}, msg(ev.Message), true); err != nil {
				e.c.Finish(d.now, ev.Call, &lupine.Error{Code: lupine.ResourceExhausted}, nil)
				return
			}
			e.replies[back] = r
			waiting[back] = ev.Call
		}
	}
	for range 30 {
		var rs []*reply
		for range 4 {
			_, r := d.ends[0].begin("/a.B/C", []byte("there"))
			rs = append(rs, r)
		}
		d.run(30*second, func() bool {
			for back, call := range waiting {
				if r := d.ends[1].replies[back]; r.over {
					d.ends[1].c.Write(d.now, call, msg(append(r.messages[0], " and back"...)), false)
					d.ends[1].c.Finish(d.now, call, nil, nil)
					delete(waiting, back)
					done++
				}
			}
			for _, r := range rs {
				if !r.over {
					return false
				}
			}
			return true
		})
		for _, r := range rs {
			if !r.over || r.err != nil || string(r.messages[0]) != "there and back" {
				t.Fatalf("%+v", r)
			}
		}
	}
	if done != 120 {
		t.Errorf("%d peer calls", done)
	}
}

// TestIdentity refuses repeats that are not known, and calls meant for others.
func TestIdentity(t *testing.T) {
	for _, tt := range []struct {
		name string
		id   lupine.CallID
		code lupine.Code
	}{
		{"new", lupine.CallID{Seq: 1}, lupine.OK},
		{"for us", lupine.CallID{Seq: 1, Server: [16]byte{2}}, lupine.OK},
		{"for another", lupine.CallID{Seq: 1, Server: [16]byte{9}}, lupine.Unavailable},
		{"repeat", lupine.CallID{Seq: 1, Repeat: true}, lupine.Unavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDuo(t, nil)
			d.ends[1].serve = echo
			call, r := new(Call), new(reply)
			d.ends[0].replies[call] = r
			if err := d.ends[0].c.Begin(d.now, call, &Head{Path: "/a.B/C", ID: tt.id}, msg(nil), true); err != nil {
				t.Fatal(err)
			}
			d.run(second, func() bool { return r.over })
			if tt.code == lupine.OK {
				if r.err != nil {
					t.Fatal(r.err)
				}
				return
			}
			if r.err == nil || r.err.Code != tt.code || r.err.Executed != lupine.Maybe {
				t.Fatalf("%+v", r.err)
			}
		})
	}
}

// TestECN lowers the window for marks, and stops marking where they are not
// counted.
func TestECN(t *testing.T) {
	for _, bleach := range []bool{false, true} {
		d := newDuo(t, func(cfg *[2]Config) { cfg[0].ECN, cfg[1].ECN = true, true })
		d.ends[1].serve = echo
		n := 0
		d.mark = func() uint8 {
			if n++; bleach {
				return 0
			} else if n%50 == 0 {
				return 3
			}
			return 2
		}
		m := &countMarks{Controller: NewCubic(BaseMTU)}
		d.ends[0].c.cc = m
		_, r := d.ends[0].begin("/a.B/C", make([]byte, 4<<20))
		if !d.run(100*second, func() bool { return r.over }) || r.err != nil {
			t.Fatalf("%+v", r.err)
		}
		if !bleach && (m.n == 0 || d.ends[0].c.path.ecnFailed) {
			t.Errorf("%d marks, failed: %v", m.n, d.ends[0].c.path.ecnFailed)
		}
		if bleach && !d.ends[0].c.path.ecnFailed {
			t.Error("it goes on to mark what nobody counts")
		}
	}
}

type countMarks struct {
	Controller
	n int
}

func (c *countMarks) Marked(now, sent int64) { c.n++; c.Controller.Marked(now, sent) }
