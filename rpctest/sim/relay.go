package sim

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// MaxRelayed is how many addresses of clients a Relay serves at once. The datagrams of
// others are dropped.
const MaxRelayed = 1024

// Relay carries real datagrams between real programs over two hosts of a Live, so that the
// links between them lose, double, delay, reorder and change what the programs send, and
// faults played concern it: a process can be tested as it is, with kill -9. It stands
// where a router that translates addresses would: to the server each client's address is a
// socket of the relay's, and another one once the client's port of the Live was rebound.
//
// ECN does not get through. What arrives within a millisecond may be delivered at once:
// timers are no finer.
//
// A Relay may be used by many goroutines at once.
type Relay struct {
	live   *Live
	from   string
	target netip.AddrPort
	near   *net.UDPConn // where clients send to
	far    *Socket      // at the host that stands for the server's side

	mu      sync.Mutex
	closed  bool
	clients map[netip.AddrPort]*relayed     // by their real address
	servers map[netip.AddrPort]*net.UDPConn // by the address in the Live that they answer to
	refused int
}

// relayed is a client of a Relay.
type relayed struct {
	addr   netip.AddrPort
	socket *Socket
}

// Relay opens a UDP socket at listen, such as "127.0.0.1:0", and carries what it receives
// over the link from one host to another, from where it goes to target, a UDP address. Answers
// go back over the link in the other direction. Close the Relay before the Live.
func (l *Live) Relay(from, to, listen, target string) (*Relay, error) {
	addr, err := net.ResolveUDPAddr("udp", target)
	if err != nil {
		return nil, fmt.Errorf("sim: relay to %q: %w", target, err)
	}
	at, err := net.ResolveUDPAddr("udp", listen)
	if err != nil {
		return nil, fmt.Errorf("sim: relay at %q: %w", listen, err)
	}
	r := &Relay{live: l, from: from, target: addr.AddrPort(), clients: map[netip.AddrPort]*relayed{}, servers: map[netip.AddrPort]*net.UDPConn{}}
	if r.near, err = net.ListenUDP("udp", at); err != nil {
		return nil, fmt.Errorf("sim: relay at %q: %w", listen, err)
	}
	l.Do(func(n *Net) { r.far, err = n.Host(to).Socket(0, r.arrive) })
	if err != nil {
		r.near.Close()
		return nil, err
	}
	go r.read()
	return r, nil
}

// Addr is where clients send to.
func (r *Relay) Addr() string { return r.near.LocalAddr().String() }

// Refused is how many datagrams came from clients beyond MaxRelayed, or found their host
// down.
func (r *Relay) Refused() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused
}

// Rebind gives every client another port, as a router does that has lost its table: the
// server sees new addresses.
func (r *Relay) Rebind() {
	r.mu.Lock()
	var list []*Socket
	for _, c := range r.clients {
		list = append(list, c.socket)
	}
	r.mu.Unlock()
	r.live.Do(func(*Net) {
		for _, s := range list {
			s.Rebind()
		}
	})
}

// Close ends the relay. What is under way does not arrive. A second Close does nothing.
func (r *Relay) Close() {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return
	}
	r.closed = true
	clients, servers := r.clients, r.servers
	r.clients, r.servers = nil, nil
	r.mu.Unlock()
	r.near.Close()
	for _, conn := range servers {
		conn.Close()
	}
	r.live.Do(func(*Net) {
		r.far.Close()
		for _, c := range clients {
			c.socket.Close()
		}
	})
}

// read takes the clients' datagrams.
func (r *Relay) read() {
	buf := make([]byte, MaxDatagram)
	for {
		n, from, err := r.near.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue // a client has gone, which its socket reports once
		}
		c := r.client(from)
		if c == nil {
			continue
		}
		r.live.Do(func(*Net) { c.socket.Send(r.far.Addr(), 0, buf[:n]) })
	}
}

// client returns the client of a real address, nil if there is no room for it.
func (r *Relay) client(addr netip.AddrPort) *relayed {
	r.mu.Lock()
	c := r.clients[addr]
	if r.closed || c == nil && len(r.clients) >= MaxRelayed {
		r.refused++
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()
	if c != nil {
		return c
	}
	c = &relayed{addr: addr}
	var err error
	r.live.Do(func(n *Net) {
		c.socket, err = n.Host(r.from).Socket(0, func(_ netip.AddrPort, _ byte, b []byte) { r.near.WriteToUDPAddrPort(b, addr) })
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || r.closed {
		r.refused++
		return nil
	}
	c.socket.Closed = func() { r.forget(addr) } // its host has crashed
	r.clients[addr] = c
	return c
}

func (r *Relay) forget(addr netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.clients, addr)
}

// arrive gives what has crossed the link to the server. The Live calls it.
func (r *Relay) arrive(from netip.AddrPort, _ byte, b []byte) {
	r.mu.Lock()
	conn := r.servers[from]
	switch {
	case r.closed:
	case conn == nil && len(r.servers) >= 2*MaxRelayed:
		r.refused++
	case conn == nil:
		var err error
		if conn, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(r.target)); err != nil {
			r.refused++
			break
		}
		r.servers[from] = conn
		go r.answer(conn, from)
	}
	r.mu.Unlock()
	if conn != nil {
		conn.Write(b) // a server that is not there is one that loses datagrams
	}
}

// answer takes the server's datagrams for one client.
func (r *Relay) answer(conn *net.UDPConn, to netip.AddrPort) {
	buf := make([]byte, MaxDatagram)
	for {
		n, err := conn.Read(buf)
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			continue // refused: once for each datagram that was sent
		}
		r.live.Do(func(*Net) { r.far.Send(to, 0, buf[:n]) })
	}
}
