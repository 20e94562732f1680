package grpcmsg

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// DefaultDecompressBudget is how much decompressed data a process holds at once
// before its messages are decoded, in bytes. A message may decompress to its
// receive limit; this bounds what many of them do together.
const DefaultDecompressBudget = 64 << 20

// A message that decompresses to more than largeMessage bytes takes one of a few
// turns, at most maxTurns and at most half the processors, and keeps it until it
// is decoded: work that only computes is no sooner done if all of it is begun at
// once, but all of it is in memory then.
const (
	largeMessage = 256 << 10
	maxTurns     = 4
)

// Budget bounds the memory that decompressed messages occupy together. It is
// safe for concurrent use.
type Budget struct {
	limit   int64
	used    atomic.Int64
	refused atomic.Int64
	waited  atomic.Int64
	turns   chan struct{}
	large   sync.Pool // of *Plain that had a turn
}

// NewBudget returns a Budget of the given number of bytes. Zero means
// DefaultDecompressBudget, a negative number no limit.
func NewBudget(bytes int64) *Budget {
	if bytes == 0 {
		bytes = DefaultDecompressBudget
	}
	return &Budget{limit: bytes, turns: make(chan struct{}, max(1, min(maxTurns, runtime.GOMAXPROCS(0)/2)))}
}

// processBudget is shared by all connections that are given no Budget of their
// own. Memory belongs to the process, and so must the limit on it.
var processBudget = NewBudget(0)

// ProcessBudget returns the Budget that the whole process shares.
func ProcessBudget() *Budget { return processBudget }

// take reserves n bytes, or reports that they are not there.
func (b *Budget) take(n int64) bool {
	if b.used.Add(n) <= b.limit || b.limit < 0 {
		return true
	}
	b.used.Add(-n)
	b.refused.Add(1)
	return false
}

func (b *Budget) give(n int64) { b.used.Add(-n) }

// turn waits until a large message may be decompressed, or returns ctx's error.
func (b *Budget) turn(ctx context.Context) error {
	select {
	case b.turns <- struct{}{}:
		return nil
	default:
	}
	b.waited.Add(1)
	select {
	case b.turns <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Limit returns the budget in bytes; negative means none.
func (b *Budget) Limit() int64 { return b.limit }

// Used returns the bytes in use now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Waited returns how often a large message had to wait for its turn.
func (b *Budget) Waited() int64 { return b.waited.Load() }

// Refused returns how often a message was refused for want of budget.
func (b *Budget) Refused() int64 { return b.refused.Load() }
