package sim

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Tally counts things by name: faults that fired, corners that were reached.
type Tally map[string]int

// Add takes the counts of another.
func (t Tally) Add(other Tally) {
	for name, n := range other {
		t[name] += n
	}
}

// String lists the counts by name, some to a line.
func (t Tally) String() string {
	var b strings.Builder
	names := make([]string, 0, len(t))
	for name := range t {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		fmt.Fprintf(&b, "%-28s%10d", name, t[name])
		if i%3 == 2 || i == len(names)-1 {
			b.WriteByte('\n')
		} else {
			b.WriteString("    ")
		}
	}
	return b.String()
}

// Result is what Run has done.
type Result struct {
	// Schedules is how many ran and counted.
	Schedules int
	// Took is how long that was.
	Took time.Duration
	// Totals are the tallies of all of them.
	Totals Tally
	// Err is why the schedule of Seed failed; nil if none did.
	Err  error
	Seed uint64
}

// String says how many schedules ran, and how fast.
func (r Result) String() string {
	return fmt.Sprintf("%d schedules in %.1f s, %.0f a second", r.Schedules, r.Took.Seconds(), float64(r.Schedules)/r.Took.Seconds())
}

// Run runs the schedules of the seeds from first until the budget is used up or
// one fails, on some goroutines, each of which begins by calling prepare for
// what runs one schedule. That adds to the tally, and reports whether the
// schedule counts and why it failed. After a failure the lowest seed known to
// fail is the result's.
func Run(b Budget, first uint64, workers int, prepare func() func(seed uint64, t Tally) (counts bool, err error)) Result {
	var mu sync.Mutex
	r := Result{Totals: Tally{}}
	began := time.Now()
	next, started := first, 0
	// take returns the next seed; the budget counts what counted.
	take := func() (uint64, bool) {
		mu.Lock()
		defer mu.Unlock()
		if r.Err != nil || b.Schedules > 0 && started >= b.Schedules || b.Time > 0 && time.Since(began) >= b.Time {
			return 0, false
		}
		started++
		next++
		return next - 1, true
	}
	done := func(seed uint64, counts bool, err error) {
		mu.Lock()
		defer mu.Unlock()
		if counts {
			r.Schedules++
		} else {
			started--
		}
		if err != nil && (r.Err == nil || seed < r.Seed) {
			r.Err, r.Seed = err, seed
		}
	}
	var wg sync.WaitGroup
	for range max(workers, 1) {
		wg.Go(func() {
			one := prepare()
			t := Tally{}
			for {
				seed, ok := take()
				if !ok {
					break
				}
				counts, err := one(seed, t)
				done(seed, counts, err)
			}
			mu.Lock()
			r.Totals.Add(t)
			mu.Unlock()
		})
	}
	wg.Wait()
	r.Took = time.Since(began)
	return r
}
