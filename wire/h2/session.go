package h2

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// session is a client's link. The embedded link's lock guards all of it.
type session struct {
	link
	opts      lupine.SessionOptions
	peerInfo  *lupine.Peer
	encs      encodings
	scheme    string
	authority string
	agent     string

	free    atomic.Int32     // how many calls would start at once
	sizes   buffers.SizeHint // of unary requests
	blocks  map[*lupine.Method]*hpack.Block
	scratch []byte

	slots  []*waiter // calls that wait for the peer to allow another stream
	idle   []chan struct{}
	downed bool
	why    error // it went down

	goneAway error // what the server's GOAWAY said, if that was an error

	bgReader chan struct{} // wakes readLoop
}

// maxBlocks bounds the kept header blocks of one session: generated methods are
// few, but a proxy makes them up.
const maxBlocks = 1024

// Ready reports whether a call opened now would start at once.
func (s *session) Ready() bool { return s.free.Load() > 0 }

// Peer describes the server.
func (s *session) Peer() *lupine.Peer { return s.peerInfo }

// refresh works out free again. The lock is held.
func (s *session) refresh() {
	n := 0
	if s.dead == nil && !s.downed {
		n = max(s.eng.Room()-len(s.slots), 0)
	}
	s.free.Store(int32(n))
}

// event takes one event of the engine.
func (s *session) event(now int64, ev engine.Event) {
	switch ev.Kind {
	case engine.EventHeaders:
		ev.Stream.Owner.(*clientStream).headers(&ev)
	case engine.EventData:
		ev.Stream.Owner.(*clientStream).data(&ev)
	case engine.EventReset:
		st := ev.Stream.Owner.(*clientStream)
		st.finish(st.resetError(&ev))
	case engine.EventGoAway:
		s.goAway(&ev)
	case engine.EventSettings:
		s.nextSlot()
		s.refresh()
	}
}

// goAway handles the server's GOAWAY: calls above its last stream did not run.
func (s *session) goAway(ev *engine.Event) {
	why := "the server is shutting down"
	if ev.Code != engine.NoError {
		why = "the server closed the connection: " + ev.Code.String()
	}
	if len(ev.Data) > 0 {
		why += ": " + string(ev.Data[:min(len(ev.Data), 256)])
	}
	err := errors.New(why)
	if ev.Code != engine.NoError {
		s.goneAway = err
	}
	last := ev.Last
	s.goDown(err)
	s.eng.EachAbove(last, func(es *engine.Stream) {
		st := es.Owner.(*clientStream)
		st.finish(lupine.Errorf(lupine.Unavailable, "%w; it did not look at this call", err).NotExecuted())
	})
}

// goDown tells the Conn, once, that the session takes no more calls.
func (s *session) goDown(err error) {
	if !s.downed {
		s.downed, s.why = true, err
		s.refresh()
		if s.opts.Down != nil {
			// Under our lock, and before any call fails because of it: who repeats
			// such a call must not be sent here again. A Conn only makes a note.
			s.opts.Down(err)
		}
	}
	s.nextSlot()
	s.refresh()
	if s.eng.Streams() == 0 {
		s.quiet()
	}
}

// broken fails every call: the link has ended.
func (s *session) broken(err error) {
	if s.goneAway != nil {
		err = s.goneAway // what the server said before it closed
	}
	s.goDown(err)
	unsent := false
	s.eng.EachAbove(0, func(es *engine.Stream) {
		st := es.Owner.(*clientStream)
		e := lupine.Errorf(lupine.Unavailable, "connection to %s: %w", s.peerInfo.RemoteAddr, err)
		if st.start >= s.left {
			unsent = true
			e.Executed = lupine.No // its first byte never left us
		}
		st.finish(e)
	})
	if unsent {
		s.eng.TakeOut(nil) // and never will
	}
	s.quiet()
}

// drained is told that a stream's pending bytes are free again.
func (s *session) drained(es *engine.Stream) {
	if st, ok := es.Owner.(*clientStream); ok {
		st.sent()
	}
}

func (*session) flushed() {}

func (s *session) processed(int64) { s.finishBatch(true) }

func (s *session) unread(err error) { s.die(brokenRead(err)) }

func (s *session) calls() int { return s.eng.Streams() }

func (*session) crowded() bool { return false }

// startReader wakes or starts readLoop. The lock is held.
func (s *session) startReader() {
	if s.bgReader == nil {
		s.bgReader = make(chan struct{}, 1)
		go s.readLoop()
	}
	s.bgReader <- struct{}{} // there is room: it has the role, or wants it
}

// readLoop is the background reader.
func (s *session) readLoop() {
	for {
		select {
		case <-s.bgReader:
		case <-s.closed:
			return
		}
		s.mu.Lock()
		turn := s.turns
		for s.dead == nil && s.turns == turn {
			busy := s.eng.Streams() > 0
			s.mu.Unlock()
			err := s.fill()
			s.mu.Lock()
			s.took(err)
			// The last caller is back at work: it may read its next reply itself.
			if busy && s.selfRead && s.turns == turn && s.eng.Streams() == 0 && s.dead == nil {
				s.passTo(nobody)
			}
		}
		s.mu.Unlock()
	}
}

// tick ends calls that have waited past their safety net.
func (s *session) tick(int64) {
	now := time.Now()
	s.eng.EachAbove(0, func(es *engine.Stream) {
		st := es.Owner.(*clientStream)
		if g := st.giveUp; !g.IsZero() && now.After(g) {
			s.eng.Reset(es, engine.Cancel)
			st.finish(lupine.Errorf(lupine.DeadlineExceeded, "the call has no deadline and took longer than the safety net allows: %w", context.DeadlineExceeded))
		}
	})
}

// quiet wakes who waits for the last call to end, and ends a session that takes
// no more.
func (s *session) quiet() {
	for _, c := range s.idle {
		close(c)
	}
	s.idle = nil
	if s.downed && s.dead == nil {
		s.eng.Drain()
		s.die(s.why)
	}
}

// opened puts st on the wire's books. CanOpen must have allowed it.
func (s *session) opened(st *clientStream) {
	var now int64 // the engine asks for the time of the first stream only
	if s.eng.Streams() == 0 {
		s.arm()
		now = clock()
	}
	st.start = s.taken + int64(len(s.eng.Out))
	s.eng.Open(now, &st.Stream)
	if s.eng.CanOpen() == engine.ErrUsedUp {
		s.goDown(engine.ErrUsedUp) // calls that wait here would wait for ever
	}
	s.refresh()
}

// streamEnded is called after a stream has left the engine.
func (s *session) streamEnded() {
	if len(s.slots) > 0 {
		s.nextSlot()
	}
	s.refresh()
	if s.eng.Streams() == 0 && (s.downed || len(s.idle) > 0) {
		s.quiet()
	}
}

// nextSlot wakes the calls that wait for a stream, as many as there is room for.
func (s *session) nextSlot() {
	room := s.eng.Room()
	for len(s.slots) > 0 && room > 0 {
		s.wake(s.slots[0])
		s.slots = s.slots[1:]
		room--
	}
	if s.downed || s.dead != nil {
		for _, w := range s.slots {
			s.wake(w)
		}
		s.slots = nil
	}
}

// errFull stands for lupine.ErrFull where errors have to be *lupine.Errors.
var errFull = lupine.Errorf(lupine.Unavailable, "%w", lupine.ErrFull).NotExecuted()

// slot waits until a stream may be opened, if the call is to queue. The lock is held before and after.
func (s *session) slot(ctx context.Context, queue bool) *lupine.Error {
	first := true
	for {
		err := s.eng.CanOpen()
		switch {
		case s.dead != nil:
			return lupine.Errorf(lupine.Unavailable, "connection to %s: %w", s.peerInfo.RemoteAddr, s.dead).NotExecuted()
		case s.downed:
			return lupine.Errorf(lupine.Unavailable, "connection to %s: %w", s.peerInfo.RemoteAddr, s.why).NotExecuted()
		case err == nil && (len(s.slots) == 0 || !first || !queue):
			return nil // free has kept room for those who wait
		case err != nil && err != engine.ErrFull:
			return lupine.Errorf(lupine.Unavailable, "connection to %s: %w", s.peerInfo.RemoteAddr, err).NotExecuted()
		case !queue:
			return errFull
		}
		w := new(waiter)
		w.ch = make(chan bool, 1)
		w.parked = true
		if first {
			s.slots = append(s.slots, w)
		} else {
			s.slots = append([]*waiter{w}, s.slots...) // it has waited before
		}
		first = false
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

// contextError is the error of a call whose context has ended.
func contextError(ctx context.Context, when string) *lupine.Error {
	err := ctx.Err()
	msg := err.Error()
	if when != "" {
		msg += " " + when
	}
	return (&lupine.Error{Code: lupine.CodeOf(err), Message: msg}).Wrap(context.Cause(ctx))
}

// block returns the kept header block of m. The lock is held.
func (s *session) block(m *lupine.Method) *hpack.Block {
	if b := s.blocks[m]; b != nil {
		return b
	}
	if len(s.blocks) >= maxBlocks {
		clear(s.blocks)
	}
	content := "application/grpc"
	if n := m.Codec.Name(); n != "proto" {
		content += "+" + n
	}
	b := &hpack.Block{Fields: []hpack.Pair{
		{Name: ":method", Value: "POST", Mode: hpack.Keep},
		{Name: ":scheme", Value: s.scheme, Mode: hpack.Keep},
		{Name: ":path", Value: m.Path, Mode: hpack.Keep},
		{Name: ":authority", Value: s.authority, Mode: hpack.Keep},
		{Name: "content-type", Value: content, Mode: hpack.Keep},
		{Name: "te", Value: "trailers", Mode: hpack.Keep},
		{Name: "user-agent", Value: s.agent, Mode: hpack.Keep},
		{Name: "grpc-accept-encoding", Value: s.encs.Names(), Mode: hpack.Keep},
	}}
	s.blocks[m] = b
	return b
}

// Drain takes no more calls and returns when those under way have ended, or with
// ctx's error when it ends first.
func (s *session) Drain(ctx context.Context) error {
	s.mu.Lock()
	s.goDown(errDraining)
	var wait chan struct{}
	if s.dead == nil && s.eng.Streams() > 0 {
		wait = make(chan struct{})
		s.idle = append(s.idle, wait)
	}
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

var errDraining = errors.New("the session is draining")

// Close ends the session and every call on it.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead == nil {
		s.eng.Drain()
		s.die(net.ErrClosed)
	}
	return nil
}
