package rudp

import (
	"crypto/tls"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

// TestResume: the second session to a server has a token, so that no RETRY is needed,
// and TLS resumes where the client keeps tickets.
func TestResume(t *testing.T) {
	server, client := testTLS(t)
	cache := &sessions{ClientSessionCache: tls.NewLRUClientSessionCache(4), put: make(chan struct{}, 8)}
	client.ClientSessionCache = cache
	noted := Config{TLS: server, Stats: new(Stats)}
	addr, _ := serveEcho(t, echo{}, noted)
	to := To(addr, Config{TLS: client})
	w := to.Wire.(*wire)
	dial := func() *session {
		t.Helper()
		got, err := w.Dial(soon(t), lupine.Endpoint{Addr: addr}, lupine.SessionOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s := got.(*session)
		t.Cleanup(func() { s.Close() })
		var reply raw
		if err := s.Invoke(soon(t), &lupine.Call{Method: &echoMethods[0], MaxReceive: -1, MaxSend: -1}, &raw{Bytes: []byte("hi")}, &reply); err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := dial()
	if first.Peer().TLS.DidResume {
		t.Error("the first session resumed")
	}
	<-cache.put
	for end := time.Now().Add(5 * time.Second); ; {
		w.tokens.mu.Lock()
		n := len(w.tokens.m)
		w.tokens.mu.Unlock()
		if n == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatal("no token came")
		}
		var reply raw
		first.Invoke(soon(t), &lupine.Call{Method: &echoMethods[0], MaxReceive: -1, MaxSend: -1}, &raw{}, &reply)
	}
	before := noted.Stats.retries.Load()
	second := dial()
	if !second.Peer().TLS.DidResume {
		t.Error("the second session did not resume")
	}
	if n := noted.Stats.retries.Load(); before == 0 || n != before {
		t.Errorf("%d RETRYs for the first session, then %d", before, n-before)
	}
}

// sessions tells when a ticket is kept.
type sessions struct {
	tls.ClientSessionCache
	put chan struct{}
}

func (s *sessions) Put(key string, state *tls.ClientSessionState) {
	s.ClientSessionCache.Put(key, state)
	select {
	case s.put <- struct{}{}:
	default:
	}
}
