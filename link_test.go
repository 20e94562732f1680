package lupine_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lupine-rpc/lupine"
)

func TestBackoffDelay(t *testing.T) {
	for _, c := range []struct {
		b      lupine.Backoff
		n      int
		random float64
		want   time.Duration
	}{
		{lupine.Backoff{}, 1, 0.5, 100 * time.Millisecond},
		{lupine.Backoff{}, 2, 0.5, 160 * time.Millisecond},
		{lupine.Backoff{}, 3, 0.5, 256 * time.Millisecond},
		{lupine.Backoff{}, 100, 0.5, 20 * time.Second},
		{lupine.Backoff{}, 1 << 30, 0.5, 20 * time.Second},
		{lupine.Backoff{}, 1, 0, 80 * time.Millisecond},
		{lupine.Backoff{}, 1, 1, 120 * time.Millisecond},
		{lupine.Backoff{Jitter: -1}, 1, 0, 100 * time.Millisecond},
		{lupine.Backoff{Base: time.Second, Max: 3 * time.Second, Factor: 2}, 2, 0.5, 2 * time.Second},
		{lupine.Backoff{Base: time.Second, Max: 3 * time.Second, Factor: 2}, 3, 0.5, 3 * time.Second},
		{lupine.Backoff{Base: time.Second, Max: time.Millisecond}, 1, 0.5, time.Millisecond},
		{lupine.Backoff{Base: time.Second, Factor: 0.5}, 2, 0.5, 1600 * time.Millisecond},
		{lupine.Backoff{Base: time.Second, Jitter: 0.5}, 1, 0, 500 * time.Millisecond},
	} {
		if got := c.b.Delay(c.n, c.random); (got - c.want).Abs() > time.Microsecond {
			t.Errorf("%+v.Delay(%d, %v) is %v, want %v", c.b, c.n, c.random, got, c.want)
		}
	}
}

var rawMethod = &newService("test.S", lupine.Unary).Methods[0]

// call makes a unary call and returns the address of who answered.
func call(ctx context.Context, c *lupine.Conn, opts ...lupine.CallOption) (string, error) {
	r, err := lupine.Invoke[lupine.Raw](ctx, c, rawMethod, &lupine.Raw{}, opts)
	if err != nil {
		return "", err
	}
	return string(r.Bytes), nil
}

func dial(t *testing.T, c lupine.DialConfig, targets ...lupine.Target) *lupine.Conn {
	t.Helper()
	conn, err := c.Dial(context.Background(), targets...)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func wantCall(t *testing.T, c *lupine.Conn, want string, opts ...lupine.CallOption) {
	t.Helper()
	if got, err := call(context.Background(), c, opts...); err != nil || got != want {
		t.Fatalf("a call was answered by %q, %v; want %q", got, err, want)
	}
}

func TestDialErrors(t *testing.T) {
	bad := errors.New("no such scheme")
	w := &fakeWire{}
	for name, d := range map[string]func() error{
		"needs a target": func() error { _, err := lupine.Dial(t.Context()); return err },
		"scheme":         func() error { _, err := lupine.Dial(t.Context(), w.to("a"), lupine.Target{Err: bad}); return err },
		"lacks metadata": func() error {
			_, err := lupine.DialConfig{Require: lupine.Capabilities{Metadata: true}}.Dial(t.Context(), w.to("a"))
			return err
		},
	} {
		if err := d(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if len(w.dialed()) != 0 {
		t.Error("Dial did I/O")
	}
}

// TestPickFirstHeadStart: an address that answers nothing holds calls for a moment
// alone, at the first dial and when the session there has died; the one that works
// is stayed with when it answers after all.
func TestPickFirstHeadStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := true
		w := &fakeWire{dial: func(ctx context.Context, to lupine.Endpoint, _ int) error {
			if !silent || to.Addr != "a" {
				return nil
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Second): // it goes on
				return nil
			}
		}}
		conn := dial(t, lupine.DialConfig{}, w.to("a", "b"))
		defer conn.Close()
		began := time.Now()
		wantCall(t, conn, "b")
		if took := time.Since(began); took != 250*time.Millisecond {
			t.Errorf("the first call took %v, want 250 ms", took)
		}
		time.Sleep(time.Minute)
		wantCall(t, conn, "b")
		if got := w.dialed(); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("dialed %q", got)
		}
		// A dial that ended in time leaves no head start behind for the next.
		silent = false
		w.session(0).down(errors.New("broke")) // b's: the first that was made
		synctest.Wait()
		wantCall(t, conn, "a")
		silent = true
		w.session(1).down(errors.New("broke")) // a's
		synctest.Wait()
		began = time.Now()
		wantCall(t, conn, "b")
		if took := time.Since(began); took > 250*time.Millisecond {
			t.Errorf("failing over took %v, want 250 ms at most", took)
		}
	})
}

// TestPickFirst: calls go to the first address that can be reached, and stay there
// while it works.
func TestPickFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{dial: func(_ context.Context, to lupine.Endpoint, n int) error {
			if to.Addr == "a" && n < 3 {
				return errRefused
			}
			return nil
		}}
		conn := dial(t, lupine.DialConfig{}, w.to("a", "b", "c"))
		defer conn.Close()
		wantCall(t, conn, "b")
		time.Sleep(time.Minute) // a may be tried again now, but b works
		wantCall(t, conn, "b")
		if got := w.dialed(); !slices.Equal(got, []string{"a", "b"}) {
			t.Errorf("dialed %q", got)
		}
		w.session(0).down(errors.New("broke"))
		synctest.Wait()
		wantCall(t, conn, "a")
		if got := w.dialed(); !slices.Equal(got, []string{"a", "b", "a"}) {
			t.Errorf("dialed %q", got)
		}
		if s := w.session(0); !s.closed {
			t.Error("the broken session was not closed")
		}
	})
}

// TestTargets: the endpoints of several targets are one set, over their own wires.
func TestTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dead := &fakeWire{dial: func(context.Context, lupine.Endpoint, int) error { return errRefused }}
		live := &fakeWire{}
		conn := dial(t, lupine.DialConfig{}, dead.to("x"), live.to("y"))
		defer conn.Close()
		wantCall(t, conn, "y")
	})
}

// TestSickServer: an endpoint that ends every session as soon as it is made is
// dialed again at once a few times, then as after failed dials; a session that
// lasts, or a call that succeeds, ends that.
func TestSickServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{fail: func(*lupine.Call) error { return lupine.Errorf(lupine.Aborted, "no") }}
		conn := dial(t, lupine.DialConfig{}, w.to("a"))
		defer conn.Close()
		connected := func() {
			t.Helper()
			if _, err := call(t.Context(), conn, lupine.WaitForReady()); err == nil {
				t.Fatal("the call should fail")
			}
		}
		kill := func(times int) (took time.Duration) {
			begun := time.Now()
			for range times {
				connected()
				w.session(len(w.dialed()) - 1).down(errors.New("broke"))
				synctest.Wait()
			}
			connected()
			return time.Since(begun)
		}
		if took := kill(3); took != 0 {
			t.Errorf("three restarts took %v", took)
		}
		if took := kill(4); took < 400*time.Millisecond || took > 2*time.Second {
			t.Errorf("four more sessions took %v", took)
		}
		time.Sleep(time.Second)
		if took := kill(3); took != 0 {
			t.Errorf("after a session that lasted, three restarts took %v", took)
		}
		w.fail = nil
		w.session(len(w.dialed()) - 1).down(errors.New("broke"))
		synctest.Wait()
		for range 10 {
			wantCall(t, conn, "a")
			w.session(len(w.dialed()) - 1).down(errors.New("broke"))
			synctest.Wait()
		}
	})
}

// TestFailFast: a call fails with the dials' errors, not executed, and the next
// dial waits for its time, then longer.
func TestFailFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		w := &fakeWire{dial: func(context.Context, lupine.Endpoint, int) error {
			at = append(at, time.Since(start))
			return fmt.Errorf("dial fake: %w", errRefused)
		}}
		conn := dial(t, lupine.DialConfig{Backoff: lupine.Backoff{Base: time.Second, Factor: 2, Jitter: -1}}, w.to("a"))
		defer conn.Close()
		for range 700 { // 7 s of calls every 10 ms
			_, err := call(context.Background(), conn)
			e, ok := err.(*lupine.Error)
			if !ok || e.Code != lupine.Unavailable || e.Executed != lupine.No || !errors.Is(err, errRefused) {
				t.Fatalf("got %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		for i := range at { // a dial starts with the first call after its time
			at[i] = at[i].Truncate(100 * time.Millisecond)
		}
		if want := []time.Duration{0, time.Second, 3 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("dialed at %v, want %v: 1 s, then 2 s, then 4 s apart", at, want)
		}
	})
}

func TestWaitForReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{dial: func(_ context.Context, _ lupine.Endpoint, n int) error {
			if n <= 3 {
				return errRefused
			}
			return nil
		}}
		conn := dial(t, lupine.DialConfig{WaitForReady: true}, w.to("a"))
		defer conn.Close()
		if _, err := call(context.Background(), conn, lupine.FailFast()); lupine.CodeOf(err) != lupine.Unavailable {
			t.Errorf("a call that fails fast: %v", err)
		}
		wantCall(t, conn, "a")
	})
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{dial: func(context.Context, lupine.Endpoint, int) error { return errRefused }}
		conn := dial(t, lupine.DialConfig{}, w.to("a"))
		defer conn.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		start := time.Now()
		_, err := call(ctx, conn, lupine.WaitForReady())
		e, ok := err.(*lupine.Error)
		if !ok || e.Code != lupine.DeadlineExceeded || e.Executed != lupine.No || !strings.Contains(e.Message, errRefused.Error()) {
			t.Errorf("got %v, want DeadlineExceeded that carries the last dial's error", err)
		}
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("it took %v", took)
		}
		// Without a deadline the safety net ends it.
		conn = dial(t, lupine.DialConfig{SafetyNet: time.Minute}, w.to("a"))
		defer conn.Close()
		start = time.Now()
		_, err = call(context.Background(), conn, lupine.WaitForReady())
		if lupine.CodeOf(err) != lupine.DeadlineExceeded || time.Since(start) != time.Minute {
			t.Errorf("with a safety net of a minute: %v after %v", err, time.Since(start))
		}
		// Closing the Conn ends it.
		go func() { time.Sleep(time.Second); conn.Close() }()
		_, err = call(context.Background(), conn, lupine.WaitForReady())
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("a waiting call on a Conn that is closed: %v", err)
		}
	})
}

// TestTransparentRetry: a call that is known not to have run is tried once more,
// elsewhere if there is an elsewhere. Nothing else is.
func TestTransparentRetry(t *testing.T) {
	refused := lupine.Errorf(lupine.Unavailable, "refused").NotExecuted()
	for _, c := range []struct {
		name  string
		err   error
		calls int
	}{
		{"refused", refused, 2},
		{"may have run", lupine.Errorf(lupine.Unavailable, "lost"), 1},
		{"has run", &lupine.Error{Code: lupine.Unavailable, Executed: lupine.Yes}, 1},
		{"another code", lupine.Errorf(lupine.ResourceExhausted, "large").NotExecuted(), 1},
	} {
		for _, started := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				w := &fakeWire{}
				conn := dial(t, lupine.DialConfig{}, w.to("a"))
				defer conn.Close()
				wantCall(t, conn, "a")
				s := w.session(0)
				s.set(func(s *fakeSession) { s.fail = func(*lupine.Call) error { return c.err } })
				var err error
				if started {
					_, err = lupine.Start[lupine.Raw](context.Background(), conn, rawMethod, &lupine.Raw{}, nil).Wait(context.Background())
				} else {
					_, err = call(context.Background(), conn)
				}
				if err != c.err || s.count() != 1+c.calls {
					t.Errorf("%s (started: %v): %v after %d attempts, want %d", c.name, started, err, s.count()-1, c.calls)
				}
			})
		}
	}
	synctest.Test(t, func(t *testing.T) { // a refusal, and a session to go to
		w := &fakeWire{}
		conn := dial(t, lupine.DialConfig{Balancer: newTurns}, w.to("a", "b"))
		defer conn.Close()
		var attempts []int
		for i := range 2 {
			wantCall(t, conn, []string{"a", "b"}[i])
		}
		w.session(0).set(func(s *fakeSession) {
			s.fail = func(c *lupine.Call) error {
				attempts = append(attempts, c.Attempt())
				return refused
			}
		})
		for range 4 {
			wantCall(t, conn, "b")
		}
		if !slices.Equal(attempts, []int{1, 1, 1, 1}) && !slices.Equal(attempts, []int{1, 1}) {
			t.Errorf("attempts at the refusing session: %v", attempts)
		}
	})
}

// newTurns makes a Picker that takes the links in turn, but avoids the one that
// just refused.
func newTurns() lupine.Picker { return new(turns) }

type turns struct {
	links []*lupine.Link
	n     int
	done  []error
}

// Update keeps the links.
func (p *turns) Update(links []*lupine.Link) { p.links = links }

// Pick takes the next one.
func (p *turns) Pick(info lupine.PickInfo) (*lupine.Link, func(lupine.Outcome), error) {
	for range p.links {
		l := p.links[p.n%len(p.links)]
		if l == info.Avoid && len(p.links) > 1 {
			p.n++
			continue
		}
		if l.State() == lupine.Ready {
			p.n++
			return l, func(o lupine.Outcome) { p.done = append(p.done, o.Err) }, nil
		}
		l.Connect()
		return nil, nil, nil
	}
	return nil, nil, lupine.LinkErrors(p.links)
}

// TestPickerIsTold: a Picker hears of each attempt's end once, whatever kind of
// call it was and however it ended.
func TestPickerIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(turns)
		w := &fakeWire{caps: lupine.Capabilities{Streams: true}}
		conn := dial(t, lupine.DialConfig{Balancer: func() lupine.Picker { return p }}, w.to("a"))
		defer conn.Close()
		wantCall(t, conn, "a")
		refused := lupine.Errorf(lupine.Unavailable, "refused").NotExecuted()
		w.session(0).set(func(s *fakeSession) { s.fail = func(*lupine.Call) error { return refused } })
		call(context.Background(), conn)
		s := lupine.CallServerStream[lupine.Raw](context.Background(), conn, &newService("test.S", lupine.ServerStreaming).Methods[0], &lupine.Raw{}, nil)
		s.Recv(context.Background())
		s.Recv(context.Background())
		s.Close()
		synctest.Wait()
		if want := []error{nil, refused, refused, refused, refused}; !slices.Equal(p.done, want) {
			t.Errorf("the picker was told %v, want %v", p.done, want)
		}
	})
}

// TestMoreSessions: when every session is full another is made, up to a limit.
func TestMoreSessions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{}
		conn := dial(t, lupine.DialConfig{MaxSessions: 3}, w.to("a"))
		defer conn.Close()
		wantCall(t, conn, "a")
		for range 10 {
			w.mu.Lock()
			all := slices.Clone(w.sessions)
			w.mu.Unlock()
			for _, s := range all {
				s.set(func(s *fakeSession) { s.ready = false })
			}
			wantCall(t, conn, "a") // waits at a full one, and asks for another
			synctest.Wait()
		}
		if n := len(w.dialed()); n != 3 {
			t.Errorf("%d sessions were made, want 3", n)
		}
		conn.Close()
		for i := range 3 {
			if !w.session(i).closed {
				t.Errorf("session %d was left open", i)
			}
		}
	})
}

// TestLeavingSession: a session that takes no more calls stays the Conn's until
// its calls have ended, and goes with it.
func TestLeavingSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{}
		conn := dial(t, lupine.DialConfig{}, w.to("a"))
		wantCall(t, conn, "a")
		s := w.session(0)
		s.down(errors.New("going away"))
		synctest.Wait()
		if s.drains != 1 || !s.closed {
			t.Errorf("the session was drained %d times; closed: %v", s.drains, s.closed)
		}
		wantCall(t, conn, "a")
		conn.Close()
		if !w.session(1).closed {
			t.Error("the second session was left open")
		}
	})
}

// TestDialIsBounded: a dial that hangs ends by DialTimeout, and by Close.
func TestDialIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &fakeWire{dial: func(ctx context.Context, _ lupine.Endpoint, _ int) error {
			<-ctx.Done()
			return ctx.Err()
		}}
		conn := dial(t, lupine.DialConfig{DialTimeout: 3 * time.Second}, w.to("a"))
		start := time.Now()
		_, err := call(context.Background(), conn)
		if lupine.CodeOf(err) != lupine.Unavailable || time.Since(start) != 3*time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		go func() {
			time.Sleep(time.Second)
			conn.Close()
		}()
		_, err = call(context.Background(), conn, lupine.WaitForReady())
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// list is a Resolver that a test changes.
type list struct{ updates chan any }

// Watch passes on what the test says.
func (l list) Watch(ctx context.Context, update func([]lupine.Endpoint, error)) {
	for {
		select {
		case u := <-l.updates:
			err, _ := u.(error)
			endpoints, _ := u.([]lupine.Endpoint)
			update(endpoints, err)
		case <-ctx.Done():
			return
		}
	}
}

// TestResolver: a list may change, and a failure leaves the last good one in use.
func TestResolver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, r := &fakeWire{}, list{make(chan any)}
		conn := dial(t, lupine.DialConfig{}, lupine.Target{Name: "dns:///guide", Wire: w, Resolver: r})
		lost := errors.New("no such host")
		failed := make(chan error)
		go func() {
			_, err := call(context.Background(), conn)
			failed <- err
		}()
		r.updates <- lost
		if err := <-failed; lupine.CodeOf(err) != lupine.Unavailable || !errors.Is(err, lost) || !strings.Contains(err.Error(), "dns:///guide") {
			t.Errorf("a name that does not resolve: %v", err)
		}
		r.updates <- []lupine.Endpoint{{Addr: "a"}}
		synctest.Wait()
		wantCall(t, conn, "a")
		r.updates <- lost
		synctest.Wait()
		wantCall(t, conn, "a")
		r.updates <- []lupine.Endpoint{}
		synctest.Wait()
		wantCall(t, conn, "a")
		r.updates <- []lupine.Endpoint{{Addr: "b"}, {Addr: "a"}}
		synctest.Wait()
		wantCall(t, conn, "a") // it is still there, and works
		r.updates <- []lupine.Endpoint{{Addr: "b"}}
		synctest.Wait()
		wantCall(t, conn, "b")
		if s := w.session(0); !s.closed || s.drains != 1 {
			t.Errorf("the session to an address that is gone: drained %d times, closed %v", s.drains, s.closed)
		}
		conn.Close()
	})
}

// TestCredentialsNeedPrivacy: see also rpctest.
func TestCredentialsNeedPrivacy(t *testing.T) {
	w := &fakeWire{}
	conn := dial(t, lupine.DialConfig{Credentials: lupine.BearerToken("secret")}, w.to("far:1"))
	defer conn.Close()
	_, err := call(t.Context(), conn)
	e, ok := err.(*lupine.Error)
	if !ok || e.Code != lupine.Unauthenticated || e.Executed != lupine.No || !strings.Contains(e.Message, "far:1") || strings.Contains(e.Message, "secret") {
		t.Errorf("got %v", err)
	}
	if w.session(0).count() != 0 {
		t.Error("the call was made")
	}
}

// TestMissingCapability: the first call that a wire cannot carry fails, not
// executed, and names one that could.
func TestMissingCapability(t *testing.T) {
	w := &fakeWire{}
	able := &fakeWire{caps: lupine.Capabilities{AtMostOnce: true}}
	conn := dial(t, lupine.DialConfig{}, w.to("a"), able.to("b"))
	defer conn.Close()
	_, err := call(t.Context(), conn, lupine.AtMostOnce())
	e, ok := err.(*lupine.Error)
	if !ok || e.Code != lupine.Unimplemented || e.Executed != lupine.No || !strings.Contains(e.Message, "use wire fake") {
		t.Errorf("got %v", err)
	}
}
