package engine

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// maxTries is how many runs shrinking may take.
const maxTries = 4000

// shrink returns the smallest schedule that it finds which fails as err says.
func (s *schedule) shrink(make func() *bug, err error) *schedule {
	kind := err.(*failure).kind
	fails := func(t *schedule) bool {
		_, _, err := t.run(make(), sim.Tally{}, nil)
		f, ok := err.(*failure)
		return ok && f.kind == kind
	}
	small := *s
	stepsFail := func(steps []step) bool {
		t := small
		t.steps = steps
		return fails(&t)
	}
	small.steps = sim.Shrink(small.steps, maxTries, stepsFail)
	for _, plainer := range []func(*schedule){
		func(t *schedule) { t.client = plainSide },
		func(t *schedule) { t.server = plainSide },
		func(t *schedule) { t.up, t.down = sim.PipeConfig{MaxDelay: 10 * us}, sim.PipeConfig{MaxDelay: 10 * us} },
		func(t *schedule) { t.highID = false },
		func(t *schedule) { t.client.pad, t.client.split, t.client.junk, t.client.inform = 0, 0, 0, 0 },
		func(t *schedule) { t.server.pad, t.server.split, t.server.junk, t.server.inform = 0, 0, 0, 0 },
		// What happens each time needs fewer steps to happen once.
		func(t *schedule) { always(&t.client.pad); always(&t.server.pad) },
		func(t *schedule) { always(&t.client.split); always(&t.server.split) },
	} {
		t := small
		if plainer(&t); fails(&t) {
			small = t
		}
	}
	small.steps = sim.Shrink(small.steps, maxTries, stepsFail)
	small.steps = sim.Simplify(small.steps, maxTries, simpler, stepsFail)
	small.steps = sim.Shrink(small.steps, maxTries, stepsFail)
	return &small
}

// always makes a chance a certainty.
func always(percent *int) {
	if *percent > 0 {
		*percent = 100
	}
}

// plainSide is a side without peculiarities.
var plainSide = sideConfig{
	streamWindow: defaultWindow, connWindow: 1 << 20, maxFrame: minMaxFrame, maxStreams: 100, assembly: 16 << 20, headerBytes: 64 << 10, outLimit: 64 << 10,
}

// report is a schedule with the trace of its run, or the end of it.
func (s *schedule) report(make func() *bug) string {
	var log bytes.Buffer
	s.run(make(), sim.Tally{}, &log)
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d\nclient %+v\nserver %+v\nup %+v, down %+v, high ids %v\nsteps:\n", s.seed, s.client, s.server, s.up, s.down, s.highID)
	for i := range s.steps {
		fmt.Fprintf(&b, "  %v\n", s.steps[i])
	}
	lines := strings.SplitAfter(log.String(), "\n")
	const most = 80 // at either end: floods and waits are in the middle
	for i, line := range lines {
		if i < most || i >= len(lines)-most {
			b.WriteString(line)
		} else if i == most {
			fmt.Fprintf(&b, "... %d lines ...\n", len(lines)-2*most)
		}
	}
	return b.String()
}
