package rudp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// TestMeddling has somebody on the path who, with each datagram, either way, sends old ones
// again, this one twice, and forgeries of it: a bit changed, bytes cut off or added, another
// kind, number or index. Calls see nothing of it, and each is run once.
func TestMeddling(t *testing.T) {
	st, ct := testTLS(t)
	for name, c := range map[string]struct{ server, client Config }{
		"plain": {plain, plain}, "TLS": {Config{TLS: st}, Config{TLS: ct}},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var old [][]byte
			var made atomic.Int64
			r := rand.New(rand.NewPCG(1, 2))
			meddle := func(b []byte, pass func([]byte)) {
				mu.Lock()
				defer mu.Unlock()
				forge := func(change func(b []byte) []byte) {
					made.Add(1)
					pass(change(bytes.Clone(b)))
				}
				forge(func(b []byte) []byte { b[r.IntN(len(b))] ^= 1 << r.IntN(8); return b })
				forge(func(b []byte) []byte { return b[:r.IntN(len(b))] })
				forge(func(b []byte) []byte { return append(b, byte(r.Uint32())) })
				forge(func(b []byte) []byte { b[0] = 0x08 + (b[0]+1+byte(r.IntN(7)))&7; return b })
				if len(b) > 13 {
					forge(func(b []byte) []byte { b[12]++; return b })
					forge(func(b []byte) []byte { b[4]++; return b })
					forge(func(b []byte) []byte { clear(b[13:]); return b })
				}
				pass(b)
				forge(func(b []byte) []byte { return b })
				for range min(len(old), 3) {
					made.Add(1)
					pass(old[r.IntN(len(old))])
				}
				if len(old) < 2000 {
					old = append(old, bytes.Clone(b))
				} else {
					old[r.IntN(len(old))] = bytes.Clone(b)
				}
			}
			e, said := slowEcho(nil, nil)
			stats := new(Stats)
			c.server.Stats = stats
			addr, _ := serveEcho(t, e, c.server)
			f := newFirewall(t, addr, meddle)
			s := dialSession(t, f.addr(), c.client)
			var all sync.WaitGroup
			for caller := range 4 {
				all.Go(func() {
					for i := range 150 {
						text := fmt.Sprint(caller, "-", i)
						if err := s.sayTo(soon(t), text); err != nil {
							t.Error(err)
							return
						}
						if n := said(text); n != 1 {
							t.Errorf("call %s ran %d times", text, n)
						}
					}
				})
			}
			large := bytes.Repeat([]byte("large"), 20_000)
			all.Go(func() {
				for range 5 {
					var reply raw
					err := s.Invoke(soon(t), &lupine.Call{Method: &echoMethods[0], MaxReceive: -1, MaxSend: -1}, &raw{Bytes: large}, &reply)
					if err != nil || !bytes.Equal(reply.Bytes, large) {
						t.Errorf("a large message: %v", err)
					}
				}
			})
			all.Wait()
			if n := said(string(large)); n != 5 {
				t.Errorf("the large calls ran %d times", n)
			}
			t.Logf("%d forgeries and repeats; the server dropped %d unopened", made.Load(), stats.dropped.Load())
			if stats.dropped.Load() == 0 {
				t.Error("the server has dropped nothing")
			}
		})
	}
}
