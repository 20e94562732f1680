package rudp

import (
	"context"
	"testing"

	"github.com/lupine-rpc/lupine/internal/race"
)

// TestAllocs: a call costs its messages and an eighth of a ServerCall, at both ends
// together, encrypted or not (docs/rudp.md, 8.4).
func TestAllocs(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	server, client := testTLS(t)
	for _, way := range []struct {
		name           string
		server, client Config
	}{{"plain", plain, plain}, {"tls", Config{TLS: server}, Config{TLS: client}}} {
		addr, _ := serveEcho(t, echo{}, way.server)
		conn := dialEcho(t, addr, way.client)
		body := make([]byte, 64)
		// The request message, made by the test; at the server it and its bytes; at the
		// client the reply and its bytes.
		const messages = 5
		const calls = 16
		got := testing.AllocsPerRun(200, func() {
			for range calls {
				if _, err := say(context.Background(), conn, body); err != nil {
					t.Fatal(err)
				}
			}
		}) / calls
		t.Logf("%s: %.2f allocations a call, of which the messages are %d", way.name, got, messages)
		if got > messages+0.3 {
			t.Errorf("%s: %.2f allocations a call, want %d and an eighth", way.name, got, messages)
		}
	}
}
