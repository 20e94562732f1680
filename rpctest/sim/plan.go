package sim

// Plan is what kinds of faults, in which part of a network, a run may have. Draw
// makes a list of them.
type Plan struct {
	// Hosts are those that faults happen to, and between.
	Hosts []string
	// Ops are the kinds of faults, each as likely as the others; one that is there
	// twice is twice as likely. None is all those that begin at a time. Those of
	// one datagram hit one of the first Datagrams of a link.
	Ops []Op
	// Count is how many faults there are.
	Count int
	// Span is within how many nanoseconds they begin. They last for a quarter of
	// it at most.
	Span int64
	// Datagrams is for the faults of one datagram; zero is 100.
	Datagrams int
	// Link is what links are like otherwise: OpLink changes some of it.
	Link LinkConfig
}

// Draw returns faults that follow from r.
func (p Plan) Draw(r Rand) []Fault {
	if len(p.Hosts) == 0 {
		return nil
	}
	ops := p.Ops
	if len(ops) == 0 {
		ops = []Op{OpBlock, OpLink, OpCrash, OpPause, OpJump, OpDrift, OpRebind, OpMove}
	}
	var faults []Fault
	for range p.Count {
		f := Fault{Op: ops[r.IntN(len(ops))], From: p.Hosts[r.IntN(len(p.Hosts))]}
		if f.Op.ofLink() {
			f.To = p.Hosts[r.IntN(len(p.Hosts))]
			for len(p.Hosts) > 1 && f.To == f.From {
				f.To = p.Hosts[r.IntN(len(p.Hosts))]
			}
		}
		if f.Op.ofDatagram() {
			f.Nth = 1 + r.IntN(or(max(p.Datagrams, 0), 100))
		} else {
			f.At = r.Between(0, p.Span)
		}
		if f.Op.lasts() {
			f.For = r.Between(1, max(Pick(r, p.Span/4, p.Span/20), 1))
		}
		p.details(r, &f)
		faults = append(faults, f)
	}
	return faults
}

func (p Plan) details(r Rand, f *Fault) {
	switch f.Op {
	case OpDuplicate, OpReorder:
		f.Value = r.Between(1, Pick(r, DefaultLate, max(p.Span/4, 1)))
	case OpCorrupt:
		f.Value = int64(r.Uint32())
	case OpLink:
		f.Link = p.storm(r)
	case OpCrash:
		f.Value = int64(r.IntN(2))
	case OpJump: // forward: time that programs count on does not run back
		f.Value = Pick(r, r.Between(1, 10e6), r.Between(1, 2e9), 10e9, 3600e9)
	case OpDrift:
		f.Value = Pick(r, r.Between(-200, 200), r.Between(-100_000, 100_000))
	}
}

// storm is a link that behaves worse.
func (p Plan) storm(r Rand) LinkConfig {
	c := p.Link
	for range 1 + r.IntN(3) {
		switch r.IntN(9) {
		case 0:
			c.Loss = 1 + r.IntN(Pick(r, 50, 500))
		case 1:
			c.BurstEnter, c.BurstLeave = 1+r.IntN(100), 10+r.IntN(400)
		case 2:
			c.Duplicate = 1 + r.IntN(500)
		case 3:
			c.Reorder = 1 + r.IntN(500)
		case 4:
			c.Corrupt = 1 + r.IntN(300)
		case 5:
			c.Delay += r.Between(1, max(p.Span/20, 1))
			c.Jitter = c.Delay / 2
		case 6:
			c.Rate = r.Between(20_000, 1_000_000)
			c.Queue = r.Between(3_000, 64_000)
			c.Mark = Pick(r, 0, c.Queue/4)
		case 7:
			c.MTU = 600 + r.IntN(900)
			c.Reports = r.IntN(2) == 0
		case 8:
			c.Late = r.Between(1, max(p.Span/8, 1))
			c.Duplicate = 1 + r.IntN(200)
		}
	}
	return c
}
