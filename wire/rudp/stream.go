package rudp

import (
	"context"
	"io"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
)

// unsentMost is how many bytes of a stream may wait to be sent before Send waits.
const unsentMost = 16 << 10

// Open starts a call of any kind.
func (s *session) Open(ctx context.Context, call *lupine.Call) (lupine.Stream, error) {
	c := &clientCall{ctx: ctx, call: call, quick: true}
	if err := c.begin(ctx, s, call); err != nil {
		return nil, err
	}
	if call.Method.Kind == lupine.Unary {
		// The engine wants a unary call's only message with its head: see Send.
		s.mu.Lock()
		err := s.promise(ctx, c, call)
		s.mu.Unlock()
		if err == errFull {
			return nil, lupine.ErrFull
		}
		if err != nil {
			return nil, err
		}
		return &pendingUnary{c}, nil
	}
	s.mu.Lock()
	err := s.start(ctx, c, call, engine.Message{}, false)
	s.mu.Unlock()
	if err == errFull {
		return nil, lupine.ErrFull
	}
	if err != nil {
		return nil, err
	}
	c.watch()
	return c, nil
}

// promise keeps a slot for c. The lock is held.
func (s *session) promise(ctx context.Context, c *clientCall, call *lupine.Call) *lupine.Error {
	if err := s.slot(ctx, call.Queue); err != nil {
		return err
	}
	c.given = true
	s.given++
	s.refresh()
	return nil
}

// watch ends the call when its context does.
func (c *clientCall) watch() {
	if c.ctx.Done() == nil {
		return
	}
	stop := context.AfterFunc(c.ctx, c.contextEnded)
	c.s.mu.Lock()
	if c.done {
		stop()
	} else {
		c.stop = stop
	}
	c.s.mu.Unlock()
}

// contextEnded ends the call because its context has.
func (c *clientCall) contextEnded() {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.abandon(clock(), contextError(c.ctx, ""))
	c.s.flush(false)
}

// lapse ends the call if its context has ended: contextEnded runs a moment later. The
// lock is held.
func (c *clientCall) lapse() {
	if !c.done && c.ctx.Err() != nil {
		c.abandon(clock(), contextError(c.ctx, ""))
	}
}

// Send sends one message.
func (c *clientCall) Send(ctx context.Context, m any, last bool) error {
	if c.closed {
		return lupine.Errorf(lupine.Internal, "Send after the last message")
	}
	record, b, n, err := marshal(c.call.Method.Codec, m, c.how, c.call.MaxSend, &c.sizes)
	if err != nil {
		e := lupine.AsError(err)
		if !c.call.Method.Kind.ManyRequests() {
			e = e.NotExecuted() // nobody runs a call without its only request
		}
		c.Cancel(e) // a stream with a message left out is not what was meant
		return e
	}
	if err := c.push(ctx, engine.Message{Bytes: record, Owner: b}, last); err != nil {
		b.Free()
		return err
	}
	c.call.Sent(n)
	return nil
}

// CloseSend says that no more messages will follow.
func (c *clientCall) CloseSend(ctx context.Context) error {
	if c.closed {
		return nil
	}
	return c.push(ctx, engine.Message{}, true)
}

// push hands a message to the engine.
func (c *clientCall) push(ctx context.Context, m engine.Message, last bool) error {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	c.lapse()
	for !c.done && s.eng.Unsent(&c.Call) >= unsentMost {
		if err := s.park(ctx, &c.sendWait); err != nil {
			return c.waitError(err)
		}
	}
	if c.done {
		return io.EOF
	}
	c.closed = last
	s.eng.Write(clock(), &c.Call, m, last)
	// The first message after a Recv is waited for; those behind it may be more than
	// one datagram is worth.
	if c.quick || last {
		c.quick = false
		s.flush(s.calls.n > 1)
	} else {
		s.flushSoon(s.eng.Unsent(&c.Call))
	}
	return nil
}

// waitError is what Send and Recv return when a context has ended: the call's error if
// its own has, since then the call is over. The lock is held.
func (c *clientCall) waitError(err error) error {
	if c.ctx.Err() != nil {
		c.abandon(clock(), contextError(c.ctx, ""))
		c.s.flush(false)
		return io.EOF
	}
	return err
}

// Recv decodes the next message into m.
func (c *clientCall) Recv(ctx context.Context, m any) error {
	if c.taken.empty() {
		if err := c.fetch(ctx); err != nil {
			return err
		}
	}
	n, err := c.taken.first().decode(ctx, c.call.Method.Codec, m, c.call.MaxReceive)
	if err != nil && err == ctx.Err() {
		return err // the message is still there
	}
	c.taken.drop()
	if err != nil {
		e := lupine.AsError(err)
		c.Cancel(e)
		c.taken.free()
		return e
	}
	c.call.Received(n)
	return nil
}

// fetch fills taken, or returns how the call ended.
func (c *clientCall) fetch(ctx context.Context) error {
	s := c.s
	s.mu.Lock()
	c.quick = true
	for !c.take() {
		if c.done {
			s.mu.Unlock()
			c.call.ReplyHeader, c.call.ReplyTrailer = c.header, c.trailer
			if c.err != nil {
				return c.err
			}
			return io.EOF
		}
		if c.lapse(); c.done {
			continue
		}
		alone, err := c.wait(ctx, wantMessage, c)
		if alone {
			c.firstByte()
			return nil
		}
		if err != nil && c.waitError(err) == err {
			s.mu.Unlock()
			return err
		}
	}
	s.granted()
	s.mu.Unlock()
	c.firstByte()
	return nil
}

// firstByte tells the call's observer of its first message.
func (c *clientCall) firstByte() {
	if !c.first {
		c.first = true
		c.call.FirstByte()
	}
}

// take fills taken, and reports whether there was anything. The lock is held.
func (c *clientCall) take() bool {
	if len(c.in) == 0 {
		return false
	}
	var n int
	n, c.in = c.taken.take(c.in)
	if !c.done {
		c.s.eng.Consumed(clock(), &c.Call, n)
	}
	return true
}

// wait waits for something of the reader, or reads itself. The lock is held before, and
// after unless it returns true: to has taken something.
func (c *clientCall) wait(ctx context.Context, want wanted, to taker) (alone bool, err error) {
	s := c.s
	if s.eng.Wants() {
		if s.flush(s.calls.n > 1); c.ready(want) {
			return false, nil
		}
	}
	if s.mayLead() {
		s.lead(ctx, c.ctx, c, &c.recvWait, want)
		return false, ctx.Err()
	}
	watched := ctx
	if c.stop != nil && ctx.Done() == c.ctx.Done() {
		watched = context.Background() // contextEnded wakes us
	}
	if alone, err = s.await(watched, &c.recvWait, to); !alone {
		s.mu.Lock()
	}
	return alone, err
}

// Header waits for the reply's header.
func (c *clientCall) Header(ctx context.Context) (lupine.Metadata, error) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for !c.ready(wantHeader) {
		if _, err := c.wait(ctx, wantHeader, nil); err != nil && c.waitError(err) == err {
			return nil, err
		}
	}
	if c.done && c.err != nil && !c.gotHeader {
		return nil, c.err
	}
	return c.header, nil
}

// Trailer returns the trailer.
func (c *clientCall) Trailer() lupine.Metadata {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	return c.trailer
}

// Cancel ends the call here and now. It never blocks.
func (c *clientCall) Cancel(err *lupine.Error) {
	if err == nil {
		err = lupine.Errorf(lupine.Canceled, "the call was canceled: %w", context.Canceled)
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.abandon(clock(), err)
	c.s.flush(false)
}

// pendingUnary is a unary call that was opened as a stream. It begins with its only
// message, since head and message make one frame.
type pendingUnary struct{ *clientCall }

// Send begins the call.
func (p *pendingUnary) Send(ctx context.Context, m any, last bool) error {
	c := p.clientCall
	if c.closed {
		return lupine.Errorf(lupine.Internal, "a unary call has one request message")
	}
	record, b, n, err := marshal(c.call.Method.Codec, m, c.how, c.call.MaxSend, &c.sizes)
	if err != nil {
		e := lupine.AsError(err).NotExecuted()
		p.Cancel(e)
		return e
	}
	s := c.s
	s.mu.Lock()
	switch {
	case c.done:
		err = io.EOF
	default:
		if e := s.start(c.ctx, c, c.call, engine.Message{Bytes: record, Owner: b}, true); e != nil {
			c.finish(e)
			err = io.EOF
			break
		}
		c.closed = true
		s.flush(s.calls.n > 1)
	}
	s.mu.Unlock()
	if err != nil {
		b.Free()
		return err
	}
	c.watch()
	c.call.Sent(n)
	return nil
}

// CloseSend ends a call without a request, which nobody runs.
func (p *pendingUnary) CloseSend(ctx context.Context) error {
	if p.closed {
		return nil
	}
	p.Cancel(lupine.Errorf(lupine.Unimplemented, "the caller sent no request message").NotExecuted())
	return nil
}
