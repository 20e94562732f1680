package grpcmsg

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

// Large messages have their turns; small ones do not wait for them, and who
// waits is let go when its context ends.
func TestDecompressTurns(t *testing.T) {
	for _, c := range compressors() {
		t.Run(c.Name(), func(t *testing.T) {
			b := NewBudget(0)
			large, small := compress(t, c, bytes.Repeat([]byte("x"), 3<<20)), compress(t, c, []byte("small"))
			var held []*Plain
			for range cap(b.turns) {
				p, err := Decompress(t.Context(), c, large, 0, b)
				if err != nil || len(p.Bytes()) != 3<<20 {
					t.Fatal(err)
				}
				held = append(held, p)
			}
			if p, err := Decompress(t.Context(), c, small, 0, b); err != nil || string(p.Bytes()) != "small" {
				t.Errorf("a small message: %v", err)
			} else {
				p.Release()
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			_, err := Decompress(ctx, c, large, 0, b)
			if err != context.DeadlineExceeded || b.Waited() != 1 {
				t.Errorf("while all turns are taken: %v, %d waited; want the context's error, 1", err, b.Waited())
			}
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					p, err := Decompress(t.Context(), c, large, 0, b)
					if err != nil || len(p.Bytes()) != 3<<20 {
						t.Errorf("after its turn has come: %v", err)
						return
					}
					p.Release()
				})
			}
			for _, p := range held {
				p.Release()
			}
			wg.Wait()
			if b.Used() != 0 || len(b.turns) != 0 {
				t.Errorf("%d bytes and %d turns stay in use", b.Used(), len(b.turns))
			}
			// A message that is too large gives its turn back too.
			if _, err := Decompress(t.Context(), c, large, 2<<20, b); lupine.CodeOf(err) != lupine.ResourceExhausted || b.Used() != 0 || len(b.turns) != 0 {
				t.Errorf("%v; %d bytes and %d turns stay in use", err, b.Used(), len(b.turns))
			}
		})
	}
}
