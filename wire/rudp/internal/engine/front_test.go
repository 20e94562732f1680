package engine

import (
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// TestDialFails: a dial that cannot succeed says why.
func TestDialFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(d *duo)
		code   Code
		reason string
		most   int64
	}{
		{"wrong mode", func(d *duo) { d.front.mode = ModeTLS }, CodeMode, "TLS", 100 * millisecond},
		{"no common version", func(d *duo) {
			d.lose = func(from int, b []byte) bool {
				if from == 0 {
					v := AppendVersions(nil, &Versions{To: 100, ID: testID, List: []byte{1, 2}})
					d.air = append(d.air, flight{d.now + d.delay, 0, v})
				}
				return true
			}
		}, CodeVersion, "version", 100 * millisecond},
		{"nobody", func(d *duo) { d.lose = func(int, []byte) bool { return true } }, CodeNone, "nothing came back", 11 * second},
		{"cookie, then silence", func(d *duo) {
			n := 0
			d.lose = func(int, []byte) bool { n++; return n > 1 }
		}, CodeNone, "a cookie came", 11 * second},
		{"full", func(d *duo) { d.full = true }, CodeBusy, "", 100 * millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newHello(t, nil)
			tt.change(d)
			began := d.now
			d.run(tt.most, func() bool { return d.ends[0].down != nil })
			g := d.ends[0].down
			if g == nil || g.Code != tt.code || !strings.Contains(g.Err.Message, tt.reason) {
				t.Fatalf("after %d ms: %+v", (d.now-began)/millisecond, g)
			}
			d.run(20*second, nil)
			if d.ends[0].gone == nil {
				t.Error("the attempt is not over")
			}
		})
	}
}

// TestToken: a token saves a round trip; one of an earlier run of the server does
// not hurt.
func TestToken(t *testing.T) {
	for _, good := range []bool{true, false} {
		d := newHello(t, nil)
		token := d.front.Token(d.now, testFrom.Addr())
		if !good {
			token = NewFront(FrontConfig{Secret: [32]byte{9}}, d.now).Token(d.now, testFrom.Addr())
		}
		cfg := d.ends[0].c.cfg
		front := d.ends[0].front
		cfg.Cookie = token
		d.add(0, cfg).front = front
		began := d.now
		if !d.run(5*second, func() bool { return d.ends[0].open }) {
			t.Fatal("the handshake does not end")
		}
		if trips := (d.now - began) / (2 * d.delay); good && trips != 1 || !good && trips != 2 {
			t.Errorf("good: %v: %d round trips", good, trips)
		}
	}
}

// TestServerGone: RESETs end a session whose server was restarted, and not one whose
// server lives.
func TestServerGone(t *testing.T) {
	for _, lives := range []bool{false, true} {
		d := newDuo(t, nil)
		d.ends[1].serve = echo
		_, r := d.ends[0].begin("/a.B/C", nil)
		d.run(second, func() bool { return r.over })
		front := NewFront(FrontConfig{}, d.now)
		d.ends[0].front = func(b []byte) bool {
			answer, verdict := front.Unknown(d.now, b, nil)
			if verdict == VerdictAnswer {
				d.air = append(d.air, flight{d.now + 2*d.delay, 0, answer})
			}
			return !lives
		}
		_, r = d.ends[0].begin("/a.B/C", nil)
		began := d.now
		d.run(5*second, func() bool { return r.over })
		switch took := d.now - began; {
		case !r.over:
			t.Fatal("the call does not end")
		case lives && r.err != nil:
			t.Errorf("a forged RESET is believed: %v", r.err)
		case !lives && (r.err == nil || r.err.Code != lupine.Unavailable || r.err.Executed != lupine.Maybe || took > second):
			t.Errorf("after %d ms: %v", took/millisecond, r.err)
		}
	}
}

// TestSilence: how long a client and a server wait for each other.
func TestSilence(t *testing.T) {
	d := newDuo(t, nil)
	canceled := int64(0)
	var call *Call
	d.ends[1].serve = func(e *end, ev Event) {
		switch ev.Kind {
		case EventMessage:
			call = ev.Call
		case EventCanceled:
			canceled = d.now
		}
	}
	_, r := d.ends[0].begin("/a.B/C", nil)
	d.run(60*second, nil)
	if r.over || canceled != 0 {
		t.Fatal("a long call is given up")
	}
	sent := d.ends[0].sent
	d.run(600*second, nil)
	if n := d.ends[0].sent - sent; n > 1300 || n < 550 {
		t.Errorf("%d datagrams in 600 s of waiting", n)
	}
	cut := d.now
	d.lose = func(int, []byte) bool { return true }
	d.run(30*second, nil)
	if d.ends[0].down == nil || !r.over || r.err.Executed != lupine.Maybe {
		t.Fatalf("the client does not notice: %+v", r)
	}
	if took := r.at - cut; took < 9*second || took > 12*second {
		t.Errorf("its call ended after %d ms", took/millisecond)
	}
	if took := canceled - cut; took < 9*second || took > 12*second {
		t.Errorf("the handler was told after %d ms", took/millisecond)
	}
	d.ends[1].c.Finish(d.now, call, nil, nil)
	d.run(600*second, nil)
	if d.ends[1].gone == nil {
		t.Error("the server keeps the session for ever")
	}
}
