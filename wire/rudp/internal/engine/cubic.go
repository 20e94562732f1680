package engine

import "math"

// Constants of CUBIC (RFC 9438, 4.1 and 4.6).
const (
	cubicC    = 0.4 // segments per second cubed
	cubicBeta = 0.7
	// cubicAlpha is how fast the estimate of Reno's window grows, so that its mean
	// is Reno's although it is cut by cubicBeta.
	cubicAlpha = 3 * (1 - cubicBeta) / (1 + cubicBeta)

	initialPackets = 10    // RFC 9002, 7.2
	initialBytes   = 14720 // likewise
	leastPackets   = 2     // likewise: the least window

	// mostWindow keeps sums far from overflowing; no path holds as much.
	mostWindow = 1 << 32
	// limitSlack is how many datagrams below its window a sender may be and still
	// be taken to be held up by it.
	limitSlack = 3
)

// Cubic is the default Controller (docs/rudp.md, 5.5): CUBIC (RFC 9438) with
// HyStart++ (RFC 9406) for the first slow start. The window grows for packets
// only that were sent while it was what held the sender up. It is not safe for
// concurrent use. NewCubic makes one.
type Cubic struct {
	mss       int
	window    float64 // bytes
	threshold float64 // ssthresh, bytes; slow start below it

	max, prior float64 // W_max and cwnd_prior, bytes
	k          float64 // seconds from epoch until max is reached again
	reno       float64 // W_est, bytes
	epoch      int64   // when this stage of avoidance began, ns
	began      bool    // epoch is set

	cut       int64  // packets sent up to then belong to the last loss event
	limitedTo uint64 // the highest number sent while the window was the limit, and 1
	srtt      int64

	start hystart
}

// NewCubic returns a Cubic for datagrams of at most so many bytes (UDP payload).
func NewCubic(maxDatagram int) *Cubic {
	c := &Cubic{mss: maxDatagram, threshold: math.Inf(1), cut: math.MinInt64}
	c.window = float64(min(initialPackets*c.mss, max(leastPackets*c.mss, initialBytes)))
	c.start.on = true
	return c
}

// SetMaxDatagram tells that datagrams may be so long from now on: the path's MTU
// was found, or fell. The window stays, but for its least.
func (c *Cubic) SetMaxDatagram(n int) {
	c.mss = n
	c.set(c.window)
}

// Window is how many bytes may be under way.
func (c *Cubic) Window() int { return int(c.window) }

// Rate is 1.25 windows a round trip, in bytes a second (RFC 9002, 7.7); 0 before
// there is a sample.
func (c *Cubic) Rate() int64 {
	if c.srtt <= 0 {
		return 0
	}
	return max(int64(1.25*c.window*1e9/float64(c.srtt)), 1)
}

// Sent notes a packet. inFlight includes it.
func (c *Cubic) Sent(_ int64, number uint64, _ int, inFlight int) {
	room := float64(inFlight + limitSlack*c.mss)
	if room >= c.window || c.slow() && float64(2*inFlight) >= c.window {
		c.limitedTo = number + 1
	}
	c.start.sent(number)
}

// Acked notes that the peer has a packet of so many bytes.
func (c *Cubic) Acked(now int64, number uint64, sent int64, bytes, _ int, rtt *RTT) {
	c.srtt = rtt.Smoothed
	c.start.acked(now, number, rtt.Latest)
	if sent <= c.cut {
		return // recovery: the window has been cut for these
	}
	if number >= c.limitedTo {
		c.began = false // what happened while there was little to send is no growth
		return
	}
	if c.slow() {
		grow, over := c.start.growth(bytes)
		c.set(c.window + grow)
		if over {
			c.threshold = c.window
		}
		return
	}
	c.avoid(now, float64(bytes))
}

func (c *Cubic) slow() bool { return c.window < c.threshold }

// set makes w the window, within its bounds.
func (c *Cubic) set(w float64) {
	c.window = min(max(w, float64(leastPackets*c.mss)), mostWindow)
}

// avoid grows the window in congestion avoidance (RFC 9438, 4.2 to 4.5).
func (c *Cubic) avoid(now int64, bytes float64) {
	if !c.began {
		c.beginEpoch(now)
	}
	t := float64(now-c.epoch) / 1e9
	alpha := cubicAlpha
	if c.reno >= c.prior {
		alpha = 1
	}
	c.reno = min(c.reno+alpha*float64(c.mss)*bytes/c.window, mostWindow)
	if c.cubic(t) < c.reno {
		c.set(max(c.window, c.reno))
		return
	}
	target := min(max(c.cubic(t+float64(c.srtt)/1e9), c.window), 1.5*c.window)
	c.set(c.window + (target-c.window)*bytes/c.window)
}

func (c *Cubic) beginEpoch(now int64) {
	c.epoch, c.began = now, true
	c.reno = c.window
	if c.window >= c.max {
		c.max, c.k = c.window, 0
		return
	}
	c.k = math.Cbrt((c.max - c.window) / float64(c.mss) / cubicC)
}

// cubic is W_cubic(t) in bytes.
func (c *Cubic) cubic(t float64) float64 {
	d := t - c.k
	return cubicC*d*d*d*float64(c.mss) + c.max
}

// Lost notes that a packet, sent at that time, was lost. All that were sent before
// the first loss was noticed are one event.
func (c *Cubic) Lost(now int64, _ uint64, sent int64, _ int) { c.congested(now, sent) }

// Marked notes a CE mark on a packet sent at that time: as a loss, without one
// (RFC 9002, 7.3.2).
func (c *Cubic) Marked(now, sent int64) { c.congested(now, sent) }

func (c *Cubic) congested(now, sent int64) {
	if sent <= c.cut {
		return
	}
	c.cut = now
	c.start.on = false
	c.prior = c.window
	if c.window < c.max {
		c.max = c.window * (1 + cubicBeta) / 2 // fast convergence
	} else {
		c.max = c.window
	}
	c.set(c.window * cubicBeta)
	c.threshold = c.window
	c.began = false
}

// Persistent notes that everything sent over several PTOs was lost (RFC 9002, 7.6):
// the window falls to its least.
func (c *Cubic) Persistent(int64) {
	c.set(0)
	c.cut = math.MinInt64
	c.began = false
	c.start.on = false
}
