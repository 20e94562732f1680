package rudp

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
)

// clientCall is one call of ours, at whichever end of the session. The session's lock
// guards it, except where a field says otherwise.
type clientCall struct {
	engine.Call
	s          *session
	next, prev *clientCall // in session.calls
	head       engine.Head
	unary      bool
	given      bool // Open has promised it a slot
	begun      bool // the engine has it, or had
	giveUp     time.Time
	how        engine.Compression // of requests

	in        []inMessage // those that came and were not taken
	header    lupine.Metadata
	trailer   lupine.Metadata
	gotHeader bool // or a message, or the end
	done      bool
	err       *lupine.Error // why, once done; nil means OK

	recvWait, sendWait waiter

	// Of streams only.
	ctx    context.Context
	call   *lupine.Call
	stop   func() bool // forgets ctx
	sizes  buffers.SizeHint
	quick  bool  // nothing was sent since the last Recv: the next Send flushes
	closed bool  // no more messages will be sent; the sender's
	first  bool  // FirstByte was told; the receiver's
	taken  taken // messages that were not decoded yet; the receiver's
}

var callPool = sync.Pool{New: func() any { return new(clientCall) }}

// recycle puts c, whose call is over, back into the pool.
func (c *clientCall) recycle() {
	wait, in := c.recvWait, freeAll(c.in)
	*c = clientCall{}
	c.recvWait, c.in = wait, in
	callPool.Put(c)
}

// Invoke makes a unary call on the caller's goroutine.
func (s *session) Invoke(ctx context.Context, call *lupine.Call, req, reply any) error {
	c := callPool.Get().(*clientCall)
	err := s.invoke(ctx, c, call, req, reply)
	c.recycle()
	if err == errFull {
		return lupine.ErrFull
	}
	if err != nil {
		return err // not a nil *Error in an error
	}
	return nil
}

func (s *session) invoke(ctx context.Context, c *clientCall, call *lupine.Call, req, reply any) *lupine.Error {
	c.unary, c.recvWait.alone = true, true
	if err := c.begin(ctx, s, call); err != nil {
		return err
	}
	record, b, n, err := marshal(call.Method.Codec, req, c.how, call.MaxSend, &s.sizes)
	if err != nil {
		return lupine.AsError(err).NotExecuted()
	}
	s.mu.Lock()
	if err := s.start(ctx, c, call, engine.Message{Bytes: record, Owner: b}, true); err != nil {
		s.mu.Unlock()
		b.Free()
		return err
	}
	s.flush(s.calls.n > 1)
	for !c.done {
		if s.mayLead() {
			s.lead(ctx, nil, c, &c.recvWait, wantEnd)
			if err := ctx.Err(); err != nil && !c.done {
				c.abandon(clock(), contextError(ctx, ""))
				s.flush(false)
			}
			continue
		}
		alone, err := s.await(ctx, &c.recvWait, nil)
		if alone { // a unary call is woken when it is done
			return c.conclude(ctx, call, reply, n)
		}
		s.mu.Lock()
		if err != nil {
			c.abandon(clock(), contextError(ctx, ""))
			s.flush(false)
		}
	}
	s.mu.Unlock()
	return c.conclude(ctx, call, reply, n)
}

// conclude returns how a unary call ended that sent n bytes.
func (c *clientCall) conclude(ctx context.Context, call *lupine.Call, reply any, n int) *lupine.Error {
	call.Sent(n)
	call.ReplyHeader, call.ReplyTrailer = c.header, c.trailer
	if c.gotHeader {
		call.FirstByte()
	}
	if c.err != nil {
		return c.err
	}
	if len(c.in) != 1 {
		return lupine.Errorf(lupine.Unimplemented, "the server sent OK with %d reply messages instead of one", len(c.in))
	}
	n, err := c.in[0].decode(ctx, call.Method.Codec, reply, call.MaxReceive)
	if err != nil {
		e := *lupine.AsError(err)
		e.Executed = lupine.Yes
		return &e
	}
	call.Received(n)
	return nil
}

// begin readies c for one call.
func (c *clientCall) begin(ctx context.Context, s *session, call *lupine.Call) *lupine.Error {
	c.s, c.Owner = s, c
	c.MaxReceive, c.giveUp = call.MaxReceive, call.GiveUp
	how, ok := compression(call.Compressor)
	if !ok {
		return lupine.Errorf(lupine.InvalidArgument, "compressor %q is not known; known are: gzip, zstd", call.Compressor).NotExecuted()
	}
	c.how = how
	if p := s.eng.Peer(); p == nil || how != engine.CompressionNone && p.Compression&(1<<(how-1)) == 0 {
		c.how = engine.CompressionNone // it could not read that
	}
	if err := call.Header.Check(); err != nil {
		return lupine.AsError(err).NotExecuted()
	}
	c.head = engine.Head{Kind: call.Method.Kind, Path: call.Method.Path, Metadata: call.Header, ID: call.ID}
	return nil
}

// timed puts the time left into the head.
func (c *clientCall) timed(ctx context.Context) *lupine.Error {
	d, ok := ctx.Deadline()
	if !ok {
		return nil
	}
	left := time.Until(d)
	if left <= 0 {
		return lupine.Errorf(lupine.DeadlineExceeded, "the deadline passed before the call was sent: %w", context.DeadlineExceeded).NotExecuted()
	}
	c.head.Timed, c.head.Timeout = true, uint64(max(left.Microseconds(), 1))
	return nil
}

// start begins c. The lock is held.
func (s *session) start(ctx context.Context, c *clientCall, call *lupine.Call, m engine.Message, last bool) *lupine.Error {
	if c.given {
		c.given = false
		s.given--
	} else if s.dead != nil || s.downed || s.room() <= 0 || len(s.slots) > 0 {
		if err := s.slot(ctx, call.Queue); err != nil {
			return err
		}
	}
	if err := c.timed(ctx); err != nil {
		return err
	}
	switch err := s.eng.Begin(clock(), &c.Call, &c.head, m, last); {
	case err == nil:
	case err == engine.ErrFull:
		return errFull
	case err == engine.ErrDown:
		return s.refused(err)
	default:
		var large *engine.TooLarge
		if errors.As(err, &large) {
			return lupine.Errorf(lupine.ResourceExhausted, "the call's %w of the server", large).NotExecuted()
		}
		return lupine.Errorf(lupine.InvalidArgument, "%w", err).NotExecuted()
	}
	c.begun = true
	s.calls.add(c)
	s.refresh()
	return nil
}

// event takes what happened to the call. The lock is held.
func (c *clientCall) event(ev *engine.Event) {
	s := c.s
	switch ev.Kind {
	case engine.EventHeader:
		c.header, c.gotHeader = ev.Metadata, true
		if !c.unary {
			s.wake(&c.recvWait) // Header may be waiting
		}
	case engine.EventMessage:
		if c.done {
			return
		}
		c.gotHeader = true
		c.in = append(c.in, keep(ev))
		if !c.unary {
			s.wake(&c.recvWait)
		}
	case engine.EventWritable:
		s.wake(&c.sendWait)
	case engine.EventEnded:
		c.trailer = ev.Metadata
		c.gotHeader = c.gotHeader || ev.Err == nil
		c.finish(c.ended(ev.Err))
	}
}

// ended is the error of a call that the engine ended.
func (c *clientCall) ended(err *lupine.Error) *lupine.Error {
	if err == nil {
		return nil
	}
	if c.s.shut && err.Code == lupine.Unavailable {
		e := lupine.Errorf(lupine.Unavailable, "session with %s: %w", c.s.peerInfo.RemoteAddr, net.ErrClosed)
		e.Executed = err.Executed
		return e
	}
	if err.Code == lupine.ResourceExhausted && err.Executed != lupine.Yes && len(err.Details) == 0 {
		c.s.cfg.Stats.messages.Add(1)
	}
	return err
}

// finish ends the call: err says how, nil is OK. The engine has forgotten it. The lock
// is held.
func (c *clientCall) finish(err *lupine.Error) {
	if c.done {
		return
	}
	s := c.s
	c.done, c.err = true, err
	if c.stop != nil {
		c.stop()
		c.stop = nil
	}
	s.wake(&c.recvWait)
	s.wake(&c.sendWait)
	if c.given {
		c.given = false
		s.given--
	}
	if c.begun {
		s.calls.remove(c)
	}
	if len(s.slots) > 0 {
		s.nextSlot()
	}
	s.refresh()
	if s.calls.n == 0 && (s.downed || len(s.idle) > 0) {
		s.quiet()
	}
}

// abandon ends the call from our side, because of err. The lock is held.
func (c *clientCall) abandon(now int64, err *lupine.Error) {
	if c.done {
		return
	}
	executed := lupine.No
	if c.begun {
		executed = c.s.eng.Cancel(now, &c.Call)
	}
	if err.Executed == lupine.Maybe {
		e := *err
		e.Executed = executed
		err = &e
	}
	c.in = freeAll(c.in) // of no use now
	c.finish(err)
	c.s.events(now)
}

// ready reports whether what is wanted is there. The lock is held.
func (c *clientCall) ready(w wanted) bool {
	switch {
	case c.done:
		return true
	case w == wantMessage:
		return len(c.in) > 0
	case w == wantHeader:
		return c.gotHeader
	}
	return false
}
