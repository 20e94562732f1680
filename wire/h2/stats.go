package h2

import (
	"iter"
	"sync/atomic"

	"github.com/lupine-rpc/lupine/internal/grpcmsg"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
)

// Stats counts how often peers ran into the limits of this wire, by the names
// that docs/HOSTILE.md lists. The zero value is ready. It may be shared by any
// number of listeners and targets; all methods are safe for concurrent use.
type Stats struct {
	engine [engine.NumLimits]atomic.Uint64
	own    [numOwn]atomic.Uint64
}

// ownLimit is a limit that is not the engine's.
type ownLimit uint8

const (
	limitConns      ownLimit = iota // MaxConns
	limitHandshake                  // HandshakeTimeout
	limitKeepAlive                  // KeepAliveTimeout
	limitStall                      // StallTimeout: the peer takes nothing
	limitSlow                       // StallTimeout: a request comes too slowly
	limitMessage                    // lupine's MaxReceive
	limitDecompress                 // DecompressBudget, where it is not the process's
	numOwn
)

var ownNames = [numOwn]string{
	limitConns: "conns", limitHandshake: "handshake", limitKeepAlive: "keepalive", limitStall: "stall",
	limitSlow: "slow-request", limitMessage: "message-size", limitDecompress: "decompression",
}

// All yields the name of each limit and how often a peer has run into it. The
// last one, "decompression", counts what the budget of the whole process was asked
// for in vain, by whomever, and what those of one's own were.
func (s *Stats) All() iter.Seq2[string, uint64] {
	return func(yield func(string, uint64) bool) {
		for i := range s.engine {
			if !yield(engine.Limit(i).String(), s.engine[i].Load()) {
				return
			}
		}
		for i := range s.own {
			n := s.own[i].Load()
			if ownLimit(i) == limitDecompress {
				n += uint64(grpcmsg.ProcessBudget().Refused() + grpcmsg.ProcessBudget().Waited())
			}
			if !yield(ownNames[i], n) {
				return
			}
		}
	}
}

// hit counts one of the engine's limits.
func (s *Stats) hit(l engine.Limit) { s.engine[l].Add(1) }

func (s *Stats) count(l ownLimit) { s.own[l].Add(1) }
