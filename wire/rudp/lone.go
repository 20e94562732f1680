package rudp

import (
	"context"
	"errors"
	"net"
	"os"
	"time"
)

// While all that comes to a listener is for the handler of one stream, that handler
// reads the socket for itself when it waits in Recv: no goroutine has to be woken for
// each message. The reader hands it its role, with its buffers; between two Recvs nobody
// reads. The role goes back to a goroutine of its own when something else comes, when the
// handler waits for anything but messages or returns, and, by the watchdog, when it takes
// long.

const (
	// loneStreak is how many batches in a row have to be for the same receiver and nothing
	// else before it reads for itself: handing the role back and forth would cost more.
	loneStreak = 16
)

// lone is the reader's role as handlers have it. The lock of reading guards it.
type lone struct {
	idle     *reader // nobody reads: who waits in Recv next does
	passes   uint64  // how often that was so
	lastPass uint64  // at the last tick of the watchdog

	// These go with the role.
	last   *session // whose receiver the last batch was for
	streak int      // batches in a row; below 0 after a handler that took long
	shyFor int      // how far below
	passed int64    // when the role was handed over
}

// pass leaves the role to who waits in Recv next. r is another's then.
func (rd *reading) pass(r *reader) {
	rd.mu.Lock()
	rd.idle = r
	rd.passes++
	if !rd.watching {
		rd.watch(r.l)
	}
	rd.mu.Unlock()
}

// claim takes the role if nobody has it; nil otherwise.
func (rd *reading) claim() *reader {
	rd.mu.Lock()
	r := rd.idle
	rd.idle = nil
	rd.mu.Unlock()
	return r
}

// readOn has a goroutine read if nobody does.
func (l *listener) readOn() {
	if r := l.read.claim(); r != nil {
		l.workers.Go(r)
	}
}

// slow notes that a handler that had the role took long.
func (rd *reading) slow() {
	rd.shyFor = min(max(2*rd.shyFor, minShy), maxShy)
	rd.streak = -rd.shyFor
}

// offers reports whether what was read is for the receiver of s's only call, who should
// read on. The lock of s is held.
func (r *reader) offers(s *session) bool {
	rd := &r.l.read
	alone := r.calls == 0 && len(rd.touched) == 1 && s.serving == 1 && len(s.woken) == 1
	if alone {
		_, alone = s.woken[0].to.(*serverCall)
	}
	if !alone || rd.last != s {
		rd.last, rd.streak = s, min(rd.streak, 0)
	}
	if alone {
		rd.streak++
	}
	return rd.streak >= loneStreak
}

// lead reads on behalf of c, which waits in Recv, until something is there for it, it is
// kicked, or something came for others. It is kicked when ctx ends. The lock of c's
// session is held before and after; r is another's afterwards.
func (r *reader) lead(ctx context.Context, c *serverCall) {
	s, rd := c.s, &r.l.read
	if took := time.Duration(clock() - rd.passed); took > slowTurn {
		rd.slow()
		r.l.workers.Go(r)
		return
	}
	rd.shyFor = 0
	if ctx.Done() != nil {
		if s.lookUp == nil {
			s.lookUp = s.kickLed
		}
		defer context.AfterFunc(ctx, s.lookUp)()
	}
	s.led = &c.recvWait
	over := false
	for !over && s.dead == nil && !c.ready() {
		s.mu.Unlock()
		got, err := r.in.Read(r.buf)
		if err == nil {
			rd.passed = clock()
			r.take(got)
			over = len(rd.touched) > 1 || len(rd.touched) == 1 && rd.touched[0] != s
			r.settle(false)
			over = over || r.calls > 0
		}
		s.mu.Lock()
		kicked := s.pardon()
		over = over || kicked || s.serving > 1
		if err != nil && !(kicked && errors.Is(err, os.ErrDeadlineExceeded)) && !r.passing(err) {
			s.led = nil
			return // nobody can read
		}
	}
	// settle lets go of the lock to send: a kick may have come in between.
	over = s.pardon() || over
	s.led = nil
	if over || s.dead != nil {
		rd.streak = 0
		r.l.workers.Go(r)
		return
	}
	rd.pass(r)
}

// kickLed has the handler that reads stop.
func (s *session) kickLed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.led != nil {
		s.kick()
	}
}

// passing reports whether more can be read after err. If not it tells Serve, unless the
// socket was closed.
func (r *reader) passing(err error) bool {
	if transient(err) {
		return true
	}
	if !errors.Is(err, net.ErrClosed) {
		select {
		case r.l.failed <- err:
		default:
		}
	}
	return false
}
