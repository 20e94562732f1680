package h2

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

// TestBursts: long messages, which are written from where they are, arrive whole beside
// others that are canceled at any moment, whose buffers are used again at once, and
// beside short calls.
func TestBursts(t *testing.T) {
	srv := serveEcho(t, echo{}, Config{})
	conn := dialEcho(t, srv.addr, Config{})
	ctx := soon(t)
	limit := []lupine.CallOption{lupine.MaxReceive(-1)}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 1))
			b := make([]byte, 3<<20)
			for range 15 {
				b = b[:r.IntN(cap(b))]
				for j := range b {
					b[j] = byte(j>>8) ^ byte(j) + byte(i)
				}
				call, cancel := ctx, context.CancelFunc(func() {})
				if r.IntN(2) == 0 {
					call, cancel = context.WithTimeout(ctx, time.Duration(r.IntN(3000))*time.Microsecond)
				}
				got, err := say(call, conn, b, limit...)
				switch {
				case err == nil && !bytes.Equal(got, b):
					t.Errorf("%d bytes came back changed", len(b))
				case err != nil && call == ctx:
					t.Error(err)
				}
				cancel()
			}
		})
	}
	all.Go(func() {
		for range 300 {
			if got, err := say(ctx, conn, []byte("short")); err != nil || string(got) != "short" {
				t.Errorf("%q, %v", got, err)
				return
			}
		}
	})
	all.Wait()
}
