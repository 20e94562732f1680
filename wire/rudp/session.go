package rudp

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/internal/routes"
	"github.com/lupine-rpc/lupine/internal/workers"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/udp"
)

// session is one session, either end: calls of ours and of the peer's. Its lock guards
// all of it, except where a field says otherwise.
type session struct {
	mu     sync.Mutex
	eng    *engine.Conn
	opener *engine.Opener // may be used without the lock
	cfg    *Config
	index  uint32
	l      *listener // nil at a client
	sock   *udp.Socket
	out    *udp.Writer // the sender's

	peerInfo *lupine.Peer // set when the handshake is done
	opts     lupine.SessionOptions
	srv      *lupine.Server // who answers the peer's calls; nil: nobody
	routes   *routes.Table
	workers  *workers.Pool
	hello    *hello       // the TLS handshake; nil in plain mode
	early    early        // what came before it was done; a server's
	token    func([]byte) // keeps what the server gave for the next session
	from     helloName    // what a listener's client is found by while it says HELLO

	// Who sends: see flush.go.
	sending  bool
	sent     chan struct{} // closed when nobody is; nil: nobody waits for that
	soon     bool          // flushSoon has a goroutine that will send
	timer    *time.Timer
	armed    int64 // when it fires; 0: not set
	houseDue int64

	roles // who reads; a client's only
	moves // to another network; a client's only

	batching bool      // what was read is being processed
	woken    []*waiter // who is to be woken after that

	// Calls of ours.
	sizes  buffers.SizeHint // of unary requests
	calls  list             // those under way
	free   atomic.Int32     // how many would start at once
	slots  []*waiter        // calls that wait for the peer to allow another one
	given  int              // slots that Open has promised to calls that did not begin yet
	idle   []chan struct{}
	downed bool
	why    error // it went down
	drains bool  // the engine was told
	shut   bool  // Close was called
	// drainSoon: the engine is to drain once the handshake is done.
	drainSoon bool
	left      bool // the listener was told that only CloseLinger keeps it

	// Calls of the peer's.
	queue    []*serverCall // to be started, in order
	queueAt  int
	serving  int // handlers that run or are about to
	slab     []lupine.ServerCall
	refusals []refusal

	opened chan struct{} // closed when the handshake is done, or the session gone
	isOpen bool
	dead   error // why the session is gone; nil while it lives
	closed chan struct{}
}

// refusal is a call of the peer's that is to be refused once all events are taken.
type refusal struct {
	call *engine.Call
	err  *lupine.Error
}

// init readies s; the engine is made by then.
func (s *session) init(cfg *Config, sock *udp.Socket) {
	s.cfg, s.sock, s.out = cfg, sock, sock.NewWriter()
	s.opener = s.eng.Opener()
	s.opened, s.closed = make(chan struct{}), make(chan struct{})
}

// events takes what happened in the engine. The lock is held.
func (s *session) events(now int64) {
	for {
		ev, ok := s.eng.Event()
		if !ok {
			break
		}
		s.event(now, &ev)
	}
	for len(s.refusals) > 0 {
		r := s.refusals[0]
		s.refusals = s.refusals[1:]
		s.eng.Refuse(now, r.call, r.err.Code, r.err.Executed, r.err.Message)
		if len(s.refusals) == 0 {
			s.refusals = nil
			s.events(now)
		}
	}
	if s.drainSoon && s.isOpen && s.dead == nil {
		s.drainSoon = false
		s.eng.Drain(now)
		s.events(now)
	}
}

func (s *session) event(now int64, ev *engine.Event) {
	switch ev.Kind {
	case engine.EventReleased:
		ev.Owner.(*buffers.Buffer).Free()
	case engine.EventCall:
		s.called(ev)
	case engine.EventOpen:
		s.isOpen = true
		if s.l != nil {
			s.l.greeted(s)
			s.describe(s.l.sock.Local(), s.from.from)
		}
		s.refresh()
		close(s.opened)
	case engine.EventCrypto:
		s.hello.came(ev.Level, ev.Message)
	case engine.EventToken:
		if s.token != nil {
			s.token(ev.Message)
		}
	case engine.EventRoom:
		s.nextSlot()
		s.refresh()
	case engine.EventDown:
		s.goDown(ev.Err)
	case engine.EventUp:
		s.quiet() // its Conn has given it up
	case engine.EventGone:
		s.gone(ev.Err)
	default:
		if ev.Call == nil {
			return
		}
		switch c := ev.Call.Owner.(type) {
		case *clientCall:
			c.event(ev)
		case *serverCall:
			c.event(ev)
		}
	}
}

// refresh works out free again. The lock is held.
func (s *session) refresh() {
	n := 0
	if s.isOpen && s.dead == nil && !s.downed {
		n = max(s.room()-len(s.slots), 0)
	}
	s.free.Store(int32(n))
}

// room is how many calls may begin now. The lock is held.
func (s *session) room() int { return s.eng.Room() - s.given }

// Ready reports whether a call opened now would start at once.
func (s *session) Ready() bool { return s.free.Load() > 0 }

// Peer describes the other end.
func (s *session) Peer() *lupine.Peer { return s.peerInfo }

// goDown tells the Conn, once, that the session takes no more calls. The lock is held.
func (s *session) goDown(err error) {
	if !s.downed {
		s.downed, s.why = true, err
		if s.opts.Down != nil && s.isOpen {
			// Under our lock, and before any call fails because of it: who repeats such
			// a call must not be sent here again. A Conn only makes a note.
			s.opts.Down(err)
		}
	}
	s.nextSlot()
	s.refresh()
	s.quiet()
}

// quiet wakes who waits for the last call to end, and ends a client's session that
// takes no more. The lock is held.
func (s *session) quiet() {
	if s.calls.n > 0 {
		return
	}
	for _, c := range s.idle {
		close(c)
	}
	s.idle = nil
	if s.downed && !s.drains && s.dead == nil && s.l == nil {
		s.drains = true
		s.eng.Drain(clock())
	}
}

// gone notes that the session is over: the engine has ended its calls. The lock is held.
func (s *session) gone(err error) {
	if s.dead != nil {
		return
	}
	s.dead = err
	if !s.isOpen {
		close(s.opened)
	}
	s.goDown(err)
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.ticker != nil {
		s.ticker.Stop()
	}
	close(s.closed)
	s.hello.stop()
	if s.l == nil {
		s.sock.Close()
		if s.workers != nil {
			s.workers.Close()
		}
		return
	}
	s.l.gone(s)
}

// errFull stands for lupine.ErrFull where errors have to be *lupine.Errors.
var errFull = lupine.Errorf(lupine.Unavailable, "%w", lupine.ErrFull).NotExecuted()

// refused is the error of a call that cannot begin here. The lock is held.
func (s *session) refused(err error) *lupine.Error {
	switch {
	case s.dead != nil:
		err = s.dead
	case s.downed:
		err = s.why
	}
	return lupine.Errorf(lupine.Unavailable, "session with %s: %w", s.peerInfo.RemoteAddr, textOf(err)).NotExecuted()
}

// textOf is err without what it says of a call: the call in question is another one.
func textOf(err error) error {
	var e *lupine.Error
	if errors.As(err, &e) {
		return errors.New(e.Message)
	}
	return err
}

// slot waits until a call may begin, if it is to queue. The lock is held before and after.
func (s *session) slot(ctx context.Context, queue bool) *lupine.Error {
	for first := true; ; first = false {
		room := s.room()
		switch {
		case s.dead != nil || s.downed:
			return s.refused(nil)
		case room > 0 && (len(s.slots) == 0 || !first || !queue):
			return nil // free has kept room for those who wait
		case !queue:
			return errFull
		}
		w := new(waiter)
		if first {
			s.slots = append(s.slots, w)
		} else {
			s.slots = append([]*waiter{w}, s.slots...) // it has waited before
		}
		s.refresh()
		if err := s.park(ctx, w); err != nil {
			for i := range s.slots {
				if s.slots[i] == w {
					s.slots = append(s.slots[:i:i], s.slots[i+1:]...)
					break
				}
			}
			s.refresh()
			return contextError(ctx, "while waiting for the peer's limit on concurrent calls").NotExecuted()
		}
	}
}

// nextSlot wakes the calls that wait for a slot, as many as there is room for. The
// lock is held.
func (s *session) nextSlot() {
	over := s.downed || s.dead != nil
	for room := s.room(); len(s.slots) > 0 && (room > 0 || over); room-- {
		s.wake(s.slots[0])
		s.slots = s.slots[1:]
	}
}

// contextError is the error of a call whose context has ended.
func contextError(ctx context.Context, when string) *lupine.Error {
	err := ctx.Err()
	msg := err.Error()
	if when != "" {
		msg += " " + when
	}
	return (&lupine.Error{Code: lupine.CodeOf(err), Message: msg}).Wrap(context.Cause(ctx))
}

var errDraining = errors.New("the session is draining")

// Drain takes no more calls and returns when those under way have ended, or with
// ctx's error when it ends first.
func (s *session) Drain(ctx context.Context) error {
	s.mu.Lock()
	var wait chan struct{}
	if s.dead == nil && s.calls.n > 0 {
		wait = make(chan struct{})
		s.idle = append(s.idle, wait)
	}
	s.goDown(errDraining)
	s.settle()
	s.mu.Unlock()
	if wait == nil {
		return nil
	}
	select {
	case <-wait:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the session and every call on it. The peer is told; a client's socket
// stays for a moment, to tell it again.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == nil {
		s.shut = true
		s.goDown(net.ErrClosed)
		s.eng.Close(clock(), engine.CodeNone, "")
		s.flush(false) // before the session is gone
		s.sentAll()    // who sends now sends this, too; the process may end right after us
		s.settle()
		s.watchBehind()
		if s.dead == nil {
			time.AfterFunc(lingerMost, func() {
				s.mu.Lock()
				s.gone(net.ErrClosed)
				s.mu.Unlock()
			})
		}
	}
	return nil
}

// lingerMost is how long a client that has closed keeps its socket at most. A CLOSE that
// is lost then shows to the server as silence.
const lingerMost = 200 * time.Millisecond

// settle takes events, and sends what is to be sent. The lock is held.
func (s *session) settle() {
	s.events(clock())
	s.flush(false)
}

// EarlyBytes is how much is kept of what a client sends right behind the end of its
// handshake, while the server still looks at that: its first window (RFC 9002, 7.2), and
// half as much.
const EarlyBytes = 24 << 10

// early are datagrams that came before their keys. Without them a client's first window
// would be lost, which ends its slow start.
type early struct {
	list  []earlyDatagram
	bytes int
	done  bool // no more are kept
}

type earlyDatagram struct {
	b   []byte
	got udp.Received
}

// hold keeps a datagram for which there are no keys yet, and reports whether it did.
func (s *session) hold(b []byte, got *udp.Received) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &s.early
	if s.hello == nil || e.done || e.bytes+len(b) > EarlyBytes {
		return false
	}
	e.bytes += len(b)
	e.list = append(e.list, earlyDatagram{append([]byte(nil), b...), *got})
	return true
}

// readEarly takes in what was held: the keys are there now, or nothing will come of it.
func (s *session) readEarly() {
	s.mu.Lock()
	list := s.early.list
	s.early = early{done: true}
	now := clock()
	s.batching = true
	for _, d := range list {
		p := engine.Packet{From: d.got.From, ECN: d.got.ECN}
		if s.dead != nil || s.opener.Open(d.b, &p) != engine.DropNone {
			s.cfg.Stats.dropped.Add(1)
			continue
		}
		s.eng.Receive(now, &p)
		s.events(now)
	}
	s.batching = false
	s.mu.Unlock()
	for {
		c, _, _ := s.nextCall()
		if c == nil {
			break
		}
		s.l.workers.Go(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == nil {
		s.eng.Flush(now)
		s.finishBatch()
	}
}

// sameHost reports whether an address is this machine's own.
func sameHost(a netip.Addr) bool { return a.IsLoopback() }

// describe fills in peerInfo. The lock is held.
func (s *session) describe(local, remote netip.AddrPort) {
	s.peerInfo = &lupine.Peer{
		Wire: "rudp", LocalAddr: local.String(), RemoteAddr: remote.String(),
		Encrypted: s.hello != nil, SameHost: sameHost(remote.Addr()), TLS: s.hello.state(),
	}
	if p := s.eng.Peer(); s.l != nil && p != nil && p.MaxSlots > 0 {
		s.peerInfo.Session = s
	}
}

// list is the calls of ours that are under way.
type list struct {
	first *clientCall
	n     int
}

func (l *list) add(c *clientCall) {
	c.next, c.prev = l.first, nil
	if l.first != nil {
		l.first.prev = c
	}
	l.first = c
	l.n++
}

func (l *list) remove(c *clientCall) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		l.first = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	}
	c.next, c.prev = nil, nil
	l.n--
}
