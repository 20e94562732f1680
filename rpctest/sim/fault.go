package sim

import (
	"fmt"
	"slices"
	"strings"
)

// Op is a kind of Fault.
type Op uint8

// Kinds of Fault. Those of one datagram name it by Nth; the others begin at At,
// and those that have a length end after For. For zero, or below, is for ever.
const (
	// OpDrop loses the Nth datagram from From to To.
	OpDrop Op = iota
	// OpDuplicate has a copy of it arrive Value nanoseconds after it.
	OpDuplicate
	// OpReorder has it arrive Value nanoseconds later than in order.
	OpReorder
	// OpCorrupt changes some of its bits, or cuts its end off, as Value, any
	// number, says.
	OpCorrupt
	// OpBlock lets nothing through from From to To, for For.
	OpBlock
	// OpLink has the link from From to To behave as Link, for For.
	OpLink
	// OpCrash crashes host From, which restarts after For. A Value that is not zero
	// lets stragglers through: see Host.Crash.
	OpCrash
	// OpPause pauses host From for For, which must be more than zero.
	OpPause
	// OpJump moves the clock of host From by Value nanoseconds.
	OpJump
	// OpDrift has the clock of host From run faster by Value millionths, for For.
	OpDrift
	// OpRebind gives all sockets of host From other ports.
	OpRebind
	// OpMove gives host From another address.
	OpMove
	numOps
)

var opNames = [numOps]string{"drop", "duplicate", "reorder", "corrupt", "block", "link", "crash", "pause", "jump", "drift", "rebind", "move"}

// String is the kind in a word.
func (o Op) String() string {
	if o < numOps {
		return opNames[o]
	}
	return fmt.Sprintf("Op(%d)", uint8(o))
}

// Fault is something that goes wrong in a Net, as a value: a run's faults are a
// list that can be drawn from a seed (Plan), or recorded (Net.Recorded), played
// (Net.Play), printed, and made smaller (Shrink, and Simplify with
// Fault.Simpler).
type Fault struct {
	// Op is what happens.
	Op Op
	// At is when, in nanoseconds of the network's clock, and For how long.
	At, For int64
	// From and To are hosts: the ends of a link, or From alone.
	From, To string
	// Nth counts the datagrams of a link, from 1 and from the beginning.
	Nth int
	// Value is what Op says.
	Value int64
	// Link is for OpLink.
	Link LinkConfig
}

func (o Op) ofDatagram() bool { return o <= OpCorrupt }
func (o Op) ofLink() bool     { return o <= OpLink }
func (o Op) lasts() bool      { return o >= OpBlock && o <= OpPause || o == OpDrift }

// String says the fault in a line.
func (f Fault) String() string {
	var b strings.Builder
	if f.Op.ofDatagram() {
		fmt.Fprintf(&b, "%v datagram %d from %s to %s", f.Op, f.Nth, f.From, f.To)
		switch f.Op {
		case OpDuplicate, OpReorder:
			fmt.Fprintf(&b, ", %s later", millis(f.Value))
		case OpCorrupt:
			fmt.Fprintf(&b, " as %d says", f.Value)
		}
		return b.String()
	}
	fmt.Fprintf(&b, "at %s %v %s", millis(f.At), f.Op, f.From)
	if f.Op.ofLink() {
		b.WriteString(" to " + f.To)
	}
	switch {
	case f.Op == OpJump:
		b.WriteString(" by " + millis(f.Value))
	case f.Op == OpDrift:
		fmt.Fprintf(&b, " by %d ppm", f.Value)
	case f.Op == OpCrash && f.Value != 0:
		b.WriteString(" with stragglers")
	case f.Op == OpLink:
		fmt.Fprintf(&b, " as %v", f.Link)
	}
	if f.Op.lasts() && f.For > 0 {
		b.WriteString(" for " + millis(f.For))
	}
	return b.String()
}

// String lists what is not zero.
func (c LinkConfig) String() string {
	var b strings.Builder
	add := func(name, value string) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name + "=" + value)
	}
	for _, f := range c.fields() {
		switch {
		case f.wide != nil && *f.wide != 0 && f.time:
			add(f.name, millis(*f.wide))
		case f.wide != nil && *f.wide != 0:
			add(f.name, fmt.Sprint(*f.wide))
		case f.narrow != nil && *f.narrow != 0:
			add(f.name, fmt.Sprint(*f.narrow))
		case f.flag != nil && *f.flag:
			add(f.name, "true")
		}
	}
	if b.Len() == 0 {
		return "a link without faults"
	}
	return b.String()
}

// linkField is one field of a LinkConfig.
type linkField struct {
	name   string
	wide   *int64
	narrow *int
	flag   *bool
	time   bool
}

func (c *LinkConfig) fields() []linkField {
	return []linkField{
		{name: "Delay", wide: &c.Delay, time: true}, {name: "Jitter", wide: &c.Jitter, time: true}, {name: "Rate", wide: &c.Rate}, {name: "Queue", wide: &c.Queue},
		{name: "UnderWay", wide: &c.UnderWay}, {name: "Loss", narrow: &c.Loss}, {name: "BurstEnter", narrow: &c.BurstEnter},
		{name: "BurstLeave", narrow: &c.BurstLeave}, {name: "BurstLoss", narrow: &c.BurstLoss}, {name: "Duplicate", narrow: &c.Duplicate},
		{name: "Reorder", narrow: &c.Reorder}, {name: "Corrupt", narrow: &c.Corrupt}, {name: "Late", wide: &c.Late, time: true}, {name: "MTU", narrow: &c.MTU},
		{name: "Reports", flag: &c.Reports}, {name: "Mark", wide: &c.Mark}, {name: "Bleach", flag: &c.Bleach},
	}
}

// Simpler returns simpler forms of a fault, the simplest first: Simplify takes
// this.
func (f Fault) Simpler() (forms []Fault) {
	add := func(g Fault) {
		if g != f {
			forms = append(forms, g)
		}
	}
	with := func(change func(*Fault)) {
		g := f
		change(&g)
		add(g)
	}
	if f.Op == OpLink {
		for i := range f.Link.fields() {
			with(func(g *Fault) {
				switch l := g.Link.fields()[i]; {
				case l.wide != nil:
					*l.wide = 0
				case l.narrow != nil:
					*l.narrow = 0
				default:
					*l.flag = false
				}
			})
		}
	}
	if !f.Op.ofDatagram() {
		with(func(g *Fault) { g.At -= g.At % 1e6 })
	}
	if f.Op.lasts() && f.For > 1e6 {
		with(func(g *Fault) { g.For = max(g.For/2e6, 1) * 1e6 })
	}
	switch f.Op {
	case OpDuplicate, OpReorder:
		with(func(g *Fault) { g.Value = 0 })
		with(func(g *Fault) { g.Value /= 2 })
	case OpCrash:
		with(func(g *Fault) { g.Value = 0 })
	case OpJump, OpDrift:
		with(func(g *Fault) { g.Value /= 2 })
	}
	return forms
}

// Play has faults happen; they add up with those of earlier calls. Those whose
// time has come already begin on the next step of the clock; those of datagrams
// that were sent before do nothing, so play faults before programs start. It
// fails, before anything happens, where a fault names a host that does not exist.
func (n *Net) Play(faults ...Fault) error {
	for _, f := range faults {
		hosts := []string{f.From}
		if f.Op.ofLink() {
			hosts = append(hosts, f.To)
		}
		for _, name := range hosts {
			if n.byName[name] == nil {
				return fmt.Errorf("sim: fault %q: there is no host %q: make it with Net.Host before", f, name)
			}
		}
		if f.Op >= numOps {
			return fmt.Errorf("sim: fault of kind %v: take one of the Op constants", f.Op)
		}
		if f.Op.ofDatagram() && f.Nth < 1 {
			return fmt.Errorf("sim: fault %q: Nth counts from 1", f)
		}
	}
	healed := n.healed
	for _, f := range faults {
		if f.Op.ofDatagram() {
			l := n.Link(f.From, f.To)
			at, _ := slices.BinarySearchFunc(l.script[l.next:], f.Nth+1, func(g Fault, nth int) int { return g.Nth - nth })
			l.script = slices.Insert(l.script, l.next+at, f)
			continue
		}
		n.clock.After(f.At-n.clock.Now(), func() {
			if n.healed == healed {
				n.begin(f)
			}
		})
	}
	return nil
}

// begin has a fault happen, and end when its time is over.
func (n *Net) begin(f Fault) {
	if n.trace.Log != nil {
		n.logf("fault: %v", f)
	}
	h := n.byName[f.From]
	end := func() {}
	switch f.Op {
	case OpBlock:
		l := n.Link(f.From, f.To)
		l.blocks++
		healed := n.healed
		end = func() {
			if n.healed == healed {
				l.blocks--
			}
		}
	case OpLink:
		l := n.Link(f.From, f.To)
		if !l.stormy {
			l.calm, l.stormy = l.Config, true
		}
		l.weather++
		l.Config = f.Link
		weather := l.weather
		end = func() { l.clearUp(weather) }
	case OpCrash:
		if h.down {
			return
		}
		h.Crash(f.Value != 0)
		inc := h.inc
		end = func() {
			if h.inc == inc {
				h.Restart()
			}
		}
	case OpPause:
		h.Pause(f.For)
		return
	case OpJump:
		h.Jump(f.Value)
	case OpDrift:
		h.Drift(int(f.Value))
		end = func() { h.Drift(0) }
	case OpRebind:
		for _, s := range h.order {
			s.Rebind()
		}
	case OpMove:
		h.Move()
	}
	if f.Op.lasts() && f.For > 0 {
		n.clock.After(f.For, end)
	}
}
