package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/routes"
	"github.com/lupine-rpc/lupine/internal/workers"
)

// listener serves one address.
type listener struct {
	addr       string
	config     Config
	err        error // what is wrong with config
	encs       encodings
	workers    workers.Pool
	handshakes chan struct{}
	routes     routes.Table
	tls        *tls.Config
	web        *webServer // HTTP/1.1; nil without a Handler

	srv *lupine.Server
	log *slog.Logger

	mu       sync.Mutex
	ln       net.Listener
	conns    map[*served]struct{}
	greeting map[net.Conn]struct{} // in their handshake
	draining bool
	closed   bool
	empty    chan struct{} // closed when draining and the last connection is gone
}

// Listen serves gRPC over HTTP/2 at addr: "host:port", where port 0 is chosen by
// the system, or "unix:///path". What is wrong with config shows in Bind.
func Listen(addr string, config Config) lupine.Listener {
	l := &listener{addr: addr, handshakes: newTurns(), conns: make(map[*served]struct{}), greeting: make(map[net.Conn]struct{}), empty: make(chan struct{})}
	l.config, l.err = config.withDefaults()
	l.encs = newEncodings(l.config.budget())
	return l
}

// Info names the wire and says what it can do.
func (*listener) Info() lupine.WireInfo { return info() }

// Bind takes the address.
func (l *listener) Bind(ctx context.Context, srv *lupine.Server) error {
	if l.err != nil {
		return l.err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.srv != nil {
		return errors.New("h2: a Listener is used once")
	}
	if l.closed {
		return net.ErrClosed
	}
	if c := l.config.TLS; c != nil {
		if len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil {
			return errors.New("h2: Config.TLS has no certificate: set Certificates or GetCertificate")
		}
		l.tls = c.Clone()
		l.tls.DynamicRecordSizingDisabled = true
		for _, p := range []string{"h2", "http/1.1"} {
			if p == "http/1.1" && l.config.Handler == nil {
				continue
			}
			if !slices.Contains(l.tls.NextProtos, p) {
				l.tls.NextProtos = append(slices.Clip(l.tls.NextProtos), p)
			}
		}
		if l.tls.MinVersion == 0 {
			l.tls.MinVersion = tls.VersionTLS12
		}
	}
	ln := l.config.Listener
	if ln == nil {
		var err error
		if ln, err = open(ctx, l.addr); err != nil {
			return err
		}
	}
	l.ln, l.srv, l.log = ln, srv, srv.Log()
	if l.config.Handler != nil {
		l.web = newWebServer(l)
	}
	return nil
}

// open opens the address.
func open(ctx context.Context, addr string) (net.Listener, error) {
	path, unix := strings.CutPrefix(addr, "unix:")
	if !unix {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("h2: address %s is in use: stop what serves it, or choose another port (0 lets the system choose): %w", addr, err)
		}
		if err != nil {
			return nil, fmt.Errorf("h2: cannot listen on %s: %w", addr, err)
		}
		return ln, nil
	}
	path = strings.TrimPrefix(path, "//")
	if path == "" {
		return nil, fmt.Errorf("h2: address %q names no socket: use unix:///path", addr)
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "unix", path)
	if errors.Is(err, syscall.EADDRINUSE) && stale(path) {
		// The server before us died without removing its socket.
		if err := os.Remove(path); err == nil || errors.Is(err, fs.ErrNotExist) {
			ln, err = (&net.ListenConfig{}).Listen(ctx, "unix", path)
			if err == nil {
				return ln, nil
			}
		}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("h2: socket %s is in use: stop what serves it, remove the file if it is no socket, or choose another path: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("h2: cannot listen on %s: %w", path, err)
	}
	return ln, nil
}

// stale reports whether path is a socket that nobody listens on.
func stale(path string) bool {
	if st, err := os.Lstat(path); err != nil || st.Mode().Type() != fs.ModeSocket {
		return false
	}
	c, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		c.Close()
		return false
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// Addr is where callers find it: host:port, or "unix://" and a path.
func (l *listener) Addr() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ln == nil {
		return l.addr
	}
	a := l.ln.Addr()
	if a.Network() == "unix" {
		return "unix://" + a.String()
	}
	return a.String()
}

// Serve accepts connections until Drain or Close.
func (l *listener) Serve() error {
	l.mu.Lock()
	ln := l.ln
	l.mu.Unlock()
	if ln == nil {
		return errors.New("h2: Serve before Bind")
	}
	var delay time.Duration
	for {
		c, err := ln.Accept()
		if err == nil {
			delay = 0
			l.accept(c)
			continue
		}
		l.mu.Lock()
		over := l.draining || l.closed
		l.mu.Unlock()
		if over {
			<-l.empty
			return nil
		}
		if errors.Is(err, net.ErrClosed) || !passing(err) {
			return fmt.Errorf("h2: accepting on %s: %w", l.Addr(), err)
		}
		// Out of descriptors, most likely: those there are must go on.
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		l.log.Warn("h2: cannot accept connections for now", "addr", l.Addr(), "err", err)
		select {
		case <-time.After(delay):
		case <-l.empty:
		}
	}
}

// passing reports whether Accept may succeed later.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.EINTR} {
		if errors.Is(err, e) {
			return true
		}
	}
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// accept takes one connection.
func (l *listener) accept(c net.Conn) {
	l.mu.Lock()
	full := l.config.MaxConns > 0 && len(l.conns)+len(l.greeting) >= l.config.MaxConns
	if l.draining || l.closed || full {
		l.mu.Unlock()
		if full {
			l.config.Stats.count(limitConns)
		}
		c.Close()
		return
	}
	l.greeting[c] = struct{}{}
	l.mu.Unlock()
	l.workers.Go(workers.Func(func() { l.serve(c) }))
}

// greeted says that c's handshake is over: sv, which may be nil, is what it has
// become. It reports whether c may go on.
func (l *listener) greeted(c net.Conn, sv *served) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.greeting, c)
	ok := !l.closed && !l.draining
	if sv != nil && ok {
		l.conns[sv] = struct{}{}
	}
	l.checkEmpty()
	return ok
}

// gone forgets a connection.
func (l *listener) gone(sv *served) {
	l.mu.Lock()
	delete(l.conns, sv)
	l.checkEmpty()
	l.mu.Unlock()
}

// checkEmpty tells Drain and Serve when nothing is left. l.mu is held.
func (l *listener) checkEmpty() {
	if !l.draining && !l.closed || len(l.conns) > 0 {
		return
	}
	select {
	case <-l.empty:
	default:
		close(l.empty)
	}
}

// stop stops accepting and returns the connections there are.
func (l *listener) stop(closing bool) []*served {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.draining && l.ln != nil {
		l.ln.Close()
	}
	l.draining = true
	l.closed = l.closed || closing
	for c := range l.greeting {
		c.Close()
	}
	var all []*served
	for sv := range l.conns {
		all = append(all, sv)
	}
	l.checkEmpty()
	return all
}

// Drain stops accepting, tells every peer by GOAWAY, and waits until the calls
// under way have ended or ctx has.
func (l *listener) Drain(ctx context.Context) error {
	for _, sv := range l.stop(false) {
		sv.drain()
	}
	if l.web != nil {
		l.web.drain(ctx)
	}
	select {
	case <-l.empty:
		return nil
	default:
	}
	select {
	case <-l.empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends everything at once.
func (l *listener) Close() error {
	for _, sv := range l.stop(true) {
		sv.mu.Lock()
		sv.eng.Drain()
		sv.eng.DrainNow()
		sv.die(net.ErrClosed)
		sv.mu.Unlock()
	}
	if l.web != nil {
		l.web.close()
	}
	l.workers.Close()
	return nil
}
