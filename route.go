package lupine

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
)

// Route is a registered method, ready to run. Wires get one from
// [Server.Lookup] and may keep it.
type Route struct {
	Method *Method
	server *Server
	unary  func(ctx context.Context, req any) (any, error) // nil unless Kind is Unary
	stream StreamHandler                                   // never nil
}

// Direct reports whether a wire may run the method by ServeUnary. It may always
// use ServeStream. With hooks it may not: they are to be told that the reply was
// sent before they are told that the call has ended.
func (r *Route) Direct() bool {
	return r.unary != nil && len(r.server.config.Interceptors) == 0 && r.server.config.Hooks == nil
}

// MaxReceive is [ServerCall.MaxReceive] before there is a call: the most bytes a
// request message may have. It is for wires.
func (r *Route) MaxReceive() int { return r.server.config.MaxReceive }

// ServeUnary runs a unary handler on req, a decoded request, and returns its
// reply or the error to send. It is for wires, on routes that are Direct. The
// handler's panics become Internal errors.
func (r *Route) ServeUnary(call *ServerCall, req any) (reply any, failed *Error) {
	// One deferred function for both ends of a call: it costs nothing when the
	// handler returns.
	returned := false
	defer func() {
		if p := recover(); p != nil {
			reply, failed = nil, r.panicked(call, p)
		} else if !returned {
			failed = r.Exited() // for hooks alone
		}
		call.end(failed)
	}()
	reply, err := r.unary(call.ctx, req)
	returned = true
	if err != nil {
		return nil, r.failed(err)
	}
	return reply, nil
}

// ServeStream runs a handler of any kind and returns the error to send, or nil.
// It is for wires. It returns when the handler does, and handlers that ignore
// their context may be late.
func (r *Route) ServeStream(call *ServerCall, s HandlerStream) (failed *Error) {
	returned := false
	defer func() {
		if p := recover(); p != nil {
			failed = r.panicked(call, p)
		} else if !returned {
			failed = r.Exited() // for hooks alone
		}
		call.end(failed)
	}()
	err := runServer(r.server.config.Interceptors, call.ctx, call, s, r.stream)
	returned = true
	if err != nil {
		return r.failed(err)
	}
	return nil
}

// Exited is the error of a call whose handler ended its goroutine, as
// runtime.Goexit and testing.T.FailNow do. ServeUnary and ServeStream do not return
// then, so a wire defers what it owes the caller. It is for wires.
func (r *Route) Exited() *Error {
	return &Error{Code: Internal, Message: "the handler of " + r.Method.Path + " ended its goroutine", Executed: Yes}
}

// failed turns a handler's error into what the caller is told.
func (r *Route) failed(err error) *Error {
	// What is wrong with the only request is found by us, before the handler runs.
	if u := (*unread)(nil); errors.As(err, &u) {
		e := *AsError(u.err)
		e.Executed = No
		return &e
	}
	if convert := r.server.config.ConvertError; convert != nil {
		err = convert(err)
	}
	return handlerError(err)
}

func (r *Route) panicked(call *ServerCall, p any) *Error {
	r.server.config.Log.Error("handler panicked", "method", r.Method.Path, "panic", p, "stack", string(debug.Stack()))
	// The text of a panic may hold secrets, so it stays in the log.
	return &Error{Code: Internal, Message: "the handler of " + r.Method.Path + " panicked", Executed: Yes}
}

// end releases the handler's context and tells hooks.
func (c *ServerCall) end(failed *Error) {
	c.Cancel(context.Canceled, errHandlerReturned)
	if c.observe != nil {
		e := Event{Kind: End, Peer: c.Peer}
		if failed != nil {
			e.Err = failed
		}
		c.observe(e)
	}
}

var (
	errHandlerReturned = errors.New("the handler returned")
	errNoRequest       = Errorf(Unimplemented, "the caller sent no request message").NotExecuted()
	errTwoRequests     = Errorf(Unimplemented, "the caller sent more than one request message").NotExecuted()
)

// unread is the error of a call whose handler was not run, because its only
// request could not be received. It passes through interceptors.
type unread struct{ err error }

// Error returns the error's text.
func (u *unread) Error() string { return u.err.Error() }

// Unwrap returns the error.
func (u *unread) Unwrap() error { return u.err }

// oneRequest receives the only request message of a call into req.
func oneRequest(ctx context.Context, s HandlerStream, req any, fresh func() any) error {
	if err := s.Recv(ctx, req); err != nil {
		if err == io.EOF {
			err = errNoRequest
		}
		return &unread{err}
	}
	switch err := s.Recv(ctx, fresh()); err {
	case io.EOF:
		return nil
	case nil:
		return &unread{errTwoRequests}
	default:
		return &unread{err}
	}
}

// Handler is the implementation of one method: what HandleUnary and its
// siblings return and [Server.Register] takes.
type Handler struct {
	method *Method
	unary  func(ctx context.Context, req any) (any, error)
	stream StreamHandler
}

// HandleUnary makes a Handler of a unary method. Req and Res must be the
// method's message types.
func HandleUnary[Req, Res any](m *Method, f func(context.Context, *Req) (*Res, error)) Handler {
	mustBe(m, Unary)
	unary := func(ctx context.Context, req any) (any, error) {
		res, err := f(ctx, req.(*Req))
		if err == nil && res == nil {
			return nil, errNilReply(m)
		}
		return res, err
	}
	return Handler{m, unary, func(ctx context.Context, s HandlerStream) error {
		req := new(Req)
		if err := oneRequest(ctx, s, req, m.NewRequest); err != nil {
			return err
		}
		res, err := unary(ctx, req)
		if err != nil {
			return err
		}
		return s.Send(ctx, res)
	}}
}

// HandleServerStream makes a Handler of a server-streaming method.
func HandleServerStream[Req, Res any](m *Method, f func(context.Context, *Req, *Sender[Res]) error) Handler {
	mustBe(m, ServerStreaming)
	return Handler{method: m, stream: func(ctx context.Context, s HandlerStream) error {
		req := new(Req)
		if err := oneRequest(ctx, s, req, m.NewRequest); err != nil {
			return err
		}
		return f(ctx, req, &Sender[Res]{s})
	}}
}

// HandleClientStream makes a Handler of a client-streaming method.
func HandleClientStream[Req, Res any](m *Method, f func(context.Context, *Receiver[Req]) (*Res, error)) Handler {
	mustBe(m, ClientStreaming)
	return Handler{method: m, stream: func(ctx context.Context, s HandlerStream) error {
		res, err := f(ctx, &Receiver[Req]{s})
		if err != nil {
			return err
		}
		if res == nil {
			return errNilReply(m)
		}
		return s.Send(ctx, res)
	}}
}

// HandleBidi makes a Handler of a bidi-streaming method.
func HandleBidi[Req, Res any](m *Method, f func(context.Context, *Receiver[Req], *Sender[Res]) error) Handler {
	mustBe(m, Bidi)
	return Handler{method: m, stream: func(ctx context.Context, s HandlerStream) error {
		return f(ctx, &Receiver[Req]{s}, &Sender[Res]{s})
	}}
}

func mustBe(m *Method, k Kind) {
	if m.Kind != k {
		panic("lupine: " + m.Path + " is a " + m.Kind.String() + " method, handled as a " + k.String())
	}
}

func errNilReply(m *Method) *Error {
	return Errorf(Internal, "the handler of %s returned neither a reply nor an error", m.Path)
}
