package h2_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// echo answers with what it was asked.
type echo struct{ testpb.UnimplementedEchoServer }

func (echo) Say(_ context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
	return &testpb.EchoReply{Payload: req.Payload}, nil
}

func (echo) Chat(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
	for req, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		if err := out.Send(ctx, &testpb.EchoReply{Payload: req.Payload}); err != nil {
			return err
		}
	}
	return nil
}

func startEcho(t testing.TB, server, client h2.Config) testpb.EchoClient {
	t.Helper()
	srv := lupine.NewServer()
	testpb.RegisterEcho(srv, echo{})
	l := h2.Listen("127.0.0.1:0", server)
	if err := srv.Bind(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background()) }()
	conn, err := lupine.Dial(t.Context(), h2.To(l.Addr(), client))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		srv.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return testpb.NewEchoClient(conn)
}

// BenchmarkUnary makes 64-byte unary calls from one caller and from many.
func BenchmarkUnary(b *testing.B) {
	run := func(b *testing.B, callers int, server, client h2.Config) {
		c := startEcho(b, server, client)
		req := &testpb.EchoRequest{Payload: make([]byte, 64)}
		ctx := context.Background()
		for range 1000 {
			if _, err := c.Say(ctx, req); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportAllocs()
		b.ResetTimer()
		var left atomic.Int64
		left.Store(int64(b.N))
		done := make(chan struct{})
		for range callers {
			go func() {
				defer func() { done <- struct{}{} }()
				for left.Add(-1) >= 0 {
					if _, err := c.Say(ctx, req); err != nil {
						b.Error(err)
						return
					}
				}
			}()
		}
		for range callers {
			<-done
		}
	}
	b.Run("1", func(b *testing.B) { run(b, 1, h2.Config{}, h2.Config{}) })
	b.Run("64", func(b *testing.B) { run(b, 64, h2.Config{}, h2.Config{}) })
	server, client := testTLS(b)
	b.Run("tls/64", func(b *testing.B) { run(b, 64, h2.Config{TLS: server}, h2.Config{TLS: client}) })
}

// BenchmarkChat makes round trips on one bidi stream.
func BenchmarkChat(b *testing.B) {
	c := startEcho(b, h2.Config{}, h2.Config{})
	ctx := context.Background()
	s := c.Chat(ctx)
	req := &testpb.EchoRequest{Payload: make([]byte, 64)}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Send(ctx, req); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Recv(ctx); err != nil {
			b.Fatal(err)
		}
	}
	s.CloseSend(ctx)
}
