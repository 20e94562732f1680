package h2

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/lupine-rpc/lupine"
)

// TestRollingRestart: a server that is drained and replaced, again and again,
// loses no call and runs none twice, whatever is on its way at the time.
func TestRollingRestart(t *testing.T) {
	var mu sync.Mutex
	ran := map[string]int{}
	e := echo{say: func(_ context.Context, r *raw) (*raw, error) {
		mu.Lock()
		ran[string(r.Bytes[:8])]++
		mu.Unlock()
		return r, nil
	}}
	start := func(addr string) (*lupine.Server, string, chan error) {
		srv := lupine.ServerConfig{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}.NewServer()
		e.register(srv)
		l := Listen(addr, Config{})
		if err := srv.Bind(context.Background(), l); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(context.Background()) }()
		return srv, l.Addr(), done
	}
	srv, addr, done := start("127.0.0.1:0")
	conn, err := lupine.DialConfig{WaitForReady: true, Backoff: lupine.Backoff{Base: time.Millisecond, Max: 5 * time.Millisecond}}.Dial(context.Background(), To(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := soon(t)
	var stop atomic.Bool
	var calls atomic.Int64
	var all sync.WaitGroup
	for c := range 8 {
		all.Go(func() {
			body := bytes.Repeat([]byte("x"), 8+c*20_000) // some larger than a window
			for !stop.Load() {
				n := calls.Add(1)
				for i := range 8 {
					body[i] = byte(n >> (8 * i))
				}
				if got, err := say(ctx, conn, body); err != nil || !bytes.Equal(got, body) {
					t.Errorf("call %d: %d bytes back, %v", n, len(got), err)
					return
				}
			}
		})
	}
	for range 8 {
		for before := calls.Load(); calls.Load() < before+200 && ctx.Err() == nil; {
			time.Sleep(time.Millisecond) // traffic, not synchronisation
		}
		if err := srv.Drain(ctx); err != nil {
			t.Errorf("Drain: %v", err)
		}
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
		srv, _, done = start(addr)
	}
	stop.Store(true)
	all.Wait()
	srv.Close()
	<-done
	for id, n := range ran {
		if n != 1 {
			t.Errorf("call %x ran %d times", id, n)
		}
	}
	if int64(len(ran)) != calls.Load() {
		t.Errorf("%d calls, %d ran", calls.Load(), len(ran))
	}
}

// lingering is a connection that takes its time to close, as one does whose last
// bytes are on their way.
type lingering struct {
	net.Conn
	closed *atomic.Bool
}

func (c lingering) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

func (c lingering) Close() error {
	time.Sleep(20 * time.Millisecond) // the time it takes
	c.closed.Store(true)
	return c.Conn.Close()
}

type lingeringListener struct {
	net.Listener
	closed *atomic.Bool
}

func (l lingeringListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return lingering{c, l.closed}, err
}

// TestDrainWaitsForClose: a program exits when Drain returns, and what the kernel
// has not been given by then is lost. So every connection must be closed by then,
// not about to be.
func TestDrainWaitsForClose(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var closed atomic.Bool
	s := serveEcho(t, echo{}, Config{Listener: lingeringListener{l, &closed}})
	f := fakeClient(t, s.addr)
	f.call(1, "Say", "x")
	f.next(true, is[*xhttp2.MetaHeadersFrame])
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(soon(t)) }()
	f.rest() // answers the PING between the two GOAWAYs, and does not close first
	if err := <-drained; err != nil {
		t.Fatal(err)
	}
	if !closed.Load() {
		t.Error("Drain returned before the connection was closed")
	}
}
