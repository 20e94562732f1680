package rudp

import (
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/lupine-rpc/lupine"
)

func BenchmarkUnary(b *testing.B) {
	server, client := testTLS(b)
	for _, way := range []struct {
		name           string
		server, client Config
	}{{"plain", plain, plain}, {"tls", Config{TLS: server}, Config{TLS: client}}} {
		for _, c := range []struct {
			name           string
			callers, bytes int
		}{{"1", 1, 64}, {"64", 64, 64}, {"1MiB", 1, 1 << 20}, {"1MiB by 8", 8, 1 << 20}} {
			b.Run(way.name+"/"+c.name, func(b *testing.B) {
				addr, _ := serveEcho(b, echo{}, way.server)
				conn := dialEcho(b, addr, way.client)
				body := make([]byte, c.bytes)
				ctx := context.Background()
				b.ReportAllocs()
				if c.bytes > 1000 {
					b.SetBytes(int64(2 * c.bytes))
				}
				if c.callers == 1 {
					for b.Loop() {
						if _, err := say(ctx, conn, body); err != nil {
							b.Fatal(err)
						}
					}
					return
				}
				b.SetParallelism(c.callers / 2)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := say(ctx, conn, body); err != nil {
							b.Fatal(err)
						}
					}
				})
			})
		}
	}
}

// BenchmarkStream is one message of a server stream, and one of a client stream.
func BenchmarkStream(b *testing.B) {
	for _, bytes := range []int{64, 4096} {
		b.Run(fmt.Sprintf("down/%d", bytes), func(b *testing.B) {
			n := 0
			addr, _ := serveEcho(b, echo{list: func(ctx context.Context, r *raw, out *lupine.Sender[raw]) error {
				for range n {
					if err := out.Send(ctx, r); err != nil {
						return err
					}
				}
				return nil
			}}, plain)
			conn := dialEcho(b, addr, plain)
			n = b.N
			b.ReportAllocs()
			s := lupine.CallServerStream[raw](context.Background(), conn, &echoMethods[1], &raw{Bytes: make([]byte, bytes)}, nil)
			got := 0
			for _, err := range s.All() {
				if err != nil {
					b.Fatal(err)
				}
				got++
			}
			if got != n {
				b.Fatalf("%d of %d messages", got, n)
			}
		})
		b.Run(fmt.Sprintf("up/%d", bytes), func(b *testing.B) {
			addr, _ := serveEcho(b, echo{chat: func(ctx context.Context, in *lupine.Receiver[raw], out *lupine.Sender[raw]) error {
				for _, err := range in.All(ctx) {
					if err != nil {
						return err
					}
				}
				return nil
			}}, plain)
			conn := dialEcho(b, addr, plain)
			b.ReportAllocs()
			s := lupine.CallBidi[raw, raw](context.Background(), conn, &echoMethods[3], nil)
			m := &raw{Bytes: make([]byte, bytes)}
			for range b.N {
				if err := s.Send(context.Background(), m); err != nil {
					b.Fatal(err)
				}
			}
			s.CloseSend(context.Background())
			if _, err := s.Recv(context.Background()); err != io.EOF {
				b.Fatal(err)
			}
		})
	}
}
