package rudp

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"time"

	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/udp"
)

// Who reads a client's socket: as in package h2. A lone call's caller reads for itself,
// since no goroutine has to be woken for it then; with several calls a goroutine in the
// background reads for all. It hands the role to a lone stream's receiver when it has
// something for it. A ticker sees to a socket that nobody has read for a whole tick.
type role uint8

const (
	nobody role = iota
	caller
	background
)

const (
	// readTick is the ticker's period. Two of them bound how long a live session is
	// without a reader. A shorter one would make a lone call slower: see
	// docs/PERFORMANCE.md.
	readTick = 10 * time.Millisecond

	// slowTurn is how long the receiver of a lone stream may take before it reads
	// again. Meanwhile nobody reads: the peer may wait for an ACK.
	slowTurn = 100 * time.Microsecond
	// A receiver that takes longer does not read for itself for so many messages. They
	// double each time.
	minShy = 32
	maxShy = 4096
)

// kickTime is a deadline in the past.
var kickTime = time.Unix(1, 0)

// roles is who reads a client's socket; at a listener, what is needed to have a handler
// that reads stop. The session's lock guards it.
type roles struct {
	reader   role
	turns    uint64 // changes whenever the role does
	lastTurn uint64 // at the last tick
	led      *waiter
	lastRead int64 // when
	passed   int64 // when it last had something for a stream that goes on; 0: not lately
	shy      int   // messages for which the background reader keeps the role
	shyFor   int   // what shy was set to
	kicked   bool
	lookUp   func() // kickCaller, once that was needed
	ticking  bool
	ticker   *time.Timer
	wakeUp   chan struct{} // wakes the background reader; nil: it was not started

	in *udp.Reader // the socket's: see rebind

	// The reader's own.
	rbuf    []byte
	packets []engine.Packet
}

// wanted is what a goroutine waits for.
type wanted uint8

const (
	wantEnd wanted = iota
	wantMessage
	wantHeader
)

// waiter is where one goroutine waits for something of a call.
type waiter struct {
	ch     chan bool // true: nobody else touches the call any more
	parked bool
	alone  bool  // it is a unary call's: woken when that is done
	to     taker // who waits for a message; or nil
	took   bool  // to has taken some
}

// taker is who waits for a message. take moves the messages that have come to where the
// receiver finds them without the lock, and reports whether there were any. The reader
// calls it with the lock held.
type taker interface{ take() bool }

// mayLead reports whether a caller may read for itself now. The lock is held.
func (s *session) mayLead() bool { return s.l == nil && s.reader == nobody && s.dead == nil }

// readMost is the size of the buffer of a reader that reads for many: what it takes in
// before anybody is woken.
const readMost = 4 * udp.ReadBytes

// fill reads and opens what came: one datagram, or with many, which says that several
// calls are there, all that is here, so that those who are woken answer together. A part
// of a long message has more of it taken in, too, before it is acknowledged. The reader
// calls it without the lock, with what s.in was when it had that.
func (s *session) fill(in *udp.Reader, many bool) error {
	s.packets = s.packets[:0]
	got, err := in.Read(s.rbuf)
	if err != nil {
		return err
	}
	s.open(s.rbuf, &got)
	if !many && got.N < longRead {
		return nil
	}
	if len(s.rbuf) < readMost {
		// What has been opened stays where it is.
		s.rbuf = make([]byte, readMost)
		got.N = 0
	}
	for at, ok := got.N, true; len(s.rbuf)-at >= udp.ReadBytes; at += got.N {
		if got, ok, err = in.More(s.rbuf[at:]); !ok || err != nil {
			break
		}
		s.open(s.rbuf[at:], &got)
	}
	return nil // an error here concerns datagrams that were sent: silence will show it
}

// open opens the datagrams that were read into b.
func (s *session) open(b []byte, got *udp.Received) {
	for b = b[:got.N]; len(b) > 0; {
		n := min(got.Segment, len(b))
		s.cfg.Stats.received.Add(1)
		s.packets = append(s.packets, engine.Packet{From: got.From, ECN: got.ECN})
		if d := s.opener.Open(b[:n:n], &s.packets[len(s.packets)-1]); d != engine.DropNone {
			s.cfg.Stats.dropped.Add(1)
			s.packets = s.packets[:len(s.packets)-1]
		}
		b = b[n:]
	}
}

// took processes what fill has read, and sends what comes of it. The lock is held.
func (s *session) took(err error) {
	if s.dead != nil {
		return
	}
	now := clock()
	s.lastRead = now
	if err != nil {
		if errors.Is(err, net.ErrClosed) {
			return
		}
		s.hint(err)
		s.events(now)
	}
	s.batching = true
	for i := range s.packets {
		s.eng.Receive(now, &s.packets[i])
		s.events(now)
	}
	s.batching = false
	for _, c := range s.queue {
		s.workers.Go(c)
	}
	clear(s.queue)
	s.queue = s.queue[:0]
	if s.dead == nil {
		s.eng.Flush(now)
	}
	s.finishBatch()
}

// lead reads on behalf of c, which waits at w, until c.ready(want), or until it is
// kicked. c sees to it that its waiter is woken when watched ends; if ctx is another, it
// is watched here. The lock is held before and after.
func (s *session) lead(ctx, watched context.Context, c *clientCall, w *waiter, want wanted) {
	if done := ctx.Done(); done != nil && (watched == nil || done != watched.Done()) {
		if s.lookUp == nil {
			s.lookUp = s.kickCaller
		}
		stop := context.AfterFunc(ctx, s.lookUp)
		defer stop()
	}
	if s.passed != 0 {
		s.judge(clock() - s.passed)
	}
	s.led = w
	s.passTo(caller)
	over := false
	for s.dead == nil && !over && !c.ready(want) {
		many, in := s.calls.n > 1, s.in
		s.mu.Unlock()
		err := s.fill(in, many)
		s.mu.Lock()
		if s.pardon() {
			over = true
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = nil
			}
		}
		s.took(err)
	}
	// took lets go of the lock to send: a kick may have come in between.
	over = s.pardon() || over
	s.led, s.passed = nil, 0
	others := s.calls.n
	if !c.done {
		others--
		over = over || s.shy > 0
	}
	if s.dead == nil && (over || others > 0) {
		s.readBehind()
		return
	}
	if !c.done {
		s.passed = s.lastRead
	}
	s.passTo(nobody)
}

// judge looks at how long the receiver of a lone stream took before it read again. The
// lock is held.
func (s *session) judge(took int64) {
	if took <= int64(slowTurn) {
		s.shyFor = 0
		return
	}
	s.shyFor = min(max(2*s.shyFor, minShy), maxShy)
	s.shy = s.shyFor
}

// lone reports whether what was read is for the receiver of the only call there is, who
// may then read on. The lock is held.
func (s *session) lone() bool {
	if len(s.woken) != 1 || s.woken[0].to == nil || s.calls.n != 1 {
		return false
	}
	if s.shy > 0 {
		s.shy--
		return false
	}
	s.passed = s.lastRead
	return true
}

// kickCaller has the caller that reads stop. It may be another one by now than was
// meant: then the background reader takes over for nothing.
func (s *session) kickCaller() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reader == caller {
		s.kick()
	}
}

// kick has the caller that reads stop, unless it is at work on what it has read, after
// which it looks anyway. The lock is held.
func (s *session) kick() {
	if !s.batching && !s.kicked {
		s.kicked = true
		s.sock.SetReadDeadline(kickTime)
	}
}

// pardon takes a kick back, and reports whether there was one. The lock is held.
func (s *session) pardon() bool {
	if !s.kicked {
		return false
	}
	s.kicked = false
	s.sock.SetReadDeadline(time.Time{})
	return true
}

// passTo gives the role to a caller or to nobody. The lock is held.
func (s *session) passTo(r role) {
	s.reader = r
	s.turns++
	s.tickOn()
}

// readBehind gives the role to the background reader. The lock is held.
func (s *session) readBehind() {
	s.reader = background
	s.turns++
	if s.wakeUp == nil {
		s.wakeUp = make(chan struct{}, 1)
		go s.readLoop()
	}
	s.wakeUp <- struct{}{} // there is room: it has the role, or wants it
}

// watchBehind has somebody read if nobody does: something is due. The lock is held.
func (s *session) watchBehind() {
	if s.l != nil {
		s.l.readOn()
		return
	}
	if s.reader == nobody && s.dead == nil {
		s.readBehind()
	}
}

// readLoop is the background reader.
func (s *session) readLoop() {
	for {
		select {
		case <-s.wakeUp:
		case <-s.closed:
			return
		}
		s.mu.Lock()
		turn := s.turns
		for s.dead == nil && s.turns == turn {
			busy, many, in := s.calls.n > 0, s.calls.n > 1, s.in
			s.mu.Unlock()
			err := s.fill(in, many)
			s.mu.Lock()
			s.took(err)
			// The last caller is back at work: it may read its next reply itself.
			if busy && s.turns == turn && s.calls.n == 0 && s.dead == nil && !s.downed {
				s.passTo(nobody)
			}
		}
		s.mu.Unlock()
	}
}

// tickOn starts the ticker. The lock is held.
func (s *session) tickOn() {
	if s.ticking || s.dead != nil {
		return
	}
	s.ticking = true
	s.lastTurn = s.turns
	if s.ticker == nil {
		s.ticker = time.AfterFunc(readTick, s.readTick)
		return
	}
	s.ticker.Reset(readTick)
}

// readTick looks whether the role has moved since the last tick.
func (s *session) readTick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ticking = false
	if s.dead != nil || s.reader == background {
		return
	}
	if s.turns != s.lastTurn {
		s.tickOn()
		return
	}
	if s.reader == nobody && s.passed != 0 {
		s.judge(int64(readTick))
		s.passed = 0
	}
	s.watchBehind()
}

// wake ends w's wait: after the batch that is being processed, if there is one. The
// lock is held.
func (s *session) wake(w *waiter) {
	switch {
	case w == s.led:
		s.kick()
	case !w.parked:
	case s.batching:
		w.parked = false
		s.woken = append(s.woken, w)
	default:
		w.parked = false
		w.ch <- false
	}
}

// finishBatch wakes those for whom something came, and sends for all of them. The lock
// is held before and after.
func (s *session) finishBatch() {
	if len(s.woken) == 0 {
		s.flush(false)
		return
	}
	if s.l == nil && s.reader == background && s.lone() {
		s.passTo(nobody)
	}
	woken := s.woken
	s.woken = nil
	for _, w := range woken {
		w.took = w.to != nil && w.to.take()
	}
	sender := !s.sending && s.dead == nil
	if sender {
		s.sending = true
	}
	s.mu.Unlock()
	for i, w := range woken {
		w.ch <- w.alone || w.took
		woken[i] = nil
	}
	if sender {
		runtime.Gosched()
	}
	s.mu.Lock()
	if len(s.woken) == 0 { // else who reads by now has more to wake
		s.woken = woken[:0]
	}
	if sender {
		s.send()
	}
}

// park waits until w is woken or ctx ends, whose error it then returns. The lock is
// held before and after.
func (s *session) park(ctx context.Context, w *waiter) error {
	_, err := s.await(ctx, w, nil)
	s.mu.Lock()
	return err
}

// await is park, but returns without the lock. alone says that what it waited for may
// be used without it: the call is over, or to has taken something. With an error w is not
// woken any more.
func (s *session) await(ctx context.Context, w *waiter, to taker) (alone bool, err error) {
	if w.ch == nil {
		w.ch = make(chan bool, 1)
	}
	w.parked, w.to = true, to
	s.watchBehind()
	s.mu.Unlock()
	done := ctx.Done()
	if done == nil {
		return <-w.ch, nil
	}
	select {
	case alone = <-w.ch:
		return alone, nil
	case <-done:
	}
	s.mu.Lock()
	if !w.parked { // it happened first
		s.mu.Unlock()
		return <-w.ch, nil
	}
	w.parked = false
	s.mu.Unlock()
	return false, ctx.Err()
}
