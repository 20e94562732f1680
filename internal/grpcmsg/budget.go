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
	// Hit, if set, is called whenever a message is refused or has to wait. It must
	// be set before the Budget is used, and be safe for concurrent use.
	Hit func()

	limit   int64
	used    atomic.Int64
	refused atomic.Int64
	waited  atomic.Int64
	waiting atomic.Int64
	turns   chan *Plain // those that are free; each may have a buffer with it, or be nil
	large   sync.Pool   // of *Plain that had a turn
}

// NewBudget returns a Budget of the given number of bytes. Zero means
// DefaultDecompressBudget, a negative number no limit.
func NewBudget(bytes int64) *Budget {
	if bytes == 0 {
		bytes = DefaultDecompressBudget
	}
	n := max(1, min(maxTurns, runtime.GOMAXPROCS(0)/2))
	b := &Budget{limit: bytes, turns: make(chan *Plain, n)}
	for range n {
		b.turns <- nil
	}
	return b
}

// bounded is a Compressor with a Budget of its own.
type bounded struct {
	Compressor
	budget *Budget
}

// Bounded returns a Compressor that decompresses within b where [Decompress] is
// given no Budget.
func Bounded(c Compressor, b *Budget) Compressor { return &bounded{c, b} }

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
	b.count(&b.refused)
	return false
}

func (b *Budget) count(n *atomic.Int64) {
	n.Add(1)
	if b.Hit != nil {
		b.Hit()
	}
}

func (b *Budget) give(n int64) { b.used.Add(-n) }

// turn waits until a large message may be decompressed, and returns what it is
// decompressed to, or ctx's error.
func (b *Budget) turn(ctx context.Context) (*Plain, error) {
	var p *Plain
	select {
	case p = <-b.turns:
	default:
		b.count(&b.waited)
		b.waiting.Add(1)
		defer b.waiting.Add(-1)
		select {
		case p = <-b.turns:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if p == nil {
		p, _ = b.large.Get().(*Plain)
	}
	if p == nil {
		p = new(Plain)
	}
	return p, nil
}

// done gives a turn back. While others wait its buffer goes with it: a pool has one
// for each processor, and as many of megabytes lie about.
func (b *Budget) done(p *Plain) {
	if cap(p.buf) > maxPooledLarge {
		p = nil
	} else if b.waiting.Load() == 0 {
		b.large.Put(p)
		p = nil
	}
	b.turns <- p
}

// Limit returns the budget in bytes; negative means none.
func (b *Budget) Limit() int64 { return b.limit }

// Used returns the bytes in use now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Waited returns how often a large message had to wait for its turn.
func (b *Budget) Waited() int64 { return b.waited.Load() }

// Refused returns how often a message was refused for want of budget.
func (b *Budget) Refused() int64 { return b.refused.Load() }
