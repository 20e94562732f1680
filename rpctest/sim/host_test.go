package sim

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestCrash(t *testing.T) {
	for _, stragglers := range []bool{false, true} {
		p := newPair(t, 1, NetConfig{Link: LinkConfig{Delay: 10e6}})
		ran, closed, booted := 0, 0, 0
		p.b.After(20e6, func() { ran++ })
		p.to.Closed = func() { closed++ }
		p.b.Boot = func() {
			booted++
			if len(p.b.sockets) != 0 {
				t.Error("a restarted host has sockets")
			}
			p.to = open(t, p.b, 7, p.arrive)
		}
		p.to.Send(p.from.Addr(), 0, nil) // leaves before the crash, and arrives
		p.send(20)                       // 0: arrives while it is down
		p.clock.RunUntil(5e6)
		p.send(20) // 1: under way when it crashes, arrives after the restart
		old := p.to
		p.b.Crash(stragglers)
		p.b.Crash(stragglers)
		if _, err := p.b.Socket(9, nil); err == nil || p.b.Up() {
			t.Error("a host that is down opened a socket")
		}
		if err := old.Send(p.from.Addr(), 0, nil); err == nil {
			t.Error("a crashed host's socket sent")
		}
		p.clock.RunUntil(7e6)
		p.send(20) // 2: sent while it is down, arrives after the restart
		p.clock.RunUntil(12e6)
		p.b.Restart()
		p.b.Restart()
		p.b.After(1, func() { ran += 10 })
		p.run()
		p.conserved()
		c := p.link.Counts()
		want := []uint32{2}
		if stragglers {
			want = []uint32{1, 2}
		}
		if !slices.Equal(p.numbers, want) || c.Crashed != 3-len(want) || c.Stragglers != len(want)-1 {
			t.Errorf("stragglers %v: %v arrived, want %v; %+v", stragglers, p.numbers, want, c)
		}
		if ran != 10 || closed != 1 || booted != 1 || p.b.Incarnation() != 1 || p.net.Link("b", "a").Counts().Arrived != 1 {
			t.Errorf("timers %d, closed %d, booted %d, incarnation %d", ran, closed, booted, p.b.Incarnation())
		}
	}
}

func TestPorts(t *testing.T) {
	p := newPair(t, 1, NetConfig{})
	if _, err := p.b.Socket(7, nil); err == nil || !strings.Contains(err.Error(), "port 7 of host b is open") {
		t.Errorf("port 7 was opened twice: %v", err)
	}
	s := open(t, p.b, 8, nil)
	p.from.Send(s.Addr(), 0, []byte("to nobody"))
	p.run()
	if c := p.link.Counts(); c.Arrived != 1 {
		t.Errorf("%+v", c)
	}
	used := map[uint16]bool{}
	for range 1<<16 - firstEphemeral {
		s := open(t, p.b, 0, nil)
		if used[s.port] {
			t.Fatalf("port %d was given out twice", s.port)
		}
		used[s.port] = true
	}
	if _, err := p.b.Socket(0, nil); err == nil || !strings.Contains(err.Error(), "no free port") {
		t.Errorf("a port too many: %v", err)
	}
	if p.net.Host("b") != p.b || p.b.Name() != "b" || p.a.Addr() == p.b.Addr() {
		t.Error("hosts are mixed up")
	}
}

// TestPause: what comes waits, in order, as far as there is room.
func TestPause(t *testing.T) {
	p := newPair(t, 1, NetConfig{ReceiveBuffer: 200})
	var events []string
	p.to.arrive = func(_ netip.AddrPort, _ byte, b []byte) { events = append(events, "datagram") }
	p.b.After(5, func() { events = append(events, "timer") })
	p.b.After(6, func() { events = append(events, "wrong") }).Stop()
	late := p.b.After(7, func() { events = append(events, "wrong") })
	p.b.Pause(100)
	p.send(60)
	p.clock.RunUntil(6)
	p.send(60)
	p.clock.RunUntil(50)
	late.Stop() // it is due, but has not run
	p.b.Pause(20)
	p.send(60)
	p.send(60) // no room
	p.clock.RunUntil(99)
	if len(events) > 0 {
		t.Fatalf("a paused host did %v", events)
	}
	p.conserved()
	p.run()
	if want := []string{"datagram", "timer", "datagram", "datagram"}; !slices.Equal(events, want) || p.clock.Now() != 100 {
		t.Errorf("%v at %d, want %v", events, p.clock.Now(), want)
	}
	if c := p.link.Counts(); c.Unread != 1 || p.b.heldBytes != 0 {
		t.Errorf("%+v, %d bytes held", c, p.b.heldBytes)
	}
	// What is due as the pause ends comes behind what has waited.
	events = nil
	p.b.After(10, func() { events = append(events, "timer") })
	p.b.Pause(10)
	p.send(60)
	p.run()
	if want := []string{"datagram", "timer"}; !slices.Equal(events, want) {
		t.Errorf("%v, want %v", events, want)
	}
	p.b.Pause(10)
	p.send(60)
	p.clock.RunUntil(p.clock.Now() + 1)
	p.b.Crash(true)
	p.b.Pause(5)
	p.run()
	p.conserved()
	if c := p.link.Counts(); c.Crashed != 1 {
		t.Errorf("what waited at a host that crashed: %+v", c)
	}
}

func TestHostClock(t *testing.T) {
	p := newPair(t, 1, NetConfig{})
	r := NewRand(3, 0)
	for range 2000 {
		h := p.a
		switch r.IntN(4) {
		case 0:
			before := h.Now()
			d := r.Between(-5e9, 5e9)
			if h.Jump(d); h.Now() != before+d {
				t.Fatalf("a jump of %d was one of %d", d, h.Now()-before)
			}
		case 1:
			before := h.Now()
			if h.Drift(int(r.Between(-600_000, 600_000))); h.Now() != before {
				t.Fatal("a change of drift moved the clock")
			}
		}
		// A timer is never early by the host's clock, and at most some ns late.
		d := r.Between(0, Pick(r, int64(5), 1e6, 3600e9))
		set, done := h.Now(), false
		h.After(d, func() {
			done = true
			if e := h.Now() - set - d; e < 0 || e > 3 {
				t.Fatalf("a timer of %d ns was off by %d with a drift of %d", d, e, h.ppm)
			}
		})
		p.run()
		if !done {
			t.Fatal("a timer did not run")
		}
	}
	p.a.Drift(1000) // 1 ms a second
	a, b := p.a.Now(), p.b.Now()
	p.clock.RunUntil(p.clock.Now() + 10e9)
	if got := (p.a.Now() - a) - (p.b.Now() - b); got != 10e6 {
		t.Errorf("in 10 s it drifted by %d ns, want 10 ms", got)
	}
	// Timers that are set run on as a Go timer does.
	ran := false
	p.b.After(1e9, func() { ran = true })
	p.b.Jump(3600e9)
	p.clock.RunUntil(p.clock.Now() + 1e9 - 1)
	if ran {
		t.Error("a jump made a timer run early")
	}
	p.run()
	if !ran {
		t.Error("a jump lost a timer")
	}
}

// TestSkew: clocks disagree from the beginning, as much as is allowed, and alike
// for a seed.
func TestSkew(t *testing.T) {
	var quarters [4]int
	for seed := range uint64(400) {
		p, q := newPair(t, seed, NetConfig{Skew: 1000}), newPair(t, seed, NetConfig{Skew: 1000})
		if p.a.Now() != q.a.Now() || p.a.Now() < 0 || p.a.Now() > 1000 {
			t.Fatalf("seed %d: clocks show %d and %d", seed, p.a.Now(), q.a.Now())
		}
		quarters[min((p.b.Now()-p.a.Now()+1000)/500, 3)]++
	}
	near(t, "b is ahead", quarters[2]+quarters[3], 400, 500)
	near(t, "b is ahead by half and more", quarters[3], 400, 125)
}

// TestOverwritten: who keeps what arrives keeps rubbish.
func TestOverwritten(t *testing.T) {
	p := newPair(t, 1, NetConfig{})
	var kept []byte
	p.to.arrive = func(_ netip.AddrPort, _ byte, b []byte) { kept = b }
	p.send(3000)
	p.run()
	if slices.ContainsFunc(kept[:2048], func(c byte) bool { return c != 0xaa }) {
		t.Error("a datagram's contents can be used after arrive has returned")
	}
}

// TestSteadyState: a datagram costs no allocation once there are enough of them.
func TestSteadyState(t *testing.T) {
	p := newPair(t, 1, NetConfig{Link: LinkConfig{Delay: 100, Rate: 1e9, Loss: 10, Duplicate: 10, Reorder: 10, Corrupt: 10, Late: 50}})
	got := 0
	p.to.arrive = func(netip.AddrPort, byte, []byte) { got++ }
	b, to := make([]byte, 1200), p.to.Addr()
	one := func() {
		for range 20 {
			p.from.Send(to, 2, b)
		}
		p.run()
	}
	for range 100 {
		one()
	}
	if n := testing.AllocsPerRun(500, one); n > 0 {
		t.Errorf("%v allocations for 20 datagrams", n)
	}
	if got == 0 {
		t.Error("nothing arrived")
	}
}

func BenchmarkLink(b *testing.B) {
	for _, c := range []struct {
		name string
		cfg  LinkConfig
	}{
		{"plain", LinkConfig{Delay: 1e6}},
		{"faults", LinkConfig{Delay: 1e6, Jitter: 1e6, Rate: 1e9, Loss: 10, BurstEnter: 5, Duplicate: 10, Reorder: 10, Corrupt: 10}},
	} {
		b.Run(c.name, func(b *testing.B) {
			var clock Clock
			n := NewNet(&clock, NewRand(1, 0), NetConfig{Link: c.cfg})
			got := 0
			from, _ := n.Host("a").Socket(0, func(netip.AddrPort, byte, []byte) {})
			s, _ := n.Host("b").Socket(7, func(netip.AddrPort, byte, []byte) { got++ })
			data, to := make([]byte, 1200), s.Addr()
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				from.Send(to, 2, data)
				clock.RunUntil(clock.Now() + 2000) // some 500 under way
			}
			if got == 0 {
				b.Fatal("nothing arrived")
			}
		})
	}
}
