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
			if b.Used() != 0 || len(b.turns) != cap(b.turns) {
				t.Errorf("%d bytes and %d turns stay in use", b.Used(), cap(b.turns)-len(b.turns))
			}
			// A message that is too large gives its turn back too.
			if _, err := Decompress(t.Context(), c, large, 2<<20, b); lupine.CodeOf(err) != lupine.ResourceExhausted || b.Used() != 0 || len(b.turns) != cap(b.turns) {
				t.Errorf("%v; %d bytes and %d turns stay in use", err, b.Used(), cap(b.turns)-len(b.turns))
			}
		})
	}
}

// A turn that others wait for brings its buffer along: there is one for each turn,
// however many messages come.
func TestTurnsShareBuffers(t *testing.T) {
	b := NewBudget(0)
	c := Gzip()
	large := compress(t, c, bytes.Repeat([]byte("x"), 3<<20))
	first, err := Decompress(t.Context(), c, large, 0, b)
	if err != nil {
		t.Fatal(err)
	}
	held := []*Plain{first}
	for len(held) < cap(b.turns) {
		p, err := Decompress(t.Context(), c, large, 0, b)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, p)
	}
	next := make(chan *Plain)
	go func() {
		p, err := Decompress(t.Context(), c, large, 0, b)
		if err != nil {
			t.Error(err)
		}
		next <- p
	}()
	for b.waiting.Load() == 0 {
		time.Sleep(time.Millisecond) // between looks
	}
	first.Release()
	if p := <-next; p != first {
		t.Error("who waited for the turn did not get its buffer")
	}
	for _, p := range held {
		p.Release()
	}
	if b.Used() != 0 || len(b.turns) != cap(b.turns) {
		t.Errorf("%d bytes and %d turns stay in use", b.Used(), cap(b.turns)-len(b.turns))
	}
}

// A Compressor with a Budget of its own keeps to it, and leaves the process's alone.
func TestBounded(t *testing.T) {
	b := NewBudget(1 << 20)
	refused := ProcessBudget().Refused()
	for _, c := range compressors() {
		c := Bounded(c, b)
		for _, n := range []int{100_000, 3 << 20} {
			p, err := Decompress(t.Context(), c, compress(t, c, bytes.Repeat([]byte("x"), n)), 0, nil)
			switch {
			case n < 1<<20 && (err != nil || len(p.Bytes()) != n || b.Used() == 0):
				t.Errorf("%s, %d bytes: %v", c.Name(), n, err)
			case n > 1<<20 && lupine.CodeOf(err) != lupine.ResourceExhausted:
				t.Errorf("%s, %d bytes in a budget of 1 MiB: %v", c.Name(), n, err)
			}
			if err == nil {
				p.Release()
			}
		}
	}
	if b.Refused() != 2 || ProcessBudget().Refused() != refused || b.Used() != 0 {
		t.Errorf("%d refused by the own budget, %d by the process's; %d bytes stay in use", b.Refused(), ProcessBudget().Refused()-refused, b.Used())
	}
}
