package sim

// event is what happens, for the trace.
type event uint8

const (
	evSent event = iota + 1
	evDropped
	evArrived
	evChanged // arrived with other bytes than were sent
	evReport
	evHost // a host crashed, restarted, was paused, moved ...
	evTimer
)

// fate is what chance, or a script, does to a datagram.
type fate struct {
	lost, burst bool
	hold        int64  // so much later than in order, ns; 0: in order
	copy        int64  // a copy comes so much later; -1: none
	corrupt     uint64 // fixes what is changed; 0: nothing
}

// What is drawn for each datagram.
const (
	drawLoss = iota
	drawBurst
	drawBurstLoss
	drawDuplicate
	drawReorder
	drawCorrupt
	drawHold
	drawCopy
	drawBits
	drawJitter
	draws
)

// draw is a random number for one purpose and datagram.
func (l *Link) draw(number, what int) uint64 {
	return mix(l.seed + uint64(number*draws+what)*0x9e3779b97f4a7c15)
}

func (l *Link) chance(number, what, of1000 int) bool {
	return of1000 > 0 && l.draw(number, what)>>32*1000>>32 < uint64(of1000)
}

// fate decides, and notes what it has decided.
func (l *Link) fate(number int) fate {
	f := fate{copy: -1}
	if !l.net.cfg.Scripted {
		l.roll(number, &f)
	}
	for ; l.next < len(l.script) && l.script[l.next].Nth <= number; l.next++ {
		if s := &l.script[l.next]; s.Nth == number {
			s.decide(&f)
		}
	}
	return f
}

// roll draws a datagram's fate.
func (l *Link) roll(number int, f *fate) {
	cfg := &l.Config
	if cfg.BurstEnter > 0 || l.bad {
		turn := cfg.BurstEnter
		if l.bad {
			turn = or(cfg.BurstLeave, DefaultBurstLeave)
		}
		if l.chance(number, drawBurst, turn) {
			l.bad = !l.bad
		}
	}
	switch {
	case l.bad && l.chance(number, drawBurstLoss, or(cfg.BurstLoss, DefaultBurstLoss)):
		f.lost, f.burst = true, true
	case l.chance(number, drawLoss, cfg.Loss):
		f.lost = true
	}
	if f.lost {
		l.record(OpDrop, number, 0)
		return
	}
	late := max(or(cfg.Late, DefaultLate), 1)
	if l.chance(number, drawReorder, cfg.Reorder) {
		f.hold = 1 + int64(l.draw(number, drawHold)%uint64(late))
		l.record(OpReorder, number, f.hold)
	}
	if l.chance(number, drawDuplicate, cfg.Duplicate) {
		f.copy = int64(l.draw(number, drawCopy) % uint64(late+1))
		l.record(OpDuplicate, number, f.copy)
	}
	if l.chance(number, drawCorrupt, cfg.Corrupt) {
		f.corrupt = l.draw(number, drawBits)>>2 | 1
		l.record(OpCorrupt, number, int64(f.corrupt))
	}
}

func (l *Link) record(op Op, number int, value int64) {
	if n := l.net; n.cfg.Record && len(n.recorded) < MaxRecord {
		n.recorded = append(n.recorded, Fault{Op: op, From: l.from.name, To: l.to.name, Nth: number, Value: value})
	}
}

// decide has a fault that was played take its part in a datagram's fate.
func (s *Fault) decide(f *fate) {
	switch s.Op {
	case OpDrop:
		f.lost = true
	case OpDuplicate:
		f.copy = max(s.Value, 0)
	case OpReorder:
		f.hold = max(s.Value, 1)
	case OpCorrupt:
		f.corrupt = uint64(s.Value) | 1
	}
}

// corrupt changes b, mostly in one bit, and sometimes in some bytes, or by
// cutting its end off.
func corrupt(b []byte, seed uint64) []byte {
	x := mix(seed)
	at := int(x >> 8 % uint64(len(b)))
	switch x & 7 {
	default:
		b[at] ^= 1 << (x >> 3 & 7)
	case 5, 6:
		for i := at; i < min(at+16, len(b)); i++ {
			x = mix(x)
			b[i] ^= byte(x) | 1
		}
	case 7:
		b = b[:at]
	}
	return b
}
