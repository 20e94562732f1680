package sim

import "math/rand/v2"

// Rand is a source of randomness that a seed fixes, in every version of Go.
type Rand struct{ *rand.Rand }

// NewRand returns a source. Sources of one seed and different streams know
// nothing of each other: give each part of a simulation its own, so that one
// part's draws do not shift another's.
func NewRand(seed, stream uint64) Rand {
	return Rand{rand.New(rand.NewPCG(seed, stream*0x9e3779b97f4a7c15+1))}
}

// Chance is true in percent of 100 cases.
func (r Rand) Chance(percent int) bool { return percent > 0 && r.IntN(100) < percent }

// Between returns a number from low to high, both included; low if high is less.
func (r Rand) Between(low, high int64) int64 {
	if high <= low {
		return low
	}
	return low + r.Int64N(high-low+1)
}

// Pick returns one of list.
func Pick[T any](r Rand, list ...T) T { return list[r.IntN(len(list))] }
