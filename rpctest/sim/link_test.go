package sim

import (
	"slices"
	"testing"
)

// TestRate: 30,000 bytes a second are a datagram of 1,000 bytes each 33 1/3 ms;
// thirds of a nanosecond do not get lost.
func TestRate(t *testing.T) {
	p := newPair(t, 1, NetConfig{Link: LinkConfig{Rate: 30_000, Delay: 5, Queue: 1e6}})
	for range 300 {
		p.send(1000)
	}
	if q := p.link.Queued(); q != 300_000 {
		t.Fatalf("%d bytes are queued", q)
	}
	p.run()
	for i, at := range p.at {
		if want := int64(i+1)*1000*1e9/30_000 + 5; at != want {
			t.Fatalf("datagram %d arrived at %d, want %d", i, at, want)
		}
	}
	if len(p.at) != 300 || p.link.Queued() != 0 {
		t.Fatalf("%d arrived, %d bytes are queued", len(p.at), p.link.Queued())
	}
	p.clock.RunUntil(100e9) // idle time earns nothing
	p.send(30)
	p.run()
	if got := p.at[300] - 100e9; got != 1e6+5 {
		t.Errorf("after a rest 30 bytes took %d ns", got)
	}
}

// TestQueue: what does not fit is dropped, from the tail; marks begin above Mark.
func TestQueue(t *testing.T) {
	p := newPair(t, 1, NetConfig{Link: LinkConfig{Rate: 1e6, Queue: 5000, Mark: 3000}})
	for range 10 {
		p.send(1000)
	}
	p.run()
	c := p.link.Counts()
	if want := []uint32{0, 1, 2, 3, 4}; !slices.Equal(p.numbers, want) || c.Overflowed != 5 {
		t.Fatalf("%v arrived, want %v; %+v", p.numbers, want, c)
	}
	if want := []byte{2, 2, 2, 2, 3}; !slices.Equal(p.ecn, want) || c.Marked != 1 {
		t.Errorf("ECN bits %v, want %v", p.ecn, want)
	}
	p.send(9000) // alone it fits
	p.run()
	if len(p.numbers) != 6 {
		t.Error("a datagram longer than the empty queue was dropped")
	}
	for range 6 { // half a datagram has left when the last comes
		p.send(1000)
		p.clock.RunUntil(p.clock.Now() + 100e3)
	}
	p.run()
	if c := p.link.Counts(); c.Overflowed != 6 {
		t.Errorf("%d did not fit, want 6", c.Overflowed)
	}
	p.link.Config = LinkConfig{Bleach: true}
	p.send(20)
	p.run()
	if c := p.link.Counts(); p.ecn[len(p.ecn)-1] != 0 || c.Bleached != 1 {
		t.Error("ECN bits were not cleared")
	}
}

// TestUnderWay: the memory of a link without a rate is bounded too.
func TestUnderWay(t *testing.T) {
	p := newPair(t, 1, NetConfig{Link: LinkConfig{Delay: 1e9, UnderWay: 10_000}})
	for range 100 {
		p.send(300)
	}
	if n, size := p.link.UnderWay(); n != 33 || size != 9900 || p.link.Counts().Overflowed != 67 {
		t.Fatalf("%d datagrams, %d bytes, under way", n, size)
	}
	p.run()
	p.conserved()
	for _, c := range []struct{ limit, want int64 }{{0, DefaultUnderWay / 60_000}, {-1, 400}} {
		p = newPair(t, 1, NetConfig{Link: LinkConfig{Delay: 1, UnderWay: c.limit}})
		b := make([]byte, 60_000)
		for range 400 {
			p.from.Send(p.to.Addr(), 0, b)
		}
		if n, _ := p.link.UnderWay(); int64(n) != c.want {
			t.Errorf("limit %d: %d datagrams under way, want %d", c.limit, n, c.want)
		}
	}
}

func TestMTU(t *testing.T) {
	p := newPair(t, 1, NetConfig{Link: LinkConfig{MTU: 1200, Delay: 1e6}})
	var reports []Report
	p.from.Report = func(r Report) { reports = append(reports, r) }
	p.send(1200)
	p.send(1201) // into a black hole
	p.run()
	if c := p.link.Counts(); c.TooBig != 1 || len(p.numbers) != 1 || len(reports) != 0 {
		t.Fatalf("%d arrived, reports %v, %+v", len(p.numbers), reports, c)
	}
	p.link.Config.Reports = true
	began := p.clock.Now()
	p.send(1201)
	p.run()
	if len(reports) != 1 || reports[0] != (Report{To: p.to.Addr(), MTU: 1200}) || p.clock.Now() != began+1e6 {
		t.Fatalf("reports %v after %d ns", reports, p.clock.Now()-began)
	}
	to := p.to
	p.to.Close()
	p.to.Close()
	p.send(20)
	p.run()
	if len(reports) != 2 || reports[1] != (Report{To: to.Addr(), Refused: true}) {
		t.Fatalf("reports %v; want that the port is closed", reports)
	}
	p.net.Link("b", "a").Blocked = true
	p.send(2000)
	p.run()
	if len(reports) != 2 {
		t.Error("a report came through a partition")
	}
	p.net.Link("b", "a").Blocked = false
	for range 2 * MaxReports {
		p.send(2000)
	}
	p.run()
	if len(reports) != 2+MaxReports {
		t.Errorf("%d reports, want %d at once", len(reports)-2, MaxReports)
	}
	p.send(2000)
	p.from.Close()
	p.run()
	if len(reports) != 2+MaxReports {
		t.Error("a closed socket heard a report")
	}
}
