package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/lupine-rpc/lupine/internal/grpcmsg"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
)

// Config is how the wire behaves, at both ends. The zero value is the default:
// of a number zero means the default and a negative value means off or no
// limit, as each field says. A Config is copied when it is used.
type Config struct {
	// TLS turns on TLS (1.2 or later, ALPN "h2"). Nil means plaintext HTTP/2 with
	// prior knowledge. A server's needs a certificate; ClientAuth and ClientCAs
	// ask the client for one (mTLS). A client's ServerName defaults to the
	// endpoint's. It must not be changed afterwards.
	TLS *tls.Config

	// Handler answers what is not gRPC on a server's port: HTTP/1.1 connections
	// and HTTP/2 requests with another content type. Nil answers them with 415.
	Handler http.Handler
	// Listener, if set, is what a server accepts from instead of opening its
	// address. The wire closes it.
	Listener net.Listener
	// Dialer, if set, makes a client's connections instead of package net.
	// network is "tcp" or "unix". It must obey ctx.
	Dialer func(ctx context.Context, network, addr string) (net.Conn, error)
	// Proxy says through which HTTP proxy (CONNECT) to reach a TCP address, or
	// nil for none. Nil means what HTTPS_PROXY and NO_PROXY in the environment
	// say. A Dialer of one's own is never proxied unless Proxy is set.
	Proxy func(*url.URL) (*url.URL, error)

	// MaxStreams bounds the calls that one client connection may have under way,
	// counting those whose handlers have not returned. Zero means 256. It cannot
	// be turned off.
	MaxStreams int
	// MaxConns bounds a server's connections; further ones are closed at once.
	// Zero means 16,384, negative means no limit.
	MaxConns int
	// MaxHeaderBytes bounds a header block as decoded, counting 32 bytes for each
	// field (RFC 9113, 6.5.2). Zero means 8 KiB. It cannot be turned off.
	MaxHeaderBytes int
	// MaxHeaderFields bounds the fields of a header block. Zero means 100. It
	// cannot be turned off.
	MaxHeaderFields int
	// Window is how many bytes a peer may send on one stream before they are
	// read, to begin with; the least is 65,535, which zero means. Streams that
	// are read quickly get more, up to MaxWindow.
	Window int
	// MaxWindow bounds the windows of streams, which grow with the path's
	// bandwidth-delay product. Zero means 8 MiB.
	MaxWindow int

	// HandshakeTimeout bounds what comes before the first call: TLS, preface,
	// SETTINGS. Zero means 10 s, negative means none.
	HandshakeTimeout time.Duration
	// IdleTimeout closes a connection of a server that has had no call for so
	// long. Zero means 5 min, negative means never.
	IdleTimeout time.Duration
	// KeepAlive is how long a peer may be silent while calls are pending before it
	// gets a PING. Zero means 1 s, negative means no PINGs.
	KeepAlive time.Duration
	// KeepAliveTimeout is how long it may then stay silent before the connection
	// is given up. Zero means 2 s.
	KeepAliveTimeout time.Duration
	// StallTimeout is how long a peer may take none of the bytes that wait for it
	// in the kernel, or, of a server's client, give no window for the reply to a
	// unary call; and over what time a message of a request must come at 256 B/s
	// at least. Zero means 10 s, negative means for ever.
	StallTimeout time.Duration

	// DecompressBudget is how many bytes of compressed messages may be held
	// decompressed at once, until they are decoded; a message for which there is no
	// room fails its call (ResourceExhausted). Zero means
	// [DefaultDecompressBudget] for all of the process together; another value
	// gives this listener or target a budget of its own, and a negative one no limit.
	DecompressBudget int

	// Stats, if set, counts how often peers run into limits.
	Stats *Stats
}

// Defaults of Config.
const (
	DefaultMaxStreams       = 256
	DefaultMaxConns         = 16384
	DefaultMaxHeaderBytes   = 8 << 10
	DefaultMaxHeaderFields  = 100
	DefaultWindow           = 65535
	DefaultMaxWindow        = 8 << 20
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultIdleTimeout      = 5 * time.Minute
	DefaultKeepAlive        = time.Second
	DefaultKeepAliveTimeout = 2 * time.Second
	DefaultStallTimeout     = 10 * time.Second
	// DefaultDecompressBudget is shared by all that have none of their own.
	DefaultDecompressBudget = grpcmsg.DefaultDecompressBudget

	// connWindow is the connection's receive window. It is given back at once, so that it
	// bounds no memory; streams' windows do. The larger it is, the fewer updates.
	connWindow = 16 << 20
	// assembly bounds the extra window for messages larger than their stream's.
	assembly = 16 << 20
	// maxFrame is the SETTINGS_MAX_FRAME_SIZE that we announce: no more than a new
	// stream's window, since some take it for leave to send as much.
	maxFrame = DefaultWindow
	// outLimit is how many bytes of DATA are framed ahead of the kernel.
	outLimit = 64 << 10
)

// withDefaults returns c with every zero replaced. Durations that are off are
// negative.
func (c Config) withDefaults() (Config, error) {
	for _, v := range []struct {
		name string
		n    *int
		def  int
		off  bool
	}{
		{"MaxStreams", &c.MaxStreams, DefaultMaxStreams, false},
		{"MaxConns", &c.MaxConns, DefaultMaxConns, true},
		{"MaxHeaderBytes", &c.MaxHeaderBytes, DefaultMaxHeaderBytes, false},
		{"MaxHeaderFields", &c.MaxHeaderFields, DefaultMaxHeaderFields, false},
		{"Window", &c.Window, DefaultWindow, false},
		{"MaxWindow", &c.MaxWindow, DefaultMaxWindow, false},
	} {
		if *v.n == 0 {
			*v.n = v.def
		}
		if *v.n < 0 && !v.off {
			return c, fmt.Errorf("h2: Config.%s is %d: it cannot be turned off, give a limit or 0 for %d", v.name, *v.n, v.def)
		}
	}
	if c.Window < DefaultWindow || c.Window > 1<<31-1 {
		return c, fmt.Errorf("h2: Config.Window is %d: it must be from %d to %d", c.Window, DefaultWindow, 1<<31-1)
	}
	c.MaxWindow = min(max(c.MaxWindow, c.Window), 1<<31-1)
	if c.MaxHeaderBytes > 1<<20 {
		return c, errors.New("h2: Config.MaxHeaderBytes is above 1 MiB")
	}
	for _, v := range []struct {
		d   *time.Duration
		def time.Duration
	}{
		{&c.HandshakeTimeout, DefaultHandshakeTimeout}, {&c.IdleTimeout, DefaultIdleTimeout},
		{&c.KeepAlive, DefaultKeepAlive}, {&c.StallTimeout, DefaultStallTimeout},
	} {
		if *v.d == 0 {
			*v.d = v.def
		}
	}
	if c.Stats == nil {
		c.Stats = new(Stats)
	}
	if c.KeepAliveTimeout <= 0 {
		c.KeepAliveTimeout = DefaultKeepAliveTimeout
	}
	return c, nil
}

// budget is what is decompressed within; nil is the process's.
func (c *Config) budget() *grpcmsg.Budget { return ownBudget(c.DecompressBudget, c.Stats) }

func ownBudget(bytes int, s *Stats) *grpcmsg.Budget {
	if bytes == 0 {
		return nil
	}
	b := grpcmsg.NewBudget(int64(bytes))
	if s != nil {
		b.Hit = func() { s.count(limitDecompress) }
	}
	return b
}

// engine is what the state machine is told of c.
func (c *Config) engine(server bool) engine.Config {
	e := engine.Config{
		Server: server, StreamWindow: int32(c.Window), ConnWindow: int32(max(connWindow, c.MaxWindow)), MaxWindow: int32(c.MaxWindow),
		Assembly: assembly, MaxHeaderBytes: c.MaxHeaderBytes, MaxHeaderFields: c.MaxHeaderFields, MaxFrame: maxFrame,
		Hit: c.Stats.hit, KeepAlive: int64(c.KeepAlive), KeepAliveTimeout: int64(c.KeepAliveTimeout),
	}
	if server {
		e.MaxStreams = uint32(c.MaxStreams)
	}
	return e
}
