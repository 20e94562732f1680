package sim

// Shrink returns a part of steps, in order, for which fails is still true, with
// as few of them as it finds in at most tries calls of fails. It drops halves
// first, then ever smaller runs (delta debugging). fails must be true for steps
// and must not change them.
func Shrink[T any](steps []T, tries int, fails func([]T) bool) []T {
	for size := (len(steps) + 1) / 2; size > 0 && tries > 0; {
		dropped := false
		for at := 0; at < len(steps) && tries > 0; {
			less := make([]T, 0, len(steps))
			less = append(less, steps[:at]...)
			less = append(less, steps[min(at+size, len(steps)):]...)
			tries--
			if fails(less) {
				steps, dropped = less, true
				continue
			}
			at += size
		}
		if size == 1 && !dropped {
			break
		}
		if size > 1 || !dropped {
			size /= 2
		}
	}
	return steps
}

// Simplify replaces single steps by the first of their simpler forms for which
// fails is still true, until none is left or fails was called tries times.
func Simplify[T any](steps []T, tries int, simpler func(T) []T, fails func([]T) bool) []T {
	for i := 0; i < len(steps); {
		done := true
		for _, s := range simpler(steps[i]) {
			if tries == 0 {
				return steps
			}
			tries--
			other := append([]T(nil), steps...)
			other[i] = s
			if fails(other) {
				steps, done = other, false
				break
			}
		}
		if done {
			i++
		}
	}
	return steps
}
