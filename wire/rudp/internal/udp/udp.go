// Package udp is the sockets under package rudp: batches of datagrams with one
// system call where the kernel takes them (UDP_SEGMENT, UDP_GRO), congestion marks
// (RFC 3168), don't-fragment, and no allocation for each datagram. Elsewhere, and
// where it is asked for, datagrams go one at a time through package net.
package udp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

const (
	// MaxBatch is the most bytes that one system call sends or receives: what a UDP
	// packet can be long, with its headers.
	MaxBatch = 65_507
	// ReadBytes is how long a Reader's buffer has to be so that nothing is cut off.
	ReadBytes = 1 << 16
	// MaxSegments is the most datagrams of one system call (UDP_MAX_SEGMENTS of
	// Linux, 64 before 6.9).
	MaxSegments = 64
	// wantBuffer is what is asked for of the kernel, in bytes, for each direction. It
	// gives what net.core.rmem_max and wmem_max allow.
	wantBuffer = 4 << 20
)

// Config is how a Socket is opened. The zero value asks for all that the system has.
type Config struct {
	// Plain turns off all that package net does not do: batches, marks,
	// don't-fragment.
	Plain bool
	// NoBatch turns off UDP_SEGMENT and UDP_GRO alone.
	NoBatch bool
}

// Features says what a Socket can do.
type Features struct {
	Segment      bool // UDP_SEGMENT: many datagrams are sent at once
	Receive      bool // UDP_GRO: many are received at once
	ECN          bool // marks are read and set
	DontFragment bool
}

// Socket is one UDP socket. Its methods are safe for concurrent use. Readers and
// Writers of it are not, but there may be any number of Writers.
type Socket struct {
	conn      *net.UDPConn
	raw       syscall.RawConn // nil: plain
	connected bool
	v6        bool // its addresses are IPv6's, mapped IPv4's included
	features  Features
	mark      uint8 // what is sent without being told
	local     netip.AddrPort
	remote    netip.AddrPort
}

// Listen opens a socket at addr, "host:port", for any peer.
func Listen(ctx context.Context, addr string, cfg Config) (*Socket, error) {
	pc, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	return open(pc.(*net.UDPConn), cfg)
}

// Dial opens a socket for one peer. Nothing is sent.
func Dial(ctx context.Context, to netip.AddrPort, cfg Config) (*Socket, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "udp", to.String())
	if err != nil {
		return nil, err
	}
	return Adopt(c.(*net.UDPConn), to, cfg)
}

// Adopt makes a Socket of one that is connected to a peer.
func Adopt(c *net.UDPConn, to netip.AddrPort, cfg Config) (*Socket, error) {
	s, err := open(c, cfg)
	if err == nil {
		s.connected, s.remote = true, to
	}
	return s, err
}

func open(conn *net.UDPConn, cfg Config) (*Socket, error) {
	s := &Socket{conn: conn, local: addrOf(conn.LocalAddr())}
	// What the kernel refuses is its administrator's choice.
	conn.SetReadBuffer(wantBuffer)
	conn.SetWriteBuffer(wantBuffer)
	if cfg.Plain || !canBatch {
		return s, nil
	}
	if err := s.setUp(cfg); err != nil {
		conn.Close()
		return nil, fmt.Errorf("setting up a UDP socket: %w", err)
	}
	return s, nil
}

func addrOf(a net.Addr) netip.AddrPort {
	u, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	p := u.AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// Local is the socket's address.
func (s *Socket) Local() netip.AddrPort { return s.local }

// Remote is the peer that was dialed; not valid for a socket of Listen.
func (s *Socket) Remote() netip.AddrPort { return s.remote }

// Features says what the socket can do, as far as is known: see [Writer.Write].
func (s *Socket) Features() Features { return s.features }

// SetReadDeadline makes Read return, with an error that is a timeout, at t. Zero is
// never.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// Close closes the socket. Reads and Waits end with net.ErrClosed.
func (s *Socket) Close() error { return s.conn.Close() }

// Errors that are about the path and not the socket.
var (
	// ErrRefused: somebody said that nobody has the peer's port (ICMP). It may be
	// forged, but on loopback.
	ErrRefused = errors.New("nobody listens there (ICMP port unreachable)")
	// ErrTooLong: a datagram was longer than the path, or the device, takes.
	ErrTooLong = errors.New("the datagram is longer than the path takes")
	// ErrUnreachable: the system knows no way to the peer from the socket's address, or does
	// not let us send: the network has changed, or a firewall's rules. For a peer of many
	// that is as good as loss.
	ErrUnreachable = errors.New("there is no way to the peer from this socket's address")
	// ErrFull: the kernel takes no more at the moment; see Wait.
	ErrFull = errors.New("the socket's buffer is full")
)

// sorted turns what the kernel said into this package's errors. Loss is no error, so
// what is as good as it is nil: no buffers. EINVAL is what Linux says when the socket's own
// address is gone.
func sorted(err error) error {
	for _, e := range passing {
		if errors.Is(err, e.errno) {
			return e.means
		}
	}
	return err
}

var passing = []struct {
	errno syscall.Errno
	means error
}{
	{syscall.ECONNREFUSED, ErrRefused}, {syscall.EMSGSIZE, ErrTooLong},
	{syscall.ENOBUFS, nil}, {syscall.ENOMEM, nil}, {syscall.ENETUNREACH, ErrUnreachable}, {syscall.EHOSTUNREACH, ErrUnreachable},
	{syscall.ENETDOWN, ErrUnreachable}, {syscall.EADDRNOTAVAIL, ErrUnreachable}, {syscall.EINVAL, ErrUnreachable},
	{syscall.EPERM, ErrUnreachable}, {syscall.EACCES, ErrUnreachable},
}

// Received is what one Read brought: N bytes that are datagrams of Segment bytes
// each, but the last, which may be shorter, all of one sender.
type Received struct {
	N, Segment int
	From       netip.AddrPort
	ECN        uint8 // the two bits of the IP header
}

// Each calls f with each datagram of b, which was read into.
func (r *Received) Each(b []byte, f func([]byte)) {
	b = b[:r.N]
	for len(b) > r.Segment && r.Segment > 0 {
		f(b[:r.Segment:r.Segment])
		b = b[r.Segment:]
	}
	f(b[:len(b):len(b)])
}

// Reader receives. It is for one goroutine at a time.
type Reader struct {
	s *Socket
	reader
}

// NewReader returns a Reader.
func (s *Socket) NewReader() *Reader {
	r := &Reader{s: s}
	if s.raw != nil {
		r.prepare(s)
	}
	return r
}

// Read receives into b, which should be of ReadBytes. It waits. ErrRefused, ErrTooLong
// and ErrUnreachable, and passing errors, leave the socket usable; N is 0 then.
func (r *Reader) Read(b []byte) (Received, error) {
	if r.s.raw != nil {
		return r.readBatch(r.s, b)
	}
	var got Received
	n, from, err := r.s.conn.ReadFromUDPAddrPort(b)
	if err != nil {
		return got, sorted(err)
	}
	got.N, got.Segment = n, n
	got.From = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	return got, nil
}

// More is Read of what is here already: it does not wait. ok is false if there is nothing,
// and always for a plain socket.
func (r *Reader) More(b []byte) (got Received, ok bool, err error) {
	if r.s.raw == nil {
		return got, false, nil
	}
	return r.moreBatch(r.s, b)
}

// Writer sends. It is for one goroutine at a time.
type Writer struct {
	s *Socket
	writer
}

// NewWriter returns a Writer.
func (s *Socket) NewWriter() *Writer {
	w := &Writer{s: s}
	if s.raw != nil {
		w.prepare(s)
	}
	return w
}

// Write sends b as datagrams of segment bytes each, but the last, which may be
// shorter: at most MaxBatch bytes and MaxSegments datagrams. to is not valid for the
// peer that was dialed. It does not wait, except without batches; n is what has been
// sent, whole datagrams, and ErrFull says that the rest has to be sent again later. A
// datagram that is lost for want of buffers counts as sent, and so does one of ErrUnreachable. When the kernel
// takes no batch, it tries the datagrams one by one, and then so for ever.
func (w *Writer) Write(b []byte, segment int, to netip.AddrPort, ecn uint8) (n int, err error) {
	s := w.s
	if s.raw != nil {
		return w.writeBatch(s, b, segment, to, ecn)
	}
	var first error
	for n < len(b) {
		p := b[n:min(n+segment, len(b))]
		if s.connected {
			_, err = s.conn.Write(p)
		} else {
			_, err = s.conn.WriteToUDPAddrPort(p, to)
		}
		if err = sorted(err); err != nil && !lasting(err) && first == nil {
			first, err = err, nil
		}
		if err != nil && lasting(err) {
			return n, err
		}
		n += len(p)
	}
	return n, first
}

// lasting reports whether more datagrams would have it no better.
func lasting(err error) bool {
	return err != nil && err != ErrTooLong && err != ErrRefused && err != ErrUnreachable
}

// Wait waits until the kernel takes more. It is for a goroutine of its own.
func (s *Socket) Wait() error {
	if s.raw == nil {
		return nil
	}
	first := true
	return s.raw.Write(func(uintptr) bool {
		was := first
		first = false
		return !was
	})
}
