package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/cmd/lupine/internal/guide"
	"github.com/lupine-rpc/lupine/examples/routeguide"
	"github.com/lupine-rpc/lupine/wire/h2"
	"github.com/lupine-rpc/lupine/wire/inproc"
	"github.com/lupine-rpc/lupine/wire/rudp"
	"github.com/lupine-rpc/lupine/wires"
)

// stopTime is how long the demo's server may take to stop.
const stopTime = 5 * time.Second

// carrier is one way to the demo's server.
type carrier struct {
	wire    string // the package's name
	name    string // what is below it
	address string
	target  lupine.Target
	// datagrams is how many the client has sent and received; nil where there are none.
	datagrams func() uint64
}

// demoServer is one server on every wire that there is.
type demoServer struct {
	carriers []carrier
	srv      *lupine.Server
	served   chan error
	web      *http.Server
	webDone  chan error
	dir      string
}

// startDemo serves the example over every wire.
func startDemo(ctx context.Context, say io.Writer) (_ *demoServer, err error) {
	s := &demoServer{served: make(chan error, 1), webDone: make(chan error, 1)}
	defer func() {
		if err != nil && s.dir != "" {
			os.RemoveAll(s.dir)
		}
	}()
	pair, pool, err := selfSigned()
	if err != nil {
		return nil, err
	}
	serverTLS, clientTLS := &tls.Config{Certificates: []tls.Certificate{pair}}, &tls.Config{RootCAs: pool}
	if s.dir, err = os.MkdirTemp("", "lupine-demo-"); err != nil {
		return nil, fmt.Errorf("cannot make a folder for the unix socket: %w", err)
	}
	socket := filepath.ToSlash(filepath.Join(s.dir, "guide.sock"))

	s.srv = lupine.ServerConfig{Log: quiet}.NewServer()
	routeguide.RegisterRouteGuide(s.srv, guide.New())
	type plan struct {
		name, url      string
		server, client *tls.Config
	}
	plans := []plan{
		{"tcp", "grpc://127.0.0.1:0", nil, nil},
		{"tcp+tls", "grpcs://127.0.0.1:0", serverTLS, clientTLS},
		{"unix", "unix://" + socket, nil, nil},
		{"udp", "rudp://127.0.0.1:0", nil, nil},
		{"udp+tls", "rudps://127.0.0.1:0", serverTLS, clientTLS},
	}
	var listeners []lupine.Listener
	for _, p := range plans {
		l, err := wires.Listen(p.url, wires.Config{TLS: p.server})
		if err != nil {
			return nil, err
		}
		listeners = append(listeners, l)
	}
	process := inproc.New()
	handler := h2.HandlerConfig{}.NewHandler()
	listeners = append(listeners, process.Listen(), handler)
	if err := s.srv.Bind(ctx, listeners...); err != nil {
		return nil, err
	}
	for i, p := range plans {
		url := wires.URL(p.url, listeners[i])
		stats := new(rudp.Stats)
		to, err := wires.To(url, wires.Config{TLS: p.client, RUDP: rudp.Config{Stats: stats}})
		if err != nil {
			return nil, errors.Join(err, s.srv.Close())
		}
		c := carrier{wire: listeners[i].Info().Name, name: p.name, address: url, target: to}
		if c.wire == "rudp" {
			c.datagrams = func() uint64 {
				sent, received := stats.Datagrams()
				return sent + received
			}
		}
		s.carriers = append(s.carriers, c)
	}
	if err := s.mount(handler); err != nil {
		return nil, errors.Join(err, s.srv.Close())
	}
	s.carriers = append(s.carriers, carrier{wire: process.Info().Name, name: "memory", address: process.To().Name, target: process.To()})
	go func() { s.served <- s.srv.Serve(context.WithoutCancel(ctx)) }()

	fmt.Fprintf(say, "Serving it over %d wires at once, from one handler, and calling it over each: unary calls,\nstreams both ways, calls in flight together, and errors. Every answer is checked.\n\n", len(s.carriers))
	return s, nil
}

// mount puts the server into a net/http server, as one handler among others.
func (s *demoServer) mount(handler http.Handler) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/routeguide.v1.RouteGuide/", handler)
	s.web = &http.Server{Handler: mux, Protocols: new(http.Protocols)}
	s.web.Protocols.SetHTTP1(true)
	s.web.Protocols.SetUnencryptedHTTP2(true)
	go func() { s.webDone <- s.web.Serve(ln) }()
	url := "grpc://" + ln.Addr().String()
	to, err := wires.To(url, wires.Config{})
	s.carriers = append(s.carriers, carrier{wire: "h2", name: "net/http", address: url, target: to})
	return err
}

// stop ends everything and waits for it.
func (s *demoServer) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	err := s.srv.Drain(ctx)
	err = errors.Join(err, <-s.served)
	if werr := s.web.Shutdown(ctx); werr != nil {
		err = errors.Join(err, werr, s.web.Close())
	}
	if werr := <-s.webDone; werr != http.ErrServerClosed {
		err = errors.Join(err, werr)
	}
	return errors.Join(err, os.RemoveAll(s.dir))
}
