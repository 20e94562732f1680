// Package sim is what simulations of protocol engines share: a clock that a test
// moves, randomness from a seed, a hash of what happened, models of a network,
// and a shrinker.
//
// An engine that does no I/O, reads no clock and starts no goroutine behaves the
// same each time it is driven by these, so that one number, the seed, is a whole
// run that can be repeated, traced and made smaller. A simulation is one
// goroutine; nothing here may be used by two at once.
//
// What each simulation brings is its driver (who calls the engines), its
// programs (what is called when) and its oracle (what must hold). See
// docs/SIMULATION.md.
package sim
