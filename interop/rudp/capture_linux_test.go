package rudp

import (
	"encoding/binary"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// capture counts the UDP datagrams to and from one port that cross the loopback interface,
// as a packet socket sees them. It needs the right to open one.
type capture struct {
	fd   int
	port uint16
}

func newCapture(t *testing.T, addr string) *capture {
	t.Helper()
	at := netip.MustParseAddrPort(addr)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	need(t, "a packet socket to count datagrams with", err)
	t.Cleanup(func() { unix.Close(fd) })
	lo, err := ifIndex("lo")
	if err != nil {
		t.Fatal(err)
	}
	// Only what comes in: each datagram on loopback leaves once and comes in once.
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: htons(unix.ETH_P_IP), Ifindex: lo}); err != nil {
		t.Fatal(err)
	}
	unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
	return &capture{fd, at.Port()}
}

func ifIndex(name string) (int, error) {
	req, err := unix.NewIfreq(name)
	if err != nil {
		return 0, err
	}
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer unix.Close(s)
	if err := unix.IoctlIfreq(s, unix.SIOCGIFINDEX, req); err != nil {
		return 0, err
	}
	return int(req.Uint32()), nil
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// count returns how many datagrams there were since the last count, once none has come for
// a while; it fails where the socket could not hold them all.
func (c *capture) count(t *testing.T, quiet time.Duration) (n int) {
	t.Helper()
	tv := unix.NsecToTimeval(int64(quiet / 4)) // others may use the interface without a pause
	if err := unix.SetsockoptTimeval(c.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 64<<10)
	for last := time.Now(); time.Since(last) < quiet; {
		size, _, err := unix.Recvfrom(c.fd, b, 0)
		switch err {
		case nil:
		case syscall.EINTR, syscall.EAGAIN:
			continue
		default:
			t.Fatal(err)
		}
		head := int(b[0]&15) * 4
		if size < head+8 || b[9] != unix.IPPROTO_UDP {
			continue
		}
		from, to := binary.BigEndian.Uint16(b[head:]), binary.BigEndian.Uint16(b[head+2:])
		if from == c.port || to == c.port {
			n++
			last = time.Now()
		}
	}
	stats, err := unix.GetsockoptTpacketStats(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil || stats.Drops > 0 {
		t.Fatalf("the packet socket: %v, %+v", err, stats)
	}
	return n
}
