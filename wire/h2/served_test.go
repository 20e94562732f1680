package h2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/race"
	"github.com/lupine-rpc/lupine/internal/routes"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
)

// isHeaders accepts header blocks of one stream.
func isHeaders(id uint32) func(xhttp2.Frame) bool {
	return func(fr xhttp2.Frame) bool {
		m, ok := fr.(*xhttp2.MetaHeadersFrame)
		return ok && m.StreamID == id
	}
}

func is[T xhttp2.Frame](fr xhttp2.Frame) bool { _, ok := fr.(T); return ok }

func field(fr xhttp2.Frame, name string) string {
	m, ok := fr.(*xhttp2.MetaHeadersFrame)
	if !ok {
		return ""
	}
	for _, f := range m.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// TestServerAnswers: requests that are wrong get a status at the right level, and
// the connection lives.
func TestServerAnswers(t *testing.T) {
	s := serveEcho(t, echo{}, Config{})
	good := []string{":method", "POST", ":scheme", "http", ":path", "/test.Echo/Say", ":authority", "x", "te", "trailers", "content-type", "application/grpc"}
	swap := func(name, value string) []string {
		kv := append([]string(nil), good...)
		for i := 0; i < len(kv); i += 2 {
			if kv[i] == name {
				kv[i+1] = value
				return kv
			}
		}
		return append(kv, name, value)
	}
	for _, c := range []struct {
		name           string
		kv             []string
		body           []byte
		status, grpc   string
		text, executed string
	}{
		{"OK", good, message("hi"), "200", "0", "", ""},
		{"OK with a codec", swap("content-type", "application/grpc+proto"), message("hi"), "200", "0", "", ""},
		{"unknown service", swap(":path", "/no.Such/Say"), message("hi"), "200", "12", "unknown service", "no"},
		{"unknown method", swap(":path", "/test.Echo/Nothing"), message("hi"), "200", "12", "no method Nothing", "no"},
		{"malformed path", swap(":path", "test"), message("hi"), "200", "12", "malformed", "no"},
		{"not gRPC", swap("content-type", "text/html"), message("hi"), "415", "", "", ""},
		{"GET", swap(":method", "GET"), message("hi"), "405", "", "", ""},
		{"unknown compression", swap("grpc-encoding", "lzma"), message("hi"), "200", "12", "lzma", "no"},
		{"bad timeout", swap("grpc-timeout", "soon"), message("hi"), "200", "13", "timeout", "no"},
		{"bad metadata", swap("x-bin", "!!!"), message("hi"), "200", "13", "x-bin", "no"},
		{"no message", good, nil, "200", "12", "no request message", "no"},
		{"two messages", good, append(message("a"), message("b")...), "200", "12", "more than one", "no"},
		{"truncated message", good, message("hello")[:7], "200", "13", "within a message", "no"},
		{"truncated prefix", good, message("hello")[:3], "200", "13", "within a message", "no"},
		{"bad flag", good, []byte{9, 0, 0, 0, 0}, "200", "13", "flag", "no"},
		{"compressed without saying how", good, []byte{1, 0, 0, 0, 1, 'x'}, "200", "13", "compressed flag", "no"},
		{"garbage for gzip", swap("grpc-encoding", "gzip"), []byte{1, 0, 0, 0, 1, 'x'}, "200", "13", "gzip", "no"},
		{"too large", good, []byte{0, 0xff, 0, 0, 0}, "200", "8", "", "no"},
		{"header too large", swap("x", strings.Repeat("y", 9000)), message("hi"), "200", "8", "header", "no"},
		{"passed deadline", swap("grpc-timeout", "0n"), message("hi"), "200", "0", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fakeClient(t, s.addr)
			f.headers(1, false, c.kv...)
			f.WriteData(1, true, c.body)
			fr := f.next(true, isHeaders(1))
			if got := field(fr, ":status"); got != c.status {
				t.Fatalf("status %q, want %q", got, c.status)
			}
			if c.grpc != "" && field(fr, "grpc-status") == "" {
				fr = f.next(true, isHeaders(1))
			}
			text := field(fr, "grpc-message")
			if field(fr, "grpc-status") != c.grpc || !strings.Contains(text, c.text) || field(fr, "lupine-executed") != c.executed {
				t.Errorf("grpc-status %q %q, executed %q; want %s with %q, executed %q", field(fr, "grpc-status"), text, field(fr, "lupine-executed"), c.grpc, c.text, c.executed)
			}
			// The connection lives.
			f.call(3, "Say", "again")
			if fr := f.next(true, isHeaders(3)); field(fr, ":status") != "200" {
				t.Error("the connection did not survive")
			}
		})
	}
}

// TestSlowHello: a connection that does not get through its handshakes is closed.
func TestSlowHello(t *testing.T) {
	server, _ := testTLS(t)
	for _, c := range []struct {
		name   string
		config Config
		first  string
	}{
		{"nothing", Config{}, ""},
		{"half a preface", Config{}, engine.Preface[:10]},
		{"a preface and no SETTINGS", Config{}, engine.Preface},
		{"half a request line", Config{}, "POST"},
		{"nothing over TLS", Config{TLS: server}, ""},
		{"half a hello", Config{TLS: server}, "\x16\x03\x01\x02\x00\x01"},
	} {
		c.config.HandshakeTimeout = 50 * time.Millisecond
		s := serveEcho(t, echo{}, c.config)
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(conn, c.first)
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.Copy(io.Discard, conn); timedOut(err) {
			t.Errorf("%s: still open", c.name)
		}
		conn.Close()
	}
}

// TestIdleTimeout: an idle connection is drained, one with a call is not.
func TestIdleTimeout(t *testing.T) {
	s := serveEcho(t, echo{}, Config{IdleTimeout: 50 * time.Millisecond})
	f := fakeClient(t, s.addr)
	if fr := f.next(true, is[*xhttp2.GoAwayFrame]); fr == nil {
		t.Fatal("closed without GOAWAY")
	}
	f.rest() // ends: the server closes it
}

// TestServerDrain: two GOAWAYs; the call under way ends well, and one that came
// between them is answered too.
func TestServerDrain(t *testing.T) {
	release, began := make(chan struct{}), make(chan struct{}, 2)
	s := serveEcho(t, echo{say: func(_ context.Context, r *raw) (*raw, error) {
		began <- struct{}{}
		<-release
		return r, nil
	}}, Config{})
	f := fakeClient(t, s.addr)
	f.call(1, "Say", "x")
	<-began
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(soon(t)) }()
	first := f.next(false, is[*xhttp2.GoAwayFrame]).(*xhttp2.GoAwayFrame)
	if first.LastStreamID != 1<<31-1 || first.ErrCode != xhttp2.ErrCodeNo {
		t.Errorf("first GOAWAY: %v", first)
	}
	f.call(3, "Say", "y") // it was on its way
	<-began
	second := f.next(true, is[*xhttp2.GoAwayFrame]).(*xhttp2.GoAwayFrame)
	if second.LastStreamID != 3 {
		t.Errorf("second GOAWAY: %v", second)
	}
	f.call(5, "Say", "z") // too late
	close(release)
	for _, id := range []uint32{1, 3} {
		ended := 0
		f.next(true, func(fr xhttp2.Frame) bool {
			if m, ok := fr.(*xhttp2.MetaHeadersFrame); ok && m.StreamEnded() {
				ended++
				if field(fr, "grpc-status") != "0" || m.StreamID > 3 {
					t.Errorf("stream %d ended with %q", m.StreamID, field(fr, "grpc-status"))
				}
			}
			return ended > 0
		})
		_ = id
	}
	f.rest()
	if err := <-drained; err != nil {
		t.Errorf("Drain: %v", err)
	}
}

// TestDeadClient: a client that is gone without a word has its handlers cancelled.
func TestDeadClient(t *testing.T) {
	ended := make(chan error, 1)
	s := serveEcho(t, echo{say: func(ctx context.Context, _ *raw) (*raw, error) {
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, ctx.Err()
	}}, Config{KeepAlive: 30 * time.Millisecond, KeepAliveTimeout: 50 * time.Millisecond})
	f := fakeClient(t, s.addr)
	f.call(1, "Say", "x")
	if err := <-ended; !errors.Is(err, errSilent) {
		t.Errorf("the handler was cancelled because of %v", err)
	}
}

// TestClientReset cancels the handler's context, and frees its slot when it
// returns.
func TestClientReset(t *testing.T) {
	began, ended := make(chan struct{}), make(chan struct{})
	s := serveEcho(t, echo{chat: func(ctx context.Context, in *lupine.Receiver[raw], _ *lupine.Sender[raw]) error {
		close(began)
		_, err := in.Recv(ctx)
		if lupine.CodeOf(err) != lupine.Canceled || ctx.Err() == nil {
			t.Errorf("Recv: %v", err)
		}
		close(ended)
		return err
	}}, Config{MaxStreams: 1})
	f := fakeClient(t, s.addr)
	f.headers(1, false, ":method", "POST", ":scheme", "http", ":path", "/test.Echo/Chat", "content-type", "application/grpc")
	<-began
	f.WriteRSTStream(1, xhttp2.ErrCodeCancel)
	<-ended
	for id := uint32(3); ; id += 2 { // the slot is free once the handler has returned
		f.call(id, "Say", "x")
		fr := f.next(true, func(fr xhttp2.Frame) bool { return fr.Header().StreamID == id && !is[*xhttp2.WindowUpdateFrame](fr) })
		if is[*xhttp2.MetaHeadersFrame](fr) {
			return
		}
		if r, ok := fr.(*xhttp2.RSTStreamFrame); !ok || r.ErrCode != xhttp2.ErrCodeRefusedStream {
			t.Fatalf("got %v", fr)
		}
	}
}

// TestBlockedHandlers: handlers that were quick and now block, or spin, hold up
// nobody: the reader's role moves on.
func TestBlockedHandlers(t *testing.T) {
	release := make(chan struct{})
	var spin atomic.Bool
	spin.Store(true)
	s := serveEcho(t, echo{say: func(_ context.Context, r *raw) (*raw, error) {
		switch string(r.Bytes) {
		case "block":
			<-release
		case "spin":
			for spin.Load() {
			}
		}
		return r, nil
	}}, Config{})
	conn := dialEcho(t, s.addr, Config{})
	ctx := soon(t)
	for range 2000 { // the handler earns its place on the reader's goroutine
		if _, err := say(ctx, conn, []byte("quick")); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	for _, what := range []string{"block", "block", "block", "spin"} {
		all.Go(func() {
			if _, err := say(ctx, conn, []byte(what)); err != nil {
				t.Error(err)
			}
		})
	}
	for range 200 {
		if _, err := say(ctx, conn, []byte("quick")); err != nil {
			t.Fatal(err)
		}
	}
	close(release)
	spin.Store(false)
	all.Wait()
}

// TestManySmallBuffers: 4,096 calls between sockets whose buffers hold next to
// nothing, with replies that do not fit, do not stall.
func TestManySmallBuffers(t *testing.T) {
	// A unix socket: TCP waits for a probe timer when its window is this small.
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Skip(err)
	}
	serveEcho(t, echo{}, Config{Listener: smallListener{ln}})
	conn := dialEcho(t, "unix://"+ln.Addr().String(), Config{Dialer: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		return small(c), err
	}})
	ctx := soon(t)
	body := bytes.Repeat([]byte("s"), 3000)
	var next atomic.Int32
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			for next.Add(1) <= 4096 {
				if got, err := say(ctx, conn, body); err != nil || !bytes.Equal(got, body) {
					t.Errorf("after %d calls: %d bytes, %v", next.Load(), len(got), err)
					return
				}
			}
		})
	}
	all.Wait()
}

type smallListener struct{ net.Listener }

func (l smallListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return small(c), err
}

func small(c net.Conn) net.Conn {
	if b, ok := c.(interface {
		SetReadBuffer(int) error
		SetWriteBuffer(int) error
	}); ok {
		b.SetReadBuffer(8 << 10)
		b.SetWriteBuffer(8 << 10)
	}
	return c
}

// TestStalledPeer: a client that takes none of the bytes it asked for is
// disconnected.
func TestStalledPeer(t *testing.T) {
	s := serveEcho(t, echo{}, Config{StallTimeout: 100 * time.Millisecond, KeepAlive: -1})
	f := fakeClient(t, s.addr, xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1<<31 - 1})
	f.WriteWindowUpdate(0, 1<<30)
	small(f.conn)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for id := uint32(1); id < 1<<20; id += 2 { // ask, and do not read
			f.headers(id, false, ":method", "POST", ":scheme", "http", ":path", "/test.Echo/Say", "content-type", "application/grpc")
			if f.WriteData(id, true, message(strings.Repeat("x", 60_000))) != nil {
				return
			}
		}
	}()
	select {
	case <-gone:
	case <-time.After(20 * time.Second):
		t.Error("still connected")
	}
}

// TestStalledWindow: a client that asks for more than it has window for, and never
// opens it, does not hold the reply for ever.
func TestStalledWindow(t *testing.T) {
	s := serveEcho(t, echo{}, Config{StallTimeout: 50 * time.Millisecond, KeepAlive: 20 * time.Millisecond})
	f := fakeClient(t, s.addr, xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0})
	f.call(1, "Say", "x")
	f.rest() // ends: the server closes it
}

// TestSlowRequest: a request that trickles in is given up; one that is merely
// large is not.
func TestSlowRequest(t *testing.T) {
	s := serveEcho(t, echo{}, Config{StallTimeout: 50 * time.Millisecond, KeepAlive: 20 * time.Millisecond})
	f := fakeClient(t, s.addr)
	f.headers(1, false, ":method", "POST", ":scheme", "http", ":path", "/test.Echo/Say", "content-type", "application/grpc")
	f.WriteData(1, false, message(strings.Repeat("x", 5000))[:700])
	fr := f.next(true, isHeaders(1))
	if field(fr, "grpc-status") != "4" || field(fr, "lupine-executed") != "no" {
		t.Errorf("got %v", fr)
	}
}

// TestPanics end their call and nothing else.
func TestPanics(t *testing.T) {
	s := serveEcho(t, echo{say: func(_ context.Context, r *raw) (*raw, error) {
		if string(r.Bytes) == "panic" {
			panic("at the disco")
		}
		return r, nil
	}}, Config{})
	conn := dialEcho(t, s.addr, Config{})
	for range 3 {
		_, err := say(soon(t), conn, []byte("panic"))
		var e *lupine.Error
		if !errors.As(err, &e) || e.Code != lupine.Internal || e.Executed != lupine.Yes || strings.Contains(e.Message, "disco") {
			t.Errorf("%v", err)
		}
		if _, err := say(soon(t), conn, []byte("fine")); err != nil {
			t.Error(err)
		}
	}
}

// TestGoexit: a handler that ends its goroutine ends its own call and nothing else,
// also when the goroutine is the one that reads the connection.
func TestGoexit(t *testing.T) {
	s := serveEcho(t, echo{
		say: func(_ context.Context, r *raw) (*raw, error) {
			if string(r.Bytes) == "exit" {
				runtime.Goexit()
			}
			return r, nil
		},
		list: func(ctx context.Context, r *raw, out *lupine.Sender[raw]) error {
			out.Send(ctx, r)
			runtime.Goexit()
			return nil
		},
	}, Config{})
	conn := dialEcho(t, s.addr, Config{})
	sc := s.route(t, "/test.Echo/Say")
	for _, inline := range []bool{false, true, true} {
		if inline {
			for !sc.Quick() { // the reader runs quick ones
				sc.Ran(0)
			}
		}
		_, err := say(soon(t), conn, []byte("exit"))
		if e := lupine.AsError(err); e == nil || e.Code != lupine.Internal || e.Executed != lupine.Yes || !strings.Contains(e.Message, "goroutine") {
			t.Errorf("inline %v: %v", inline, err)
		}
		if _, err := say(soon(t), conn, []byte("fine")); err != nil {
			t.Error(err)
		}
	}
	st := lupine.CallServerStream[raw](soon(t), conn, &echoMethods[1], &raw{}, nil)
	if _, err := st.Recv(soon(t)); err != nil {
		t.Error(err)
	}
	if _, err := st.Recv(soon(t)); lupine.CodeOf(err) != lupine.Internal || lupine.AsError(err).Executed != lupine.Yes {
		t.Errorf("a stream whose handler ended its goroutine: %v", err)
	}
}

// route is what the server knows of a method.
func (s *testServer) route(t testing.TB, path string) *routes.Route {
	t.Helper()
	r := s.srv.Lookup(path)
	if r == nil {
		t.Fatalf("no route for %s", path)
	}
	return s.routes.Of(r)
}

// TestLargeMessages: both ways, with the windows that we begin with, and many at
// once.
func TestLargeMessages(t *testing.T) {
	s := serveEcho(t, echo{}, Config{})
	conn := dialEcho(t, s.addr, Config{})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			body := bytes.Repeat([]byte{byte(i)}, lupine.DefaultMaxReceive-i)
			if got, err := say(soon(t), conn, body); err != nil || !bytes.Equal(got, body) {
				t.Errorf("call %d: %d bytes back, %v", i, len(got), err)
			}
		})
	}
	all.Wait()
	_, err := say(soon(t), conn, make([]byte, lupine.DefaultMaxReceive+1))
	if lupine.CodeOf(err) != lupine.ResourceExhausted {
		t.Errorf("above the limit: %v", err)
	}
}

// TestRapidReset: the connection of an attacker is closed; an honest client on
// another one sees nothing of it.
func TestRapidReset(t *testing.T) {
	s := serveEcho(t, echo{}, Config{})
	honest := dialEcho(t, s.addr, Config{})
	f := fakeClient(t, s.addr)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for id := uint32(1); id < 1<<16; id += 2 {
			f.headers(id, false, ":method", "POST", ":scheme", "http", ":path", "/test.Echo/Say", "content-type", "application/grpc")
			if f.WriteRSTStream(id, xhttp2.ErrCodeCancel) != nil {
				return
			}
		}
	}()
	for range 100 {
		if _, err := say(soon(t), honest, nil); err != nil {
			t.Fatal(err)
		}
	}
	<-gone
	fr := f.next(false, is[*xhttp2.GoAwayFrame]) // nil if the close overtook it
	if fr != nil && fr.(*xhttp2.GoAwayFrame).ErrCode != xhttp2.ErrCodeEnhanceYourCalm {
		t.Errorf("%v", fr)
	}
	f.rest()
}

// TestAllocs counts the allocations of a unary call, both ends together.
func TestAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	conn := dialEcho(t, serveEcho(t, echo{}, Config{}).addr, Config{})
	req := &raw{Bytes: make([]byte, 64)}
	for _, c := range []struct {
		name string
		ctx  context.Context
		most float64
	}{
		// Two messages with their bytes, and the server's call object; the handler
		// returns the request as its reply.
		{"plain", context.Background(), 5},
		// A lone caller reads its reply itself, and has to be told when its context ends.
		{"with a deadline", soon(t), 7},
	} {
		call := func() {
			if _, err := lupine.Invoke[raw](c.ctx, conn, &echoMethods[0], req, nil); err != nil {
				t.Fatal(err)
			}
		}
		for range 2000 {
			call()
		}
		if n := testing.AllocsPerRun(5000, call); n > c.most {
			t.Errorf("%s: %v allocations a call, want %v: see docs/ARCHITECTURE.md", c.name, n, c.most)
		}
	}
}
