package lupine

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
)

// CallServerStream makes a server-streaming call. Generated code calls it.
func CallServerStream[Res any](ctx context.Context, c *Conn, m *Method, req any, opts []CallOption) *ServerStream[Res] {
	s := &ServerStream[Res]{c.stream(ctx, m, opts)}
	s.sendOnly(req)
	return s
}

// CallClientStream makes a client-streaming call. Generated code calls it.
func CallClientStream[Req, Res any](ctx context.Context, c *Conn, m *Method, opts []CallOption) *ClientStream[Req, Res] {
	return &ClientStream[Req, Res]{c.stream(ctx, m, opts)}
}

// CallBidi makes a bidi-streaming call. Generated code calls it.
func CallBidi[Req, Res any](ctx context.Context, c *Conn, m *Method, opts []CallOption) *BidiStream[Req, Res] {
	return &BidiStream[Req, Res]{c.stream(ctx, m, opts)}
}

// Start begins a unary call and returns at once; many may be under way from one
// goroutine. req must not be changed until the call has ended. When there is no
// session yet, the call waits for one on a goroutine of its own; otherwise it
// costs none. Generated code calls it.
func Start[Res any](ctx context.Context, c *Conn, m *Method, req any, opts []CallOption) *Pending[Res] {
	call := new(Call)
	c.newCall(call, m, opts)
	c.net(ctx, call)
	if c.reserve(ctx, call) {
		p := &Pending[Res]{caller: c.streamOf(ctx, call)}
		call.release() // an interceptor may have failed it
		p.sendOnly(req)
		return p
	}
	ctx, cancel := context.WithCancel(ctx)
	o := &opening{done: make(chan struct{}), cancel: cancel}
	p := &Pending[Res]{caller: caller{conn: c, ctx: ctx, call: call}, open: o}
	go func() {
		defer close(o.done)
		opened := c.streamOf(ctx, call)
		opened.sendOnly(req)
		o.s, o.err = opened.s, opened.err
	}()
	return p
}

func (c *Conn) stream(ctx context.Context, m *Method, opts []CallOption) caller {
	call := new(Call)
	c.newCall(call, m, opts)
	return c.streamOf(ctx, call)
}

// streamOf opens a stream of any kind. Its error is kept for the first use.
func (c *Conn) streamOf(ctx context.Context, call *Call) caller {
	if hooks := c.config.Hooks; hooks != nil {
		ctx, call.observe = hooks(ctx, CallInfo{Method: call.Method, Header: call.Header})
	}
	open := c.open
	if open == nil {
		open = c.openCall
	}
	s, err := open(ctx, call)
	if err != nil {
		err = c.converted(AsError(err))
		call.deliver()
		if call.observe != nil {
			call.observe(Event{Kind: End, Err: err})
		}
		return caller{ctx: ctx, call: call, err: err}
	}
	return caller{ctx: ctx, call: call, s: s, conn: c}
}

// sendOnly sends the only request of a call. Its failure shows in Recv.
func (c *caller) sendOnly(req any) {
	if c.s == nil {
		return
	}
	if err := c.s.Send(c.ctx, req, true); err != nil && err != io.EOF {
		e := AsError(err)
		c.s.Cancel(e)
	}
}

// openCall is the innermost Opener: it chooses a session and opens the call on
// it, once more if the first attempt is known not to have run.
func (c *Conn) openCall(ctx context.Context, call *Call) (Stream, error) {
	header := call.Header
	var avoid *Link
	for {
		a, err := c.begin(ctx, call, avoid)
		if err != nil {
			return nil, err
		}
		s, err := a.session.Open(ctx, call)
		if err == ErrFull {
			a.full(call)
			continue
		}
		if err == nil {
			as := &attemptStream{Stream: s, attempt: a, conn: c, ctx: ctx, call: call, header: header}
			as.settled.Store(call.Method.Kind.ManyRequests())
			if a.done != nil || call.observe != nil {
				// A stream may also end by its context alone, with nobody receiving.
				as.mu.Lock()
				as.forget = context.AfterFunc(ctx, func() { as.end(contextEnd(ctx)) })
				as.mu.Unlock()
			}
			return as, nil
		}
		a.end(call, err)
		if !call.again(ctx, err) {
			return nil, err
		}
		avoid, call.Header = a.link, header
	}
}

// attemptStream is a Stream that notes the end of its attempt. While all that
// was sent is the only request of the call, and nothing was received, it can
// open the call again elsewhere when the server is known not to have run it.
type attemptStream struct {
	Stream
	attempt attempt
	conn    *Conn
	ctx     context.Context
	call    *Call
	header  Metadata
	settled atomic.Bool // Stream is not replaced any more

	mu       sync.Mutex // guards what follows, and Stream and attempt while they are replaced
	only     any        // the only request, until something was received
	canceled bool
	ended    bool
	reported bool        // the picker and the hooks know of the attempt's end
	forget   func() bool // stops watching ctx; nil when nobody needs to know
}

func (s *attemptStream) stream() Stream {
	if s.settled.Load() {
		return s.Stream
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Stream
}

// Send passes on, and keeps the only request of a call for a second attempt.
func (s *attemptStream) Send(ctx context.Context, m any, last bool) error {
	if last && !s.call.Method.Kind.ManyRequests() {
		s.mu.Lock()
		s.only = m
		s.mu.Unlock()
	}
	return s.stream().Send(ctx, m, last)
}

// CloseSend passes on.
func (s *attemptStream) CloseSend(ctx context.Context) error { return s.stream().CloseSend(ctx) }

// Trailer passes on.
func (s *attemptStream) Trailer() Metadata { return s.stream().Trailer() }

// Recv passes on, and tries again elsewhere where that is safe.
func (s *attemptStream) Recv(ctx context.Context, m any) error {
	err := s.stream().Recv(ctx, m)
	if err == nil {
		if !s.settled.Load() {
			s.mu.Lock()
			s.only = nil
			s.mu.Unlock()
			s.settled.Store(true)
		}
		return nil
	}
	if s.final(err) && s.retry(err) {
		return s.Recv(ctx, m)
	}
	s.end(err)
	return err
}

// Header passes on, and tries again elsewhere where that is safe.
func (s *attemptStream) Header(ctx context.Context) (Metadata, error) {
	md, err := s.stream().Header(ctx)
	if err != nil && s.final(err) && s.retry(err) {
		return s.Header(ctx)
	}
	return md, err
}

// Cancel passes on.
func (s *attemptStream) Cancel(err *Error) {
	s.mu.Lock()
	s.canceled = true
	inner := s.Stream
	s.mu.Unlock()
	inner.Cancel(err)
	if err == nil {
		err = &Error{Code: Canceled, Message: "the call was canceled", cause: context.Canceled}
	}
	s.end(err)
}

func (*attemptStream) final(err error) bool {
	_, ok := err.(*Error)
	return ok || err == io.EOF
}

// end tells the picker and the hooks, once, that the call is over.
func (s *attemptStream) end(err error) {
	if !s.final(err) {
		return
	}
	s.mu.Lock()
	ended, attempt, reported, forget := s.ended, s.attempt, s.reported, s.forget
	s.ended = true
	s.mu.Unlock()
	if ended {
		return
	}
	if forget != nil {
		forget()
	}
	if err == io.EOF {
		err = nil
	}
	if !reported {
		attempt.end(s.call, err)
	}
	if s.call.observe != nil {
		s.call.observe(Event{Kind: End, Err: err})
	}
}

func (s *attemptStream) retry(err error) bool {
	s.mu.Lock()
	only, failed := s.only, s.attempt
	s.only = nil
	if only == nil || s.canceled || s.ended || !s.call.again(s.ctx, err) {
		s.mu.Unlock()
		return false
	}
	s.reported = true
	s.mu.Unlock()
	failed.end(s.call, err)
	s.call.Header = s.header
	a, berr := s.conn.begin(s.ctx, s.call, failed.link)
	if berr != nil {
		return false
	}
	s.call.Queue = true // one more look elsewhere is enough
	next, berr := a.session.Open(s.ctx, s.call)
	if berr != nil {
		a.end(s.call, berr)
		return false
	}
	s.mu.Lock()
	s.attempt, s.Stream, s.reported = a, next, false
	canceled := s.canceled || s.ended
	s.mu.Unlock()
	if canceled {
		next.Cancel(nil)
		return true
	}
	if serr := next.Send(s.ctx, only, true); serr != nil && serr != io.EOF {
		next.Cancel(AsError(serr))
	}
	return true
}
