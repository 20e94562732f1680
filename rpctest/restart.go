package rpctest

import (
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

// restartBehaviours are about a server that ends and another one that follows at
// its address.
func restartBehaviours() []behaviour {
	return []behaviour{
		{"closed", lupine.Capabilities{}, restartClosed},
		{"waitForReady", lupine.Capabilities{}, restartWaits},
		{"rolling", lupine.Capabilities{}, restartRolling},
	}
}

// again starts another server at the address of s, which has ended.
func (s *served) again(svc testpb.EchoServer) *served {
	s.e.Helper()
	s.returned()
	l := s.e.wire.Again(s.e.T, s.listener)
	next := &served{e: s.e, server: lupine.NewServer(), listener: l, target: s.target, done: make(chan struct{})}
	testpb.RegisterEcho(next.server, svc)
	next.serve(s.e.ctx)
	return next
}

// needAgain skips a behaviour where a wire cannot be served at an address twice.
func (e *env) needAgain() {
	e.Helper()
	if e.wire.Again == nil {
		e.Skip("Wire.Again is nil")
	}
}

// restartClosed: after a server was closed with a call under way, which is told so,
// the Conn finds the next one by itself.
func restartClosed(e *env) {
	e.needAgain()
	b := newBlocker(e, true)
	s := e.serve(lupine.ServerConfig{}, b)
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{Backoff: lupine.Backoff{Base: time.Millisecond, Max: 20 * time.Millisecond}}))
	for range 3 {
		p := c.StartSay(e.ctx, block)
		await(e, b.entered, "the handler")
		s.server.Close()
		_, err := p.Wait(e.ctx)
		e.failedAs(err, lupine.Unavailable, lupine.Maybe)
		s = s.again(b)
		r, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "again"}, lupine.WaitForReady())
		e.ok(err, "a call after the restart")
		if r.Text != "again" {
			e.Fatalf("got %q", r.Text)
		}
		e.works(c) // and without waiting
	}
}

// restartWaits: calls that wait for ready while nobody listens are run by the
// server that comes.
func restartWaits(e *env) {
	e.needAgain()
	s := e.serve(lupine.ServerConfig{}, &service{})
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{WaitForReady: true, Backoff: lupine.Backoff{Base: time.Millisecond, Max: 20 * time.Millisecond}}))
	e.works(c)
	s.server.Close()
	for { // a call may still go out on the session that is ending
		_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.FailFast())
		if e.failed(err, lupine.Unavailable).Executed == lupine.No {
			break
		}
	}
	results, n, _ := e.waiting(e.ctx, c)
	s.again(&service{})
	for range n {
		err := await(e, results, "the calls that wait")
		if lupine.CodeOf(err) != lupine.OK && err.Error() != "EOF" { // List has no reply for them
			e.Errorf("a call that waited for the server: %v", err)
		}
	}
}

// restartRolling: servers that drain and follow one another lose no call, while
// callers go on that wait for ready: what was begun ends well, what was refused is
// known not to have run.
func restartRolling(e *env) {
	e.needAgain()
	rounds, callers := 6, 16
	if e.light() {
		rounds, callers = 2, 8
	}
	l := newLedger()
	s := e.serve(lupine.ServerConfig{}, l)
	conn := s.dial(lupine.DialConfig{WaitForReady: true, Backoff: lupine.Backoff{Base: time.Millisecond, Max: 10 * time.Millisecond}})
	c := testpb.NewEchoClient(conn)
	stop := make(chan struct{})
	wait := l.callers(e, c, callers, stop, func(error) bool { return e.ctx.Err() == nil })
	for range rounds {
		e.works(c)
		e.ok(s.server.Drain(e.ctx), "Drain under load")
		s = s.again(l)
	}
	e.wait(l.good, "many calls to succeed")
	close(stop)
	wait()
	yes, no, maybe := l.balance(e)
	if maybe > 0 {
		e.Errorf("%d calls were told Maybe although every server drained", maybe)
	}
	e.Logf("%d restarts: %d calls ran, %d were refused and known not to have run", rounds, yes, no)
}
