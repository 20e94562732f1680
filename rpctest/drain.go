package rpctest

import (
	"context"
	"errors"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

func drainBehaviours() []behaviour {
	return []behaviour{
		{"idle", lupine.Capabilities{}, drainIdle},
		{"waits", lupine.Capabilities{}, drainWaits},
		{"tellsHandlers", streams, drainTells},
		{"forces", lupine.Capabilities{}, drainForces},
		{"refusesNew", lupine.Capabilities{}, drainRefuses},
		{"serveContext", lupine.Capabilities{}, drainServeContext},
		{"serveContextForces", lupine.Capabilities{}, drainServeContextForces},
		{"contextValues", lupine.Capabilities{}, drainContextValues},
		{"underLoad", lupine.Capabilities{}, drainUnderLoad},
		{"connUnderLoad", lupine.Capabilities{}, drainConnUnderLoad},
		{"closedUnderLoad", lupine.Capabilities{}, drainClosedUnderLoad},
	}
}

func drainIdle(e *env) {
	s := e.serve(lupine.ServerConfig{}, &service{})
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	e.works(c)
	e.within(0, "draining an idle server", func() { e.ok(s.server.Drain(e.ctx), "Drain") })
	s.returned()
	e.ok(s.server.Drain(e.ctx), "a second Drain")
}

// drainWaits: what is under way ends well, unary and streaming.
func drainWaits(e *env) {
	b := newBlocker(e, true)
	s := e.serve(lupine.ServerConfig{}, b)
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	done := make(chan error, 1)
	go func() {
		_, err := c.Say(e.ctx, block)
		done <- err
	}()
	await(e, b.entered, "the handler")
	var chat *lupine.BidiStream[testpb.EchoRequest, testpb.EchoReply]
	if e.info.Capabilities.FullDuplex {
		chat = c.Chat(e.ctx)
		e.talk(chat)
	}
	drained := make(chan error, 1)
	go func() { drained <- s.server.Drain(e.ctx) }()
	for { // until Drain shows
		_, err := c.Say(e.ctx, &testpb.EchoRequest{})
		if err != nil {
			e.failedAs(err, lupine.Unavailable, lupine.No)
			break
		}
	}
	if chat != nil {
		e.talk(chat)
		e.ok(chat.CloseSend(e.ctx), "CloseSend")
		_, err := chat.Recv(e.ctx)
		e.eof(err, "Recv")
	}
	select {
	case err := <-drained:
		e.Fatalf("Drain returned %v with a call under way", err)
	case err := <-done:
		e.Fatalf("the call under way ended with %v", err)
	case <-s.done:
		e.Fatal("Serve returned with a call under way")
	case <-time.After(20 * time.Millisecond):
	}
	close(b.release)
	e.ok(await(e, done, "the call under way"), "the call under way")
	e.ok(await(e, drained, "Drain"), "Drain")
	s.returned()
}

// talk sends and receives one message.
func (e *env) talk(s *lupine.BidiStream[testpb.EchoRequest, testpb.EchoReply]) {
	e.Helper()
	e.ok(s.Send(e.ctx, &testpb.EchoRequest{}), "Send")
	_, err := s.Recv(e.ctx)
	e.ok(err, "Recv")
}

// drainTells: a handler that would go on for ever is told, and can end its stream
// by itself.
func drainTells(e *env) {
	c := (*testpb.EchoClient)(nil)
	s := e.serve(lupine.ServerConfig{}, &service{list: func(ctx context.Context, _ *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
		if err := out.Send(ctx, &testpb.EchoReply{Text: "first"}); err != nil {
			return err
		}
		select {
		case <-lupine.ServerCallFrom(ctx).Draining():
			return out.Send(ctx, &testpb.EchoReply{Text: "last"})
		case <-ctx.Done():
			return ctx.Err()
		}
	}})
	client := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	c = &client
	st := c.List(e.ctx, &testpb.EchoRequest{})
	_, err := st.Recv(e.ctx)
	e.ok(err, "Recv")
	drained := make(chan error, 1)
	go func() { drained <- s.server.Drain(e.ctx) }()
	r, err := st.Recv(e.ctx)
	e.ok(err, "Recv while draining")
	if r.Text != "last" {
		e.Fatalf("got %v", r)
	}
	_, err = st.Recv(e.ctx)
	e.eof(err, "Recv")
	e.ok(await(e, drained, "Drain"), "Drain")
}

// drainForces: when Drain's context ends, so does everything.
func drainForces(e *env) {
	b := newBlocker(e, true)
	s := e.serve(lupine.ServerConfig{}, b)
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	done := make(chan error, 1)
	go func() {
		_, err := c.Say(e.ctx, block)
		done <- err
	}()
	await(e, b.entered, "the handler")
	ctx, cancel := context.WithTimeout(e.ctx, 50*time.Millisecond)
	defer cancel()
	var err error
	e.within(50*time.Millisecond, "Drain", func() { err = s.server.Drain(ctx) })
	if !errors.Is(err, context.DeadlineExceeded) {
		e.Errorf("Drain that had to force: %v", err)
	}
	e.failedAs(await(e, done, "the call under way"), lupine.Unavailable, lupine.Maybe)
	await(e, b.left, "the handler's context to end")
	s.returned()
}

func drainRefuses(e *env) {
	b := newBlocker(e, true)
	s := e.serve(lupine.ServerConfig{}, b)
	old := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	p := old.StartSay(e.ctx, block)
	await(e, b.entered, "the handler")
	drained := make(chan error, 1)
	go func() { drained <- s.server.Drain(e.ctx) }()
	for {
		_, err := old.Say(e.ctx, &testpb.EchoRequest{})
		if err != nil {
			e.failedAs(err, lupine.Unavailable, lupine.No)
			break
		}
	}
	fresh := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	_, err := fresh.Say(e.ctx, &testpb.EchoRequest{})
	e.failedAs(err, lupine.Unavailable, lupine.No)
	if e.info.Capabilities.Streams {
		_, err = old.List(e.ctx, &testpb.EchoRequest{}).Recv(e.ctx)
		e.failedAs(err, lupine.Unavailable, lupine.No)
	}
	close(b.release)
	_, err = p.Wait(e.ctx)
	e.ok(err, "the call under way")
	e.ok(await(e, drained, "Drain"), "Drain")
}

// drainServeContext: the end of Serve's context drains within DrainTime, and Serve
// returns after that.
func drainServeContext(e *env) {
	b := newBlocker(e, true)
	l, target := e.wire.New(e.T)
	s := &served{e: e, server: lupine.ServerConfig{DrainTime: hang}.NewServer(), listener: l, target: target, done: make(chan struct{})}
	testpb.RegisterEcho(s.server, b)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s.serve(ctx)
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	done := make(chan error, 1)
	go func() {
		_, err := c.Say(e.ctx, block)
		done <- err
	}()
	handler := await(e, b.entered, "the handler")
	stop()
	e.wait(lupine.ServerCallFrom(handler).Draining(), "the handler to be told")
	select {
	case <-s.done:
		e.Fatal("Serve returned with a call under way")
	case <-handler.Done():
		e.Fatal("the handler's context ended with Serve's")
	case <-time.After(20 * time.Millisecond):
	}
	close(b.release)
	e.ok(await(e, done, "the call under way"), "the call under way")
	s.returned()
}

func drainServeContextForces(e *env) {
	b := newBlocker(e, true)
	l, target := e.wire.New(e.T)
	s := &served{e: e, server: lupine.ServerConfig{DrainTime: -1}.NewServer(), listener: l, target: target, done: make(chan struct{})}
	testpb.RegisterEcho(s.server, b)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s.serve(ctx)
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	p := c.StartSay(e.ctx, block)
	await(e, b.entered, "the handler")
	stop()
	_, err := p.Wait(e.ctx)
	e.failedAs(err, lupine.Unavailable, lupine.Maybe)
	s.returned()
}

type valueKey struct{}

// drainContextValues: handlers see the values of the context given to Serve, also
// where some methods are left out.
func drainContextValues(e *env) {
	for _, exclude := range []bool{false, true} {
		l, target := e.wire.New(e.T)
		if exclude {
			l = lupine.Exclude(l, echoPath+"Get")
		}
		s := &served{e: e, server: lupine.NewServer(), listener: l, target: target, done: make(chan struct{})}
		testpb.RegisterEcho(s.server, &service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
			text, _ := ctx.Value(valueKey{}).(string)
			return &testpb.EchoReply{Text: text}, nil
		}})
		s.serve(context.WithValue(context.Background(), valueKey{}, "from Serve"))
		c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
		r, err := c.Say(e.ctx, &testpb.EchoRequest{})
		e.ok(err, "Say")
		if r.Text != "from Serve" {
			e.Errorf("the handler's context has value %q", r.Text)
		}
		if _, err := c.Get(e.ctx, &testpb.EchoRequest{}); exclude {
			e.failedAs(err, lupine.Unimplemented, lupine.No)
		}
	}
}

// drainUnderLoad: a server that drains while many callers are at it ends each call
// well or is known not to have run it: none is lost, none is in doubt.
func drainUnderLoad(e *env) {
	l := newLedger()
	s := e.serve(lupine.ServerConfig{}, l)
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	wait := l.callers(e, c, 50, nil, func(error) bool { return false })
	e.wait(l.good, "many calls to succeed")
	e.ok(s.server.Drain(e.ctx), "Drain under load")
	s.returned()
	wait()
	yes, no, maybe := l.balance(e)
	if maybe > 0 {
		e.Errorf("%d calls were told Maybe although the server drained", maybe)
	}
	e.Logf("%d calls ran, %d were refused", yes, no)
}

// drainConnUnderLoad is the same for a Conn that drains.
func drainConnUnderLoad(e *env) {
	l := newLedger()
	s := e.serve(lupine.ServerConfig{}, l)
	conn := s.dial(lupine.DialConfig{})
	wait := l.callers(e, testpb.NewEchoClient(conn), 50, nil, func(error) bool { return false })
	e.wait(l.good, "many calls to succeed")
	e.ok(conn.Drain(e.ctx), "Drain under load")
	wait()
	e.ok(s.server.Drain(e.ctx), "Drain")
	yes, no, maybe := l.balance(e)
	if maybe > 0 {
		e.Errorf("%d calls were told Maybe although the Conn drained", maybe)
	}
	e.Logf("%d calls ran, %d were refused", yes, no)
}

// drainClosedUnderLoad: a server that is closed instead leaves calls in doubt, and
// says so: what it claims to have run or not is true.
func drainClosedUnderLoad(e *env) {
	l := newLedger()
	s := e.serve(lupine.ServerConfig{}, l)
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	wait := l.callers(e, c, 50, nil, func(error) bool { return false })
	e.wait(l.good, "many calls to succeed")
	s.server.Close()
	s.returned()
	wait()
	ctx, cancel := context.WithTimeout(e.ctx, soon)
	defer cancel()
	s.server.Drain(ctx) // handlers that still run
	yes, no, maybe := l.balance(e)
	e.Logf("%d calls ran, %d were refused, %d are in doubt", yes, no, maybe)
}
