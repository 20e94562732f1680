package engine

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

const (
	serverPort = 4000
	batchBytes = 64 << 10
)

// process is what runs on a host: the driver of all its sessions, new each time
// that the host restarts.
type process struct {
	w      *world
	name   string
	server bool
	host   *sim.Host
	cfg    *sideConfig

	incarnation [16]byte
	up          bool
	socket      *sim.Socket
	ends        map[uint32]*node
	order       []*node
	budget      *Budget
	cur         *node      // a client's session for new calls
	queue       []*simCall // calls that wait for a session or a slot
	dialing     *sim.Timer
	front       *Front
	token       []byte // of a client, for its next session
	inbox       []packetIn
	draining    bool // inbox has a timer
	answer      []byte
	slack       int64 // by how much pauses may make it late
	hopped      int64 // when a client took another port last; 0: never
	addresses   map[netip.AddrPort]*address
}

// packetIn is a datagram that waits to be read with others.
type packetIn struct {
	from netip.AddrPort
	ecn  byte
	b    []byte
}

func newProcess(w *world, name string, server bool) *process {
	p := &process{w: w, name: name, server: server, host: w.net.Host(name), cfg: &w.plan.client}
	if server {
		p.cfg = &w.plan.server
	}
	p.host.Boot = p.boot
	for _, f := range w.plan.faults {
		if f.Op == sim.OpPause && f.From == name {
			p.slack += f.For
		}
	}
	return p
}

// now is the time that the engines are told. It is never 0, which is "never".
func (p *process) now() int64 { return 1 + p.host.Now() }

// boot begins an incarnation.
func (p *process) boot() {
	w := p.w
	p.up = true
	binary.BigEndian.PutUint64(p.incarnation[:], w.rand.Uint64()|1)
	p.ends = make(map[uint32]*node)
	p.order, p.cur, p.inbox, p.draining = nil, nil, nil, false
	p.addresses, p.token, p.hopped = nil, nil, 0
	p.budget = NewBudget()
	p.budget.Receive = p.cfg.receive
	port := uint16(0)
	if p.server {
		port = serverPort
	}
	s, err := p.host.Socket(port, p.arrive)
	if err != nil {
		panic(err)
	}
	p.socket = s
	s.Closed = p.crashed
	if p.server {
		p.bootServer()
		return
	}
	s.Report = p.report
	p.serve()
}

// crashed is called when the host crashes: all that the process knew is gone.
func (p *process) crashed() {
	p.up = false
	for _, e := range p.order {
		e.crash()
	}
	p.queue = nil
	for _, call := range p.w.calls {
		if call.p == p {
			call.abandon()
		}
	}
	p.dialing.Stop()
	p.dialing = nil
}

func (p *process) String() string { return p.name }

// index is a name for a new session.
func (p *process) index() uint32 {
	for {
		if i := p.w.rand.Uint32(); i != 0 && p.ends[i] == nil {
			return i
		}
	}
}

// arrive takes a datagram. In some schedules what comes within a moment is read
// at once, as with GRO.
func (p *process) arrive(from netip.AddrPort, ecn byte, b []byte) {
	p.came(from, len(b))
	if p.cfg.batch == 0 {
		p.read(from, ecn, b)
		p.settle()
		return
	}
	p.inbox = append(p.inbox, packetIn{from, ecn, append([]byte(nil), b...)})
	if p.draining {
		return
	}
	p.draining = true
	p.host.After(p.cfg.batch, func() {
		p.draining = false
		inbox := p.inbox
		p.inbox = nil
		for _, in := range inbox {
			p.read(in.from, in.ecn, in.b)
		}
		p.settle()
	})
}

// settle has the sessions that got something do what follows.
func (p *process) settle() {
	for _, e := range p.order {
		if e.dirty {
			e.dirty, e.reading = false, true
			e.events()
			e.conn.Flush(e.now())
			e.reading = false
			e.settle()
		}
	}
}

// read gives a datagram to its session.
func (p *process) read(from netip.AddrPort, ecn byte, b []byte) {
	if p.server {
		p.readServer(from, ecn, b)
		return
	}
	if from != p.w.serverAddr() { // the socket is connected
		return
	}
	if e := p.find(b); e != nil {
		e.receive(from, ecn, b)
	}
}

// find returns the session that a datagram is for, or nil.
func (p *process) find(b []byte) *node {
	if len(b) < HeaderBytes {
		return nil
	}
	switch Kind(b[0]) {
	case KindData0, KindData1, KindHandshake:
		return p.ends[binary.BigEndian.Uint32(b[1:])]
	case KindHello:
		return p.ends[binary.BigEndian.Uint32(b[3:])]
	case KindRetry:
		return p.ends[binary.BigEndian.Uint32(b[2:])]
	case KindVersions:
		return p.ends[binary.BigEndian.Uint32(b[1:])]
	case KindReset: // it names what we had sent, with the peer's index
		for _, e := range p.order {
			if e.peerIndex() == binary.BigEndian.Uint32(b[1:]) && !e.dead {
				return e
			}
		}
	}
	return nil
}

func (w *world) serverAddr() netip.AddrPort {
	return netip.AddrPortFrom(w.server.host.Addr(), serverPort)
}

// serve has calls that wait begin, as far as sessions take them.
func (p *process) serve() {
	for len(p.queue) > 0 && p.up {
		if p.cur == nil || p.cur.dead || p.cur.down {
			p.dial()
			if p.cur == nil {
				return
			}
			continue
		}
		if !p.cur.open {
			return
		}
		call := p.queue[0]
		switch err := p.cur.begin(call); err {
		case nil:
			p.queue = p.queue[1:]
		case ErrDown:
			p.cur.down = true
		case ErrFull:
			p.w.did("waits for a slot")
			return
		default:
			p.w.fail(badEnd, "call %d cannot begin: %v", call.plan.key, err)
			return
		}
	}
}

// dialLater tries again in a while.
func (p *process) dialLater() {
	if p.dialing == nil {
		p.dialing = p.host.After(p.w.rand.Between(10*ms, 200*ms), func() {
			p.dialing = nil
			p.serve()
		})
	}
}

func (p *process) unqueue(call *simCall) {
	for i, c := range p.queue {
		if c == call {
			p.queue = append(p.queue[:i:i], p.queue[i+1:]...)
			return
		}
	}
}

// report takes what ICMP says.
func (p *process) report(r sim.Report) {
	for _, e := range p.order {
		if e.dead {
			continue
		}
		if r.MTU > 0 {
			e.conn.Hint(e.now(), HintTooLong)
		} else if r.Refused {
			e.hinted = true
			e.conn.Hint(e.now(), HintUnreachable)
		}
		e.events()
		e.settle()
	}
}

// address is what the oracle knows of a peer's address that a server sends to.
type address struct {
	in, out int
	proven  bool
	session bool            // a packet of a session came from there
	asked   map[string]bool // PATH_CHALLENGEs sent there
}

func (p *process) address(a netip.AddrPort) *address {
	x := p.addresses[a]
	if x == nil {
		if p.addresses == nil {
			p.addresses = make(map[netip.AddrPort]*address)
		}
		x = new(address)
		p.addresses[a] = x
	}
	return x
}

func (p *process) came(from netip.AddrPort, n int) {
	if p.server {
		p.address(from).in += n
	}
}

// send puts a datagram under way.
func (p *process) send(to netip.AddrPort, ecn byte, b []byte) {
	if p.server {
		a := p.address(to)
		most := 3
		if !a.session {
			most = 1
		}
		if a.out += len(b); !a.proven && a.out > most*a.in {
			p.w.fail(badAddress, "%d bytes were sent to %v, which has sent %d and proven nothing", a.out, to, a.in)
		}
	}
	if p.server {
		p.w.relay(to, ecn, b)
	}
	if err := p.socket.Send(to, ecn, b); err != nil {
		panic(fmt.Sprint("the simulation sends from a closed socket: ", err))
	}
}
