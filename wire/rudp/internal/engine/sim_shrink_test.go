package engine

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// maxTries is how many runs each part of shrinking may take.
const maxTries = 1500

// shrink returns the smallest schedule that it finds which fails as err says.
func (s *schedule) shrink(make func() *bug, err error) *schedule {
	kind := err.(*failure).kind
	fails := func(t *schedule) bool {
		_, _, err := t.run(make(), sim.Tally{}, nil)
		f, ok := err.(*failure)
		return ok && f.kind == kind
	}
	small := *s
	// What chance has done becomes a list of faults, if that fails too.
	w := s.world(make(), sim.Tally{}, nil)
	w.run()
	t := small
	t.scripted = true
	t.faults = append(append([]sim.Fault(nil), s.faults...), w.net.Recorded()...)
	if fails(&t) {
		small = t
	}
	steps := func(steps []step) bool {
		t := small
		t.steps = steps
		return fails(&t)
	}
	faults := func(faults []sim.Fault) bool {
		t := small
		t.faults = faults
		return fails(&t)
	}
	small.steps = sim.Shrink(small.steps, maxTries, steps)
	small.faults = sim.Shrink(small.faults, maxTries, faults)
	for _, plainer := range []func(*schedule){
		func(t *schedule) { t.client = plainSide },
		func(t *schedule) { t.server = plainSide },
		func(t *schedule) { t.link = sim.LinkConfig{Delay: ms} },
		func(t *schedule) { t.link.Jitter = 0 },
		func(t *schedule) { t.highSeq = false },
		func(t *schedule) { t.clients = 1 },
	} {
		t := small
		if plainer(&t); fails(&t) {
			small = t
		}
	}
	small.steps = sim.Shrink(small.steps, maxTries, steps)
	small.steps = sim.Simplify(small.steps, maxTries, simplerStep, steps)
	small.faults = sim.Shrink(small.faults, maxTries, faults)
	small.faults = sim.Simplify(small.faults, maxTries, sim.Fault.Simpler, faults)
	small.steps = sim.Shrink(small.steps, maxTries, steps)
	small.shift(fails)
	small.steps = sim.Simplify(small.steps, maxTries, simplerStep, steps)
	return &small
}

// shift drops steps whose datagrams the faults count: with them gone the faults
// hit earlier ones.
func (s *schedule) shift(fails func(*schedule) bool) {
	for i := 0; i < len(s.steps); {
		dropped := false
		for by := 1; by <= 6 && !dropped; by++ {
			t := *s
			t.steps = append(append([]step(nil), s.steps[:i]...), s.steps[i+1:]...)
			t.faults = append([]sim.Fault(nil), s.faults...)
			for k := range t.faults {
				if t.faults[k].Nth > 0 {
					t.faults[k].Nth = max(t.faults[k].Nth-by, 1)
				}
			}
			if fails(&t) {
				*s, dropped = t, true
			}
		}
		if !dropped {
			i++
		}
	}
}

// plainSide is a side without peculiarities.
var plainSide = sideConfig{
	slots: 256, ackDelay: 10 * ms, keepAlive: s1, lostAfter: 10 * s1, idleTimeout: 300 * s1, replyBudget: 16 << 20, credit: 64 << 10, assembly: 16 << 20, receive: receiveBudget,
}

// report is a schedule with the trace of its run, or the end of it.
func (s *schedule) report(make func() *bug) string {
	var log bytes.Buffer
	_, _, err := s.run(make(), sim.Tally{}, &log)
	var b strings.Builder
	fmt.Fprintf(&b, "%v\nseed %d (replay it with %s=%d; this is it made smaller)\nclient %+v\nserver %+v\nclients %d, links %v, high seqs %v, chance %v\nsteps:\n",
		err, s.seed, sim.EnvSeed, s.seed, s.client, s.server, s.clients, s.link, s.highSeq, !s.scripted)
	for i := range s.steps {
		fmt.Fprintf(&b, "  %v\n", s.steps[i])
	}
	b.WriteString("faults:\n")
	for _, f := range s.faults {
		fmt.Fprintf(&b, "  %v\n", f)
	}
	lines := strings.SplitAfter(log.String(), "\n")
	const most = 60 // at either end
	for i, line := range lines {
		if i < most || i >= len(lines)-most {
			b.WriteString(line)
		} else if i == most {
			fmt.Fprintf(&b, "... %d lines ...\n", len(lines)-2*most)
		}
	}
	return b.String()
}
