package lupine

import (
	"context"
	"io"
	"iter"
)

// Sender is a handler's way to send replies. One goroutine may use it at a time.
type Sender[Res any] struct{ s HandlerStream }

// Send sends one reply. It returns when m may be changed again, or with an error
// when ctx or the call has ended; the handler should then return.
func (s *Sender[Res]) Send(ctx context.Context, m *Res) error { return s.s.Send(ctx, m) }

// SendHeader sends the header at once, rather than with the first message.
func (s *Sender[Res]) SendHeader(ctx context.Context) error { return s.s.SendHeader(ctx) }

// Receiver is a handler's way to receive requests. One goroutine may use it at
// a time.
type Receiver[Req any] struct{ s HandlerStream }

// Recv returns the next request, or io.EOF after the last. When ctx ends first it
// returns ctx's error and loses nothing.
func (r *Receiver[Req]) Recv(ctx context.Context) (*Req, error) {
	m := new(Req)
	if err := r.s.Recv(ctx, m); err != nil {
		return nil, err
	}
	return m, nil
}

// All yields the requests to the last. An error other than io.EOF is yielded
// once, with a nil message.
func (r *Receiver[Req]) All(ctx context.Context) iter.Seq2[*Req, error] {
	return all(ctx, r.Recv)
}

func all[T any](ctx context.Context, recv func(context.Context) (*T, error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for {
			m, err := recv(ctx)
			if err == io.EOF {
				return
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

// caller is what the streams at the caller's end share.
type caller struct {
	conn *Conn
	ctx  context.Context
	call *Call
	s    Stream
	err  error // why there is no stream
	done bool
	got  any // the only reply, received before the end of the call was
}

// Header waits for the reply's header.
func (c *caller) Header(ctx context.Context) (Metadata, error) {
	if c.s == nil {
		return nil, c.err
	}
	md, err := c.s.Header(ctx)
	if err != nil && err != ctx.Err() {
		err = c.ended(err)
	}
	return md, err
}

// Trailer returns the trailer, once the stream has ended.
func (c *caller) Trailer() Metadata {
	if c.s == nil {
		return nil
	}
	return c.s.Trailer()
}

// Close ends the call if it has not ended, and frees what it holds. It never
// blocks, and may be called more than once. A stream that was received to its
// end needs no Close.
func (c *caller) Close() error {
	if c.s != nil {
		c.s.Cancel(&Error{Code: Canceled, Message: "the caller closed the stream", cause: context.Canceled})
	}
	return nil
}

// ended notes the end of the call, once, and returns the error to give.
func (c *caller) ended(err error) error {
	if _, ok := err.(*Error); !ok && err != io.EOF {
		return err // only this Recv's context ended
	}
	if !c.done {
		c.done = true
		c.call.ReplyTrailer = c.s.Trailer()
		c.call.deliver()
	}
	return c.conn.converted(err)
}

func (c *caller) recv(ctx context.Context, m any) error {
	if c.s == nil {
		return c.err
	}
	if err := c.s.Recv(ctx, m); err != nil {
		return c.ended(err)
	}
	return nil
}

func (c *caller) send(ctx context.Context, m any) error {
	if c.s == nil {
		return c.err
	}
	return c.s.Send(ctx, m, false)
}

func (c *caller) closeSend(ctx context.Context) error {
	if c.s == nil {
		return c.err
	}
	return c.s.CloseSend(ctx)
}

// one receives the only reply of a call and waits for its end. When ctx ends in
// between it may be called again.
func (c *caller) one(ctx context.Context) (any, error) {
	if c.got == nil {
		m := c.call.Method.NewReply()
		if err := c.recv(ctx, m); err != nil {
			if err == io.EOF {
				err = c.conn.converted(errNoReply)
			}
			return nil, err
		}
		c.got = m
	}
	switch err := c.recv(ctx, c.call.Method.NewReply()); err {
	case io.EOF:
		return c.got, nil
	case nil:
		c.s.Cancel(errTwoReplies)
		return nil, c.conn.converted(errTwoReplies)
	default:
		return nil, err
	}
}

var (
	errNoReply    = Errorf(Unimplemented, "the server sent OK without a reply message")
	errTwoReplies = Errorf(Unimplemented, "the server sent more than one reply message")
)

// ServerStream is the caller's end of a server-streaming call. One goroutine may
// use it at a time; Close may be called by any. It must be received to its end,
// or closed, or its context ended.
type ServerStream[Res any] struct{ caller }

// Recv returns the next reply, or io.EOF after the last. An [*Error] means that
// the call has ended; when only ctx ended, the error is ctx's, the stream lives
// on and no message is lost.
func (s *ServerStream[Res]) Recv(ctx context.Context) (*Res, error) {
	return recvNew[Res](ctx, &s.caller)
}

// All yields the replies to the last. It is for one use; breaking out of the
// loop cancels the call. An error is yielded once, with a nil message.
func (s *ServerStream[Res]) All() iter.Seq2[*Res, error] { return closingAll(s.ctx, &s.caller, s.Recv) }

// BidiStream is the caller's end of a bidi-streaming call. One goroutine may send
// while another receives. It must be received to its end, or closed, or its
// context ended.
type BidiStream[Req, Res any] struct{ caller }

// Send sends one request. It returns when m may be changed again. After the call
// has ended it returns io.EOF: Recv has the reason.
func (s *BidiStream[Req, Res]) Send(ctx context.Context, m *Req) error { return s.send(ctx, m) }

// CloseSend says that no more requests follow.
func (s *BidiStream[Req, Res]) CloseSend(ctx context.Context) error { return s.closeSend(ctx) }

// Recv returns the next reply; see [ServerStream.Recv].
func (s *BidiStream[Req, Res]) Recv(ctx context.Context) (*Res, error) {
	return recvNew[Res](ctx, &s.caller)
}

// All yields the replies to the last; see [ServerStream.All].
func (s *BidiStream[Req, Res]) All() iter.Seq2[*Res, error] {
	return closingAll(s.ctx, &s.caller, s.Recv)
}

// ClientStream is the caller's end of a client-streaming call. One goroutine may
// use it at a time.
type ClientStream[Req, Res any] struct{ caller }

// Send sends one request. It returns when m may be changed again. After the call
// has ended it returns io.EOF: CloseAndRecv has the reason.
func (s *ClientStream[Req, Res]) Send(ctx context.Context, m *Req) error { return s.send(ctx, m) }

// CloseAndRecv says that no more requests follow and returns the reply. When
// only ctx ended, it may be called again.
func (s *ClientStream[Req, Res]) CloseAndRecv(ctx context.Context) (*Res, error) {
	if err := s.closeSend(ctx); err != nil && err != io.EOF {
		return nil, err
	}
	res, err := s.one(ctx)
	if err != nil {
		return nil, err
	}
	return res.(*Res), nil
}

func recvNew[Res any](ctx context.Context, c *caller) (*Res, error) {
	m := new(Res)
	if err := c.recv(ctx, m); err != nil {
		return nil, err
	}
	return m, nil
}

func closingAll[Res any](ctx context.Context, c *caller, recv func(context.Context) (*Res, error)) iter.Seq2[*Res, error] {
	return func(yield func(*Res, error) bool) {
		defer c.Close()
		all(ctx, recv)(yield)
	}
}

// Pending is a unary call under way; see the generated Start methods. Its
// methods may be called by any goroutine, one at a time; Close at any time.
type Pending[Res any] struct {
	caller
	open  *opening // the call could not be opened at once
	ready bool     // it has been opened since
	res   *Res
	ended bool
}

// opening is a call that waits for a session on a goroutine of its own.
type opening struct {
	done   chan struct{} // closed once s or err is set
	cancel func()        // ends the call, opened or not
	s      Stream
	err    error
}

// opened waits until the call has been opened, or ctx has ended.
func (p *Pending[Res]) opened(ctx context.Context) error {
	if p.open == nil || p.ready {
		return nil
	}
	select {
	case <-p.open.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.ready, p.s, p.err = true, p.open.s, p.open.err
	return nil
}

// Header waits for the reply's header.
func (p *Pending[Res]) Header(ctx context.Context) (Metadata, error) {
	if err := p.opened(ctx); err != nil {
		return nil, err
	}
	return p.caller.Header(ctx)
}

// Close ends the call if it has not ended. It never blocks, and may be called
// more than once. A Pending that was waited for needs no Close.
func (p *Pending[Res]) Close() error {
	if p.open != nil {
		p.open.cancel() // whether it has been opened or not
		return nil
	}
	return p.caller.Close()
}

// Wait returns the reply. When only ctx ended, the call lives on and Wait may be
// called again; once it has returned a result it returns the same again.
func (p *Pending[Res]) Wait(ctx context.Context) (*Res, error) {
	if p.ended {
		return p.res, p.err
	}
	if err := p.opened(ctx); err != nil {
		return nil, err
	}
	if p.s == nil {
		p.finish()
		return nil, p.err
	}
	res, err := p.one(ctx)
	if _, final := err.(*Error); err != nil && !final && !p.done {
		return nil, err
	}
	p.finish()
	if p.err = err; err == nil {
		p.res = res.(*Res)
	}
	return p.res, p.err
}

func (p *Pending[Res]) finish() {
	p.ended = true
	if p.open != nil {
		p.open.cancel() // frees what watches the caller's context
	}
}
