package h2

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
	"github.com/lupine-rpc/lupine/internal/routes"
	"github.com/lupine-rpc/lupine/internal/workers"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// served is a server's link. The embedded link's lock guards all of it.
type served struct {
	link
	l        *listener
	peerInfo *lupine.Peer

	queue   []*serverCall // calls to start, in order
	queueAt int

	now      int64       // when the reader last had something
	inline   *serverCall // the handler that the reader is running
	runs     uint64      // handlers run by the reader
	lastRun  uint64      // at the last tick of the watchdog
	watching bool
	alert    bool // at its short period
	crowd    bool // there was more than one call since the last tick
	watchdog *time.Timer

	okBlock  hpack.Block
	grpcHead *hpack.Block            // response header of nearly all calls
	heads    map[string]*hpack.Block // of those with other content types
	scratch  []byte
	draining bool
	drainEnd *time.Timer
	idle     *time.Timer
	active   int64 // when the last call ended
	settled  bool
}

// newServed makes a link of a connection that has sent first.
func newServed(l *listener, sk *sock, secure *tls.Conn, first []byte) *served {
	sv := &served{l: l, active: clock()}
	ec := l.config.engine(true)
	ec.NewStream = func() *engine.Stream {
		c := serverCallPool.Get().(*serverCall)
		c.sv, c.ServerCall, c.stream.Owner = sv, new(lupine.ServerCall), c
		return &c.stream
	}
	ec.Drained = sv.drained
	sv.okBlock.Fields = []hpack.Pair{{Name: "grpc-status", Value: "0", Mode: hpack.Keep}}
	sv.init(sk, secure, engine.New(ec, sv.active), sv, &l.config)
	sv.peerInfo = describe(sk, secure)
	sv.rw = copy(sv.rbuf, first)
	if d := l.config.IdleTimeout; d > 0 {
		sv.idle = time.AfterFunc(d, sv.checkIdle)
	}
	return sv
}

// run is the background reader: it reads and starts calls until the link ends or the
// role is another's: the only call's handler reads for itself, or the handler that
// ran here took too long.
func (sv *served) run() {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.reader = background
	sv.turns++
	turn := sv.turns
	sv.took(nil) // what came with the handshake, or another reader left
	for sv.runQueue(turn) {
		sv.flush(false)
		if sv.dead != nil {
			return
		}
		sv.mu.Unlock()
		err := sv.fill()
		sv.mu.Lock()
		sv.took(err)
	}
}

// processed ends a batch of events.
func (sv *served) processed(now int64) {
	sv.now = now
	if !sv.settled && sv.dead == nil && sv.eng.PeerSettled() {
		sv.settled = true
		sv.sock.SetDeadline(time.Time{})
	}
	background := sv.reader == background
	sv.finishBatch(!background || sv.queueAt == len(sv.queue))
	if !background {
		// A handler reads for itself: it must not run those of others.
		for _, c := range sv.queue[sv.queueAt:] {
			sv.l.workers.Go(c)
		}
		clear(sv.queue)
		sv.queue, sv.queueAt = sv.queue[:0], 0
	}
}

// runQueue starts the calls that have come, and reports whether the background reader
// that has had the role since turn still has it.
func (sv *served) runQueue(turn uint64) bool {
	for sv.turns == turn && sv.queueAt < len(sv.queue) {
		c := sv.queue[sv.queueAt]
		sv.queue[sv.queueAt] = nil
		sv.queueAt++
		if sv.dead == nil && c.route.Quick() {
			sv.runHere(c)
			continue
		}
		sv.l.workers.Go(c)
	}
	if sv.turns != turn {
		return false
	}
	sv.queue, sv.queueAt = sv.queue[:0], 0
	return true
}

// unread ends the link because reading failed.
func (sv *served) unread(err error) {
	if !sv.settled && timedOut(err) {
		sv.stats.count(limitHandshake)
	}
	sv.die(brokenRead(err))
}

// calls is how many handlers run or are about to.
func (sv *served) calls() int { return sv.eng.Held() }

// readOn has the goroutine of a handler that has returned read on if nobody does.
func (sv *served) readOn() {
	sv.mu.Lock()
	free := sv.reader == nobody && sv.dead == nil
	if free {
		sv.reader = background
	}
	sv.mu.Unlock()
	if free {
		sv.run()
	}
}

// crowded reports whether there are calls that the background reader could run.
func (sv *served) crowded() bool { return sv.eng.Held() > 1 }

// startReader has another goroutine read.
func (sv *served) startReader() { sv.l.workers.Go(workers.Func(sv.run)) }

// Periods of the watchdog. Two of them bound how long a handler that the reader runs
// can keep it from reading: the short one where other calls are there, the long one
// where they would have to come first; see readTick for why not always the short one.
const (
	watchTick = 500 * time.Microsecond
	loneTick  = 10 * time.Millisecond
)

// runHere runs a quick handler on the reader's goroutine. The lock is held before
// and after.
func (sv *served) runHere(c *serverCall) {
	sv.inline = c
	sv.runs++
	crowd := sv.eng.Held() > 1
	sv.crowd = sv.crowd || crowd
	if !sv.watching || crowd && !sv.alert {
		sv.watch()
	}
	timed := sv.runs%routes.TimedRuns == 0
	returned := false
	defer func() {
		sv.mu.Lock()
		mine := sv.inline == c
		if returned {
			c.recycle()
		}
		if !mine {
			return // another goroutine reads by now
		}
		sv.inline = nil
		if !returned { // the handler has ended the reader's goroutine
			sv.readBehind()
		}
	}()
	sv.mu.Unlock()
	c.execute(timed)
	returned = true
}

// watch starts the watchdog's clock. The lock is held.
func (sv *served) watch() {
	sv.watching, sv.lastRun = true, sv.runs
	sv.alert, sv.crowd = sv.crowd, false
	period := loneTick
	if sv.alert {
		period = watchTick
	}
	if sv.watchdog == nil {
		sv.watchdog = time.AfterFunc(period, sv.bark)
		return
	}
	sv.watchdog.Reset(period)
}

// bark looks whether the reader is still in the handler that it was in a tick ago,
// and if so has another goroutine read on.
func (sv *served) bark() {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	sv.watching = false
	switch {
	case sv.dead != nil:
	case sv.runs != sv.lastRun:
		sv.watch()
	case sv.inline != nil:
		sv.inline.route.Blocked()
		sv.inline = nil
		sv.readBehind() // the goroutine in the handler is no reader any more
	}
}

// start queues a call whose request is here.
func (sv *served) start(c *serverCall) {
	c.started = true
	sv.queue = append(sv.queue, c)
}

// event takes one event of the engine.
func (sv *served) event(now int64, ev engine.Event) {
	switch ev.Kind {
	case engine.EventHeaders:
		c := ev.Stream.Owner.(*serverCall)
		if ev.Trailers {
			c.requestEnd()
			return
		}
		sv.arm()
		c.headers(sv.eng.Head, ev.End)
	case engine.EventData:
		ev.Stream.Owner.(*serverCall).data(&ev)
	case engine.EventReset:
		ev.Stream.Owner.(*serverCall).reset(errClientReset)
	case engine.EventDrained:
		sv.eng.DrainNow()
	}
}

var errClientReset = errors.New("the client canceled the call")

// broken cancels every call: the link has ended.
func (sv *served) broken(err error) {
	sv.eng.EachAbove(0, func(es *engine.Stream) {
		es.Owner.(*serverCall).reset(err)
	})
	for _, t := range []*time.Timer{sv.idle, sv.drainEnd, sv.watchdog} {
		if t != nil {
			t.Stop()
		}
	}
	if err == errDrained {
		// The process may exit when all are gone: not before the last replies left.
		sv.parted = make(chan struct{})
	}
	go func(parted chan struct{}) { // it takes another lock
		if parted != nil {
			<-parted
		}
		sv.l.gone(sv)
	}(sv.parted)
}

// drained is told that a stream's pending bytes are free again.
func (sv *served) drained(es *engine.Stream) { es.Owner.(*serverCall).sent() }

// flushed ends a link that is drained. While somebody writes it waits: the writer
// comes here when it is done.
func (sv *served) flushed() {
	if sv.draining && !sv.writing && sv.eng.GoneAway() && sv.eng.Held() == 0 && sv.eng.Streams() == 0 {
		sv.die(errDrained)
	}
}

var errDrained = errors.New("the server is shutting down")

// drain begins a graceful shutdown of the link: two GOAWAYs (RFC 9113, 6.8).
func (sv *served) drain() {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if sv.draining || sv.dead != nil {
		return
	}
	sv.draining = true
	sv.eng.Drain()
	sv.drainEnd = time.AfterFunc(time.Second, func() {
		sv.mu.Lock()
		defer sv.mu.Unlock()
		if sv.dead == nil {
			sv.eng.DrainNow()
			sv.flush(false)
		}
	})
	sv.flush(false)
}

// checkIdle drains the link when it has had no call for long enough.
func (sv *served) checkIdle() {
	sv.mu.Lock()
	limit := sv.l.config.IdleTimeout
	rest := limit - time.Duration(clock()-sv.active)
	if sv.eng.Held() > 0 {
		rest = limit
	}
	if sv.dead == nil && rest > 0 {
		sv.idle.Reset(rest)
		sv.mu.Unlock()
		return
	}
	sv.mu.Unlock()
	sv.drain()
}

// minRate is how slowly a message may come, in bytes a second, measured over each
// Config.StallTimeout.
const minRate = 256

// tick ends calls that hold memory and get nowhere: requests that were never
// completed, and replies to unary calls that the client has no window for.
func (sv *served) tick(now int64) {
	wall := time.Now()
	sv.eng.EachAbove(0, func(es *engine.Stream) {
		c := es.Owner.(*serverCall)
		switch {
		case sv.dead != nil || c.web != nil:
		case c.refusal != 0:
			if now-es.Opened > int64(refusalWait) {
				c.refuseNow()
			}
		case !c.started && !c.deadline.IsZero() && wall.After(c.deadline):
			c.refuse(lupine.Errorf(lupine.DeadlineExceeded, "the deadline passed before the request was complete"))
		case sv.stall <= 0:
		case c.slow(now):
			sv.stats.count(limitSlow)
			err := lupine.Errorf(lupine.DeadlineExceeded, "the request comes too slowly: less than %d bytes a second within %v", minRate, sv.stall)
			if c.started {
				c.fail(err)
			} else {
				c.refuse(err)
			}
		case c.direct && es.Pending():
			if n := es.PendingBytes(); n != c.waiting {
				c.waiting, c.waitingSince = n, now
			} else if now-c.waitingSince > int64(sv.stall) {
				sv.stats.count(limitStall)
				sv.die(errStalled)
			}
		}
	})
}

// slow reports whether a message of c has begun and comes at less than minRate. The
// lock is held.
func (c *serverCall) slow(now int64) bool {
	waits := c.started && (c.in.tail == 0 || c.in.whole > 0) // for the client, or for the handler
	if waits || c.over || c.stream.RecvEnd || c.stream.Withheld() || c.markAt == 0 || c.came-c.mark >= minRate*int64(c.sv.stall)/int64(time.Second) {
		c.markAt, c.mark = now, c.came
		return false
	}
	return now-c.markAt > int64(c.sv.stall)
}

// release gives a call's slot back. The lock is held.
func (sv *served) release(c *serverCall) {
	sv.active = sv.now // what the reader runs is quick
	if sv.inline != c {
		sv.active = clock()
	}
	sv.eng.Release(sv.active, &c.stream)
	if sv.draining {
		sv.flushed()
	}
}

// head returns the kept header block of responses with a content type.
func (sv *served) head(content string) *hpack.Block {
	if content == grpcmsg.ContentType && sv.grpcHead != nil {
		return sv.grpcHead
	}
	if b := sv.heads[content]; b != nil {
		return b
	}
	if len(sv.heads) >= 8 || sv.heads == nil {
		sv.heads = make(map[string]*hpack.Block)
	}
	b := &hpack.Block{Fields: []hpack.Pair{
		{Name: ":status", Value: "200", Mode: hpack.Keep},
		{Name: "content-type", Value: content, Mode: hpack.Keep},
		{Name: "grpc-accept-encoding", Value: sv.l.encs.Names(), Mode: hpack.Keep},
	}}
	if content == grpcmsg.ContentType {
		sv.grpcHead = b
		return b
	}
	sv.heads[content] = b
	return b
}

// cancelOf is the error that ends a handler's context.
func cancelOf(c *lupine.ServerCall, cause error) { c.Cancel(context.Canceled, cause) }
