package h2_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// TestWire runs the suite of behaviours over each carrier.
func TestWire(t *testing.T) {
	server, client := testTLS(t)
	wires := []rpctest.Wire{
		{Name: "tcp", New: func(testing.TB) (lupine.Listener, func() lupine.Target) {
			l := h2.Listen("127.0.0.1:0", h2.Config{})
			return l, func() lupine.Target { return h2.To(l.Addr()) }
		}},
		{Name: "tls", New: func(testing.TB) (lupine.Listener, func() lupine.Target) {
			l := h2.Listen("127.0.0.1:0", h2.Config{TLS: server})
			return l, func() lupine.Target { return h2.To(l.Addr(), h2.Config{TLS: client}) }
		}},
		{Name: "unix", New: func(t testing.TB) (lupine.Listener, func() lupine.Target) {
			l := h2.Listen("unix://"+socketPath(t), h2.Config{})
			return l, func() lupine.Target { return h2.To(l.Addr()) }
		}},
	}
	for _, w := range wires {
		rpctest.Run(t, w)
	}
}

// socketPath is a path for a unix socket, short enough for the kernel.
func socketPath(t testing.TB) string {
	dir, err := os.MkdirTemp("", "h2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// testTLS makes configurations for a server and a client that trust each other:
// the client presents a certificate too.
func testTLS(t testing.TB) (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	both := []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	return &tls.Config{Certificates: both, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven},
		&tls.Config{Certificates: both, RootCAs: pool}
}
