package sim

import (
	"fmt"
	"hash/crc32"
	"io"
)

// Trace is a hash of what happened, in order. Two runs of one seed must have
// equal sums; where Log is set it also gets a line for each Printf.
type Trace struct {
	Log io.Writer
	sum uint64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Add takes numbers into the sum.
func (t *Trace) Add(vs ...uint64) {
	for _, v := range vs {
		// FNV-1a over words, with a stir for the high bits.
		t.sum = (t.sum ^ v) * 0x100000001b3
		t.sum ^= t.sum >> 29
	}
}

// Bytes takes the contents of b into the sum.
func (t *Trace) Bytes(b []byte) {
	t.Add(uint64(len(b))<<32 | uint64(crc32.Checksum(b, castagnoli)))
}

// Sum is the hash so far.
func (t *Trace) Sum() uint64 { return t.sum }

// Printf writes a line to Log, which does not change the sum. Guard it with
// Log != nil where working out the arguments costs.
func (t *Trace) Printf(format string, args ...any) {
	if t.Log != nil {
		fmt.Fprintf(t.Log, format+"\n", args...)
	}
}
