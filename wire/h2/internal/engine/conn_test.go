package engine

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

func testConfig(server bool) Config {
	c := Config{
		Server: server, MaxStreams: 256, StreamWindow: 65535, ConnWindow: 1 << 20, MaxWindow: 8 << 20, Assembly: 16 << 20,
		MaxHeaderBytes: 8 << 10, MaxHeaderFields: 100, MaxFrame: 1 << 20,
		KeepAlive: 1e9, KeepAliveTimeout: 2e9,
	}
	if server {
		c.NewStream = func() *Stream { return new(Stream) }
	}
	return c
}

// pair joins a client and a server and moves bytes between them in pieces.
type pair struct {
	t              *testing.T
	r              *rand.Rand
	now            int64
	client, server *Conn
	toS, toC       []byte
}

func newPair(t *testing.T, seed uint64) *pair {
	return newPairOf(t, seed, testConfig(false), testConfig(true))
}

func newPairOf(t *testing.T, seed uint64, cc, sc Config) *pair {
	p := &pair{t: t, r: rand.New(rand.NewPCG(seed, 0)), now: 1}
	p.client, p.server = New(cc, p.now), New(sc, p.now)
	return p
}

// run moves bytes until both are quiet.
func (p *pair) run(onServer, onClient func(Event)) {
	p.t.Helper()
	for {
		p.client.Pump(32 << 10)
		p.server.Pump(32 << 10)
		p.toS = append(p.toS, p.client.TakeOut(nil)...)
		p.toC = append(p.toC, p.server.TakeOut(nil)...)
		if len(p.toS) == 0 && len(p.toC) == 0 {
			return
		}
		p.now += 1000
		p.toS = p.feed(p.server, p.toS, onServer)
		p.toC = p.feed(p.client, p.toC, onClient)
	}
}

// feed offers a random part of b, which may end anywhere, to c.
func (p *pair) feed(c *Conn, b []byte, on func(Event)) []byte {
	p.t.Helper()
	if len(b) == 0 {
		return b
	}
	have := 1 + p.r.IntN(len(b))
	c.Received(p.now)
	used := 0
	for {
		ev, n, err := c.Next(p.now, b[used:have])
		if err != nil {
			p.t.Fatalf("server=%v: %v", c.cfg.Server, err)
		}
		used += n
		if ev.Kind == EventNone {
			break
		}
		if on != nil {
			on(ev)
		}
	}
	return b[used:]
}

var requestBlock = func() (b []hpack.Pair) {
	for i := 0; i < len(goodRequest); i += 2 {
		b = append(b, hpack.Pair{Name: goodRequest[i], Value: goodRequest[i+1], Mode: hpack.Keep})
	}
	return b
}()

func (c *Conn) testOpen(now int64, end bool, extra ...hpack.Pair) *Stream {
	s := new(Stream)
	c.Open(now, s)
	c.BeginHeaders()
	for _, p := range append(requestBlock[:len(requestBlock):len(requestBlock)], extra...) {
		c.Out = c.Enc.Append(c.Out, p)
	}
	c.EndHeaders(s, end)
	return s
}

// TestJoined runs echo calls of many sizes between two engines, with the bytes
// cut at random, and checks data, windows and that nothing is left over.
func TestJoined(t *testing.T) {
	for seed := range uint64(30) {
		p := newPair(t, seed)
		type call struct {
			sent, got []byte
			ended     bool
		}
		got := map[uint32][]byte{}
		calls := map[*Stream]*call{}
		onServer := func(ev Event) {
			switch ev.Kind {
			case EventHeaders:
				if ev.Trailers {
					t.Fatal("trailers at the server")
				}
				if p.server.Head.Path != "/a.B/C" {
					t.Fatalf("path %q", p.server.Head.Path)
				}
			case EventData:
				got[ev.Stream.ID] = append(got[ev.Stream.ID], ev.Data...)
				p.server.Consumed(ev.Stream, len(ev.Data))
			default:
				return
			}
			if ev.End {
				s := ev.Stream
				p.server.BeginHeaders()
				p.server.Out = p.server.Enc.Append(p.server.Out, hpack.Pair{Name: ":status", Value: "200"})
				p.server.EndHeaders(s, false)
				p.server.Send(s, got[s.ID], false, 32<<10)
				p.server.Finish(s, nil, []hpack.Pair{{Name: "grpc-status", Value: "0", Mode: hpack.Keep}})
				p.server.Release(p.now, s)
			}
		}
		onClient := func(ev Event) {
			switch ev.Kind {
			case EventData:
				c := calls[ev.Stream]
				c.got = append(c.got, ev.Data...)
				p.client.Consumed(ev.Stream, len(ev.Data))
			case EventHeaders:
				if ev.End {
					calls[ev.Stream].ended = true
				}
			case EventReset:
				t.Fatalf("reset: %v", ev.Code)
			}
		}
		p.run(onServer, onClient)
		if !p.client.PeerIsLupine() || !p.server.PeerIsLupine() {
			t.Fatal("the mark was not seen")
		}
		for range 20 {
			for range 1 + p.r.IntN(8) {
				size := []int{0, 1, 100, 5000, 70000, 300000}[p.r.IntN(6)]
				b := make([]byte, size)
				for i := range b {
					b[i] = byte(p.r.Uint32())
				}
				s := p.client.testOpen(p.now, false)
				calls[s] = &call{sent: b}
				p.client.Send(s, b, true, 32<<10)
			}
			p.run(onServer, onClient)
		}
		for s, c := range calls {
			if !c.ended || !bytes.Equal(c.sent, c.got) {
				t.Fatalf("seed %d stream %d: ended=%v, sent %d bytes, got %d back", seed, s.ID, c.ended, len(c.sent), len(c.got))
			}
		}
		if p.client.Streams() != 0 || p.server.Streams() != 0 || p.server.Held() != 0 {
			t.Fatal("streams are left over")
		}
		if p.client.assembling != 0 || p.server.assembling != 0 {
			t.Fatal("grants are left over")
		}
	}
}

// TestWindowGrows: a stream's window follows what comes in a round trip, also where one
// frame fills it.
func TestWindowGrows(t *testing.T) {
	for _, frame := range []uint32{1 << 14, 65535} {
		cc, sc := testConfig(false), testConfig(true)
		sc.MaxFrame = frame
		p := newPairOf(t, 1, cc, sc)
		s := p.client.testOpen(p.now, false)
		body := make([]byte, 65536+5)
		for range 64 {
			p.client.Send(s, body, false, 64<<10)
			p.run(func(ev Event) {
				if ev.Kind == EventData {
					p.server.Consumed(ev.Stream, len(ev.Data))
				}
			}, nil)
		}
		if got := p.server.streamTarget; got < 120<<10 { // twice a message: one at a time is on its way
			t.Errorf("frames of %d bytes: the window is %d after 64 messages of 64 KiB", frame, got)
		}
	}
}

// TestPumpFinishes: what is left of a message is not left for a write of its own if it
// is little.
func TestPumpFinishes(t *testing.T) {
	const limit = 64 << 10
	p := newPair(t, 1)
	p.run(nil, nil) // SETTINGS
	a, b := p.client.testOpen(p.now, false), p.client.testOpen(p.now, false)
	p.client.TakeOut(nil)
	a.sendWindow = 1 << 20
	p.client.Send(a, make([]byte, limit+5), false, limit)
	if a.Pending() {
		t.Errorf("%d bytes of %d were left over", a.PendingBytes(), limit+5)
	}
	p.client.Send(b, make([]byte, 5), false, limit)
	if !b.Pending() {
		t.Error("another stream was served beyond the limit")
	}
	p.client.TakeOut(nil)
	b.sendWindow = 1 << 20
	p.client.Send(a, make([]byte, 2*limit), false, limit)
	p.client.Pump(limit)
	if n := len(p.client.Out); n > limit+2*chunk {
		t.Errorf("Out grew to %d bytes", n)
	}
}
