package engine

import (
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// simTime is for how long TestSim runs unless sim.EnvSchedules says otherwise.
const simTime = 20 * time.Second

// TestSim joins a client's and a server's engine by a network and runs random
// programs over it: see docs/SIMULATION.md. Environment variables of package sim
// choose how many, or the one seed to trace.
func TestSim(t *testing.T) {
	number := func(name string, def uint64) uint64 {
		n, err := sim.EnvNumber(name, def)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if seed := number(sim.EnvSeed, 0); seed != 0 {
		if _, _, err := plan(seed).run(nil, sim.Tally{}, os.Stdout); err != nil {
			t.Fatal(err)
		}
		return
	}
	d := simTime
	if testing.Short() {
		d /= 10
	}
	budget, err := sim.BudgetOr(d)
	if err != nil {
		t.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(800)) // a schedule keeps little and drops much
	workers := int(number(sim.EnvWorkers, 1))
	r := sim.Run(budget, number(sim.EnvFirst, 1), workers, func() func(uint64, sim.Tally) (bool, error) {
		return func(seed uint64, tally sim.Tally) (bool, error) {
			_, counts, err := plan(seed).run(nil, tally, nil)
			return counts, err
		}
	})
	if r.Err != nil {
		t.Errorf("seed %d: %v", r.Seed, r.Err)
		if _, ok := r.Err.(*failure); ok {
			t.Log("the smallest schedule found that fails alike:\n" + plan(r.Seed).shrink(noBug, r.Err).report(noBug))
		}
		return
	}
	t.Logf("%v (asked for: %v; on %d of %d cores)\n%v", r, budget, workers, runtime.NumCPU(), r.Totals)
	if r.Schedules < 2000 {
		return
	}
	for _, name := range corners() {
		if r.Totals[name] == 0 {
			t.Errorf("%q did not happen in %d schedules: the simulation does not see it any more", name, r.Schedules)
		}
	}
}

func noBug() *bug { return nil }

// corners are what a simulation must reach to be worth anything.
func corners() []string {
	names := []string{
		"fault: canceled while under way", "fault: expired while under way", "fault: aborted by the handler", "fault: stream refused",
		"fault: refused by GOAWAY", "calls ok", "calls canceled", "calls expired", "calls aborted", "calls lost",
		"keepalive ended a link", "never sent when the link ended", "call runs on a draining link", "drained by PING",
		"data waits for room", "data waits for the connection's window", "data waits for the stream's window", "message waits for its grant",
		"waits for a stream", "gave up waiting for a stream", "stream ids used up", "answered before the whole request", "trailers only",
		"header blocks above one frame", "split HEADERS", "split DATA", "padded HEADERS", "padded DATA", "1xx responses", "frames without meaning",
		"handler told that its caller has left", "the handler's deadline came first", "split arrivals", "attacks stopped", "books compared",
	}
	for o := opCall + 1; o < numOps; o++ {
		names = append(names, "fault: "+opNames[o])
	}
	for i := range attacks {
		names = append(names, "attack: "+attacks[i].name)
	}
	slices.Sort(names)
	return names
}

// TestSimRepeats runs seeds twice: each must do the same again, and no two of
// them the same.
func TestSimRepeats(t *testing.T) {
	sums := map[uint64]uint64{}
	for seed := range uint64(150) {
		first, _, err := plan(seed).run(nil, sim.Tally{}, nil)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		again, _, _ := plan(seed).run(nil, sim.Tally{}, nil)
		if first != again {
			t.Fatalf("seed %d: trace hashes %016x and %016x", seed, first, again)
		}
		if other, ok := sums[first]; ok {
			t.Fatalf("seeds %d and %d have the same trace", seed, other)
		}
		sums[first] = seed
	}
}
