package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strconv"
	"sync"

	"github.com/lupine-rpc/lupine"
	pb "github.com/lupine-rpc/lupine/interop/conformance/connectrpc/conformance/v1"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// conns are shared by the calls to one server, as a program would have it: a
// reply that breaks the rules must not hurt its neighbours.
type conns struct {
	mu  sync.Mutex
	all map[destination]*lupine.Conn
}

type destination struct{ addr, trust, cert, key string }

func (c *conns) to(ctx context.Context, req *pb.ClientCompatRequest) (*lupine.Conn, error) {
	d := destination{
		addr:  net.JoinHostPort(req.GetHost(), strconv.Itoa(int(req.GetPort()))),
		trust: string(req.GetServerTlsCert()),
		cert:  string(req.GetClientTlsCreds().GetCert()),
		key:   string(req.GetClientTlsCreds().GetKey()),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if conn := c.all[d]; conn != nil {
		return conn, nil
	}
	config, err := d.tls()
	if err != nil {
		return nil, err
	}
	conn, err := lupine.Dial(ctx, h2.To(d.addr, h2.Config{TLS: config}))
	if err != nil {
		return nil, err
	}
	if c.all == nil {
		c.all = make(map[destination]*lupine.Conn)
	}
	c.all[d] = conn
	return conn, nil
}

// tls returns nil for plaintext.
func (d destination) tls() (*tls.Config, error) {
	if d.trust == "" {
		return nil, nil
	}
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	if !config.RootCAs.AppendCertsFromPEM([]byte(d.trust)) {
		return nil, errors.New("server_tls_cert has no certificate")
	}
	if d.cert != "" {
		own, err := tls.X509KeyPair([]byte(d.cert), []byte(d.key))
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	return config, nil
}

func (c *conns) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.all {
		conn.Close()
	}
}
