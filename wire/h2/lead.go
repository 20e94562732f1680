package h2

import "time"

// Who reads a connection.
//
// A lone call reads for itself: no goroutine has to be woken for it. At a client
// that is the caller that waits for its reply or its next message, at a server the
// handler that waits for its next request message. While several calls are there, a
// goroutine in the background reads for all of them. It hands the role to a lone
// stream's receiver when it has something for it, and takes it back as soon as there
// are others.
//
// A ticker sees to the rest: who has read for a whole tick is kicked off (its context
// may have ended, which a read does not notice), and a connection that nobody has
// read from for a whole tick gets the background reader (there may be news, other
// calls or a goodbye).
type reader uint8

const (
	nobody reader = iota
	receiver
	background
)

// readTick is the ticker's period. Two of them bound how long a live connection
// is without a reader.
const readTick = 500 * time.Microsecond

// shyness is how many messages of a lone stream the background reader keeps the role
// for after the stream's receiver has held it for nothing, or has not come back for
// it in time: each time costs a kick or a wake-up.
const shyness = 32

// kickTime is a deadline in the past.
var kickTime = time.Unix(1, 0)

// roles is who reads a link. Its lock guards it.
type roles struct {
	reader   reader
	turns    uint64 // changes whenever the role does
	lastTurn uint64 // at the last tick
	selfRead bool   // the connection can be read by whoever waits
	kicked   bool   // the receiver that reads is to stop
	shy      int    // messages for which the background reader keeps the role
	ticking  bool
	ticker   *time.Timer
}

// reading is a call whose receiver may read for itself. Its methods are called with
// the link's lock held.
type reading interface {
	ready(wanted) bool
	// open reports whether the call still counts.
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

// lead reads on behalf of r until r.ready(want), or until it is kicked, or others
// have come. The lock is held before and after.
func (l *link) lead(r reading, want wanted) {
	l.passTo(receiver)
	over := false
	for l.dead == nil && !r.ready(want) && !over {
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
	}
	// took lets go of the lock to write: the ticker may have come in between.
	if l.pardon() {
		over = true
	}
	calls := l.peer.calls()
	if r.open() {
		calls--
	}
	if l.dead == nil && (over || calls > 0) {
		l.readBehind()
		return
	}
	l.passTo(nobody)
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
	if !l.selfRead || len(l.woken) != 1 || !l.woken[0].reads || l.peer.calls() != 1 {
		return false
	}
	if l.shy > 0 {
		l.shy--
		return false
	}
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
	l.shy = shyness
	if l.reader == nobody {
		l.readBehind()
		return
	}
	l.kicked = true
	l.conn.SetReadDeadline(kickTime)
}
