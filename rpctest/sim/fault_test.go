package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// traffic runs a pair whose b answers each datagram, under random faults, and
// returns it when nothing is left to do.
func traffic(t *testing.T, seed uint64, cfg NetConfig, faults []Fault) *pair {
	p := newPair(t, seed, cfg)
	echo := func(from netip.AddrPort, ecn byte, b []byte) { p.to.Send(from, ecn, b) }
	p.b.Boot = func() { p.to = open(t, p.b, 7, echo) }
	p.to.arrive = echo
	boot := func() {
		p.from = open(t, p.a, 0, func(netip.AddrPort, byte, []byte) {})
		var send func()
		k := p.sent
		send = func() {
			k++
			p.from.Send(p.to.Addr(), 2, make([]byte, k*37%1500))
			p.a.After(500e3, send)
		}
		send()
	}
	p.a.Boot = boot
	p.from.Close()
	if err := p.net.Play(faults...); err != nil {
		t.Fatal(err)
	}
	boot()
	p.clock.RunUntil(300e6)
	p.conserved()
	p.net.Heal()
	p.clock.RunUntil(400e6)
	return p
}

var rough = LinkConfig{Delay: 1e6, Jitter: 3e6, Loss: 20, BurstEnter: 10, Duplicate: 20, Reorder: 20, Corrupt: 20, Rate: 3e6, Queue: 8000, Mark: 4000, MTU: 1450, Reports: true}

var roughPlan = Plan{Hosts: []string{"a", "b"}, Count: 6, Span: 300e6, Link: rough}

// TestReplay: one seed is one run; what chance did can be played, and gives the
// same run.
func TestReplay(t *testing.T) {
	seen := map[uint64]uint64{}
	totals := Tally{}
	recorded := 0
	for seed := range uint64(40) {
		faults := roughPlan.Draw(NewRand(seed, 9))
		cfg := NetConfig{Link: rough, Record: true}
		p := traffic(t, seed, cfg, faults)
		sum := p.net.Trace().Sum()
		if other, ok := seen[sum]; ok {
			t.Fatalf("seeds %d and %d have the same trace", seed, other)
		}
		seen[sum] = seed
		if again := traffic(t, seed, cfg, faults).net.Trace().Sum(); again != sum {
			t.Fatalf("seed %d: traces %x and %x", seed, sum, again)
		}
		all := append(faults, p.net.Recorded()...)
		recorded += len(p.net.Recorded())
		cfg.Scripted = true
		q := traffic(t, seed, cfg, all)
		if got := q.net.Trace().Sum(); got != sum {
			t.Fatalf("seed %d: played from the record it has another trace\n%v\n%v", seed, p.net.Tally(), q.net.Tally())
		}
		first := len(faults) // recorded
		if fewer := traffic(t, seed, cfg, slices.Delete(slices.Clone(all), first, first+1)).net.Trace().Sum(); fewer == sum {
			t.Fatalf("seed %d: without this it has the same trace: %v", seed, all[first])
		}
		totals.Add(p.net.Tally())
	}
	for _, name := range []string{"loss", "loss in a burst", "partition", "queue full", "longer than MTU", "lost in a crash", "duplicate", "corruption", "reordering",
		"mark CE", "straggler", "crash", "restart", "pause", "clock jump", "clock drift", "rebinding", "change of address", "port closed", "no such address"} {
		if totals["fault: "+name] == 0 {
			t.Errorf("no %s in 40 runs", name)
		}
	}
	t.Logf("%d faults recorded\n%v", recorded, totals)
}

// TestDrawsAreApart: a fault of one kind leaves the others where they were.
func TestDrawsAreApart(t *testing.T) {
	lost := func(cfg LinkConfig) (numbers []int) {
		p := newPair(t, 8, NetConfig{Link: cfg, Record: true})
		for range 2000 {
			p.send(20)
			p.run()
		}
		for _, f := range p.net.Recorded() {
			if f.Op == OpDrop {
				numbers = append(numbers, f.Nth)
			}
		}
		return numbers
	}
	plain := lost(LinkConfig{Loss: 50})
	if other := lost(LinkConfig{Loss: 50, Jitter: 100, Duplicate: 300, Reorder: 300, Corrupt: 300}); !slices.Equal(plain, other) {
		t.Errorf("other faults changed which datagrams are lost")
	}
	more := lost(LinkConfig{Loss: 100})
	if slices.ContainsFunc(plain, func(n int) bool { return !slices.Contains(more, n) }) || len(more) <= len(plain) {
		t.Errorf("what is lost at 5%% is not lost at 10%%")
	}
}

// TestPlayDatagrams: faults of single datagrams hit those.
func TestPlayDatagrams(t *testing.T) {
	p := newPair(t, 1, NetConfig{Link: LinkConfig{Delay: 100, Loss: 1000, Duplicate: 1000}, Scripted: true})
	err := p.net.Play(
		Fault{Op: OpCorrupt, From: "a", To: "b", Nth: 8, Value: 3},
		Fault{Op: OpDrop, From: "a", To: "b", Nth: 3},
		Fault{Op: OpDuplicate, From: "a", To: "b", Nth: 4, Value: 25},
		Fault{Op: OpReorder, From: "a", To: "b", Nth: 6, Value: 15},
		Fault{Op: OpDrop, From: "b", To: "a", Nth: 1},
		Fault{Op: OpDrop, From: "a", To: "b", Nth: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		p.send(40)
		p.clock.RunUntil(p.clock.Now() + 10)
	}
	p.run()
	if want := []uint32{0, 1, 3, 4, 3, 6, 5}; !slices.Equal(p.numbers, want) || p.bad != 1 {
		t.Errorf("%v arrived, want %v", p.numbers, want)
	}
	if want := []int64{100, 110, 130, 140, 155, 160, 165}; !slices.Equal(p.at, want) {
		t.Errorf("arrivals at %v, want %v", p.at, want)
	}
	if c := p.link.Counts(); c.Lost != 1 || c.Duplicated != 1 || c.Reordered != 1 || c.Corrupted != 1 || p.net.Faults() != 4 {
		t.Errorf("%+v", c)
	}
}

// TestPlayOverlaps: faults that overlap end as they should.
func TestPlayOverlaps(t *testing.T) {
	p := newPair(t, 1, NetConfig{})
	slow, mtu := LinkConfig{Delay: 1}, LinkConfig{MTU: 20}
	p.net.Play(
		Fault{Op: OpBlock, From: "a", To: "b", At: 10, For: 20},
		Fault{Op: OpBlock, From: "a", To: "b", At: 20, For: 20},
		Fault{Op: OpLink, From: "a", To: "b", At: 100, For: 50, Link: slow},
		Fault{Op: OpLink, From: "a", To: "b", At: 120, For: 50, Link: mtu},
		Fault{Op: OpCrash, From: "b", At: 200, For: 30},
		Fault{Op: OpCrash, From: "b", At: 210, For: 5},
		Fault{Op: OpDrift, From: "a", At: 300, For: 50, Value: 1000})
	state := func() string {
		return fmt.Sprint(p.link.blocks, " ", p.link.Config, " ", p.b.Up(), " ", p.a.ppm)
	}
	for _, c := range []struct {
		at   int64
		want string
	}{
		{9, "0 a link without faults true 0"}, {10, "1 a link without faults true 0"}, {25, "2 a link without faults true 0"},
		{35, "1 a link without faults true 0"}, {40, "0 a link without faults true 0"}, {110, "0 Delay=0.000ms true 0"},
		{130, "0 MTU=20 true 0"}, {155, "0 MTU=20 true 0"}, {170, "0 a link without faults true 0"},
		{216, "0 a link without faults false 0"}, {230, "0 a link without faults true 0"}, {310, "0 a link without faults true 1000"},
		{351, "0 a link without faults true 0"},
	} {
		if p.clock.RunUntil(c.at); state() != c.want {
			t.Errorf("at %d: %s, want %s", c.at, state(), c.want)
		}
	}
	p.net.Play(
		Fault{Op: OpBlock, From: "a", To: "b", For: 50},
		Fault{Op: OpLink, From: "a", To: "b", Link: slow},
		Fault{Op: OpCrash, From: "b"},
		Fault{Op: OpPause, From: "a", For: 1e9},
		Fault{Op: OpDrop, From: "a", To: "b", Nth: 1},
		Fault{Op: OpBlock, From: "a", To: "b", At: 1000},
		Fault{Op: OpBlock, From: "a", To: "b", At: 1000})
	p.clock.RunUntil(360)
	if got := state(); got != "1 Delay=0.000ms false 0" || !p.a.busy() {
		t.Fatalf("faults: %s", got)
	}
	p.net.Heal()
	p.clock.RunUntil(2000)
	if got := state(); got != "0 a link without faults true 0" || p.a.busy() || len(p.link.script) != 1 {
		t.Errorf("healed: %s", got)
	}
}

// TestRestartIsOfItsCrash: the restart of a crash that was played does not end
// another crash.
func TestRestartIsOfItsCrash(t *testing.T) {
	p := newPair(t, 1, NetConfig{})
	p.net.Play(Fault{Op: OpCrash, From: "b", At: 10, For: 30})
	p.clock.RunUntil(20)
	p.b.Restart()
	p.b.Crash(false)
	p.run()
	if p.b.Up() || p.b.Incarnation() != 2 {
		t.Errorf("up %v after %d crashes", p.b.Up(), p.b.Incarnation())
	}
}

func TestPlayErrors(t *testing.T) {
	p := newPair(t, 1, NetConfig{})
	for _, c := range []struct {
		f    Fault
		want string
	}{
		{Fault{Op: OpCrash, From: "c"}, `there is no host "c"`},
		{Fault{Op: OpBlock, From: "a", To: "c"}, `there is no host "c"`},
		{Fault{Op: OpDrop, From: "a", To: "b"}, "Nth counts from 1"},
		{Fault{Op: 200, From: "a", To: "b"}, "Op(200)"},
	} {
		err := p.net.Play(Fault{Op: OpCrash, From: "a"}, c.f)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v", c.f, err)
		}
	}
	if _, ok := p.clock.Next(); ok {
		t.Error("faults of a list that was refused are played")
	}
}

// TestSimpler: forms of a fault get simpler until there are none; each is
// printed, and differs from it.
func TestSimpler(t *testing.T) {
	plan := roughPlan
	plan.Count = 2000
	plan.Ops = nil
	for o := range numOps {
		plan.Ops = append(plan.Ops, o)
	}
	faults := plan.Draw(NewRand(1, 1))
	if len(Plan{}.Draw(NewRand(1, 1))) != 0 || len(faults) != 2000 {
		t.Fatalf("%d faults", len(faults))
	}
	kinds := map[Op]int{}
	for _, f := range faults {
		kinds[f.Op]++
		if s := f.String(); !strings.Contains(s, f.Op.String()) || strings.Contains(s, "%!") {
			t.Fatalf("%q", s)
		}
		if f.Op.ofLink() && f.From == f.To {
			t.Fatalf("%v is of one host", f)
		}
	}
	for o := range numOps {
		near(t, o.String(), kinds[o], 2000, 1000/float64(numOps))
	}
	always := func([]Fault) bool { return true }
	for _, f := range faults {
		least := Simplify([]Fault{f}, 1000, Fault.Simpler, always)[0]
		if n := len(least.Simpler()); n > 0 {
			t.Fatalf("%v became %v, of which there are %d simpler forms", f, least, n)
		}
		if f.Op == OpLink && least.Link != (LinkConfig{}) {
			t.Fatalf("%v became %v", f, least)
		}
	}
}
