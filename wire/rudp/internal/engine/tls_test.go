package engine

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"
)

// tlsEnd is crypto/tls beside an end, as the driver has it.
type tlsEnd struct {
	e     *end
	q     *tls.QUICConn
	asked bool
	sent  bool // the ticket
}

var quicLevels = [...]Level{
	tls.QUICEncryptionLevelInitial:     LevelInitial,
	tls.QUICEncryptionLevelHandshake:   LevelHandshake,
	tls.QUICEncryptionLevelApplication: LevelData,
}

func quicLevel(l Level) tls.QUICEncryptionLevel {
	return [...]tls.QUICEncryptionLevel{
		tls.QUICEncryptionLevelInitial, tls.QUICEncryptionLevelHandshake, tls.QUICEncryptionLevelApplication,
	}[l]
}

// startTLS joins crypto/tls to an end.
func startTLS(e *end, cfg *tls.Config) *tlsEnd {
	s := &tlsEnd{e: e}
	if e.c.cfg.Server {
		s.q = tls.QUICServer(&tls.QUICConfig{TLSConfig: cfg})
	} else {
		inner := cfg.GetClientCertificate
		cfg.GetClientCertificate = func(i *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			s.asked = true
			if inner == nil {
				return &tls.Certificate{}, nil
			}
			return inner(i)
		}
		s.q = tls.QUICClient(&tls.QUICConfig{TLSConfig: cfg})
		s.q.SetTransportParameters(AppendParams(nil, &e.c.local))
	}
	e.tls = func(ev Event) { s.check(s.q.HandleData(quicLevel(ev.Level), ev.Message)) }
	s.check(s.q.Start(context.Background()))
	return s
}

// check tells the engine what TLS has to say.
func (s *tlsEnd) check(err error) {
	now, c := s.e.d.now, s.e.c
	if err != nil {
		e := CryptoEvent{Kind: CryptoFailed, Data: []byte(err.Error()), Alert: 80}
		var alert tls.AlertError
		if errors.As(err, &alert) {
			e.Alert = uint8(alert)
		}
		c.Crypto(now, e)
		return
	}
	for {
		ev := s.q.NextEvent()
		switch ev.Kind {
		case tls.QUICNoEvent:
			return
		case tls.QUICWriteData:
			c.Crypto(now, CryptoEvent{Kind: CryptoWrite, Level: quicLevels[ev.Level], Data: ev.Data})
		case tls.QUICSetReadSecret:
			c.Crypto(now, CryptoEvent{Kind: CryptoReadKeys, Level: quicLevels[ev.Level], Suite: ev.Suite, Data: ev.Data})
		case tls.QUICSetWriteSecret:
			c.Crypto(now, CryptoEvent{Kind: CryptoWriteKeys, Level: quicLevels[ev.Level], Suite: ev.Suite, Data: ev.Data})
		case tls.QUICTransportParameters:
			c.Crypto(now, CryptoEvent{Kind: CryptoParams, Data: ev.Data})
		case tls.QUICTransportParametersRequired:
			s.q.SetTransportParameters(AppendParams(nil, &c.local))
		case tls.QUICHandshakeDone:
			c.Crypto(now, CryptoEvent{Kind: CryptoDone, Asked: s.asked})
			if c.cfg.Server && !s.sent {
				s.sent = true
				s.check(s.q.SendSessionTicket(tls.QUICSessionTicketOptions{}))
			}
		}
	}
}

// testCert returns a certificate for "server" and its pool.
func testCert(t testing.TB) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// newTLS is newHello with TLS. The server's config may be changed.
func newTLS(t testing.TB, client, server *tls.Config) *duo {
	cert, pool := testCert(t)
	for _, cfg := range []*tls.Config{client, server} {
		cfg.MinVersion, cfg.NextProtos = tls.VersionTLS13, []string{"lupine-rudp"}
	}
	if client.RootCAs == nil {
		client.RootCAs = pool
	}
	if client.ServerName == "" {
		client.ServerName = "server"
	}
	server.Certificates, server.ClientCAs = []tls.Certificate{cert}, pool
	if client.GetClientCertificate == nil && server.ClientAuth == tls.RequireAndVerifyClientCert {
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	d := newHello(t, func(cfg *[2]Config) {
		for i := range cfg {
			cfg[i].Mode = ModeTLS
			cfg[i].Local.HasSalt = false
		}
	})
	d.started = func(e *end) { startTLS(e, server) }
	startTLS(d.ends[0], client)
	return d
}

func TestTLS(t *testing.T) {
	for _, tt := range []struct {
		name string
		loss uint64
		auth tls.ClientAuthType
	}{{"plain", 0, 0}, {"loss", 200, 0}, {"mutual", 0, tls.RequireAndVerifyClientCert}, {"mutual, loss", 200, tls.RequireAndVerifyClientCert}} {
		t.Run(tt.name, func(t *testing.T) {
			d := newTLS(t, &tls.Config{}, &tls.Config{ClientAuth: tt.auth})
			d.log = testing.Verbose() && tt.loss == 0
			d.lose = dropSome(d, tt.loss)
			if !d.run(10*second, func() bool { return d.ends[0].open }) {
				t.Fatalf("the handshake does not end: %+v", d.ends[0].gone)
			}
			_, r := d.ends[0].begin("/a.B/C", []byte("hello"))
			if !d.run(10*second, func() bool { return r.over }) || r.err != nil {
				t.Fatalf("%+v", r.err)
			}
			d.run(10*second, nil)
			for i, e := range d.ends {
				if !e.c.hello.confirmed || e.gone != nil {
					t.Errorf("end %d is not confirmed", i)
				}
			}
			if d.ends[0].token == nil {
				t.Error("no token came")
			}
			d.books()
		})
	}
}

// TestTLSErrors sees that a failed handshake has its reason at both ends.
func TestTLSErrors(t *testing.T) {
	for _, tt := range []struct {
		name   string
		client *tls.Config
		auth   tls.ClientAuthType
	}{
		{"wrong name", &tls.Config{ServerName: "other"}, 0},
		{"unknown authority", &tls.Config{RootCAs: x509.NewCertPool()}, 0},
		{"no client certificate", &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{}, nil
		}}, tls.RequireAndVerifyClientCert},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newTLS(t, tt.client, &tls.Config{ClientAuth: tt.auth})
			d.run(20*second, func() bool { return d.ends[0].gone != nil })
			g := d.ends[0].gone
			if g == nil || g.Code < CodeTLS {
				t.Fatalf("the client is told %+v", g)
			}
			d.run(20*second, nil)
			if s := d.ends[1]; s == nil || s.gone == nil || s.gone.Code < CodeTLS {
				t.Errorf("the server is not told")
			}
			t.Log(g.Err)
		})
	}
}

// TestKeyUpdate moves to the next keys many times, through loss.
func TestKeyUpdate(t *testing.T) {
	for _, loss := range []uint64{0, 200} {
		d := newTLS(t, &tls.Config{}, &tls.Config{})
		d.lose = dropSome(d, loss)
		if !d.run(10*second, func() bool { return d.ends[0].open }) {
			t.Fatal("the handshake does not end")
		}
		updates := 0
		for i := range 200 {
			e := d.ends[i%3&1]
			before := e.c.keys.writeGen
			e.c.updateKeys(d.now)
			updates += e.c.keys.writeGen - before
			_, r := d.ends[0].begin("/a.B/C", []byte("hello"))
			if !d.run(20*second, func() bool { return r.over }) || r.err != nil {
				t.Fatalf("loss %d: call %d, update %d: %v, %+v", loss, i, updates, r.err, d.ends[0].gone)
			}
			d.run(20*millisecond, nil)
		}
		t.Logf("loss %d: %d updates", loss, updates)
		if updates < 10 {
			t.Errorf("loss %d: %d updates only", loss, updates)
		}
	}
}
