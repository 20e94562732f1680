package rpctest

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/race"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

const (
	// hang is how long a behaviour may take before it is taken to hang.
	hang = 20 * time.Second
	// soon is how long something may take that promises to happen at once or by a
	// deadline: generous, since the machine may be busy.
	soon = 3 * time.Second
)

// env is what a behaviour runs in.
type env struct {
	*testing.T
	wire Wire
	info lupine.WireInfo
	ctx  context.Context // ends when the behaviour hangs
	log  *logBook
}

func newEnv(t *testing.T, w Wire, info lupine.WireInfo) *env {
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	t.Cleanup(cancel)
	return &env{T: t, wire: w, info: info, ctx: ctx, log: new(logBook)}
}

// light reports whether the heaviest behaviours are to be made smaller.
func (e *env) light() bool { return race.Enabled || testing.Short() || e.wire.Light }

// forever returns a context without a deadline, which ends all the same when the
// behaviour hangs.
func (e *env) forever() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	context.AfterFunc(e.ctx, cancel)
	return ctx
}

// served is a server that runs.
type served struct {
	e        *env
	server   *lupine.Server
	listener lupine.Listener
	target   func() lupine.Target
	done     chan struct{} // closed once Serve has returned
	err      error         // what it returned
}

// serve starts a server with svc. It ends with the behaviour.
func (e *env) serve(c lupine.ServerConfig, svc testpb.EchoServer) *served {
	e.Helper()
	l, target := e.wire.New(e.T)
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(e.log, nil))
	}
	s := &served{e: e, server: c.NewServer(), listener: l, target: target, done: make(chan struct{})}
	testpb.RegisterEcho(s.server, svc)
	s.serve(context.Background())
	return s
}

func (s *served) serve(ctx context.Context) {
	e := s.e
	e.Helper()
	if err := s.server.Bind(ctx, s.listener); err != nil {
		e.Fatalf("Bind: %v", err)
	}
	go func() {
		defer close(s.done)
		s.err = s.server.Serve(ctx)
	}()
	e.Cleanup(func() {
		s.server.Close()
		s.returned()
	})
}

// returned waits for Serve to return, and checks that it returned nil.
func (s *served) returned() {
	s.e.Helper()
	s.e.wait(s.done, "Serve to return")
	if s.err != nil {
		s.e.Errorf("Serve: %v", s.err)
	}
}

// dial returns a Conn to the server. It ends with the behaviour.
func (s *served) dial(c lupine.DialConfig) *lupine.Conn {
	s.e.Helper()
	return s.e.dialTo(c, s.target())
}

func (e *env) dialTo(c lupine.DialConfig, to lupine.Target) *lupine.Conn {
	e.Helper()
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(e.log, nil))
	}
	conn, err := c.Dial(e.ctx, to)
	if err != nil {
		e.Fatalf("Dial: %v", err)
	}
	e.Cleanup(func() { conn.Close() })
	return conn
}

// start serves svc and returns a client of it, both with the defaults.
func (e *env) start(svc testpb.EchoServer) testpb.EchoClient {
	e.Helper()
	return testpb.NewEchoClient(e.serve(lupine.ServerConfig{}, svc).dial(lupine.DialConfig{}))
}

// ok fails the behaviour unless err is nil.
func (e *env) ok(err error, doing string) {
	e.Helper()
	if err != nil {
		e.Fatalf("%s: %v", doing, err)
	}
}

// failed checks that err is an *Error with the code, and returns it.
func (e *env) failed(err error, code lupine.Code) *lupine.Error {
	e.Helper()
	le, ok := err.(*lupine.Error)
	if !ok {
		e.Fatalf("got error %v (%T), want a *lupine.Error with code %v", err, err, code)
	}
	if le.Code != code {
		e.Fatalf("got error %v, want code %v", le, code)
	}
	return le
}

// failedAs is failed, and checks Executed too.
func (e *env) failedAs(err error, code lupine.Code, executed lupine.Executed) *lupine.Error {
	e.Helper()
	le := e.failed(err, code)
	if le.Executed != executed {
		e.Fatalf("error %v has Executed %v, want %v", le, le.Executed, executed)
	}
	return le
}

// eof checks that err is io.EOF.
func (e *env) eof(err error, doing string) {
	e.Helper()
	if err != io.EOF {
		e.Fatalf("%s: got %v, want io.EOF", doing, err)
	}
}

// wait waits for something to happen.
func (e *env) wait(c <-chan struct{}, what string) {
	e.Helper()
	select {
	case <-c:
	case <-e.ctx.Done():
		e.Fatalf("waited in vain for %s", what)
	case <-time.After(hang):
		e.Fatalf("waited in vain for %s", what)
	}
}

// works checks that a plain call still succeeds.
func (e *env) works(c testpb.EchoClient) {
	e.Helper()
	r, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "still there?"})
	e.ok(err, "a call after it")
	if r.Text != "still there?" {
		e.Fatalf("a call after it: got %q", r.Text)
	}
}

// within checks that f takes no longer than d, with room for a busy machine.
func (e *env) within(d time.Duration, what string, f func()) {
	e.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > d+soon {
		e.Errorf("%s took %v, want about %v", what, took, d)
	}
}

// service is an Echo server. Functions that are set take the place of the echo.
type service struct {
	testpb.UnimplementedEchoServer
	say  func(context.Context, *testpb.EchoRequest) (*testpb.EchoReply, error)
	list func(context.Context, *testpb.EchoRequest, *lupine.Sender[testpb.EchoReply]) error
	sum  func(context.Context, *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error)
	chat func(context.Context, *lupine.Receiver[testpb.EchoRequest], *lupine.Sender[testpb.EchoReply]) error
}

func (s *service) Say(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
	if s.say != nil {
		return s.say(ctx, req)
	}
	return &testpb.EchoReply{Text: req.Text, Payload: req.Payload}, nil
}

func (s *service) List(ctx context.Context, req *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
	if s.list != nil {
		return s.list(ctx, req, out)
	}
	for i := range req.Count {
		if err := out.Send(ctx, &testpb.EchoReply{Text: req.Text, Payload: req.Payload, Count: i}); err != nil {
			return err
		}
	}
	return nil
}

func (s *service) Sum(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
	if s.sum != nil {
		return s.sum(ctx, in)
	}
	var r testpb.EchoReply
	var text strings.Builder
	for req, err := range in.All(ctx) {
		if err != nil {
			return nil, err
		}
		r.Count++
		text.WriteString(req.Text)
		r.Payload = append(r.Payload, req.Payload...)
	}
	r.Text = text.String()
	return &r, nil
}

func (s *service) Chat(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
	if s.chat != nil {
		return s.chat(ctx, in, out)
	}
	n := uint32(0)
	for req, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		if err := out.Send(ctx, &testpb.EchoReply{Text: req.Text, Payload: req.Payload, Count: n}); err != nil {
			return err
		}
		n++
	}
	return nil
}

func (s *service) Mirror(_ context.Context, m *testpb.Everything) (*testpb.Everything, error) {
	return m, nil
}

func (s *service) Ping(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return new(emptypb.Empty), nil
}

// logBook keeps what was logged, instead of printing it.
type logBook struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write adds to the book.
func (l *logBook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns what was logged so far.
func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// isContext reports whether err is or wraps one of the context errors.
func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
