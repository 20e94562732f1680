package rpctest

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

// endBehaviours bring calls to each of the moments that points lists and let each
// of the fates strike there: what the caller is told, what the handler is told, and
// whether what is said of the call's execution is true.
func endBehaviours() []behaviour {
	all := []behaviour{
		{"deadline", lupine.Capabilities{}, endDeadlines},
		{"dialing", lupine.Capabilities{}, endDialing},
		{"unreachable", lupine.Capabilities{}, endUnreachable},
	}
	for _, f := range fates {
		all = append(all, behaviour{f.name, lupine.Capabilities{}, func(e *env) { endAll(e, f) }})
	}
	return all
}

// fate is a way in which a call can end.
type fate struct {
	name   string
	strike func(a *act)
	code   lupine.Code
	holds  bool // the handler brings it about, when it is told to
	closes bool // needs a stream that can be closed
	fatal  bool // server or Conn are of no use afterwards
}

var fates = []fate{
	{name: "cancel", strike: func(a *act) { a.end(context.Canceled) }, code: lupine.Canceled},
	{name: "deadlineElsewhere", strike: func(a *act) { a.end(context.DeadlineExceeded) }, code: lupine.DeadlineExceeded},
	{name: "close", strike: func(a *act) { a.close() }, code: lupine.Canceled, closes: true},
	{name: "handlerFails", strike: func(a *act) {
		a.tell(func() error { return lupine.Errorf(lupine.Aborted, "told to") })
	}, code: lupine.Aborted, holds: true},
	{name: "handlerPanics", strike: func(a *act) { a.tell(func() error { panic(secret) }) }, code: lupine.Internal, holds: true},
	{name: "handlerExits", strike: func(a *act) {
		a.tell(func() error { runtime.Goexit(); return nil })
	}, code: lupine.Internal, holds: true},
	{name: "connClosed", strike: func(a *act) { a.conn.Close() }, code: lupine.Unavailable, fatal: true},
	{name: "serverClosed", strike: func(a *act) { a.served.server.Close() }, code: lupine.Unavailable, fatal: true},
	{name: "drain", strike: drainAt, code: lupine.OK, fatal: true},
	{name: "connDrain", strike: connDrainAt, code: lupine.OK, fatal: true},
}

// act is one call, brought to a point.
type act struct {
	*env
	*script
	served *served
	conn   *lupine.Conn
	client testpb.EchoClient
	ctx    context.Context // the call's
	end    func(error)     // ends it
	close  func()          // nil where nobody but the context can end the call
	finish func() error    // sees the call to its end; nil is OK
	again  func() error    // asks once more how it ended
	err    error           // what finish returned
}

// endAll lets f strike at each point.
func endAll(e *env, f fate) {
	var acts []*act
	var s *served
	var conn *lupine.Conn
	show := &stage{}
	for _, p := range points() {
		if f.holds && !p.holds || f.closes && p.kind == "blocking" || e.info.Capabilities.Lacks(p.needs) != "" {
			continue
		}
		e.Run(p.name, func(t *testing.T) {
			inner := newEnv(t, e.wire, e.info)
			outer := e
			if f.fatal {
				s, outer = nil, inner
			}
			if s == nil {
				s = outer.serve(lupine.ServerConfig{}, show.service())
				conn = s.dial(lupine.DialConfig{})
			}
			a := &act{env: inner, script: newScript(p.handler), served: s, conn: conn, client: testpb.NewEchoClient(conn)}
			ctx := newEndable(inner)
			a.ctx, a.end = ctx, ctx.end
			show.now.Store(a.script)
			p.reach(a)
			f.strike(a)
			inner.within(0, f.name, func() { a.err = a.finish() })
			a.check(f, p)
			acts = append(acts, a)
			if f.fatal {
				a.settled()
			} else {
				inner.works(a.client)
			}
		})
	}
	if !f.fatal && s != nil {
		e.ok(s.server.Drain(e.ctx), "Drain")
		for _, a := range acts {
			a.settled()
		}
	}
}

// check compares how the call ended with what f means.
func (a *act) check(f fate, p point) {
	a.Helper()
	le, _ := a.err.(*lupine.Error)
	switch {
	case f.code == lupine.OK && a.err == nil:
	case f.code == lupine.OK && p.early && le != nil && le.Code == lupine.Unavailable && le.Executed == lupine.No:
		// The server, or the Conn, never knew of it: it may be refused.
	case f.code == lupine.OK:
		a.Fatalf("the call ended with %v", a.err)
	default:
		a.failed(a.err, f.code)
		if f.name == "connClosed" && !errors.Is(a.err, net.ErrClosed) {
			a.Errorf("%v is not net.ErrClosed", a.err)
		}
	}
	if a.err != nil && a.again != nil {
		if err := a.again(); lupine.CodeOf(err) != le.Code {
			a.Errorf("the call ended with %v, then with %v", a.err, err)
		}
	}
	if a.runs.Load() > 0 { // its handler must not be left behind
		await(a.env, a.left, "the handler to return")
	}
}

// settled checks, once every handler has returned, that what the caller was told
// of the call's execution is true.
func (a *act) settled() {
	a.Helper()
	if a.served.server.Drain(a.env.ctx) != nil {
		a.served.returned()
	}
	runs := a.runs.Load()
	told := lupine.Yes
	if le, ok := a.err.(*lupine.Error); ok {
		told = le.Executed
	}
	if told == lupine.No && runs > 0 || told == lupine.Yes && runs != 1 || runs > 1 {
		a.Errorf("the call ended with %v (executed: %v), and its handler ran %d times", a.err, told, runs)
	}
}

// drainAt drains the server with the call under way, and lets the handler finish
// once it has been told.
func drainAt(a *act) {
	drained := make(chan error, 1)
	go func() { drained <- a.served.server.Drain(a.env.ctx) }()
	if a.runs.Load() > 0 {
		a.wait(a.draining, "the handler to be told that the server drains")
	}
	a.endWell(drained)
}

func connDrainAt(a *act) {
	drained := make(chan error, 1)
	go func() { drained <- a.conn.Drain(a.env.ctx) }()
	for {
		_, err := a.client.Ping(a.env.ctx, nothing)
		if err != nil {
			a.isClosed(err, lupine.No)
			break
		}
	}
	a.endWell(drained)
}

// endWell lets the handler go and the call end, and waits for a drain.
func (a *act) endWell(drained chan error) {
	close(a.verdict) // nil verdicts: go on
	end := a.finish
	a.finish = func() error {
		err := end()
		a.ok(await(a.env, drained, "Drain"), "Drain with a call under way")
		return err
	}
}

// endDeadlines lets a real deadline pass at each point: both ends watch it.
func endDeadlines(e *env) {
	for _, p := range points() {
		if e.info.Capabilities.Lacks(p.needs) != "" {
			continue
		}
		e.Run(p.name, func(t *testing.T) {
			t.Parallel() // they only wait
			inner := newEnv(t, e.wire, e.info)
			show := &stage{}
			s := inner.serve(lupine.ServerConfig{}, show.service())
			conn := s.dial(lupine.DialConfig{})
			a := &act{env: inner, script: newScript(p.handler), served: s, conn: conn, client: testpb.NewEchoClient(conn)}
			inner.works(a.client)
			show.now.Store(a.script)
			const limit = 60 * time.Millisecond
			ctx, cancel := context.WithTimeout(inner.forever(), limit)
			defer cancel()
			a.ctx = ctx
			p.reach(a)
			inner.wait(ctx.Done(), "the deadline")
			inner.within(0, "a call whose deadline has passed", func() { a.err = a.finish() })
			a.check(fate{name: "deadline", code: lupine.DeadlineExceeded}, p)
			inner.works(a.client)
			a.settled()
		})
	}
}

// gate is a wire whose dials wait until it opens.
type gate struct {
	lupine.Wire
	asked, open chan struct{}
}

// Dial waits.
func (g *gate) Dial(ctx context.Context, to lupine.Endpoint, opts lupine.SessionOptions) (lupine.Session, error) {
	select {
	case g.asked <- struct{}{}:
	default:
	}
	select {
	case <-g.open:
		return g.Wire.Dial(ctx, to, opts)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// waiting starts a call of each kind that has to wait for a session, and returns
// where their errors come and what closes the one that can be closed.
func (e *env) waiting(ctx context.Context, c testpb.EchoClient) (results chan error, calls int, closeOne func()) {
	e.Helper()
	results = make(chan error, 4)
	calls = 2
	go func() {
		_, err := c.Say(ctx, block)
		results <- err
	}()
	p := c.StartSay(ctx, block)
	go func() {
		_, err := p.Wait(e.ctx)
		results <- err
	}()
	if e.info.Capabilities.Streams {
		calls += 2
		go func() {
			_, err := c.List(ctx, block).Recv(e.ctx)
			results <- err
		}()
		go func() {
			s := c.Sum(ctx)
			s.Send(e.ctx, block)
			_, err := s.CloseAndRecv(e.ctx)
			results <- err
		}()
	}
	return results, calls, func() { p.Close() }
}

// endDialing: calls that wait for a session's handshake can be given up, were not
// executed, and the session serves later ones.
func endDialing(e *env) {
	b := newBlocker(e, true)
	s := e.serve(lupine.ServerConfig{}, b)
	for _, how := range []string{"cancel", "deadline", "close the Conn"} {
		to := s.target()
		g := &gate{Wire: to.Wire, asked: make(chan struct{}, 1), open: make(chan struct{})}
		to.Wire = g
		conn := e.dialTo(lupine.DialConfig{}, to)
		c := testpb.NewEchoClient(conn)
		ctx := newEndable(e)
		results, n, closeOne := e.waiting(ctx, c)
		e.wait(g.asked, "a dial")
		closeOne()
		e.failedAs(await(e, results, "the call that was closed"), lupine.Canceled, lupine.No)
		code := lupine.Canceled
		switch how {
		case "cancel":
			ctx.end(context.Canceled)
		case "deadline":
			ctx.end(context.DeadlineExceeded)
			code = lupine.DeadlineExceeded
		default:
			conn.Close()
			code = lupine.Unavailable
		}
		for range n - 1 {
			e.failedAs(await(e, results, "the calls that wait for a session"), code, lupine.No)
		}
		close(g.open)
		if how != "close the Conn" {
			e.works(c)
		}
	}
	if len(b.entered) > 0 {
		e.Error("a handler ran for a call that was given up before it was sent")
	}
}

// endUnreachable: the same where nobody listens and calls wait for ready.
func endUnreachable(e *env) {
	s := e.serve(lupine.ServerConfig{}, &service{})
	to := s.target()
	s.server.Close()
	s.returned()
	for _, how := range []string{"cancel", "deadline", "close the Conn"} {
		conn := e.dialTo(lupine.DialConfig{WaitForReady: true}, to)
		ctx := newEndable(e)
		results, n, closeOne := e.waiting(ctx, testpb.NewEchoClient(conn))
		closeOne()
		e.failedAs(await(e, results, "the call that was closed"), lupine.Canceled, lupine.No)
		code := lupine.Canceled
		switch how {
		case "cancel":
			ctx.end(context.Canceled)
		case "deadline":
			ctx.end(context.DeadlineExceeded)
			code = lupine.DeadlineExceeded
		default:
			conn.Close()
			code = lupine.Unavailable
		}
		for range n - 1 {
			e.failedAs(await(e, results, "the calls that wait for ready"), code, lupine.No)
		}
	}
}

// endable is a context that ends when it is told to, by either error, so that a
// deadline can pass at a moment of the test's choosing. It says that it has a
// deadline, an hour away.
type endable struct {
	context.Context
	done chan struct{}
	mu   sync.Mutex
	err  error
}

// newEndable returns one that ends with the behaviour.
func newEndable(e *env) *endable {
	c := &endable{Context: context.Background(), done: make(chan struct{})}
	stop := context.AfterFunc(e.ctx, func() { c.end(context.Canceled) })
	e.Cleanup(func() {
		stop()
		c.end(context.Canceled)
	})
	return c
}

func (c *endable) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
		close(c.done)
	}
}

// Deadline says that there is time.
func (c *endable) Deadline() (time.Time, bool) { return time.Now().Add(time.Hour), true }

// Done is closed by end.
func (c *endable) Done() <-chan struct{} { return c.done }

// Err is what end was given.
func (c *endable) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
