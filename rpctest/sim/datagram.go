package sim

import "net/netip"

// datagram is one under way. They are used again, with their buffers.
type datagram struct {
	timer    Timer
	arrive   func()
	link     *Link
	sender   *Socket // nil: a copy
	from, to netip.AddrPort
	number   int
	inc      int // of the host it is sent to
	ecn      byte
	changed  bool
	b        []byte
	next     *datagram // free ones
}

// poison overwrites what a socket's arrive must not use any more.
var poison = func() (p [2048]byte) {
	for i := range p {
		p[i] = 0xaa
	}
	return p
}()

// carry puts a datagram under way.
func (l *Link) carry(from, to netip.AddrPort, s *Socket, ecn byte, b []byte, number int, travel int64, changed uint64) {
	n := l.net
	d := n.free
	if d == nil {
		d = new(datagram)
		d.arrive = d.arrives
	} else {
		n.free = d.next
	}
	d.link, d.sender, d.from, d.to, d.number, d.ecn, d.inc, d.changed = l, s, from, to, number, ecn, l.to.inc, false
	d.b = append(d.b[:0], b...)
	l.carried++
	l.bytes += int64(len(d.b))
	if changed != 0 && len(b) > 0 {
		l.count.Corrupted++
		d.changed = true
		full := len(d.b)
		d.b = corrupt(d.b, changed)
		l.bytes -= int64(full - len(d.b))
	}
	n.clock.set(&d.timer, travel, d.arrive)
}

// release gives a datagram back.
func (d *datagram) release() {
	copy(d.b, poison[:])
	n := d.link.net
	d.link, d.sender = nil, nil
	d.next = n.free
	n.free = d
}

// arrives is called when a datagram has come to its host.
func (d *datagram) arrives() {
	l := d.link
	l.carried--
	l.bytes -= int64(len(d.b))
	h := l.to
	if h.busy() && !h.down {
		if limit := or(l.net.cfg.ReceiveBuffer, DefaultReceiveBuffer); limit > 0 && h.heldBytes+int64(len(d.b)) > limit {
			l.drop(&l.count.Unread, d.number, "receive buffer full")
			d.release()
			return
		}
		h.heldBytes += int64(len(d.b))
		h.held = append(h.held, held{d: d})
		return
	}
	d.deliver()
}

// deliver gives a datagram to its socket.
func (d *datagram) deliver() {
	defer d.release()
	l := d.link
	h, n := l.to, l.net
	if h.down || d.inc < h.floor {
		l.drop(&l.count.Crashed, d.number, "the host has crashed")
		return
	}
	s := h.sockets[d.to.Port()]
	if s == nil || n.owner(d.to.Addr()) != h {
		l.drop(&l.count.Refused, d.number, "nobody has the port")
		if d.sender != nil {
			l.report(d.sender, Report{To: d.to, Refused: true})
		}
		return
	}
	if s.room != nil && !s.room(len(d.b)) {
		l.drop(&l.count.Unread, d.number, "receive buffer full")
		return
	}
	l.count.Arrived++
	if d.inc < h.inc {
		l.count.Stragglers++
	}
	switch {
	case d.sender == nil: // a copy is late by itself
	case d.number < l.seen:
		l.count.Reordered++
	default:
		l.seen = d.number
	}
	if d.changed {
		n.note(evChanged, l.id, d.number)
		n.trace.Bytes(d.b)
	} else {
		n.note(evArrived, l.id, d.number)
	}
	if n.trace.Log != nil {
		n.logf("%v %d: arrives", l, d.number)
	}
	if s.arrive != nil {
		s.arrive(d.from, d.ecn, d.b)
	}
}

// Report is what a sender hears of a datagram that was not delivered, as by
// ICMP. Anybody may forge such a thing: take it for a hint.
type Report struct {
	// To is where the datagram was sent.
	To netip.AddrPort
	// MTU is the longest that the link carries, in bytes of contents, where the
	// datagram was longer; otherwise zero.
	MTU int
	// Refused is that no socket has the port.
	Refused bool
}

// report sends one to a socket, if links do so and it listens.
func (l *Link) report(s *Socket, r Report) {
	if !l.Config.Reports || s == nil || s.Report == nil || l.reports >= MaxReports {
		return
	}
	back := l.net.link(l.to, l.from)
	if back.Blocked || back.blocks > 0 {
		return
	}
	l.reports++
	h := l.from
	l.net.clock.After(back.Config.Delay, func() {
		l.reports--
		h.do(s.inc, func() {
			if s.open() && s.Report != nil {
				l.net.note(evReport, l.id, r.MTU)
				s.Report(r)
			}
		})
	})
}
