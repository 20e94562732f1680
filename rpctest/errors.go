package rpctest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

func errorBehaviours() []behaviour {
	return []behaviour{
		{"codes", lupine.Capabilities{}, errCodes},
		{"messages", lupine.Capabilities{}, errMessages},
		{"details", lupine.Capabilities{Details: true}, errDetails},
		{"kinds", streams, errKinds},
		{"codesOfStreams", duplex, errCodesOfStreams},
		{"foreign", lupine.Capabilities{}, errForeign},
		{"executedYes", lupine.Capabilities{}, errExecutedYes},
		{"unknownMethod", lupine.Capabilities{}, errUnknownMethod},
		{"unimplemented", lupine.Capabilities{}, errUnimplemented},
		{"cardinality", streams, errCardinality},
		{"panic", lupine.Capabilities{}, errPanic},
		{"panicStream", streams, errPanicStream},
		{"nilReply", lupine.Capabilities{}, errNilReply},
		{"marshal", lupine.Capabilities{}, errMarshal},
	}
}

// failing is a service whose Say fails as the request asks.
func failing() *service {
	return &service{say: func(_ context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.FailCode == 0 {
			return &testpb.EchoReply{Text: req.Text}, nil
		}
		return nil, &lupine.Error{Code: lupine.Code(req.FailCode), Message: req.FailMessage}
	}}
}

func errCodes(e *env) {
	c := e.start(failing())
	for code := lupine.Canceled; code <= lupine.Unauthenticated; code++ {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{FailCode: int32(code), FailMessage: "failed as " + code.String()})
		le := e.failedAs(err, code, lupine.Yes)
		if le.Message != "failed as "+code.String() {
			e.Errorf("code %v: message %q", code, le.Message)
		}
		if got := errors.Is(err, context.Canceled); got != (code == lupine.Canceled) {
			e.Errorf("code %v: errors.Is(context.Canceled) is %v", code, got)
		}
		if got := errors.Is(err, context.DeadlineExceeded); got != (code == lupine.DeadlineExceeded) {
			e.Errorf("code %v: errors.Is(context.DeadlineExceeded) is %v", code, got)
		}
		if lupine.CodeOf(fmt.Errorf("outer: %w", err)) != code {
			e.Errorf("code %v is lost in a wrapped error", code)
		}
	}
	e.works(c)
}

func errMessages(e *env) {
	c := e.start(failing())
	for _, m := range []string{
		"", " ", "plain", "two\nlines\r\n", "100% sure %41 %zz %", "naïve 日本語 \U0001F43A", "tab\tand \x00 nul", " padded ",
		strings.Repeat("long ", 500), "\u00ff\u0100", `"quoted", comma; \back`,
	} {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{FailCode: int32(lupine.Aborted), FailMessage: m})
		le := e.failed(err, lupine.Aborted)
		if le.Message != m {
			e.Errorf("message %q came as %q", m, le.Message)
		}
	}
}

func errDetails(e *env) {
	details := []lupine.Detail{
		{Type: "google.rpc.RetryInfo", Value: []byte{0x0a, 0x02, 0x08, 0x05}},
		{Type: "google.rpc.DebugInfo", Value: nil},
		{Type: "example.Any", Value: pattern(1000)},
	}
	c := e.start(&service{
		say: func(context.Context, *testpb.EchoRequest) (*testpb.EchoReply, error) {
			err := lupine.Errorf(lupine.ResourceExhausted, "slow down ü")
			for _, d := range details {
				err.WithDetail(d)
			}
			return nil, err
		},
	})
	_, err := c.Say(e.ctx, &testpb.EchoRequest{})
	le := e.failedAs(err, lupine.ResourceExhausted, lupine.Yes)
	if le.Message != "slow down ü" || len(le.Details) != len(details) {
		e.Fatalf("got %v with %d details", le, len(le.Details))
	}
	for i, d := range details {
		if le.Details[i].Type != d.Type || !bytes.Equal(le.Details[i].Value, d.Value) {
			e.Errorf("detail %d came as %v", i, le.Details[i])
		}
	}
}

// errKinds: streams of every kind end with the handler's error, after the
// messages that came before it.
func errKinds(e *env) {
	fail := lupine.Errorf(lupine.OutOfRange, "past the end")
	c := e.start(&service{
		list: func(ctx context.Context, req *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
			for i := range req.FailAfter {
				if err := out.Send(ctx, &testpb.EchoReply{Count: i}); err != nil {
					return err
				}
			}
			return fail
		},
		sum: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
			for _, err := range in.All(ctx) {
				if err != nil {
					return nil, err
				}
			}
			return nil, fail
		},
	})
	for _, n := range []int{0, 1, 20} {
		got := 0
		var last error
		for _, err := range c.List(e.ctx, &testpb.EchoRequest{FailAfter: uint32(n)}).All() {
			if last = err; err == nil {
				got++
			}
		}
		if le := e.failedAs(last, lupine.OutOfRange, lupine.Yes); le.Message != "past the end" || got != n {
			e.Errorf("after %d replies, want %d: %v", got, n, le)
		}
		s := c.Sum(e.ctx)
		for range n {
			e.ok(s.Send(e.ctx, &testpb.EchoRequest{}), "Send")
		}
		_, err := s.CloseAndRecv(e.ctx)
		e.failedAs(err, lupine.OutOfRange, lupine.Yes)
	}
	e.works(c)
}

// errCodesOfStreams: each code, with a text and details, ends a stream of each kind,
// before and after messages have come.
func errCodesOfStreams(e *env) {
	var give *lupine.Error
	after := 0
	send := func(ctx context.Context, out replies) error {
		for range after {
			if err := out.Send(ctx, &testpb.EchoReply{}); err != nil {
				return err
			}
		}
		return give
	}
	c := e.start(&service{
		list: func(ctx context.Context, _ *testpb.EchoRequest, out replies) error { return send(ctx, out) },
		sum:  func(context.Context, requests) (*testpb.EchoReply, error) { return nil, give },
		chat: func(ctx context.Context, _ requests, out replies) error { return send(ctx, out) },
	})
	for code := lupine.Canceled; code <= lupine.Unauthenticated; code++ {
		give = lupine.Errorf(code, "ended as %v: 100%% ü", code).WithDetail(lupine.Detail{Type: "a.B", Value: []byte{byte(code)}})
		after = int(code) % 3
		ends := map[string]func() error{
			"List": func() error {
				n, last := 0, error(nil)
				for _, err := range c.List(e.ctx, &testpb.EchoRequest{}).All() {
					if last = err; err == nil {
						n++
					}
				}
				if n != after {
					e.Errorf("%v: %d replies before the end, want %d", code, n, after)
				}
				return last
			},
			"Sum": func() error { _, err := c.Sum(e.ctx).CloseAndRecv(e.ctx); return err },
			"Chat": func() error {
				s, err := c.Chat(e.ctx), error(nil)
				for err == nil {
					_, err = s.Recv(e.ctx)
				}
				return err
			},
		}
		for kind, end := range ends {
			le := e.failedAs(end(), code, lupine.Yes)
			if le.Message != give.Message {
				e.Errorf("%s: message %q, want %q", kind, le.Message, give.Message)
			}
			if d := le.Details; e.info.Capabilities.Details && (len(d) != 1 || d[0].Type != "a.B" || !bytes.Equal(d[0].Value, []byte{byte(code)})) {
				e.Errorf("%s: details %v", kind, d)
			}
		}
	}
	e.works(c)
}

// errForeign: errors that are no *Error get a code and keep their text; an
// *Error that others wrap keeps its code.
func errForeign(e *env) {
	var give error
	c := e.start(&service{say: func(context.Context, *testpb.EchoRequest) (*testpb.EchoReply, error) { return nil, give }})
	for _, t := range []struct {
		err  error
		code lupine.Code
	}{
		{errors.New("some text"), lupine.Unknown},
		{io.EOF, lupine.Unknown},
		{context.Canceled, lupine.Canceled},
		{fmt.Errorf("asking upstream: %w", context.DeadlineExceeded), lupine.DeadlineExceeded},
		{fmt.Errorf("while looking: %w", lupine.Errorf(lupine.NotFound, "no such thing")), lupine.NotFound},
		{&lupine.Error{Code: lupine.OK, Message: "mistaken"}, lupine.Internal},
	} {
		give = t.err
		_, err := c.Say(e.ctx, &testpb.EchoRequest{})
		le := e.failedAs(err, t.code, lupine.Yes)
		if t.code != lupine.NotFound && !strings.Contains(le.Message, strings.TrimPrefix(t.err.Error(), "OK: ")) {
			e.Errorf("%v came as %v", t.err, le)
		}
	}
}

// errExecutedYes: a handler that returned has run, whatever its error says or
// wraps: an upstream's "not executed" must not travel down.
func errExecutedYes(e *env) {
	var give error
	c := e.start(&service{say: func(context.Context, *testpb.EchoRequest) (*testpb.EchoReply, error) { return nil, give }})
	upstream := lupine.Errorf(lupine.Unavailable, "refused").NotExecuted()
	for _, give = range []error{upstream, fmt.Errorf("upstream: %w", upstream), &lupine.Error{Code: lupine.Unavailable, Executed: lupine.Maybe}} {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{})
		e.failedAs(err, lupine.Unavailable, lupine.Yes)
	}
}

// stray is a method that no server has.
func stray(path string, kind lupine.Kind) *lupine.Method {
	_, rest, _ := strings.Cut(path, "/")
	service, name, _ := strings.Cut(rest, "/")
	newRaw := func() any { return new(lupine.Raw) }
	return &lupine.Method{Service: service, Name: name, Path: path, Kind: kind, Codec: lupine.RawCodec{}, NewRequest: newRaw, NewReply: newRaw}
}

const echoPath = "/lupine.test.v1.Echo/"

func errUnknownMethod(e *env) {
	s := e.serve(lupine.ServerConfig{}, &service{})
	conn := s.dial(lupine.DialConfig{})
	for _, path := range []string{echoPath + "Nope", "/no.such.Service/Say"} {
		_, err := lupine.Invoke[lupine.Raw](e.ctx, conn, stray(path, lupine.Unary), &lupine.Raw{}, nil)
		le := e.failedAs(err, lupine.Unimplemented, lupine.No)
		service, name := "no.such.Service", "Nope"
		if strings.HasPrefix(path, echoPath) && !strings.Contains(le.Message, name) || !strings.HasPrefix(path, echoPath) && !strings.Contains(le.Message, service) {
			e.Errorf("%s: message %q does not name what is missing", path, le.Message)
		}
		if e.info.Capabilities.Streams {
			st := lupine.CallServerStream[lupine.Raw](e.ctx, conn, stray(path, lupine.ServerStreaming), &lupine.Raw{}, nil)
			_, err = st.Recv(e.ctx)
			e.failedAs(err, lupine.Unimplemented, lupine.No)
		}
	}
	e.works(testpb.NewEchoClient(conn))
}

func errUnimplemented(e *env) {
	c := e.start(struct{ testpb.UnimplementedEchoServer }{})
	_, err := c.Say(e.ctx, &testpb.EchoRequest{})
	if le := e.failed(err, lupine.Unimplemented); !strings.Contains(le.Message, "Say") {
		e.Errorf("message %q does not name the method", le.Message)
	}
	if e.info.Capabilities.Streams {
		_, err := c.List(e.ctx, &testpb.EchoRequest{}).Recv(e.ctx)
		e.failed(err, lupine.Unimplemented)
	}
}

// as is the named Echo method with another kind and raw messages, which lets a
// caller break the rules of the real one.
func as(name string, kind lupine.Kind) *lupine.Method { return stray(echoPath+name, kind) }

// errCardinality: too few or too many messages fail the call at the end that
// finds out, as Unimplemented (the gRPC status code table's "cardinality violation").
func errCardinality(e *env) {
	ran := make(chan struct{}, 10)
	conn := e.serve(lupine.ServerConfig{}, &service{
		say: func(_ context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
			ran <- struct{}{}
			return &testpb.EchoReply{Text: req.Text}, nil
		},
	}).dial(lupine.DialConfig{})
	for _, name := range []string{"Say", "List"} {
		// No request where there must be one.
		none := lupine.CallClientStream[lupine.Raw, lupine.Raw](e.ctx, conn, as(name, lupine.ClientStreaming), nil)
		_, err := none.CloseAndRecv(e.ctx)
		e.failedAs(err, lupine.Unimplemented, lupine.No)
		// Two where there must be one.
		two := lupine.CallClientStream[lupine.Raw, lupine.Raw](e.ctx, conn, as(name, lupine.ClientStreaming), nil)
		for range 2 {
			if err := two.Send(e.ctx, &lupine.Raw{}); err != nil && err != io.EOF {
				e.Fatalf("Send: %v", err)
			}
		}
		_, err = two.CloseAndRecv(e.ctx)
		e.failedAs(err, lupine.Unimplemented, lupine.No)
	}
	if len(ran) > 0 {
		e.Error("a handler ran without one request")
	}
	// No reply, and two replies, where the caller wants one.
	for _, count := range []uint32{0, 2} {
		raw := rawRequest(e, &testpb.EchoRequest{Count: count})
		_, err := lupine.Invoke[lupine.Raw](e.ctx, conn, as("List", lupine.Unary), raw, nil)
		e.failed(err, lupine.Unimplemented)
	}
	raw := rawRequest(e, &testpb.EchoRequest{Count: 1})
	_, err := lupine.Invoke[lupine.Raw](e.ctx, conn, as("List", lupine.Unary), raw, nil)
	e.ok(err, "one reply of a server stream, called as unary")
	e.works(testpb.NewEchoClient(conn))
}

const secret = "hunter2"

// errPanic: a panic ends its own call as Internal, does not tell the caller what
// it said, and logs the stack.
func errPanic(e *env) {
	c := e.start(&service{say: func(_ context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Text == "panic" {
			panic(secret)
		}
		return &testpb.EchoReply{Text: req.Text}, nil
	}})
	for range 3 {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "panic"})
		le := e.failedAs(err, lupine.Internal, lupine.Yes)
		if strings.Contains(le.Message, secret) {
			e.Errorf("the caller is told what the panic said: %v", le)
		}
		e.works(c)
	}
	e.stackLogged("errPanic")
}

func (e *env) stackLogged(function string) {
	e.Helper()
	if log := e.log.String(); !strings.Contains(log, secret) || !strings.Contains(log, function) {
		e.Errorf("the log has no panic with the stack of %s:\n%s", function, log)
	}
}

func errPanicStream(e *env) {
	c := e.start(&service{
		list: func(ctx context.Context, _ *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
			if err := out.Send(ctx, &testpb.EchoReply{}); err != nil {
				return err
			}
			panic(errors.New(secret))
		},
	})
	s := c.List(e.ctx, &testpb.EchoRequest{})
	_, err := s.Recv(e.ctx)
	e.ok(err, "the reply before the panic")
	_, err = s.Recv(e.ctx)
	e.failedAs(err, lupine.Internal, lupine.Yes)
	e.stackLogged("errPanicStream")
	e.works(c)
}

func errNilReply(e *env) {
	c := e.start(&service{say: func(context.Context, *testpb.EchoRequest) (*testpb.EchoReply, error) { return nil, nil }})
	_, err := c.Say(e.ctx, &testpb.EchoRequest{})
	e.failedAs(err, lupine.Internal, lupine.Yes)
}

// errMarshal: a message that cannot be encoded fails its call and leaves nothing
// behind, on either side.
func errMarshal(e *env) {
	c := e.start(&service{say: func(_ context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Text == "bad reply" {
			return &testpb.EchoReply{Text: "\xff"}, nil
		}
		return &testpb.EchoReply{Text: req.Text}, nil
	}})
	for range 3 {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "\xff"})
		e.failedAs(err, lupine.Internal, lupine.No)
		_, err = c.Say(e.ctx, &testpb.EchoRequest{Text: "bad reply"})
		e.failed(err, lupine.Internal)
		e.works(c)
	}
	if e.info.Capabilities.Streams {
		s := c.Sum(e.ctx)
		e.ok(s.Send(e.ctx, &testpb.EchoRequest{Text: "good"}), "Send")
		e.failed(s.Send(e.ctx, &testpb.EchoRequest{Text: "\xff"}), lupine.Internal)
		_, err := s.CloseAndRecv(e.ctx)
		e.failed(err, lupine.Internal)
		e.works(c)
	}
}
