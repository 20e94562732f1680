package rpctest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

func interceptorBehaviours() []behaviour {
	return []behaviour{
		{"order", duplex, icOrder},
		{"header", metadata, icHeader},
		{"shortCircuit", streams, icShortCircuit},
		{"wrapStreams", duplex, icWrap},
		{"again", lupine.Capabilities{}, icAgain},
		{"panic", lupine.Capabilities{}, icPanic},
	}
}

func hookBehaviours() []behaviour {
	return []behaviour{
		{"unary", lupine.Capabilities{}, hookUnary},
		{"streams", duplex, hookStreams},
		{"failed", lupine.Capabilities{}, hookFailed},
		{"context", lupine.Capabilities{}, hookContext},
	}
}

// diary notes what happened, from any goroutine.
type diary struct {
	mu   sync.Mutex
	list []string
}

func (d *diary) note(what string) {
	d.mu.Lock()
	d.list = append(d.list, what)
	d.mu.Unlock()
}

func (d *diary) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.list
	d.list = nil
	return l
}

// allKinds makes one successful call of each kind that the wire has.
func (e *env) allKinds(c testpb.EchoClient, each func(kind string)) {
	e.Helper()
	r, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "x"})
	e.ok(err, "Say")
	if r.Text != "x" {
		e.Fatalf("Say: got %v", r)
	}
	each("Say")
	_, err = c.StartSay(e.ctx, &testpb.EchoRequest{Text: "x"}).Wait(e.ctx)
	e.ok(err, "StartSay")
	each("Say")
	if e.info.Capabilities.Streams {
		n := 0
		for _, err := range c.List(e.ctx, &testpb.EchoRequest{Count: 2}).All() {
			e.ok(err, "List")
			n++
		}
		if n != 2 {
			e.Fatalf("List: %d replies", n)
		}
		each("List")
		s := c.Sum(e.ctx)
		for range 2 {
			e.ok(s.Send(e.ctx, &testpb.EchoRequest{Text: "x"}), "Send")
		}
		r, err := s.CloseAndRecv(e.ctx)
		e.ok(err, "Sum")
		if r.Count != 2 || r.Text != "xx" {
			e.Fatalf("Sum: got %v", r)
		}
		each("Sum")
	}
	if e.info.Capabilities.FullDuplex {
		s := c.Chat(e.ctx)
		e.talk(s)
		e.talk(s)
		e.ok(s.CloseSend(e.ctx), "CloseSend")
		_, err := s.Recv(e.ctx)
		e.eof(err, "Recv")
		each("Chat")
	}
}

// icOrder: the first one is outermost, on both sides, for every kind alike.
func icOrder(e *env) {
	var d diary
	client := func(name string) lupine.ClientInterceptor {
		return func(ctx context.Context, call *lupine.Call, next lupine.Opener) (lupine.Stream, error) {
			d.note(name + call.Method.Name)
			return next(ctx, call)
		}
	}
	server := func(name string) lupine.ServerInterceptor {
		return func(ctx context.Context, call *lupine.ServerCall, s lupine.HandlerStream, next lupine.StreamHandler) error {
			d.note(name + call.Method().Name)
			err := next(ctx, s)
			d.note(name + "end")
			return err
		}
	}
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{Interceptors: []lupine.ServerInterceptor{server("s1"), server("s2")}}, &service{}).
		dial(lupine.DialConfig{Interceptors: []lupine.ClientInterceptor{client("c1"), client("c2")}}))
	e.allKinds(c, func(kind string) {
		want := []string{"c1" + kind, "c2" + kind, "s1" + kind, "s2" + kind, "s2end", "s1end"}
		if got := d.take(); !slices.Equal(got, want) {
			e.Errorf("%s: interceptors ran as %q, want %q", kind, got, want)
		}
	})
}

// icHeader: interceptors may add to the metadata of both directions.
func icHeader(e *env) {
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{Interceptors: []lupine.ServerInterceptor{
		func(ctx context.Context, call *lupine.ServerCall, s lupine.HandlerStream, next lupine.StreamHandler) error {
			if err := call.SetHeader(lupine.Pairs("seen", call.Header.Get("added"))); err != nil {
				return err
			}
			if lupine.ServerCallFrom(ctx) != call {
				return lupine.Errorf(lupine.Internal, "the context belongs to another call")
			}
			err := next(ctx, s)
			call.SetTrailer(lupine.Pairs("after", "1"))
			return err
		},
	}}, &service{}).dial(lupine.DialConfig{Interceptors: []lupine.ClientInterceptor{
		func(ctx context.Context, call *lupine.Call, next lupine.Opener) (lupine.Stream, error) {
			call.Header.Add("added", "by interceptor")
			return next(ctx, call)
		},
	}}))
	var header, trailer lupine.Metadata
	given := lupine.Pairs("own", "1")
	_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.WithHeader(given), lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))
	e.ok(err, "Say")
	e.pairs(headerWanted, header, lupine.Pairs("seen", "by interceptor"))
	if e.info.Capabilities.Trailers {
		e.pairs(trailerWanted, trailer, lupine.Pairs("after", "1"))
	}
	if len(given) != 1 {
		e.Errorf("the caller's own metadata was changed: %q", given)
	}
}

// icShortCircuit: an interceptor may answer by itself.
func icShortCircuit(e *env) {
	ran := 0
	s := e.serve(lupine.ServerConfig{Interceptors: []lupine.ServerInterceptor{
		func(ctx context.Context, call *lupine.ServerCall, s lupine.HandlerStream, next lupine.StreamHandler) error {
			return lupine.Errorf(lupine.PermissionDenied, "not you")
		},
	}}, countRuns(&ran, 0))
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
	_, err := c.Say(e.ctx, &testpb.EchoRequest{})
	e.failed(err, lupine.PermissionDenied)
	_, err = c.List(e.ctx, &testpb.EchoRequest{}).Recv(e.ctx)
	e.failed(err, lupine.PermissionDenied)
	if ran != 0 {
		e.Error("the handler ran")
	}
	c = testpb.NewEchoClient(s.dial(lupine.DialConfig{Interceptors: []lupine.ClientInterceptor{
		func(context.Context, *lupine.Call, lupine.Opener) (lupine.Stream, error) {
			return nil, lupine.Errorf(lupine.FailedPrecondition, "not now")
		},
	}}))
	_, err = c.Say(e.ctx, &testpb.EchoRequest{})
	e.failed(err, lupine.FailedPrecondition)
	_, err = c.List(e.ctx, &testpb.EchoRequest{}).Recv(e.ctx)
	e.failed(err, lupine.FailedPrecondition)
	_, err = c.StartSay(e.ctx, &testpb.EchoRequest{}).Wait(e.ctx)
	e.failed(err, lupine.FailedPrecondition)
}

// shouting wraps both ends' streams: what is sent is changed on the way out, what
// is received on the way in.
type shoutingStream struct{ lupine.Stream }

// Send shouts.
func (s shoutingStream) Send(ctx context.Context, m any, last bool) error {
	if req, ok := m.(*testpb.EchoRequest); ok {
		m = &testpb.EchoRequest{Text: req.Text + "!", Count: req.Count}
	}
	return s.Stream.Send(ctx, m, last)
}

// Recv asks.
func (s shoutingStream) Recv(ctx context.Context, m any) error {
	err := s.Stream.Recv(ctx, m)
	if r, ok := m.(*testpb.EchoReply); ok && err == nil {
		r.Text += "?"
	}
	return err
}

type shoutingHandler struct{ lupine.HandlerStream }

// Send marks.
func (s shoutingHandler) Send(ctx context.Context, m any) error {
	if r, ok := m.(*testpb.EchoReply); ok {
		m = &testpb.EchoReply{Text: r.Text + "<", Count: r.Count}
	}
	return s.HandlerStream.Send(ctx, m)
}

// Recv marks.
func (s shoutingHandler) Recv(ctx context.Context, m any) error {
	err := s.HandlerStream.Recv(ctx, m)
	if r, ok := m.(*testpb.EchoRequest); ok && err == nil {
		r.Text += ">"
	}
	return err
}

func icWrap(e *env) {
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{Interceptors: []lupine.ServerInterceptor{
		func(ctx context.Context, _ *lupine.ServerCall, s lupine.HandlerStream, next lupine.StreamHandler) error {
			return next(ctx, shoutingHandler{s})
		},
	}}, &service{}).dial(lupine.DialConfig{Interceptors: []lupine.ClientInterceptor{
		func(ctx context.Context, call *lupine.Call, next lupine.Opener) (lupine.Stream, error) {
			s, err := next(ctx, call)
			if err != nil {
				return nil, err
			}
			return shoutingStream{s}, nil
		},
	}}))
	const want = "x!><?"
	r, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "x"})
	e.ok(err, "Say")
	if r.Text != want {
		e.Errorf("Say: got %q, want %q", r.Text, want)
	}
	for r, err := range c.List(e.ctx, &testpb.EchoRequest{Text: "x", Count: 2}).All() {
		e.ok(err, "List")
		if r.Text != want {
			e.Errorf("List: got %q, want %q", r.Text, want)
		}
	}
	sum := c.Sum(e.ctx)
	e.ok(sum.Send(e.ctx, &testpb.EchoRequest{Text: "x"}), "Send")
	r, err = sum.CloseAndRecv(e.ctx)
	e.ok(err, "Sum")
	if r.Text != want {
		e.Errorf("Sum: got %q, want %q", r.Text, want)
	}
	chat := c.Chat(e.ctx)
	e.ok(chat.Send(e.ctx, &testpb.EchoRequest{Text: "x"}), "Send")
	r, err = chat.Recv(e.ctx)
	e.ok(err, "Recv")
	if r.Text != want {
		e.Errorf("Chat: got %q, want %q", r.Text, want)
	}
	chat.Close()
}

// icAgain: an interceptor may open the call again, which is what a retry is.
func icAgain(e *env) {
	tries := 0
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{}, &service{say: func(context.Context, *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if tries++; tries < 3 {
			return nil, lupine.Errorf(lupine.Unavailable, "not yet")
		}
		return &testpb.EchoReply{Text: fmt.Sprint(tries)}, nil
	}}).dial(lupine.DialConfig{Interceptors: []lupine.ClientInterceptor{
		func(ctx context.Context, call *lupine.Call, next lupine.Opener) (lupine.Stream, error) {
			s, err := next(ctx, call)
			return &retrying{Stream: s, ctx: ctx, call: call, next: next}, err
		},
	}}))
	r, err := c.Say(e.ctx, &testpb.EchoRequest{})
	e.ok(err, "Say")
	if r.Text != "3" {
		e.Errorf("got %q", r.Text)
	}
}

// retrying repeats a unary call that is Unavailable.
type retrying struct {
	lupine.Stream
	ctx  context.Context
	call *lupine.Call
	next lupine.Opener
	sent any
}

// Send keeps the request.
func (s *retrying) Send(ctx context.Context, m any, last bool) error {
	s.sent = m
	return s.Stream.Send(ctx, m, last)
}

// Recv tries again.
func (s *retrying) Recv(ctx context.Context, m any) error {
	for {
		err := s.Stream.Recv(ctx, m)
		if lupine.CodeOf(err) != lupine.Unavailable {
			return err
		}
		again, err := s.next(s.ctx, s.call)
		if err != nil {
			return err
		}
		s.Stream = again
		if err := s.Stream.Send(ctx, s.sent, true); err != nil {
			return err
		}
	}
}

func icPanic(e *env) {
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{Interceptors: []lupine.ServerInterceptor{
		func(ctx context.Context, call *lupine.ServerCall, s lupine.HandlerStream, next lupine.StreamHandler) error {
			if call.Method().Name == "Get" {
				panic(secret)
			}
			return next(ctx, s)
		},
	}}, &service{}).dial(lupine.DialConfig{}))
	_, err := c.Get(e.ctx, &testpb.EchoRequest{})
	e.failed(err, lupine.Internal)
	e.works(c)
	e.stackLogged("icPanic")
}

var kindNames = map[lupine.EventKind]string{
	lupine.AttemptBegin: "attempt", lupine.Sent: "sent", lupine.FirstByte: "first", lupine.Received: "received", lupine.AttemptEnd: "attemptEnd", lupine.End: "end",
}

// events are hooks that note what they are told.
type events struct {
	e *env
	d diary

	mu    sync.Mutex
	bytes map[string]int
	last  error
	ended chan struct{}
}

func watchEvents(e *env) *events {
	return &events{e: e, bytes: make(map[string]int), ended: make(chan struct{}, 100)}
}

func (w *events) hooks(ctx context.Context, info lupine.CallInfo) (context.Context, func(lupine.Event)) {
	w.d.note("begin " + info.Method.Name)
	return ctx, func(ev lupine.Event) {
		name := kindNames[ev.Kind]
		w.d.note(name)
		w.mu.Lock()
		w.bytes[name] += ev.Bytes
		w.last = ev.Err
		w.mu.Unlock()
		switch ev.Kind {
		case lupine.AttemptBegin:
			if ev.Peer == nil || ev.Peer.Wire != w.e.info.Name || ev.Attempt != 1 {
				w.e.Errorf("AttemptBegin of attempt %d with peer %v", ev.Attempt, ev.Peer)
			}
		case lupine.End:
			w.ended <- struct{}{}
		}
	}
}

// check waits for the end of a call and compares what was noted. "received" and
// "sent" are compared by number, since those of a stream may overlap.
func (w *events) check(what, begin string, sent, received int, client bool) {
	w.e.Helper()
	await(w.e, w.ended, what+": End")
	got := w.d.take()
	count := func(name string) (n int) {
		for _, g := range got {
			if g == name {
				n++
			}
		}
		return n
	}
	if count("sent") != sent || count("received") != received || count("end") != 1 || got[0] != "begin "+begin || got[len(got)-1] != "end" {
		w.e.Errorf("%s: events %q, want begin, %d sent, %d received, end", what, got, sent, received)
	}
	if client {
		a, f, r, z := slices.Index(got, "attempt"), slices.Index(got, "first"), slices.Index(got, "received"), slices.Index(got, "attemptEnd")
		if a != 1 || z != len(got)-2 || count("attempt") != 1 || count("attemptEnd") != 1 || received > 0 && (count("first") != 1 || f > r) {
			w.e.Errorf("%s: events %q are out of order", what, got)
		}
	}
}

func hookUnary(e *env) {
	cl, sv := watchEvents(e), watchEvents(e)
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{Hooks: sv.hooks}, &service{}).dial(lupine.DialConfig{Hooks: cl.hooks}))
	for range 2 {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 1000)})
		e.ok(err, "Say")
		cl.check("caller", "Say", 1, 1, true)
		sv.check("handler", "Say", 1, 1, false)
	}
	for _, w := range []*events{cl, sv} {
		w.mu.Lock()
		if s, r := w.bytes["sent"], w.bytes["received"]; s < 2000 || s > 2100 || r < 2000 || r > 2100 {
			e.Errorf("two calls with 1,000 bytes each way: told of %d bytes sent and %d received", s, r)
		}
		w.mu.Unlock()
	}
}

func hookStreams(e *env) {
	cl, sv := watchEvents(e), watchEvents(e)
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{Hooks: sv.hooks}, &service{}).dial(lupine.DialConfig{Hooks: cl.hooks}))
	counts := map[string][2]int{"Say": {1, 1}, "List": {1, 2}, "Sum": {2, 1}, "Chat": {2, 2}}
	e.allKinds(c, func(kind string) {
		n := counts[kind]
		cl.check("caller of "+kind, kind, n[0], n[1], true)
		sv.check("handler of "+kind, kind, n[1], n[0], false)
	})
	// A stream that is given up, by its context and by Close, has an end too.
	for _, closed := range []bool{false, true} {
		ctx, cancel := context.WithCancel(e.ctx)
		s := c.Chat(ctx)
		e.talk(s)
		if closed {
			s.Close()
		}
		cancel()
		cl.check("caller of a stream that was given up", "Chat", 1, 1, true)
		sv.check("handler of a stream that was given up", "Chat", 1, 1, false)
	}
}

func hookFailed(e *env) {
	cl, sv := watchEvents(e), watchEvents(e)
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{Hooks: sv.hooks}, failing()).dial(lupine.DialConfig{Hooks: cl.hooks}))
	_, err := c.Say(e.ctx, &testpb.EchoRequest{FailCode: int32(lupine.NotFound), FailMessage: "missing"})
	e.failed(err, lupine.NotFound)
	cl.check("caller", "Say", 1, 0, true)
	sv.check("handler", "Say", 0, 1, false)
	for _, w := range []*events{cl, sv} {
		w.mu.Lock()
		if lupine.CodeOf(w.last) != lupine.NotFound || !strings.Contains(w.last.Error(), "missing") {
			e.Errorf("End came with %v", w.last)
		}
		w.mu.Unlock()
	}
}

// hookContext: the context that a hook returns is the one that goes on.
func hookContext(e *env) {
	hooks := func(ctx context.Context, _ lupine.CallInfo) (context.Context, func(lupine.Event)) {
		return context.WithValue(ctx, valueKey{}, "hooked"), nil
	}
	var seen string
	c := testpb.NewEchoClient(e.serve(lupine.ServerConfig{Hooks: hooks}, &service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		text, _ := ctx.Value(valueKey{}).(string)
		return &testpb.EchoReply{Text: text}, nil
	}}).dial(lupine.DialConfig{Hooks: hooks, Interceptors: []lupine.ClientInterceptor{
		func(ctx context.Context, call *lupine.Call, next lupine.Opener) (lupine.Stream, error) {
			seen, _ = ctx.Value(valueKey{}).(string)
			return next(ctx, call)
		},
	}}))
	r, err := c.Say(e.ctx, &testpb.EchoRequest{})
	e.ok(err, "Say")
	if r.Text != "hooked" || seen != "hooked" {
		e.Errorf("the handler's context has %q, the interceptor's %q", r.Text, seen)
	}
}
