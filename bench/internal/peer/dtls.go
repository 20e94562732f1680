package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"github.com/pion/dtls/v3"
)

// pion/dtls, an association for each caller, a datagram each way: encrypted, and nothing is
// resent. It is DTLS 1.2.

const dtlsHandshake = 5 * time.Second

func serveDTLS(s Spec, _ *Service) (Server, error) {
	cert, err := tls.X509KeyPair(s.CertPEM, s.KeyPEM)
	if err != nil {
		return nil, err
	}
	addr, err := net.ResolveUDPAddr("udp", s.Addr)
	if err != nil {
		return nil, err
	}
	lis, err := dtls.ListenWithOptions("udp", addr, dtls.WithCertificates(cert))
	if err != nil {
		return nil, err
	}
	serveEach(lis, pingPong)
	return netListening{lis}, nil
}

func dialDTLS(s Spec, d Dialer) (Client, error) {
	addr, err := net.ResolveUDPAddr("udp", d.Addr)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CertPEM) {
		return nil, errors.New("no certificate to trust")
	}
	conn, err := dtls.DialWithOptions("udp", addr, dtls.WithRootCAs(pool), dtls.WithServerName(ServerName))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), dtlsHandshake)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return newPingPong(conn), nil
}
