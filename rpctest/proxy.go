package rpctest

import (
	"context"
	"fmt"
	"io"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/codec/protobuf"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

func proxyBehaviours() []behaviour {
	return []behaviour{
		{"allKinds", metadataBidi, proxyAllKinds},
		{"errors", metadataBidi, proxyErrors},
		{"cancel", metadataBidi, proxyCancel},
		{"knownFirst", streams, proxyKnownFirst},
	}
}

func peerCallBehaviours() []behaviour {
	peer := lupine.Capabilities{PeerCalls: true}
	both := lupine.Capabilities{PeerCalls: true, Streams: true, FullDuplex: true}
	return []behaviour{
		{"unary", peer, peerUnary},
		{"allKinds", both, peerAllKinds},
		{"nested", peer, peerNested},
		{"notHosted", peer, peerNotHosted},
		{"closed", peer, peerClosed},
	}
}

func noPeerCallBehaviours() []behaviour {
	return []behaviour{{"refused", lupine.Capabilities{}, peerRefused}}
}

// rawRequest is m as the bytes that a proxy would see.
func rawRequest(e *env, m any) *lupine.Raw {
	e.Helper()
	b, err := protobuf.Codec{}.Append(nil, m)
	e.ok(err, "encoding a request")
	return &lupine.Raw{Bytes: b}
}

// rawEcho is a handler for unknown methods that returns what it is sent.
func rawEcho(ctx context.Context, in *lupine.Receiver[lupine.Raw], out *lupine.Sender[lupine.Raw]) error {
	for m, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		if err := out.Send(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// forward returns a handler that passes every call on to conn: a proxy, whole.
func forward(conn *lupine.Conn) func(context.Context, *lupine.Receiver[lupine.Raw], *lupine.Sender[lupine.Raw]) error {
	return func(ctx context.Context, in *lupine.Receiver[lupine.Raw], out *lupine.Sender[lupine.Raw]) error {
		call := lupine.ServerCallFrom(ctx)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		up := lupine.CallBidi[lupine.Raw, lupine.Raw](ctx, conn, call.Method(), []lupine.CallOption{lupine.WithHeader(call.Header)})
		defer up.Close()
		sent := make(chan struct{})
		go func() { // requests, until they end or the call does
			defer close(sent)
			for m, err := range in.All(ctx) {
				if err != nil {
					return
				}
				if up.Send(ctx, m) != nil {
					return
				}
			}
			up.CloseSend(ctx)
		}()
		defer func() { cancel(); <-sent }()
		if header, err := up.Header(ctx); err == nil {
			call.SetHeader(header)
			if err := out.SendHeader(ctx); err != nil {
				return err
			}
		}
		for {
			m, err := up.Recv(ctx)
			if err == io.EOF {
				return call.SetTrailer(up.Trailer())
			}
			if err != nil {
				return err // its metadata is the trailer
			}
			if err := out.Send(ctx, m); err != nil {
				return err
			}
		}
	}
}

// proxied returns a client that reaches svc through a proxy on the same wire.
func (e *env) proxied(svc testpb.EchoServer) testpb.EchoClient {
	e.Helper()
	behind := e.serve(lupine.ServerConfig{}, svc).dial(lupine.DialConfig{})
	l, target := e.wire.New(e.T)
	s := &served{e: e, server: lupine.ServerConfig{Unknown: forward(behind)}.NewServer(), listener: l, target: target, done: make(chan struct{})}
	s.serve(context.Background())
	return testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
}

func proxyAllKinds(e *env) {
	c := e.proxied(&service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		call := lupine.ServerCallFrom(ctx)
		if err := setBoth(ctx); err != nil {
			return nil, err
		}
		return &testpb.EchoReply{Text: req.Text, Payload: req.Payload}, call.SetHeader(lupine.Pairs("seen", call.Header.Get("plain")))
	}})
	e.allKinds(c, func(string) {})
	var header, trailer lupine.Metadata
	r, err := c.Say(e.ctx, &testpb.EchoRequest{Payload: pattern(200_000)}, lupine.WithHeader(sentMetadata), lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))
	e.ok(err, "Say through a proxy")
	if len(r.Payload) != 200_000 {
		e.Errorf("%d bytes came back", len(r.Payload))
	}
	e.pairs(headerWanted, header, sentHeader)
	e.pairs(headerWanted, header, lupine.Pairs("seen", "a value"))
	e.pairs(trailerWanted, trailer, sentTrailer)
}

func proxyErrors(e *env) {
	c := e.proxied(&service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if err := setBoth(ctx); err != nil {
			return nil, err
		}
		return nil, lupine.Errorf(lupine.NotFound, "not here: 100%% ü").WithDetail(lupine.Detail{Type: "a.B", Value: []byte{1}})
	}})
	_, err := c.Say(e.ctx, &testpb.EchoRequest{})
	le := e.failedAs(err, lupine.NotFound, lupine.Yes)
	if le.Message != "not here: 100% ü" || e.info.Capabilities.Details && len(le.Details) != 1 {
		e.Errorf("got %v with %d details", le, len(le.Details))
	}
	e.pairs("the error's metadata", le.Metadata, sentTrailer)
}

func proxyCancel(e *env) {
	left := make(chan error, 1)
	c := e.proxied(endless(left))
	s := c.List(e.ctx, &testpb.EchoRequest{})
	for range 10 {
		_, err := s.Recv(e.ctx)
		e.ok(err, "Recv through a proxy")
	}
	s.Close()
	await(e, left, "the handler behind the proxy to return")
}

// proxyKnownFirst: methods that are registered do not go to the unknown handler.
func proxyKnownFirst(e *env) {
	s := e.serve(lupine.ServerConfig{Unknown: func(ctx context.Context, in *lupine.Receiver[lupine.Raw], out *lupine.Sender[lupine.Raw]) error {
		m := lupine.ServerCallFrom(ctx).Method()
		return lupine.Errorf(lupine.Aborted, "%s|%s|%s", m.Path, m.Service, m.Name)
	}}, &service{})
	conn := s.dial(lupine.DialConfig{})
	e.works(testpb.NewEchoClient(conn))
	for _, path := range []string{echoPath + "Nope", "/no.such.Service/Say"} {
		m := stray(path, lupine.Unary)
		_, err := lupine.Invoke[lupine.Raw](e.ctx, conn, m, &lupine.Raw{}, nil)
		if le := e.failedAs(err, lupine.Aborted, lupine.Yes); le.Message != fmt.Sprintf("%s|%s|%s", path, m.Service, m.Name) {
			e.Errorf("the unknown handler saw %q", le.Message)
		}
	}
}

// hosting starts a server whose Say calls back to its caller by f, and returns a
// client that hosts svc.
func (e *env) hosting(svc testpb.EchoServer, f func(context.Context, testpb.EchoClient, *testpb.EchoRequest) (*testpb.EchoReply, error)) (testpb.EchoClient, *lupine.Conn) {
	e.Helper()
	s := e.serve(lupine.ServerConfig{}, &service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		conn, err := lupine.ServerCallFrom(ctx).PeerConn()
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		return f(ctx, testpb.NewEchoClient(conn), req)
	}})
	host := lupine.NewServer()
	testpb.RegisterEcho(host, svc)
	conn := s.dial(lupine.DialConfig{Server: host})
	return testpb.NewEchoClient(conn), conn
}

// peerUnary: the server calls a service that its client hosts, within a call and
// with everything that belongs to one.
func peerUnary(e *env) {
	c, _ := e.hosting(&service{say: func(_ context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.FailCode != 0 {
			return nil, lupine.Errorf(lupine.Code(req.FailCode), "at the client")
		}
		return &testpb.EchoReply{Text: "client says " + req.Text}, nil
	}}, func(ctx context.Context, back testpb.EchoClient, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if _, err := back.Say(ctx, &testpb.EchoRequest{FailCode: 9}); lupine.CodeOf(err) != lupine.FailedPrecondition {
			return nil, lupine.Errorf(lupine.Internal, "the peer call that should fail: %v", err)
		}
		return back.Say(ctx, req)
	})
	for range 3 {
		r, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "hello"})
		e.ok(err, "Say")
		if r.Text != "client says hello" {
			e.Fatalf("got %q", r.Text)
		}
	}
}

func peerAllKinds(e *env) {
	c, _ := e.hosting(&service{}, func(ctx context.Context, back testpb.EchoClient, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		inner := &env{T: e.T, wire: e.wire, info: e.info, ctx: ctx, log: e.log}
		inner.allKindsErr(back)
		return &testpb.EchoReply{Text: "done"}, nil
	})
	r, err := c.Say(e.ctx, &testpb.EchoRequest{})
	e.ok(err, "Say")
	if r.Text != "done" {
		e.Errorf("got %q", r.Text)
	}
}

// allKindsErr is mixedOnce for each kind: Fatal must not be called in a handler.
func (e *env) allKindsErr(c testpb.EchoClient) {
	e.Helper()
	for g := range 3 {
		if err := mixedOnce(e.ctx, c, g); err != nil {
			e.Errorf("peer calls: %v", err)
		}
	}
}

// peerNested: calls that go back and forth over one session.
func peerNested(e *env) {
	var c testpb.EchoClient
	c, _ = e.hosting(&service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Count == 0 {
			return &testpb.EchoReply{Text: "bottom"}, nil
		}
		return c.Say(ctx, &testpb.EchoRequest{Count: req.Count - 1})
	}}, func(ctx context.Context, back testpb.EchoClient, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		return back.Say(ctx, req)
	})
	var pending [20]*lupine.Pending[testpb.EchoReply]
	for i := range pending {
		pending[i] = c.StartSay(e.ctx, &testpb.EchoRequest{Count: 10})
	}
	for _, p := range pending {
		r, err := p.Wait(e.ctx)
		e.ok(err, "nested peer calls")
		if r.Text != "bottom" {
			e.Fatalf("got %q", r.Text)
		}
	}
}

// peerNotHosted: a client that hosts nothing says so.
func peerNotHosted(e *env) {
	s := e.serve(lupine.ServerConfig{}, &service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		conn, err := lupine.ServerCallFrom(ctx).PeerConn()
		if err == nil {
			defer conn.Close()
			_, err = testpb.NewEchoClient(conn).Say(ctx, req)
		}
		if lupine.CodeOf(err) != lupine.Unimplemented || lupine.AsError(err).Executed != lupine.No {
			return nil, lupine.Errorf(lupine.Internal, "a peer call to a client that hosts nothing: %v", err)
		}
		return &testpb.EchoReply{}, nil
	}})
	_, err := testpb.NewEchoClient(s.dial(lupine.DialConfig{})).Say(e.ctx, &testpb.EchoRequest{})
	e.ok(err, "Say")
}

// peerClosed: a peer call under way when the session goes ends, on both sides.
func peerClosed(e *env) {
	b := newBlocker(e, true)
	back := make(chan error, 1)
	c, conn := e.hosting(b, func(_ context.Context, peer testpb.EchoClient, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		r, err := peer.Say(context.Background(), req)
		back <- err
		return r, err
	})
	p := c.StartSay(e.ctx, block)
	await(e, b.entered, "the client's handler")
	conn.Close()
	_, err := p.Wait(e.ctx)
	e.isClosed(err, lupine.Maybe)
	e.failedAs(await(e, back, "the peer call"), lupine.Unavailable, lupine.Maybe)
	await(e, b.left, "the context of the client's handler to end")
}

// peerRefused: on a wire without peer calls PeerConn says so.
func peerRefused(e *env) {
	if e.info.Capabilities.PeerCalls {
		e.Skip("the wire has peer calls")
	}
	c := e.start(&service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		_, err := lupine.ServerCallFrom(ctx).PeerConn()
		if lupine.CodeOf(err) != lupine.Unimplemented {
			return nil, lupine.Errorf(lupine.Internal, "PeerConn: %v", err)
		}
		return &testpb.EchoReply{}, nil
	}})
	_, err := c.Say(e.ctx, &testpb.EchoRequest{})
	e.ok(err, "Say")
}
