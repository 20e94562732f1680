package engine

import (
	"encoding/binary"
	"net/netip"
)

// pathState is where the peer is (4.5). At a client nothing of it changes.
type pathState struct {
	here     netip.AddrPort // the address in use; not valid where the socket knows it
	old      netip.AddrPort // on trial: where we came from
	trial    bool
	data     uint64 // of the latest challenge
	changed  int64  // when the address changed last
	asked    int64  // when the challenge was sent, or was to be
	tries    int
	got, out int64  // bytes from and to an address on trial
	highest  uint64 // one more than the highest number that came
	ask      bool   // PATH_CHALLENGE is to be sent

	ecnFailed bool
	ecnSent   uint64 // packets with ECT(0) that were acked or are under way
	ce        uint64 // CE that the peer has told of
	ect0      uint64
}

func (p *pathState) init(c *Conn) {}

// to is the address of the next packet.
func (p *pathState) to() netip.AddrPort { return p.here }

// room is how long the next datagram may be: an address on trial gets three times
// of what came from it.
func (p *pathState) room(most int) int {
	if !p.trial {
		return most
	}
	return int(min(int64(most), 3*p.got-p.out))
}

// leastPath is the least that is worth sending to an address on trial.
const leastPath = 64

// stuck reports whether nothing may be sent where the peer seems to be.
func (p *pathState) stuck() bool { return p.trial && p.room(leastPath) < leastPath }

func (p *pathState) sent(size int) {
	if p.trial {
		p.out += int64(size)
	}
}

// ecn reports whether the next packet is marked ECT(0).
func (p *pathState) ecn(c *Conn) bool { return c.cfg.ECN && !p.ecnFailed && c.phase == phaseOpen }

// seenFrom notes where a packet came from (4.5).
func (c *Conn) seenFrom(now int64, p *Packet) {
	s := &c.path
	newest := p.Number+1 > s.highest
	if newest {
		s.highest = p.Number + 1
	}
	if !c.cfg.Server || !p.From.IsValid() {
		return
	}
	if !s.here.IsValid() {
		s.here = p.From
		return
	}
	if s.trial && p.From == s.here {
		s.got += int64(p.Size)
	}
	if !newest || p.From == s.here || p.Kind.Level() != LevelData {
		return
	}
	switch {
	case s.trial && p.From == s.old:
		c.settlePath(s.old)
	case s.trial && now-s.changed < c.ptoBase(LevelData):
	default:
		if !s.trial {
			s.old = s.here
		}
		s.here, s.trial, s.changed, s.tries = p.From, true, now, 0
		s.got, s.out = int64(p.Size), 0
		s.ask, s.asked, s.data = true, now, 0
	}
}

// settlePath ends a trial: the address is the peer's.
func (c *Conn) settlePath(to netip.AddrPort) {
	s := &c.path
	s.here, s.trial, s.ask, s.asked = to, false, false, 0
}

// tick challenges again, and goes back when nobody answers.
func (p *pathState) tick(c *Conn, now int64) {
	if !p.trial || now < p.asked+3*c.ptoBase(LevelData) {
		return
	}
	if p.ask {
		p.tries++ // it did not fit in what may be sent there
	}
	if p.tries >= 3 {
		c.settlePath(p.old)
		return
	}
	p.ask, p.asked = true, now
}

func (p *pathState) next(c *Conn) int64 {
	if !p.trial {
		return 0
	}
	return p.asked + 3*c.ptoBase(LevelData)
}

// challengeFrame takes in PATH_CHALLENGE: the answer goes where it came from.
func (c *Conn) challengeFrame(now int64, p *Packet, f *Frame) *Error {
	if err := c.waste(now); err != nil {
		return err
	}
	a := pathAnswer{to: p.From}
	copy(a.data[:], f.Data)
	if len(c.challenges) == 0 {
		c.challenges = append(c.challenges, a)
	}
	return nil
}

// responseFrame takes in PATH_RESPONSE.
func (c *Conn) responseFrame(now int64, p *Packet, f *Frame) {
	s := &c.path
	if !s.trial || s.data == 0 || p.From != s.here || binary.BigEndian.Uint64(f.Data) != s.data {
		return
	}
	moved := s.here.Addr() != s.old.Addr()
	c.settlePath(s.here)
	if moved {
		c.anew()
	}
}

// anew forgets what is known of the path: it is another one.
func (c *Conn) anew() {
	c.rtt = RTT{}
	c.search = mtuState{wanted: c.search.wanted}
	c.cc = c.cfg.Congestion(BaseMTU)
	c.setMTU(BaseMTU)
}

// Silence returns how many PTOs there were in a row, and for how long, in nanoseconds,
// nothing opened that came, if somebody waits for the peer.
func (c *Conn) Silence(now int64) (ptos int, quiet int64) {
	if c.phase != phaseOpen || !c.waits() {
		return 0, 0
	}
	return c.ptoCount, now - c.session.quiet()
}

// buildPath makes a packet with PATH_RESPONSE or PATH_CHALLENGE.
func (c *Conn) buildPath(now int64, b *Batch) bool {
	answer := len(c.challenges) > 0
	f := c.beginPacket(now, b, LevelData, BaseMTU)
	to := c.path.to()
	f.body = len(f.b)
	if answer {
		a := c.challenges[0]
		c.challenges = c.challenges[:0]
		to = a.to
		f.b = AppendPath(f.b, TypePathResponse, binary.BigEndian.Uint64(a.data[:]))
	} else {
		s := &c.path
		s.data = c.cfg.Rand()
		s.ask, s.asked = false, now
		s.tries++
		f.b = AppendPath(f.b, TypePathChallenge, s.data)
		f.elicits = true
	}
	c.settleLazies()
	c.finishPacket(now, b, LevelData, false)
	b.List[len(b.List)-1].To = to
	return true
}

// marks takes in the counts of ACK_ECN (5.5; RFC 9000, 13.4). acked is how many
// packets with ECT(0) it newly acks, ecn whether it has counts at all.
func (c *Conn) marks(now int64, a *Ack, ecn bool, acked int, newest int64) {
	p := &c.path
	if !c.cfg.ECN || p.ecnFailed || acked == 0 && !ecn {
		return
	}
	if !ecn || a.CE < p.ce || a.ECT0 < p.ect0 || a.ECT0+a.CE > p.ecnSent || a.ECT1 > 0 || a.ECT0+a.CE-p.ect0-p.ce < uint64(acked) {
		p.ecnFailed = true // somebody on the path changes or clears them
		return
	}
	if a.CE > p.ce {
		c.cc.Marked(now, newest)
	}
	p.ce, p.ect0 = a.CE, a.ECT0
}
