package sim

// PacketsConfig is how Packets behave. Delays are nanoseconds; chances are of 1000.
type PacketsConfig struct {
	// MinDelay and MaxDelay bound a packet's journey. Packets overtake each other
	// where they differ.
	MinDelay, MaxDelay int64
	// Loss, Duplicate and Corrupt are how often a packet does not arrive, arrives
	// twice, or arrives with a bit changed.
	Loss, Duplicate, Corrupt int
	// MTU is the longest packet that is carried, in bytes; zero means any.
	MTU int
}

// Packets is one direction of a datagram network, as UDP is one.
type Packets struct {
	// Arrive is called with each packet, which is the callee's. It must be set
	// before the first Send.
	Arrive func([]byte)
	// Config may be changed at any time.
	Config PacketsConfig
	// Blocked lets no packet through: a partition.
	Blocked bool
	// What has been done to packets so far.
	Lost, Duplicated, Corrupted, Overtaken int

	clock *Clock
	rand  Rand
	last  int64 // when the latest of the packets sent will arrive
}

// NewPackets returns a network of one direction.
func NewPackets(clock *Clock, rand Rand, cfg PacketsConfig) *Packets {
	return &Packets{Config: cfg, clock: clock, rand: rand}
}

// Send puts a copy of b under way.
func (p *Packets) Send(b []byte) {
	if p.Blocked || p.chance(p.Config.Loss) || p.Config.MTU > 0 && len(b) > p.Config.MTU {
		p.Lost++
		return
	}
	p.carry(b)
	if p.chance(p.Config.Duplicate) {
		p.Duplicated++
		p.carry(b)
	}
}

func (p *Packets) chance(of1000 int) bool { return of1000 > 0 && p.rand.IntN(1000) < of1000 }

func (p *Packets) carry(b []byte) {
	b = append([]byte(nil), b...)
	if len(b) > 0 && p.chance(p.Config.Corrupt) {
		p.Corrupted++
		b[p.rand.IntN(len(b))] ^= 1 << p.rand.IntN(8)
	}
	d := p.rand.Between(p.Config.MinDelay, p.Config.MaxDelay)
	if at := p.clock.Now() + d; at < p.last {
		p.Overtaken++
	} else {
		p.last = at
	}
	p.clock.After(d, func() { p.Arrive(b) })
}
