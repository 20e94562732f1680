package sim

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// Live is a Net for whole programs, with goroutines of their own, that take
// PacketConns for their sockets: its clock is that of package time. In a bubble
// of testing/synctest, where that clock is virtual, a test of seconds or hours
// takes no time and waits for nothing but the programs. A Live made in a bubble
// must be used in it alone.
//
// What a seed fixes is what becomes of each link's nth datagram: lost, doubled,
// late, and by how much. What it does not fix is which datagram is the nth where
// several goroutines send at one moment, and who runs first of those whose timers
// fire at one moment: the scheduler decides that. So a run of a program that
// sends from one goroutine for each host mostly repeats, one of other programs
// need not, and Trace's sums may differ. For runs that repeat exactly, drive a
// Net by hand.
//
// Live and its PacketConns may be used by many goroutines at once.
type Live struct {
	mu    sync.Mutex
	clock Clock
	net   *Net
	began time.Time
	timer *time.Timer
	armed int64 // what the timer is set to; -1: nothing
	conns []*PacketConn
}

// NewLive returns a network without hosts. Close it.
func NewLive(r Rand, cfg NetConfig) *Live {
	l := &Live{began: time.Now(), armed: -1}
	l.net = NewNet(&l.clock, r, cfg)
	return l
}

// Do calls f with the network, while nothing else happens in it: to change
// links, crash hosts, play faults, look at counts. f must not keep the Net, and
// must not use the Live or its PacketConns; nor must a Host's Boot, but either
// may start a goroutine that does.
func (l *Live) Do(f func(*Net)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.arm()
	l.clock.RunUntil(int64(time.Since(l.began)))
	f(l.net)
}

// arm sets the timer to what is due next.
func (l *Live) arm() {
	at, ok := l.clock.Next()
	switch {
	case !ok:
		return // a timer that fires for nothing does no harm
	case l.armed >= 0 && l.armed <= at && l.armed > l.clock.Now():
		return // it fires before that, and looks again
	}
	l.armed = at
	d := time.Duration(at) - time.Since(l.began)
	if l.timer == nil {
		l.timer = time.AfterFunc(d, l.fire)
	} else {
		l.timer.Reset(d)
	}
}

func (l *Live) fire() { l.Do(func(*Net) { l.armed = -1 }) }

// Close closes all PacketConns, and what is under way does not arrive.
func (l *Live) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.conns) > 0 {
		l.conns[0].close()
	}
	l.clock = Clock{now: l.clock.now}
	if l.timer != nil {
		l.timer.Stop()
	}
}

// ListenPacket opens a port of a host, as net.ListenPacket does; 0 is one that is
// free. It fails where Host.Socket does. A Crash of the host closes the
// PacketConn; after a Restart a new one can be opened.
func (l *Live) ListenPacket(host string, port uint16) (conn *PacketConn, err error) {
	l.Do(func(n *Net) {
		c := &PacketConn{live: l}
		c.ready.L = &l.mu
		if c.socket, err = n.Host(host).Socket(port, c.arrive); err != nil {
			return
		}
		c.socket.Closed, c.socket.room = c.gone, c.room
		conn = c
		l.conns = append(l.conns, c)
	})
	return conn, err
}

// PacketConn is a socket of a Live: a net.PacketConn whose addresses are
// *net.UDPAddr. What has come and was not read is bounded by
// NetConfig.ReceiveBuffer.
type PacketConn struct {
	live     *Live
	socket   *Socket
	ready    sync.Cond
	queue    []received
	first    int
	bytes    int64
	closed   bool
	deadline time.Time
	timer    *time.Timer
}

type received struct {
	from netip.AddrPort
	b    []byte
}

var _ net.PacketConn = (*PacketConn)(nil)

// room reports whether so many bytes more may wait to be read. It is called with
// live.mu held, as all that the Net calls is.
func (c *PacketConn) room(size int) bool {
	limit := or(c.socket.host.net.cfg.ReceiveBuffer, DefaultReceiveBuffer)
	return limit < 0 || c.bytes+int64(size) <= limit
}

func (c *PacketConn) arrive(from netip.AddrPort, _ byte, b []byte) {
	c.queue = append(c.queue, received{from, append([]byte(nil), b...)})
	c.bytes += int64(len(b))
	c.ready.Signal()
}

// ReadFrom waits for a datagram and copies it to p, less what does not fit. Its
// error wraps net.ErrClosed or os.ErrDeadlineExceeded.
func (c *PacketConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(p)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromUDPAddrPort is ReadFrom, as net.UDPConn has it.
func (c *PacketConn) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, netip.AddrPort{}, c.fail("read", net.ErrClosed)
		case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
			return 0, netip.AddrPort{}, c.fail("read", os.ErrDeadlineExceeded)
		case c.first < len(c.queue):
			r := c.queue[c.first]
			c.queue[c.first] = received{}
			if c.first++; c.first == len(c.queue) {
				c.queue, c.first = c.queue[:0], 0
			}
			c.bytes -= int64(len(r.b))
			return copy(p, r.b), r.from, nil
		}
		c.ready.Wait()
	}
}

// WriteTo sends p to a *net.UDPAddr. It never waits, so that a deadline does not
// concern it.
func (c *PacketConn) WriteTo(p []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, c.fail("write", fmt.Errorf("%v is a %T: give a *net.UDPAddr", to, to))
	}
	return c.WriteToUDPAddrPort(p, udp.AddrPort())
}

// WriteToUDPAddrPort is WriteTo, as net.UDPConn has it.
func (c *PacketConn) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	var err error
	c.live.Do(func(*Net) { err = c.socket.Send(to, 0, p) })
	if err != nil {
		return 0, c.fail("write", err)
	}
	return len(p), nil
}

func (c *PacketConn) fail(op string, err error) error {
	return &net.OpError{Op: op, Net: "udp", Source: net.UDPAddrFromAddrPort(c.socket.Addr()), Err: err}
}

// Close closes the socket. A second Close fails with net.ErrClosed.
func (c *PacketConn) Close() error {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.close()
	return nil
}

func (c *PacketConn) close() {
	c.socket.Close()
	c.gone()
}

// gone wakes those who read, for ever.
func (c *PacketConn) gone() {
	c.closed = true
	c.queue, c.first, c.bytes = nil, 0, 0
	if c.timer != nil {
		c.timer.Stop()
	}
	c.ready.Broadcast()
	for i, o := range c.live.conns {
		if o == c {
			c.live.conns = append(c.live.conns[:i], c.live.conns[i+1:]...)
			break
		}
	}
}

// LocalAddr is the socket's address, a *net.UDPAddr. It changes where the host
// moves or its ports are rebound.
func (c *PacketConn) LocalAddr() net.Addr {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	return net.UDPAddrFromAddrPort(c.socket.Addr())
}

// SetDeadline is SetReadDeadline.
func (c *PacketConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline sets until when reads wait; zero is for ever.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	c.deadline = t
	if c.timer != nil {
		c.timer.Stop()
	}
	if !t.IsZero() {
		c.timer = time.AfterFunc(time.Until(t), func() {
			c.live.mu.Lock()
			defer c.live.mu.Unlock()
			c.ready.Broadcast()
		})
	}
	c.ready.Broadcast()
	return nil
}

// SetWriteDeadline does nothing: writes never wait.
func (c *PacketConn) SetWriteDeadline(time.Time) error { return nil }
