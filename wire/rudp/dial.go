package rudp

import (
	"context"
	"fmt"
	"net"
	"net/netip"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/routes"
	"github.com/lupine-rpc/lupine/internal/workers"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/udp"
)

// Dial makes one session: it opens a socket and does the handshake, within ctx.
func (w *wire) Dial(ctx context.Context, to lupine.Endpoint, opts lupine.SessionOptions) (lupine.Session, error) {
	s, err := w.dial(ctx, to, opts)
	if err != nil {
		return nil, fmt.Errorf("rudp: dialing %s: %w", to.Addr, err)
	}
	return s, nil
}

func (w *wire) dial(ctx context.Context, to lupine.Endpoint, opts lupine.SessionOptions) (*session, error) {
	remote, err := resolve(ctx, to.Addr)
	if err != nil {
		return nil, err
	}
	sock, err := udp.Dial(ctx, remote, w.config.udp())
	if err != nil {
		return nil, err
	}
	s := &session{opts: opts, srv: opts.Server, index: index(), routes: new(routes.Table), workers: new(workers.Pool)}
	ec := w.config.engine(opts.Server != nil)
	ec.ID, ec.Index = secret(), s.index
	ec.Budget = w.budget
	ec.Cookie = w.tokens.take(remote.String())
	s.token = func(token []byte) { w.tokens.put(remote.String(), token) }
	ec.SameHost = sameHost(remote.Addr())
	ec.ECN = sock.Features().ECN
	if opts.UserAgent != "" {
		ec.Local.Agent = opts.UserAgent + " " + agent
	}
	if w.config.TLS != nil {
		s.hello = newHello(s, tlsConfig(w.config.TLS), false, serverName(to))
	}
	s.eng = engine.New(ec, clock())
	s.init(&w.config, sock)
	s.in, s.rbuf = sock.NewReader(), make([]byte, udp.ReadBytes)
	s.peerInfo = &lupine.Peer{Wire: "rudp", LocalAddr: sock.Local().String(), RemoteAddr: remote.String()}
	s.mu.Lock()
	s.hello.start()
	s.readBehind()
	s.settle()
	s.arm(clock())
	s.mu.Unlock()
	select {
	case <-s.opened:
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.dead != nil:
		return nil, s.hello.why(textOf(s.dead))
	case !s.isOpen:
		s.eng.Close(clock(), engine.CodeNone, "the client gave up")
		s.settle()
		s.gone(context.Cause(ctx))
		return nil, fmt.Errorf("the handshake did not end in time; is it a rudp port, and does the path carry datagrams of %d bytes? %w", engine.BaseMTU, context.Cause(ctx))
	}
	s.describe(sock.Local(), remote)
	s.refresh()
	return s, nil
}

// index draws a name for a session, not 0.
func index() uint32 { return uint32(secret()) | 1 }

// resolve returns the address of an endpoint. Names are for tests and proxies: a
// resolver has made addresses of them.
func resolve(ctx context.Context, addr string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(addr); err == nil {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	p, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "" {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(p)), nil
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(all[0].Unmap(), uint16(p)), nil
}

// serverName is whom the peer must prove to be.
func serverName(to lupine.Endpoint) string {
	if to.ServerName != "" {
		return to.ServerName
	}
	host, _, err := net.SplitHostPort(to.Addr)
	if err != nil {
		return to.Addr
	}
	return host
}
