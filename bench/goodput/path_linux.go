package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/lupine-rpc/lupine/rpctest/sim"
)

const (
	tunName = "lupine-path"
	tunMTU  = 1500
	// What listens is at near; what is sent to far goes through the device and comes
	// back as if far had sent it to near.
	near, far = "10.87.109.1", "10.87.109.2"
)

// path is a tun device behind which there is a link: each packet that the kernel sends to
// far is delayed, limited or lost, and handed back with its two addresses exchanged, which
// leaves all checksums right. So both ends of a connection are on this machine.
type path struct {
	tun      *os.File
	live     *sim.Live
	up, down *sim.Socket
	port     atomic.Uint32 // the server's: which way a packet goes
}

// openPath makes the device and its links.
func openPath(s settings, loss float64, seed uint64) (*path, error) {
	tun, err := openTun()
	if err != nil {
		return nil, err
	}
	bytes := int64(s.mbit) * 1e6 / 8
	cfg := sim.LinkConfig{
		Delay: int64(s.rtt) / 2,
		Rate:  bytes,
		Queue: max(int64(float64(bytes)*s.rtt.Seconds()), 64<<10), // what is under way, once more
		Loss:  int(loss * 10),
	}
	p := &path{tun: tun, live: sim.NewLive(sim.NewRand(seed, 1), sim.NetConfig{Link: cfg, ReceiveBuffer: -1})}
	back := func(_ netip.AddrPort, _ byte, b []byte) { p.tun.Write(b) }
	p.live.Do(func(n *sim.Net) {
		if p.up, err = n.Host("client").Socket(1, back); err == nil {
			p.down, err = n.Host("server").Socket(1, back)
		}
	})
	if err != nil {
		p.close()
		return nil, err
	}
	go p.read()
	return p, nil
}

// read takes what the kernel sends.
func (p *path) read() {
	b := make([]byte, 64<<10)
	for {
		n, err := p.tun.Read(b)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil || n < 24 || b[0]>>4 != 4 {
			continue
		}
		var src [4]byte
		copy(src[:], b[12:16])
		copy(b[12:16], b[16:20])
		copy(b[16:20], src[:])
		to := binary.BigEndian.Uint16(b[int(b[0]&15)*4+2:])
		p.live.Do(func(*sim.Net) {
			if uint32(to) == p.port.Load() {
				p.up.Send(p.down.Addr(), 0, b[:n])
			} else {
				p.down.Send(p.up.Addr(), 0, b[:n])
			}
		})
	}
}

// through returns where to dial to reach a server that listens at addr, through the path.
func (p *path) through(addr string) string {
	at := netip.MustParseAddrPort(addr)
	p.port.Store(uint32(at.Port()))
	return netip.AddrPortFrom(netip.MustParseAddr(far), at.Port()).String()
}

func (p *path) close() {
	p.live.Close()
	p.tun.Close()
}

func openTun() (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/net/tun: %w (it takes root and the tun module)", err)
	}
	if err := setUp(fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "tun"), nil
}

// setUp gives the device its name and address, and switches it on.
func setUp(fd int) error {
	req, err := unix.NewIfreq(tunName)
	if err != nil {
		return err
	}
	req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, req); err != nil {
		return fmt.Errorf("make the device %s: %w (is another run going on?)", tunName, err)
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	addr, mask := netip.MustParseAddr(near).As4(), [4]byte{255, 255, 255, 252}
	for _, step := range []struct {
		what string
		code uint
		set  func(*unix.Ifreq) error
	}{
		{"address", unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(addr[:]) }},
		{"netmask", unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr(mask[:]) }},
		{"MTU", unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(tunMTU); return nil }},
		{"flags", unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }},
	} {
		req, err := unix.NewIfreq(tunName)
		if err == nil {
			err = step.set(req)
		}
		if err == nil {
			err = unix.IoctlIfreq(s, step.code, req)
		}
		if err != nil {
			return fmt.Errorf("set the %s of %s: %w", step.what, tunName, err)
		}
	}
	return nil
}

// cubic has a TCP socket use CUBIC.
func cubic(fd uintptr) error {
	return unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "cubic")
}
