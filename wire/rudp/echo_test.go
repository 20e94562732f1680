package rudp

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

// An echo service of raw bytes, so that these tests need no codec.
var (
	echoMethods = []lupine.Method{
		{Name: "Say", Kind: lupine.Unary}, {Name: "List", Kind: lupine.ServerStreaming},
		{Name: "Sum", Kind: lupine.ClientStreaming}, {Name: "Chat", Kind: lupine.Bidi},
	}
	echoService = func() *lupine.Service {
		for i := range echoMethods {
			m := &echoMethods[i]
			m.Service, m.Path = "test.Echo", "/test.Echo/"+m.Name
			m.Codec = lupine.RawCodec{}
			m.NewRequest = func() any { return new(lupine.Raw) }
			m.NewReply = m.NewRequest
		}
		return &lupine.Service{Name: "test.Echo", Methods: echoMethods}
	}()
)

type raw = lupine.Raw

// echo is what a test's server does. Nil functions echo.
type echo struct {
	say  func(context.Context, *raw) (*raw, error)
	list func(context.Context, *raw, *lupine.Sender[raw]) error
	chat func(context.Context, *lupine.Receiver[raw], *lupine.Sender[raw]) error
}

func (e echo) register(srv *lupine.Server) {
	if e.say == nil {
		e.say = func(_ context.Context, r *raw) (*raw, error) { return r, nil }
	}
	if e.list == nil {
		e.list = func(ctx context.Context, r *raw, out *lupine.Sender[raw]) error {
			for range len(r.Bytes) {
				if err := out.Send(ctx, r); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if e.chat == nil {
		e.chat = func(ctx context.Context, in *lupine.Receiver[raw], out *lupine.Sender[raw]) error {
			for {
				r, err := in.Recv(ctx)
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
				if err := out.Send(ctx, r); err != nil {
					return err
				}
			}
		}
	}
	srv.Register(echoService,
		lupine.HandleUnary(&echoMethods[0], e.say),
		lupine.HandleServerStream(&echoMethods[1], e.list),
		lupine.HandleClientStream(&echoMethods[2], func(ctx context.Context, in *lupine.Receiver[raw]) (*raw, error) {
			sum := new(raw)
			for r, err := range in.All(ctx) {
				if err != nil {
					return nil, err
				}
				sum.Bytes = append(sum.Bytes, r.Bytes...)
			}
			return sum, nil
		}),
		lupine.HandleBidi(&echoMethods[3], e.chat))
}

func serveEcho(t testing.TB, e echo, c Config) (addr string, srv *lupine.Server) {
	t.Helper()
	l, srv := listenEcho(t, e, c)
	return l.Addr(), srv
}

// listenEcho is serveEcho for who wants the listener.
func listenEcho(t testing.TB, e echo, c Config) (*listener, *lupine.Server) {
	t.Helper()
	srv := lupine.ServerConfig{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), MaxReceive: -1}.NewServer()
	e.register(srv)
	l := Listen("127.0.0.1:0", c)
	if err := srv.Bind(context.Background(), l); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(context.Background()) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l.(*listener), srv
}

func dialEcho(t testing.TB, addr string, c Config) *lupine.Conn {
	t.Helper()
	conn, err := lupine.DialConfig{MaxReceive: -1, MaxSend: -1}.Dial(context.Background(), To(addr, c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func say(ctx context.Context, c *lupine.Conn, b []byte, opts ...lupine.CallOption) ([]byte, error) {
	r, err := lupine.Invoke[raw](ctx, c, &echoMethods[0], &raw{Bytes: b}, opts)
	if err != nil {
		return nil, err
	}
	return r.Bytes, nil
}

// soon returns a context that ends long after everything that is well.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

var plain = Config{Plain: true}

func TestSay(t *testing.T) {
	addr, _ := serveEcho(t, echo{}, plain)
	conn := dialEcho(t, addr, plain)
	for i := range 100 {
		if got, err := say(soon(t), conn, []byte{byte(i), 2, 3}); err != nil || len(got) != 3 || got[0] != byte(i) {
			t.Fatalf("call %d: %v, %v", i, got, err)
		}
	}
}
