package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"time"

	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
)

// serve takes c through its handshakes and serves it to its end. It runs on a
// goroutine of its own.
func (l *listener) serve(c net.Conn) {
	ctx := context.Background()
	if d := l.config.HandshakeTimeout; d > 0 {
		c.SetDeadline(time.Now().Add(d))
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	sk := newSock(c)
	secure, first, err := l.hello(ctx, sk)
	if err != nil {
		l.greeted(c, nil)
		closeGently(c)
		if timedOut(err) || errors.Is(err, context.DeadlineExceeded) {
			l.config.Stats.count(limitHandshake)
		}
		if !errors.Is(err, io.EOF) && !timedOut(err) && !errors.Is(err, net.ErrClosed) {
			l.log.Debug("h2: handshake failed", "peer", c.RemoteAddr(), "err", err)
		}
		return
	}
	if first == nil {
		l.greeted(c, nil)
		return // HTTP/1.1 has it
	}
	sv := newServed(l, sk, secure, first)
	if !l.greeted(c, sv) {
		c.Close()
		return
	}
	sv.run()
}

// hello does the TLS handshake, where there is one, and reads the first bytes. It
// gives a connection that speaks HTTP/1.1 to the web server and then returns
// nothing.
func (l *listener) hello(ctx context.Context, sk *sock) (secure *tls.Conn, first []byte, err error) {
	conn := net.Conn(sk)
	if l.tls != nil {
		head := make([]byte, 1)
		if _, err := io.ReadFull(sk, head); err != nil {
			return nil, nil, err
		}
		if head[0] != 0x16 { // a TLS handshake record
			notTLS(sk, head[0])
			return nil, nil, fmt.Errorf("the client does not speak TLS: its first byte is %#02x", head[0])
		}
		turn := &turnstile{Conn: sk, ctx: ctx, turns: l.handshakes}
		secure = tls.Server(newRecords(turn, head), l.tls)
		if err := turn.handshake(secure); err != nil {
			return nil, nil, fmt.Errorf("TLS handshake: %w", err)
		}
		conn = secure
		if p := secure.ConnectionState().NegotiatedProtocol; p == "http/1.1" && l.web != nil {
			l.web.take(sk.Conn, conn, nil)
			return nil, nil, nil
		}
	}
	first = make([]byte, 0, len(engine.Preface))
	for len(first) < len(engine.Preface) {
		n, err := conn.Read(first[len(first):cap(first)])
		first = first[:len(first)+n]
		if string(first) != engine.Preface[:len(first)] {
			return nil, nil, l.otherProtocol(sk, conn, secure, first)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return secure, first, nil
}

// turnstile lets few TLS handshakes compute at once, since a crowd of them would
// keep the calls of all others waiting: half the processors. Who waits for the
// client gives its turn up meanwhile.
type turnstile struct {
	net.Conn
	ctx   context.Context
	turns chan struct{}
	in    bool // it has a turn
	over  bool // the handshake is
}

// newTurns returns the turns of one listener.
func newTurns() chan struct{} { return make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)) }

func (t *turnstile) enter() error {
	select {
	case t.turns <- struct{}{}:
		t.in = true
		return nil
	case <-t.ctx.Done():
		return t.ctx.Err()
	}
}

func (t *turnstile) leave() {
	if t.in {
		t.in = false
		<-t.turns
	}
}

func (t *turnstile) handshake(c *tls.Conn) error {
	defer func() {
		t.leave()
		t.over = true
	}()
	if err := t.enter(); err != nil {
		return err
	}
	return c.HandshakeContext(t.ctx)
}

// Read reads without a turn.
func (t *turnstile) Read(b []byte) (int, error) {
	if t.over {
		return t.Conn.Read(b)
	}
	t.leave()
	n, err := t.Conn.Read(b)
	if err == nil {
		err = t.enter()
	}
	return n, err
}

// writeGoAway says goodbye in plaintext HTTP/2.
func writeGoAway(w io.Writer, why string) {
	e := engine.New(engine.Config{Server: true, MaxStreams: 1, StreamWindow: 65535, ConnWindow: 65535, MaxFrame: 1 << 14}, 0)
	e.Fail(engine.HTTP11Required, why)
	w.Write(e.TakeOut(nil))
}

// notTLS answers a plaintext client on a TLS port as best it can.
func notTLS(sk *sock, b byte) {
	if b == engine.Preface[0] {
		// It is HTTP/2, or a request in HTTP/1.1 whose method begins alike; GOAWAY
		// carries the reason to the former.
		io.CopyN(io.Discard, sk, int64(len(engine.Preface)-1))
		writeGoAway(sk.Conn, "this port speaks TLS: set Config.TLS, or use grpcs or https")
		return
	}
	io.WriteString(sk.Conn, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThis port speaks TLS: use https.\n")
}

// otherProtocol handles a connection that does not begin with HTTP/2's preface.
func (l *listener) otherProtocol(sk *sock, conn net.Conn, secure *tls.Conn, first []byte) error {
	if secure == nil && first[0] == 0x16 {
		// In plaintext, so that the client's TLS says that this is no TLS.
		writeGoAway(sk.Conn, "this port speaks plaintext HTTP/2: leave Config.TLS nil, or use grpc or http")
		return errors.New("the client speaks TLS, but this port has none: set Config.TLS")
	}
	if !looksLikeHTTP1(first) {
		return fmt.Errorf("the client speaks neither HTTP/2 nor HTTP/1: it began with %q", first)
	}
	if l.web == nil {
		io.WriteString(conn, "HTTP/1.1 415 Unsupported Media Type\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nThis port speaks gRPC over HTTP/2 only.\n")
		return errors.New("the client speaks HTTP/1, and there is no Config.Handler")
	}
	l.web.take(sk.Conn, conn, first)
	return nil
}

// looksLikeHTTP1 reports whether b may be the start of a request line (RFC 9112,
// 3): a method, and a target in one of its forms.
func looksLikeHTTP1(b []byte) bool {
	method, target, ok := strings.Cut(string(b), " ")
	for _, c := range method {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	if !ok || target == "" {
		return true // too early to tell
	}
	return method != "" && (target[0] == '/' || target[0] == '*' || target[0] == 'h' || method == "CONNECT")
}

// prefixed is a connection of which some bytes have been read already.
type prefixed struct {
	net.Conn
	first []byte
}

// Read returns the bytes read already, then the connection's.
func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.first) > 0 {
		n := copy(b, p.first)
		p.first = p.first[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// closeGently closes c so that the peer can read what it was sent last: closing
// with input unread makes the kernel reset the connection at once.
func closeGently(c net.Conn) {
	if w, ok := c.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
		c.SetReadDeadline(time.Now().Add(250 * time.Millisecond))
		io.Copy(io.Discard, io.LimitReader(c, 1<<20))
	}
	c.Close()
}
