package engine

import "slices"

// came are the packets of a level that came, and when they are to be acked (5.2).
type came struct {
	ranges  []AckRange // the highest first, at most AckRanges
	largest int64      // when the highest came
	fresh   bool       // something came since the last ACK
	due     int64      // when an ACK leaves alone; 0: not
	atOnce  bool       // with the batch
	asked   int        // packets that ask, since the last ACK
	full    int        // long ones of the batch
	marked  bool       // ACK_ECN
	ect0    uint64
	ect1    uint64
	ce      uint64
}

// add notes that a number came. gap is whether it leaves a new hole.
func (c *came) add(now int64, n uint64) (gap bool) {
	c.fresh = true
	if len(c.ranges) == 0 {
		c.ranges = append(c.ranges, AckRange{n, n})
		c.largest = now
		return n > 0
	}
	if top := &c.ranges[0]; n > top.High {
		c.largest = now
		if n == top.High+1 {
			top.High = n
			return false
		}
		if len(c.ranges) == AckRanges {
			c.ranges = c.ranges[:AckRanges-1]
		}
		c.ranges = slices.Insert(c.ranges, 0, AckRange{n, n})
		return true
	}
	for i := range c.ranges {
		r := &c.ranges[i]
		if n >= r.Low && n <= r.High {
			return false
		}
		if n == r.Low-1 {
			r.Low = n
			if i+1 < len(c.ranges) && c.ranges[i+1].High == n-1 {
				r.Low = c.ranges[i+1].Low
				c.ranges = slices.Delete(c.ranges, i+1, i+2)
			}
			return false
		}
		if n > r.High {
			if n == r.High+1 {
				r.High = n
				return false
			}
			if len(c.ranges) < AckRanges {
				c.ranges = slices.Insert(c.ranges, i, AckRange{n, n})
			}
			return false
		}
	}
	if len(c.ranges) < AckRanges {
		c.ranges = append(c.ranges, AckRange{n, n})
	}
	return false
}

// forget drops what is at or below n: the peer has had our ACK of it.
func (c *came) forget(n uint64) {
	for len(c.ranges) > 1 && c.ranges[len(c.ranges)-1].High <= n {
		c.ranges = c.ranges[:len(c.ranges)-1]
	}
	if r := &c.ranges[len(c.ranges)-1]; r.Low <= n && r.High > n {
		r.Low = n + 1
	}
}

// ask notes when the packet that just came is to be acked.
func (c *came) ask(now int64, asks Asks, soon int64) {
	at := int64(0)
	switch asks {
	case AsksNothing:
		return
	case AsksLazily:
		at = now + lazyAck
	case AsksSoon:
		at = now + soon
	case AsksAtOnce:
		c.atOnce = true
	}
	if asks > AsksLazily {
		if c.asked++; c.asked >= ackEvery {
			c.atOnce = true
		}
	}
	if at != 0 && (c.due == 0 || at < c.due) {
		c.due = at
	}
}

// told notes that an ACK is on its way.
func (c *came) told() {
	c.fresh, c.due, c.atOnce, c.asked, c.full = false, 0, false, 0, 0
}

// window are the numbers that came, as far as ReplayWindow reaches (5.7).
type window struct {
	bits [replayWindow / 64]uint64
	next uint64 // one above the highest
}

// seen reports whether a number came, or is too old to say.
func (w *window) seen(n uint64) bool {
	if n >= w.next {
		return false
	}
	return n+replayWindow < w.next || w.bits[n/64%uint64(len(w.bits))]>>(n%64)&1 != 0
}

// set notes that it came.
func (w *window) set(n uint64) {
	if n >= w.next {
		if n-w.next >= replayWindow {
			clear(w.bits[:])
		} else {
			for at := w.next; at < n; at++ {
				w.bits[at/64%uint64(len(w.bits))] &^= 1 << (at % 64)
			}
		}
		w.next = n + 1
	}
	w.bits[n/64%uint64(len(w.bits))] |= 1 << (n % 64)
}

// floor is the lowest number that is not too old.
func (w *window) floor() uint64 {
	return max(w.next, replayWindow) - replayWindow
}
