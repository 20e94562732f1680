package rudp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
)

// alpn is the protocol's name in TLS (docs/rudp.md, 3.6).
const alpn = "lupine-rudp"

// hello is a session's TLS handshake: crypto/tls's QUIC interface beside the engine.
// TLS may call the user's code, to look at certificates, so it runs on goroutines of its
// own and without the session's lock. A nil hello is the plain mode's.
type hello struct {
	s      *session
	server bool
	conn   *tls.QUICConn
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex // guards what came
	in      []helloPart
	running bool
	over    bool

	// The running goroutine's.
	params  []byte
	asked   atomic.Bool // the server asked for a certificate
	err     error
	stateOf *tls.ConnectionState // set before the session opens
}

type helloPart struct {
	level engine.Level
	data  []byte
}

// tlsConfig is c as this wire uses it. A listener's sessions share one, since the keys of
// its tickets are in it.
func tlsConfig(c *tls.Config) *tls.Config {
	c = c.Clone()
	c.MinVersion, c.MaxVersion = tls.VersionTLS13, tls.VersionTLS13
	c.NextProtos = []string{alpn}
	return c
}

// newHello returns the handshake of s. c is of tlsConfig; a client's is its own.
func newHello(s *session, c *tls.Config, server bool, name string) *hello {
	if !server && c.ServerName == "" {
		c.ServerName = name
	}
	h := &hello{s: s, server: server}
	if !server {
		h.watchForRequest(c)
	}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	qc := &tls.QUICConfig{TLSConfig: c}
	if server {
		h.conn = tls.QUICServer(qc)
	} else {
		h.conn = tls.QUICClient(qc)
	}
	return h
}

// watchForRequest notes whether the server asks for a certificate: then Dial waits until
// it has taken ours. The certificate is chosen as crypto/tls would by itself.
func (h *hello) watchForRequest(c *tls.Config) {
	choose, all := c.GetClientCertificate, c.Certificates
	c.GetClientCertificate = func(req *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		h.asked.Store(true)
		if choose != nil {
			return choose(req)
		}
		for i := range all {
			if req.SupportsCertificate(&all[i]) == nil {
				return &all[i], nil
			}
		}
		return new(tls.Certificate), nil
	}
}

// start begins the handshake of a session whose engine is made.
func (h *hello) start() {
	if h == nil {
		return
	}
	h.params = engine.AppendParams(nil, h.s.eng.Local())
	h.came(engine.LevelInitial, nil)
}

// came takes what the peer's TLS said. It does not wait.
func (h *hello) came(level engine.Level, b []byte) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.over {
		return
	}
	h.in = append(h.in, helloPart{level, append([]byte(nil), b...)})
	if !h.running {
		h.running = true
		go h.run()
	}
}

// stop ends it.
func (h *hello) stop() {
	if h == nil {
		return
	}
	h.cancel()
	h.mu.Lock()
	h.over = true
	idle := !h.running
	h.running = true // nobody else closes
	h.mu.Unlock()
	if idle {
		go h.conn.Close()
	}
}

// run feeds TLS what came until nothing is left.
func (h *hello) run() {
	for {
		h.mu.Lock()
		if h.over {
			h.mu.Unlock()
			h.conn.Close()
			return
		}
		if len(h.in) == 0 {
			h.running = false
			h.mu.Unlock()
			return
		}
		part := h.in[0]
		h.in = h.in[1:]
		h.mu.Unlock()
		if err := h.feed(part); err != nil {
			h.fail(err)
			return
		}
	}
}

// feed gives TLS one part and does what it says.
func (h *hello) feed(part helloPart) error {
	var err error
	if len(part.data) == 0 {
		h.conn.SetTransportParameters(h.params)
		err = h.conn.Start(h.ctx)
	} else {
		err = h.conn.HandleData(levels[part.level], part.data)
	}
	if err != nil {
		return err
	}
	for {
		ev := h.conn.NextEvent()
		if ev.Kind == tls.QUICNoEvent {
			break
		}
		if err := h.did(ev); err != nil {
			return err
		}
	}
	h.tell(nil)
	if h.server && h.stateOf != nil {
		h.s.readEarly()
	}
	return nil
}

// levels are the engine's in the words of crypto/tls.
var levels = [...]tls.QUICEncryptionLevel{
	engine.LevelInitial: tls.QUICEncryptionLevelInitial, engine.LevelHandshake: tls.QUICEncryptionLevelHandshake,
	engine.LevelData: tls.QUICEncryptionLevelApplication,
}

func levelOf(l tls.QUICEncryptionLevel) engine.Level {
	for i := range levels {
		if levels[i] == l {
			return engine.Level(i)
		}
	}
	return engine.LevelInitial
}

// did takes one event of TLS to the engine.
func (h *hello) did(ev tls.QUICEvent) error {
	e := engine.CryptoEvent{Level: levelOf(ev.Level), Data: ev.Data, Suite: ev.Suite}
	switch ev.Kind {
	case tls.QUICWriteData:
		e.Kind = engine.CryptoWrite
	case tls.QUICSetReadSecret:
		e.Kind = engine.CryptoReadKeys
	case tls.QUICSetWriteSecret:
		e.Kind = engine.CryptoWriteKeys
	case tls.QUICTransportParameters:
		e.Kind = engine.CryptoParams
	case tls.QUICHandshakeDone:
		state := h.conn.ConnectionState()
		h.stateOf = &state
		e.Kind, e.Asked = engine.CryptoDone, h.asked.Load()
		if h.server {
			if err := h.conn.SendSessionTicket(tls.QUICSessionTicketOptions{}); err != nil {
				return err
			}
		}
	default:
		return nil
	}
	h.tell(&e)
	return nil
}

// tell gives the engine an event, and sends what comes of it; nil only sends.
func (h *hello) tell(e *engine.CryptoEvent) {
	s := h.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead != nil {
		return
	}
	if e != nil {
		s.eng.Crypto(clock(), *e)
		s.events(clock())
		return
	}
	s.settle()
	s.arm(clock())
}

// fail ends the session because TLS has failed.
func (h *hello) fail(err error) {
	alert := uint8(80) // internal_error
	var a tls.AlertError
	if errors.As(err, &a) {
		alert = uint8(a)
	}
	h.mu.Lock()
	h.err = fmt.Errorf("TLS handshake: %w", err)
	h.over = true
	h.mu.Unlock()
	h.tell(&engine.CryptoEvent{Kind: engine.CryptoFailed, Alert: alert, Data: []byte(err.Error())})
	h.tell(nil)
	h.conn.Close()
}

// why is err, or what TLS said.
func (h *hello) why(err error) error {
	if h == nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err != nil {
		return h.err
	}
	return err
}

// state is what TLS has found out about the peer; nil without TLS.
func (h *hello) state() *tls.ConnectionState {
	if h == nil {
		return nil
	}
	return h.stateOf
}
