package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/naming"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// Dial makes one session: it connects, does the TLS handshake, and waits for the
// server's SETTINGS, all within ctx.
func (w *wire) Dial(ctx context.Context, to lupine.Endpoint, opts lupine.SessionOptions) (lupine.Session, error) {
	if w.config.HandshakeTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, w.config.HandshakeTimeout)
		defer cancel()
	}
	raw, proxied, err := w.connect(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("h2: dialing %s: %w", to.Addr, err)
	}
	s, err := w.greet(ctx, raw, to, proxied, opts)
	if err != nil {
		raw.Close()
		if ctx.Err() != nil {
			err = fmt.Errorf("the handshake did not end in time: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("h2: dialing %s: %w", to.Addr, err)
	}
	return s, nil
}

// network says what package net is to dial.
func network(to lupine.Endpoint) string {
	if to.Attributes[naming.NetworkAttribute] == naming.UnixNetwork {
		return "unix"
	}
	return "tcp"
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

// connect opens the connection below TLS. It says whether that leads through a
// proxy.
func (w *wire) connect(ctx context.Context, to lupine.Endpoint) (c net.Conn, proxied bool, err error) {
	network := network(to)
	dial := w.config.Dialer
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	if network == "tcp" {
		through, err := w.proxyFor(to)
		if err != nil {
			return nil, false, err
		}
		if through != nil {
			c, err = connectThrough(ctx, dial, through, to.Addr)
			return c, true, err
		}
	}
	c, err = dial(ctx, network, to.Addr)
	if err == nil && c == nil {
		err = errors.New("Config.Dialer returned neither a connection nor an error")
	}
	return c, false, err
}

// greet does the handshakes on raw.
func (w *wire) greet(ctx context.Context, raw net.Conn, to lupine.Endpoint, proxied bool, opts lupine.SessionOptions) (*session, error) {
	// The context ends the handshake by making reads and writes fail.
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(kickTime) })
	defer stop()
	sk := newSock(raw)
	s := &session{
		encs: w.encs, scheme: "http", agent: userAgent(opts.UserAgent),
		blocks: make(map[*lupine.Method]*hpack.Block),
	}
	s.authority = authority(to)
	var secure *tls.Conn
	if w.config.TLS != nil {
		s.scheme = "https"
		var err error
		if secure, err = handshake(ctx, sk, w.config.TLS, serverName(to)); err != nil {
			return nil, err
		}
	}
	ec := w.config.engine(false)
	ec.Drained = s.drained
	s.init(sk, secure, engine.New(ec, clock()), s, &w.config)
	s.peerInfo = describe(s.sock, secure)
	if proxied {
		// The proxy may be here; the server need not be. Tokens must not go there
		// in plaintext.
		s.peerInfo.RemoteAddr, s.peerInfo.SameHost = to.Addr, false
	}
	if err := s.preface(); err != nil {
		return nil, err
	}
	if !stop() {
		return nil, ctx.Err()
	}
	raw.SetDeadline(time.Time{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead != nil {
		return nil, s.dead
	}
	s.opts = opts
	s.refresh()
	if s.selfRead {
		s.tickOn()
	} else {
		s.readBehind()
	}
	return s, nil
}

// handshake does the TLS handshake.
func handshake(ctx context.Context, sk *sock, config *tls.Config, name string) (*tls.Conn, error) {
	c := config.Clone()
	if c.ServerName == "" {
		c.ServerName = name
	}
	if !slices.Contains(c.NextProtos, "h2") {
		c.NextProtos = append([]string{"h2"}, c.NextProtos...)
	}
	if c.MinVersion == 0 {
		c.MinVersion = tls.VersionTLS12 // RFC 9113, 9.2
	}
	c.DynamicRecordSizingDisabled = true
	t := tls.Client(newRecords(sk, nil), c)
	if err := t.HandshakeContext(ctx); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) {
			return nil, fmt.Errorf("the server does not speak TLS here (it sent %q): leave Config.TLS nil for a plaintext port: %w", printable(record.RecordHeader[:]), err)
		}
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	if p := t.ConnectionState().NegotiatedProtocol; p != "h2" {
		t.Close()
		return nil, fmt.Errorf("the server speaks TLS but not HTTP/2 (ALPN gave %q): is this a gRPC port?", p)
	}
	return t, nil
}

// preface sends what comes first and waits for the server's SETTINGS.
func (s *session) preface() error {
	s.sock.mu.Lock()
	s.sock.blocking = true
	s.sock.mu.Unlock()
	defer s.sock.handshaken()
	out := s.eng.TakeOut(nil)
	s.taken += int64(len(out))
	s.left = s.taken
	var err error
	if s.tls != nil {
		_, err = s.tls.Write(out)
	} else {
		_, err = s.sock.Write(out)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.eng.PeerSettled() {
		s.mu.Unlock()
		err := s.fill()
		s.mu.Lock()
		if err != nil {
			if errors.Is(err, io.EOF) && s.tls == nil {
				return errors.New("the server closed the connection before its SETTINGS: if it speaks TLS, set Config.TLS")
			}
			return brokenRead(err)
		}
		if why := foreign(s.rbuf[s.rr:s.rw]); why != "" {
			return errors.New(why)
		}
		now := clock()
		s.eng.Received(now)
		s.process(now)
		if s.dead != nil {
			return s.dead
		}
	}
	s.flush(false)
	return nil
}

// foreign recognises servers of other protocols by what they send first.
func foreign(b []byte) string {
	switch {
	case len(b) >= 2 && b[0] == 0x15 && b[1] == 0x03:
		return "the server answered with a TLS alert: it speaks TLS, set Config.TLS"
	case strings.HasPrefix(string(b), "HTTP/1."):
		return fmt.Sprintf("the server answered in HTTP/1 (%q): it does not speak HTTP/2 with prior knowledge on this port", printable(b))
	}
	return ""
}

func printable(b []byte) string {
	line, _, _ := strings.Cut(string(b[:min(len(b), 64)]), "\r\n")
	return line
}

// brokenRead is what a failed read means.
func brokenRead(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the peer closed the connection")
	}
	return err
}

// authority is the :authority of requests to an endpoint.
func authority(to lupine.Endpoint) string {
	name := serverName(to)
	if _, port, err := net.SplitHostPort(to.Addr); err == nil && network(to) == "tcp" {
		return net.JoinHostPort(name, port)
	}
	if network(to) == "unix" {
		return "localhost"
	}
	return name
}

func userAgent(first string) string {
	const own = "lupine-h2/1"
	if first == "" {
		return own
	}
	var b strings.Builder
	for i := range len(first) { // it becomes a header value
		if c := first[i]; c >= 0x20 && c < 0x7f {
			b.WriteByte(c)
		}
	}
	return strings.TrimSpace(strings.TrimSpace(b.String()) + " " + own)
}

// describe works out who the other end is.
func describe(s *sock, t *tls.Conn) *lupine.Peer {
	p := &lupine.Peer{Wire: "h2", Encrypted: t != nil}
	if a := s.LocalAddr(); a != nil {
		p.LocalAddr = a.String()
	}
	if a := s.RemoteAddr(); a != nil {
		p.RemoteAddr = a.String()
		switch a := a.(type) {
		case *net.UnixAddr:
			p.SameHost = true
		case *net.TCPAddr:
			p.SameHost = a.IP.IsLoopback()
		}
	}
	if t != nil {
		state := t.ConnectionState()
		p.TLS = &state
	}
	if u, ok := s.Conn.(*net.UnixConn); ok {
		p.User = peerUser(u)
	}
	return p
}
