package sim

// Clock is virtual time: it stands still until Step runs what is due next. The
// zero value is at 0, with nothing to do. Times are nanoseconds.
type Clock struct {
	now   int64
	order uint64
	heap  []*Timer
	steps int
}

// Timer is something to do later.
type Timer struct {
	at    int64
	order uint64
	run   func()
}

// Now is the time.
func (c *Clock) Now() int64 { return c.now }

// Steps is how many timers have run.
func (c *Clock) Steps() int { return c.steps }

// After has run called when d nanoseconds have passed; at once means on the next
// Step. Timers of the same moment run in the order in which they were set.
func (c *Clock) After(d int64, run func()) *Timer {
	t := new(Timer)
	c.set(t, d, run)
	return t
}

// set is After with a timer that has run, or never was set.
func (c *Clock) set(t *Timer, d int64, run func()) {
	*t = Timer{at: c.now + max(d, 0), order: c.order, run: run}
	c.order++
	c.heap = append(c.heap, t)
	for i := len(c.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !c.heap[i].before(c.heap[up]) {
			break
		}
		c.heap[i], c.heap[up] = c.heap[up], c.heap[i]
		i = up
	}
}

// Next is when the next timer is due. It reports false if there is none.
func (c *Clock) Next() (at int64, ok bool) {
	for len(c.heap) > 0 {
		if t := c.heap[0]; t.run != nil {
			return t.at, true
		}
		c.pop()
	}
	return 0, false
}

// RunUntil runs what is due until at, in order, and leaves the time there.
func (c *Clock) RunUntil(at int64) {
	for {
		next, ok := c.Next()
		if !ok || next > at {
			break
		}
		c.Step()
	}
	c.now = max(c.now, at)
}

// Stop keeps a timer from running. It may be nil or have run already.
func (t *Timer) Stop() {
	if t != nil {
		t.run = nil
	}
}

// Step moves the time to the next timer and runs it. It reports false, and does
// nothing, if there is none.
func (c *Clock) Step() bool {
	for len(c.heap) > 0 {
		t := c.pop()
		if t.run == nil {
			continue
		}
		c.now = t.at
		c.steps++
		run := t.run
		t.run = nil
		run()
		return true
	}
	return false
}

func (t *Timer) before(u *Timer) bool {
	return t.at < u.at || t.at == u.at && t.order < u.order
}

func (c *Clock) pop() *Timer {
	first := c.heap[0]
	last := len(c.heap) - 1
	c.heap[0] = c.heap[last]
	c.heap[last] = nil
	c.heap = c.heap[:last]
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < last && c.heap[down].before(c.heap[least]) {
				least = down
			}
		}
		if least == i {
			return first
		}
		c.heap[i], c.heap[least] = c.heap[least], c.heap[i]
		i = least
	}
}
