package rudp

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lupine-rpc/lupine/internal/routes"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/udp"
)

// One goroutine reads a listener's socket for all sessions, and runs quick handlers
// itself; when one of them takes too long, a watchdog has another goroutine read on. See
// lone.go for when a handler reads.

// reading is who reads.
type reading struct {
	rotate atomic.Bool // the cookies' key is due

	mu       sync.Mutex
	turn     uint64        // changes whenever another goroutine reads
	inline   *routes.Route // of the handler that the reader is running
	runs     uint64        // handlers run by the reader
	lastRun  uint64        // at the last tick of the watchdog
	watching bool
	alert    bool // at its short period
	crowd    bool // there was more than one call since the last tick
	over     bool
	watchdog *time.Timer
	lone

	// The reader's; they go with the role.
	touched []*session // sessions that something came for, up to touchedAt done
	at      int
}

// Periods of the watchdog. Two of them bound how long a handler that the reader runs
// can keep it from reading: the short one where other calls are there.
const (
	watchTick = 500 * time.Microsecond
	loneTick  = 10 * time.Millisecond
)

// reader is one goroutine's buffers.
type reader struct {
	l       *listener
	turn    uint64
	in      *udp.Reader
	out     *udp.Writer
	buf     []byte
	answer  []byte
	packets []engine.Packet
	calls   int // that were started after the last read
}

const (
	// replyRun is the least after how many handlers that the reader runs their replies are
	// sent although there are more to run: their callers are at work meanwhile.
	replyRun = 16
	// From manyCalls on, the reader takes in what else is here, readTurns reads at
	// most, before it runs handlers and answers. With fewer, both ends working at once is
	// worth more than fewer datagrams.
	manyCalls = 32
	readTurns = 16
)

// Where long messages come, longTurns more reads of longRead bytes and more are taken in
// before they are acknowledged and their receivers woken.
const (
	longTurns = 3
	longRead  = 32 << 10
)

// startReader has a new goroutine read.
func (l *listener) startReader() {
	l.read.mu.Lock()
	l.read.turn++
	turn := l.read.turn
	l.read.mu.Unlock()
	l.workers.Go(&reader{l: l, turn: turn, in: l.sock.NewReader(), out: l.sock.NewWriter(), buf: make([]byte, udp.ReadBytes)})
}

func (r *reading) stop() {
	r.mu.Lock()
	r.over = true
	if r.watchdog != nil {
		r.watchdog.Stop()
	}
	r.mu.Unlock()
}

// Run reads until the listener is closed or the role is another's.
func (r *reader) Run() {
	for r.settle(true) {
		got, err := r.in.Read(r.buf)
		if err != nil {
			if !r.passing(err) {
				return
			}
			continue
		}
		r.take(got)
		turns := longTurns
		if r.calls >= manyCalls {
			turns = readTurns
		}
		for range turns {
			if r.calls < manyCalls && got.N < longRead {
				break
			}
			more, ok, err := r.in.More(r.buf)
			if !ok || err != nil {
				break
			}
			got = more
			r.take(got)
		}
	}
}

// transient reports whether a read failed because of a datagram that was sent.
func transient(err error) bool {
	return err == udp.ErrRefused || err == udp.ErrTooLong || err == udp.ErrUnreachable
}

// take gives what was read to the sessions.
func (r *reader) take(got udp.Received) {
	if r.l.read.rotate.CompareAndSwap(true, false) {
		r.l.front.Rotate(newSecret())
	}
	now := clock()
	var cur *session // whose packets are collected
	for b := r.buf[:got.N]; len(b) > 0; {
		n := min(got.Segment, len(b))
		s := r.open(now, b[:n:n], &got)
		b = b[n:]
		if s == nil {
			continue
		}
		if s != cur && cur != nil {
			last := r.packets[len(r.packets)-1]
			r.packets = r.packets[:len(r.packets)-1]
			r.give(now, cur)
			r.packets = append(r.packets[:0], last)
		}
		cur = s
	}
	if cur != nil {
		r.give(now, cur)
	}
}

// open finds the session of a datagram and opens it into packets.
func (r *reader) open(now int64, b []byte, got *udp.Received) *session {
	l := r.l
	l.config.Stats.received.Add(1)
	r.packets = append(r.packets, engine.Packet{ECN: got.ECN, From: got.From})
	p := &r.packets[len(r.packets)-1]
	drop := func() *session {
		r.packets = r.packets[:len(r.packets)-1]
		return nil
	}
	var v engine.Verdict
	r.answer, v = l.front.Handle(now, b, got.From, p, r.answer[:0])
	if v == engine.VerdictSession {
		s := l.table.get(p.Index)
		if s != nil {
			d := s.opener.Open(b, p)
			if d == engine.DropKeys {
				if s.hold(b, got) {
					return drop()
				}
				d = s.opener.Open(b, p) // they may have come meanwhile
			}
			if d != engine.DropNone {
				l.config.Stats.dropped.Add(1)
				return drop()
			}
			return s
		}
		l.config.Stats.unknown.Add(1)
		r.answer, v = l.front.Unknown(now, b, r.answer[:0])
	}
	if v == engine.VerdictHello {
		if s := l.accept(now, p); s != nil {
			return s
		}
		r.answer, v = l.front.Refuse(&p.Hello, engine.CodeBusy, l.busy(), r.answer[:0]), engine.VerdictAnswer
	}
	if v == engine.VerdictAnswer {
		if engine.Kind(r.answer[0]) == engine.KindRetry {
			l.config.Stats.retries.Add(1)
		}
		l.config.Stats.sent.Add(1)
		r.out.Write(r.answer, len(r.answer), got.From, 0)
	}
	return drop()
}

// busy says why no session is made.
func (l *listener) busy() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.draining || l.closed {
		return "the server is shutting down"
	}
	if len(l.sessions) < l.config.MaxSessions {
		return "too many handshakes go on (limit MaxHandshakes)"
	}
	return "the server has as many sessions as it takes (limit MaxSessions)"
}

// give has the engine of s take in the packets.
func (r *reader) give(now int64, s *session) {
	s.mu.Lock()
	s.batching = true
	for i := range r.packets {
		if s.dead != nil {
			break
		}
		s.eng.Receive(now, &r.packets[i])
		s.events(now)
	}
	s.batching = false
	s.mu.Unlock()
	clear(r.packets)
	r.packets = r.packets[:0]
	if rd := &r.l.read; len(rd.touched) == 0 || rd.touched[len(rd.touched)-1] != s {
		rd.touched = append(rd.touched, s)
	}
}

// settle starts the calls that have come and sends what comes of it. With here it runs
// quick handlers itself, and may hand the role on. It reports whether the goroutine still
// has the reader's role.
func (r *reader) settle(here bool) bool {
	rd := &r.l.read
	r.calls = 0
	for rd.at < len(rd.touched) {
		s := rd.touched[rd.at]
		ran, run := 0, 0
		for {
			c, left, many := s.nextCall()
			if c == nil {
				break
			}
			r.calls++
			if !here || !c.route.Quick() || !c.direct {
				r.l.workers.Go(c)
				continue
			}
			if ran == 0 {
				run = max(replyRun, left/4)
			} else if ran%run == 0 {
				s.mu.Lock()
				s.flush(false)
				s.mu.Unlock()
			}
			ran++
			if !r.runHere(c, many) {
				return false
			}
		}
		rd.touched[rd.at] = nil
		rd.at++
		s.mu.Lock()
		if s.dead == nil {
			now := clock()
			s.eng.Flush(now)
			if here && r.offers(s) {
				rd.touched, rd.at, rd.passed = rd.touched[:0], 0, now
				rd.pass(r)
				s.finishBatch()
				s.mu.Unlock()
				return false
			}
			s.finishBatch()
		}
		s.mu.Unlock()
	}
	rd.touched, rd.at = rd.touched[:0], 0
	return true
}

// nextCall takes the next call to be started. left is how many are queued behind it; many
// says that it is not the only one under way.
func (s *session) nextCall() (c *serverCall, left int, many bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queueAt == len(s.queue) {
		s.queue, s.queueAt = s.queue[:0], 0
		return nil, 0, false
	}
	c = s.queue[s.queueAt]
	s.queue[s.queueAt] = nil
	s.queueAt++
	return c, len(s.queue) - s.queueAt, s.serving > 1
}

// runHere runs a quick handler on the reader's goroutine. It reports whether that is
// the reader's still.
func (r *reader) runHere(c *serverCall, crowd bool) (mine bool) {
	rd := &r.l.read
	rd.mu.Lock()
	rd.inline = c.route
	rd.runs++
	timed := rd.runs%routes.TimedRuns == 0
	rd.crowd = rd.crowd || crowd
	if !rd.watching || crowd && !rd.alert {
		rd.watch(r.l)
	}
	rd.mu.Unlock()
	returned := false
	s := c.s
	defer func() {
		rd.mu.Lock()
		if mine = rd.turn == r.turn; mine {
			rd.inline = nil
		}
		rd.mu.Unlock()
		switch {
		case !mine: // another goroutine reads by now
			s.mu.Lock()
			s.flush(false)
			s.mu.Unlock()
		case !returned: // the handler has ended the reader's goroutine
			r.l.startReader()
		}
	}()
	c.execute(timed)
	returned = true
	return true
}

// watch starts the watchdog's clock. The lock is held.
func (rd *reading) watch(l *listener) {
	rd.watching, rd.lastRun, rd.lastPass = true, rd.runs, rd.passes
	rd.alert, rd.crowd = rd.crowd, false
	period := loneTick
	if rd.alert {
		period = watchTick
	}
	if rd.watchdog == nil {
		rd.watchdog = time.AfterFunc(period, l.bark)
		return
	}
	rd.watchdog.Reset(period)
}

// bark looks whether the reader is still in the handler that it was in a tick ago, or
// nobody has read since, and if so has another goroutine read on.
func (l *listener) bark() {
	rd := &l.read
	rd.mu.Lock()
	rd.watching = false
	blocked := false
	var idle *reader
	switch {
	case rd.over:
	case rd.runs != rd.lastRun || rd.passes != rd.lastPass:
		rd.watch(l)
	case rd.idle != nil:
		idle, rd.idle = rd.idle, nil
		rd.slow()
	case rd.inline != nil:
		rd.inline.Blocked()
		rd.inline = nil
		rd.turn++ // the goroutine in the handler is no reader any more
		blocked = true
	}
	rd.mu.Unlock()
	if blocked {
		l.startReader()
	}
	if idle != nil {
		l.workers.Go(idle)
	}
}
