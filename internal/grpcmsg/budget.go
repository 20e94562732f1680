package grpcmsg

import "sync/atomic"

// DefaultDecompressBudget is how much decompressed data a process holds at once
// before its messages are decoded, in bytes. A message may decompress to its
// receive limit; this bounds what many of them do together.
const DefaultDecompressBudget = 64 << 20

// Budget bounds the memory that decompressed messages occupy together. It is
// safe for concurrent use.
type Budget struct {
	limit   int64
	used    atomic.Int64
	refused atomic.Int64
}

// NewBudget returns a Budget of the given number of bytes. Zero means
// DefaultDecompressBudget, a negative number no limit.
func NewBudget(bytes int64) *Budget {
	if bytes == 0 {
		bytes = DefaultDecompressBudget
	}
	return &Budget{limit: bytes}
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

// Limit returns the budget in bytes; negative means none.
func (b *Budget) Limit() int64 { return b.limit }

// Used returns the bytes in use now.
func (b *Budget) Used() int64 { return b.used.Load() }

// Refused returns how often a message was refused for want of budget.
func (b *Budget) Refused() int64 { return b.refused.Load() }
