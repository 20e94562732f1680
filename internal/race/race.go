// Package race says whether the race detector is on: it allocates, and it makes a
// sync.Pool forget at random, so that tests which count allocations skip under it.
package race
