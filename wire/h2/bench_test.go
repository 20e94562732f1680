package h2

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// BenchmarkUnary makes 64-byte unary calls from one caller and from many.
func BenchmarkUnary(b *testing.B) {
	server, client := testTLS(b)
	for _, c := range []struct {
		name           string
		callers        int
		server, client Config
	}{
		{"1", 1, Config{}, Config{}},
		{"64", 64, Config{}, Config{}},
		{"tls/1", 1, Config{TLS: server}, Config{TLS: client}},
		{"tls/64", 64, Config{TLS: server}, Config{TLS: client}},
	} {
		b.Run(c.name, func(b *testing.B) {
			conn := dialEcho(b, serveEcho(b, echo{}, c.server).addr, c.client)
			ctx, req := context.Background(), make([]byte, 64)
			for range 1000 {
				if _, err := say(ctx, conn, req); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.ResetTimer()
			var left atomic.Int64
			left.Store(int64(b.N))
			done := make(chan struct{})
			for range c.callers {
				go func() {
					defer func() { done <- struct{}{} }()
					for left.Add(-1) >= 0 {
						if _, err := say(ctx, conn, req); err != nil {
							b.Error(err)
							return
						}
					}
				}()
			}
			for range c.callers {
				<-done
			}
		})
	}
}

// BenchmarkChat makes round trips on one bidi stream.
func BenchmarkChat(b *testing.B) {
	conn := dialEcho(b, serveEcho(b, echo{}, Config{}).addr, Config{})
	ctx := context.Background()
	s := chat(ctx, conn)
	req := &raw{Bytes: make([]byte, 64)}
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

// BenchmarkLarge makes unary calls of 1 MiB.
func BenchmarkLarge(b *testing.B) {
	conn := dialEcho(b, serveEcho(b, echo{}, Config{}).addr, Config{})
	req := make([]byte, 1<<20)
	b.SetBytes(2 << 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := say(context.Background(), conn, req); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkList receives 64-byte messages of a server stream.
func BenchmarkList(b *testing.B) {
	conn := dialEcho(b, serveEcho(b, echo{list: func(ctx context.Context, r *raw, out *lupine.Sender[raw]) error {
		for {
			if err := out.Send(ctx, r); err != nil {
				return err
			}
		}
	}}, Config{}).addr, Config{})
	ctx := context.Background()
	s := lupine.CallServerStream[raw](ctx, conn, &echoMethods[1], &raw{Bytes: make([]byte, 64)}, nil)
	defer s.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Recv(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
