package inproc

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/lupine-rpc/lupine"
)

// stream is a call with its two queues. The caller's end is the stream itself;
// the handler's is a handlerEnd.
type stream struct {
	lupine.ServerCall
	entry
	session *session
	route   *lupine.Route
	method  *lupine.Method  // the caller's
	out     *lupine.Call    // touched only by the caller's own operations
	ctx     context.Context // the caller's, for the whole call
	forget  func() bool     // stops watching ctx; nil when it never ends

	mu      sync.Mutex
	up      queue // requests
	down    queue // replies
	started bool  // the handler was, or is about to be
	ended   bool  // the outcome is known
	aborted bool  // the caller takes no more replies
	failed  *lupine.Error
	header  lupine.Metadata
	hasHead bool
	head    chan struct{} // closed once there is a header or never will be; nil until someone waits
	trailer lupine.Metadata
	heard   bool // the caller has taken a reply
}

// Open starts a call. Its handler begins with the first operation on the stream.
func (s *session) Open(ctx context.Context, call *lupine.Call) (lupine.Stream, error) {
	route, failed := s.route(call)
	if failed != nil {
		return nil, failed
	}
	c := &stream{session: s, route: route, method: call.Method, out: call, ctx: ctx}
	c.entry.call, c.giveUp = c, call.GiveUp
	if failed := s.add(&c.entry); failed != nil {
		return nil, failed
	}
	deadline, _ := ctx.Deadline()
	c.Begin(route, s.caller, call.Header.Clone(), deadline)
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, c.expire)
		c.mu.Lock()
		c.forget = stop
		ended := c.ended
		c.mu.Unlock()
		if ended {
			stop()
		}
	}
	return c, nil
}

// start runs the handler, once. c.mu is held.
func (c *stream) start() {
	if c.started || c.ended {
		return
	}
	c.started = true
	c.session.running()
	c.session.workers.Go(c)
}

// Run is the worker's part; see unary.Run on why its end is deferred.
func (c *stream) Run() {
	failed := c.route.Exited()
	defer func() { c.finish(failed) }()
	failed = c.route.ServeStream(&c.ServerCall, (*handlerEnd)(c))
}

// finish settles the call as its handler's end says.
func (c *stream) finish(failed *lupine.Error) {
	header, fresh := c.TakeHeader()
	trailer := trailerOf(&c.ServerCall, failed)
	c.mu.Lock()
	if fresh && (failed == nil || len(header) > 0) {
		c.setHeader(header)
	}
	if !c.ended {
		c.trailer = trailer
		if failed != nil {
			failed = told(failed, trailer)
		}
	}
	c.mu.Unlock()
	c.settle(failed, false)
	c.session.returned()
}

// setHeader hands the header over. c.mu is held.
func (c *stream) setHeader(md lupine.Metadata) {
	if c.ended {
		return
	}
	c.header, c.hasHead = md[:len(md):len(md)], true
	c.showHead()
}

// showHead wakes whoever waits for the header. c.mu is held.
func (c *stream) showHead() {
	if c.head != nil {
		close(c.head)
		c.head = nil
	}
}

// expire ends the call because its context has ended.
func (c *stream) expire() { c.abort(ctxError(c.ctx, lupine.Maybe), c.ctx.Err()) }

// end ends the call for a reason that lies outside it.
func (c *stream) end(why *lupine.Error) { c.abort(why, context.Canceled) }

// Cancel ends the call for both sides.
func (c *stream) Cancel(err *lupine.Error) {
	if err == nil {
		err = lupine.Errorf(lupine.Canceled, "the caller canceled the call: %w", context.Canceled)
	}
	c.abort(err, context.Canceled)
}

// abort settles the call with err, throws away what is under way, and ends the
// handler's context with stop.
func (c *stream) abort(err *lupine.Error, stop error) {
	if c.settle(err, true) {
		c.ServerCall.Cancel(stop, err)
	}
}

// settle notes the outcome, unless there is one, and wakes everybody.
func (c *stream) settle(failed *lupine.Error, abort bool) bool {
	c.mu.Lock()
	if c.ended {
		if abort {
			if c.failed == nil && c.down.len() > 0 {
				c.failed = failed // what is thrown away must not look as if it had been all
			}
			c.aborted = true
			c.down.drop()
		}
		c.mu.Unlock()
		return false
	}
	c.ended, c.aborted = true, abort
	if failed != nil && failed.Executed == lupine.Maybe && !c.started {
		unsent := *failed
		unsent.Executed = lupine.No
		failed = &unsent
	}
	c.failed = failed
	c.up.drop()
	if abort {
		c.down.drop()
	}
	c.up.end()
	c.down.end()
	c.showHead()
	forget := c.forget
	c.mu.Unlock()
	if forget != nil {
		forget()
	}
	c.session.remove(&c.entry)
	return true
}

// lapse ends the call if its context has ended: expire runs a moment later.
func (c *stream) lapse() {
	if c.ctx.Err() == nil {
		return
	}
	c.mu.Lock()
	ended := c.ended
	c.mu.Unlock()
	if !ended {
		c.expire()
	}
}

// outcome is what Recv says once there are no more replies. c.mu is held.
func (c *stream) outcome() error {
	c.out.ReplyHeader, c.out.ReplyTrailer = c.header, c.trailer
	if c.failed != nil {
		return c.failed
	}
	return io.EOF
}

// over is what to return when an operation's context has ended: the call's error
// if that has ended too.
func (c *stream) over(err error) error {
	if c.ctx.Err() == nil {
		return err
	}
	c.expire()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		return err
	}
	return c.failed
}

var errSendAfterClose = errors.New("lupine: Send after the last message")

// Send hands one request over.
func (c *stream) Send(ctx context.Context, m any, last bool) error {
	if err := ctx.Err(); err != nil {
		return c.over(err)
	}
	p, failed := pack(c.method.Codec, c.route.Method.Codec, m, c.route.Method.NewRequest)
	if failed == nil {
		failed = over(p.size, c.out.MaxSend, "request", "MaxSend")
	}
	if failed != nil {
		p.free()
		c.Cancel(failed)
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.outcome() // which knows whether anything was sent before
	}
	size := p.size
	c.lapse()
	c.mu.Lock()
	for {
		if c.ended {
			c.mu.Unlock()
			p.free()
			return io.EOF
		}
		if c.up.closed {
			c.mu.Unlock()
			p.free()
			return errSendAfterClose
		}
		c.start()
		if c.up.fits(p.size, c.session.config) {
			break
		}
		room := c.up.room.armed()
		c.mu.Unlock()
		if err := await(ctx, room); err != nil {
			p.free()
			return c.over(err)
		}
		c.mu.Lock()
	}
	c.up.put(p)
	c.up.closed = last
	c.mu.Unlock()
	c.out.Sent(size)
	return nil
}

// CloseSend says that no more requests follow.
func (c *stream) CloseSend(context.Context) error {
	c.lapse()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return io.EOF
	}
	c.start()
	c.up.closed = true
	c.up.ready.ring()
	return nil
}

// Recv takes the next reply.
func (c *stream) Recv(ctx context.Context, m any) error {
	c.lapse()
	c.mu.Lock()
	for {
		if c.aborted {
			defer c.mu.Unlock()
			return c.outcome()
		}
		if p, ok := c.down.take(); ok {
			first := !c.heard
			c.heard = true
			c.mu.Unlock()
			return c.receive(p, m, first)
		}
		if c.ended {
			defer c.mu.Unlock()
			return c.outcome()
		}
		c.start()
		ready := c.down.ready.armed()
		c.mu.Unlock()
		if err := await(ctx, ready); err != nil {
			return c.over(err)
		}
		c.mu.Lock()
	}
}

func (c *stream) receive(p parcel, m any, first bool) error {
	if first {
		c.out.FirstByte()
	}
	size := p.size
	failed := over(size, c.out.MaxReceive, "reply", "MaxReceive")
	if failed == nil {
		failed = p.unpack(c.method.Codec, m)
	}
	if failed == nil {
		c.out.Received(size)
		return nil
	}
	p.free()
	c.fail(failed)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.outcome()
}

// fail ends the call with an error that outweighs the handler's outcome: the
// caller cannot take what the handler has sent.
func (c *stream) fail(failed *lupine.Error) {
	c.Cancel(failed)
	c.mu.Lock()
	c.failed = failed
	c.mu.Unlock()
}

// Header waits for the reply's header.
func (c *stream) Header(ctx context.Context) (lupine.Metadata, error) {
	c.mu.Lock()
	c.start()
	for !c.hasHead && !c.ended {
		if c.head == nil {
			c.head = make(chan struct{})
		}
		head := c.head
		c.mu.Unlock()
		if err := await(ctx, head); err != nil {
			return nil, c.over(err)
		}
		c.mu.Lock()
	}
	defer c.mu.Unlock()
	if c.hasHead {
		c.out.ReplyHeader = c.header
		return c.header, nil
	}
	return nil, c.outcome()
}

// Trailer returns the trailer of a call that has ended.
func (c *stream) Trailer() lupine.Metadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trailer
}

// handlerEnd is the handler's end of a stream.
type handlerEnd stream

// gone is what the handler is told once the call has ended.
func (c *handlerEnd) gone() error {
	if err := c.Err(); err != nil {
		return err
	}
	return context.Canceled
}

// Recv takes the next request.
func (h *handlerEnd) Recv(ctx context.Context, m any) error {
	c := (*stream)(h)
	c.mu.Lock()
	for {
		if c.ended {
			c.mu.Unlock()
			return h.gone()
		}
		if p, ok := c.up.take(); ok {
			c.mu.Unlock()
			return h.receive(p, m)
		}
		if c.up.closed {
			c.mu.Unlock()
			return io.EOF
		}
		ready := c.up.ready.armed()
		c.mu.Unlock()
		if err := await(ctx, ready); err != nil {
			return err
		}
		c.mu.Lock()
	}
}

func (h *handlerEnd) receive(p parcel, m any) error {
	c := (*stream)(h)
	size := p.size
	failed := over(size, h.MaxReceive(), "request", "the server's MaxReceive")
	if failed == nil {
		failed = p.unpack(c.route.Method.Codec, m)
	}
	if failed == nil {
		h.Received(size)
		return nil
	}
	p.free()
	if !c.route.Method.Kind.ManyRequests() {
		failed = failed.NotExecuted() // the handler waits for this message to run
	}
	c.abort(failed, context.Canceled)
	return failed
}

// SendHeader hands the header over.
func (h *handlerEnd) SendHeader(context.Context) error {
	if !h.sendHeader() {
		return lupine.Errorf(lupine.Internal, "SendHeader after the header was sent")
	}
	return nil
}

func (h *handlerEnd) sendHeader() bool {
	md, fresh := h.TakeHeader()
	if fresh {
		c := (*stream)(h)
		c.mu.Lock()
		c.setHeader(md)
		c.mu.Unlock()
	}
	return fresh
}

// Send hands one reply over.
func (h *handlerEnd) Send(ctx context.Context, m any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := (*stream)(h)
	p, failed := pack(c.route.Method.Codec, c.method.Codec, m, c.method.NewReply)
	if failed == nil {
		failed = over(p.size, h.MaxSend(), "reply", "the server's MaxSend")
	}
	if failed != nil {
		p.free()
		return failed
	}
	size := p.size
	h.sendHeader()
	c.mu.Lock()
	for {
		if c.ended {
			c.mu.Unlock()
			p.free()
			return h.gone()
		}
		if c.down.fits(p.size, c.session.config) {
			break
		}
		room := c.down.room.armed()
		c.mu.Unlock()
		if err := await(ctx, room); err != nil {
			p.free()
			return err
		}
		c.mu.Lock()
	}
	c.down.put(p)
	c.mu.Unlock()
	h.Sent(size)
	return nil
}
