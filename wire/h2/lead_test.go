package h2

import (
	"sync"
	"testing"
)

// TestKickWhileFlushing: a caller that reads is kicked off by a deadline in the past. When that happens while the caller writes what its read has brought
// about (window updates for a large reply), nobody may run into the deadline.
func TestKickWhileFlushing(t *testing.T) {
	srv := serveEcho(t, echo{}, Config{})
	s, _ := dialSession(t, srv.addr, Config{})
	stop := make(chan struct{})
	var kicker sync.WaitGroup
	kicker.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			s.mu.Lock()
			if s.reader == receiver {
				s.kick()
			}
			s.mu.Unlock()
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
	kicker.Wait()
}
