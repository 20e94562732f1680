package inproc_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/race"
	"github.com/lupine-rpc/lupine/internal/testpb"
	"github.com/lupine-rpc/lupine/wire/inproc"
)

// note is a message that the codec below copies by itself.
type note struct {
	Lines []string
}

// copying is a codec that copies. It counts how often it did what.
type copying struct {
	copies, encodings *atomic.Int64
	sizes             bool // Size knows the size
}

func (c copying) Name() string { return "note" }

func (c copying) Append(dst []byte, m any) ([]byte, error) {
	c.encodings.Add(1)
	return append(dst, strings.Join(m.(*note).Lines, "\n")...), nil
}

func (c copying) Decode(src []byte, m any) error {
	c.encodings.Add(1)
	m.(*note).Lines = strings.Split(string(src), "\n")
	return nil
}

func (c copying) Copy(dst, src any) error {
	c.copies.Add(1)
	if len(src.(*note).Lines) == 0 {
		return errors.New("an empty note")
	}
	dst.(*note).Lines = slices.Clone(src.(*note).Lines)
	return nil
}

func (c copying) Size(m any) (int, bool) {
	n := 0
	for _, l := range m.(*note).Lines {
		n += len(l)
	}
	return n, c.sizes
}

// noteService has a unary and a bidi method, both of which change what they got
// and keep what they sent.
func noteService(codec lupine.Codec) (*lupine.Service, []lupine.Handler) {
	fresh := func() any { return new(note) }
	svc := &lupine.Service{Name: "notes.Notes", Methods: []lupine.Method{
		{Service: "notes.Notes", Name: "One", Path: "/notes.Notes/One", Codec: codec, NewRequest: fresh, NewReply: fresh},
		{Service: "notes.Notes", Name: "Many", Path: "/notes.Notes/Many", Kind: lupine.Bidi, Codec: codec, NewRequest: fresh, NewReply: fresh},
	}}
	return svc, []lupine.Handler{
		lupine.HandleUnary(&svc.Methods[0], func(_ context.Context, n *note) (*note, error) {
			reply := &note{slices.Clone(n.Lines)}
			n.Lines[0] = "changed by the handler"
			return reply, nil
		}),
		lupine.HandleBidi(&svc.Methods[1], func(ctx context.Context, in *lupine.Receiver[note], out *lupine.Sender[note]) error {
			for n, err := range in.All(ctx) {
				if err != nil {
					return err
				}
				if err := out.Send(ctx, n); err != nil {
					return err
				}
				n.Lines[0] = "changed by the handler"
			}
			return nil
		}),
	}
}

func notes(t *testing.T, c lupine.ServerConfig, codec lupine.Codec, config lupine.DialConfig) (*lupine.Service, *lupine.Conn) {
	t.Helper()
	n := inproc.New()
	srv := c.NewServer()
	svc, handlers := noteService(codec)
	srv.Register(svc, handlers...)
	if err := srv.Bind(t.Context(), n.Listen()); err != nil {
		t.Fatal(err)
	}
	go srv.Serve(context.Background())
	t.Cleanup(func() { srv.Close() })
	conn, err := config.Dial(context.Background(), n.To())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return svc, conn
}

// TestCopier: a codec that can copy is asked to, and never to encode. Neither side
// sees what the other does to its message.
func TestCopier(t *testing.T) {
	var copies, encodings atomic.Int64
	svc, conn := notes(t, lupine.ServerConfig{}, copying{&copies, &encodings, true}, lupine.DialConfig{})
	mine := &note{[]string{"a", "b"}}
	r, err := lupine.Invoke[note](t.Context(), conn, &svc.Methods[0], mine, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(r.Lines, []string{"a", "b"}) || !slices.Equal(mine.Lines, []string{"a", "b"}) {
		t.Errorf("sent %q, got back %q", mine.Lines, r.Lines)
	}
	if copies.Load() != 2 || encodings.Load() != 0 {
		t.Errorf("a unary call took %d copies and %d encodings, want 2 and 0", copies.Load(), encodings.Load())
	}
	s := lupine.CallBidi[note, note](t.Context(), conn, &svc.Methods[1], nil)
	for _, text := range []string{"x", "y", "z"} {
		if err := s.Send(t.Context(), mine); err != nil {
			t.Fatal(err)
		}
		mine.Lines[1] = text // after Send it is free
	}
	s.CloseSend(t.Context())
	var got []string
	for r, err := range s.All() {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Join(r.Lines, ""))
	}
	if !slices.Equal(got, []string{"ab", "ax", "ay"}) || encodings.Load() != 0 {
		t.Errorf("got back %q with %d encodings", got, encodings.Load())
	}
	_, err = lupine.Invoke[note](t.Context(), conn, &svc.Methods[0], &note{}, nil)
	if e := lupine.AsError(err); e.Code != lupine.Internal || e.Executed != lupine.No {
		t.Errorf("a message that cannot be copied: %v", err)
	}
	s = lupine.CallBidi[note, note](t.Context(), conn, &svc.Methods[1], nil)
	if err := s.Send(t.Context(), &note{}); lupine.CodeOf(err) != lupine.Internal {
		t.Errorf("a message of a stream that cannot be copied: %v", err)
	}
	_, err = s.Recv(t.Context())
	if e := lupine.AsError(err); e.Code != lupine.Internal || e.Executed != lupine.No {
		t.Errorf("a stream whose first message could not be sent: %v", err)
	}
}

// TestCopierLimits: limits hold where a codec that copies knows the size, and
// cannot where it does not.
func TestCopierLimits(t *testing.T) {
	var copies, encodings atomic.Int64
	large := &note{[]string{strings.Repeat("x", 1000)}}
	for _, sizes := range []bool{true, false} {
		svc, conn := notes(t, lupine.ServerConfig{MaxReceive: 100}, copying{&copies, &encodings, sizes}, lupine.DialConfig{})
		_, err := lupine.Invoke[note](t.Context(), conn, &svc.Methods[0], large, nil)
		if want := map[bool]lupine.Code{true: lupine.ResourceExhausted, false: lupine.OK}[sizes]; lupine.CodeOf(err) != want {
			t.Errorf("sizes known: %v: %v", sizes, err)
		}
	}
}

// TestTypesMeet: when the sides use different Go types the messages are encoded,
// provided that both mean the same encoding.
func TestTypesMeet(t *testing.T) {
	var copies, encodings atomic.Int64
	svc, conn := notes(t, lupine.ServerConfig{}, copying{&copies, &encodings, true}, lupine.DialConfig{})
	raw := svc.Methods[0]
	raw.Codec = lupine.RawCodec{}
	raw.NewRequest = func() any { return new(lupine.Raw) }
	raw.NewReply = raw.NewRequest
	r, err := lupine.Invoke[lupine.Raw](t.Context(), conn, &raw, &lupine.Raw{Bytes: []byte("a\nb")}, nil)
	if err != nil || string(r.Bytes) != "a\nb" || encodings.Load() != 2 {
		t.Errorf("a raw caller: %v, %v, with %d encodings", r, err, encodings.Load())
	}
	raw.Codec = lupine.RawCodec{Use: "proto"}
	_, err = lupine.Invoke[lupine.Raw](t.Context(), conn, &raw, &lupine.Raw{Bytes: []byte("a\nb")}, nil)
	if e := lupine.AsError(err); e.Code != lupine.Unimplemented || e.Executed != lupine.No || !strings.Contains(e.Message, "proto") || !strings.Contains(e.Message, "note") {
		t.Errorf("a caller that encodes otherwise: %v", err)
	}
}

// TestOnTime: with a clock that moves only when everybody waits, a call ends
// exactly when it should, although its handler takes no notice.
func TestOnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc := &stubborn{release: make(chan struct{})}
		n := inproc.New()
		srv := lupine.NewServer()
		testpb.RegisterEcho(srv, svc)
		go srv.Serve(context.Background(), n.Listen())
		synctest.Wait()
		conn, err := lupine.DialConfig{SafetyNet: 3 * time.Second}.Dial(context.Background(), n.To())
		if err != nil {
			t.Fatal(err)
		}
		client := testpb.NewEchoClient(conn)
		start := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
		defer cancel()
		_, err = client.Say(ctx, &testpb.EchoRequest{})
		if took := time.Since(start); took != 30*time.Millisecond || lupine.CodeOf(err) != lupine.DeadlineExceeded {
			t.Errorf("a call with a deadline of 30 ms: %v after %v", err, took)
		}
		start = time.Now()
		ctx, cancel = context.WithTimeout(context.Background(), 30*time.Millisecond)
		defer cancel()
		_, err = client.List(ctx, &testpb.EchoRequest{}).Recv(context.Background())
		if took := time.Since(start); took != 30*time.Millisecond || lupine.CodeOf(err) != lupine.DeadlineExceeded {
			t.Errorf("a stream with a deadline of 30 ms: %v after %v", err, took)
		}
		start = time.Now()
		_, err = client.Say(context.Background(), &testpb.EchoRequest{})
		if took := time.Since(start); took < 3*time.Second || took > 4*time.Second || lupine.CodeOf(err) != lupine.DeadlineExceeded {
			t.Errorf("a call with a safety net of 3 s: %v after %v", err, took)
		}
		close(svc.release)
		conn.Close()
		srv.Close()
		// The bubble fails if a goroutine is left, and if a timer keeps on ticking
		// this would never end.
		time.Sleep(time.Hour)
	})
}

// stubborn is a service that takes no notice of its context.
type stubborn struct {
	testpb.UnimplementedEchoServer
	release chan struct{}
}

func (s *stubborn) Say(context.Context, *testpb.EchoRequest) (*testpb.EchoReply, error) {
	<-s.release
	return &testpb.EchoReply{}, nil
}

func (s *stubborn) List(context.Context, *testpb.EchoRequest, *lupine.Sender[testpb.EchoReply]) error {
	<-s.release
	return nil
}

// TestNetwork: one listener at a time, and Conns find the next one.
func TestNetwork(t *testing.T) {
	n := inproc.Config{Name: "guide"}.New()
	if a := n.Listen().Addr(); a != "inproc:guide" {
		t.Errorf("the address is %q", a)
	}
	conn, err := lupine.Dial(t.Context(), n.To())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := testpb.NewEchoClient(conn)
	_, err = client.Say(t.Context(), &testpb.EchoRequest{})
	if e := lupine.AsError(err); e.Code != lupine.Unavailable || e.Executed != lupine.No || !strings.Contains(e.Message, "inproc:guide: no server listens") {
		t.Errorf("nobody listens: %v", err)
	}
	for i := range 3 { // a server, and its successors
		srv := lupine.NewServer()
		testpb.RegisterEcho(srv, echo{})
		if err := srv.Bind(t.Context(), n.Listen()); err != nil {
			t.Fatal(err)
		}
		other := lupine.NewServer()
		if err := other.Bind(t.Context(), n.Listen()); err == nil || !strings.Contains(err.Error(), "another server listens") {
			t.Errorf("a second listener: %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- srv.Serve(context.Background()) }()
		if _, err := client.Say(t.Context(), &testpb.EchoRequest{}, lupine.WaitForReady()); err != nil {
			t.Errorf("server %d: %v", i, err)
		}
		srv.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	}
}

// TestDialBeforeServe: a session waits until the bound listener is served, as a
// connection in a socket's backlog does.
func TestDialBeforeServe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := inproc.New()
		srv := lupine.NewServer()
		testpb.RegisterEcho(srv, echo{})
		if err := srv.Bind(context.Background(), n.Listen()); err != nil {
			t.Fatal(err)
		}
		conn, _ := lupine.Dial(context.Background(), n.To())
		p := testpb.NewEchoClient(conn).StartSay(context.Background(), &testpb.EchoRequest{Text: "early"})
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := p.Wait(ctx); err != context.DeadlineExceeded {
			t.Errorf("before Serve: %v", err)
		}
		go srv.Serve(context.Background())
		if r, err := p.Wait(context.Background()); err != nil || r.Text != "early" {
			t.Errorf("after Serve: %v, %v", r, err)
		}
		conn.Close()
		srv.Close()
	})
}

// TestPeer: the handler learns who calls: this very process.
func TestPeer(t *testing.T) {
	n := serve(t, lupine.ServerConfig{}, echo{})
	var p lupine.Peer
	if _, err := dial(t, lupine.DialConfig{}, n).Say(t.Context(), &testpb.EchoRequest{}, lupine.PeerInfo(&p)); err != nil {
		t.Fatal(err)
	}
	if !p.SameHost || !p.Encrypted || p.RemoteAddr != "inproc" || os.Getuid() >= 0 && (p.User == nil || int(p.User.PID) != os.Getpid()) {
		t.Errorf("the peer is %+v", p)
	}
}

// TestAllocs counts what a unary call allocates: the handler's context, request
// and reply with a string each, and the handler's reply.
func TestAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	client := dial(t, lupine.DialConfig{}, serve(t, lupine.ServerConfig{}, echo{}))
	req := &testpb.EchoRequest{Text: "hello"}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	const most = 6
	got := testing.AllocsPerRun(1000, func() {
		if _, err := client.Say(ctx, req); err != nil {
			t.Fatal(err)
		}
	})
	if got > most+1 { // pools are emptied by the garbage collector now and then
		t.Errorf("a unary call allocates %v times, want %d", got, most)
	}
}

// leaver is a service whose handlers end their goroutine, as a failing test does
// in a handler.
type leaver struct {
	testpb.UnimplementedEchoServer
}

func (leaver) Say(context.Context, *testpb.EchoRequest) (*testpb.EchoReply, error) {
	runtime.Goexit()
	return nil, nil
}

func (leaver) List(context.Context, *testpb.EchoRequest, *lupine.Sender[testpb.EchoReply]) error {
	runtime.Goexit()
	return nil
}

// TestGoexit: a handler that never returns, because its goroutine has ended, does
// not leave its caller waiting.
func TestGoexit(t *testing.T) {
	client := dial(t, lupine.DialConfig{}, serve(t, lupine.ServerConfig{}, leaver{}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	_, err := client.Say(ctx, &testpb.EchoRequest{})
	if e := lupine.AsError(err); e == nil || e.Code != lupine.Internal || e.Executed != lupine.Yes {
		t.Errorf("Say: %v", err)
	}
	_, err = client.List(ctx, &testpb.EchoRequest{}).Recv(ctx)
	if e := lupine.AsError(err); e == nil || e.Code != lupine.Internal || e.Executed != lupine.Yes {
		t.Errorf("List: %v", err)
	}
}
