package lupine

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Backoff is how long a Link waits after failed dials: Base, then longer by
// Factor each time up to Max, each plus or minus Jitter of itself.
type Backoff struct {
	Base   time.Duration // zero means 100 ms
	Max    time.Duration // zero means 20 s
	Factor float64       // zero means 1.6
	Jitter float64       // zero means 0.2; negative means none
}

// DefaultDialTimeout bounds one dial with its handshakes.
const DefaultDialTimeout = 20 * time.Second

// Delay returns how long to wait after the nth failure in a row, from 1; random
// is in [0, 1).
func (b Backoff) Delay(n int, random float64) time.Duration {
	base, top, factor, jitter := b.Base, b.Max, b.Factor, b.Jitter
	if base <= 0 {
		base = 100 * time.Millisecond
	}
	if top <= 0 {
		top = 20 * time.Second
	}
	if factor <= 1 {
		factor = 1.6
	}
	if jitter == 0 {
		jitter = 0.2
	}
	d := float64(base)
	for ; n > 1 && d < float64(top); n-- {
		d *= factor
	}
	d = min(d, float64(top))
	if jitter > 0 {
		d *= 1 + jitter*(2*random-1)
	}
	return time.Duration(d)
}

// LinkState is what a Link is doing.
type LinkState uint8

// The states of a Link.
const (
	Idle       LinkState = iota // no session, and none being made
	Connecting                  // a first session is being made
	Ready                       // it has a session
	Failing                     // the last dial failed, and the next may not start yet
)

// String returns "idle", "connecting", "ready" or "failing".
func (s LinkState) String() string {
	return [...]string{"idle", "connecting", "ready", "failing"}[s&3]
}

// Link is one endpoint of a Conn and the sessions to it: what a Picker chooses
// among. All methods are safe for concurrent use and never block.
type Link struct {
	conn     *Conn
	wire     Wire
	info     WireInfo
	endpoint Endpoint
	state    atomic.Uint32
	sessions atomic.Pointer[[]*linkSession] // replaced, never changed
	next     atomic.Uint32                  // which session waits for the next call, when all are full
	slow     atomic.Bool                    // the dial under way has had its head start
	useless  atomic.Int32                   // sessions in a row that were lost when hardly made; a call that succeeds ends the row

	mu      sync.Mutex
	dialing bool
	closed  bool
	fails   int // dials in a row that failed
	err     error
	timer   *time.Timer
	leaving []*linkSession // take no more calls, but have some under way
	noMore  time.Time      // a further session was asked for in vain: the next try
}

// linkSession is one session of a link.
type linkSession struct {
	Session
	// down is set at once when the session takes no more calls; lost comes a
	// moment later, and no call may be given to a dead session in between.
	down atomic.Bool
	made time.Time
}

// freeRedials is how many sessions in a row may be lost when hardly made (within
// the first delay of [Backoff], and with no call that succeeded) before the next
// dial has to wait as after a failed one.
const freeRedials = 3

// headStart is how long a dial may take before [PickFirst] tries the next endpoint
// beside it (RFC 8305, section 5). An address that answers nothing, as one behind a
// cut link or of a process that is stopped, would hold calls for DialTimeout.
const headStart = 250 * time.Millisecond

// lookAgainEvery is how often calls that wait for a further session look whether
// one of those there are has room again.
const lookAgainEvery = 50 * time.Millisecond

// Endpoint returns where the link leads.
func (l *Link) Endpoint() Endpoint { return l.endpoint }

// State returns what the link is doing.
func (l *Link) State() LinkState { return LinkState(l.state.Load()) }

// Err returns why the last dial failed or the last session broke, or nil.
func (l *Link) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Connect starts making a session if the link is Idle.
func (l *Link) Connect() {
	l.mu.Lock()
	if l.State() != Idle || l.closed {
		l.mu.Unlock()
		return
	}
	l.state.Store(uint32(Connecting))
	l.dial()
	l.mu.Unlock()
}

// dial starts a dial. l.mu is held.
func (l *Link) dial() {
	if l.dialing || l.closed {
		return
	}
	l.dialing = true
	go l.connect()
}

func (l *Link) connect() {
	ctx, cancel := context.WithTimeout(l.conn.ctx, l.conn.config.DialTimeout)
	defer cancel()
	made := new(linkSession)
	late := false // the Conn was closed meanwhile
	up := make(chan struct{})
	config := &l.conn.config
	over := false // with l.mu
	head := time.AfterFunc(headStart, func() {
		l.mu.Lock()
		slow := !over
		if slow {
			l.slow.Store(true)
		}
		l.mu.Unlock()
		if slow {
			l.conn.linkChanged()
		}
	})
	defer head.Stop()
	session, err := l.wire.Dial(ctx, l.endpoint, SessionOptions{
		Down: func(err error) {
			made.down.Store(true)
			// Wires call this from their own goroutines; wait until made is in use.
			go func() {
				<-up
				l.lost(made, err)
			}()
		},
		Server:    config.Server,
		UserAgent: config.UserAgent,
		Log:       config.Log,
	})
	made.Session, made.made = session, time.Now()
	l.mu.Lock()
	l.dialing, over = false, true
	l.slow.Store(false)
	switch {
	case err != nil:
		l.failed(err)
	case l.closed:
		late = true
	default:
		l.fails, l.err = 0, nil
		have := l.list()
		now := append(slices.Clip(slices.Clone(have)), made)
		l.sessions.Store(&now)
		l.state.Store(uint32(Ready))
	}
	l.mu.Unlock()
	close(up)
	if late {
		session.Close()
		return
	}
	l.conn.linkChanged()
}

// failed notes a failed dial. l.mu is held.
func (l *Link) failed(err error) {
	l.err = err
	if l.closed {
		return
	}
	l.fails++
	delay := l.conn.config.Backoff.Delay(l.fails, rand.Float64())
	if len(l.list()) > 0 {
		// A further session was asked for; those there are still serve.
		l.noMore = time.Now().Add(delay)
		return
	}
	l.pause(delay)
}

// pause makes the link Failing until delay has passed. l.mu is held.
func (l *Link) pause(delay time.Duration) {
	l.state.Store(uint32(Failing))
	l.timer = time.AfterFunc(delay, func() {
		if l.state.CompareAndSwap(uint32(Failing), uint32(Idle)) {
			l.conn.linkChanged()
		}
	})
}

// lost forgets a session that takes no more calls.
func (l *Link) lost(s *linkSession, err error) {
	l.mu.Lock()
	have := l.list()
	i := slices.Index(have, s)
	if i < 0 {
		l.mu.Unlock()
		return
	}
	left := slices.Delete(slices.Clone(have), i, i+1)
	l.sessions.Store(&left)
	backoff := l.conn.config.Backoff
	if time.Since(s.made) > backoff.Delay(1, 0.5) {
		l.useless.Store(0)
	} else {
		l.useless.Add(1)
	}
	if len(left) == 0 {
		l.err = err
		switch {
		case l.dialing:
			l.state.Store(uint32(Connecting))
		case l.useless.Load() > freeRedials:
			l.pause(backoff.Delay(int(l.useless.Load())-freeRedials, rand.Float64()))
		default:
			l.state.Store(uint32(Idle))
		}
	}
	l.leaving = append(l.leaving, s)
	l.mu.Unlock()
	l.conn.linkChanged()
	// Calls under way may go on. The session is ours until they have ended.
	if s.Drain(l.conn.ctx) != nil && l.conn.ctx.Err() != nil {
		return // close has it
	}
	l.mu.Lock()
	i = slices.Index(l.leaving, s)
	if i >= 0 {
		l.leaving = slices.Delete(l.leaving, i, i+1)
	}
	l.mu.Unlock()
	if i >= 0 {
		s.Close()
	}
}

func (l *Link) list() []*linkSession {
	if p := l.sessions.Load(); p != nil {
		return *p
	}
	return nil
}

// session returns a session for one call, preferring one where it starts at
// once, or nil if there is none. When all are full it asks for another, and
// returns nil while that one is being made. When there will be none, queue says
// that the call has to wait where it is.
func (l *Link) session() (s Session, queue bool) {
	have := l.list()
	for _, s := range have {
		if !s.down.Load() && s.Ready() {
			return s.Session, false
		}
	}
	var full []Session
	for _, s := range have {
		if !s.down.Load() {
			full = append(full, s.Session)
		}
	}
	if len(full) == 0 || len(full) < l.conn.config.MaxSessions && l.more() {
		return nil, false
	}
	return full[int(l.next.Add(1))%len(full)], true
}

// more starts making a further session, unless the last attempt failed a short
// while ago, and reports whether one is being made.
func (l *Link) more() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || time.Now().Before(l.noMore) {
		return false
	}
	if !l.dialing {
		l.dial()
		l.lookAgain()
	}
	return true
}

// lookAgain wakes the calls that wait for a further session now and then, since
// those there are may have room again. l.mu is held.
func (l *Link) lookAgain() {
	l.timer = time.AfterFunc(lookAgainEvery, func() {
		l.mu.Lock()
		waiting := l.dialing && !l.closed
		if waiting {
			l.lookAgain()
		}
		l.mu.Unlock()
		if waiting {
			l.conn.linkChanged()
		}
	})
}

// drain takes no more calls, ends the link's sessions when the calls on them have
// ended or ctx has, and returns ctx's error if it had to.
func (l *Link) drain(ctx context.Context) error {
	var first error
	for _, s := range l.shut() {
		if err := s.Drain(ctx); err != nil && first == nil {
			first = err
		}
		s.Close()
	}
	return first
}

// close ends the link's sessions and the calls on them.
func (l *Link) close() {
	for _, s := range l.shut() {
		s.Close()
	}
}

// shut takes the link's sessions away.
func (l *Link) shut() []*linkSession {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	have := append(slices.Clone(l.list()), l.leaving...)
	l.leaving = nil
	l.sessions.Store(nil)
	return have
}
