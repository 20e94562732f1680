package rudp

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/internal/routes"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
)

// serverCall is one call of the peer's: the handler's context, its stream, and the task
// that runs it. The session's lock guards it, except where a field says otherwise. What
// a handler may keep, its context, is apart, so that the rest of a direct call can be
// used again.
type serverCall struct {
	*lupine.ServerCall
	s     *session
	ec    *engine.Call
	route *routes.Route

	header   lupine.Metadata
	deadline time.Time

	in      []inMessage
	half    bool // no more requests come
	started bool // its handler runs, or is queued
	direct  bool // ServeUnary has it
	over    bool // the caller, or the session, has gone
	headed  bool // the header was sent
	slow    bool // something was sent since the last Recv: the next Send need not flush
	cause   error

	recvWait, sendWait waiter
	unwatch            func() bool // forgets the deadline; see watched
	// The receiver's.
	taken taken            // not decoded yet
	first bool             // a message was taken
	asked atomic.Uint32    // its compression, which is the replies' too; the sender reads it
	sizes buffers.SizeHint // of a stream's replies; the sender's
}

var serverCallPool = sync.Pool{New: func() any { return new(serverCall) }}

// recycle puts c back into the pool: its handler, which saw nothing of it but the
// context, has returned.
func (c *serverCall) recycle() {
	in := c.in[:0]
	*c = serverCall{in: in}
	serverCallPool.Put(c)
}

// slabCalls is how many ServerCalls are made at once. One that outlives its call holds
// its slab.
const slabCalls = 8

// called takes a call that came: its head. The lock is held.
func (s *session) called(ev *engine.Event) {
	path := ""
	var r *routes.Route
	if h := ev.Head; h.Method != nil {
		if r, _ = h.Method.Memo.(*routes.Route); r == nil {
			path = h.Method.Bytes
			if r = s.find(path); r != nil {
				h.Method.Memo = r
			}
		}
	} else {
		path = string(h.Path)
		r = s.find(path)
	}
	if r == nil {
		s.refuse(ev.Call, s.srv.NoSuchMethod(path))
		return
	}
	if err := ev.Metadata.Check(); err != nil {
		s.refuse(ev.Call, lupine.AsError(err))
		return
	}
	if len(s.slab) == 0 {
		s.slab = make([]lupine.ServerCall, slabCalls)
	}
	c := serverCallPool.Get().(*serverCall)
	c.ServerCall, s.slab = &s.slab[0], s.slab[1:]
	c.s, c.ec, c.route, c.header = s, ev.Call, r, ev.Metadata
	if ev.Head.Timed {
		left := min(ev.Head.Timeout, uint64(maxTimeout/time.Microsecond))
		c.deadline = time.Now().Add(time.Duration(left) * time.Microsecond)
	}
	c.ID = ev.Head.ID
	if p := s.eng.Peer(); p != nil {
		c.ID.Client = p.Incarnation
	}
	ev.Call.Owner = c
	ev.Call.MaxReceive = r.MaxReceive()
	if ev.Head.Kind != lupine.Unary {
		s.begin(c)
	}
}

// maxTimeout is the longest time left that is taken at its word: longer ones would
// overflow, and nobody means them.
const maxTimeout = 10 * 365 * 24 * time.Hour

// find returns the route of a path, or nil. The lock is held.
func (s *session) find(path string) *routes.Route {
	found := s.srv.Lookup(strings.Clone(path))
	if found == nil {
		return nil
	}
	return s.routes.Of(found)
}

// refuse has the engine refuse a call once the events have been taken.
func (s *session) refuse(call *engine.Call, err *lupine.Error) {
	call.Owner = nil
	if err.Executed == lupine.Maybe {
		e := *err
		err = e.NotExecuted()
	}
	s.refusals = append(s.refusals, refusal{call, err})
}

// begin queues a call whose handler may start. The lock is held.
func (s *session) begin(c *serverCall) {
	c.started = true
	s.serving++
	s.queue = append(s.queue, c)
}

// event takes what happened to the call. The lock is held.
func (c *serverCall) event(ev *engine.Event) {
	s := c.s
	switch ev.Kind {
	case engine.EventMessage:
		if c.over {
			return
		}
		c.in = append(c.in, keep(ev))
		c.half = c.half || ev.End
		if !c.started {
			c.direct = c.route.Direct()
			s.begin(c)
			return
		}
		s.wake(&c.recvWait)
	case engine.EventHalfClose:
		c.half = true
		s.wake(&c.recvWait)
	case engine.EventWritable:
		s.wake(&c.sendWait)
	case engine.EventCanceled:
		c.gone(ev.Err)
	case engine.EventDropped:
		c.ec.Owner = nil
		c.over = true
		if !c.started {
			c.free()
		}
	}
}

// gone notes that the caller has left. The lock is held.
func (c *serverCall) gone(err *lupine.Error) {
	if c.over {
		return
	}
	c.over, c.cause = true, errors.New(err.Message)
	if err.Code == lupine.Canceled {
		c.Cancel(context.Canceled, c.cause)
	} else {
		c.cause = err
		c.Cancel(context.Canceled, err)
	}
	c.s.wake(&c.recvWait)
	c.s.wake(&c.sendWait)
}

// free gives back the messages that nobody took.
func (c *serverCall) free() {
	c.in = freeAll(c.in)
	c.taken.free()
}

// Run runs the handler; it makes the call a task.
func (c *serverCall) Run() {
	s := c.s
	c.execute(true)
	s.mu.Lock()
	s.flush(s.serving > 0)
	s.mu.Unlock()
}

// execute runs the handler and queues what it returns. timed says to note how long it
// takes.
func (c *serverCall) execute(timed bool) {
	var began int64
	if timed {
		began = clock()
	}
	var m engine.Message
	var failed *lupine.Error
	returned := false
	defer func() {
		if !returned { // it has ended its goroutine, and this is all that still runs
			failed = c.route.Exited()
		}
		c.conclude(failed, m, returned)
	}()
	failed = c.handle(&m)
	returned = true
	if timed {
		c.route.Ran(time.Duration(clock() - began))
	}
}

// conclude gives the engine how the call ended, and its only reply if it is a direct one.
func (c *serverCall) conclude(failed *lupine.Error, m engine.Message, returned bool) {
	s := c.s
	s.mu.Lock()
	now := clock()
	s.serving--
	c.sendHeader(now, false)
	switch {
	case failed == nil:
		if m.Owner != nil {
			s.eng.Write(now, c.ec, m, true)
		}
		s.eng.Finish(now, c.ec, nil, c.Trailer())
	case failed.Executed == lupine.No:
		s.eng.Refuse(now, c.ec, failed.Code, failed.Executed, failed.Message)
	default:
		s.eng.Finish(now, c.ec, failed, sendable(c.Trailer(), failed.Metadata))
	}
	c.ec.Owner = nil
	c.free()
	if c.unwatch != nil {
		c.unwatch()
	}
	s.events(now)
	direct := c.direct
	if !returned {
		s.flush(false)
	}
	s.mu.Unlock()
	if direct && returned {
		c.recycle()
	}
	if !direct && s.l != nil {
		s.l.readOn() // Recv may have read for itself
	}
}

// handle runs the handler. For a direct call it encodes the reply into *reply. Codecs
// are the user's code: their panics end this call and nothing else.
func (c *serverCall) handle(reply *engine.Message) (failed *lupine.Error) {
	defer func() {
		if p := recover(); p != nil {
			path := c.route.Method.Path
			c.s.srv.Log().Error("codec panicked", "method", path, "panic", p, "stack", string(debug.Stack()))
			failed = &lupine.Error{Code: lupine.Internal, Message: "the codec of " + path + " panicked"}
			c.Cancel(context.Canceled, failed)
		}
	}()
	c.Begin(c.route.Route, c.s.peerInfo, c.header, c.deadline)
	if !c.direct {
		return c.route.ServeStream(c.ServerCall, c)
	}
	m := c.route.Method
	req := m.NewRequest()
	in := c.in[0]
	c.Compressor = compressorName(in.comp)
	n, err := in.decode(c.ServerCall, m.Codec, req, c.MaxReceive())
	if err != nil {
		c.Cancel(context.Canceled, err)
		e := *lupine.AsError(err)
		return e.NotExecuted()
	}
	c.in = freeAll(c.in) // the handler may take long
	c.Received(n)
	res, failed := c.route.ServeUnary(c.ServerCall, req)
	if failed != nil {
		return failed
	}
	record, b, n, err := marshal(m.Codec, res, c.replyComp(), c.MaxSend(), &c.route.Sizes)
	if err != nil {
		e := *lupine.AsError(err)
		e.Executed = lupine.Yes
		return &e
	}
	*reply = engine.Message{Bytes: record, Owner: b}
	c.ServerCall.Sent(n)
	return nil
}

// replyComp is what replies are compressed with.
func (c *serverCall) replyComp() engine.Compression {
	how, ok := compression(c.Compressor)
	if c.Compressor == "" && c.route.Method.Kind.ManyRequests() {
		how = engine.Compression(c.asked.Load())
	}
	p := c.s.eng.Peer()
	if !ok || how == engine.CompressionNone || p == nil || p.Compression&(1<<(how-1)) == 0 {
		return engine.CompressionNone
	}
	return how
}

// sendable is trailer and what of more may travel: an error's metadata may come from
// anywhere, and what no wire can carry is left out.
func sendable(trailer, more lupine.Metadata) lupine.Metadata {
	for i := range more {
		if more[i:i+1].Check() == nil {
			trailer = append(trailer[:len(trailer):len(trailer)], more[i])
		}
	}
	return trailer
}

// sendHeader gives the engine the header unless that was done. An empty one is for
// who asks. The lock is held.
func (c *serverCall) sendHeader(now int64, empty bool) {
	if c.headed {
		return
	}
	c.headed = true
	if md, ok := c.TakeHeader(); ok && (empty || len(md) > 0) {
		c.s.eng.Header(now, c.ec, md)
	}
}

// Recv decodes the next request message into m.
func (c *serverCall) Recv(ctx context.Context, m any) error {
	if c.taken.empty() {
		if err := c.fetch(ctx); err != nil {
			return err
		}
	}
	in := c.taken.first()
	if !c.first {
		c.first = true
		c.asked.Store(uint32(in.comp))
		if !c.route.Method.Kind.ManyRequests() { // the handler has not begun
			c.Compressor = compressorName(in.comp)
		}
	}
	n, err := in.decode(ctx, c.route.Method.Codec, m, c.MaxReceive())
	if err != nil && err == ctx.Err() {
		return err // the message is still there
	}
	c.taken.drop()
	if err != nil {
		return err
	}
	c.Received(n)
	return nil
}

// fetch fills taken.
func (c *serverCall) fetch(ctx context.Context) error {
	s := c.s
	s.mu.Lock()
	c.slow = false
	for !c.take() {
		var watched context.Context
		var err error
		switch {
		case c.over:
			err = c.left()
		case c.half:
			err = io.EOF
		default:
			if s.eng.Wants() {
				if s.flush(s.serving > 1); c.ready() {
					continue
				}
			}
			watched, err = c.watched(ctx)
		}
		if err != nil {
			s.mu.Unlock()
			return err
		}
		if s.l != nil {
			if r := s.l.read.claim(); r != nil {
				r.lead(watched, c)
				continue
			}
		}
		alone, err := s.await(watched, &c.recvWait, c)
		if alone || err != nil {
			return err
		}
		s.mu.Lock()
	}
	s.granted()
	s.mu.Unlock()
	return nil
}

// ready reports whether Recv need not wait. The lock is held.
func (c *serverCall) ready() bool { return len(c.in) > 0 || c.over || c.half }

// take fills taken, and reports whether there was anything. The lock is held.
func (c *serverCall) take() bool {
	if len(c.in) == 0 {
		return false
	}
	var n int
	n, c.in = c.taken.take(c.in)
	if !c.over {
		c.s.eng.Consumed(clock(), c.ec, n)
	}
	return true
}

// watched returns the context by which a wait must end that is under ctx, or ctx's
// error. Of the call's own only the deadline is left to watch: the rest wakes whoever
// waits. The lock is held.
func (c *serverCall) watched(ctx context.Context) (context.Context, error) {
	if ctx != context.Context(c.ServerCall) {
		return ctx, ctx.Err()
	}
	if c.deadline.IsZero() {
		return context.Background(), nil
	}
	if c.unwatch == nil {
		c.unwatch = context.AfterFunc(c.ServerCall, c.contextEnded)
	}
	return context.Background(), ctx.Err()
}

// contextEnded wakes a handler whose deadline has passed.
func (c *serverCall) contextEnded() {
	c.s.mu.Lock()
	c.s.wake(&c.recvWait)
	c.s.mu.Unlock()
}

// left is the error of a handler whose caller has gone.
func (c *serverCall) left() error {
	if e, ok := c.cause.(*lupine.Error); ok {
		return e
	}
	err := context.Cause(c.ServerCall)
	if err == nil {
		err = c.cause
	}
	return lupine.Errorf(lupine.Canceled, "%w", err)
}

// Send sends one reply message.
func (c *serverCall) Send(ctx context.Context, m any) error {
	record, b, n, err := marshal(c.route.Method.Codec, m, c.replyComp(), c.MaxSend(), &c.sizes)
	if err != nil {
		return err
	}
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for !c.over && s.eng.Unsent(c.ec) >= unsentMost {
		if err := s.park(ctx, &c.sendWait); err != nil {
			b.Free()
			return err
		}
	}
	if c.over {
		b.Free()
		return c.left()
	}
	now := clock()
	c.sendHeader(now, false)
	s.eng.Write(now, c.ec, engine.Message{Bytes: record, Owner: b}, false)
	if c.slow {
		s.flushSoon(s.eng.Unsent(c.ec))
	} else {
		c.slow = true
		s.flush(s.serving > 1)
	}
	c.ServerCall.Sent(n)
	return nil
}

var errHeaderSent = errors.New("rudp: the header has been sent already")

// SendHeader sends the header now.
func (c *serverCall) SendHeader(context.Context) error {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.over {
		return c.left()
	}
	if c.headed {
		return errHeaderSent
	}
	c.sendHeader(clock(), true)
	s.flush(s.serving > 1)
	return nil
}
