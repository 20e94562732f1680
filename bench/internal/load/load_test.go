package load

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Quantiles are within a bucket's width of the truth.
func TestQuantile(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var h, other Histogram
	var all []float64
	for i := range 20_000 {
		ns := int64(math.Exp(r.Float64() * 20))
		all = append(all, float64(ns))
		if i%2 == 0 {
			h.Add(ns)
		} else {
			other.Add(ns)
		}
	}
	h.Merge(&other)
	slices.Sort(all)
	for _, q := range []float64{0.001, 0.1, 0.5, 0.9, 0.99, 0.999} {
		want := all[int(q*float64(len(all)))]
		if got := h.Quantile(q); math.Abs(got-want) > 1+want*0.02 {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
	if h.Count() != 20_000 {
		t.Errorf("count %d", h.Count())
	}
}

func TestBuckets(t *testing.T) {
	for _, ns := range []int64{0, 1, 63, 64, 65, 127, 128, 1000, 12345, 1 << 20, 1<<33 + 7} {
		i := bucket(ns)
		if low, high := lower(i), lower(i+1); ns < low || ns >= high || float64(high-low) > max(1, float64(ns)/32) {
			t.Errorf("%d falls into bucket %d, from %d to %d", ns, i, low, high)
		}
	}
	for _, ns := range []int64{-1, math.MinInt64} {
		if got := bucket(ns); got != 0 {
			t.Errorf("%d falls into bucket %d", ns, got)
		}
	}
	if got := bucket(math.MaxInt64); got != bucketCount-1 {
		t.Errorf("the longest falls into bucket %d", got)
	}
	var empty Histogram
	if empty.Quantile(0.5) != 0 {
		t.Error("the median of nothing is not 0")
	}
}

// Allocations are counted exactly.
func TestUsage(t *testing.T) {
	before := Take()
	kept := make([]*[64]byte, 1000)
	for i := range kept {
		kept[i] = new([64]byte)
	}
	used := Take().Since(before)
	if used.Mallocs < 1000 || used.Mallocs > 1100 {
		t.Errorf("%d allocations counted, of 1000", used.Mallocs)
	}
	if len(kept) != 1000 {
		t.Fatal()
	}
}
