package sim

import (
	"fmt"
	"net"
	"net/netip"
)

// firstEphemeral is where the ports begin that a host gives out (RFC 6335,
// section 6).
const firstEphemeral = 49152

// Host is a machine of a Net: an address, sockets and a clock. It can crash and
// restart, each time as a new incarnation.
type Host struct {
	// Boot is called by Restart to start the host's programs: it opens their
	// sockets and sets their timers. It may be nil.
	Boot func()

	net      *Net
	name     string
	index    int
	addr     netip.Addr
	links    []*Link // by index of the other host
	sockets  map[uint16]*Socket
	order    []*Socket // as they were opened
	lastPort uint16
	down     bool
	inc      int // incarnations before this one
	floor    int // what was sent to earlier ones is lost

	since, base, ppm int64 // the clock showed base at since

	until     int64 // paused
	held      []held
	heldAt    int
	heldBytes int64
}

// held is something that waits for a paused host.
type held struct {
	d   *datagram
	run func()
}

// Name is the host's name.
func (h *Host) Name() string { return h.name }

// Addr is the host's address, in 10.0.0.0/8.
func (h *Host) Addr() netip.Addr { return h.addr }

// Incarnation is how often the host has crashed.
func (h *Host) Incarnation() int { return h.inc }

// Up reports whether the host runs. One that is paused does.
func (h *Host) Up() bool { return !h.down }

// Now is what the host's clock shows, in nanoseconds.
func (h *Host) Now() int64 {
	e := h.net.clock.Now() - h.since
	return h.base + e + e/1e6*h.ppm + e%1e6*h.ppm/1e6
}

// After has run called when d nanoseconds have passed by the host's clock, which
// drift changes and a jump does not: a Go timer runs on the monotonic clock. It
// runs late on a host that is paused, and not at all on one that has crashed
// since.
func (h *Host) After(d int64, run func()) *Timer {
	inc := h.inc
	body := func() {
		if h.inc == inc {
			h.net.note(evTimer, uint64(h.index), 0)
			run()
		}
	}
	var t *Timer
	t = h.net.clock.After(h.elapse(d), func() {
		if !h.busy() {
			body()
			return
		}
		t.run = body // for Stop
		h.held = append(h.held, held{run: func() {
			if run := t.run; run != nil {
				t.run = nil
				run()
			}
		}})
	})
	return t
}

// elapse is how long d nanoseconds of the host's clock take, rounded up.
func (h *Host) elapse(d int64) int64 {
	m := 1e6 + h.ppm
	if d <= 0 || h.ppm == 0 {
		return d
	}
	return d/m*1e6 + (d%m*1e6+m-1)/m
}

func (h *Host) anchor() { h.base, h.since = h.Now(), h.net.clock.Now() }

// Jump moves the host's clock by d nanoseconds, at once: backwards if it is
// negative.
func (h *Host) Jump(d int64) {
	h.anchor()
	h.base += d
	h.net.count.jumps++
	h.did("clock jumps by %s", millis(d))
}

// Drift has the host's clock run faster by ppm millionths from now on; slower if
// it is negative. It is held to half a million either way.
func (h *Host) Drift(ppm int) {
	h.anchor()
	h.ppm = int64(min(max(ppm, -500_000), 500_000))
	h.net.count.drifts++
	h.did("clock drifts by %d ppm", ppm)
}

// Crash stops the host and all that runs on it: its sockets are closed, its
// timers never run. What it has sent arrives all the same. What is under way to
// it is lost, unless stragglers are wanted: then what arrives after a Restart
// reaches the sockets that are open then. A host that is down stays so.
func (h *Host) Crash(stragglers bool) {
	if h.down {
		return
	}
	h.down = true
	h.inc++
	if !stragglers {
		h.floor = h.inc
	}
	h.net.count.crashes++
	h.did("crashes")
	for _, s := range h.order {
		s.closed = true
		if s.Closed != nil {
			s.Closed()
		}
	}
	h.order = nil
	clear(h.sockets)
	h.until = 0
	for _, w := range h.held[h.heldAt:] {
		if w.d != nil {
			l := w.d.link
			l.drop(&l.count.Crashed, w.d.number, "the host has crashed")
			w.d.release()
		}
	}
	h.held, h.heldAt, h.heldBytes = nil, 0, 0
}

// Restart starts a host that is down, at the address it had, without sockets and
// timers, and calls Boot.
func (h *Host) Restart() {
	if !h.down {
		return
	}
	h.down = false
	h.net.count.restarts++
	h.did("restarts")
	if h.Boot != nil {
		h.Boot()
	}
}

// Pause has the host do nothing for d nanoseconds, as SIGSTOP does: datagrams
// wait, as far as NetConfig.ReceiveBuffer holds them, and so do timers.
func (h *Host) Pause(d int64) {
	if h.down || d <= 0 {
		return
	}
	h.net.count.pauses++
	h.did("pauses for %s", millis(d))
	h.until = max(h.until, h.net.clock.Now()+d)
	h.net.clock.After(d, h.wake)
}

// Resume ends a pause.
func (h *Host) Resume() {
	h.until = 0
	h.wake()
}

// busy reports whether what comes must wait.
func (h *Host) busy() bool { return h.net.clock.Now() < h.until || h.heldAt < len(h.held) }

// wake does what has waited.
func (h *Host) wake() {
	for h.heldAt < len(h.held) && h.net.clock.Now() >= h.until {
		w := h.held[h.heldAt]
		h.held[h.heldAt] = held{}
		if h.heldAt++; h.heldAt == len(h.held) {
			h.held, h.heldAt = h.held[:0], 0
		}
		if w.d != nil {
			h.heldBytes -= int64(len(w.d.b))
			w.d.deliver()
		} else {
			w.run()
		}
	}
}

// do has the incarnation of a host do something, when it is not paused.
func (h *Host) do(inc int, run func()) {
	switch {
	case h.inc != inc:
	case h.busy():
		h.held = append(h.held, held{run: run})
	default:
		run()
	}
}

// Move gives the host another address, as a machine that changes networks gets
// one. Its sockets go with it and keep their ports; what is under way to the old
// address is lost.
func (h *Host) Move() netip.Addr {
	n := h.net
	b := h.addr.As4()
	n.settle(h)
	n.addrs[int(b[1])<<16|int(b[2])<<8|int(b[3])] = nil
	n.count.moves++
	h.did("moves to %v", h.addr)
	return h.addr
}

// did takes what happens to a host into the trace.
func (h *Host) did(format string, args ...any) {
	n := h.net
	n.note(evHost, uint64(h.index), 0)
	n.trace.Bytes([]byte(format))
	if n.trace.Log != nil {
		n.logf("%s %s", h.name, fmt.Sprintf(format, args...))
	}
}

// Socket is an open port of a Host.
type Socket struct {
	// Report is called, where it is not nil, when a datagram that was sent is
	// reported as not delivered: see LinkConfig.Reports.
	Report func(Report)
	// Closed is called, where it is not nil, when the host crashes.
	Closed func()

	host   *Host
	port   uint16
	inc    int
	closed bool
	arrive func(from netip.AddrPort, ecn byte, b []byte)
	room   func(size int) bool // nil: always
}

// Socket opens a port; 0 is one that is free. arrive is called with each
// datagram: who sent it, its two bits of ECN (RFC 3168, section 5), and its
// contents, which are overwritten when arrive returns. Nil forgets them. Socket
// fails if the host is down or the port open.
func (h *Host) Socket(port uint16, arrive func(from netip.AddrPort, ecn byte, b []byte)) (*Socket, error) {
	switch {
	case h.down:
		return nil, fmt.Errorf("sim: host %s is down: restart it before a socket is opened", h.name)
	case port != 0 && h.sockets[port] != nil:
		return nil, fmt.Errorf("sim: port %d of host %s is open already: close its socket first, or take another port", port, h.name)
	case port == 0:
		if port = h.ephemeral(); port == 0 {
			return nil, fmt.Errorf("sim: host %s has no free port: close sockets that are no longer used", h.name)
		}
	}
	s := &Socket{host: h, port: port, inc: h.inc, arrive: arrive}
	h.sockets[port] = s
	h.order = append(h.order, s)
	return s, nil
}

// ephemeral returns a port that is free, and was not used lately; 0 if none is.
func (h *Host) ephemeral() uint16 {
	for range 1<<16 - firstEphemeral {
		if h.lastPort++; h.lastPort < firstEphemeral {
			h.lastPort = firstEphemeral
		}
		if h.sockets[h.lastPort] == nil {
			return h.lastPort
		}
	}
	return 0
}

func (s *Socket) open() bool { return !s.closed }

// Addr is where datagrams reach the socket.
func (s *Socket) Addr() netip.AddrPort { return netip.AddrPortFrom(s.host.addr, s.port) }

// Send puts a copy of b under way, with two bits of ECN. It fails, with an error
// that wraps net.ErrClosed, if the socket is closed, and if b is longer than
// MaxDatagram. An address that no host has takes anything and gives it to nobody.
func (s *Socket) Send(to netip.AddrPort, ecn byte, b []byte) error {
	if s.closed {
		return fmt.Errorf("sim: send from a socket of %s: %w", s.host.name, net.ErrClosed)
	}
	if len(b) > MaxDatagram {
		return fmt.Errorf("sim: a datagram of %d bytes: send at most %d", len(b), MaxDatagram)
	}
	n := s.host.net
	h := n.owner(to.Addr())
	if h == nil {
		n.count.unreachable++
		n.note(evDropped, uint64(s.host.index), 0)
		return nil
	}
	n.link(s.host, h).send(s.Addr(), to, s, ecn, b)
	return nil
}

// Rebind gives the socket another port, as a NAT does that has forgotten it:
// its peers see datagrams come from elsewhere, and what they send to the old
// address is lost. It returns the new address. A closed socket keeps its old one.
func (s *Socket) Rebind() netip.AddrPort {
	h := s.host
	if port := h.ephemeral(); port != 0 && !s.closed {
		delete(h.sockets, s.port)
		s.port = port
		h.sockets[port] = s
		h.net.count.rebinds++
		h.did("has another port")
	}
	return s.Addr()
}

// Close closes the socket: nothing arrives any more. It may be called twice.
func (s *Socket) Close() {
	if s.closed {
		return
	}
	s.closed = true
	h := s.host
	delete(h.sockets, s.port)
	for i, o := range h.order {
		if o == s {
			h.order = append(h.order[:i], h.order[i+1:]...)
			break
		}
	}
}
