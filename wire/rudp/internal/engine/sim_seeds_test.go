package engine

import (
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// stories are what simulation has found in the engine, each as the smallest
// schedule that failed. A seed means another schedule when plan changes; these
// do not.
var stories = []struct {
	found    string
	schedule schedule
}{
	{"packets that nobody acks, such as PATH_RESPONSE, were in flight for ever (seed 945)", schedule{
		steps:  []step{oneCall(0, 27)},
		faults: []sim.Fault{{Op: sim.OpRebind, At: 83 * ms, From: "client"}},
	}},
	{"PROBE named a call whose CALL was lost and stood behind it in the datagram (seed 51497)", schedule{
		direct: true,
		client: sideConfig{slots: 16, ackDelay: ms, keepAlive: 300 * ms, lostAfter: 10 * s1, idleTimeout: 300 * s1, replyBudget: 16 << 20,
			credit: LeastCredit, assembly: 16 << 20, receive: receiveBudget},
		steps: []step{
			{op: opCall, call: callPlan{key: 1, req: []int32{0}, res: []int32{0}, early: -1, header: 3053, think: 2232 * us}},
			{op: opCall, call: callPlan{key: 2, kind: lupine.ClientStreaming, res: []int32{0}, early: -1}},
			oneCall(26*ms, 3),
			{op: opCall, call: callPlan{key: 4, req: []int32{128}, res: []int32{0}, early: -1, header: 1082}},
			{op: opCall, call: callPlan{key: 5, kind: lupine.ClientStreaming, req: []int32{373, 165}, res: []int32{0}, early: -1}},
			oneCall(39*ms, 6),
			{after: 35 * ms, op: opCall, call: callPlan{key: 7, kind: lupine.Bidi, req: []int32{0}, res: []int32{28, 134, 396, 188, 594, 130}, early: -1}},
		},
		faults: []sim.Fault{
			{Op: sim.OpCrash, At: 36 * ms, For: ms, From: "client"},
			drop("client", serverName, 5), drop("client", serverName, 10), drop("client", serverName, 11), drop("client", serverName, 12),
			drop(serverName, "client", 6),
		},
	}},
	{"a server that draws out its wait for acks told handlers late that their client had crashed (seed 1090525)", schedule{
		direct: true,
		steps: []step{
			{after: 38 * ms, op: opCall, call: callPlan{key: 4, kind: lupine.ClientStreaming, req: []int32{146, 16, 0}, res: []int32{0}, early: -1, think: 16369 * ms}},
			{op: opCall, call: callPlan{key: 18, kind: lupine.ClientStreaming, res: []int32{0}, early: -1, think: 8608 * ms}},
		},
		faults: []sim.Fault{{Op: sim.OpCrash, At: 198 * ms, For: 441 * us, From: "client"}},
	}},
	{"who followed our second key update was taken for who begins one before its first was acked (seed 16583)", schedule{
		tls: true,
		steps: []step{
			oneCall(27*ms, 16),
			{after: 45 * ms, op: opCall, call: callPlan{key: 17, kind: lupine.ClientStreaming, req: []int32{668, 133, 142, 0}, res: []int32{0}, early: -1}},
			{op: opKeys, server: true},
			{after: 998 * ms, op: opCall, call: callPlan{key: 20, req: []int32{2}, res: []int32{66}, early: -1}},
			{op: opKeys, server: true},
		},
		faults: []sim.Fault{{Op: sim.OpRebind, At: 789 * ms, From: "client"}},
	}},
	{"one datagram, copied and faster than its original, cut a session off: a challenge that found no room was waited for (seed 2064311)", schedule{
		tls: true, peers: true,
		steps: []step{
			oneCall(1328*ms, 2),
			{after: 24 * ms, op: opCall, server: true, call: callPlan{key: 3, kind: lupine.Bidi, req: []int32{96, 25, 14, 115}, res: []int32{0}, early: -1, gap: 22634 * us}},
			{op: opCall, server: true, call: callPlan{key: 18, req: []int32{0}, res: []int32{0}, early: -1, think: 9980 * ms, cancel: 772 * ms}},
			{after: 2861 * us, op: opForge, server: true},
		},
	}},
	{"a message of up to two windows was granted without room for it in Assembly (seed 101)", schedule{
		tls: true,
		client: sideConfig{slots: 1, ackDelay: 10 * ms, keepAlive: s1, lostAfter: 10 * s1, idleTimeout: 300 * s1, replyBudget: 16 << 20,
			credit: 64 << 10, assembly: 100e3, receive: receiveBudget},
		steps: []step{
			{op: opCall, call: callPlan{key: 15, req: []int32{0}, res: []int32{227852}, early: -1}},
			{op: opCall, call: callPlan{key: 22, req: []int32{341}, res: []int32{118466}, early: -1}},
		},
	}},
	{"CLOSE was sent again and again to an address on trial, beyond three times (seeds 41890, 92135)", schedule{
		direct: true,
		steps: []step{
			oneCall(0, 2),
			{after: 10 * ms, op: opCheat, server: true, value: 3},
			{op: opForge, server: true},
		},
		faults: []sim.Fault{{Op: sim.OpMove, At: 5 * ms, From: "client"}, drop("client", serverName, 3)},
	}},
}

// oneCall is a step: a unary call without peculiarities.
func oneCall(after int64, key uint32) step {
	return step{after: after, op: opCall, call: callPlan{key: key, req: []int32{0}, res: []int32{0}, early: -1}}
}

func drop(from, to string, nth int) sim.Fault {
	return sim.Fault{Op: sim.OpDrop, From: from, To: to, Nth: nth}
}

// TestSimSeeds runs what has found something.
func TestSimSeeds(t *testing.T) {
	// A repeat of a call asked for its reply again, the slot went on to the next call,
	// and that one's reply was sent as the repeat: a panic. The third: a wait that
	// began with a lazy reply's was taken for a stop of the process. The last: a server that
	// had given its client up was woken for an ACK that it does not send then.
	for _, seed := range []uint64{2380786, 3009940, 93303, 276891, 997068} {
		if _, _, err := plan(seed).run(nil, sim.Tally{}, nil); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	for _, s := range stories {
		s.schedule.clients, s.schedule.scripted = 1, true
		s.schedule.link = sim.LinkConfig{Delay: ms}
		if s.schedule.client.slots == 0 {
			s.schedule.client = plainSide
		}
		s.schedule.server = plainSide
		for seed := range uint64(20) { // what engines draw is part of it
			s.schedule.seed = seed
			if _, _, err := s.schedule.run(nil, sim.Tally{}, nil); err != nil {
				t.Errorf("%s: seed %d: %v", s.found, seed, err)
				break
			}
		}
	}
}
