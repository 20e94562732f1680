package engine

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"testing"
)

const (
	testMSS = 1200
	ms      = int64(1e6)
)

// path is a bottleneck: a link of a rate with a queue in front of it, and a delay
// behind it. Senders with a Cubic and a Pacer each share it. Each packet is acked.
type path struct {
	now    int64
	rate   int64 // bytes a second
	queue  int   // bytes that fit
	delay  int64 // both ways together, ns
	mark   int   // CE above so many bytes queued; 0: never
	loss   float64
	r      *rand.Rand
	free   int64 // when the link has sent all that is queued
	events events
	serial int
}

type event struct {
	at     int64
	serial int
	do     func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].serial < e[j].serial
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any     { o := *e; x := o[len(o)-1]; *e = o[:len(o)-1]; return x }

func (p *path) at(t int64, do func()) {
	p.serial++
	heap.Push(&p.events, event{t, p.serial, do})
}

func (p *path) run(until int64) {
	for len(p.events) > 0 && p.events[0].at <= until {
		e := heap.Pop(&p.events).(event)
		p.now = max(p.now, e.at)
		e.do()
	}
	p.now = until
}

type flow struct {
	p        *path
	c        *Cubic
	pacer    Pacer
	rtt      RTT
	next     uint64
	inFlight int
	sentAt   map[uint64]int64
	acked    int // bytes
	lost     int // packets
	marked   int
	limit    int // bytes that the application has; negative for no end
	woken    bool
}

func newFlow(p *path) *flow {
	f := &flow{p: p, c: NewCubic(testMSS), sentAt: map[uint64]int64{}, limit: -1}
	p.at(p.now, f.send)
	return f
}

func (f *flow) send() {
	p := f.p
	for f.inFlight+testMSS <= f.c.Window() && f.limit != 0 {
		if !f.pacer.Allow(p.now, f.c.Rate(), testMSS) {
			if !f.woken {
				f.woken = true
				p.at(max(p.now+1, f.pacer.Wake(f.c.Rate(), testMSS)), func() { f.woken = false; f.send() })
			}
			return
		}
		f.pacer.Sent(p.now, f.c.Rate(), testMSS)
		n := f.next
		f.next++
		if f.limit > 0 {
			f.limit = max(f.limit-testMSS, 0)
		}
		f.inFlight += testMSS
		f.sentAt[n] = p.now
		f.c.Sent(p.now, n, testMSS, f.inFlight)
		queued := int(max(p.free-p.now, 0) * p.rate / 1e9)
		if queued+testMSS > p.queue || p.r.Float64() < p.loss {
			continue // noticed by those behind it
		}
		ce := p.mark > 0 && queued > p.mark
		p.free = max(p.free, p.now) + testMSS*int64(1e9)/p.rate
		p.at(p.free+p.delay, func() { f.ack(n, ce) })
	}
}

func (f *flow) ack(n uint64, ce bool) {
	p := f.p
	sent, ok := f.sentAt[n]
	if !ok {
		return
	}
	f.rtt.Latest = p.now - sent
	if f.rtt.Smoothed == 0 {
		f.rtt.Smoothed, f.rtt.Min = f.rtt.Latest, f.rtt.Latest
	}
	f.rtt.Smoothed += (f.rtt.Latest - f.rtt.Smoothed) / 8
	f.rtt.Min = min(f.rtt.Min, f.rtt.Latest)
	delete(f.sentAt, n)
	f.c.Acked(p.now, n, sent, testMSS, f.inFlight, &f.rtt)
	f.inFlight -= testMSS
	f.acked += testMSS
	if ce {
		f.marked++
		f.c.Marked(p.now, sent)
	}
	for k, at := range f.sentAt {
		if k+3 <= n {
			delete(f.sentAt, k)
			f.inFlight -= testMSS
			f.lost++
			f.c.Lost(p.now, k, at, testMSS)
		}
	}
	f.send()
}

func newPath(rate int64, delay int64, queues float64) *path {
	return &path{rate: rate, delay: delay, queue: int(queues * float64(rate) * float64(delay) / 1e9), r: rand.New(rand.NewPCG(1, 2))}
}

// TestCubicFillsPath: one sender uses nearly all of a path, whatever its rate, delay
// and queue, and loses little after the beginning.
func TestCubicFillsPath(t *testing.T) {
	for _, c := range []struct {
		name   string
		rate   int64
		delay  int64
		queues float64
		least  float64
	}{
		{"100 Mbit/s, 40 ms, one BDP", 12_500_000, 40 * ms, 1, 0.93},
		{"100 Mbit/s, 100 ms, one BDP", 12_500_000, 100 * ms, 1, 0.9},
		{"100 Mbit/s, 40 ms, a quarter", 12_500_000, 40 * ms, 0.25, 0.85},
		{"10 Mbit/s, 20 ms, four", 1_250_000, 20 * ms, 4, 0.95},
		{"400 Mbit/s, 1 ms, two", 50_000_000, ms, 2, 0.9},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPath(c.rate, c.delay, c.queues)
			f := newFlow(p)
			p.run(8_000 * ms)
			used := float64(f.acked) / (8 * float64(c.rate))
			t.Logf("used %.3f, lost %d of %d", used, f.lost, f.next)
			if used < c.least {
				t.Errorf("used %.3f of the path, want %.2f", used, c.least)
			}
			if f.lost > int(f.next)/50 {
				t.Errorf("lost %d of %d packets", f.lost, f.next)
			}
		})
	}
}

// TestHyStartEndsSlowStart: the first slow start ends by the round trips growing
// longer, before the queue overflows by much; without HyStart++ it loses a window.
func TestHyStartEndsSlowStart(t *testing.T) {
	run := func(on bool) *flow {
		p := newPath(12_500_000, 40*ms, 2)
		f := newFlow(p)
		f.c.start.on = on
		p.run(3000 * ms)
		return f
	}
	with, without := run(true), run(false)
	t.Logf("lost %d with, %d without", with.lost, without.lost)
	if with.lost > without.lost/4 || without.lost == 0 {
		t.Errorf("lost %d packets with HyStart++, %d without", with.lost, without.lost)
	}
	if used := float64(with.acked) / (3 * 12_500_000); used < 0.9 {
		t.Errorf("used %.3f of the path", used)
	}
}

// TestCubicShares: two senders come to share a path.
func TestCubicShares(t *testing.T) {
	p := newPath(2_500_000, 40*ms, 1)
	a := newFlow(p)
	p.run(5_000 * ms)
	b := newFlow(p)
	p.run(40_000 * ms)
	ackedA, ackedB := a.acked, b.acked
	p.run(80_000 * ms)
	ra, rb := float64(a.acked-ackedA), float64(b.acked-ackedB)
	t.Logf("shares %.2f and %.2f", ra/(ra+rb), rb/(ra+rb))
	if ra < 0.3*(ra+rb) || rb < 0.3*(ra+rb) {
		t.Errorf("shares %.0f and %.0f", ra, rb)
	}
}

// TestCubicMarks: with CE marks, a path is used and nothing is lost.
func TestCubicMarks(t *testing.T) {
	p := newPath(12_500_000, 40*ms, 2)
	p.mark = p.queue / 4
	f := newFlow(p)
	p.run(10_000 * ms)
	if used := float64(f.acked) / (10 * 12_500_000); used < 0.9 || f.lost > 0 || f.marked == 0 {
		t.Errorf("used %.3f, lost %d, marked %d", used, f.lost, f.marked)
	}
}

// avoiding returns a Cubic in avoidance with a window of so many packets.
func avoiding(packets int) *Cubic {
	c := NewCubic(testMSS)
	c.set(float64(packets * testMSS / 7 * 10))
	c.threshold = c.window
	c.start.on = false
	c.congested(1, 1)
	return c
}

// TestCubicCurve: after a loss the window comes back to where it was after K seconds
// (RFC 9438, 4.2), concave before and convex after it.
func TestCubicCurve(t *testing.T) {
	c := avoiding(700)
	before := c.prior
	rtt := &RTT{Latest: 100 * ms, Smoothed: 100 * ms}
	var number uint64
	var grown []float64 // by second
	back, last := int64(0), c.window
	for now := 2 * ms; now < 20_000*ms; now += 100 * ms {
		n := int(c.window) / testMSS
		for range n {
			c.Sent(now-100*ms, number, testMSS, int(c.window))
			c.Acked(now, number, now-100*ms, testMSS, int(c.window), rtt)
			number++
		}
		if back == 0 && c.window >= before*0.99999 {
			back = now
		}
		if now/(1000*ms) != (now+100*ms)/(1000*ms) {
			grown = append(grown, c.window-last)
			last = c.window
		}
	}
	k := math.Cbrt(before * (1 - cubicBeta) / testMSS / cubicC)
	if got := float64(back) / 1e9; math.Abs(got-k) > 1 {
		t.Errorf("the window was back after %.1f s, K is %.1f s", got, k)
	}
	if i := int(k); grown[1] < 2*grown[i-1] || grown[len(grown)-1] < 2*grown[i+1] {
		t.Errorf("growth by second %.0f: not concave until %d, then convex", grown, i)
	}
}

// TestCubicOneCutARound: packets lost of one flight, and marks on it, cut once.
func TestCubicOneCutARound(t *testing.T) {
	c := avoiding(100)
	was := c.window
	for i := range 20 {
		c.Lost(100*ms, uint64(i), 50*ms+int64(i), testMSS)
	}
	c.Marked(101*ms, 60*ms)
	if c.window != was*cubicBeta {
		t.Errorf("window %.0f after one round of losses, want %.0f", c.window, was*cubicBeta)
	}
	c.Lost(200*ms, 90, 150*ms, testMSS)
	if want := was * cubicBeta * cubicBeta; math.Abs(c.window-want) > 1e-6 {
		t.Errorf("window %.0f after a second round, want %.0f", c.window, want)
	}
	c.Persistent(300 * ms)
	if c.Window() != leastPackets*testMSS {
		t.Errorf("window %d after persistent congestion", c.Window())
	}
}

// TestCubicUnlimited: a window that is not used does not grow.
func TestCubicUnlimited(t *testing.T) {
	p := newPath(12_500_000, 40*ms, 4)
	f := newFlow(p)
	f.limit = 0
	for range 200 {
		f.limit = 2 * testMSS
		f.send()
		p.run(p.now + 50*ms)
	}
	if f.c.Window() != initialPackets*testMSS {
		t.Errorf("window %d after small requests alone, want the initial %d", f.c.Window(), initialPackets*testMSS)
	}
}

// TestInitialWindow is RFC 9002, 7.2.
func TestInitialWindow(t *testing.T) {
	for mss, want := range map[int]int{1200: 12000, 1452: 14520, 8952: 17904, 61440: 122880} {
		if got := NewCubic(mss).Window(); got != want {
			t.Errorf("datagrams of %d: initial window %d, want %d", mss, got, want)
		}
	}
}

// TestCubicBounds: whatever happens in whatever order, the window stays within its
// bounds and the rate is a rate.
func TestCubicBounds(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 3))
		c := NewCubic(testMSS)
		now, number := int64(0), uint64(0)
		for range 500 {
			now += r.Int64N(200 * ms)
			rtt := &RTT{Latest: r.Int64N(300 * ms), Smoothed: r.Int64N(300 * ms)}
			sent := now - r.Int64N(500*ms)
			switch r.IntN(8) {
			case 0:
				c.Lost(now, number, sent, testMSS)
			case 1:
				c.Marked(now, sent)
			case 2:
				if r.IntN(10) == 0 {
					c.Persistent(now)
				}
			case 3:
				c.SetMaxDatagram([]int{1200, 1452, 8952, 61440}[r.IntN(4)])
			default:
				for range 1 + r.IntN(50) {
					c.Sent(now, number, testMSS, c.Window()-r.IntN(c.Window()))
					c.Acked(now, number, sent, r.IntN(61440), c.Window(), rtt)
					number++
				}
			}
			if w := c.Window(); w < leastPackets*c.mss || w > mostWindow || math.IsNaN(c.window) {
				t.Fatalf("seed %d: window %d", seed, w)
			}
			if c.Rate() < 0 {
				t.Fatalf("seed %d: rate %d", seed, c.Rate())
			}
		}
	}
}
