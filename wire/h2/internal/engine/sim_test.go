package engine

import (
	"os"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

func TestSim(t *testing.T) {
	seed, err := sim.EnvNumber(sim.EnvSeed, 0)
	if err != nil {
		t.Fatal(err)
	}
	if seed != 0 {
		_, _, err := plan(seed).run(nil, sim.Tally{}, os.Stdout)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := sim.BudgetOr(2 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	r := sim.Run(b, 1, 1, func() func(uint64, sim.Tally) (bool, error) {
		return func(seed uint64, tally sim.Tally) (bool, error) {
			_, counts, err := plan(seed).run(nil, tally, nil)
			return counts, err
		}
	})
	t.Logf("%v\n%v", r, r.Totals)
	if r.Err != nil {
		t.Fatalf("seed %d: %v", r.Seed, r.Err)
	}
}
