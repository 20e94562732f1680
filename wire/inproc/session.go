package inproc

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/workers"
)

// sweepTime is how often calls without a deadline are looked at for whether
// they should give up.
const sweepTime = 500 * time.Millisecond

// session is one direction of a link: it carries calls from its caller to
// server. The other direction, where the server calls back, is another session.
type session struct {
	listener *listener
	server   *lupine.Server // who answers; nil when the caller hosts no services
	workers  *workers.Pool
	config   *Config
	peer     *lupine.Peer // the server, as the caller sees it
	caller   *lupine.Peer // the caller, as handlers see it
	back     *session     // the other direction
	down     func(error)  // tells the Conn; nil in the direction back

	// Channels for the outcome of unary calls, to be used again; kept by session
	// because testing/synctest tells channels of one test from those of another.
	wakes sync.Pool

	mu       sync.Mutex
	why      *lupine.Error // refuses new calls; nil while they are welcome
	calls    entry         // head of the ring of calls whose outcome is open
	handlers int           // running
	changed  chan struct{} // closed when somebody waits and a call or handler has ended
	netted   int           // calls that have a time to give up
	sweeper  *time.Timer
	sweeping bool
}

// entry is a call in its session's ring.
type entry struct {
	prev, next *entry
	call       interface{ end(*lupine.Error) }
	giveUp     time.Time
}

// newSession makes both directions of a link and returns the caller's.
func newSession(l *listener, opts lupine.SessionOptions) *session {
	there := &session{listener: l, server: l.server, workers: &l.workers, config: &l.network.config, down: opts.Down}
	back := &session{listener: l, server: opts.Server, workers: &l.workers, config: &l.network.config}
	there.back, back.back = back, there
	there.peer, there.caller = self(l.Addr()), self(l.Addr())
	there.peer.Session = there
	if opts.Server != nil {
		there.caller.Session = back
	}
	back.peer, back.caller = there.caller, there.peer
	for _, s := range []*session{there, back} {
		s.calls.prev, s.calls.next = &s.calls, &s.calls
		s.wakes.New = newWake
	}
	return there
}

// Ready reports whether calls are taken: there is no limit to their number.
func (s *session) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.why == nil
}

// Peer describes the process itself.
func (s *session) Peer() *lupine.Peer { return s.peer }

// Drain takes no more calls and waits for the outcome of those under way.
func (s *session) Drain(ctx context.Context) error {
	s.mu.Lock()
	if s.why == nil {
		s.why = closed()
	}
	s.mu.Unlock()
	return s.wait(ctx, s.unsettled)
}

// Close ends the link: calls under way in both directions fail.
func (s *session) Close() error {
	s.kill(closed())
	s.back.kill(closed())
	if s.down != nil {
		s.listener.forget(s)
	} else {
		s.listener.forget(s.back)
	}
	return nil
}

func closed() *lupine.Error {
	return lupine.Errorf(lupine.Unavailable, "the session is closed: %w", net.ErrClosed).NotExecuted()
}

// gone ends the link because the server's listener was closed.
func (s *session) gone() {
	why := lupine.Errorf(lupine.Unavailable, "the server at %s has gone", s.listener.Addr()).NotExecuted()
	s.refuse(why)
	s.kill(why)
	s.back.kill(why)
	s.listener.forget(s)
}

// refuse takes no more calls, because the server is shutting down. Calls back
// go on, since handlers may need them to finish.
func (s *session) refuse(why *lupine.Error) {
	s.mu.Lock()
	first := s.why == nil
	if first {
		s.why = why
	}
	s.mu.Unlock()
	if first && s.down != nil {
		s.down(why)
	}
}

// kill ends every call. why says that a call is not executed, which holds for
// those still to come and not for those under way.
func (s *session) kill(why *lupine.Error) {
	s.mu.Lock()
	if s.why == nil {
		s.why = why
	}
	var all []*entry
	for e := s.calls.next; e != &s.calls; e = e.next {
		all = append(all, e)
	}
	if s.sweeper != nil {
		s.sweeper.Stop()
	}
	s.mu.Unlock()
	maybe := *why
	maybe.Executed = lupine.Maybe
	for _, e := range all {
		e.call.end(&maybe)
	}
}

// add notes a call whose outcome is open, or says why it cannot be taken.
func (s *session) add(e *entry) *lupine.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil {
		return s.why
	}
	e.prev, e.next = s.calls.prev, &s.calls
	e.prev.next, e.next.prev = e, e
	if e.giveUp.IsZero() {
		return nil
	}
	s.netted++
	if s.sweeping {
		return nil
	}
	s.sweeping = true
	if s.sweeper == nil {
		s.sweeper = time.AfterFunc(sweepTime, s.sweep)
	} else {
		s.sweeper.Reset(sweepTime)
	}
	return nil
}

// remove notes that a call's outcome is settled, and reports whether this was
// not known yet.
func (s *session) remove(e *entry) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.next == nil {
		return false
	}
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	if !e.giveUp.IsZero() {
		s.netted--
	}
	s.announce()
	return true
}

// sweep ends calls that have waited long enough.
func (s *session) sweep() {
	now := time.Now()
	var late []*entry
	s.mu.Lock()
	for e := s.calls.next; e != &s.calls; e = e.next {
		if !e.giveUp.IsZero() && !now.Before(e.giveUp) {
			late = append(late, e)
		}
	}
	if s.sweeping = s.netted > 0; s.sweeping {
		s.sweeper.Reset(sweepTime)
	}
	s.mu.Unlock()
	for _, e := range late {
		e.call.end(lupine.Errorf(lupine.DeadlineExceeded, "the call had no deadline and DialConfig.SafetyNet ended it: %w", context.DeadlineExceeded))
	}
}

// running counts a handler in.
func (s *session) running() {
	s.mu.Lock()
	s.handlers++
	s.mu.Unlock()
}

// returned counts a handler out.
func (s *session) returned() {
	s.mu.Lock()
	s.handlers--
	s.announce()
	s.mu.Unlock()
}

// announce wakes whoever waits. s.mu is held.
func (s *session) announce() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// unsettled and unhandled are what wait waits for the end of. s.mu is held.
func (s *session) unsettled() bool { return s.calls.next != &s.calls }
func (s *session) unhandled() bool { return s.handlers > 0 || s.unsettled() }

func (s *session) wait(ctx context.Context, busy func() bool) error {
	for {
		s.mu.Lock()
		if !busy() {
			s.mu.Unlock()
			return nil
		}
		if s.changed == nil {
			s.changed = make(chan struct{})
		}
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// route finds who answers call.
func (s *session) route(call *lupine.Call) (*lupine.Route, *lupine.Error) {
	if err := call.Header.Check(); err != nil {
		return nil, lupine.AsError(err)
	}
	if s.server == nil {
		return nil, lupine.Errorf(lupine.Unimplemented, "the peer hosts no services: set DialConfig.Server").NotExecuted()
	}
	r := s.server.Lookup(call.Method.Path)
	if r == nil {
		return nil, s.server.NoSuchMethod(call.Method.Path)
	}
	return r, nil
}

// ctxError is the error of a call that its context ended.
func ctxError(ctx context.Context, executed lupine.Executed) *lupine.Error {
	e := lupine.Errorf(lupine.CodeOf(ctx.Err()), "%s", ctx.Err()).Wrap(context.Cause(ctx))
	e.Executed = executed
	return e
}

// told is a handler's error as its caller gets it. Nothing is shared, and the
// cause stays behind.
func told(failed *lupine.Error, trailer lupine.Metadata) *lupine.Error {
	e := &lupine.Error{Code: failed.Code, Message: failed.Message, Metadata: trailer, Executed: failed.Executed}
	for _, d := range failed.Details {
		e.Details = append(e.Details, lupine.Detail{Type: d.Type, Value: append([]byte(nil), d.Value...)})
	}
	return e
}

// trailerOf is the trailer that a call ends with.
func trailerOf(c *lupine.ServerCall, failed *lupine.Error) lupine.Metadata {
	md := c.Trailer()
	md = md[:len(md):len(md)]
	if failed == nil {
		return md
	}
	for _, p := range failed.Metadata {
		// An error may carry what came from elsewhere and cannot travel here.
		if (lupine.Metadata{p}).Check() == nil {
			md = append(md, p)
		}
	}
	return md
}
