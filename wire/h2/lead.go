package h2

import (
	"context"
	"time"
)

// Who reads a connection.
//
// A lone call reads for itself: no goroutine has to be woken for it. At a client
// that is the caller that waits for its reply or its next message, at a server the
// handler that waits for its next request message. While several calls are there, a
// goroutine in the background reads for all of them. It hands the role to a lone
// stream's receiver when it has something for it, and takes it back as soon as there
// are others.
//
// Who waits for something on a connection that nobody reads has the background reader
// read it. A ticker sees to the rest: a connection that nobody has read for a whole
// tick gets the background reader, too (there may be news, other calls or a goodbye).
// Its period is long: a lone call that waits for the network beside a timer due within a
// few milliseconds took a quarter longer, most likely since the kernel then sets the
// clock's alarm anew for each wait; see docs/PERFORMANCE.md.
type reader uint8

const (
	nobody reader = iota
	receiver
	background
)

const (
	// readTick is the ticker's period. Two of them bound how long a live connection
	// is without a reader.
	readTick = 10 * time.Millisecond

	// slowTurn is how long the receiver of a lone stream may take before it reads
	// again. Meanwhile nobody reads: other calls may be waiting.
	slowTurn = 100 * time.Microsecond

	// A receiver that takes longer does not read for itself for so many messages. They
	// double each time.
	minShy = 32
	maxShy = 4096
)

// kickTime is a deadline in the past.
var kickTime = time.Unix(1, 0)

// roles is who reads a link. Its lock guards it.
type roles struct {
	reader   reader
	turns    uint64  // changes whenever the role does
	lastTurn uint64  // at the last tick
	selfRead bool    // the connection can be read by whoever waits
	led      *waiter // whose receiver reads
	kicked   bool    // it is to stop
	lookUp   func()  // kickReceiver, once that was needed
	lastRead int64   // when
	passed   int64   // when it last had something for a stream that goes on; 0: not lately
	shy      int     // messages for which the background reader keeps the role
	shyFor   int     // what shy was set to
	ticking  bool
	ticker   *time.Timer
}

// reading is a call whose receiver may read for itself. Its methods are called with
// the link's lock held.
type reading interface {
	ready(wanted) bool
	// open reports whether the call goes on.
	open() bool
}

// wanted is what a goroutine waits for.
type wanted uint8

const (
	wantEnd wanted = iota
	wantMessage
	wantHeader
)

// mayLead reports whether a receiver may read for itself now. The lock is held.
func (l *link) mayLead() bool { return l.reader == nobody && l.selfRead && l.dead == nil }

// lead reads on behalf of r, which waits at w, until r.ready(want), or until it is
// kicked, or others have come whose handlers the background reader could run. It is
// kicked when ctx ends. The lock is held before and after.
func (l *link) lead(ctx context.Context, r reading, w *waiter, want wanted) {
	if ctx.Done() != nil {
		if l.lookUp == nil {
			l.lookUp = l.kickReceiver
		}
		stop := context.AfterFunc(ctx, l.lookUp)
		defer stop()
	}
	if l.passed != 0 {
		l.judge(clock() - l.passed)
	}
	l.led = w
	l.passTo(receiver)
	over := false
	for l.dead == nil && !over && !r.ready(want) {
		l.mu.Unlock()
		err := l.fill()
		l.mu.Lock()
		if l.pardon() {
			over = true
			if timedOut(err) {
				err = nil
			}
		}
		l.took(err)
		over = over || l.peer.crowded()
	}
	// took lets go of the lock to write: a kick may have come in between.
	over = l.pardon() || over
	l.led, l.passed = nil, 0
	calls := l.peer.calls()
	if r.open() {
		calls--
		over = over || l.shy > 0
	}
	if l.dead == nil && (over || calls > 0) {
		l.readBehind()
		return
	}
	if r.open() {
		l.passed = l.lastRead
	}
	l.passTo(nobody)
}

// judge looks at how long the receiver of a lone stream took before it read again.
// The lock is held.
func (l *link) judge(took int64) {
	if took <= int64(slowTurn) {
		l.shyFor = 0
		return
	}
	l.shyFor = min(max(2*l.shyFor, minShy), maxShy)
	l.shy = l.shyFor
}

// wakeUp wakes w from outside.
func (l *link) wakeUp(w *waiter) {
	l.mu.Lock()
	l.wake(w)
	l.mu.Unlock()
}

// kickReceiver has the receiver that reads stop. It may be another one by now than was
// meant: then the background reader takes over for nothing.
func (l *link) kickReceiver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reader == receiver {
		l.kick()
	}
}

// kick has the receiver that reads stop, unless it is at work on what it has read, after
// which it looks anyway. The lock is held.
func (l *link) kick() {
	if !l.batching && !l.kicked {
		l.kicked = true
		l.conn.SetReadDeadline(kickTime)
	}
}

// passTo gives the role to a receiver or to nobody. The lock is held.
func (l *link) passTo(r reader) {
	l.reader = r
	l.turns++
	l.tickOn()
}

// pardon takes the ticker's kick back, and reports whether there was one: who reads
// next must not run into its deadline. The lock is held.
func (l *link) pardon() bool {
	if !l.kicked {
		return false
	}
	l.kicked = false
	l.conn.SetReadDeadline(time.Time{})
	return true
}

// took processes what fill has read, and writes what comes of it. The lock is held.
func (l *link) took(err error) {
	if l.dead != nil {
		return
	}
	if err != nil {
		l.peer.unread(err)
		return
	}
	now := clock()
	l.lastRead = now
	l.eng.Received(now)
	l.process(now)
	l.peer.processed(now)
}

// finishBatch wakes those for whom something came, and writes for all of them. write
// is false if the caller writes afterwards. The lock is held.
func (l *link) finishBatch(write bool) {
	if len(l.woken) == 0 {
		if write {
			l.flush(false)
		}
		return
	}
	if l.reader == background && l.lone() {
		l.passTo(nobody)
	}
	if l.wakeBatch(write) {
		l.writeOut()
	}
}

// lone reports whether what was read is for the receiver of the only call there is,
// who may then read on. The lock is held.
func (l *link) lone() bool {
	if !l.selfRead || len(l.woken) != 1 || l.woken[0].to == nil || l.peer.calls() != 1 {
		return false
	}
	if l.shy > 0 {
		l.shy--
		return false
	}
	l.passed = l.lastRead
	return true
}

// readBehind gives the role to the background reader. The lock is held.
func (l *link) readBehind() {
	l.reader = background
	l.turns++
	l.peer.startReader()
}

// tickOn starts the ticker. The lock is held.
func (l *link) tickOn() {
	if l.ticking || l.dead != nil {
		return
	}
	l.ticking = true
	l.lastTurn = l.turns
	if l.ticker == nil {
		l.ticker = time.AfterFunc(readTick, l.readTick)
		return
	}
	l.ticker.Reset(readTick)
}

// readTick looks whether the role has moved since the last tick.
func (l *link) readTick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ticking = false
	if l.dead != nil || l.reader == background {
		return
	}
	if l.turns != l.lastTurn {
		l.tickOn()
		return
	}
	if l.reader == nobody {
		if l.passed != 0 {
			l.judge(int64(readTick))
			l.passed = 0
		}
		l.readBehind()
	}
}
