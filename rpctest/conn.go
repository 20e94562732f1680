package rpctest

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/race"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

func optionBehaviours() []behaviour {
	return []behaviour{
		{"peer", lupine.Capabilities{}, optPeer},
		{"results", trailers, optResults},
		{"noAllocation", lupine.Capabilities{}, optNoAllocation},
		{"atMostOnce", lupine.Capabilities{}, optAtMostOnce},
		{"require", lupine.Capabilities{}, optRequire},
	}
}

func credentialBehaviours() []behaviour {
	return []behaviour{
		{"carried", metadata, credCarried},
		{"refused", metadata, credRefused},
		{"failing", metadata, credFailing},
	}
}

func connBehaviours() []behaviour {
	return []behaviour{
		{"closed", lupine.Capabilities{}, connClosed},
		{"closedMidCall", lupine.Capabilities{}, connClosedMidCall},
		{"closedMidStream", streams, connClosedMidStream},
		{"serverGone", lupine.Capabilities{}, connServerGone},
		{"serverGoneMidStream", streams, connServerGoneMidStream},
		{"nobodyListens", lupine.Capabilities{}, connNobodyListens},
		{"waitForReady", lupine.Capabilities{}, connWaitForReady},
		{"boundTwice", lupine.Capabilities{}, connBoundTwice},
		{"drain", lupine.Capabilities{}, connDrain},
	}
}

// optPeer: both ends learn who the other is, before and after a failure.
func optPeer(e *env) {
	seen := make(chan *lupine.Peer, 2)
	c := e.start(&service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		seen <- lupine.ServerCallFrom(ctx).Peer
		if req.FailCode != 0 {
			return nil, lupine.Errorf(lupine.Code(req.FailCode), "as asked")
		}
		return &testpb.EchoReply{}, nil
	}})
	for _, code := range []lupine.Code{lupine.OK, lupine.NotFound} {
		var p lupine.Peer
		_, err := c.Say(e.ctx, &testpb.EchoRequest{FailCode: int32(code)}, lupine.PeerInfo(&p))
		if lupine.CodeOf(err) != code {
			e.Fatalf("Say: %v", err)
		}
		s := <-seen
		if s == nil {
			e.Fatal("the handler has no Peer")
		}
		if p.Wire != e.info.Name || s.Wire != e.info.Name {
			e.Errorf("wires are called %q and %q, want %q", p.Wire, s.Wire, e.info.Name)
		}
		if p.RemoteAddr == "" || s.LocalAddr != "" && p.RemoteAddr != s.LocalAddr {
			e.Errorf("the caller calls %q, the handler is at %q", p.RemoteAddr, s.LocalAddr)
		}
		if p.Encrypted != s.Encrypted || (p.TLS != nil) != (s.TLS != nil) || p.TLS != nil && !p.Encrypted {
			e.Errorf("the ends disagree on encryption: %+v, %+v", p, s)
		}
	}
}

// optResults: what options ask for is set when the call has failed, too.
func optResults(e *env) {
	c := e.start(failing())
	header, trailer := lupine.Pairs("stale", "1"), lupine.Pairs("stale", "1")
	_, err := c.Say(e.ctx, &testpb.EchoRequest{FailCode: 5}, lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))
	e.failed(err, lupine.NotFound)
	if header.Has("stale") || trailer.Has("stale") {
		e.Errorf("results were not set: %q, %q", header, trailer)
	}
}

// optNoAllocation: passing options costs nothing. The work of the wire is the
// same with and without them, so the difference is theirs.
func optNoAllocation(e *env) {
	if race.Enabled {
		e.Skip("the race detector allocates")
	}
	c := e.start(&service{})
	var peer lupine.Peer
	var header, trailer lupine.Metadata
	req := &testpb.EchoRequest{Text: "x"}
	// A wire may allocate for several calls at once, so that one call's count is a
	// fraction: ten of them are measured.
	const calls = 10
	one := func(opts ...lupine.CallOption) {
		for range calls {
			if _, err := c.Say(e.ctx, req, opts...); err != nil {
				e.Fatalf("Say: %v", err)
			}
		}
	}
	plain := func() { one() }
	with := func() {
		one(lupine.PeerInfo(&peer), lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer), lupine.MaxReceive(1<<20), lupine.MaxSend(1<<20), lupine.FailFast())
	}
	// Pools and caches that fill up now and then make a single round noisy.
	least := func(f func()) float64 {
		best := testing.AllocsPerRun(50, f)
		for range 4 {
			best = min(best, testing.AllocsPerRun(50, f))
		}
		return best
	}
	if a, b := least(plain), least(with); b > a+calls/2 {
		e.Errorf("%d calls allocate %v times, with options %v times", calls, a, b)
	}
}

func optAtMostOnce(e *env) {
	c := e.start(&service{})
	_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.AtMostOnce())
	if e.info.Capabilities.AtMostOnce {
		e.ok(err, "Say")
		return
	}
	if le := e.failedAs(err, lupine.Unimplemented, lupine.No); !strings.Contains(le.Message, e.info.Name) || !strings.Contains(le.Message, "at-most-once") {
		e.Errorf("message %q does not say which wire lacks what", le.Message)
	}
	e.works(c)
}

func optRequire(e *env) {
	s := e.serve(lupine.ServerConfig{}, &service{})
	if _, err := (lupine.DialConfig{Require: e.info.Capabilities}).Dial(e.ctx, s.target()); err != nil {
		e.Errorf("Dial that requires what the wire has: %v", err)
	}
	more := e.info.Capabilities
	more.AtMostOnce = true
	if more == e.info.Capabilities {
		return
	}
	if _, err := (lupine.DialConfig{Require: more}).Dial(e.ctx, s.target()); err == nil || !strings.Contains(err.Error(), "at-most-once") {
		e.Errorf("Dial that requires what the wire lacks: %v", err)
	}
}

func authEcho() *service {
	return &service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		return &testpb.EchoReply{Text: lupine.ServerCallFrom(ctx).Header.Get("authorization")}, nil
	}}
}

// credCarried: a token goes along where nobody else can read it, for every call.
func credCarried(e *env) {
	s := e.serve(lupine.ServerConfig{}, authEcho())
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{Credentials: lupine.BearerToken("t0ken")}))
	for range 2 {
		r, err := c.Say(e.ctx, &testpb.EchoRequest{})
		e.ok(err, "Say")
		if r.Text != "Bearer t0ken" {
			e.Errorf("the handler sees %q", r.Text)
		}
	}
	r, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.WithCredentials(lupine.BearerToken("other")))
	e.ok(err, "Say")
	if r.Text != "Bearer other" {
		e.Errorf("the handler sees %q", r.Text)
	}
}

// exposed is a wire whose sessions look as if they left this machine in the
// clear.
type exposed struct{ lupine.Wire }

func (x exposed) Dial(ctx context.Context, to lupine.Endpoint, o lupine.SessionOptions) (lupine.Session, error) {
	s, err := x.Wire.Dial(ctx, to, o)
	if err != nil {
		return nil, err
	}
	p := *s.Peer()
	p.Encrypted, p.SameHost, p.TLS = false, false, nil
	return &exposedSession{s, &p}, nil
}

type exposedSession struct {
	lupine.Session
	peer *lupine.Peer
}

// Peer is the true one, less its privacy.
func (s *exposedSession) Peer() *lupine.Peer { return s.peer }

// credRefused: a token is not sent where others can read it, and the call fails
// before it is sent.
func credRefused(e *env) {
	ran := 0
	s := e.serve(lupine.ServerConfig{}, countRuns(&ran, 0))
	to := s.target()
	to.Wire = exposed{to.Wire}
	c := testpb.NewEchoClient(e.dialTo(lupine.DialConfig{Credentials: lupine.BearerToken("t0ken")}, to))
	_, err := c.Say(e.ctx, &testpb.EchoRequest{})
	if le := e.failedAs(err, lupine.Unauthenticated, lupine.No); !strings.Contains(le.Message, "TLS") || strings.Contains(le.Message, "t0ken") {
		e.Errorf("message %q should say what to do, and not the token", le.Message)
	}
	if e.info.Capabilities.Streams {
		_, err = c.List(e.ctx, &testpb.EchoRequest{}).Recv(e.ctx)
		e.failedAs(err, lupine.Unauthenticated, lupine.No)
	}
	if ran != 0 {
		e.Error("the handler ran")
	}
	plain := testpb.NewEchoClient(e.dialTo(lupine.DialConfig{}, to))
	e.works(plain) // without credentials it may
}

type tokenSource func(context.Context) (lupine.Metadata, error)

// Metadata calls f.
func (f tokenSource) Metadata(ctx context.Context, _ *lupine.Method, _ *lupine.Peer) (lupine.Metadata, error) {
	return f(ctx)
}

func credFailing(e *env) {
	s := e.serve(lupine.ServerConfig{}, authEcho())
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	lost := errors.New("the token server is down")
	_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.WithCredentials(tokenSource(func(context.Context) (lupine.Metadata, error) { return nil, lost })))
	e.failedAs(err, lupine.Unauthenticated, lupine.No)
	if !errors.Is(err, lost) {
		e.Errorf("%v does not wrap what the credentials said", err)
	}
	_, err = c.Say(e.ctx, &testpb.EchoRequest{}, lupine.WithCredentials(tokenSource(func(context.Context) (lupine.Metadata, error) {
		return lupine.Metadata{{Key: "Bad Key", Value: "x"}}, nil
	})))
	e.failedAs(err, lupine.InvalidArgument, lupine.No)
	e.works2(c)
}

// works2 checks that authEcho still answers.
func (e *env) works2(c testpb.EchoClient) {
	e.Helper()
	_, err := c.Say(e.ctx, &testpb.EchoRequest{})
	e.ok(err, "a call after it")
}

// isClosed checks the error of a call on, or under way when it was, closed.
func (e *env) isClosed(err error, executed lupine.Executed) {
	e.Helper()
	e.failedAs(err, lupine.Unavailable, executed)
	if !errors.Is(err, net.ErrClosed) {
		e.Errorf("%v is not net.ErrClosed", err)
	}
}

func connClosed(e *env) {
	for _, used := range []bool{false, true} {
		conn := e.serve(lupine.ServerConfig{}, &service{}).dial(lupine.DialConfig{})
		c := testpb.NewEchoClient(conn)
		if used {
			e.works(c)
		}
		conn.Close()
		conn.Close()
		_, err := c.Say(e.ctx, &testpb.EchoRequest{})
		e.isClosed(err, lupine.No)
		_, err = c.StartSay(e.ctx, &testpb.EchoRequest{}).Wait(e.ctx)
		e.isClosed(err, lupine.No)
		if e.info.Capabilities.Streams {
			_, err = c.List(e.ctx, &testpb.EchoRequest{}).Recv(e.ctx)
			e.isClosed(err, lupine.No)
		}
	}
}

func connClosedMidCall(e *env) {
	b := newBlocker(e, true)
	conn := e.serve(lupine.ServerConfig{}, b).dial(lupine.DialConfig{})
	c := testpb.NewEchoClient(conn)
	done := make(chan error, 1)
	go func() {
		_, err := c.Say(e.ctx, block)
		done <- err
	}()
	await(e, b.entered, "the handler")
	conn.Close()
	e.isClosed(await(e, done, "the call on the closed Conn"), lupine.Maybe)
	await(e, b.left, "the handler's context to end")
}

func connClosedMidStream(e *env) {
	left := make(chan error, 1)
	conn := e.serve(lupine.ServerConfig{}, endless(left)).dial(lupine.DialConfig{})
	s := testpb.NewEchoClient(conn).List(e.ctx, &testpb.EchoRequest{})
	_, err := s.Recv(e.ctx)
	e.ok(err, "Recv")
	conn.Close()
	for err = nil; err == nil; _, err = s.Recv(e.ctx) {
	}
	e.isClosed(err, lupine.Maybe)
	await(e, left, "the handler to return")
}

// connServerGone: a call under way when its server goes may have run. The next
// one is known not to have.
func connServerGone(e *env) {
	b := newBlocker(e, true)
	s := e.serve(lupine.ServerConfig{}, b)
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	done := make(chan error, 1)
	go func() {
		_, err := c.Say(e.ctx, block)
		done <- err
	}()
	handler := await(e, b.entered, "the handler")
	s.server.Close()
	e.failedAs(await(e, done, "the call on the closed server"), lupine.Unavailable, lupine.Maybe)
	e.wait(handler.Done(), "the handler's context to end")
	_, err := c.Say(e.ctx, &testpb.EchoRequest{})
	e.failedAs(err, lupine.Unavailable, lupine.No)
}

func connServerGoneMidStream(e *env) {
	left := make(chan error, 1)
	s := e.serve(lupine.ServerConfig{}, endless(left))
	st := testpb.NewEchoClient(s.dial(lupine.DialConfig{})).List(e.ctx, &testpb.EchoRequest{})
	_, err := st.Recv(e.ctx)
	e.ok(err, "Recv")
	s.server.Close()
	for err = nil; err == nil; _, err = st.Recv(e.ctx) {
	}
	e.failedAs(err, lupine.Unavailable, lupine.Maybe)
	await(e, left, "the handler to return")
}

// connNobodyListens: calls to an address that nobody serves fail fast, not
// executed, and say what was tried.
func connNobodyListens(e *env) {
	s := e.serve(lupine.ServerConfig{}, &service{})
	to := s.target()
	s.server.Close()
	s.returned()
	c := testpb.NewEchoClient(e.dialTo(lupine.DialConfig{}, to))
	for range 2 {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{})
		e.failedAs(err, lupine.Unavailable, lupine.No)
	}
	if e.info.Capabilities.Streams {
		_, err := c.List(e.ctx, &testpb.EchoRequest{}).Recv(e.ctx)
		e.failedAs(err, lupine.Unavailable, lupine.No)
	}
}

// connWaitForReady: such calls wait instead, and if in vain, say why.
func connWaitForReady(e *env) {
	s := e.serve(lupine.ServerConfig{}, &service{})
	to := s.target()
	s.server.Close()
	s.returned()
	c := testpb.NewEchoClient(e.dialTo(lupine.DialConfig{WaitForReady: true}, to))
	_, fast := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.FailFast())
	e.failedAs(fast, lupine.Unavailable, lupine.No)
	ctx, cancel := context.WithTimeout(e.ctx, 50*time.Millisecond)
	defer cancel()
	_, err := c.Say(ctx, &testpb.EchoRequest{})
	le := e.failedAs(err, lupine.DeadlineExceeded, lupine.No)
	if !strings.Contains(le.Message, "last attempt failed") {
		e.Errorf("message %q does not carry the last dial's error", le.Message)
	}
}

func connBoundTwice(e *env) {
	s := e.serve(lupine.ServerConfig{}, &service{})
	if err := s.server.Bind(e.ctx, s.listener); err == nil {
		e.Error("a listener was bound twice")
	}
	e.works(testpb.NewEchoClient(s.dial(lupine.DialConfig{})))
}

// connDrain: Conn.Drain lets the calls under way end, and no others begin.
func connDrain(e *env) {
	b := newBlocker(e, true)
	conn := e.serve(lupine.ServerConfig{}, b).dial(lupine.DialConfig{})
	c := testpb.NewEchoClient(conn)
	done := make(chan error, 1)
	go func() {
		_, err := c.Say(e.ctx, block)
		done <- err
	}()
	await(e, b.entered, "the handler")
	drained := make(chan error, 1)
	go func() { drained <- conn.Drain(e.ctx) }()
	for { // once Drain has begun
		_, err := c.Say(e.ctx, &testpb.EchoRequest{})
		if err != nil {
			e.isClosed(err, lupine.No)
			break
		}
	}
	select {
	case err := <-drained:
		e.Fatalf("Drain returned %v with a call under way", err)
	case err := <-done:
		e.Fatalf("the call under way ended with %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(b.release)
	e.ok(await(e, done, "the call under way"), "the call under way")
	e.ok(await(e, drained, "Drain"), "Drain")

	conn = e.serve(lupine.ServerConfig{}, newBlocker(e, true)).dial(lupine.DialConfig{})
	c = testpb.NewEchoClient(conn)
	e.works(c)
	p := c.StartSay(e.ctx, block)
	ctx, cancel := context.WithTimeout(e.ctx, 50*time.Millisecond)
	defer cancel()
	if err := conn.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		e.Errorf("Drain that ran out of time: %v", err)
	}
	_, err := p.Wait(e.ctx)
	e.isClosed(err, lupine.Maybe)
	if err == io.EOF {
		e.Error("a call ended as if it had succeeded")
	}
}
