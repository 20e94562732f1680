package rudp

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
)

// dialSession dials without a Conn.
func dialSession(t testing.TB, addr string, c Config) *session {
	t.Helper()
	to := To(addr, c)
	s, err := to.Wire.Dial(soon(t), lupine.Endpoint{Addr: addr}, lupine.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(*session)
}

func (s *session) stats() engine.Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.eng.Stats
}

// TestDatagramsPerCall: one caller takes two datagrams a call, 64 share them.
func TestDatagramsPerCall(t *testing.T) {
	for _, c := range []struct {
		name           string
		callers, calls int
		most           float64 // datagrams a call, both ways
	}{
		{"1 caller", 1, 1000, 2.02}, {"64 callers", 64, 300, 0.3},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr, _ := serveEcho(t, echo{}, plain)
			s := dialSession(t, addr, plain)
			before := s.stats()
			began := time.Now()
			var all sync.WaitGroup
			for range c.callers {
				all.Go(func() {
					for range c.calls {
						var reply raw
						if err := s.Invoke(context.Background(), &lupine.Call{Method: &echoMethods[0], MaxReceive: -1, MaxSend: -1}, &raw{Bytes: make([]byte, 64)}, &reply); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			after := s.stats()
			n := float64(c.callers * c.calls)
			got := float64(after.Sent-before.Sent+after.Received-before.Received) / n
			t.Logf("%.3f datagrams a call, %v, %d PTOs, %d lost, %d retransmits", got, time.Since(began), after.PTOs-before.PTOs, after.Lost-before.Lost, after.Retransmits-before.Retransmits)
			if got > c.most {
				t.Errorf("%.3f datagrams a call, want at most %.2f", got, c.most)
			}
		})
	}
}
