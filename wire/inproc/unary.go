package inproc

import (
	"context"
	"io"

	"github.com/lupine-rpc/lupine"
)

// unary is a whole unary call: one object, which is also the handler's context,
// the worker's task and the session's entry.
type unary struct {
	lupine.ServerCall
	entry
	session *session
	route   *lupine.Route
	request any
	wake    chan outcome

	// Written by the worker.
	reply    any
	failed   *lupine.Error
	returned bool
}

// outcome is how a unary call ended: by its handler or by something else.
type outcome struct {
	reply   any
	failed  *lupine.Error
	handler bool
}

// newWake makes a channel for outcomes. Two may be sent, by the handler and by
// whoever ended the call before, so that neither ever waits.
func newWake() any { return make(chan outcome, 2) }

// Run is the worker's part. What it owes the caller is deferred, since a handler
// may end its goroutine (as testing.T.FailNow does) and so never return.
func (u *unary) Run() {
	defer u.settle()
	u.reply, u.failed = u.route.ServeUnary(&u.ServerCall, u.request)
	u.returned = true
}

func (u *unary) settle() {
	if !u.returned {
		u.failed = u.route.Exited()
	}
	u.session.returned()
	u.wake <- outcome{u.reply, u.failed, true}
}

// end ends the call for its caller and stops the handler's context.
func (u *unary) end(err *lupine.Error) {
	if u.session.remove(&u.entry) {
		u.wake <- outcome{failed: err} // before the handler can return because of it
		u.Cancel(context.Canceled, err)
	}
}

// Invoke runs a unary call. The handler has a goroutine of its own, since it may
// take no notice of the context that ends the call.
func (s *session) Invoke(ctx context.Context, call *lupine.Call, req, reply any) error {
	route, failed := s.route(call)
	if failed != nil {
		return failed
	}
	if !route.Direct() {
		return s.invokeStream(ctx, call, req, reply)
	}
	u := &unary{session: s, route: route}
	deadline, _ := ctx.Deadline()
	u.Begin(route, s.caller, call.Header.Clone(), deadline)
	if failed = u.copyRequest(call, req); failed != nil {
		return failed
	}
	u.entry.call, u.giveUp = u, call.GiveUp
	u.wake = s.wakes.Get().(chan outcome)
	if failed = s.add(&u.entry); failed != nil {
		s.wakes.Put(u.wake)
		return failed
	}
	s.running()
	s.workers.Go(u)
	var out outcome
	select {
	case out = <-u.wake:
	case <-ctx.Done():
		if s.remove(&u.entry) {
			u.Cancel(ctx.Err(), context.Cause(ctx))
			return ctxError(ctx, lupine.Maybe)
		}
		out = <-u.wake
	}
	if out.handler && s.remove(&u.entry) {
		s.wakes.Put(u.wake) // nobody else will send
	}
	if !out.handler {
		return out.failed
	}
	return u.finish(call, out, reply)
}

// copyRequest copies the request for the handler.
func (u *unary) copyRequest(call *lupine.Call, req any) *lupine.Error {
	u.request = u.route.Method.NewRequest()
	size, failed := carry(call.Method.Codec, u.route.Method.Codec, u.request, req, func(size int) *lupine.Error {
		if err := over(size, call.MaxSend, "request", "MaxSend"); err != nil {
			return err
		}
		return over(size, u.MaxReceive(), "request", "the server's MaxReceive")
	})
	if failed != nil {
		return failed.NotExecuted()
	}
	call.Sent(size)
	return nil
}

// finish gives the caller what the handler returned.
func (u *unary) finish(call *lupine.Call, out outcome, reply any) error {
	header, _ := u.TakeHeader()
	trailer := trailerOf(&u.ServerCall, out.failed)
	call.FirstByte()
	call.ReplyHeader, call.ReplyTrailer = header[:len(header):len(header)], trailer
	if out.failed != nil {
		return told(out.failed, trailer)
	}
	size, failed := carry(u.route.Method.Codec, call.Method.Codec, reply, out.reply, func(size int) *lupine.Error {
		if err := over(size, u.MaxSend(), "reply", "the server's MaxSend"); err != nil {
			err.Executed = lupine.Yes
			return err
		}
		return over(size, call.MaxReceive, "reply", "MaxReceive")
	})
	if failed != nil {
		return failed
	}
	call.Received(size)
	return nil
}

// invokeStream runs a unary call as a stream, where the handler is one or has
// interceptors.
func (s *session) invokeStream(ctx context.Context, call *lupine.Call, req, reply any) error {
	st, err := s.Open(ctx, call)
	if err != nil {
		return err
	}
	if err := st.Send(ctx, req, true); err != nil && err != io.EOF {
		return final(ctx, st, err)
	}
	switch err := st.Recv(ctx, reply); err {
	case nil:
	case io.EOF:
		return lupine.Errorf(lupine.Unimplemented, "the server sent OK without a reply message")
	default:
		return final(ctx, st, err)
	}
	switch err := st.Recv(ctx, call.Method.NewReply()); err {
	case io.EOF:
		return nil
	case nil:
		two := lupine.Errorf(lupine.Unimplemented, "the server sent more than one reply message")
		st.Cancel(two)
		return two
	default:
		return final(ctx, st, err)
	}
}

// final ends a call whose operation failed, and returns the error of the call.
func final(ctx context.Context, st lupine.Stream, err error) error {
	if e, ok := err.(*lupine.Error); ok {
		return e
	}
	e := ctxError(ctx, lupine.Maybe)
	st.Cancel(e)
	return e
}
