package inproc_test

import (
	"context"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
	"github.com/lupine-rpc/lupine/wire/inproc"
)

type echo struct {
	testpb.UnimplementedEchoServer
}

func (echo) Say(_ context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
	return &testpb.EchoReply{Text: req.Text, Payload: req.Payload}, nil
}

func (echo) Chat(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
	for req, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		if err := out.Send(ctx, &testpb.EchoReply{Text: req.Text}); err != nil {
			return err
		}
	}
	return nil
}

// serve runs svc on a network of its own.
func serve(tb testing.TB, c lupine.ServerConfig, svc testpb.EchoServer) *inproc.Network {
	tb.Helper()
	n := inproc.New()
	srv := c.NewServer()
	testpb.RegisterEcho(srv, svc)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(context.Background(), n.Listen()) }()
	tb.Cleanup(func() {
		srv.Close()
		if err := <-done; err != nil {
			tb.Errorf("Serve: %v", err)
		}
	})
	return n
}

// dial returns a client, once there is a listener to dial.
func dial(tb testing.TB, c lupine.DialConfig, n *inproc.Network) testpb.EchoClient {
	tb.Helper()
	c.WaitForReady = true // Serve may not have bound yet
	conn, err := c.Dial(context.Background(), n.To())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return testpb.NewEchoClient(conn)
}

func BenchmarkUnary(b *testing.B) {
	req := &testpb.EchoRequest{Text: "0123456789012345678901234567890123456789012345678901234567890123"}
	for _, c := range []struct {
		name string
		ctx  func() (context.Context, context.CancelFunc)
	}{
		{"background", func() (context.Context, context.CancelFunc) { return context.Background(), func() {} }},
		{"cancelable", func() (context.Context, context.CancelFunc) { return context.WithCancel(context.Background()) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			client := dial(b, lupine.DialConfig{}, serve(b, lupine.ServerConfig{}, echo{}))
			ctx, cancel := c.ctx()
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.Say(ctx, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("parallel", func(b *testing.B) {
		client := dial(b, lupine.DialConfig{}, serve(b, lupine.ServerConfig{}, echo{}))
		b.ReportAllocs()
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := client.Say(context.Background(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

func BenchmarkBidi(b *testing.B) {
	client := dial(b, lupine.DialConfig{}, serve(b, lupine.ServerConfig{}, echo{}))
	s := client.Chat(b.Context())
	defer s.Close()
	req := &testpb.EchoRequest{Text: "0123456789012345678901234567890123456789012345678901234567890123"}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Send(b.Context(), req); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Recv(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
