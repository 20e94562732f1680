package h2

import (
	"net"

	"github.com/lupine-rpc/lupine"
	"golang.org/x/sys/unix"
)

// peerUser asks the kernel who is at the other end of a unix socket.
func peerUser(c *net.UnixConn) *lupine.UserID {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	var user *lupine.UserID
	raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			user = &lupine.UserID{UID: cred.Uid, GID: cred.Gid, PID: cred.Pid}
		}
	})
	return user
}

// userTimeout bounds how long sent bytes may stay unacknowledged, in
// milliseconds; 0 is the kernel's own choice.
func userTimeout(c *net.TCPConn, ms int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, ms)
	})
}
