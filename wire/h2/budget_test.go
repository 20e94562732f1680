package h2

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// TestDecompressBudget: a budget of one's own holds at either end and behind
// net/http, and is counted.
func TestDecompressBudget(t *testing.T) {
	const small = 1 << 20
	gzip := lupine.Compress("gzip")
	back := echo{say: func(ctx context.Context, r *raw) (*raw, error) {
		lupine.ServerCallFrom(ctx).Compressor = "gzip"
		return r, nil
	}}
	for _, c := range []struct {
		name string
		dial func(t *testing.T, s *Stats) *lupine.Conn
		opts []lupine.CallOption
	}{
		{"server", func(t *testing.T, s *Stats) *lupine.Conn {
			return dialEcho(t, serveEcho(t, echo{}, Config{DecompressBudget: small, Stats: s}).addr, Config{})
		}, []lupine.CallOption{gzip}},
		{"client", func(t *testing.T, s *Stats) *lupine.Conn {
			return dialEcho(t, serveEcho(t, back, Config{}).addr, Config{DecompressBudget: small, Stats: s})
		}, nil},
		{"handler", func(t *testing.T, s *Stats) *lupine.Conn {
			srv := lupine.ServerConfig{Log: slog.New(slog.DiscardHandler)}.NewServer()
			echo{}.register(srv)
			h := HandlerConfig{DecompressBudget: small, Stats: s}.NewHandler()
			if err := srv.Bind(t.Context(), h); err != nil {
				t.Fatal(err)
			}
			web := httptest.NewUnstartedServer(h)
			web.Config.Protocols = new(http.Protocols)
			web.Config.Protocols.SetUnencryptedHTTP2(true)
			web.Start()
			t.Cleanup(web.Close)
			return dialEcho(t, web.Listener.Addr().String(), Config{})
		}, []lupine.CallOption{gzip}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Stats
			before := maps.Collect(s.All())["decompression"] // the process's
			conn := c.dial(t, &s)
			if r, err := say(soon(t), conn, make([]byte, 100_000), c.opts...); err != nil || len(r) != 100_000 {
				t.Fatalf("a message within the budget: %d bytes, %v", len(r), err)
			}
			_, err := say(soon(t), conn, make([]byte, 3<<20), c.opts...)
			if lupine.CodeOf(err) != lupine.ResourceExhausted {
				t.Errorf("a message of 3 MiB in a budget of 1 MiB: %v, want ResourceExhausted", err)
			}
			if n := maps.Collect(s.All())["decompression"] - before; n != 1 {
				t.Errorf("the counter moved by %d, want 1", n)
			}
		})
	}
}
