package engine

import (
	"encoding/binary"
	"net/netip"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

// simFaults are the faults that begin at a time.
var simFaults = []sim.Op{sim.OpBlock, sim.OpBlock, sim.OpLink, sim.OpLink, sim.OpPause, sim.OpDrift, sim.OpCrash, sim.OpCrash, sim.OpJump, sim.OpRebind, sim.OpMove}

// dial makes a session for new calls.
func (p *process) dial() {
	if p.w.plan.direct {
		p.direct()
		return
	}
	w := p.w
	pr := w.newPair()
	e := newNode(p, pr, w.serverAddr())
	cfg := e.config()
	cfg.Cookie = p.token
	p.cur = e
	e.start(cfg)
	if w.plan.tls {
		e.hello()
	}
	e.events()
	e.settle()
}

func (w *world) newPair() *joint {
	pr := &joint{w: w, n: len(w.pairs), id: w.rand.Uint64()}
	pr.attempts = [2]map[CallName]*attempt{{}, {}}
	w.pairs = append(w.pairs, pr)
	return pr
}

func (p *process) bootServer() {
	cfg := FrontConfig{Mode: ModePlain}
	if p.w.plan.tls {
		cfg.Mode = ModeTLS
	}
	binary.BigEndian.PutUint64(cfg.Secret[:], p.w.rand.Uint64())
	p.front = NewFront(cfg, p.now())
}

// readServer gives a datagram to its session, or to the front of all.
func (p *process) readServer(from netip.AddrPort, ecn byte, b []byte) {
	if e := p.find(b); e != nil && Kind(b[0]) != KindHello {
		if e.intercept(from, ecn, b) {
			return
		}
		if e.race { // somebody on the path is faster, with a copy that is as good
			e.race = false
			p.w.did("datagrams that were copied and came first")
			spoofed := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 200, 0, 1}), 666)
			p.came(spoofed, len(b))
			e.receive(spoofed, ecn, append([]byte(nil), b...))
		}
		e.receive(from, ecn, b)
		return
	}
	var in Packet
	size := len(b)
	answer, verdict := p.front.Handle(p.now(), b, from, &in, p.answer[:0])
	if verdict == VerdictSession { // nobody has it
		p.w.did("datagrams for sessions that are not known")
		answer, verdict = p.front.Unknown(p.now(), b, answer)
	}
	p.answer = answer
	switch verdict {
	case VerdictAnswer:
		p.w.did("answers without a session")
		p.send(from, 0, answer)
	case VerdictHello:
		in.From, in.ECN, in.Size = from, ecn, size
		p.hello(&in)
	}
}

// hello gives a HELLO whose address is proven to its session, or makes it.
func (p *process) hello(in *Packet) {
	w := p.w
	p.address(in.From).proven = true
	var pr *joint
	for _, other := range w.pairs {
		if other.id == in.Hello.ID {
			pr = other
		}
	}
	if pr == nil {
		w.fail(badBooks, "a session was asked for by nobody")
		return
	}
	e := pr.server
	if e == nil || e.p != p || e.crashed {
		if e != nil {
			w.did("handshakes that the server has forgotten")
			pr.attempts[1] = map[CallName]*attempt{}
		}
		e = newNode(p, pr, in.From)
		cfg := e.config()
		cfg.PeerIndex = in.Hello.From
		cfg.Token = p.front.Token(p.now(), in.From.Addr())
		e.start(cfg)
	}
	if e.dead {
		return
	}
	e.take(in)
}

// startHigh has the calls of a client's first slots be counted from near 2^16.
func (e *node) startHigh() {
	c := e.conn
	for i := range uint32(min(e.w.plan.server.slots, 16)) {
		c.mine = append(c.mine, &slot{mine: true, index: i, seq: 65530})
		c.free.put(i)
	}
}
