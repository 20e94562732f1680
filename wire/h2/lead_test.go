package h2

import (
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

// TestKickWhileFlushing: a caller that reads is kicked off by a deadline in the past. When that happens while the caller writes what its read has brought
// about (window updates for a large reply), nobody may run into the deadline.
func TestKickWhileFlushing(t *testing.T) {
	srv := serveEcho(t, echo{}, Config{})
	s, _ := dialSession(t, srv.addr, Config{})
	stop := make(chan struct{})
	var kicker sync.WaitGroup
	kicker.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			s.mu.Lock()
			if s.reader == receiver {
				s.kick()
			}
			s.mu.Unlock()
		}
	})
	body := string(make([]byte, 300_000))
	for i := range 100 {
		if _, err := invoke(soon(t), s, body); err != nil {
			t.Errorf("call %d: %v", i, err)
			break
		}
	}
	close(stop)
	kicker.Wait()
}

// onlyConn is a server's only connection.
func onlyConn(t *testing.T, l *listener) *served {
	l.mu.Lock()
	defer l.mu.Unlock()
	for sv := range l.conns {
		return sv
	}
	t.Fatal("no connection")
	return nil
}

// TestLoneStream: the receivers of a lone stream read for themselves at both ends, with
// calls beside it that come and go, and again after those.
func TestLoneStream(t *testing.T) {
	srv := serveEcho(t, echo{}, Config{})
	conn := dialEcho(t, srv.addr, Config{})
	ctx := soon(t)
	st := chat(ctx, conn)
	exchange := func(n int) {
		t.Helper()
		for i := range n {
			if err := st.Send(ctx, &raw{Bytes: []byte{byte(i)}}); err != nil {
				t.Fatal(err)
			}
			if m, err := st.Recv(ctx); err != nil || m.Bytes[0] != byte(i) {
				t.Fatalf("message %d: %v, %v", i, m, err)
			}
		}
	}
	exchange(1)
	sv := onlyConn(t, srv.listener)
	for range 3 {
		// A slow moment of the machine makes a receiver shy, for a while.
		self := func() bool {
			sv.mu.Lock()
			before := sv.turns
			sv.mu.Unlock()
			exchange(200)
			sv.mu.Lock()
			defer sv.mu.Unlock()
			return sv.turns-before >= 200
		}
		for !self() {
			if ctx.Err() != nil {
				t.Fatal("the handler does not read for itself")
			}
		}
		for range 20 { // the handler reads; it must not keep calls waiting
			if _, err := say(ctx, conn, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	st.CloseSend(ctx)
	if m, err := st.Recv(ctx); err != io.EOF {
		t.Errorf("at the end: %v, %v", m, err)
	}
	if _, err := say(ctx, conn, []byte("x")); err != nil {
		t.Error(err)
	}
}

// TestLoneHandlerComputes: while the handler of a lone stream does something else,
// other calls on its connection are served.
func TestLoneHandlerComputes(t *testing.T) {
	at, release := make(chan struct{}), make(chan struct{})
	srv := serveEcho(t, echo{chat: func(ctx context.Context, in *lupine.Receiver[raw], out *lupine.Sender[raw]) error {
		for {
			m, err := in.Recv(ctx)
			if err != nil {
				return err
			}
			if string(m.Bytes) == "wait" {
				at <- struct{}{}
				<-release
			}
			if err := out.Send(ctx, m); err != nil {
				return err
			}
		}
	}}, Config{})
	conn := dialEcho(t, srv.addr, Config{})
	ctx := soon(t)
	st := chat(ctx, conn)
	for range 100 {
		st.Send(ctx, &raw{Bytes: []byte("go")})
		if _, err := st.Recv(ctx); err != nil {
			t.Fatal(err)
		}
	}
	st.Send(ctx, &raw{Bytes: []byte("wait")})
	<-at
	if _, err := say(ctx, conn, []byte("x")); err != nil {
		t.Error(err)
	}
	close(release)
	if _, err := st.Recv(ctx); err != nil {
		t.Error(err)
	}
}

// TestLoneContexts: whoever reads for itself notices the end of its context, and of the
// one given to Recv, and can go on after the latter.
func TestLoneContexts(t *testing.T) {
	late := make(chan error, 1)
	srv := serveEcho(t, echo{chat: func(ctx context.Context, in *lupine.Receiver[raw], out *lupine.Sender[raw]) error {
		for {
			m, err := in.Recv(ctx)
			if err != nil {
				late <- err
				return err
			}
			short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
			_, err = in.Recv(short)
			cancel()
			if err != context.DeadlineExceeded {
				t.Errorf("the handler's Recv with a short context: %v", err)
			}
			if err := out.Send(ctx, m); err != nil {
				return err
			}
		}
	}}, Config{})
	t.Run("of Recv", func(t *testing.T) {
		conn := dialEcho(t, srv.addr, Config{})
		ctx, cancel := context.WithCancel(soon(t))
		st := chat(ctx, conn)
		for range 20 {
			st.Send(ctx, &raw{Bytes: []byte("x")})
			short, stop := context.WithTimeout(ctx, time.Millisecond)
			_, err := st.Recv(short)
			stop()
			if err == nil {
				continue // on a slow machine the reply was there first
			}
			if err != context.DeadlineExceeded {
				t.Errorf("Recv with a short context: %v", err)
			}
			if _, err := st.Recv(ctx); err != nil {
				t.Fatal(err)
			}
		}
		time.AfterFunc(5*time.Millisecond, cancel)
		if _, err := st.Recv(ctx); lupine.CodeOf(err) != lupine.Canceled {
			t.Errorf("Recv after the cancel: %v", err)
		}
		if err := <-late; lupine.CodeOf(err) != lupine.Canceled {
			t.Errorf("the handler's Recv after the cancel: %v", err)
		}
	})
	t.Run("of the call, at the server", func(t *testing.T) {
		f := fakeClient(t, srv.addr) // which never cancels
		f.headers(1, false, ":method", "POST", ":scheme", "http", ":path", "/test.Echo/Chat", "content-type", "application/grpc", "grpc-timeout", "100m")
		f.WriteData(1, false, message("x"))
		if err := <-late; lupine.CodeOf(err) != lupine.DeadlineExceeded {
			t.Errorf("the handler's Recv after the deadline: %v", err)
		}
	})
	t.Run("of a unary call", func(t *testing.T) {
		block := make(chan struct{})
		defer close(block)
		srv := serveEcho(t, echo{say: func(_ context.Context, r *raw) (*raw, error) { <-block; return r, nil }}, Config{})
		conn := dialEcho(t, srv.addr, Config{})
		ctx, cancel := context.WithCancel(soon(t))
		time.AfterFunc(5*time.Millisecond, cancel)
		if _, err := say(ctx, conn, nil); lupine.CodeOf(err) != lupine.Canceled {
			t.Error(err)
		}
	})
}

// TestLoneSender: who waits for window on a connection that nobody reads gets it.
func TestLoneSender(t *testing.T) {
	conn := dialEcho(t, serveEcho(t, echo{}, Config{}).addr, Config{})
	ctx := soon(t)
	st := lupine.CallClientStream[raw, raw](ctx, conn, &echoMethods[2], nil)
	piece := &raw{Bytes: make([]byte, 64<<10)}
	for range 60 {
		if err := st.Send(ctx, piece); err != nil {
			t.Fatal(err)
		}
	}
	if sum, err := st.CloseAndRecv(ctx); err != nil || len(sum.Bytes) != 60*len(piece.Bytes) {
		t.Errorf("%d bytes, %v", len(sum.Bytes), err)
	}
}
