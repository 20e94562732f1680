package engine

import "slices"

// span is the offsets from lo to below hi.
type span struct{ lo, hi uint64 }

// spans are sorted, and neither overlap nor touch.
type spans []span

// find returns the first span that ends at or above off.
func (s spans) find(off uint64) int {
	if n := len(s); n == 0 || s[n-1].hi < off {
		return n
	}
	i, _ := slices.BinarySearchFunc(s, off, func(a span, off uint64) int {
		if a.hi < off {
			return -1
		}
		return 1
	})
	return i
}

// add puts [lo, hi) in and returns how much of it was not there.
func (s *spans) add(lo, hi uint64) (added uint64) {
	if lo >= hi {
		return 0
	}
	i := s.find(lo)
	j := i
	added = hi - lo
	for j < len(*s) && (*s)[j].lo <= hi {
		have := (*s)[j]
		if from, to := max(lo, have.lo), min(hi, have.hi); from < to {
			added -= to - from
		}
		j++
	}
	if i == j {
		*s = slices.Insert(*s, i, span{lo, hi})
		return added
	}
	(*s)[i] = span{min(lo, (*s)[i].lo), max(hi, (*s)[j-1].hi)}
	*s = slices.Delete(*s, i+1, j)
	return added
}

// cut takes [lo, hi) out.
func (s *spans) cut(lo, hi uint64) {
	for i := 0; i < len(*s) && lo < hi; {
		a := (*s)[i]
		switch {
		case a.hi <= lo:
			i++
		case a.lo >= hi:
			return
		case a.lo < lo && a.hi > hi:
			(*s)[i].hi = lo
			*s = slices.Insert(*s, i+1, span{hi, a.hi})
			return
		case a.lo < lo:
			(*s)[i].hi = lo
			i++
		case a.hi > hi:
			(*s)[i].lo = hi
			return
		default:
			*s = slices.Delete(*s, i, i+1)
		}
	}
}
