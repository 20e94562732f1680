package rudp

import "testing"

// What a client sends right behind its handshake is not lost while the server's TLS still
// looks at that.
func TestEarly(t *testing.T) {
	server, client := testTLS(t)
	for range 10 {
		stats := new(Stats)
		addr, _ := serveEcho(t, echo{}, Config{TLS: server, Stats: stats})
		conn := dialEcho(t, addr, Config{TLS: client})
		if _, err := say(soon(t), conn, make([]byte, 50_000)); err != nil {
			t.Fatal(err)
		}
		for name, n := range stats.All() {
			// A resent end of the handshake comes when its keys are gone; a lost window
			// would be nine or ten.
			if name == "dropped" && n > 3 {
				t.Fatalf("%d datagrams were dropped", n)
			}
		}
	}
}
