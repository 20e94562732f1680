package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wire/rudp"
)

// way sends for a while over a path, and returns how many bytes had arrived when, counted
// from when it began to send.
type way func(ctx context.Context, p *path, cert *certificate, d time.Duration) (n int64, took time.Duration, err error)

func ways() map[string]way {
	return map[string]way{
		"tcp": func(ctx context.Context, p *path, _ *certificate, d time.Duration) (int64, time.Duration, error) {
			return overTCP(ctx, p, nil, d)
		},
		"tls": overTCP,
		"rudp-plain": func(ctx context.Context, p *path, _ *certificate, d time.Duration) (int64, time.Duration, error) {
			return overRUDP(ctx, p, nil, d)
		},
		"rudp": overRUDP,
	}
}

func names() []string { return []string{"tcp", "tls", "rudp-plain", "rudp"} }

// piece is how much is sent at once, and the size of a message.
const piece = 64 << 10

// certificate is a server's, and what its clients trust.
type certificate struct{ server, client *tls.Config }

const serverName = "goodput.example"

func newCertificate() (*certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{serverName}, NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &certificate{
		server: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS13},
		client: &tls.Config{RootCAs: pool, ServerName: serverName, MinVersion: tls.VersionTLS13},
	}, nil
}

// control sets a socket's congestion control.
func control(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = cubic(fd) }); e != nil {
		return e
	}
	return err
}

// sendFor calls send until d is over.
func sendFor(ctx context.Context, d time.Duration, arrived *atomic.Int64, send func() error) (int64, time.Duration, error) {
	begin := time.Now()
	failed := make(chan error, 1)
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if err := send(); err != nil {
				failed <- err
				return
			}
		}
	}()
	select {
	case err := <-failed:
		if ctx.Err() == nil {
			return 0, 0, err
		}
	case <-ctx.Done():
	}
	return arrived.Load(), time.Since(begin), nil
}

func overTCP(ctx context.Context, p *path, cert *certificate, d time.Duration) (int64, time.Duration, error) {
	lis, err := (&net.ListenConfig{Control: control}).Listen(ctx, "tcp", net.JoinHostPort(near, "0"))
	if err != nil {
		return 0, 0, err
	}
	defer lis.Close()
	if cert != nil {
		lis = tls.NewListener(lis, cert.server)
	}
	var arrived atomic.Int64
	go func() {
		conn, err := lis.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		b := make([]byte, 4*piece)
		for err == nil {
			var n int
			n, err = conn.Read(b)
			arrived.Add(int64(n))
		}
	}()
	conn, err := (&net.Dialer{Control: control}).DialContext(ctx, "tcp", p.through(lis.Addr().String()))
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	if cert != nil {
		tc := tls.Client(conn, cert.client)
		if err := tc.HandshakeContext(ctx); err != nil {
			return 0, 0, err
		}
		conn = tc
	}
	b := make([]byte, piece)
	n, took, err := sendFor(ctx, d, &arrived, func() error {
		_, err := conn.Write(b)
		return err
	})
	return n, took, err
}

// sink is the method that takes a stream of messages.
var sink = &lupine.Method{
	Service: "goodput.Sink", Name: "Take", Path: "/goodput.Sink/Take", Kind: lupine.ClientStreaming, Codec: lupine.RawCodec{},
	NewRequest: func() any { return new(lupine.Raw) }, NewReply: func() any { return new(lupine.Raw) },
}

func overRUDP(ctx context.Context, p *path, cert *certificate, d time.Duration) (int64, time.Duration, error) {
	server, client := rudp.Config{Plain: true}, rudp.Config{Plain: true}
	if cert != nil {
		server, client = rudp.Config{TLS: cert.server}, rudp.Config{TLS: cert.client}
	}
	var arrived atomic.Int64
	srv := lupine.ServerConfig{Log: slog.New(slog.DiscardHandler)}.NewServer()
	srv.Register(&lupine.Service{Name: sink.Service, Methods: []lupine.Method{*sink}},
		lupine.HandleClientStream(sink, func(ctx context.Context, in *lupine.Receiver[lupine.Raw]) (*lupine.Raw, error) {
			for {
				m, err := in.Recv(ctx)
				if err == io.EOF {
					return new(lupine.Raw), nil
				}
				if err != nil {
					return nil, err
				}
				arrived.Add(int64(len(m.Bytes)))
			}
		}))
	lis := rudp.Listen(net.JoinHostPort(near, "0"), server)
	if err := srv.Bind(ctx, lis); err != nil {
		return 0, 0, err
	}
	defer srv.Close()
	go srv.Serve(ctx)
	conn, err := lupine.DialConfig{}.Dial(ctx, rudp.To(p.through(lis.Addr()), client))
	if err != nil {
		return 0, 0, err
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := lupine.CallClientStream[lupine.Raw, lupine.Raw](ctx, conn, sink, nil)
	m := &lupine.Raw{Bytes: make([]byte, piece)}
	// The first message brings the handshake, as dialling does for TCP.
	if err := s.Send(ctx, m); err != nil {
		return 0, 0, err
	}
	for arrived.Load() == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	arrived.Store(0)
	return sendFor(ctx, d, &arrived, func() error { return s.Send(ctx, m) })
}
