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

// TestSim joins engines by a network of datagrams and runs random programs over
// it: see docs/SIMULATION.md. Environment variables of package sim choose how
// many, or the one seed to trace.
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
	// A schedule keeps little and drops much, but what its pools hold outlives two collections.
	defer debug.SetGCPercent(debug.SetGCPercent(800))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 30))
	workers := int(number(sim.EnvWorkers, 1))
	r := sim.Run(budget, number(sim.EnvFirst, 1), workers, func() func(uint64, sim.Tally) (bool, error) {
		memory := newScratch()
		return func(seed uint64, tally sim.Tally) (bool, error) {
			s := plan(seed)
			s.scratch = memory
			sum, counts, err := s.run(nil, tally, nil)
			if err == nil && seed%100 == 0 {
				tally["schedules run twice"]++
				if again, _, _ := plan(seed).run(nil, sim.Tally{}, nil); again != sum {
					err = &failure{badTrace, "two runs of this seed have different traces"}
				}
			}
			return counts, err
		}
	})
	if r.Err != nil {
		t.Errorf("seed %d: %v", r.Seed, r.Err)
		if f, ok := r.Err.(*failure); ok && f.kind != badTrace {
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

const badTrace = "not the same again"

func noBug() *bug { return nil }

// corners are what a simulation must reach to be worth anything.
func corners() []string {
	names := []string{
		"fault: loss", "fault: duplicate", "fault: reordering", "fault: corruption", "fault: loss in a burst", "fault: partition",
		"fault: given up while under way", "given up before it was sent", "calls ok: unary", "calls ok: bidi stream", "calls ok: client stream", "calls ok: server stream", "calls lost", "waits for a slot",
		"handler told that its caller has left", "fault: crash", "fault: pause", "fault: rebinding", "fault: change of address",
		"fault: queue full", "fault: mark CE", "fault: clock drift", "fault: key update", "fault: drain", "fault: close", "forged RESET", "clients that took another port", "datagrams that a middleman passed on", "datagrams that came from a middleman first", "several large messages at once",
		"peer calls", "key updates", "addresses proven", "repeats of identified calls", "books compared", "attempt refused: UNAVAILABLE",
	}
	for _, c := range cheats {
		names = append(names, "fault: dishonest peer: "+c.name)
	}
	slices.Sort(names)
	return names
}
