package sim

// PipeConfig is how a Pipe behaves. Delays are nanoseconds.
type PipeConfig struct {
	// MinDelay and MaxDelay bound the time between two arrivals.
	MinDelay, MaxDelay int64
	// Split is in how many of 100 arrivals only a part of what is under way
	// comes; half of those are cut within the first few bytes.
	Split int
	// Room is how many bytes may be under way; zero means 64 KiB.
	Room int
}

// Pipe is one direction of a byte stream, as TCP is one: bytes arrive in order,
// in pieces that have nothing to do with what was written, and late. It can
// stall, and end at any byte.
type Pipe struct {
	// Arrive is called with bytes that have come, which are good until it
	// returns, and Ended once, when no more will. Drained is called when there is
	// room again after there was none. They must be set before the first Write.
	Arrive         func([]byte)
	Ended, Drained func()
	// Splits counts arrivals of a part.
	Splits int

	clock   *Clock
	rand    Rand
	cfg     PipeConfig
	buf     []byte
	at      int // of the first byte of buf that has not arrived
	set     bool
	full    bool
	closing bool // no more is taken; Ended follows what is under way
	over    bool // Ended was called, or never will be
	until   int64
}

// NewPipe returns a Pipe.
func NewPipe(clock *Clock, rand Rand, cfg PipeConfig) *Pipe {
	if cfg.Room == 0 {
		cfg.Room = 64 << 10
	}
	return &Pipe{clock: clock, rand: rand, cfg: cfg}
}

// Len is how many bytes are under way.
func (p *Pipe) Len() int { return len(p.buf) - p.at }

// Room is how many bytes the writer may add before it has to wait for Drained.
// What is written beyond it is taken all the same. A Pipe that has ended takes,
// and drops, anything.
func (p *Pipe) Room() int {
	if p.closing || p.over {
		return p.cfg.Room
	}
	n := p.cfg.Room - p.Len()
	if n <= 0 {
		p.full = true
	}
	return n
}

// Write puts b under way.
func (p *Pipe) Write(b []byte) {
	if p.closing || p.over {
		return
	}
	p.buf = append(p.buf, b...)
	p.wake()
}

// Close ends the stream behind what is under way.
func (p *Pipe) Close() {
	if !p.closing {
		p.closing = true
		p.wake()
	}
}

// Cut ends the stream: of what is under way the first keep bytes still arrive.
func (p *Pipe) Cut(keep int) {
	if p.over {
		return
	}
	p.buf = p.buf[:p.at+min(keep, p.Len())]
	p.Close()
}

// Stall lets nothing arrive for d nanoseconds.
func (p *Pipe) Stall(d int64) { p.until = max(p.until, p.clock.Now()+d) }

// Hang lets nothing arrive any more, and tells nobody.
func (p *Pipe) Hang() {
	p.over = true
	p.buf, p.at = p.buf[:0], 0
}

// Unhang ends a Pipe that hangs.
func (p *Pipe) Unhang() {
	p.over, p.closing = false, true
	p.wake()
}

func (p *Pipe) wake() {
	if !p.set && !p.over {
		p.set = true
		p.clock.After(p.rand.Between(p.cfg.MinDelay, p.cfg.MaxDelay), p.arrive)
	}
}

func (p *Pipe) arrive() {
	p.set = false
	if p.over {
		return
	}
	if wait := p.until - p.clock.Now(); wait > 0 {
		p.set = true
		p.clock.After(wait, p.arrive)
		return
	}
	n := p.Len()
	if n > 1 && p.rand.Chance(p.cfg.Split) {
		p.Splits++
		few := n
		if p.rand.IntN(2) == 0 {
			few = min(n, 24)
		}
		n = 1 + p.rand.IntN(few-1)
	}
	if n > 0 {
		b := p.buf[p.at : p.at+n]
		p.at += n
		p.Arrive(b)
	}
	if p.over {
		return
	}
	if p.Len() > 0 {
		// What has gone is cut off now and then: a copy for each arrival would cost more.
		if p.at > 64<<10 {
			p.buf = p.buf[:copy(p.buf, p.buf[p.at:])]
			p.at = 0
		}
		p.wake()
	} else {
		p.buf, p.at = p.buf[:0], 0
		if p.closing {
			p.over = true
			p.Ended()
			return
		}
	}
	if p.full && p.Len() < p.cfg.Room {
		p.full = false
		p.Drained()
	}
}
