// Package load makes the calls of the benchmark and measures them.
package load

import "math/bits"

// Histogram counts durations in buckets no wider than 1/64 of their value, so
// that a percentile is right to 1.6%. Its zero value is ready; it is not safe
// for concurrent use.
type Histogram struct {
	counts [bucketCount]uint32
	n      uint64
}

const (
	subBits     = 6
	sub         = 1 << subBits
	maxExp      = 36 - subBits // the last bucket begins above a minute
	bucketCount = (maxExp + 1) * sub
)

// Add counts one duration in nanoseconds; negative ones count as zero.
func (h *Histogram) Add(ns int64) {
	h.counts[bucket(ns)]++
	h.n++
}

func bucket(ns int64) int {
	if ns < sub {
		return int(max(ns, 0))
	}
	exp := bits.Len64(uint64(ns)) - subBits - 1
	if exp >= maxExp {
		return bucketCount - 1
	}
	return exp<<subBits + int(ns>>exp)
}

// lower is the least duration that falls into bucket i.
func lower(i int) int64 {
	if i < sub {
		return int64(i)
	}
	exp := i>>subBits - 1
	return int64(i-exp<<subBits) << exp
}

// Merge adds the counts of o.
func (h *Histogram) Merge(o *Histogram) {
	for i, c := range o.counts {
		h.counts[i] += c
	}
	h.n += o.n
}

// Count returns how many durations were added.
func (h *Histogram) Count() uint64 { return h.n }

// Quantile returns the duration in nanoseconds that a share q of all do not
// exceed, with q from 0 to 1; 0 when nothing was counted. Within a bucket it
// interpolates.
func (h *Histogram) Quantile(q float64) float64 {
	if h.n == 0 {
		return 0
	}
	rank := q * float64(h.n)
	seen := 0.0
	for i, c := range h.counts {
		if c == 0 {
			continue
		}
		if seen+float64(c) >= rank {
			low, high := float64(lower(i)), float64(lower(i+1))
			return low + (high-low)*max(rank-seen, 0)/float64(c)
		}
		seen += float64(c)
	}
	return float64(lower(bucketCount - 1))
}
