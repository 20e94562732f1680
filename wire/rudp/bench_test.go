package rudp

import (
	"context"
	"testing"
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
