package lupine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/examples/routeguide"
	"github.com/lupine-rpc/lupine/wire/inproc"
)

// newService makes a service test.S whose methods M0, M1 ... have the given kinds
// and raw messages.
func newService(name string, kinds ...lupine.Kind) *lupine.Service {
	svc := &lupine.Service{Name: name}
	newRaw := func() any { return new(lupine.Raw) }
	for i, k := range kinds {
		m := fmt.Sprint("M", i)
		svc.Methods = append(svc.Methods, lupine.Method{Service: name, Name: m, Path: "/" + name + "/" + m, Kind: k,
			Codec: lupine.RawCodec{}, NewRequest: newRaw, NewReply: newRaw})
	}
	return svc
}

// handlers implements a service: unary and server streams echo, the others say
// that they are not implemented.
func handlers(svc *lupine.Service) []lupine.Handler {
	var all []lupine.Handler
	for i := range svc.Methods {
		m := &svc.Methods[i]
		switch m.Kind {
		case lupine.Unary:
			all = append(all, lupine.HandleUnary(m, func(_ context.Context, r *lupine.Raw) (*lupine.Raw, error) { return r, nil }))
		case lupine.ServerStreaming:
			all = append(all, lupine.HandleServerStream(m, func(ctx context.Context, r *lupine.Raw, out *lupine.Sender[lupine.Raw]) error {
				return out.Send(ctx, r)
			}))
		case lupine.ClientStreaming:
			all = append(all, lupine.HandleClientStream(m, func(context.Context, *lupine.Receiver[lupine.Raw]) (*lupine.Raw, error) {
				return nil, lupine.Errorf(lupine.Unimplemented, "no")
			}))
		case lupine.Bidi:
			all = append(all, lupine.HandleBidi(m, func(context.Context, *lupine.Receiver[lupine.Raw], *lupine.Sender[lupine.Raw]) error {
				return lupine.Errorf(lupine.Unimplemented, "no")
			}))
		}
	}
	return all
}

// fakeWire dials as dial says, and keeps its sessions.
type fakeWire struct {
	caps lupine.Capabilities
	dial func(ctx context.Context, to lupine.Endpoint, n int) error // of the nth dial, from 1

	mu       sync.Mutex
	dials    []string // addresses, in order
	sessions []*fakeSession
	fail     func(call *lupine.Call) error // of new sessions
}

// Info describes the wire.
func (w *fakeWire) Info() lupine.WireInfo { return lupine.WireInfo{Name: "fake", Capabilities: w.caps} }

// Dial makes a session.
func (w *fakeWire) Dial(ctx context.Context, to lupine.Endpoint, o lupine.SessionOptions) (lupine.Session, error) {
	w.mu.Lock()
	w.dials = append(w.dials, to.Addr)
	n := len(w.dials)
	w.mu.Unlock()
	if w.dial != nil {
		if err := w.dial(ctx, to, n); err != nil {
			return nil, err
		}
	}
	s := &fakeSession{wire: w, addr: to.Addr, down: o.Down, number: n, ready: true}
	w.mu.Lock()
	s.fail = w.fail
	w.sessions = append(w.sessions, s)
	w.mu.Unlock()
	return s, nil
}

func (w *fakeWire) session(i int) *fakeSession {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sessions[i]
}

func (w *fakeWire) dialed() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.dials...)
}

// to returns a target that leads to the addresses.
func (w *fakeWire) to(addrs ...string) lupine.Target {
	var list lupine.Endpoints
	for _, a := range addrs {
		list = append(list, lupine.Endpoint{Addr: a})
	}
	return lupine.Target{Name: "fake", Wire: w, Resolver: list}
}

// fakeSession answers unary calls by itself: with its address, or as fail says.
type fakeSession struct {
	wire   *fakeWire
	addr   string
	number int
	down   func(error)

	mu     sync.Mutex
	fail   func(call *lupine.Call) error
	ready  bool
	calls  int
	closed bool
	drains int
}

func (s *fakeSession) set(f func(s *fakeSession)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
}

func (s *fakeSession) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Invoke answers.
func (s *fakeSession) Invoke(_ context.Context, call *lupine.Call, _, reply any) error {
	s.mu.Lock()
	s.calls++
	fail := s.fail
	s.mu.Unlock()
	if fail != nil {
		if err := fail(call); err != nil {
			return err
		}
	}
	reply.(*lupine.Raw).Bytes = []byte(s.addr)
	return nil
}

// Open starts a call that answers as Invoke does.
func (s *fakeSession) Open(_ context.Context, call *lupine.Call) (lupine.Stream, error) {
	return &fakeStream{s: s, call: call}, nil
}

// Ready says what it was told to.
func (s *fakeSession) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

// Peer is far away and in the clear.
func (s *fakeSession) Peer() *lupine.Peer {
	return &lupine.Peer{Wire: "fake", RemoteAddr: s.addr}
}

// Drain returns at once.
func (s *fakeSession) Drain(context.Context) error {
	s.set(func(s *fakeSession) { s.drains++ })
	return nil
}

// Close notes that it was called.
func (s *fakeSession) Close() error {
	s.set(func(s *fakeSession) { s.closed = true })
	return nil
}

// fakeStream is a unary call as a stream.
type fakeStream struct {
	s     *fakeSession
	call  *lupine.Call
	ended error
}

// Send makes the call.
func (f *fakeStream) Send(context.Context, any, bool) error { return nil }

// CloseSend does nothing.
func (f *fakeStream) CloseSend(context.Context) error { return nil }

// Recv returns the reply, then the end.
func (f *fakeStream) Recv(ctx context.Context, m any) error {
	if f.ended != nil {
		return f.ended
	}
	f.ended = io.EOF
	if err := f.s.Invoke(ctx, f.call, nil, m); err != nil {
		f.ended = err
	}
	if f.ended == io.EOF {
		return nil
	}
	return f.ended
}

// Header returns nothing.
func (f *fakeStream) Header(context.Context) (lupine.Metadata, error) { return nil, nil }

// Trailer returns nothing.
func (f *fakeStream) Trailer() lupine.Metadata { return nil }

// Cancel ends the call.
func (f *fakeStream) Cancel(err *lupine.Error) {
	if f.ended == nil {
		f.ended = err
	}
}

// fakeListener binds and serves nothing.
type fakeListener struct {
	caps    lupine.Capabilities
	bindErr error

	mu     sync.Mutex
	srv    *lupine.Server
	closed bool
	done   chan struct{}
	err    error // what Serve returns
	drain  chan struct{}
}

func newFakeListener(caps lupine.Capabilities) *fakeListener {
	return &fakeListener{caps: caps, done: make(chan struct{})}
}

// Info describes the wire.
func (l *fakeListener) Info() lupine.WireInfo {
	return lupine.WireInfo{Name: "fake", Capabilities: l.caps}
}

// Bind remembers srv.
func (l *fakeListener) Bind(_ context.Context, srv *lupine.Server) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.srv = srv
	return l.bindErr
}

// Serve waits.
func (l *fakeListener) Serve() error {
	<-l.done
	return l.err
}

// Addr is fake.
func (l *fakeListener) Addr() string { return "fake" }

// Drain waits for drain, where there is one.
func (l *fakeListener) Drain(ctx context.Context) error {
	if l.drain == nil {
		return nil
	}
	l.Close() // as listeners do that return from Serve as soon as they drain
	select {
	case <-l.drain:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close makes Serve return.
func (l *fakeListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		l.closed = true
		close(l.done)
	}
	return nil
}

func (l *fakeListener) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

var errRefused = errors.New("connection refused")

// serveAndDial runs srv within this process until the test ends.
func serveAndDial(t *testing.T, srv *lupine.Server, c lupine.DialConfig) (routeguide.RouteGuideClient, *lupine.Conn) {
	t.Helper()
	net := inproc.New()
	if err := srv.Bind(context.Background(), net.Listen()); err != nil {
		t.Fatal(err)
	}
	go srv.Serve(context.Background())
	conn, err := c.Dial(context.Background(), net.To())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		srv.Close()
	})
	return routeguide.NewRouteGuideClient(conn), conn
}
