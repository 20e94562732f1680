package h2

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// webServer serves HTTP/1.1 connections that came to our port, by net/http.
type webServer struct {
	http  http.Server
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

func newWebServer(l *listener) *webServer {
	w := &webServer{conns: make(chan net.Conn), done: make(chan struct{}), addr: l.ln.Addr()}
	w.http = http.Server{Handler: l.config.Handler, MaxHeaderBytes: l.config.MaxHeaderBytes, ErrorLog: slog.NewLogLogger(l.log.Handler(), slog.LevelWarn)}
	if l.config.HandshakeTimeout > 0 {
		w.http.ReadHeaderTimeout = l.config.HandshakeTimeout
	}
	if l.config.IdleTimeout > 0 {
		w.http.IdleTimeout = l.config.IdleTimeout
	}
	go w.http.Serve(w)
	return w
}

// take gives a connection of which first has been read to the web server.
func (w *webServer) take(raw, conn net.Conn, first []byte) {
	raw.SetDeadline(time.Time{})
	if len(first) > 0 {
		conn = &prefixed{Conn: conn, first: first}
	}
	select {
	case w.conns <- conn:
	case <-w.done:
		conn.Close()
	}
}

// Accept, Close and Addr make it the listener of its own http.Server.
func (w *webServer) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.done:
		return nil, net.ErrClosed
	}
}

func (w *webServer) Close() error {
	w.once.Do(func() { close(w.done) })
	return nil
}

func (w *webServer) Addr() net.Addr { return w.addr }

func (w *webServer) drain(ctx context.Context) {
	w.Close()
	w.http.Shutdown(ctx)
}

func (w *webServer) close() {
	w.Close()
	w.http.Close()
}
