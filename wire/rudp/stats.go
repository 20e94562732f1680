package rudp

import (
	"iter"
	"sync/atomic"

	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
)

// Stats counts how often peers ran into the limits of this wire, by the names that
// docs/rudp.md, 5.7, lists. The zero value is ready. It may be shared by any number of
// listeners and targets; all methods are safe for concurrent use.
type Stats struct {
	engine   [engine.NumLimits]atomic.Uint64
	sessions atomic.Uint64 // MaxSessions
	greeting atomic.Uint64 // MaxHandshakes
	messages atomic.Uint64 // lupine's MaxReceive
	retries  atomic.Uint64 // HELLOs of addresses that are not proven, answered with a cookie
	dropped  atomic.Uint64 // datagrams that were not taken: tag, kind, index
	unknown  atomic.Uint64 // datagrams of sessions that are not known

	rebinds atomic.Uint64 // sockets that clients bound anew

	sent, received atomic.Uint64 // datagrams
}

// Datagrams returns how many datagrams were given to the system and how many came, those
// that were not taken included.
func (s *Stats) Datagrams() (sent, received uint64) { return s.sent.Load(), s.received.Load() }

// All yields the name of each limit and how often a peer has run into it; "retries"
// counts HELLOs that were answered with a cookie, "dropped" and "unknown-session" datagrams
// that were not taken, "rebinds" sockets that a client bound because its network had changed.
func (s *Stats) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i := range s.engine {
			if !yield(engine.Limit(i).String(), s.engine[i].Load()) {
				return
			}
		}
		_ = yield("sessions", s.sessions.Load()) && yield("handshakes", s.greeting.Load()) && yield("message-size", s.messages.Load()) &&
			yield("retries", s.retries.Load()) && yield("dropped", s.dropped.Load()) && yield("unknown-session", s.unknown.Load()) &&
			yield("rebinds", s.rebinds.Load())
	}
}

func (s *Stats) hit(l engine.Limit) { s.engine[l].Add(1) }
