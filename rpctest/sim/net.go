package sim

import (
	"fmt"
	"net/netip"
)

// Limits of a network. Those that LinkConfig or NetConfig name as defaults can
// be changed there.
const (
	// MaxDatagram is the longest datagram that a Socket sends, in bytes: what UDP
	// over IPv4 carries.
	MaxDatagram = 65507
	// DefaultQueue is LinkConfig.Queue, in bytes.
	DefaultQueue = 256 << 10
	// DefaultUnderWay is LinkConfig.UnderWay, in bytes.
	DefaultUnderWay = 16 << 20
	// DefaultReceiveBuffer is NetConfig.ReceiveBuffer, in bytes: Linux's default.
	DefaultReceiveBuffer = 208 << 10
	// DefaultLate is LinkConfig.Late, in nanoseconds.
	DefaultLate = int64(10e6)
	// DefaultBurstLeave and DefaultBurstLoss are of LinkConfig, of 1000.
	DefaultBurstLeave, DefaultBurstLoss = 250, 1000
	// MaxReports is how many reports of one link's datagrams are under way at
	// most; routers limit theirs too.
	MaxReports = 64
	// MaxRecord is how many faults NetConfig.Record keeps; later ones fire and are
	// counted, but Net.Recorded has not got them.
	MaxRecord = 1 << 16

	maxAddress = 1<<24 - 2 // in 10.0.0.0/8
)

// NetConfig is how a Net behaves.
type NetConfig struct {
	// Link is how links behave whose Config nobody has changed.
	Link LinkConfig
	// Skew is by how many nanoseconds, at most, a host's clock is ahead of the
	// network's to begin with: each by an amount of its own, which the seed fixes.
	// Zero has all show the network's time.
	Skew int64
	// ReceiveBuffer is how many bytes may wait at a host that is paused, or in a
	// PacketConn that is not read. What comes beyond is dropped. Zero is
	// DefaultReceiveBuffer; negative is no limit.
	ReceiveBuffer int64
	// Record has the Net note each fault that chance did to a datagram: see
	// Net.Recorded.
	Record bool
	// Scripted turns chance off: no datagram is lost, doubled, reordered or
	// corrupted but by the faults given to Net.Play. Delays, rates, queues and
	// marks stay as they are.
	Scripted bool
	// Trace takes what happens into its sum, and its Log gets a line for each
	// event. Nil is a Trace of the network's own.
	Trace *Trace
}

// Net is a network of hosts that exchange datagrams, as UDP over IP: each pair
// of hosts is joined by two links, one in each direction. All that happens in it
// follows from its seed and from what its user does, in the order of its Clock.
// What becomes of a link's nth datagram depends on the seed, the link and n
// alone: a change to one link, or to the chance of one kind of fault, leaves the
// others' draws as they were.
//
// A Net is one goroutine's, as its Clock is. For programs that have goroutines
// of their own there is Live.
type Net struct {
	clock    *Clock
	cfg      NetConfig
	trace    *Trace
	seed     uint64
	hosts    []*Host
	byName   map[string]*Host
	addrs    []*Host // owner by number of address; nil: nobody
	lastAddr int
	free     *datagram
	recorded []Fault
	healed   int // how often; ends the faults played before
	count    netCounts
}

type netCounts struct {
	unreachable, crashes, restarts, pauses, jumps, drifts, rebinds, moves int
}

// NewNet returns a network without hosts, on a clock that it may share with what
// else is simulated. Its seed is r's next number.
func NewNet(clock *Clock, r Rand, cfg NetConfig) *Net {
	n := &Net{clock: clock, cfg: cfg, trace: cfg.Trace, seed: r.Uint64(), byName: make(map[string]*Host), addrs: make([]*Host, 1)}
	if n.trace == nil {
		n.trace = new(Trace)
	}
	return n
}

// Host returns the host of that name. The first time it makes one, which is up,
// and has an address of its own, and a clock that is ahead by NetConfig.Skew at
// most.
func (n *Net) Host(name string) *Host {
	h := n.byName[name]
	if h == nil {
		h = &Host{net: n, name: name, index: len(n.hosts), sockets: make(map[uint16]*Socket), lastPort: firstEphemeral - 1}
		if n.cfg.Skew > 0 {
			h.base = int64(mix(n.seed^mix(uint64(h.index)<<48+1)) % (uint64(n.cfg.Skew) + 1))
		}
		n.settle(h)
		n.hosts = append(n.hosts, h)
		n.byName[name] = h
	}
	return h
}

// settle gives a host an address that nobody has.
func (n *Net) settle(h *Host) {
	for range maxAddress {
		n.lastAddr = n.lastAddr%maxAddress + 1
		if n.lastAddr == len(n.addrs) {
			n.addrs = append(n.addrs, nil)
		}
		if n.addrs[n.lastAddr] == nil {
			break
		}
	}
	k := n.lastAddr
	n.addrs[k] = h
	h.addr = netip.AddrFrom4([4]byte{10, byte(k >> 16), byte(k >> 8), byte(k)})
}

// owner is the host that has an address; nil if none has.
func (n *Net) owner(a netip.Addr) *Host {
	if a = a.Unmap(); !a.Is4() {
		return nil
	}
	b := a.As4()
	if k := int(b[1])<<16 | int(b[2])<<8 | int(b[3]); b[0] == 10 && k < len(n.addrs) {
		return n.addrs[k]
	}
	return nil
}

// Link returns the link that carries datagrams from one host to another, by
// their names. Hosts that do not exist are made.
func (n *Net) Link(from, to string) *Link { return n.link(n.Host(from), n.Host(to)) }

func (n *Net) link(from, to *Host) *Link {
	for len(from.links) <= to.index {
		from.links = append(from.links, nil)
	}
	l := from.links[to.index]
	if l == nil {
		l = &Link{Config: n.cfg.Link, net: n, from: from, to: to, id: uint64(from.index)<<24 | uint64(to.index)}
		l.seed = mix(n.seed ^ mix(l.id+1))
		from.links[to.index] = l
	}
	return l
}

// Heal ends what faults given to Play still do, and keeps those whose time has
// not come from happening: partitions end, links get back the Config they had,
// hosts that are down restart, those that are paused go on. Blocked and Config,
// where set by hand, stay, and so does what clocks show. Faults of single
// datagrams go on, as chance does.
func (n *Net) Heal() {
	n.healed++
	for _, h := range n.hosts {
		for _, l := range h.links {
			if l != nil {
				l.heal()
			}
		}
	}
	for _, h := range n.hosts {
		h.Resume()
		h.Restart()
	}
}

// Trace is what takes the network's events: its Sum is the same for the same
// seed and the same use.
func (n *Net) Trace() *Trace { return n.trace }

// Recorded is what chance has done to datagrams so far, where NetConfig.Record
// is set, as faults that do the same where they are played and NetConfig.Scripted
// is set: with the same seed and use that run has the same trace.
func (n *Net) Recorded() []Fault { return append([]Fault(nil), n.recorded...) }

// Faults is how many faults have done something so far: the sum of what Tally
// calls faults.
func (n *Net) Faults() int {
	sum := 0
	_, faults := n.counts()
	for _, f := range faults {
		sum += f.n
	}
	return sum
}

// Tally counts what has happened so far, by name: datagrams sent and arrived,
// and each kind of fault that did something.
func (n *Net) Tally() Tally {
	all, faults := n.counts()
	t := Tally{"datagrams sent": all.Sent, "datagrams arrived": all.Arrived}
	for _, f := range faults {
		if f.n > 0 {
			t["fault: "+f.name] = f.n
		}
	}
	return t
}

func (n *Net) counts() (all Counts, faults []counted) {
	for _, h := range n.hosts {
		for _, l := range h.links {
			if l != nil {
				all.add(&l.count)
			}
		}
	}
	c := &n.count
	return all, append(all.faults(),
		counted{"no such address", c.unreachable}, counted{"crash", c.crashes}, counted{"restart", c.restarts}, counted{"pause", c.pauses},
		counted{"clock jump", c.jumps}, counted{"clock drift", c.drifts}, counted{"rebinding", c.rebinds}, counted{"change of address", c.moves})
}

// note takes an event into the trace.
func (n *Net) note(e event, at uint64, number int) {
	n.trace.Add(uint64(e)<<56|at, uint64(n.clock.Now()), uint64(number))
}

// logf writes a line to the trace's log; callers look whether there is one.
func (n *Net) logf(format string, args ...any) {
	n.trace.Printf("%12s  %s", millis(n.clock.Now()), fmt.Sprintf(format, args...))
}

// millis prints nanoseconds.
func millis(ns int64) string { return fmt.Sprintf("%.3fms", float64(ns)/1e6) }

// mix makes of a number another that looks random (splitmix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
