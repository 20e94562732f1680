package sim

import (
	"math"
	"math/bits"
	"net/netip"
)

// LinkConfig is how a link behaves. Times are nanoseconds, sizes bytes of a
// datagram's contents (headers do not count), chances of 1000: 1000 or more is
// always. Below zero is none where nothing else is said. The zero value carries
// everything at once.
type LinkConfig struct {
	// Delay is how long each datagram travels, and Jitter how much longer at most.
	// Jitter alone does not let one overtake another.
	Delay, Jitter int64
	// Rate is how many bytes leave a second; zero is no limit. What cannot leave
	// at once waits in a queue of Queue bytes, and what does not fit is dropped;
	// a datagram that finds the queue empty always fits. Zero is DefaultQueue,
	// negative no limit.
	Rate, Queue int64
	// UnderWay bounds the memory of a link: how many bytes may be in its queue and
	// travel at once. What comes beyond is dropped. Zero is DefaultUnderWay,
	// negative no limit.
	UnderWay int64
	// Loss is how often a datagram is lost, each by itself.
	Loss int
	// BurstEnter, BurstLeave and BurstLoss are losses in bursts (the model of
	// Gilbert and Elliott): how often, at a datagram, a good link turns bad, a bad
	// one good, and a datagram on a bad one is lost. Zero is never for BurstEnter,
	// DefaultBurstLeave and DefaultBurstLoss for the others.
	BurstEnter, BurstLeave, BurstLoss int
	// Duplicate, Reorder and Corrupt are how often a copy of a datagram arrives
	// some time after it, a datagram comes so late that others overtake it, and
	// some of its bits are wrong or its end is missing.
	Duplicate, Reorder, Corrupt int
	// Late is how much later a reordered datagram or a copy arrives at most. Zero
	// is DefaultLate.
	Late int64
	// MTU is the longest datagram that is carried; zero is any. A longer one
	// vanishes, as in a black hole, unless Reports is set.
	MTU int
	// Reports has the sender's Socket.Report hear of datagrams longer than MTU,
	// and of those that came to a port where nobody listens, as ICMP does. Reports
	// travel over the link in the other direction, with its Delay, if that is not
	// blocked.
	Reports bool
	// Mark is above how many bytes in the queue datagrams get the mark CE, if they
	// have one of ECT(0) and ECT(1) (RFC 3168, section 5); zero is never. Bleach
	// clears both bits of all datagrams, as some routers do.
	Mark   int64
	Bleach bool
}

// Counts is what has become of datagrams. Sent + Duplicated is the sum of
// Arrived, of the fields from Lost to Refused, and of what is under way or waits
// at a paused host.
type Counts struct {
	// Sent is how many were sent, Arrived how many were given to a socket.
	Sent, Arrived int
	// Lost and BurstLost were lost by chance (or by a fault played, which counts as
	// Lost), Blocked by a partition, Overflowed for want of room in the queue or
	// under way, TooBig for being longer than MTU.
	Lost, BurstLost, Blocked, Overflowed, TooBig int
	// Crashed were lost since their host was down or had crashed since, Unread
	// for want of room in the receiver's buffer, Refused since no socket of the
	// host had their port.
	Crashed, Unread, Refused int
	// Duplicated is how many copies were made, Corrupted how many were changed,
	// Reordered how many arrived after one that was sent later; Marked got the
	// mark CE, Bleached lost their ECN bits. Stragglers were sent to an earlier
	// incarnation of their host, and arrived at a later one.
	Duplicated, Corrupted, Reordered, Marked, Bleached, Stragglers int
}

func (c *Counts) add(o *Counts) {
	c.Sent += o.Sent
	c.Arrived += o.Arrived
	c.Lost += o.Lost
	c.BurstLost += o.BurstLost
	c.Blocked += o.Blocked
	c.Overflowed += o.Overflowed
	c.TooBig += o.TooBig
	c.Crashed += o.Crashed
	c.Unread += o.Unread
	c.Refused += o.Refused
	c.Duplicated += o.Duplicated
	c.Corrupted += o.Corrupted
	c.Reordered += o.Reordered
	c.Marked += o.Marked
	c.Bleached += o.Bleached
	c.Stragglers += o.Stragglers
}

// counted is a number with a name.
type counted struct {
	name string
	n    int
}

// faults are the fields that count what went wrong.
func (c *Counts) faults() []counted {
	return []counted{
		{"loss", c.Lost}, {"loss in a burst", c.BurstLost}, {"partition", c.Blocked}, {"queue full", c.Overflowed},
		{"longer than MTU", c.TooBig}, {"lost in a crash", c.Crashed}, {"receive buffer full", c.Unread}, {"port closed", c.Refused},
		{"duplicate", c.Duplicated}, {"corruption", c.Corrupted}, {"reordering", c.Reordered}, {"mark CE", c.Marked},
		{"ECN cleared", c.Bleached}, {"straggler", c.Stragglers},
	}
}

// Link is one direction of what joins two hosts. A host has one to itself too.
type Link struct {
	// Config may be changed at any time; what is under way is not touched.
	Config LinkConfig
	// Blocked lets nothing through: one direction of a partition. What is under
	// way still arrives.
	Blocked bool

	net      *Net
	from, to *Host
	id, seed uint64
	count    Counts
	carried  int   // datagrams that are under way, bytes
	bytes    int64 // of them
	free     int64 // when all that is queued has left,
	rest     int64 // and of a nanosecond later: rest/Rate
	last     int64 // when the latest of those in order arrives
	seen     int   // highest number that has arrived
	bad      bool  // in a burst of losses
	reports  int   // under way
	blocks   int   // partitions played that hold
	weather  int   // number of the last Config played
	calm     LinkConfig
	stormy   bool // calm is to be restored

	script []Fault // by Nth
	next   int     // in script
}

// Counts is what has become of the link's datagrams so far.
func (l *Link) Counts() Counts { return l.count }

// UnderWay is how many datagrams, copies included, have not arrived yet, and
// their bytes. Those that wait at a paused host have arrived.
func (l *Link) UnderWay() (datagrams int, size int64) { return l.carried, l.bytes }

// Queued is how many bytes wait for the link's Rate, the rest of the datagram
// that is leaving included.
func (l *Link) Queued() int64 {
	wait := l.free - l.net.clock.Now()
	if wait <= 0 || l.Config.Rate <= 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(wait), uint64(l.Config.Rate))
	if hi >= 1e9 {
		return math.MaxInt64
	}
	q, r := bits.Div64(hi, lo, 1e9)
	if r > 0 {
		q++
	}
	return int64(min(q, math.MaxInt64))
}

func (l *Link) String() string { return l.from.name + ">" + l.to.name }

func (l *Link) heal() {
	l.blocks = 0
	l.clearUp(l.weather)
}

// clearUp ends the weather of that number, if no other has come since.
func (l *Link) clearUp(weather int) {
	if l.stormy && l.weather == weather {
		l.Config, l.stormy = l.calm, false
	}
}

// send takes a datagram of a socket of l.from.
func (l *Link) send(from, to netip.AddrPort, s *Socket, ecn byte, b []byte) {
	l.count.Sent++
	number := l.count.Sent
	cfg := &l.Config
	l.net.note(evSent, l.id, number)
	l.net.trace.Bytes(b)
	if l.net.trace.Log != nil {
		l.net.logf("%v %d: %d bytes from %v to %v", l, number, len(b), from, to)
	}
	size := int64(len(b))
	if l.Blocked || l.blocks > 0 {
		l.drop(&l.count.Blocked, number, "blocked")
		return
	}
	if cfg.MTU > 0 && len(b) > cfg.MTU {
		l.drop(&l.count.TooBig, number, "longer than the MTU")
		l.report(s, Report{To: to, MTU: cfg.MTU})
		return
	}
	queued := l.Queued()
	if limit := or(cfg.UnderWay, DefaultUnderWay); limit > 0 && l.bytes+size > limit {
		l.drop(&l.count.Overflowed, number, "too much under way")
		return
	}
	if limit := or(cfg.Queue, DefaultQueue); limit > 0 && queued > 0 && queued+size > limit {
		l.drop(&l.count.Overflowed, number, "queue full")
		return
	}
	ecn = l.mark(ecn, queued)
	wait := l.leave(size)
	f := l.fate(number)
	if f.lost {
		n := &l.count.Lost
		if f.burst {
			n = &l.count.BurstLost
		}
		l.drop(n, number, "lost")
		return
	}
	travel := wait + max(cfg.Delay, 0)
	if cfg.Jitter > 0 {
		travel += int64(l.draw(number, drawJitter) % uint64(cfg.Jitter+1))
	}
	if now := l.net.clock.Now(); f.hold == 0 {
		l.last = max(l.last, now+travel)
		travel = l.last - now
	}
	l.carry(from, to, s, ecn, b, number, travel+f.hold, f.corrupt)
	if f.copy >= 0 {
		l.count.Duplicated++
		l.carry(from, to, nil, ecn, b, number, travel+f.hold+f.copy, 0)
	}
}

// or is v, or def if that is zero.
func or[T int | int64](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// mark does what routers do to the two bits of ECN.
func (l *Link) mark(ecn byte, queued int64) byte {
	ecn &= 3
	if l.Config.Bleach {
		if ecn != 0 {
			l.count.Bleached++
		}
		return 0
	}
	if l.Config.Mark > 0 && queued > l.Config.Mark && (ecn == 1 || ecn == 2) {
		l.count.Marked++
		return 3
	}
	return ecn
}

// leave has size bytes leave behind what is queued, and returns when the last of
// them is gone, in nanoseconds from now. Parts of a nanosecond are kept, so that
// a busy link's rate is exact.
func (l *Link) leave(size int64) int64 {
	now := l.net.clock.Now()
	rate := l.Config.Rate
	if rate <= 0 {
		return max(l.free-now, 0)
	}
	if l.free <= now {
		l.free, l.rest = now, 0
	}
	need := size*1e9 + l.rest
	l.free += need / rate
	l.rest = need % rate
	return l.free - now
}

// drop ends a datagram's way.
func (l *Link) drop(count *int, number int, why string) {
	*count++
	l.net.note(evDropped, l.id, number)
	if l.net.trace.Log != nil {
		l.net.logf("%v %d: %s", l, number, why)
	}
}
