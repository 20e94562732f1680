package peer

import (
	"net"

	"github.com/xtaci/kcp-go/v5"
)

// kcp-go, a session for each caller, with a length before each message. Options: its own
// "fast" mode, which acknowledges at once and flushes every 10 ms, no encryption, no
// forward error correction, and windows for large messages.

const (
	kcpInterval = 10 // ms
	kcpWindow   = 1024
)

func kcpFast(s *kcp.UDPSession) {
	s.SetNoDelay(1, kcpInterval, 2, 1)
	s.SetACKNoDelay(true)
	s.SetWriteDelay(false)
	s.SetWindowSize(kcpWindow, kcpWindow)
}

func serveKCP(s Spec, _ *Service) (Server, error) {
	lis, err := kcp.ListenWithOptions(s.Addr, nil, 0, 0)
	if err != nil {
		return nil, err
	}
	serveEach(lis, func(conn net.Conn) {
		kcpFast(conn.(*kcp.UDPSession))
		pingPong(conn)
	})
	return netListening{lis}, nil
}

func dialKCP(_ Spec, d Dialer) (Client, error) {
	s, err := kcp.DialWithOptions(d.Addr, nil, 0, 0)
	if err != nil {
		return nil, err
	}
	kcpFast(s)
	return newPingPong(s), nil
}
