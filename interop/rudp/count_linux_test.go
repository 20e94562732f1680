package rudp

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine/wire/rudp"
)

// TestPacketsPerCall counts the datagrams of calls on the loopback interface, each sent by
// a system call of its own.
func TestPacketsPerCall(t *testing.T) {
	for _, c := range []struct {
		name       string
		callers, n int
		most       func(calls int) int // beyond the handshake
	}{
		// One caller: a request and a reply a call, and at most two more.
		{"back to back", 1, 1000, func(calls int) int { return 2*calls + 2 }},
		// Alone: one lazy ack may follow.
		{"alone", 1, 1, func(int) int { return 3 }},
		{"64 callers", 64, 200, func(calls int) int { return calls * 3 / 10 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, "127.0.0.1:0", filepath.Join(t.TempDir(), "ledger"), childSingly+"=1")
			at := newCapture(t, s.addr)
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			conn := dial(t, s.addr, rudp.Config{NoBatches: true})
			// The first call brings the handshake, and names the method.
			if err := call(ctx, conn, "first"); err != nil {
				t.Fatal(err)
			}
			before := at.count(t, 600*time.Millisecond)
			var all sync.WaitGroup
			for caller := range c.callers {
				all.Go(func() {
					for i := range c.n {
						if err := call(ctx, conn, fmt.Sprint(caller, "-", i)); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			n := at.count(t, 600*time.Millisecond)
			made := c.callers * c.n
			t.Logf("%d datagrams with the handshake; %d for %d calls: %.3f a call", before, n, made, float64(n)/float64(made))
			if n > c.most(made) {
				t.Errorf("%d datagrams for %d calls, want at most %d", n, made, c.most(made))
			}
		})
	}
}
