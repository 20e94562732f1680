package engine

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// dropSome returns a lose that drops so many of 1000.
func dropSome(d *duo, of1000 uint64) func(int, []byte) bool {
	return func(int, []byte) bool { return d.rand.Uint64()%1000 < of1000 }
}

// TestBackToBack counts the datagrams of 1,000 calls (spec, section 6).
func TestBackToBack(t *testing.T) {
	d := newDuo(t, nil)
	d.delay = 50 * microsecond
	d.ends[1].serve = echo
	for i := range 1000 {
		_, r := d.ends[0].begin("/a.B/C", make([]byte, 64))
		if !d.run(second, func() bool { return r.over }) || r.err != nil {
			t.Fatalf("call %d: %v", i, r.err)
		}
	}
	d.run(10*second, nil)
	if n := d.ends[0].sent + d.ends[1].sent; n != 2001 {
		t.Errorf("1000 calls took %d datagrams; want 2001", n)
	}
}

// TestLoss counts the datagrams of calls at 30% loss each way: 3.47 (spec,
// section 6).
func TestLoss(t *testing.T) {
	d := newDuo(t, nil)
	starts := 0
	d.ends[1].serve = func(e *end, ev Event) {
		if ev.Kind == EventMessage {
			starts++
		}
		echo(e, ev)
	}
	d.lose = dropSome(d, 300)
	const calls = 3000
	for i := range calls {
		_, r := d.ends[0].begin("/a.B/C", []byte(fmt.Sprint(i)))
		if !d.run(60*second, func() bool { return r.over }) {
			t.Fatalf("call %d does not end", i)
		}
		if r.err != nil || string(r.messages[0]) != fmt.Sprint(i) {
			t.Fatalf("call %d: %q, %v", i, r.messages, r.err)
		}
	}
	if starts != calls {
		t.Errorf("%d calls ran %d times", calls, starts)
	}
	each := float64(d.ends[0].sent+d.ends[1].sent) / calls
	t.Logf("%.3f datagrams a call", each)
	if each < 3.47*0.95 || each > 3.47*1.05 {
		t.Errorf("%.3f datagrams a call; want 3.47", each)
	}
}

// TestMany has many calls at once, with loss: each ends with its reply.
func TestMany(t *testing.T) {
	for _, loss := range []uint64{0, 50, 300} {
		d := newDuo(t, nil)
		d.ends[1].serve = echo
		d.lose = dropSome(d, loss)
		for round := range 20 {
			var rs []*reply
			for i := range 64 {
				_, r := d.ends[0].begin("/a.B/C", []byte(fmt.Sprint(round, i)))
				rs = append(rs, r)
			}
			over := func() bool {
				for _, r := range rs {
					if !r.over {
						return false
					}
				}
				return true
			}
			if !d.run(30*second, over) {
				t.Fatalf("loss %d, round %d: calls do not end", loss, round)
			}
			for i, r := range rs {
				if r.err != nil || string(r.messages[0]) != fmt.Sprint(round, i) {
					t.Fatalf("loss %d: call %d: %q, %v", loss, i, r.messages, r.err)
				}
			}
		}
		d.run(20*second, nil)
		n := d.ends[0].sent + d.ends[1].sent
		t.Logf("loss %d: %.3f datagrams a call", loss, float64(n)/1280)
		d.run(20*second, nil)
		if m := d.ends[0].sent + d.ends[1].sent; m != n {
			t.Errorf("loss %d: an idle session sent %d datagrams", loss, m-n)
		}
		d.books()
	}
}

// books checks that nothing is left over in a session at rest.
func (d *duo) books() {
	d.t.Helper()
	for i, e := range d.ends {
		c := e.c
		if c.lazyLeft > 0 && c.sent.len() == 1 {
			// The lazy ack of its last replies was lost: only memory waits.
			if c.inFlight != 0 || c.theirsBusy != 0 {
				d.t.Errorf("end %d at rest: in flight %d, busy %d", i, c.inFlight, c.theirsBusy)
			}
			continue
		}
		if c.inFlight != 0 || c.replies != 0 || c.inUse != 0 || c.theirsBusy != 0 || c.reserved != 0 || len(c.wanting) != 0 {
			d.t.Errorf("end %d at rest: in flight %d, replies %d, in use %d, busy %d, reserved %d, wanting %d", i, c.inFlight, c.replies,
				c.inUse, c.theirsBusy, c.reserved, len(c.wanting))
		}
		if n := c.budget.receive.Load(); n != 0 {
			d.t.Errorf("end %d at rest keeps %d bytes of messages", i, n)
		}
		if n := c.sent.len(); n != 0 {
			d.t.Errorf("end %d at rest remembers %d packets", i, n)
		}
	}
}

// TestLong sends messages of many datagrams both ways, through loss.
func TestLong(t *testing.T) {
	for _, size := range []int{1100, 1200, 2000, 60_000, 70_000, 1 << 20, 20 << 20} {
		for _, loss := range []uint64{0, 50} {
			d := newDuo(t, nil)
			d.ends[1].serve = echo
			d.lose = dropSome(d, loss)
			want := make([]byte, size)
			for i := range want {
				want[i] = byte(i>>8) ^ byte(i)
			}
			_, r := d.ends[0].begin("/a.B/C", want)
			began := d.now
			if !d.run(600*second, func() bool { return r.over }) {
				t.Fatalf("size %d, loss %d: the call does not end", size, loss)
			}
			if r.err != nil || len(r.messages) != 1 || !bytes.Equal(r.messages[0], want) {
				t.Fatalf("size %d, loss %d: %d messages, %v", size, loss, len(r.messages), r.err)
			}
			t.Logf("size %d, loss %d: %.1f ms, %d datagrams", size, loss, float64(d.now-began)/1e6, d.ends[0].sent+d.ends[1].sent)
			d.run(20*second, nil)
			d.books()
		}
	}
}

// TestLie: a length that lies gets no memory. A message's buffer is made once a sixteenth
// of it has come, and nothing of it is kept when its call is over.
func TestLie(t *testing.T) {
	const size = 4 << 20
	made := 0
	d := newDuo(t, func(cfg *[2]Config) {
		cfg[1].Buffer = func(n int) []byte { made += n; return make([]byte, n) }
	})
	d.ends[1].serve = echo
	came := 0
	d.lose = func(from int, b []byte) bool {
		if from != 0 || len(b) < 500 {
			return false
		}
		came += len(b)
		return came > size/20
	}
	call, _ := d.ends[0].begin("/a.B/C", make([]byte, size))
	d.run(second, nil)
	if c := d.ends[1].c; made != 0 || c.reserved < size {
		t.Fatalf("%d bytes were made of a message of which a twentieth came; %d are reserved", made, c.reserved)
	}
	d.lose = func(from int, b []byte) bool {
		if from == 0 && len(b) >= 500 {
			came += len(b)
		}
		return made > 0 && from == 0 && len(b) >= 500
	}
	d.run(20*second, func() bool { return made > 0 })
	if made != size || came < size/16 {
		t.Errorf("%d bytes were made after %d came; want %d", made, came, size)
	}
	d.lose = nil
	d.ends[0].c.Cancel(d.now, call)
	d.run(20*second, nil)
	d.books()
}

// TestEnds lets calls end in each of the ways but OK.
func TestEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(e *end, ev Event)
		code  lupine.Code
		exec  lupine.Executed
	}{
		{"refused", func(e *end, ev Event) {
			if ev.Kind == EventCall {
				e.c.Refuse(e.d.now, ev.Call, lupine.Unimplemented, lupine.No, "no such method")
			}
		}, lupine.Unimplemented, lupine.No},
		{"failed", func(e *end, ev Event) {
			if ev.Kind == EventMessage {
				e.c.Finish(e.d.now, ev.Call, &lupine.Error{Code: lupine.NotFound, Message: "none", Details: []lupine.Detail{{Type: "a.B"}}}, nil)
			}
		}, lupine.NotFound, lupine.Yes},
		{"draining", func(e *end, ev Event) {}, lupine.Unavailable, lupine.No},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDuo(t, nil)
			d.ends[1].serve = tt.serve
			if tt.name == "draining" {
				d.ends[1].c.Drain(d.now)
			}
			_, r := d.ends[0].begin("/a.B/C", nil)
			if !d.run(second, func() bool { return r.over }) {
				t.Fatal("the call does not end")
			}
			if r.err == nil || r.err.Code != tt.code || r.err.Executed != tt.exec {
				t.Fatalf("error %#v", r.err)
			}
			if tt.name == "failed" && (len(r.err.Details) != 1 || r.err.Message != "none") {
				t.Errorf("error %#v", r.err)
			}
			d.run(20*second, nil)
			d.books()
			if tt.name == "draining" && (d.ends[0].gone == nil || d.ends[1].gone == nil) {
				t.Error("the session is not over")
			}
		})
	}
}

// TestCancel cancels before and after a datagram was made, and through loss.
func TestCancel(t *testing.T) {
	for _, loss := range []uint64{0, 300} {
		d := newDuo(t, nil)
		var running []*Call
		canceled := 0
		d.ends[1].serve = func(e *end, ev Event) {
			switch ev.Kind {
			case EventMessage:
				running = append(running, ev.Call)
			case EventCanceled:
				canceled++
				e.c.Finish(e.d.now, ev.Call, nil, nil)
			}
		}
		call, _ := d.ends[0].begin("/a.B/C", nil)
		if got := d.ends[0].c.Cancel(d.now, call); got != lupine.No {
			t.Errorf("before a datagram: executed %v", got)
		}
		d.lose = dropSome(d, loss)
		for i := range 50 {
			call, _ := d.ends[0].begin("/a.B/C", nil)
			if !d.run(20*second, func() bool { return len(running) == i+1 }) {
				t.Fatal("the call does not start")
			}
			if got := d.ends[0].c.Cancel(d.now, call); got != lupine.Maybe {
				t.Errorf("after a datagram: executed %v", got)
			}
			if !d.run(20*second, func() bool { return canceled == i+1 && d.ends[0].c.inUse == 0 }) {
				t.Fatalf("call %d: the handler is not told", i)
			}
		}
		d.run(20*second, nil)
		d.books()
	}
}

// TestStreams sends both ways at once.
func TestStreams(t *testing.T) {
	for _, loss := range []uint64{0, 100} {
		d := newDuo(t, nil)
		d.lose = dropSome(d, loss)
		d.ends[1].serve = func(e *end, ev Event) {
			switch ev.Kind {
			case EventCall:
				e.c.Header(e.d.now, ev.Call, ev.Head.Fields.Append(nil, e.c.rdict))
			case EventMessage:
				e.c.Write(e.d.now, ev.Call, msg(ev.Message), false)
				e.c.Consumed(e.d.now, ev.Call, len(ev.Message))
			}
			if ev.Kind == EventHalfClose || ev.End {
				e.c.Finish(e.d.now, ev.Call, nil, lupine.Metadata{{Key: "t", Value: "2"}})
			}
		}
		call, r := new(Call), new(reply)
		d.ends[0].replies[call] = r
		head := &Head{Kind: lupine.Bidi, Path: "/a.B/C", Metadata: lupine.Metadata{{Key: "k", Value: "v"}}}
		if err := d.ends[0].c.Begin(d.now, call, head, Message{}, false); err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			m := msg(bytes.Repeat([]byte{byte(i)}, i*i))
			m.Owner = i
			d.ends[0].c.Write(d.now, call, m, false)
			if i%10 == 0 {
				d.run(20*millisecond, nil)
			}
		}
		d.ends[0].c.Write(d.now, call, Message{}, true)
		if !d.run(600*second, func() bool { return r.over }) {
			t.Fatalf("loss %d: the stream does not end: %d messages", loss, len(r.messages))
		}
		if r.err != nil || len(r.messages) != 200 || fmt.Sprint(r.header, r.trailer) != "[{k v}] [{t 2}]" {
			t.Fatalf("%d messages, header %v, trailer %v, error %v", len(r.messages), r.header, r.trailer, r.err)
		}
		for i, m := range r.messages {
			if !bytes.Equal(m, bytes.Repeat([]byte{byte(i)}, i*i)) {
				t.Fatalf("message %d has %d bytes", i, len(m))
			}
		}
		d.run(20*second, nil)
		if len(d.ends[0].freed) != 200 {
			t.Errorf("%d messages were released", len(d.ends[0].freed))
		}
		d.books()
	}
}
