package h2

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/lupine-rpc/lupine"
)

func TestClientAnswers(t *testing.T) {
	plain := []string{":status", "200", "content-type", "application/grpc"}
	for _, c := range []struct {
		name     string
		play     func(f *fake, id uint32)
		code     lupine.Code
		executed lupine.Executed
		text     string
	}{
		{"OK", func(f *fake, id uint32) { f.answer(id, "hi") }, lupine.OK, 0, ""},
		{"trailers only", func(f *fake, id uint32) {
			f.headers(id, true, append(plain, "grpc-status", "5", "grpc-message", "no%20such%25")...)
		}, lupine.NotFound, lupine.Maybe, "no such%"},
		{"it ran", func(f *fake, id uint32) {
			f.headers(id, true, append(plain, "grpc-status", "5", "lupine-executed", "yes")...)
		}, lupine.NotFound, lupine.Yes, ""},
		{"it did not run", func(f *fake, id uint32) {
			f.headers(id, true, append(plain, "grpc-status", "12", "lupine-executed", "no")...)
		}, lupine.Unimplemented, lupine.No, ""},
		{"status in header and trailers", func(f *fake, id uint32) {
			f.headers(id, false, append(plain, "grpc-status", "8", "grpc-message", "header")...)
			f.headers(id, true, "grpc-status", "9")
		}, lupine.FailedPrecondition, lupine.Maybe, ""},
		{"two statuses", func(f *fake, id uint32) {
			f.headers(id, false, plain...)
			f.headers(id, true, "grpc-status", "8", "grpc-status", "9")
		}, lupine.Internal, lupine.Maybe, "more than one"},
		{"no reply", func(f *fake, id uint32) { f.headers(id, true, append(plain, "grpc-status", "0")...) }, lupine.Unimplemented, lupine.Maybe, "without a reply"},
		{"two replies", func(f *fake, id uint32) {
			f.headers(id, false, plain...)
			f.WriteData(id, false, append(message("a"), message("b")...))
		}, lupine.Unimplemented, lupine.Maybe, "more than one"},
		{"refused", func(f *fake, id uint32) { f.WriteRSTStream(id, xhttp2.ErrCodeRefusedStream) }, lupine.Unavailable, lupine.No, "REFUSED_STREAM"},
		{"reset", func(f *fake, id uint32) { f.WriteRSTStream(id, xhttp2.ErrCodeInternal) }, lupine.Internal, lupine.Maybe, "INTERNAL_ERROR"},
		{"GOAWAY below it", func(f *fake, id uint32) { f.WriteGoAway(id-1, xhttp2.ErrCodeNo, []byte("bye")) }, lupine.Unavailable, lupine.No, "bye"},
		{"GOAWAY above it", func(f *fake, id uint32) { f.WriteGoAway(id, xhttp2.ErrCodeNo, nil); f.answer(id, "hi") }, lupine.OK, 0, ""},
		{"cut", func(f *fake, _ uint32) { f.conn.Close() }, lupine.Unavailable, lupine.Maybe, "connection to"},
		{"not gRPC", func(f *fake, id uint32) { f.headers(id, true, ":status", "404", "content-type", "text/html") }, lupine.Unimplemented, lupine.Maybe, "404"},
		{"busy", func(f *fake, id uint32) { f.headers(id, true, ":status", "503") }, lupine.Unavailable, lupine.Maybe, "503"},
		{"no trailers", func(f *fake, id uint32) {
			f.headers(id, false, plain...)
			f.WriteData(id, true, message("hi"))
		}, lupine.Internal, lupine.Maybe, "without trailers"},
		{"no status", func(f *fake, id uint32) {
			f.headers(id, false, plain...)
			f.headers(id, true, "a", "b")
		}, lupine.Unknown, lupine.Maybe, "grpc-status"},
		{"within a message", func(f *fake, id uint32) {
			f.headers(id, false, plain...)
			f.WriteData(id, false, message("hello")[:7])
			f.headers(id, true, "grpc-status", "0")
		}, lupine.Internal, lupine.Maybe, "within a message"},
		{"bad flag", func(f *fake, id uint32) {
			f.headers(id, false, plain...)
			f.WriteData(id, false, []byte{7, 0, 0, 0, 0})
		}, lupine.Internal, lupine.Maybe, "flag"},
		{"compressed without saying how", func(f *fake, id uint32) {
			f.headers(id, false, plain...)
			f.WriteData(id, false, append([]byte{1}, message("hello")[1:]...))
			f.headers(id, true, "grpc-status", "0")
		}, lupine.Internal, lupine.Maybe, "compressed flag"},
		{"unknown compression", func(f *fake, id uint32) { f.headers(id, false, append(plain, "grpc-encoding", "snappy")...) }, lupine.Internal, lupine.Maybe, "snappy"},
		{"too large", func(f *fake, id uint32) {
			f.headers(id, false, plain...)
			f.WriteData(id, false, []byte{0, 0xff, 0, 0, 0})
		}, lupine.ResourceExhausted, lupine.Maybe, ""},
		{"large header", func(f *fake, id uint32) {
			f.headers(id, false, append(plain, "x", strings.Repeat("y", 9000))...)
		}, lupine.ResourceExhausted, lupine.Maybe, "MaxHeaderBytes"},
		{"malformed header", func(f *fake, id uint32) { f.headers(id, false, append(plain, "BAD", "y")...) }, lupine.Internal, lupine.Maybe, "BAD"},
		{"broken connection", func(f *fake, _ uint32) { f.WriteRawFrame(0, 0, 0, []byte("x")) }, lupine.Unavailable, lupine.Maybe, "PROTOCOL_ERROR"},
		{"100 first", func(f *fake, id uint32) { f.headers(id, false, ":status", "103"); f.answer(id, "hi") }, lupine.OK, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := fakeServer(t, func(f *fake) {
				if id, _ := f.request(); id != 0 {
					c.play(f, id)
					f.rest()
				}
			})
			s, _ := dialSession(t, addr, Config{})
			got, err := invoke(soon(t), s, "hi")
			if c.code == lupine.OK {
				if err != nil || got != "hi" {
					t.Fatalf("%q, %v", got, err)
				}
				return
			}
			if err == nil || err.Code != c.code || err.Executed != c.executed || !strings.Contains(err.Message, c.text) {
				t.Fatalf("%v (executed %v); want %v, executed %v, with %q", err, err.Executed, c.code, c.executed, c.text)
			}
		})
	}
}

// TestGoAwayLosesNoCall: a server that goes away one connection after the other
// is not noticed by the callers of a Conn.
func TestGoAwayLosesNoCall(t *testing.T) {
	addr := fakeServer(t, func(f *fake) {
		for n := 0; ; n++ {
			id, _ := f.request()
			if id == 0 {
				return
			}
			if n == 3 { // calls up to the last one are answered; this one was not seen
				f.WriteGoAway(id-2, xhttp2.ErrCodeNo, nil)
				f.rest()
				return
			}
			f.answer(id, "hi")
		}
	})
	conn := dialEcho(t, addr, Config{})
	for i := range 40 {
		if got, err := say(soon(t), conn, nil); err != nil || string(got) != "hi" {
			t.Fatalf("call %d: %q, %v", i, got, err)
		}
	}
}

// TestPeerLimit: calls above the peer's limit wait, in turn, and do so within
// their context.
func TestPeerLimit(t *testing.T) {
	ids := make(chan uint32, 10)
	var server *fake
	addr := fakeServer(t, func(f *fake) {
		server = f
		for {
			id, _ := f.request()
			if id == 0 {
				return
			}
			ids <- id
		}
	}, xhttp2.Setting{ID: xhttp2.SettingMaxConcurrentStreams, Val: 1})
	s, _ := dialSession(t, addr, Config{})
	results := make(chan error, 2)
	start := func() {
		_, err := invoke(soon(t), s, "")
		if err != nil {
			results <- err
			return
		}
		results <- nil
	}
	if !s.Ready() {
		t.Error("not ready before the first call")
	}
	go start()
	first := <-ids
	if s.Ready() {
		t.Error("ready although the limit is reached")
	}
	if _, err := s.Open(soon(t), &lupine.Call{Method: &echoMethods[0]}); err != lupine.ErrFull {
		t.Errorf("a call that is not to wait here: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := invoke(ctx, s, ""); err == nil || err.Code != lupine.DeadlineExceeded || err.Executed != lupine.No {
		t.Errorf("waiting for the limit: %v", err)
	}
	go start()
	select {
	case id := <-ids:
		t.Fatalf("stream %d was opened above the limit", id)
	case <-time.After(20 * time.Millisecond):
	}
	server.answer(first, "a")
	second := <-ids
	server.answer(second, "b")
	for range 2 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// TestForeignPings: a silent peer that is not Lupine gets two PINGs and no more,
// and is not given up as long as it answers.
func TestForeignPings(t *testing.T) {
	pings := make(chan struct{}, 100)
	answer := make(chan struct{})
	addr := fakeServer(t, func(f *fake) {
		id, _ := f.request()
		go func() {
			<-answer
			f.answer(id, "at last")
		}()
		f.next(true, func(fr xhttp2.Frame) bool {
			if p, ok := fr.(*xhttp2.PingFrame); ok && !p.IsAck() {
				pings <- struct{}{}
			}
			return false
		})
	})
	s, _ := dialSession(t, addr, Config{KeepAlive: 20 * time.Millisecond, KeepAliveTimeout: 5 * time.Second})
	time.AfterFunc(1500*time.Millisecond, func() { close(answer) })
	if got, err := invoke(soon(t), s, ""); err != nil || got != "at last" {
		t.Fatalf("%q, %v", got, err)
	}
	if n := len(pings); n != 2 {
		t.Errorf("%d PINGs to a silent foreign peer, want 2", n)
	}
}

// TestSilentPeer: a peer that answers nothing is given up within KeepAlive and
// KeepAliveTimeout, and its calls end as Maybe.
func TestSilentPeer(t *testing.T) {
	addr := fakeServer(t, func(f *fake) {
		f.request()
		f.next(false, func(xhttp2.Frame) bool { return false })
	})
	s, down := dialSession(t, addr, Config{KeepAlive: 30 * time.Millisecond, KeepAliveTimeout: 60 * time.Millisecond})
	_, err := invoke(soon(t), s, "")
	if err == nil || err.Code != lupine.Unavailable || err.Executed != lupine.Maybe || !errors.Is(err, errSilent) {
		t.Errorf("%v", err)
	}
	if err := <-down; !errors.Is(err, errSilent) {
		t.Errorf("Down: %v", err)
	}
}

// TestIdleGoAway: an idle session hears of GOAWAY too: somebody reads.
func TestIdleGoAway(t *testing.T) {
	say := make(chan struct{})
	addr := fakeServer(t, func(f *fake) {
		<-say
		f.WriteGoAway(0, xhttp2.ErrCodeNo, []byte("closing time"))
		f.rest()
	})
	s, down := dialSession(t, addr, Config{})
	close(say)
	if err := <-down; !strings.Contains(err.Error(), "closing time") {
		t.Errorf("Down: %v", err)
	}
	if s.Ready() {
		t.Error("still ready")
	}
	if _, err := invoke(soon(t), s, ""); err == nil || err.Code != lupine.Unavailable || err.Executed != lupine.No {
		t.Errorf("a call after GOAWAY: %v", err)
	}
}

// TestSmallWindows: a request far larger than the windows goes out in pieces as
// they open.
func TestSmallWindows(t *testing.T) {
	const size = 20_000
	addr := fakeServer(t, func(f *fake) {
		id, _ := f.request()
		got := 0
		for got < size+5 {
			fr := f.next(true, func(fr xhttp2.Frame) bool { _, ok := fr.(*xhttp2.DataFrame); return ok })
			if fr == nil {
				return
			}
			n := len(fr.(*xhttp2.DataFrame).Data())
			if got += n; n > 100 {
				f.t.Errorf("a frame of %d bytes in a window of 100", n)
			}
			f.WriteWindowUpdate(id, uint32(n))
			f.WriteWindowUpdate(0, uint32(n))
		}
		f.answer(id, "all")
		f.rest()
	}, xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 100})
	s, _ := dialSession(t, addr, Config{})
	if got, err := invoke(soon(t), s, strings.Repeat("x", size)); err != nil || got != "all" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestEarlyAnswer: a server may answer before it has the whole request.
func TestEarlyAnswer(t *testing.T) {
	reset := make(chan xhttp2.ErrCode, 1)
	addr := fakeServer(t, func(f *fake) {
		id, _ := f.request()
		f.headers(id, true, ":status", "200", "content-type", "application/grpc", "grpc-status", "7")
		fr := f.next(true, func(fr xhttp2.Frame) bool { _, ok := fr.(*xhttp2.RSTStreamFrame); return ok })
		if fr != nil {
			reset <- fr.(*xhttp2.RSTStreamFrame).ErrCode
		}
		f.rest()
	}, xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 10})
	s, _ := dialSession(t, addr, Config{})
	if _, err := invoke(soon(t), s, strings.Repeat("x", 1000)); err == nil || err.Code != lupine.PermissionDenied {
		t.Errorf("%v", err)
	}
	if code := <-reset; code != xhttp2.ErrCodeCancel {
		t.Errorf("reset with %v", code)
	}
}

// TestCancelTellsServer: a call that its context ends is reset at once, even while
// its caller reads the connection alone.
func TestCancelTellsServer(t *testing.T) {
	codes := make(chan xhttp2.ErrCode, 2)
	addr := fakeServer(t, func(f *fake) {
		f.next(true, func(fr xhttp2.Frame) bool {
			if r, ok := fr.(*xhttp2.RSTStreamFrame); ok {
				codes <- r.ErrCode
			}
			return false
		})
	})
	s, _ := dialSession(t, addr, Config{})
	for range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		began := time.Now()
		_, err := invoke(ctx, s, "")
		cancel()
		if err == nil || err.Code != lupine.DeadlineExceeded || err.Executed != lupine.Maybe || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if d := time.Since(began); d > 5*time.Second {
			t.Errorf("it took %v", d)
		}
		if code := <-codes; code != xhttp2.ErrCodeCancel {
			t.Errorf("reset with %v", code)
		}
	}
}

// TestServerHeaderLimit: a call whose header the server would refuse is not sent.
func TestServerHeaderLimit(t *testing.T) {
	addr := fakeServer(t, func(f *fake) {
		if id, path := f.request(); id != 0 {
			f.t.Errorf("%s was sent", path)
		}
	}, xhttp2.Setting{ID: xhttp2.SettingMaxHeaderListSize, Val: 600})
	s, _ := dialSession(t, addr, Config{})
	call := &lupine.Call{Method: &echoMethods[0], MaxReceive: 1, MaxSend: -1, Header: lupine.Pairs("a", strings.Repeat("b", 600))}
	err := lupine.AsError(s.Invoke(soon(t), call, &raw{}, &raw{}))
	if err == nil || err.Code != lupine.ResourceExhausted || err.Executed != lupine.No || !strings.Contains(err.Message, "600") {
		t.Errorf("%v", err)
	}
}

// TestSessionDrain: calls under way end, new ones are refused.
func TestSessionDrain(t *testing.T) {
	release := make(chan struct{})
	began := make(chan struct{})
	srv := serveEcho(t, echo{say: func(_ context.Context, r *raw) (*raw, error) {
		close(began)
		<-release
		return r, nil
	}}, Config{})
	s, _ := dialSession(t, srv.addr, Config{})
	var all sync.WaitGroup
	all.Go(func() {
		if got, err := invoke(soon(t), s, "x"); err != nil || got != "x" {
			t.Errorf("the call under way: %q, %v", got, err)
		}
	})
	<-began
	short, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	if err := s.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Drain with a call under way: %v", err)
	}
	if _, err := invoke(soon(t), s, ""); err == nil || err.Executed != lupine.No {
		t.Errorf("a call while draining: %v", err)
	}
	close(release)
	all.Wait()
	if err := s.Drain(soon(t)); err != nil {
		t.Errorf("Drain: %v", err)
	}
}

// TestCompression: both ways, by both methods, and what is not worth it is not.
func TestCompression(t *testing.T) {
	var got string
	srv := serveEcho(t, echo{say: func(ctx context.Context, r *raw) (*raw, error) {
		got = lupine.ServerCallFrom(ctx).Compressor
		return r, nil
	}}, Config{})
	conn := dialEcho(t, srv.addr, Config{})
	for _, name := range []string{"gzip", "zstd", ""} {
		for _, size := range []int{0, 10, 100_000} {
			body := strings.Repeat("z", size)
			back, err := say(soon(t), conn, []byte(body), lupine.Compress(name))
			if err != nil || string(back) != body || got != name {
				t.Errorf("%q, %d bytes: %d back, compressor %q, %v", name, size, len(back), got, err)
			}
		}
	}
	if _, err := say(soon(t), conn, nil, lupine.Compress("lzma")); lupine.CodeOf(err) != lupine.InvalidArgument || !strings.Contains(err.Error(), "gzip") {
		t.Errorf("unknown compressor: %v", err)
	}
}

// TestStreamBackpressure: a sender whose peer does not read waits, within its
// context, and the stream lives on.
func TestStreamBackpressure(t *testing.T) {
	read := make(chan struct{})
	srv := serveEcho(t, echo{chat: func(ctx context.Context, in *lupine.Receiver[raw], out *lupine.Sender[raw]) error {
		<-read
		n := 0
		for m, err := range in.All(ctx) {
			if err != nil {
				return err
			}
			n += len(m.Bytes)
		}
		return out.Send(ctx, &raw{Bytes: []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}})
	}}, Config{})
	conn := dialEcho(t, srv.addr, Config{})
	s := chat(soon(t), conn)
	sent := 0
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		err := s.Send(ctx, &raw{Bytes: make([]byte, 8<<10)})
		cancel()
		if err != nil {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			break
		}
		if sent += 8 << 10; sent > 64<<20 {
			t.Fatal("nothing held the sender back")
		}
	}
	close(read)
	if err := s.CloseSend(soon(t)); err != nil {
		t.Fatal(err)
	}
	m, err := s.Recv(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if got := int(m.Bytes[0])<<24 | int(m.Bytes[1])<<16 | int(m.Bytes[2])<<8 | int(m.Bytes[3]); got != sent {
		t.Errorf("sent %d bytes, the handler read %d", sent, got)
	}
	if _, err := s.Recv(soon(t)); err != io.EOF {
		t.Error(err)
	}
}
