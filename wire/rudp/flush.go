package rudp

import (
	"runtime"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/udp"
)

// Who sends takes datagrams from the engine and hands them to the kernel for
// everybody. It is whoever finds something to send and nobody at it; with others in
// flight it lets them run first, so that their calls share datagrams. Nobody waits for
// the kernel: what it does not take is left to a goroutine of its own.

// batchBytes is the size of a batch: what four system calls take. The peer is woken by
// the first of them, and has all to read then.
const batchBytes = 4 * udp.MaxBatch

var batchPool = sync.Pool{New: func() any { return &engine.Batch{Buf: make([]byte, 0, batchBytes)} }}

// flush sends what there is unless somebody else does so. The lock is held before and
// after, but not throughout. With yield it first lets others who are ready to run add
// to what is sent.
func (s *session) flush(yield bool) {
	if s.sending || s.dead != nil || s.atRest() {
		return
	}
	s.sending = true
	if yield {
		s.mu.Unlock()
		runtime.Gosched()
		s.mu.Lock()
	}
	s.send()
}

// atRest reports whether there is nothing to send, and sets the timer then. The lock is held.
func (s *session) atRest() bool {
	now := clock()
	if !s.eng.Idle(now) {
		return false
	}
	if s.events(now); !s.eng.Idle(now) {
		return false
	}
	s.arm(now)
	return true
}

// flushSoon has another goroutine send, a little later, so that more can be added: it
// is for streams whose messages follow each other. unsent is how much of one waits. The
// lock is held before and after, but not throughout.
func (s *session) flushSoon(unsent int) {
	switch {
	case s.sending || s.soon || s.dead != nil:
	case unsent >= unsentMost/2:
		s.flush(false)
	default:
		s.soon = true
		s.workers.Go((*later)(s))
	}
}

// granted sends what the engine may have granted since a receiver took messages: that
// can wait a little. The lock is held before and after, but not throughout.
func (s *session) granted() {
	if s.eng.Wants() {
		s.flushSoon(0)
	}
}

// later is a session as the task of flushSoon.
type later session

// Run sends.
func (t *later) Run() {
	s := (*session)(t)
	s.mu.Lock()
	s.soon = false
	s.flush(true)
	s.mu.Unlock()
}

// send is the sender's work. The caller has taken the role; the lock is held before
// and after.
func (s *session) send() {
	b := batchPool.Get().(*engine.Batch)
	now := clock()
	for s.eng.Poll(now, b) {
		s.mu.Unlock()
		b.Seal()
		next, err := s.write(b, 0)
		s.mu.Lock()
		if err == udp.ErrFull {
			go s.sendBehind(b, next, s.sock)
			return // it has the role now
		}
		s.hint(err)
		s.takeWriter()
		b.Reset()
		if now = clock(); s.eng.Idle(now) {
			break
		}
	}
	b.Reset()
	batchPool.Put(b)
	s.notSending()
	s.events(now)
	s.arm(now)
	if s.l != nil && !s.left && s.eng.Over() {
		s.left = true
		s.l.left(s) // nothing is to be waited for
	}
}

// sendBehind waits for the kernel so that nobody else has to, and goes on sending.
func (s *session) sendBehind(b *engine.Batch, next int, sock *udp.Socket) {
	err := error(udp.ErrFull)
	for err == udp.ErrFull {
		if err = sock.Wait(); err == nil {
			next, err = s.write(b, next)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hint(err)
	s.takeWriter()
	b.Reset()
	batchPool.Put(b)
	if s.dead != nil {
		s.notSending()
		return
	}
	s.send()
}

// notSending gives the sender's role back. The lock is held.
func (s *session) notSending() {
	s.sending = false
	s.takeWriter()
	if s.sent != nil {
		close(s.sent)
		s.sent = nil
	}
}

// sentAll waits until nobody is sending, but no longer than lingerMost. The lock is held
// before and after, but not throughout.
func (s *session) sentAll() {
	if !s.sending {
		return
	}
	if s.sent == nil {
		s.sent = make(chan struct{})
	}
	sent := s.sent
	s.mu.Unlock()
	late := time.NewTimer(lingerMost)
	defer late.Stop()
	select {
	case <-sent:
	case <-late.C:
	}
	s.mu.Lock()
}

// hint tells the engine what the socket said. The lock is held.
func (s *session) hint(err error) {
	switch err {
	case nil:
	case udp.ErrRefused:
		s.eng.Hint(clock(), engine.HintUnreachable)
	case udp.ErrTooLong:
		s.eng.Hint(clock(), engine.HintTooLong)
	case udp.ErrUnreachable:
		s.lookAround(clock(), true)
	}
	// What else goes wrong shows by silence: a socket that is closed is closed by us.
}

// write sends the datagrams of b from next on, as many with one system call as have
// one size. It returns the first that was not sent.
func (s *session) write(b *engine.Batch, next int) (int, error) {
	var first error
	for next < len(b.List) {
		end, size := run(b, next)
		d := &b.List[next]
		last := &b.List[end-1]
		n, err := s.out.Write(b.Buf[d.At:last.End+last.Tag], size, d.To, d.ECN)
		switch err {
		case nil:
			s.cfg.Stats.sent.Add(uint64(end - next))
		case udp.ErrFull:
			s.cfg.Stats.sent.Add(uint64(n / size))
			return next + n/size, err
		default:
			if first == nil {
				first = err
			}
		}
		next = end
	}
	return next, first
}

// run returns where the datagrams end that one system call can send, and their size.
func run(b *engine.Batch, at int) (end, size int) {
	d := &b.List[at]
	size = d.End + d.Tag - d.At
	total := 0
	for end = at; end < len(b.List) && end-at < udp.MaxSegments; end++ {
		e := &b.List[end]
		n := e.End + e.Tag - e.At
		if e.To != d.To || e.ECN != d.ECN || n > size || total+n > udp.MaxBatch || end > at && b.List[end-1].End+b.List[end-1].Tag != e.At {
			break
		}
		if total += n; n < size {
			end++
			break
		}
	}
	return end, size
}

// nearTimer is how long before it fires a timer that is not due yet is moved, in ns: who
// waits for a socket beside a timer due within the kernel's tick, 4 ms, waits longer; see
// docs/PERFORMANCE.md.
const nearTimer = int64(5 * time.Millisecond)

// arm sets the timer. One that fires too early only looks again, so it is not moved
// with every call, but before it is near. The lock is held.
func (s *session) arm(now int64) {
	next := s.eng.Next()
	if s.dead != nil || next == 0 || s.armed != 0 && s.armed <= next && (s.armed-now > nearTimer || next-s.armed < nearTimer) {
		return
	}
	s.armed = next
	wait := max(time.Duration(next-now), 0)
	if s.timer == nil {
		s.timer = time.AfterFunc(wait, s.tick)
		return
	}
	s.timer.Reset(wait)
}

// housePeriod is how often calls without a deadline are looked at, in ns.
const housePeriod = int64(time.Second)

// tick does what is due by the clock.
func (s *session) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = 0
	if s.dead != nil {
		return
	}
	now := clock()
	if next := s.eng.Next(); next != 0 && next <= now {
		s.eng.Tick(now)
		s.events(now)
		s.silent(now)
	}
	if now >= s.houseDue {
		s.houseDue = now + housePeriod
		s.giveUp(now)
	}
	if s.dead != nil {
		return
	}
	s.watchBehind()
	s.flush(false)
	s.arm(clock())
}

// giveUp ends calls that have waited past their safety net. The lock is held.
func (s *session) giveUp(now int64) {
	var wall time.Time
	for c := s.calls.first; c != nil; {
		next := c.next
		if !c.giveUp.IsZero() {
			if wall.IsZero() {
				wall = time.Now()
			}
			if wall.After(c.giveUp) {
				c.abandon(now, lupine.Errorf(lupine.DeadlineExceeded, "the call has no deadline and took longer than the safety net allows"))
			}
		}
		c = next
	}
}
