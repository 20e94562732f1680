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
//
// For byte streams there is Pipe. For datagrams there is Net: hosts with clocks
// and sockets, and links between them that lose, double, delay, reorder and
// corrupt, alone or in bursts; with rates and queues, partitions, black holes;
// hosts that crash, restart, pause and change their addresses. What goes wrong in
// a run is a list of Faults, drawn from a seed by Plan, or recorded: it can be
// played again and shrunk. The example below does all of that; copy it. Live
// gives the same network to whole programs, as net.PacketConns.
package sim
