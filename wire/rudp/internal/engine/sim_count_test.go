package engine

import (
	"testing"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// counting is a world in which callers make one call after the other, until the
// calls are used up. The datagrams that it takes are counted: docs/rudp.md, 6.
type counting struct {
	*world
	left, lost int
	deadline   int64
	next       uint32
}

func newCounting(link sim.LinkConfig, seed uint64, batch int64) *counting {
	s := &schedule{seed: seed, clients: 1, client: plainSide, server: plainSide, link: link, direct: true}
	s.client.batch, s.server.batch = batch, batch
	c := &counting{world: s.world(nil, sim.Tally{}, nil)}
	c.net.Host(serverName).Boot()
	c.hosts[0].host.Boot()
	return c
}

// caller makes calls until none is left.
func (c *counting) caller() {
	if c.left == 0 {
		return
	}
	c.left--
	c.next++
	call := c.world.newCall(&callPlan{key: c.next, req: []int32{64}, res: []int32{64}, early: -1, deadline: c.deadline}, c.hosts[0])
	call.then = func() {
		if call.err != nil {
			c.lost++
		}
		c.calls = c.calls[:0]
		c.caller()
	}
	h := c.hosts[0]
	h.queue = append(h.queue, call)
	h.serve()
	if h.cur != nil {
		h.cur.settle()
	}
}

// run has callers make so many calls, and returns how many datagrams that took,
// those of the second after it included.
func (c *counting) run(t *testing.T, callers, calls int) int {
	t.Helper()
	c.left = calls
	sent := c.sent()
	if cur := c.hosts[0].cur; cur != nil {
		cur.reading = true // they begin together
	}
	for range callers {
		c.caller()
	}
	if cur := c.hosts[0].cur; cur != nil {
		cur.reading = false
		cur.settle()
	}
	for c.fault == nil && (c.left > 0 || c.world.left > 0) && c.Step() {
	}
	c.RunUntil(c.Now() + 900*ms)
	if c.fault != nil {
		t.Fatal(c.fault)
	}
	return c.sent() - sent
}

func (c *counting) sent() int {
	return c.net.Link("client", serverName).Counts().Sent + c.net.Link(serverName, "client").Counts().Sent
}

// TestPacketsBackToBack: 1,000 calls of one caller are 2,000 datagrams and at
// most 2 more.
func TestPacketsBackToBack(t *testing.T) {
	for _, delay := range []int64{10 * us, ms, 50 * ms} {
		c := newCounting(sim.LinkConfig{Delay: delay}, 1, 0)
		n := c.run(t, 1, 1000)
		t.Logf("delay %s: %d datagrams for 1,000 calls", millis(delay), n)
		if n < 2000 || n > 2002 {
			t.Errorf("delay %s: want 2,000 to 2,002", millis(delay))
		}
	}
}

// TestPacketsAlone: a call alone is three datagrams: CALL, REPLY, and a lazy ACK.
func TestPacketsAlone(t *testing.T) {
	c := newCounting(sim.LinkConfig{Delay: ms}, 1, 0)
	c.run(t, 1, 2) // the session is warm
	c.RunUntil(c.Now() + s1)
	if n := c.run(t, 1, 1); n > 3 {
		t.Errorf("%d datagrams for a call alone; want 3", n)
	}
}

// TestPacketsManyCallers: with 64 callers that move in step a call takes at most
// 0.3 datagrams.
func TestPacketsManyCallers(t *testing.T) {
	c := newCounting(sim.LinkConfig{Delay: 100 * us}, 1, 10*us)
	const calls = 6400
	n := c.run(t, 64, calls)
	t.Logf("%d datagrams for %d calls of 64 callers: %.3f a call", n, calls, float64(n)/calls)
	if 10*n > 3*calls {
		t.Errorf("%.3f datagrams a call; want at most 0.3", float64(n)/calls)
	}
}

// TestPacketsTell sees to it that the count under loss tells who sends again: it
// is out of its bounds where callees do for lazy replies too.
func TestPacketsTell(t *testing.T) {
	c := newCounting(sim.LinkConfig{Delay: ms, Loss: 300}, 7, 0)
	c.bug.sent = func(e *node) {
		if e.server && e.conn.lazyLeft > 0 {
			e.conn.unlazy()
		}
	}
	c.deadline = 10 * s1
	got := float64(c.run(t, 1, 4000)) / 4000
	t.Logf("%.3f datagrams a call", got)
	if want := 1.7 / 0.49; got > 0.95*want && got < 1.05*want {
		t.Errorf("%.3f datagrams a call, as if callees did not send again", got)
	}
}

// TestPacketsUnderLoss: with 30% loss each way a call takes 1.7/0.49 = 3.47
// datagrams, 5% more or less.
func TestPacketsUnderLoss(t *testing.T) {
	const want = 1.7 / 0.49
	calls := 20_000
	if testing.Short() {
		calls = 4000
	}
	c := newCounting(sim.LinkConfig{Delay: ms, Loss: 300}, 7, 0)
	c.deadline = 10 * s1
	n := c.run(t, 1, calls)
	got := float64(n) / float64(calls)
	t.Logf("%d datagrams for %d calls at 30%% loss each way: %.3f a call; %d calls failed", n, calls, got, c.lost)
	if got < 0.95*want || got > 1.05*want {
		t.Errorf("%.3f datagrams a call; want %.2f, 5%% more or less", got, want)
	}
	if c.lost > 1+calls/10_000 {
		t.Errorf("%d calls failed", c.lost)
	}
}
