package engine

import (
	"net/netip"
	"testing"
)

// TestMTU finds the path's MTU when there is demand, keeps to it, and finds its
// way back from a black hole.
func TestMTU(t *testing.T) {
	for _, path := range []int{1200, 1300, 1452, 3000, 9000, 65000} {
		d := newDuo(t, func(cfg *[2]Config) { cfg[0].SameHost, cfg[1].SameHost = true, true })
		d.ends[1].serve = echo
		holed := 0
		d.lose = func(_ int, b []byte) bool {
			if len(b) > path {
				holed++
			}
			return len(b) > path
		}
		want := BaseMTU
		for _, step := range mtuSteps {
			if step <= path {
				want = step
			}
		}
		_, r := d.ends[0].begin("/a.B/C", make([]byte, 64))
		if !d.run(second, func() bool { return r.over }) || d.ends[0].c.search.wanted {
			t.Fatal("a small call made it look for the MTU")
		}
		for range 4 {
			_, r := d.ends[0].begin("/a.B/C", make([]byte, 4<<20))
			if !d.run(100*second, func() bool { return r.over }) || r.err != nil {
				t.Fatalf("path %d: %+v", path, r.err)
			}
		}
		for i, e := range d.ends {
			if e.c.mtu != want {
				t.Errorf("path %d: end %d uses %d; want %d", path, i, e.c.mtu, want)
			}
		}
		if holed > 6 {
			t.Errorf("path %d: %d datagrams were too long", path, holed)
		}
		path = 1250 // a black hole
		_, r = d.ends[0].begin("/a.B/C", make([]byte, 100<<10))
		if !d.run(100*second, func() bool { return r.over }) || r.err != nil {
			t.Fatalf("path %d: %+v", path, r.err)
		}
		d.run(20*second, nil)
		d.books()
	}
}

// TestPath moves the client to another address, and lets others pretend that.
func TestPath(t *testing.T) {
	d := newDuo(t, nil)
	d.ends[1].serve = echo
	call := func() *reply {
		t.Helper()
		_, r := d.ends[0].begin("/a.B/C", []byte("hello"))
		if !d.run(20*second, func() bool { return r.over }) || r.err != nil {
			t.Fatalf("%+v", r.err)
		}
		return r
	}
	call()
	s := d.ends[1].c
	if s.path.here != testFrom {
		t.Fatalf("the client is at %v", s.path.here)
	}
	moved := netip.MustParseAddrPort("198.51.100.1:99")
	d.from = func(to int, b []byte) netip.AddrPort { return moved }
	call()
	d.run(second, nil)
	if s.path.here != moved || s.path.trial {
		t.Errorf("the client has moved to %v; the server has %v, on trial: %v", moved, s.path.here, s.path.trial)
	}
	// Somebody else sends what he saw from his own address, first, and cannot answer.
	forged := netip.MustParseAddrPort("203.0.113.9:1")
	var got, sent int
	one := true
	d.from = func(to int, b []byte) netip.AddrPort {
		if to == 1 && one {
			one = false
			got += len(b)
			return forged
		}
		return moved
	}
	d.lose = func(from int, b []byte) bool {
		if from == 1 && d.to == forged {
			sent += len(b)
			return true
		}
		return false
	}
	call()
	d.run(10*second, nil)
	call()
	if s.path.here != moved || s.path.trial {
		t.Errorf("the server has %v, on trial: %v", s.path.here, s.path.trial)
	}
	if sent > 3*got {
		t.Errorf("%d bytes were sent to an address from which %d came", sent, got)
	}
	if one {
		t.Error("nothing was forged")
	}
}

// TestLostOnTrial: a server owes an ACK to an address on trial to which it may send no more; it
// gives its client up, and goes back to the old address. Then nothing is due before something
// comes.
func TestLostOnTrial(t *testing.T) {
	d := newDuo(t, nil)
	d.ends[1].serve = echo
	_, r := d.ends[0].begin("/a.B/C", []byte("hello"))
	d.run(second, func() bool { return r.over })
	s := d.ends[1].c
	// A call comes from somebody else's address, who is fast and says no more. Its handler is
	// slow, so that the server waits for nobody but owes an ACK.
	d.ends[1].serve = nil
	d.lose = func(int, []byte) bool { return true }
	other := netip.MustParseAddrPort("203.0.113.9:1")
	b := AppendHeader(nil, Header{KindData0, s.cfg.Index, s.window.next})
	b = append(b, AppendStream(nil, StreamFin|StreamLength, CallName{1, 1}, 0, request(nil))...)
	var p Packet
	b = testSeal.Seal(b, 0, 0)
	if drop := s.Opener().Open(b, &p); drop != DropNone {
		t.Fatal(drop)
	}
	p.From, p.Size = other, 20 // too few for a challenge and an ACK
	s.Receive(d.now, &p)
	d.ends[1].take()
	s.Flush(d.now)
	d.ends[1].pump()
	if !s.path.stuck() {
		t.Fatal("the address on trial may get more")
	}
	s.lose(d.now, "the test says so") // as LostAfter would, in a session that waits
	d.run(20*second, nil)             // newDuo fails where the engines do not come to rest
	for range 100 {
		if at := s.Next(); at != 0 && at <= d.now {
			s.Tick(d.now)
			d.ends[1].take()
			d.ends[1].pump()
			continue
		}
		return
	}
	t.Errorf("the timer is due again and again: at %d, now is %d", s.Next(), d.now)
}
