package engine

import "testing"

// TestPacer: what goes out follows the rate, with bursts no larger than the bucket.
func TestPacer(t *testing.T) {
	for _, c := range []struct {
		rate  int64
		burst int // bytes
	}{
		{100_000, 12_000}, {1_250_000, 12_000}, {12_500_000, 12_500}, {125_000_000, 125_000},
	} {
		var p Pacer
		now, total := int64(5e9), 0
		end := now + 2e9
		for first := true; now < end; first = false {
			out := 0
			for p.Allow(now, c.rate, 1200) {
				p.Sent(now, c.rate, 1200)
				out += 1200
			}
			if out > c.burst+1200 || first && out < c.burst-1200 {
				t.Errorf("rate %d: a burst of %d bytes, want at most %d", c.rate, out, c.burst)
			}
			total += out
			next := p.Wake(c.rate, 1200)
			if next <= now || p.Next(c.rate, 1200) > next {
				t.Fatalf("rate %d: nothing allowed now, yet next is %d ns off", c.rate, next-now)
			}
			now = next
		}
		if want := int(2*c.rate) + c.burst; total > want+2400 || total < want-c.burst-2400 {
			t.Errorf("rate %d: %d bytes in 2 s, want about %d", c.rate, total, want)
		}
	}
}

// TestPacerOff: no rate, no waiting.
func TestPacerOff(t *testing.T) {
	var p Pacer
	p.Sent(1, 0, 1<<30)
	if !p.Allow(1, 0, 1200) || p.Wake(0, 1200) != 0 {
		t.Error("it waits without a rate")
	}
	p.Sent(1, 1000, 1<<20) // beyond the bucket: a probe
	if p.Allow(2, 1000, 1200) || !p.Allow(1e12*11/10, 1000, 1200) {
		t.Error("what was sent beyond the bucket is not paid back")
	}
}
