package interop

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/balance"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// A call and a stream that are silent for a minute live on, though a default
// grpc-go server closes a connection at the third PING in five minutes.
func TestSilence(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	for _, client := range []string{"lupine to grpc-go", "grpc-go to lupine"} {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			testSilence(t, client == "lupine to grpc-go")
		})
	}
}

func testSilence(t *testing.T, toGRPC bool) {
	const silence = time.Minute
	var x *tap
	var c caller
	if toGRPC {
		l := listen(t)
		startGRPC(t, l)
		x = newTap(t, l.Addr().String())
		c = plain(t, x.addr)
	} else {
		l := h2.Listen("127.0.0.1:0", h2.Config{})
		startLupine(t, l, lupine.ServerConfig{})
		x = newTap(t, l.Addr())
		c = dialGRPC(t, x.addr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	pending := make(chan error, 1)
	id := newID()
	go func() {
		_, out := c.say(ctx, &peerpb.Order{Id: id, Hold: true}, options{})
		pending <- out.err
	}()
	s, err := c.chat(ctx, options{header: []string{"header-first", "1"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Header(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-pending:
		t.Fatalf("the pending call ended: %v", err)
	case <-time.After(silence): // the silence is what is tested
	}
	pings := x.count(func(f frame) bool { return isPing(f) && f.fromClient == toGRPC })
	if toGRPC && pings > 2 {
		t.Errorf("%d PINGs in a silence, want at most 2", pings)
	}
	t.Logf("%d PINGs of ours in %v", pings, silence)
	if n := x.count(func(f frame) bool { return f.kind == http2.FrameGoAway }); n > 0 || x.connections() != 1 {
		t.Errorf("%d GOAWAYs, %d connections; want none and one", n, x.connections())
	}
	if err := s.Send(&peerpb.Order{Text: "awake"}); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Recv(); err != nil || r.Text != "awake" {
		t.Errorf("the stream after the silence: %v, %v", r, err)
	}
	cancel()
	if err := <-pending; lupine.CodeOf(err) != lupine.Canceled {
		t.Errorf("the pending call after the silence: %v", err)
	}
}

// A link that is cut without a word is noticed within 3 s while a call is
// pending, and the next call goes elsewhere.
func TestCut(t *testing.T) {
	t.Parallel()
	for _, server := range []string{"lupine", "grpc-go"} {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			addr, _ := lupineServers(t)
			if server == "grpc-go" {
				addr, _ = grpcServers(t)
			}
			x := newTap(t, addr)
			target := h2.To("127.0.0.1:1", h2.Config{})
			target.Resolver = lupine.Endpoints{{Addr: x.addr}, {Addr: addr}}
			c := dialLupine(t, target, lupine.DialConfig{})
			s, err := c.chat(t.Context(), options{header: []string{"header-first", "1"}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Header(); err != nil {
				t.Fatal(err)
			}
			x.freeze()
			begin := time.Now()
			_, err = s.Recv()
			took := time.Since(begin)
			wantError(t, err, lupine.Unavailable, lupine.Maybe)
			if took > patience/4 {
				t.Errorf("it took %v to notice", took)
			}
			t.Logf("noticed after %v", took)
			if _, out := c.say(limited(t), &peerpb.Order{}, options{}); out.err != nil {
				t.Errorf("the next call: %v", out.err)
			}
		})
	}
}

// Servers follow each other under load, each shut down gracefully: no call is
// lost.
func TestRolling(t *testing.T) {
	t.Parallel()
	t.Run("lupine to grpc-go", func(t *testing.T) {
		t.Parallel()
		rolling(t, func(t *testing.T, addr string) caller { return plain(t, addr) }, func(t *testing.T, d *door) func() {
			s, _ := startGRPC(t, d)
			return s.GracefulStop
		})
	})
	t.Run("grpc-go to lupine", func(t *testing.T) {
		t.Parallel()
		rolling(t, func(t *testing.T, addr string) caller { return dialGRPC(t, addr) }, lupineStarter)
	})
	t.Run("lupine to lupine", func(t *testing.T) {
		t.Parallel()
		rolling(t, func(t *testing.T, addr string) caller { return plain(t, addr) }, lupineStarter)
	})
	t.Run("grpc-go to net/http", func(t *testing.T) {
		t.Parallel()
		rolling(t, func(t *testing.T, addr string) caller { return dialGRPC(t, addr) }, mountStarter)
	})
	t.Run("lupine to net/http", func(t *testing.T) {
		t.Parallel()
		rolling(t, func(t *testing.T, addr string) caller { return plain(t, addr) }, mountStarter)
	})
}

func mountStarter(t *testing.T, d *door) func() {
	web, _ := mount(t, d, lupine.ServerConfig{}, nil)
	return func() {
		if err := web.Shutdown(limited(t)); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	}
}

func lupineStarter(t *testing.T, d *door) func() {
	s, _ := startLupine(t, h2.Listen("", h2.Config{Listener: d}), lupine.ServerConfig{})
	return func() {
		if err := s.Drain(limited(t)); err != nil {
			t.Errorf("Drain: %v", err)
		}
	}
}

func rolling(t *testing.T, dial func(*testing.T, string) caller, start func(*testing.T, *door) (stop func())) {
	r := newRevolving(t)
	stop := start(t, r.door())
	c := dial(t, r.addr)
	ctx, cancel := context.WithCancel(limited(t))
	defer cancel()
	var load sync.WaitGroup
	var calls, streams atomic.Int64
	for g := range 16 {
		load.Go(func() {
			for i := 0; ctx.Err() == nil && !t.Failed(); i++ {
				if g%4 == 0 {
					rollingStream(t, c)
					streams.Add(1)
					continue
				}
				text := fmt.Sprint(g, "/", i)
				r, out := c.say(limited(t), &peerpb.Order{Text: text, WaitMs: uint32(i % 3)}, options{})
				if out.err != nil || r.Text != text {
					t.Errorf("call %s was lost: %v, %v", text, r, out.err)
				}
				calls.Add(1)
			}
		})
	}
	const turns = 8
	for range turns {
		before := calls.Load()
		next := start(t, r.turn())
		stop() // while calls go on
		stop = next
		for deadline := time.Now().Add(patience / 2); calls.Load() < before+50 && !t.Failed(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("only %d calls after a restart", calls.Load()-before)
			}
		}
	}
	cancel()
	load.Wait()
	t.Logf("%d calls and %d streams over %d restarts", calls.Load(), streams.Load(), turns)
}

func rollingStream(t *testing.T, c caller) {
	s, err := c.list(limited(t), &peerpb.Order{Count: 5, WaitMs: 5}, options{})
	for n := 0; ; n++ {
		if err == nil {
			_, err = s.Recv()
		}
		if err == io.EOF && n == 5 {
			return
		}
		if err != nil {
			t.Errorf("a stream was lost after %d replies: %v", n, err)
			return
		}
	}
}

// counting counts what a grpc-go server has at once.
type counting struct {
	conns, calls, most atomic.Int64
}

func (c *counting) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (c *counting) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (c *counting) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnBegin); ok {
		c.conns.Add(1)
	}
}

func (c *counting) HandleRPC(_ context.Context, s stats.RPCStats) {
	switch s.(type) {
	case *stats.Begin:
		n := c.calls.Add(1)
		for old := c.most.Load(); n > old && !c.most.CompareAndSwap(old, n); old = c.most.Load() {
		}
	case *stats.End:
		c.calls.Add(-1)
	}
}

// At the peer's MAX_CONCURRENT_STREAMS further connections are opened, 8 at most.
func TestMaxConcurrentStreams(t *testing.T) {
	t.Parallel()
	burst := func(t *testing.T, c caller) {
		var all sync.WaitGroup
		for range 200 {
			all.Go(func() {
				if _, out := c.say(limited(t), &peerpb.Order{WaitMs: 100}, options{}); out.err != nil {
					t.Error(out.err)
				}
			})
		}
		all.Wait()
	}
	t.Run("lupine to grpc-go", func(t *testing.T) {
		t.Parallel()
		l, n := listen(t), new(counting)
		startGRPC(t, l, grpc.MaxConcurrentStreams(10), grpc.StatsHandler(n))
		x := newTap(t, l.Addr().String())
		burst(t, plain(t, x.addr))
		if c := n.conns.Load(); c < 2 || c > 8 {
			t.Errorf("%d connections, want 2 to 8", c)
		}
		if m := n.most.Load(); m > 80 || m <= 10 {
			t.Errorf("%d calls at once, want more than 10 and at most 80", m)
		}
		refused := x.count(func(f frame) bool { return f.kind == http2.FrameRSTStream && f.code == http2.ErrCodeRefusedStream })
		t.Logf("%d connections, %d calls at once, %d refused streams", n.conns.Load(), n.most.Load(), refused)
	})
	t.Run("grpc-go to lupine", func(t *testing.T) {
		t.Parallel()
		l := h2.Listen("127.0.0.1:0", h2.Config{MaxStreams: 10})
		startLupine(t, l, lupine.ServerConfig{})
		burst(t, dialGRPC(t, l.Addr()))
	})
}

func TestRoundRobin(t *testing.T) {
	t.Parallel()
	var endpoints lupine.Endpoints
	var servers []*grpc.Server
	var counts []*counting
	for range 3 {
		l, n := listen(t), new(counting)
		s, _ := startGRPC(t, l, grpc.StatsHandler(n))
		servers, counts = append(servers, s), append(counts, n)
		endpoints = append(endpoints, lupine.Endpoint{Addr: l.Addr().String()})
	}
	target := h2.To("127.0.0.1:1", h2.Config{})
	target.Resolver = endpoints
	c := dialLupine(t, target, lupine.DialConfig{Balancer: balance.RoundRobin, WaitForReady: true})
	perServer := func(calls int) (n [3]int) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() {
				for range calls / 10 {
					var p lupine.Peer
					_, err := c.client.Say(limited(t), new(peerpb.Order), lupine.PeerInfo(&p))
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					for i, e := range endpoints {
						if e.Addr == p.RemoteAddr {
							n[i]++
						}
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		return n
	}
	// The first call goes as soon as one server is connected; wait for all.
	for deadline := time.Now().Add(patience / 2); counts[0].conns.Load()*counts[1].conns.Load()*counts[2].conns.Load() == 0; time.Sleep(time.Millisecond) {
		perServer(10)
		if time.Now().After(deadline) {
			t.Fatal("not every server was connected to")
		}
	}
	perServer(10)
	if n := perServer(300); n[0] < 90 || n[1] < 90 || n[2] < 90 {
		t.Errorf("300 calls over 3 servers went %v", n)
	}
	servers[1].GracefulStop()
	if n := perServer(300); n[1] != 0 || n[0] < 140 || n[2] < 140 {
		t.Errorf("300 calls with the second of 3 servers gone went %v", n)
	}
}

// After a restart on the same port, calls go through again, and one that waits
// for ready is the first of them.
func TestRestart(t *testing.T) {
	t.Parallel()
	l := listen(t)
	addr := l.Addr().String()
	s, _ := startGRPC(t, l)
	c := dialLupine(t, h2.To(addr, h2.Config{}), lupine.DialConfig{})
	if _, out := c.say(limited(t), &peerpb.Order{}, options{}); out.err != nil {
		t.Fatal(out.err)
	}
	s.Stop()
	// The first failure may be of a call that the old connection took.
	for deadline := time.Now().Add(patience / 2); ; {
		_, out := c.say(limited(t), &peerpb.Order{}, options{})
		if lupine.CodeOf(out.err) != lupine.Unavailable {
			t.Fatalf("with the server gone: %v, want Unavailable", out.err)
		}
		if lupine.AsError(out.err).Executed == lupine.No {
			wantError(t, out.err, lupine.Unavailable, lupine.No, "connection refused", addr)
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still not a failed dial: %v", out.err)
		}
	}
	waiting := c.client.StartSay(limited(t), &peerpb.Order{Text: "patient"}, lupine.WaitForReady())
	again, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	startGRPC(t, again)
	if r, err := waiting.Wait(limited(t)); err != nil || r.Text != "patient" {
		t.Errorf("the call that waited for the server: %v, %v", r, err)
	}
	if _, out := c.say(limited(t), &peerpb.Order{}, options{}); out.err != nil {
		t.Errorf("after the restart: %v", out.err)
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	l := listen(t)
	addr := l.Addr().String()
	l.Close()
	return addr
}

// Nobody listens: fail fast, or wait and say what the last dial said.
func TestUnreachable(t *testing.T) {
	t.Parallel()
	addr := closedPort(t)
	c := plain(t, addr)
	_, out := c.say(limited(t), &peerpb.Order{}, options{})
	wantError(t, out.err, lupine.Unavailable, lupine.No, "connection refused", addr)

	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	_, err := c.client.Say(ctx, new(peerpb.Order), lupine.WaitForReady())
	wantError(t, err, lupine.DeadlineExceeded, lupine.No, "connection refused", addr)
}

// Compression both ways, as seen on the wire.
func TestCompression(t *testing.T) {
	t.Parallel()
	lupineAddr, _ := lupineServers(t)
	grpcAddr, _ := grpcServers(t)
	for _, c := range []struct {
		name   string
		server string
		addr   func(*testing.T) string
		dial   func(*testing.T, string) caller
		method []string
	}{
		{"lupine to grpc-go", "grpc-go", func(*testing.T) string { return grpcAddr }, func(t *testing.T, a string) caller { return plain(t, a) }, []string{"gzip", "zstd"}},
		{"grpc-go to lupine", "lupine", func(*testing.T) string { return lupineAddr }, func(t *testing.T, a string) caller { return dialGRPC(t, a) }, []string{"gzip", "zstd"}},
		{"lupine to python", "python", startPython, func(t *testing.T, a string) caller { return plain(t, a) }, []string{"gzip"}},
		{"python to lupine", "lupine", func(*testing.T) string { return lupineAddr }, func(t *testing.T, a string) caller { return dialPython(t, a) }, []string{"gzip"}},
	} {
		for _, method := range c.method {
			t.Run(c.name+" "+method, func(t *testing.T) {
				t.Parallel()
				x := newTap(t, c.addr(t))
				testCompressed(t, pair{caller: c.dial(t, x.addr), server: c.server}, x, method)
			})
		}
	}
}

func testCompressed(t *testing.T, p pair, x *tap, method string) {
	with := options{compress: method, header: []string{"compress-reply", method}}
	payload := make([]byte, 1<<20) // compresses well: a small DATA frame shows that it was
	r, out := p.say(limited(t), &peerpb.Order{Payload: payload}, with)
	if out.err != nil || len(r.Payload) != len(payload) {
		t.Fatalf("Say: %d bytes, %v", len(r.GetPayload()), out.err)
	}
	for _, fromClient := range []bool{true, false} {
		if !fromClient && p.plainReplies {
			continue
		}
		head := x.find(func(f frame) bool {
			return f.fromClient == fromClient && f.kind == http2.FrameHeaders && f.field("content-type") != ""
		})
		data := x.find(func(f frame) bool {
			return f.fromClient == fromClient && f.kind == http2.FrameData && f.length > 0 && f.stream == head.stream
		})
		if got := head.field("grpc-encoding"); got != method || data.data[0] != 1 || data.length > 100_000 {
			t.Errorf("from client %v: grpc-encoding %q, message flag %d, %d bytes; want %s, compressed", fromClient, got, data.data[0], data.length, method)
		}
	}
	// In a stream each message is compressed by itself.
	s, err := p.chat(limited(t), with)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := s.Send(&peerpb.Order{Payload: payload}); err != nil {
			t.Fatal(err)
		}
		if r, err := s.Recv(); err != nil || len(r.Payload) != len(payload) {
			t.Fatalf("Chat: %d bytes, %v", len(r.GetPayload()), err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	drain(t, s)
}
