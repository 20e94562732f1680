package peer

import (
	"context"
	"net"
	"net/netip"
	"runtime"

	"github.com/lupine-rpc/lupine/bench/benchpb"
)

// The floor of UDP: a socket per caller, on which it writes a datagram and reads the same
// back, and one socket at the server with a goroutine for each processor. Nothing is
// resent: on loopback nothing is lost while no more than one datagram a caller is under way.

const udpMax = 64 << 10

type udpServer struct{ conn *net.UDPConn }

func (s udpServer) Addr() string { return s.conn.LocalAddr().String() }
func (s udpServer) Close() error { return s.conn.Close() }

func serveUDP(s Spec, _ *Service) (Server, error) {
	addr, err := net.ResolveUDPAddr("udp", s.Addr)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", addr)
	if err != nil {
		return nil, err
	}
	for range runtime.GOMAXPROCS(0) {
		go func() {
			buf := make([]byte, udpMax)
			for {
				n, from, err := conn.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				if _, err := conn.WriteToUDPAddrPort(buf[:n], from); err != nil {
					return
				}
			}
		}()
	}
	return udpServer{conn}, nil
}

type udpClient struct {
	none
	conn  *net.UDPConn
	in    []byte
	reply benchpb.Message
}

func dialUDP(_ Spec, d Dialer) (Client, error) {
	addr, err := netip.ParseAddrPort(d.Addr)
	if err != nil {
		return nil, err
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		return nil, err
	}
	return &udpClient{conn: conn, in: make([]byte, udpMax)}, nil
}

// Echo returns a message that the next Echo overwrites.
func (c *udpClient) Echo(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	if _, err := c.conn.Write(m.Payload); err != nil {
		return nil, err
	}
	n, err := c.conn.Read(c.in)
	if err != nil {
		return nil, err
	}
	c.reply.Payload = c.in[:n]
	return &c.reply, nil
}

func (c *udpClient) Close() error { return c.conn.Close() }
