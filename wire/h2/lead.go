package h2

import "time"

// Who reads a client's connection.
//
// A lone caller reads its own reply: no goroutine has to be woken. When it has
// its reply and others wait, it hands the role to a background goroutine, which
// keeps it while calls are pending. A ticker sees to the rest: a caller that has
// read for a whole tick is kicked off (its context may have ended, which a read
// does not notice), and a connection that nobody has read from for a whole tick
// gets the background reader (the server may say goodbye).
type reader uint8

const (
	nobody reader = iota
	caller
	background
)

// readTick is the ticker's period. Two of them bound how long a live connection
// is without a reader.
const readTick = 500 * time.Microsecond

// kickTime is a deadline in the past.
var kickTime = time.Unix(1, 0)

// lead reads on behalf of st until st.ready(want), or until it is kicked. The lock
// is held before and after.
func (s *session) lead(st *clientStream, want wanted) {
	s.reader = caller
	s.turns++
	s.tickOn()
	handOver := false
	for s.dead == nil && !st.ready(want) && !handOver {
		s.mu.Unlock()
		err := s.fill()
		s.mu.Lock()
		if s.pardon() {
			handOver = true
			if timedOut(err) {
				err = nil
			}
		}
		s.took(err)
	}
	// took lets go of the lock to write: the ticker may have come in between.
	if s.pardon() {
		handOver = true
	}
	s.turns++
	if s.dead == nil && (handOver || s.eng.Streams() > 0) {
		s.readBehind()
		return
	}
	s.reader = nobody
	s.tickOn()
}

// pardon takes the ticker's kick back, and reports whether there was one: who reads
// next must not run into its deadline. The lock is held.
func (s *session) pardon() bool {
	if !s.kicked {
		return false
	}
	s.kicked = false
	s.conn.SetReadDeadline(time.Time{})
	return true
}

// took processes what fill has read. The lock is held.
func (s *session) took(err error) {
	if s.dead != nil {
		return
	}
	if err != nil {
		s.die(brokenRead(err))
		return
	}
	now := clock()
	s.eng.Received(now)
	s.process(now)
	if len(s.woken) == 0 {
		s.flush(false)
	} else if s.wakeBatch(true) {
		s.writeOut()
	}
}

// readBehind gives the role to the background reader. The lock is held.
func (s *session) readBehind() {
	s.reader = background
	s.turns++
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
		for s.dead == nil {
			busy := s.eng.Streams() > 0
			s.mu.Unlock()
			err := s.fill()
			s.mu.Lock()
			s.took(err)
			// The last caller is back at work: it may read its next reply itself.
			if busy && s.selfRead && s.eng.Streams() == 0 && s.dead == nil {
				s.reader = nobody
				s.turns++
				s.tickOn()
				break
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
	if s.reader == nobody {
		s.readBehind()
		return
	}
	s.kicked = true
	s.conn.SetReadDeadline(kickTime)
}
