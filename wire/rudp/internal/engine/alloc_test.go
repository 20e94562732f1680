package engine

import (
	"crypto/tls"
	"testing"

	"github.com/lupine-rpc/lupine/internal/race"
)

// pair is two ends without a network: what one sends the other has at once.
type pair struct {
	a, b  *Conn
	batch Batch
	now   int64
	call  Call
	head  Head
	req   Message
	over  bool
	quiet bool // handlers reply with nothing
	p     Packet
	small Message
}

func newPair(t testing.TB, seal Sealer) *pair {
	buf := make([]byte, 1<<20) // the only message at a time
	d := newDuo(t, func(cfg *[2]Config) {
		cfg[0].Seal, cfg[1].Seal = seal, seal
		cfg[1].Buffer = func(n int) []byte { return buf[:n] }
	})
	p := &pair{a: d.ends[0].c, b: d.ends[1].c, now: d.now, req: msg(make([]byte, 64)), head: Head{Path: "/a.B/C", Timed: true, Timeout: 1e6}}
	p.batch.Buf = make([]byte, 0, 64<<10)
	p.small = msg(nil)
	return p
}

// move gives what from has to say to the other.
func (p *pair) move(from, to *Conn) {
	for {
		p.batch.Reset()
		if !from.Poll(p.now, &p.batch) {
			return
		}
		p.batch.Seal()
		for i := range p.batch.List {
			if to.Opener().Open(p.batch.Bytes(i), &p.p) != DropNone {
				continue
			}
			to.Receive(p.now, &p.p)
			for {
				ev, ok := to.Event()
				if !ok {
					break
				}
				switch {
				case ev.Kind == EventEnded:
					p.over = true
				case ev.Kind == EventMessage && to == p.b:
					reply := p.req
					if p.quiet {
						reply = p.small
					}
					to.Write(p.now, ev.Call, reply, false)
					to.Finish(p.now, ev.Call, nil, nil)
				}
			}
		}
		to.Flush(p.now)
	}
}

func (p *pair) do(t testing.TB) {
	p.over = false
	if err := p.a.Begin(p.now, &p.call, &p.head, p.req, true); err != nil {
		t.Fatal(err)
	}
	p.move(p.a, p.b)
	p.now += 20 * microsecond
	p.move(p.b, p.a)
	p.now += 20 * microsecond
	if !p.over {
		t.Fatal("the call did not end")
	}
	p.a.Next()
	p.b.Next()
}

// TestAllocations: a call of steady state allocates nothing in the engines.
func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for name, seal := range seals(t) {
		p := newPair(t, seal)
		for range 100 {
			p.do(t)
		}
		if n := testing.AllocsPerRun(1000, func() { p.do(t) }); n != 0 {
			t.Errorf("%s: %v allocations a call; want none", name, n)
		}
	}
}

// BenchmarkCall is one small call through both engines.
func BenchmarkCall(b *testing.B) {
	for name, seal := range seals(b) {
		b.Run(name, func(b *testing.B) {
			p := newPair(b, seal)
			b.ReportAllocs()
			for b.Loop() {
				p.do(b)
			}
		})
	}
}

func seals(t testing.TB) map[string]Sealer {
	k, err := NewKeys(tls.TLS_AES_128_GCM_SHA256, make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]Sealer{"plain": testSeal, "AES": k}
}

// BenchmarkCalls64 is 64 calls at once.
func BenchmarkCalls64(b *testing.B) {
	p := newPair(b, testSeal)
	var calls [64]Call
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		for i := range calls {
			if err := p.a.Begin(p.now, &calls[i], &p.head, p.req, true); err != nil {
				b.Fatal(err)
			}
		}
		p.move(p.a, p.b)
		p.now += 20 * microsecond
		p.move(p.b, p.a)
		p.now += 20 * microsecond
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(64*b.N), "ns/call")
}

// BenchmarkBulk sends requests of 1 MiB without a network between.
func BenchmarkBulk(b *testing.B) {
	for name, seal := range seals(b) {
		b.Run(name, func(b *testing.B) {
			p := newPair(b, seal)
			p.quiet = true
			p.req = msg(make([]byte, 1<<20))
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				p.over = false
				if err := p.a.Begin(p.now, &p.call, &p.head, p.req, true); err != nil {
					b.Fatal(err)
				}
				for !p.over {
					p.move(p.a, p.b)
					p.now += 20 * microsecond
					p.move(p.b, p.a)
					p.now += 20 * microsecond
					for _, c := range []*Conn{p.a, p.b} {
						if at := c.Next(); at != 0 && at <= p.now {
							c.Tick(p.now)
						}
					}
				}
			}
		})
	}
}

// BenchmarkLong sends a message of 1 MiB, echoed.
func BenchmarkLong(b *testing.B) {
	d := newDuo(b, nil)
	d.delay = 50 * microsecond
	d.ends[1].serve = echo
	p := make([]byte, 1<<20)
	b.SetBytes(2 << 20)
	for b.Loop() {
		d.steps = 0
		_, r := d.ends[0].begin("/a.B/C", p)
		if !d.run(10*second, func() bool { return r.over }) || r.err != nil {
			b.Fatal(r.err)
		}
		clear(d.ends[0].replies)
	}
}
