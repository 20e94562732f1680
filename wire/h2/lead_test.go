package h2

import (
	"sync"
	"testing"
)

// TestKickWhileFlushing: the ticker kicks off a caller that reads by a deadline in
// the past. When that happens while the caller writes what its read has brought
// about (window updates for a large reply), nobody may run into the deadline.
func TestKickWhileFlushing(t *testing.T) {
	srv := serveEcho(t, echo{}, Config{})
	s, _ := dialSession(t, srv.addr, Config{})
	stop := make(chan struct{})
	var ticker sync.WaitGroup
	ticker.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			s.mu.Lock()
			s.lastTurn = s.turns // as if a whole tick had passed
			reading := s.reader == receiver && !s.kicked
			s.mu.Unlock()
			if reading {
				s.readTick()
			}
		}
	})
	body := string(make([]byte, 300_000))
	for i := range 100 {
		if _, err := invoke(soon(t), s, body); err != nil {
			t.Errorf("call %d: %v", i, err)
			break
		}
	}
	close(stop)
	ticker.Wait()
}
