package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
)

// began is where the engines' clock starts. It is never written to.
var began = time.Now()

// clock is the time as engines take it.
func clock() int64 { return int64(time.Since(began)) }

// link is one connection with its engine: what client and server have in common.
//
// Two roles are passed around. Who writes (writing) takes Out and hands it to
// the kernel for everybody. Who reads (see roles) owns rbuf.
type link struct {
	mu   sync.Mutex
	eng  *engine.Conn
	conn net.Conn // what is read from: sock or TLS over it
	sock *sock
	tls  *tls.Conn // nil in plaintext
	recs *records  // what tls reads from
	peer linkUser

	// The reader's; see lead.go for who that is.
	roles
	rbuf   []byte
	rr, rw int
	small  int // reads in a row that left most of rbuf unused

	batching bool      // what was read is being processed
	woken    []*waiter // who is to be woken after that

	writing  bool
	parts    [][]byte        // of a burst
	lent     *engine.Stream  // whose data is being written from where it is
	lentBuf  *buffers.Buffer // what holds it, if it was given back meanwhile
	soon     bool            // the background writer was asked to flush
	spare    []byte
	taken    int64 // bytes that have left Out
	left     int64 // bytes that may have left the process: no more than these
	progress int64 // when the kernel last took something, while it is behind
	behind   bool  // the background writer is at work
	bgWriter chan struct{}

	house      *time.Timer // housekeeping, while streams are open
	houseArmed bool
	period     time.Duration
	probing    bool // TCP watches a silent peer; see probe
	stall      time.Duration
	stats      *Stats

	dead   error // why the link ended; nil while it lives
	closed chan struct{}
	parted chan struct{} // if not nil, closed once the socket is
}

// linkUser is the client's or the server's half. All methods are called with the
// link's lock held.
type linkUser interface {
	// event takes one event of the engine.
	event(now int64, ev engine.Event)
	// processed ends a batch of events; it calls finishBatch.
	processed(now int64)
	// unread ends the link because reading failed.
	unread(err error)
	// calls is how many there are.
	calls() int
	// crowded reports whether a receiver must not read on for all.
	crowded() bool
	// startReader has a goroutine read for all, which is the background reader.
	startReader()
	// drained is told that a stream's pending bytes are free again.
	drained(*engine.Stream)
	// tick is called about once a second while streams are open.
	tick(now int64)
	// flushed is called when all that there was to write has been written.
	flushed()
	// broken is called once, when the link ends.
	broken(err error)
}

const (
	minRead = 1 << 10
	maxRead = 256 << 10
)

// init readies l for a connection whose handshake is done.
func (l *link) init(s *sock, t *tls.Conn, eng *engine.Conn, user linkUser, cfg *Config) {
	l.sock, l.tls, l.eng, l.peer = s, t, eng, user
	l.conn = s.Conn
	if t != nil {
		l.conn = t
		l.recs = t.NetConn().(*records)
		l.recs.shrink() // certificates are long, calls need not be
	}
	l.closed = make(chan struct{})
	l.stall, l.stats = cfg.StallTimeout, cfg.Stats
	l.period = time.Second
	if cfg.KeepAlive > 0 {
		l.period = min(l.period, cfg.KeepAlive)
	}
	l.rbuf = make([]byte, minRead)
	l.selfRead = s.plain()
	s.handshaken()
}

// fill reads once into rbuf. The reader calls it without the lock.
func (l *link) fill() error {
	if l.rw == len(l.rbuf) {
		if l.rr > 0 {
			l.rw = copy(l.rbuf, l.rbuf[l.rr:l.rw])
			l.rr = 0
		} else {
			l.grow()
		}
	}
	n, err := l.conn.Read(l.rbuf[l.rw:])
	l.rw += n
	if n > 0 {
		if l.recs != nil {
			n += l.fillRecords()
		}
		l.resize(n)
		return nil // an error comes again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// fillRecords reads the other TLS records that are here already, without waiting,
// and returns how much that was.
func (l *link) fillRecords() (n int) {
	l.recs.only = true
	for l.rw < len(l.rbuf) && l.recs.whole() {
		k, err := l.conn.Read(l.rbuf[l.rw:])
		l.rw += k
		n += k
		if err != nil {
			break // errNoRecord, or it comes again
		}
	}
	l.recs.only = false
	return n
}

func (l *link) grow() {
	b := make([]byte, min(max(2*len(l.rbuf), minRead), max(maxRead, l.eng.Need())))
	copy(b, l.rbuf[:l.rw])
	l.rbuf = b
}

// resize lets rbuf follow what one read brings.
func (l *link) resize(n int) {
	switch {
	case l.rw == len(l.rbuf) && len(l.rbuf) < maxRead:
		l.grow()
		l.small = 0
	case n < len(l.rbuf)/8 && len(l.rbuf) > minRead:
		if l.small++; l.small > 256 && l.rw <= len(l.rbuf)/4 {
			b := make([]byte, len(l.rbuf)/2)
			copy(b, l.rbuf[:l.rw])
			l.rbuf, l.small = b, 0
		}
	default:
		l.small = 0
	}
}

// process feeds what was read to the engine. The reader calls it with the lock.
func (l *link) process(now int64) {
	l.batching = true
	defer func() { l.batching = false }()
	for l.dead == nil {
		ev, n, err := l.eng.Next(now, l.rbuf[l.rr:l.rw])
		l.rr += n
		if err != nil {
			l.die(err)
			return
		}
		if ev.Kind == engine.EventNone {
			break
		}
		l.peer.event(now, ev)
	}
	if l.rr == l.rw {
		l.rr, l.rw = 0, 0
	}
}

// flush writes what is in Out unless somebody else is doing so. The lock is held
// before and after, but not throughout. It never waits for the kernel. With
// yield it first lets others who are ready to run add to what is written.
func (l *link) flush(yield bool) {
	if l.writing || l.eng.Idle() {
		return
	}
	l.writing = true
	if yield {
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
	}
	l.writeOut()
}

// writeOut is the writer's work: it writes until nothing is left in Out. The
// caller has taken the role; the lock is held before and after.
func (l *link) writeOut() {
	for {
		long := l.cutBurst()
		if long == 0 {
			l.eng.Pump(outLimit)
		}
		if len(l.eng.Out) == 0 && long == 0 {
			break
		}
		b := l.eng.TakeOut(l.spare)
		l.spare = nil
		l.taken += int64(len(b) + long)
		l.left = l.taken
		var full bool
		var n int
		var err error
		if long > 0 {
			n, full, err = l.writeBurst(b)
		} else {
			l.mu.Unlock()
			n, err = l.write(b)
			full = err == nil && l.sock.full()
			l.mu.Lock()
		}
		l.left -= int64(len(b) + long - n)
		if cap(b) <= 4*outLimit {
			l.spare = b[:0]
		}
		if err != nil {
			l.writing = false
			l.die(err)
			return
		}
		if full {
			l.later()
			return // the background writer has the role now
		}
	}
	l.writing = false
	if l.dead != nil {
		l.shut()
		return
	}
	l.peer.flushed()
}

// maxBurst is the most of a long message that is offered to the kernel at once, while
// nothing else is to be sent.
const maxBurst = 1 << 20

// cutBurst takes a burst from the engine if there is one, and returns its length.
func (l *link) cutBurst() (n int) {
	if !canGather || !l.sock.plain() || l.tls != nil {
		return 0
	}
	l.parts = l.eng.Burst(append(l.parts[:0], nil), engine.BurstMin/2, maxBurst)
	for _, p := range l.parts {
		n += len(p)
	}
	return n
}

// writeBurst writes b and the burst that was cut, as far as the kernel takes them. It
// returns how much of both has left or is kept, and whether something is kept. The lock
// is held before and after.
func (l *link) writeBurst(b []byte) (n int, full bool, err error) {
	l.parts[0] = b
	parts := l.parts
	if len(b) == 0 {
		parts = parts[1:]
	}
	l.lent = l.eng.Bursting()
	l.mu.Unlock()
	n, err = l.sock.gather(parts)
	l.mu.Lock()
	took := max(n-len(b), 0)
	head, payload, _ := l.eng.Wrote(took)
	if rest := b[min(n, len(b)):]; len(rest)+len(head)+len(payload) > 0 && err == nil {
		l.sock.keep(rest)
		l.sock.keep(head)
		l.sock.keep(payload)
		n += len(rest) + len(head) + len(payload)
		full = true
	}
	l.lent = nil
	l.lentBuf.Free()
	l.lentBuf = nil
	clear(l.parts)
	return n, full, err
}

// giveBack frees the buffer of a stream's message, once nobody writes from it.
func (l *link) giveBack(es *engine.Stream, b *buffers.Buffer) {
	if b != nil && l.lent == es && l.lentBuf == nil {
		l.lentBuf = b
		return
	}
	b.Free()
}

// write hands b to the kernel, or to what keeps it until the kernel takes it. n is
// len(b) unless it is known that what is behind it has not left.
func (l *link) write(b []byte) (n int, err error) {
	if l.tls == nil {
		return l.sock.Write(b)
	}
	l.sock.cork() // one system call for all records
	_, err = l.tls.Write(b)
	n, e := l.sock.uncork()
	if err == nil {
		err = e
	}
	if err != nil && n == 0 {
		return 0, err
	}
	return len(b), err
}

// flushSoon has Out written by the background writer, a little later, so that
// more can be added to it.
func (l *link) flushSoon() {
	if l.writing || l.soon || l.eng.Idle() {
		return
	}
	if len(l.eng.Out) >= outLimit/2 {
		l.flush(false)
		return
	}
	l.soon = true
	l.wakeWriter()
}

// later passes the writer's role to the background.
func (l *link) later() {
	l.behind, l.progress = true, clock()
	l.wakeWriter()
}

func (l *link) wakeWriter() {
	if l.bgWriter == nil {
		l.bgWriter = make(chan struct{}, 1)
		go l.writeBehind()
	}
	select {
	case l.bgWriter <- struct{}{}:
	default:
	}
}

// writeBehind is the background writer: it waits for the kernel so that nobody
// else has to.
func (l *link) writeBehind() {
	for {
		select {
		case <-l.bgWriter:
		case <-l.closed:
			return
		}
		l.mu.Lock()
		if !l.behind {
			l.soon = false
			l.flush(true)
			l.mu.Unlock()
			continue
		}
		l.mu.Unlock()
		err := l.sock.drain(func() {
			l.mu.Lock()
			l.progress = clock()
			l.mu.Unlock()
		})
		l.mu.Lock()
		l.behind, l.writing, l.soon = false, false, false
		switch {
		case err != nil:
			l.die(err)
		case l.dead != nil:
			l.shut()
		case l.eng.Idle():
			l.peer.flushed()
		default:
			l.flush(false)
		}
		l.mu.Unlock()
	}
}

// errStalled is why a link to a peer that does not read ends.
var errStalled = errors.New("the peer has taken no bytes for too long")

// errSilent is why a link whose keepalive was not answered ends.
var errSilent = errors.New("the peer does not answer: keepalive timed out")

// arm starts housekeeping: a stream was opened.
func (l *link) arm() {
	if l.houseArmed {
		return
	}
	l.houseArmed = true
	if l.house == nil {
		l.house = time.AfterFunc(l.period, l.keepHouse)
		return
	}
	l.house.Reset(l.period)
}

// keepHouse does what is due by the clock.
func (l *link) keepHouse() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.houseArmed = false
	if l.dead != nil {
		return
	}
	now := clock()
	next, silent := l.eng.Tick(now)
	switch {
	case silent:
		l.stats.count(limitKeepAlive)
		l.die(errSilent)
		return
	case l.behind && l.stall > 0 && now-l.progress > int64(l.stall):
		l.stats.count(limitStall)
		l.die(errStalled)
		return
	}
	l.peer.tick(now)
	l.flush(false)
	if l.eng.Streams() == 0 {
		l.probe(false)
		if !l.behind {
			return
		}
	} else if !l.eng.PeerIsLupine() && l.eng.Silence(now) >= int64(time.Second) {
		l.probe(true)
	}
	wait := l.period
	if next > 0 {
		wait = min(wait, max(time.Duration(next-now), time.Millisecond))
	}
	l.houseArmed = true
	l.house.Reset(wait)
}

// probe has TCP watch a silent peer while calls are pending: a peer that is not
// known to be Lupine may hold more than two PINGs against us.
func (l *link) probe(on bool) {
	tcp, ok := l.sock.Conn.(*net.TCPConn)
	if l.probing == on || !ok {
		return
	}
	l.probing = on
	if on {
		tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Second, Interval: time.Second, Count: 3})
		userTimeout(tcp, 3000)
		return
	}
	tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true}) // package net's own times
	userTimeout(tcp, 0)
}

// die ends the link because of err. What the engine still has to say is written
// if the kernel takes it. The lock is held.
func (l *link) die(err error) {
	if l.dead == nil {
		l.dead = err
		l.peer.broken(err)
	}
	if l.writing {
		// The writer closes the socket when it comes back; it may not wait long.
		l.sock.SetWriteDeadline(time.Now().Add(time.Second))
		return
	}
	if out := l.eng.TakeOut(nil); len(out) > 0 {
		l.write(out)
	}
	l.shut()
}

// shut closes the socket, once. Reads end with an error.
func (l *link) shut() {
	select {
	case <-l.closed:
		return
	default:
	}
	close(l.closed)
	if l.house != nil {
		l.house.Stop()
	}
	if l.ticker != nil {
		l.ticker.Stop()
	}
	var broken *engine.Error
	if errors.As(l.dead, &broken) || l.dead == errDrained {
		parted := l.parted
		go func() { // what we said last must not be lost
			if parted != nil {
				defer close(parted)
			}
			if l.tls != nil {
				l.tls.SetWriteDeadline(time.Now().Add(time.Second))
				l.tls.CloseWrite()
			}
			closeGently(l.sock.Conn)
		}()
		return
	}
	if l.tls != nil {
		l.tls.SetWriteDeadline(time.Now().Add(time.Second))
		go l.tls.Close() // it may wait for a write of ours
		return
	}
	l.conn.Close()
}

// waiter is where one goroutine waits for something of a stream.
type waiter struct {
	ch     chan bool // true: what it waited for may be used without the lock
	parked bool
	alone  bool  // what will be sent to ch
	to     taker // who waits for a message, and would read for itself; or nil
}

// taker is who waits for a message. take moves the messages that have come to where the
// receiver finds them without the lock, and reports whether there were any. The reader
// calls it with the lock held.
type taker interface{ take() bool }

// wake ends w's wait: after the batch that is being processed, if there is one.
// The lock is held.
func (l *link) wake(w *waiter) {
	switch {
	case w == l.led:
		l.kick()
	case !w.parked:
	case l.batching:
		w.parked = false
		l.woken = append(l.woken, w)
	default:
		w.parked = false
		w.ch <- false
	}
}

// wakeBatch wakes those for whom something came in the batch that has been
// processed: without the lock, which each of them is about to take. With write it
// takes the writer's role if nobody has it, lets them run, and reports so: what
// they send is then written as one. The lock is held before and after.
func (l *link) wakeBatch(write bool) (writer bool) {
	woken := l.woken
	l.woken = nil
	for _, w := range woken {
		w.alone = w.to == nil || w.to.take()
	}
	if writer = write && !l.writing; writer {
		l.writing = true
	}
	l.mu.Unlock()
	for i, w := range woken {
		w.ch <- w.alone
		woken[i] = nil
	}
	if writer {
		runtime.Gosched()
	}
	l.mu.Lock()
	l.woken = woken[:0]
	for i, n := 0, 0; writer && i < maxYields && len(l.eng.Out) > n; i++ {
		n = len(l.eng.Out)
		l.mu.Unlock()
		runtime.Gosched()
		l.mu.Lock()
	}
	return writer
}

// maxYields is how often the writer lets others run first, as long as they add to what
// is to be written: on several processors they may not all be back after one turn.
const maxYields = 8

// park waits until w is woken or ctx ends, whose error it then returns. The lock
// is held before and after.
func (l *link) park(ctx context.Context, w *waiter) error {
	_, err := l.await(ctx, w, nil)
	if err == nil {
		l.mu.Lock()
	}
	return err
}

// await is park, but returns without the lock when w was woken. alone says that what
// it waited for may be used without the lock: the call is over, or to has taken something.
func (l *link) await(ctx context.Context, w *waiter, to taker) (alone bool, err error) {
	if w.ch == nil {
		w.ch = make(chan bool, 1)
	}
	w.parked, w.to = true, to
	if l.reader == nobody && l.dead == nil {
		l.readBehind()
	}
	l.mu.Unlock()
	done := ctx.Done()
	if done == nil {
		return <-w.ch, nil
	}
	select {
	case alone = <-w.ch:
		return alone, nil
	case <-done:
	}
	l.mu.Lock()
	if !w.parked { // it happened first
		l.mu.Unlock()
		return <-w.ch, nil
	}
	w.parked = false
	return false, ctx.Err()
}

// timedOut reports whether a read ended by its deadline.
func timedOut(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
