package h2

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
)

// open starts a call whose request goes on: the pipe is its body.
func (m *mounted) open(ctx context.Context, path string, first []byte, header ...string) (*http.Response, *io.PipeWriter) {
	m.t.Helper()
	pr, pw := io.Pipe()
	m.t.Cleanup(func() { pw.Close() })
	res, err := m.client.Do(m.request(ctx, path, struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(first), pr), pr}, header...))
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { res.Body.Close() })
	return res, pw
}

// greets sends the header at once and then does f.
func greets(f func(context.Context, *lupine.Receiver[text], *lupine.Sender[text]) error) func(context.Context, *lupine.Receiver[text], *lupine.Sender[text]) error {
	return func(ctx context.Context, in *lupine.Receiver[text], out *lupine.Sender[text]) error {
		if err := out.SendHeader(ctx); err != nil {
			return err
		}
		return f(ctx, in, out)
	}
}

func TestHandlerDeadline(t *testing.T) {
	ended := make(chan error, 1)
	srv := textServer(lupine.ServerConfig{}, textHandlers{
		say: func(ctx context.Context, m *text) (*text, error) {
			deadline, ok := ctx.Deadline()
			if left := time.Until(deadline); !ok || left > 100*time.Millisecond || left < -time.Second {
				t.Errorf("the deadline is %v away, %v", left, ok)
			}
			<-ctx.Done()
			return nil, ctx.Err()
		},
		// Recv under the call's own context, with nothing to come.
		sum: func(ctx context.Context, in *lupine.Receiver[text]) (*text, error) {
			_, err := in.Recv(ctx)
			ended <- err
			return nil, err
		},
	})
	m := mount(t, srv, HandlerConfig{}, false, nil)
	start := time.Now()
	got := m.call("/t.T/Say", frames("x"), "Grpc-Timeout", "100m")
	if got.err == nil || got.err.Code != lupine.DeadlineExceeded || got.err.Executed != lupine.Yes {
		t.Errorf("%+v; want DeadlineExceeded", got.err)
	}
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	res, _ := m.open(t.Context(), "/t.T/Sum", nil, "Grpc-Timeout", "50m")
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Recv gave %v; want DeadlineExceeded", err)
	}
	if got := m.read(res); got.err == nil || got.err.Code != lupine.DeadlineExceeded {
		t.Errorf("%+v; want DeadlineExceeded", got.err)
	}
}

func TestHandlerCancel(t *testing.T) {
	for _, what := range []string{"handler waits", "Recv", "Recv under another context", "Send"} {
		t.Run(what, func(t *testing.T) {
			ended := make(chan error, 1)
			srv := textServer(lupine.ServerConfig{}, textHandlers{chat: func(ctx context.Context, in *lupine.Receiver[text], out *lupine.Sender[text]) (err error) {
				defer func() { ended <- err }()
				// The caller may have gone as soon as it has the header.
				if err = out.SendHeader(ctx); err != nil {
					return err
				}
				switch what {
				case "handler waits":
					<-ctx.Done()
					err = ctx.Err()
					if cause := context.Cause(ctx); cause != nil && lupine.CodeOf(cause) != lupine.Canceled {
						t.Errorf("the cause is %v", cause)
					}
				case "Recv":
					_, err = in.Recv(ctx)
				case "Recv under another context":
					c, cancel := context.WithTimeout(ctx, time.Hour)
					defer cancel()
					_, err = in.Recv(c)
				case "Send":
					for err == nil { // until the caller's window is full
						err = out.Send(ctx, &text{strings.Repeat("x", 1<<16)})
					}
				}
				return err
			}})
			m := mount(t, srv, HandlerConfig{}, false, nil)
			res, _ := m.open(t.Context(), "/t.T/Chat", nil)
			res.Body.Close() // net/http's way to send RST_STREAM
			if err := <-ended; lupine.CodeOf(err) != lupine.Canceled {
				t.Errorf("the handler saw %v; want Canceled", err)
			}
			eventually(t, "the call is counted out", func() bool {
				m.h.mu.Lock()
				defer m.h.mu.Unlock()
				return len(m.h.calls) == 0
			})
		})
	}
}

// A Recv that ends by its own context loses nothing.
func TestHandlerRecvAgain(t *testing.T) {
	gaveUp := make(chan struct{})
	srv := textServer(lupine.ServerConfig{}, textHandlers{chat: greets(func(ctx context.Context, in *lupine.Receiver[text], out *lupine.Sender[text]) error {
		for i := range 3 {
			short, cancel := context.WithCancel(ctx)
			cancel()
			if _, err := in.Recv(short); !errors.Is(err, context.Canceled) {
				return lupine.Errorf(lupine.Internal, "Recv %d: %v", i, err)
			}
		}
		close(gaveUp)
		for {
			m, err := in.Recv(ctx)
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := out.Send(ctx, m); err != nil {
				return err
			}
		}
	})})
	m := mount(t, srv, HandlerConfig{}, false, nil)
	res, pw := m.open(t.Context(), "/t.T/Chat", nil)
	<-gaveUp
	pw.Write(frames("a", "b"))
	pw.Close()
	if got := m.read(res); got.err != nil || strings.Join(got.messages, " ") != "a b" {
		t.Errorf("%v, %q; want a b", got.err, got.messages)
	}
}

// A Send that ends by its own context leaves the stream alive.
func TestHandlerSendAgain(t *testing.T) {
	full := make(chan int)
	srv := textServer(lupine.ServerConfig{}, textHandlers{list: func(ctx context.Context, _ *text, out *lupine.Sender[text]) error {
		sent := 0
		for {
			short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
			err := out.Send(short, &text{strings.Repeat("x", 1<<16)})
			cancel()
			if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
				break
			}
			if err != nil {
				return err
			}
			sent++
		}
		full <- sent
		return out.Send(ctx, &text{"last"})
	}})
	m := mount(t, srv, HandlerConfig{}, false, nil)
	res, err := m.client.Do(m.request(t.Context(), "/t.T/List", bytes.NewReader(frames("x"))))
	if err != nil {
		t.Fatal(err)
	}
	sent := <-full // nothing is read until the handler has given up once
	got := m.read(res)
	if got.err != nil || len(got.messages) != sent+1 || got.messages[sent] != "last" {
		t.Errorf("%v, %d messages; want %d", got.err, len(got.messages), sent+1)
	}
}

func TestHandlerTrickle(t *testing.T) {
	m := mount(t, textServer(lupine.ServerConfig{}, textHandlers{}), HandlerConfig{MessageTime: 50 * time.Millisecond}, false, nil)
	pr, pw := io.Pipe()
	defer pw.Close()
	go func() {
		pw.Write([]byte{0, 0})
		pw.Write([]byte{0, 0, 9, 'x'})
	}()
	res, err := m.client.Do(m.request(t.Context(), "/t.T/Say", pr))
	if err != nil {
		t.Fatal(err)
	}
	got := outcomeOf(res)
	res.Body.Close()
	if got == nil || got.Code != lupine.DeadlineExceeded || !strings.Contains(got.Message, "MessageTime") || got.Executed != lupine.No {
		t.Errorf("a message that never comes whole: %+v", got)
	}

	// Pauses between messages are nobody's business, and the timer of one
	// message does not end the next.
	res, pw = m.open(t.Context(), "/t.T/Chat", frames("a"))
	for _, s := range []string{"b", "c"} {
		f := frames(s)
		pw.Write(f[:3])
		pw.Write(f[3:])
		time.Sleep(80 * time.Millisecond) // longer than MessageTime: the pause is what is tested
	}
	pw.Close()
	if got := m.read(res); got.err != nil || strings.Join(got.messages, "") != "abc" {
		t.Errorf("after pauses: %v, %q", got.err, got.messages)
	}
}

func TestHandlerDrain(t *testing.T) {
	release, started := make(chan struct{}), make(chan struct{})
	srv := textServer(lupine.ServerConfig{}, textHandlers{say: func(ctx context.Context, m *text) (*text, error) {
		if m.S == "wait" {
			close(started)
			<-lupine.ServerCallFrom(ctx).Draining()
			<-release
		}
		return m, nil
	}})
	m := mount(t, srv, HandlerConfig{}, false, nil)
	var wg sync.WaitGroup
	var old reply
	wg.Go(func() { old = m.call("/t.T/Say", frames("wait")) })
	<-started
	drained := make(chan error, 1)
	go func() { drained <- srv.Drain(context.Background()) }()
	eventually(t, "new calls are refused", func() bool {
		got := m.call("/t.T/Say", frames("new"))
		if got.err != nil && (got.err.Code != lupine.Unavailable || got.err.Executed != lupine.No) {
			t.Fatalf("while draining: %+v", got.err)
		}
		return got.err != nil
	})
	select {
	case err := <-drained:
		t.Fatalf("Drain returned %v with a call under way", err)
	default:
	}
	close(release)
	if err := <-drained; err != nil {
		t.Errorf("Drain: %v", err)
	}
	wg.Wait()
	if old.err != nil || len(old.messages) != 1 {
		t.Errorf("the call under way: %v, %q", old.err, old.messages)
	}
	if err := m.h.Serve(); err != nil {
		t.Errorf("Serve after Drain: %v", err)
	}
}

func TestHandlerClose(t *testing.T) {
	for _, what := range []string{"waits", "receives", "sends"} {
		t.Run(what, func(t *testing.T) {
			started := make(chan struct{})
			srv := textServer(lupine.ServerConfig{}, textHandlers{chat: greets(func(ctx context.Context, in *lupine.Receiver[text], out *lupine.Sender[text]) error {
				close(started)
				switch what {
				case "waits":
					<-ctx.Done()
					return ctx.Err()
				case "receives":
					_, err := in.Recv(ctx)
					return err
				}
				c, cancel := context.WithCancel(ctx) // so that a goroutine writes
				defer cancel()
				for {
					if err := out.Send(c, &text{strings.Repeat("x", 1<<16)}); err != nil {
						return err
					}
				}
			})})
			m := mount(t, srv, HandlerConfig{}, false, nil)
			res, _ := m.open(t.Context(), "/t.T/Chat", nil)
			<-started
			if what == "sends" {
				eventually(t, "the caller's window is full", func() bool { return queued(m.h) })
			}
			done := make(chan struct{})
			go func() { srv.Close(); close(done) }()
			<-done
			if what != "sends" { // that one is reset
				if got := m.read(res); got.err == nil || got.err.Code != lupine.Unavailable {
					t.Errorf("%+v; want Unavailable", got.err)
				}
			}
			select {
			case <-m.h.idle:
			case <-time.After(10 * time.Second):
				t.Error("the handler did not end")
			}
		})
	}
}

// queued reports whether some call has messages waiting for the caller.
func queued(h *Handler) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.calls {
		c.out.mu.Lock()
		n := len(c.out.queue)
		c.out.mu.Unlock()
		if n > 0 {
			return true
		}
	}
	return false
}

// The values of what a handler's context was made from, and its end, reach
// children made by package context.
func TestHandlerContext(t *testing.T) {
	seen := make(chan error, 1)
	srv := textServer(lupine.ServerConfig{}, textHandlers{say: func(ctx context.Context, m *text) (*text, error) {
		child, cancel := context.WithTimeout(ctx, time.Hour)
		context.AfterFunc(child, func() { seen <- child.Err() })
		defer cancel()
		return m, nil
	}})
	m := mount(t, srv, HandlerConfig{}, false, nil)
	if got := m.call("/t.T/Say", frames("x")); got.err != nil {
		t.Fatal(got.err)
	}
	if err := <-seen; !errors.Is(err, context.Canceled) {
		t.Errorf("the child's context ended with %v", err)
	}
}

// Many callers at once, each with messages in flight both ways.
func TestHandlerMany(t *testing.T) {
	m := mount(t, textServer(lupine.ServerConfig{}, textHandlers{}), HandlerConfig{}, false, nil)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for i := range 10 {
				want := strings.Repeat("y", i*1000)
				if got := m.call("/t.T/Chat", frames(want, "z", want)); got.err != nil || len(got.messages) != 3 || got.messages[2] != want {
					t.Errorf("%v, %d messages", got.err, len(got.messages))
				}
			}
		})
	}
	wg.Wait()
	if n := grpcmsg.ProcessBudget().Used(); n != 0 {
		t.Errorf("%d bytes of the decompression budget stay in use", n)
	}
}

// Callers that announce large messages and send none of them cost no more than
// callers that announce small ones.
func TestHandlerLengthLie(t *testing.T) {
	const callers = 200
	cost := func(announced uint32) int64 {
		m := mount(t, textServer(lupine.ServerConfig{}, textHandlers{chat: greets(func(ctx context.Context, in *lupine.Receiver[text], _ *lupine.Sender[text]) error {
			_, err := in.Recv(ctx)
			return err
		})}), HandlerConfig{}, false, nil)
		before := heapInUse()
		var open []*http.Response
		for range callers {
			res, _ := m.open(t.Context(), "/t.T/Chat", append(grpcmsg.AppendPrefix(nil, false, announced), "some"...))
			open = append(open, res)
		}
		eventually(t, "all messages have begun", func() bool {
			m.h.mu.Lock()
			defer m.h.mu.Unlock()
			return len(m.h.calls) == callers
		})
		grown := heapInUse() - before
		for _, res := range open {
			res.Body.Close()
		}
		return grown
	}
	small, large := cost(100), cost(lupine.DefaultMaxReceive)
	if large > small+callers*8<<10 {
		t.Errorf("%d claims of 4 MiB hold %d bytes, as many of 100 bytes hold %d", callers, large, small)
	}
}

func heapInUse() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

// Bombs are stopped at the limit, whatever their number, and a bystander's calls
// go on.
func TestHandlerBombs(t *testing.T) {
	m := mount(t, textServer(lupine.ServerConfig{}, textHandlers{}), HandlerConfig{}, false, nil)
	var wg sync.WaitGroup
	for _, z := range []grpcmsg.Compressor{grpcmsg.Gzip(), grpcmsg.Zstd()} {
		bomb := packed(t, z, strings.Repeat("\x00", 16<<20))
		if len(bomb) > 100_000 {
			t.Fatalf("the bomb has %d bytes", len(bomb))
		}
		for range 20 {
			wg.Go(func() {
				got := m.call("/t.T/Say", bomb, "Grpc-Encoding", z.Name())
				if got.err == nil || got.err.Code != lupine.ResourceExhausted || got.err.Executed != lupine.No {
					t.Errorf("%s: %v", z.Name(), got.err)
				}
			})
		}
	}
	for range 20 {
		if got := m.call("/t.T/Say", frames("bystander")); got.err != nil {
			t.Errorf("a bystander: %v", got.err)
		}
	}
	wg.Wait()
}
