package rudp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/routes"
	"github.com/lupine-rpc/lupine/internal/workers"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/udp"
)

// listener serves one address.
type listener struct {
	addr    string
	config  Config
	err     error // what is wrong with config
	budget  *engine.Budget
	workers workers.Pool
	routes  routes.Table

	tls   *tls.Config
	srv   *lupine.Server
	sock  *udp.Socket
	front *engine.Front // the reader's
	table table

	read reading // who reads; see serve.go

	mu       sync.Mutex
	hellos   map[helloName]*session
	sessions map[*session]struct{}
	greeting []*session // those in their handshake, the newest last
	draining bool
	closed   bool
	done     bool          // empty is closed
	empty    chan struct{} // closed when draining and the last session is gone
	failed   chan error    // what ended the reader
}

// helloName is what a session is found by while its client does not know its index, or
// says HELLO again.
type helloName struct {
	from netip.AddrPort
	id   uint64
}

// Listen serves RPC over UDP at addr, "host:port", where port 0 is chosen by the
// system. What is wrong with config shows in Bind.
func Listen(addr string, config Config) lupine.Listener {
	l := &listener{addr: addr, hellos: make(map[helloName]*session), sessions: make(map[*session]struct{}), empty: make(chan struct{}), failed: make(chan error, 1)}
	l.config, l.err = config.withDefaults()
	l.budget = l.config.budget()
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
		return errors.New("rudp: a Listener is used once")
	}
	if l.closed {
		return net.ErrClosed
	}
	if c := l.config.TLS; c != nil && len(c.Certificates) == 0 && c.GetCertificate == nil && c.GetConfigForClient == nil {
		return errors.New("rudp: Config.TLS has no certificate: set Certificates or GetCertificate")
	}
	sock, err := udp.Listen(ctx, l.addr, l.config.udp())
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("rudp: address %s is in use: stop what serves it, or choose another port (0 lets the system choose): %w", l.addr, err)
	}
	if err != nil {
		return fmt.Errorf("rudp: cannot listen on %s: %w", l.addr, err)
	}
	fc := engine.FrontConfig{Mode: engine.ModePlain}
	if l.config.TLS != nil {
		fc.Mode = engine.ModeTLS
		l.tls = tlsConfig(l.config.TLS)
	}
	rand.Read(fc.Secret[:])
	l.front = engine.NewFront(fc, clock())
	l.table.init(l.config.MaxSessions)
	l.sock, l.srv = sock, srv
	return nil
}

// Addr is where callers find it, host:port.
func (l *listener) Addr() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sock == nil {
		return l.addr
	}
	return l.sock.Local().String()
}

// Serve accepts sessions until Drain or Close.
func (l *listener) Serve() error {
	l.mu.Lock()
	sock := l.sock
	l.mu.Unlock()
	if sock == nil {
		return errors.New("rudp: Serve before Bind")
	}
	rotate := time.NewTicker(engine.TokenLife / 2 * time.Second)
	defer rotate.Stop()
	l.startReader()
	for {
		select {
		case <-rotate.C:
			l.read.rotate.Store(true)
		case err := <-l.failed:
			return fmt.Errorf("rudp: reading on %s: %w", l.Addr(), err)
		case <-l.empty:
			sock.Close()
			l.workers.Close()
			return nil
		}
	}
}

// accept returns the session of a client whose address is proven, and makes it if it is
// new. It returns nil if there is no room.
func (l *listener) accept(now int64, p *engine.Packet) *session {
	s, victim := l.admit(now, p)
	if victim != nil {
		victim.mu.Lock()
		victim.eng.Close(now, engine.CodeBusy, "others came (limit MaxHandshakes)")
		victim.settle()
		victim.gone(errOthers)
		victim.mu.Unlock()
	}
	return s
}

var errOthers = errors.New("too many handshakes of one address (limit MaxHandshakes)")

// crowding returns the handshake that gives way to another one of an address, or nil if
// that is the one with most of them. l.mu is held.
func (l *listener) crowding(from netip.Addr) *session {
	count := make(map[netip.Addr]int)
	count[from]++
	most := from
	for _, s := range l.greeting {
		a := s.from.from.Addr()
		if count[a]++; count[a] > count[most] {
			most = a
		}
	}
	for i := len(l.greeting) - 1; i >= 0 && most != from; i-- {
		if s := l.greeting[i]; s.from.from.Addr() == most {
			return s
		}
	}
	return nil
}

// greeted notes that the handshake of s is over. The lock of s is held.
func (l *listener) greeted(s *session) {
	l.mu.Lock()
	l.ungreet(s)
	l.mu.Unlock()
}

// ungreet forgets that s is in its handshake. l.mu is held.
func (l *listener) ungreet(s *session) {
	if i := slices.Index(l.greeting, s); i >= 0 {
		l.greeting = slices.Delete(l.greeting, i, i+1)
	}
}

// admit is accept, but that somebody may have to give way.
func (l *listener) admit(now int64, p *engine.Packet) (s, victim *session) {
	name := helloName{p.From, p.Hello.ID}
	l.mu.Lock()
	defer l.mu.Unlock()
	if s := l.hellos[name]; s != nil {
		return s, nil
	}
	if l.draining || l.closed {
		return nil, nil
	}
	if len(l.greeting) >= l.config.MaxHandshakes {
		l.config.Stats.greeting.Add(1)
		if victim = l.crowding(p.From.Addr()); victim == nil {
			return nil, nil
		}
		l.ungreet(victim)
	}
	s = &session{l: l, srv: l.srv, routes: &l.routes, workers: &l.workers, from: name}
	if !l.table.add(s) {
		l.config.Stats.sessions.Add(1)
		return nil, victim
	}
	ec := l.config.engine(true)
	ec.Server, ec.ID, ec.Index, ec.PeerIndex = true, p.Hello.ID, s.index, p.Hello.From
	ec.Budget = l.budget
	ec.SameHost = sameHost(p.From.Addr())
	ec.ECN = l.sock.Features().ECN
	ec.Token = l.front.Token(now, p.From.Addr())
	if l.config.TLS != nil {
		s.hello = newHello(s, l.tls, true, "")
	} else {
		rand.Read(ec.Local.Salt[:])
		ec.Local.HasSalt = true
	}
	s.eng = engine.New(ec, now)
	s.init(&l.config, l.sock)
	s.peerInfo = &lupine.Peer{Wire: "rudp", LocalAddr: l.sock.Local().String(), RemoteAddr: p.From.String(), SameHost: sameHost(p.From.Addr())}
	s.hello.start()
	l.hellos[name], l.sessions[s] = s, struct{}{}
	l.greeting = append(l.greeting, s)
	return s, victim
}

// gone forgets a session. Its lock is held.
func (l *listener) gone(s *session) {
	l.table.remove(s)
	l.mu.Lock()
	delete(l.hellos, s.from)
	delete(l.sessions, s)
	l.ungreet(s)
	l.checkEmpty()
	l.mu.Unlock()
}

// left notes that a session is over and only answers what is late. Its lock is held.
func (l *listener) left(s *session) {
	l.mu.Lock()
	delete(l.sessions, s)
	l.checkEmpty()
	l.mu.Unlock()
}

// checkEmpty tells Drain and Serve when nothing is left. l.mu is held.
func (l *listener) checkEmpty() {
	if (l.draining || l.closed) && len(l.sessions) == 0 && !l.done {
		l.done = true
		close(l.empty)
	}
}

// stop stops accepting and returns the sessions there are.
func (l *listener) stop(closing bool) []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.draining = true
	l.closed = l.closed || closing
	var all []*session
	for s := range l.sessions {
		all = append(all, s)
	}
	l.checkEmpty()
	return all
}

// Drain takes no more sessions, tells every peer, and waits until the calls under way
// have ended or ctx has.
func (l *listener) Drain(ctx context.Context) error {
	for _, s := range l.stop(false) {
		s.mu.Lock()
		s.drainSoon = true
		s.settle()
		s.arm(clock())
		if !s.isOpen && s.dead == nil {
			time.AfterFunc(greetMost, s.giveUpGreeting)
		}
		s.mu.Unlock()
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

// greetMost is how long Drain waits for a handshake to end. Its client may have sent
// calls with its last part, and they are to be told that they did not run.
const greetMost = time.Second

// giveUpGreeting ends a session that is still in its handshake.
func (s *session) giveUpGreeting() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isOpen && s.dead == nil {
		s.eng.Close(clock(), engine.CodeNone, "the server is shutting down")
		s.flush(false) // before the session is gone
		s.settle()
	}
}

// Close ends everything at once.
func (l *listener) Close() error {
	for _, s := range l.stop(true) {
		s.mu.Lock()
		if s.dead == nil {
			s.eng.Close(clock(), engine.CodeNone, "the server was closed")
			s.flush(false) // before the session is gone
			s.settle()
			s.gone(net.ErrClosed)
		}
		s.mu.Unlock()
	}
	l.mu.Lock()
	sock := l.sock
	l.mu.Unlock()
	if sock != nil {
		sock.Close()
	}
	l.read.stop()
	l.workers.Close()
	return nil
}

// table finds sessions by index, without a lock. The low bits of an index are a place
// in it, the others are random.
type table struct {
	mu     sync.Mutex
	most   int
	bits   int
	free   []uint32 // places
	used   uint32   // places that were ever used
	chunks []atomic.Pointer[chunk]
}

const chunkBits = 8

type chunk [1 << chunkBits]atomic.Pointer[session]

func (t *table) init(most int) {
	t.most = most
	for t.bits = chunkBits; 1<<t.bits < most; t.bits++ {
	}
	t.chunks = make([]atomic.Pointer[chunk], 1<<(t.bits-chunkBits))
}

func (t *table) place(i uint32) *atomic.Pointer[session] {
	i &= 1<<t.bits - 1
	c := t.chunks[i>>chunkBits].Load()
	if c == nil {
		return nil
	}
	return &c[i&(1<<chunkBits-1)]
}

// get returns the session of an index, or nil.
func (t *table) get(index uint32) *session {
	p := t.place(index)
	if p == nil {
		return nil
	}
	s := p.Load()
	if s == nil || s.index != index {
		return nil
	}
	return s
}

// add gives s an index. It reports whether there was room.
func (t *table) add(s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	var at uint32
	switch n := len(t.free); {
	case n > 0:
		at, t.free = t.free[n-1], t.free[:n-1]
	case int(t.used) < t.most:
		at = t.used
		t.used++
		if t.chunks[at>>chunkBits].Load() == nil {
			t.chunks[at>>chunkBits].Store(new(chunk))
		}
	default:
		return false
	}
	for s.index == 0 {
		s.index = uint32(secret())<<t.bits | at
	}
	t.place(at).Store(s)
	return true
}

func (t *table) remove(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.place(s.index).Store(nil)
	t.free = append(t.free, s.index&(1<<t.bits-1))
}
