package engine

import (
	"net/netip"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// What somebody does who means it: peers that break the protocol, and people on
// the path with an address of their own.

const (
	badCheat = "a dishonest peer"
	badPath  = "a reply that nobody would send again"
)

// cheat is a way of breaking the protocol. frame makes a frame that no honest peer
// sends, to be read by c; nil: c has nothing to break now. The session must then end with
// code at once, and no application hears of the frame.
type cheat struct {
	name  string
	code  Code
	frame func(c *Conn, r sim.Rand) []byte
}

var cheats = []cheat{
	{"a call while its slot's call runs", CodeProtocol, func(c *Conn, r sim.Rand) []byte {
		if s := c.anyBusy(r, nil); s != nil {
			call, _ := AppendHead(nil, &Head{Path: paths[0]}, nil, nil)
			call = append(call, SealMessage(make([]byte, MessageRoom), CompressionNone)...)
			return AppendStream(nil, StreamLength|StreamFin, CallName{uint64(s.index), s.seq + 1}, 0, call)
		}
		return nil
	}},
	{"an ACK for packets that were never sent", CodeProtocol, func(c *Conn, r sim.Rand) []byte {
		high := c.sent.next + uint64(r.IntN(3))
		return AppendAck(nil, 0, []AckRange{{high - min(high, uint64(r.IntN(100))), high}})
	}},
	{"bytes beyond a grant", CodeFlow, func(c *Conn, r sim.Rand) []byte {
		if s := c.anyBusy(r, func(s *slot) bool { return !s.in.ended }); s != nil {
			return AppendStream(nil, StreamLength, s.name(), s.in.credit, []byte("x"))
		}
		return nil
	}},
	{"a slot beyond MAX_SLOTS", CodeFlow, func(c *Conn, r sim.Rand) []byte {
		return AppendStream(nil, StreamLength|StreamFin, CallName{c.announced + uint64(r.IntN(2)), 1}, 0, []byte("x"))
	}},
	{"a stream with two ends", CodeProtocol, func(c *Conn, r sim.Rand) []byte {
		if s := c.anyBusy(r, func(s *slot) bool { return s.in.ended && s.in.end < s.in.credit }); s != nil {
			return AppendStream(nil, StreamLength|StreamFin, s.name(), s.in.end, []byte("x"))
		}
		return nil
	}},
	{"a frame of no known type", CodeProtocol, func(*Conn, sim.Rand) []byte { return []byte{0x3f} }},
	{"an id that means another thing", CodeProtocol, func(c *Conn, _ sim.Rand) []byte {
		if c.rdict.Get(1) == nil {
			return nil
		}
		return AppendDefine(nil, 1, []byte("/another.Service/Method"))
	}},
}

// anyBusy returns a slot of the peer's whose call is not over, one of those that pass.
func (c *Conn) anyBusy(r sim.Rand, pass func(*slot) bool) *slot {
	from := r.IntN(max(len(c.theirs), 1))
	for i := range c.theirs {
		s := c.theirs[(from+i)%len(c.theirs)]
		if s != nil && (s.state == slotReceiving || s.state == slotRunning) && (pass == nil || pass(s)) {
			return s
		}
	}
	return nil
}

// cheated puts what a dishonest peer says before the frames of a packet of its, if the
// program wants that and there is something to break.
func (e *node) cheated(p *Packet) *cheat {
	if e.cheat == 0 || !e.open || e.conn.phase != phaseOpen || p.Kind.Level() != LevelData || e.conn.window.seen(p.Number) {
		return nil
	}
	if h := &cheats[e.cheat-1]; p.Kind == KindData0 || p.Kind == KindData1 {
		if f := h.frame(e.conn, e.w.rand); f != nil {
			e.cheat = 0
			p.Frames = append(f, p.Frames...)
			e.closed, e.tricked = true, true
			e.peer.tricked = true
			e.w.did("fault: dishonest peer: " + h.name)
			e.w.logf("%v: its peer sends %s", e, h.name)
			return h
		}
	}
	return nil
}

// punished checks what became of a dishonest peer's session.
func (e *node) punished(h *cheat) {
	if h != nil && (!e.conn.Over() || e.conn.session.code != h.code) {
		e.w.fail(badCheat, "%v was sent %s, and has not ended with %v (it says %v)", e, h.name, h.code, e.conn.session.code)
	}
}

// A middleman is somebody on the path. For a while he holds datagrams of a client back,
// and some of them reach the server first from an address of his own, as copies that are
// as good. What the server sends there he passes on to the client, as if the server had
// sent it, so that the client answers the server's challenges.
type middleman struct {
	until int64
	addr  netip.AddrPort
}

const middlePort = 777

// middle lets a middleman at work on the datagrams that come to e.
func (e *node) middle(value int64) {
	e.between = middleman{e.w.Now() + 1 + value%(300*ms), netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 201, 0, byte(e.pair.n)}), middlePort)}
	e.w.did("fault: middleman")
}

// intercept has the middleman handle a datagram from e's client. It reports whether it
// did.
func (e *node) intercept(from netip.AddrPort, ecn byte, b []byte) bool {
	m, w, p := &e.between, e.w, e.p
	if w.Now() >= m.until || from == m.addr || w.calm > 0 {
		return false
	}
	b = append([]byte(nil), b...)
	if w.rand.IntN(2) == 0 {
		w.did("datagrams that came from a middleman first")
		p.came(m.addr, len(b))
		e.receive(m.addr, ecn, b)
	}
	socket := p.socket
	held := append([]byte(nil), b...)
	p.host.After(w.rand.Between(0, 5*ms), func() {
		if p.socket == socket && p.up {
			e.receive(from, ecn, held)
			p.settle()
		}
	})
	return true
}

// relay passes on what a server sends to a middleman.
func (w *world) relay(to netip.AddrPort, ecn byte, b []byte) {
	if to.Port() != middlePort {
		return
	}
	for _, h := range w.hosts {
		if !h.up || h.find(b) == nil {
			continue
		}
		socket, held := h.socket, append([]byte(nil), b...)
		h.host.After(w.rand.Between(0, 2*ms), func() {
			if h.socket == socket && h.up {
				w.did("datagrams that a middleman passed on")
				h.arrive(w.serverAddr(), ecn, held)
			}
		})
	}
}

// probedFor looks at the calls that a PROBE asks for. Its sender has nothing unacked, so
// an ACK of each call's request has left without its reply, whose callee then has to
// send it until it is acked (5.2): a reply that is lazy now would be nobody's.
func (e *node) probedFor(f *Frame) {
	for l := f.Calls; l.Count > 0; {
		n := l.Next()
		if s := e.conn.theirCall(n); s != nil && s.seq == n.Seq && s.state == slotDone && !s.ended && s.lazy {
			e.w.fail(badPath, "%v: the reply of slot %d, seq %d is lazy, and its caller has to PROBE for it", e, n.Slot, n.Seq)
		}
	}
}

// checkAssembly looks at messages that were granted more than their windows, whole: they
// have to fit into Assembly, but for one that is alone.
func (e *node) checkAssembly() {
	if e.conn.Over() {
		return
	}
	n, sum := 0, uint64(0)
	for _, list := range [][]*slot{e.conn.mine, e.conn.theirs} {
		for _, s := range list {
			if s == nil || s.state != slotSent && s.state != slotReceiving && s.state != slotRunning || s.in.discard || s.in.msgEnd == 0 || s.in.credit < s.in.msgEnd || s.in.msgEnd-s.in.read <= s.in.window {
				continue
			}
			n++
			sum += s.in.msgEnd - s.in.read
		}
	}
	if n > 1 && sum > uint64(e.p.cfg.assembly) {
		e.w.fail(badMemory, "%v has granted %d messages of %d bytes in all; Assembly is %d", e, n, sum, e.p.cfg.assembly)
	}
	if n > 1 {
		e.w.did("several large messages at once")
	}
}
