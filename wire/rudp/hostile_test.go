package rudp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
)

// heap is what lives after a collection, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// server serves an echo and returns its parts.
func server(t *testing.T, c Config) (*listener, string) {
	t.Helper()
	srv := lupine.ServerConfig{}.NewServer()
	echo{}.register(srv)
	l := Listen("127.0.0.1:0", c).(*listener)
	if err := srv.Bind(context.Background(), l); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(context.Background()) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l, l.Addr()
}

func (l *listener) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sessions)
}

// foe is a socket at an address of its own within 127/8: as good as a spoofed one, but
// that it sees the answers.
func foe(t *testing.T, from int, to string) *net.UDPConn {
	t.Helper()
	remote := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))
	c, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 1, byte(from>>8), byte(from)|1)}, remote)
	if err != nil {
		t.Skipf("no address of 127/8 to send from: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadBuffer(4 << 20)
	return c
}

// drain reads all that has come for c, and returns its bytes.
func drain(c *net.UDPConn, each func([]byte)) (n int) {
	b := make([]byte, 2048)
	for {
		c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		k, err := c.Read(b)
		if err != nil {
			return n
		}
		n += k
		if each != nil {
			each(b[:k])
		}
	}
}

// helloPacket is a HELLO of the plain mode, padded to so many bytes.
func helloPacket(id uint64, number uint64, cookie []byte, frames []byte, size int) []byte {
	b := engine.AppendHello(nil, &engine.Hello{Mode: engine.ModePlain, From: uint32(id) | 1, ID: id, Number: number, Cookie: cookie})
	b = append(b, frames...)
	for len(b) < size-4 {
		b = append(b, byte(engine.TypePad))
	}
	return engine.AppendCRC(b, 0)
}

// TestStrangers: HELLOs from addresses that are not proven leave nothing behind, and are
// answered with less than they are long; a caller beside them notices nothing.
func TestStrangers(t *testing.T) {
	l, addr := server(t, plain)
	conn := dialEcho(t, addr, plain)
	if _, err := say(soon(t), conn, nil); err != nil {
		t.Fatal(err)
	}
	before := heap()
	const hellos = 20_000
	sent, got, answers := 0, 0, 0
	for from := range 20 {
		c := foe(t, from*2, addr)
		for i := range hellos / 20 {
			size := []int{engine.BaseMTU, engine.HelloBytes, 60, 31}[i%4]
			n, _ := c.Write(helloPacket(rand.Uint64(), 0, nil, []byte{byte(engine.TypePing)}, size))
			sent += n
			if i%100 == 0 {
				if _, err := say(soon(t), conn, []byte("still there?")); err != nil {
					t.Fatalf("a call beside: %v", err)
				}
			}
		}
		got += drain(c, func(b []byte) {
			answers++
			if len(b) > engine.HelloBytes || engine.Kind(b[0]) != engine.KindRetry {
				t.Fatalf("an answer of %d bytes, kind %#x", len(b), b[0])
			}
		})
	}
	grown := heap() - before
	t.Logf("%d HELLOs of %d bytes: %d answers of %d bytes; heap grew by %d; sessions %d", hellos, sent, answers, got, grown, l.count())
	if answers == 0 || got > sent || l.count() != 1 || grown > hellos*16 {
		t.Errorf("%d answers, %d bytes for %d, %d sessions, heap grew by %d", answers, got, sent, l.count(), grown)
	}
}

// TestCrowd: sessions of proven addresses end at MaxSessions: those beyond it are told so
// with less than they sent, and an honest session goes on.
func TestCrowd(t *testing.T) {
	limited := plain
	limited.MaxSessions, limited.Stats = 200, new(Stats)
	l, addr := server(t, limited)
	conn := dialEcho(t, addr, plain)
	if _, err := say(soon(t), conn, nil); err != nil {
		t.Fatal(err)
	}
	before := heap()
	busy, sent, got := 0, 0, 0
	c := foe(t, 1, addr)
	local := engine.DefaultParams()
	local.Incarnation[0], local.Versions = 1, []byte{engine.Version}
	params := engine.AppendPlainParams(nil, &local)
	crypto := append(engine.AppendVarint(append([]byte{byte(engine.TypeCrypto)}, 0), uint64(len(params))), params...)
	for i := range 1000 {
		id := rand.Uint64() | 1
		n, _ := c.Write(helloPacket(id, 0, nil, []byte{byte(engine.TypePing)}, engine.BaseMTU))
		sent += n
		got += waitFor(t, c, id, func(b []byte) bool {
			if r, d := engine.ParseRetry(b); d == engine.DropNone {
				n, _ := c.Write(helloPacket(id, 1, r.Cookie, crypto, engine.BaseMTU))
				sent += n
				return false
			}
			if _, frames, d := engine.ParseHello(b); d == engine.DropNone && strings.Contains(string(frames), "limit MaxSessions") {
				busy++
			}
			return true
		})
		if i%100 == 0 {
			if _, err := say(soon(t), conn, nil); err != nil {
				t.Fatalf("a call beside: %v", err)
			}
		}
	}
	grown := heap() - before
	t.Logf("1,000 sessions wanted: %d were refused, %d are there; %d bytes for %d; heap grew by %d, %d a session", busy, l.count(), got, sent, grown, grown/199)
	if l.count() != 200 || busy < 790 || got > 3*sent || grown > 200*64<<10 {
		t.Errorf("%d sessions, %d refused, %d bytes for %d, heap grew by %d", l.count(), busy, got, sent, grown)
	}
	for name, n := range limited.Stats.All() {
		if name == "sessions" && n == 0 {
			t.Error("the counter says nothing")
		}
	}
	_, err := lupine.Dial(soon(t), To(addr, plain))
	if err == nil {
		var late *lupine.Conn
		late, err = lupine.Dial(soon(t), To(addr, plain))
		if err == nil {
			_, err = say(soon(t), late, nil)
			late.Close()
		}
	}
	if err == nil || !strings.Contains(err.Error(), "limit MaxSessions") {
		t.Errorf("an honest client beyond the limit: %v", err)
	}
}

// TestHandshakes: one address that begins handshakes and ends none keeps no other
// address out.
func TestHandshakes(t *testing.T) {
	secured, client := testTLS(t)
	limited := Config{TLS: secured, MaxHandshakes: 8, Stats: new(Stats)}
	l, addr := server(t, limited)
	c := foe(t, 1, addr)
	packet := func(id, number uint64, cookie []byte) []byte {
		b := engine.AppendHello(nil, &engine.Hello{Mode: engine.ModeTLS, From: uint32(id) | 1, ID: id, Number: number, Cookie: cookie})
		b = append(b, byte(engine.TypePing))
		for len(b) < engine.BaseMTU-4 {
			b = append(b, byte(engine.TypePad))
		}
		return engine.AppendCRC(b, 0)
	}
	for range 40 {
		id := rand.Uint64() | 1
		c.Write(packet(id, 0, nil))
		waitFor(t, c, id, func(b []byte) bool {
			r, d := engine.ParseRetry(b)
			if d == engine.DropNone {
				c.Write(packet(id, 1, r.Cookie))
			}
			return true
		})
	}
	conn := dialEcho(t, addr, Config{TLS: client})
	if _, err := say(soon(t), conn, []byte("let me in")); err != nil {
		t.Fatal(err)
	}
	l.mu.Lock()
	greeting := len(l.greeting)
	l.mu.Unlock()
	if n := limited.Stats.greeting.Load(); greeting > 8 || n < 30 {
		t.Errorf("%d handshakes go on, %d were one too many", greeting, n)
	}
}

// waitFor reads answers to id until f has seen enough, and returns their bytes.
func waitFor(t *testing.T, c *net.UDPConn, id uint64, f func([]byte) bool) (n int) {
	t.Helper()
	b := make([]byte, 2048)
	for {
		c.SetReadDeadline(time.Now().Add(5 * time.Second))
		k, err := c.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		n += k
		var got uint64
		if h, _, d := engine.ParseHello(b[:k]); d == engine.DropNone {
			got = h.ID
		} else if r, d := engine.ParseRetry(b[:k]); d == engine.DropNone {
			got = r.ID
		}
		if got == id && f(b[:k]) {
			return n
		}
	}
}

// TestGarbage: datagrams of all kinds that are not what they seem are dropped and
// counted, at a server and at a client; calls go on.
func TestGarbage(t *testing.T) {
	noted := plain
	noted.Stats = new(Stats)
	_, addr := server(t, noted)
	s := dialSession(t, addr, plain)
	c := foe(t, 3, addr)
	r := rand.New(rand.NewPCG(5, 6))
	before := heap()
	for i := range 20_000 {
		b := make([]byte, r.IntN(300))
		for k := range b {
			b[k] = byte(r.Uint32())
		}
		if len(b) > 0 && i%8 != 0 {
			b[0] = 0x08 + byte(r.IntN(8))
		}
		c.Write(b)
		if i%200 == 0 {
			var reply raw
			if err := s.Invoke(soon(t), &lupine.Call{Method: &echoMethods[0], MaxReceive: -1, MaxSend: -1}, &raw{Bytes: []byte("hi")}, &reply); err != nil || string(reply.Bytes) != "hi" {
				t.Fatalf("a call beside: %q, %v", reply.Bytes, err)
			}
		}
	}
	answered := drain(c, nil)
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("the heap grew by %d", grown)
	}
	if answered > 20_000*13 {
		t.Errorf("%d bytes of answers", answered)
	}
}

// TestCertificates: what is wrong with a certificate is said to who dials.
func TestCertificates(t *testing.T) {
	good, client := testTLS(t)
	must := good.Clone()
	must.ClientAuth = tls.RequireAndVerifyClientCert
	bare := client.Clone()
	bare.Certificates = nil
	elsewhere := client.Clone()
	elsewhere.ServerName = "elsewhere.example"
	later := client.Clone()
	later.Time = func() time.Time { return time.Now().Add(48 * time.Hour) }
	for _, c := range []struct {
		name           string
		server, client *tls.Config
		want           string
	}{
		{"unknown authority", good, &tls.Config{}, "unknown authority"},
		{"another name", good, elsewhere, "elsewhere.example"},
		{"expired", good, later, "expired"},
		{"no client certificate", must, bare, "certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, addr := server(t, Config{TLS: c.server})
			conn, err := lupine.Dial(soon(t), To(addr, Config{TLS: c.client}))
			if err == nil {
				_, err = say(soon(t), conn, nil)
				conn.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			t.Log(err)
		})
	}
}

// TestInUse: a port that is taken is named.
func TestInUse(t *testing.T) {
	_, addr := server(t, plain)
	err := lupine.ServerConfig{}.NewServer().Bind(context.Background(), Listen(addr, plain))
	if err == nil || !strings.Contains(err.Error(), "address "+addr+" is in use") {
		t.Errorf("%v", err)
	}
}

// TestServerGone: calls of a server that is no more fail soon, on loopback, and say why.
func TestServerGone(t *testing.T) {
	held := make(chan struct{}, 1)
	addr, srv := serveEcho(t, echo{say: func(ctx context.Context, r *raw) (*raw, error) {
		held <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}}, plain)
	conn := dialEcho(t, addr, plain)
	failed := make(chan error, 1)
	go func() {
		_, err := say(soon(t), conn, nil)
		failed <- err
	}()
	<-held
	srv.Close()
	err := <-failed
	var e *lupine.Error
	if !errors.As(err, &e) || e.Code != lupine.Unavailable || e.Executed != lupine.Maybe || !strings.Contains(e.Message, "server was closed") {
		t.Errorf("the call under way: %v", err)
	}
	began := time.Now()
	_, err = say(soon(t), conn, nil)
	if !errors.As(err, &e) || e.Code != lupine.Unavailable || e.Executed != lupine.No || time.Since(began) > 3*time.Second {
		t.Errorf("the next call: %v after %v", err, time.Since(began))
	}
	t.Log(fmt.Sprint(err))
}

// TestSlots: a client whose calls hang gets MaxSlotsTop of them and no more, and keeps nobody
// else out; when it leaves, its handlers are told.
func TestSlots(t *testing.T) {
	const top, calls = 64, 500
	hang, told := make(chan struct{}, calls), make(chan struct{}, calls)
	limited := plain
	limited.MaxSlots, limited.MaxSlotsTop = 8, top
	addr, _ := serveEcho(t, echo{say: func(ctx context.Context, r *raw) (*raw, error) {
		if string(r.Bytes) == "hang" {
			hang <- struct{}{}
			<-ctx.Done()
			told <- struct{}{}
			return nil, ctx.Err()
		}
		return r, nil
	}}, limited)
	greedy := dialSession(t, addr, plain)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	invoke := func(queue bool) error {
		return greedy.Invoke(ctx, &lupine.Call{Method: &echoMethods[0], MaxReceive: -1, MaxSend: -1, Queue: queue}, &raw{Bytes: []byte("hang")}, new(raw))
	}
	var all sync.WaitGroup
	for range calls {
		all.Go(func() {
			if invoke(true) == nil {
				t.Error("a call that hangs has succeeded")
			}
		})
	}
	await := func(what string, c <-chan struct{}, n int) {
		t.Helper()
		for i := range n {
			select {
			case <-c:
			case <-soon(t).Done():
				t.Fatalf("%d of %d %s", i, n, what)
			}
		}
	}
	await("calls hang", hang, top)
	if err := invoke(false); !errors.Is(err, lupine.ErrFull) {
		t.Errorf("a call too many: %v", err)
	}
	conn := dialEcho(t, addr, plain)
	for i := range 300 {
		began := time.Now()
		if _, err := say(soon(t), conn, []byte("beside")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("call %d beside took %v", i, took)
		}
	}
	if len(hang) > 0 {
		t.Errorf("%d calls too many were run", len(hang))
	}
	greedy.Close()
	all.Wait()
	await("handlers were told", told, top)
}

// TestQueueAfterCancel: a call that waits for a slot gets that of a canceled one, once its
// handler has returned.
func TestQueueAfterCancel(t *testing.T) {
	hang, returns := make(chan struct{}), make(chan struct{})
	limited := plain
	limited.MaxSlots, limited.MaxSlotsTop = 1, 1
	addr, _ := serveEcho(t, echo{say: func(ctx context.Context, r *raw) (*raw, error) {
		if string(r.Bytes) == "hang" {
			close(hang)
			<-ctx.Done()
			<-returns
		}
		return r, nil
	}}, limited)
	s := dialSession(t, addr, plain)
	call := func(ctx context.Context, text string) error {
		return s.Invoke(ctx, &lupine.Call{Method: &echoMethods[0], MaxReceive: -1, MaxSend: -1, Queue: true}, &raw{Bytes: []byte(text)}, new(raw))
	}
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error, 1)
	go func() { first <- call(ctx, "hang") }()
	<-hang
	second := make(chan error, 1)
	go func() { second <- call(soon(t), "next") }()
	s.mu.Lock()
	for waiting := 0; waiting == 0; { // until the second waits
		s.mu.Unlock()
		runtime.Gosched()
		s.mu.Lock()
		waiting = len(s.slots)
	}
	s.mu.Unlock()
	cancel()
	if err := <-first; err == nil {
		t.Error("the canceled call has succeeded")
	}
	close(returns)
	if err := <-second; err != nil {
		t.Errorf("the call that waited: %v", err)
	}
}
