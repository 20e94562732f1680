package udp

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const canBatch = true

// controlBytes has room for all control messages of a packet: UDP_GRO or
// UDP_SEGMENT, IP_TOS or IPV6_TCLASS, and one more.
const controlBytes = 96

// setUp turns on what the kernel has.
func (s *Socket) setUp(cfg Config) error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		f := int(fd)
		var sa unix.Sockaddr
		if sa, failed = unix.Getsockname(f); failed != nil {
			return
		}
		_, s.v6 = sa.(*unix.SockaddrInet6)
		if !cfg.NoBatch {
			_, err := unix.GetsockoptInt(f, unix.SOL_UDP, unix.UDP_SEGMENT)
			s.features.Segment = err == nil
			s.features.Receive = unix.SetsockoptInt(f, unix.SOL_UDP, unix.UDP_GRO, 1) == nil
		}
		// An IPv6 socket may carry IPv4: it is told both, and may not know the first.
		tos := unix.SetsockoptInt(f, unix.SOL_IP, unix.IP_RECVTOS, 1)
		df := unix.SetsockoptInt(f, unix.SOL_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
		if s.v6 {
			tos = unix.SetsockoptInt(f, unix.SOL_IPV6, unix.IPV6_RECVTCLASS, 1)
			df = unix.SetsockoptInt(f, unix.SOL_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_PROBE)
		}
		s.features.ECN, s.features.DontFragment = tos == nil, df == nil
		switch {
		case !s.features.ECN:
		case setMark(f, s.v6, usualMark):
			s.mark = usualMark
		default:
			setMark(f, s.v6, 0)
		}
	})
	if err == nil {
		err = failed
	}
	if err == nil {
		s.raw = raw
	}
	return err
}

// usualMark is what a socket sends without being told: ECT(0), as nearly all datagrams have.
// A control message would cost a connected socket its route, which is then looked up for
// each of them.
const usualMark = 2

// setMark sets what a socket sends without being told, in each address family that it
// has, and reports whether it could.
func setMark(fd int, v6 bool, mark int) bool {
	err := unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_TOS, mark)
	if v6 && err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_TCLASS, mark)
	}
	return err == nil
}

// message is a msghdr with all that it points to.
type message struct {
	hdr     unix.Msghdr
	iov     unix.Iovec
	name    [unix.SizeofSockaddrInet6]byte
	control [controlBytes]byte
}

func (m *message) point(b []byte) {
	m.iov.Base = unsafe.SliceData(b)
	m.iov.SetLen(len(b))
	m.hdr.Iov = &m.iov
	m.hdr.SetIovlen(1)
}

// reader is a Reader's system call: try is made once.
type reader struct {
	message
	n     int
	err   syscall.Errno
	try   func(fd uintptr) bool
	once  func(fd uintptr) // try, without waiting
	found bool             // by once
}

func (r *reader) prepare(s *Socket) {
	r.try = func(fd uintptr) bool {
		for {
			if !s.connected { // else it is always the same
				r.hdr.Name, r.hdr.Namelen = &r.name[0], uint32(len(r.name))
			}
			r.hdr.Control = &r.control[0]
			r.hdr.SetControllen(len(r.control))
			n, _, e := syscall.Syscall(unix.SYS_RECVMSG, fd, uintptr(unsafe.Pointer(&r.hdr)), unix.MSG_DONTWAIT)
			if e == syscall.EINTR {
				continue
			}
			if e == syscall.EAGAIN {
				return false
			}
			r.n, r.err = int(n), e
			received()
			return true
		}
	}
	r.once = func(fd uintptr) { r.found = r.try(fd) }
}

func (r *reader) readBatch(s *Socket, b []byte) (got Received, err error) {
	r.point(b)
	err = s.raw.Read(r.try)
	r.iov.Base = nil
	if err != nil {
		return got, err
	}
	return r.got(s)
}

func (r *reader) moreBatch(s *Socket, b []byte) (got Received, ok bool, err error) {
	r.point(b)
	err = s.raw.Control(r.once)
	r.iov.Base = nil
	if err != nil || !r.found {
		return got, false, nil
	}
	got, err = r.got(s)
	return got, true, err
}

// got is what the last system call brought.
func (r *reader) got(s *Socket) (got Received, err error) {
	if r.err != 0 {
		return got, sorted(r.err)
	}
	got.N, got.Segment = r.n, r.n
	if got.From = s.remote; !s.connected {
		got.From = r.from()
	}
	r.controls(&got)
	return got, nil
}

// from reads the address that the kernel has written.
func (r *reader) from() netip.AddrPort {
	port := binary.BigEndian.Uint16(r.name[2:])
	switch family := *(*uint16)(unsafe.Pointer(&r.name[0])); {
	case family == unix.AF_INET && r.hdr.Namelen >= 8:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(r.name[4:8])), port)
	case family == unix.AF_INET6 && r.hdr.Namelen >= 24:
		return netip.AddrPortFrom(netip.AddrFrom16([16]byte(r.name[8:24])).Unmap(), port)
	}
	return netip.AddrPort{}
}

// controls reads the control messages.
func (r *reader) controls(got *Received) {
	left := r.control[:min(int(r.hdr.Controllen), len(r.control))]
	for len(left) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&left[0]))
		n := int(h.Len)
		if n < unix.SizeofCmsghdr || n > len(left) {
			return
		}
		data := left[unix.SizeofCmsghdr:n]
		switch {
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && len(data) >= 2:
			if size := int(binary.NativeEndian.Uint16(data)); size > 0 {
				got.Segment = size
			}
		case h.Level == unix.SOL_IP && h.Type == unix.IP_TOS && len(data) >= 1:
			got.ECN = data[0] & 3
		case h.Level == unix.SOL_IPV6 && h.Type == unix.IPV6_TCLASS && len(data) >= 4:
			got.ECN = uint8(binary.NativeEndian.Uint32(data)) & 3
		}
		left = left[min(unix.CmsgSpace(len(data)), len(left)):]
	}
}

// writer is a Writer's system call.
type writer struct {
	message
	err syscall.Errno
	try func(fd uintptr)
	off bool // this socket takes no batches
}

func (w *writer) prepare(*Socket) {
	w.try = func(fd uintptr) {
		for {
			_, _, w.err = syscall.Syscall(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&w.hdr)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
			if w.err != syscall.EINTR {
				return
			}
		}
	}
}

// writeBatch sends b with one call if it may, else datagram by datagram.
func (w *writer) writeBatch(s *Socket, b []byte, segment int, to netip.AddrPort, ecn uint8) (n int, err error) {
	w.address(s, to)
	mapped := to.Addr().Is4()
	if s.connected {
		mapped = s.remote.Addr().Is4()
	}
	if s.features.Segment && !w.off && segment < len(b) {
		w.controls(s, mapped, ecn, segment)
		switch err := w.send(s, b); err {
		case syscall.EIO, syscall.EINVAL:
			// A device without checksums, or a segment that is too long; single
			// datagrams will show.
		default:
			if err = sort(err); err == ErrFull || lasting(err) {
				return 0, err
			}
			return len(b), err
		}
	}
	var first error
	w.controls(s, mapped, ecn, 0)
	for n < len(b) {
		p := b[n:min(n+segment, len(b))]
		err := sort(w.send(s, p))
		if err == ErrFull || lasting(err) {
			return n, err
		}
		if first == nil {
			first = err
		}
		n += len(p)
	}
	if segment < len(b) && first != ErrTooLong {
		w.off = true // it was no matter of the length
	}
	return n, first
}

func sort(err error) error {
	if err == nil {
		return nil
	}
	if err == syscall.EAGAIN {
		return ErrFull
	}
	return sorted(err)
}

func (w *writer) send(s *Socket, b []byte) error {
	w.point(b)
	sending()
	err := s.raw.Control(w.try)
	w.iov.Base = nil
	if err != nil {
		return err
	}
	if w.err != 0 {
		return w.err
	}
	return nil
}

// address writes where to.
func (w *writer) address(s *Socket, to netip.AddrPort) {
	if s.connected {
		w.hdr.Name, w.hdr.Namelen = nil, 0
		return
	}
	binary.BigEndian.PutUint16(w.name[2:], to.Port())
	w.hdr.Name = &w.name[0]
	if s.v6 {
		*(*uint16)(unsafe.Pointer(&w.name[0])) = unix.AF_INET6
		a := to.Addr().As16()
		copy(w.name[8:24], a[:])
		w.hdr.Namelen = unix.SizeofSockaddrInet6
		return
	}
	*(*uint16)(unsafe.Pointer(&w.name[0])) = unix.AF_INET
	a := to.Addr().Unmap().As4()
	copy(w.name[4:8], a[:])
	w.hdr.Namelen = unix.SizeofSockaddrInet4
}

// controls writes the control messages: the mark unless it is the socket's own, and the
// size of segments unless it is 0.
func (w *writer) controls(s *Socket, v4 bool, ecn uint8, segment int) {
	n := 0
	put := func(level, kind int32, size int) []byte {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&w.control[n]))
		h.Level, h.Type = level, kind
		h.SetLen(unix.CmsgLen(size))
		at := n + unix.SizeofCmsghdr
		n += unix.CmsgSpace(size)
		return w.control[at:]
	}
	if ecn != s.mark && s.features.ECN {
		if s.v6 && !v4 {
			binary.NativeEndian.PutUint32(put(unix.SOL_IPV6, unix.IPV6_TCLASS, 4), uint32(ecn))
		} else {
			binary.NativeEndian.PutUint32(put(unix.SOL_IP, unix.IP_TOS, 4), uint32(ecn))
		}
	}
	if segment > 0 {
		binary.NativeEndian.PutUint16(put(unix.SOL_UDP, unix.UDP_SEGMENT, 2), uint16(segment))
	}
	w.hdr.Control = nil
	if n > 0 {
		w.hdr.Control = &w.control[0]
	}
	w.hdr.SetControllen(n)
}
