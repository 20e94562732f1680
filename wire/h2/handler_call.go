package h2

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
)

// handlerCall is one gRPC call that came through net/http. Its methods Recv,
// Send and SendHeader are the lupine.HandlerStream that its handler uses.
type handlerCall struct {
	call lupine.ServerCall

	h       *Handler
	server  *lupine.Server
	w       http.ResponseWriter
	rc      *http.ResponseController
	r       *http.Request
	subtype string // of the content type: the codec's name, or empty
	codec   lupine.Codec

	in  handlerInput
	out handlerOutput

	mu    sync.Mutex
	ended bool // ServeHTTP is about to return: rc must not be used any more
}

// serve runs the call to its end.
func (c *handlerCall) serve() {
	if err := c.h.add(c); err != nil {
		c.refuse(err)
		return
	}
	defer c.h.remove(c)
	route, err := c.begin()
	if err != nil {
		c.refuse(lupine.AsError(err).NotExecuted())
		return
	}
	stop := context.AfterFunc(c.r.Context(), func() {
		c.call.Cancel(context.Canceled, errCallerGone)
	})
	var failed *lupine.Error
	returned := false
	defer func() {
		if !returned { // it has ended its goroutine: net/http resets the stream
			failed = route.Exited()
		}
		stop()
		c.finish(c.outcome(failed))
	}()
	failed = route.ServeStream(&c.call, c)
	returned = true
}

// begin reads the request's header. Nothing has run when it fails.
func (c *handlerCall) begin() (*lupine.Route, error) {
	path := c.path()
	var route *lupine.Route
	if path != "" {
		route = c.server.Lookup(path)
	}
	if route == nil {
		return nil, c.server.NoSuchMethod(c.r.URL.EscapedPath())
	}
	c.codec = route.Method.Codec
	if c.subtype != "" && c.subtype != c.codec.Name() {
		if _, raw := c.codec.(lupine.RawCodec); !raw {
			return nil, lupine.Errorf(lupine.Unimplemented, "%s is encoded as %q, not as %q: send content-type application/grpc+%s", path, c.codec.Name(), c.subtype, c.codec.Name())
		}
	}
	md, err := c.metadata()
	if err != nil {
		return nil, err
	}
	var deadline time.Time
	if s := c.r.Header.Get(grpcmsg.HeaderTimeout); s != "" {
		timeout, err := grpcmsg.ParseTimeout(s)
		if err != nil {
			return nil, err
		}
		if timeout == 0 {
			return nil, lupine.Errorf(lupine.DeadlineExceeded, "the deadline had passed when the call came")
		}
		deadline = time.Now().Add(timeout)
	}
	encoding := c.r.Header.Get(grpcmsg.HeaderEncoding)
	if c.in.compressor, err = c.h.encodings.ForRequest(encoding); err != nil {
		return nil, err
	}
	c.call.Begin(route, c.peer(), md, deadline)
	if c.in.compressor != nil {
		c.call.Compressor = encoding // unless the handler says otherwise
	}
	if !deadline.IsZero() {
		// Reads end at the deadline; a write may still be saying that it passed.
		err := c.rc.SetReadDeadline(deadline)
		if err == nil {
			err = c.rc.SetWriteDeadline(deadline.Add(handlerWriteGrace))
		}
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			c.call.Cancel(context.Canceled, err)
		}
	}
	return route, nil
}

// outcome corrects what the runtime says about a call that we ended.
func (c *handlerCall) outcome(failed *lupine.Error) *lupine.Error {
	if failed == nil || failed.Code != lupine.Canceled || !c.h.isClosed() {
		return failed
	}
	// It was cut off, as by a connection that breaks: who knows how far it came.
	e := *failed
	e.Code, e.Message, e.Executed = errHandlerClosed.Code, errHandlerClosed.Message, lupine.Maybe
	return &e
}

// abort ends the call's context, and wakes a Recv that waits for the caller.
// Handler.mu is held: the call is still counted.
func (c *handlerCall) abort(cause *lupine.Error) {
	c.call.Cancel(context.Canceled, cause)
	c.stopReading()
}

// stopReading makes reads of the body fail from now on.
func (c *handlerCall) stopReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.rc.SetReadDeadline(time.Unix(1, 0))
	}
}

// stopWriting resets the stream.
func (c *handlerCall) stopWriting() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.rc.SetWriteDeadline(time.Unix(1, 0))
	}
}

// end is the last use of the ResponseController by other goroutines.
func (c *handlerCall) end() {
	c.mu.Lock()
	c.ended = true
	c.mu.Unlock()
}

// refuse answers a call that was not run, with a header alone.
func (c *handlerCall) refuse(e *lupine.Error) {
	c.setHeader(nil, nil)
	addFields(c.w.Header(), "", c.status(e, nil))
	c.end()
}

// finish sends the status. The handler has returned.
func (c *handlerCall) finish(failed *lupine.Error) {
	c.in.finish(c)
	c.out.finish(c)
	defer c.end()
	if c.r.Context().Err() != nil {
		// Nobody listens. net/http may have taken note of the deadlines after it has
		// closed the stream, and then keeps it until they pass.
		if _, ok := c.call.Deadline(); ok {
			c.rc.SetReadDeadline(time.Time{})
			c.rc.SetWriteDeadline(time.Time{})
		}
		return
	}
	header, first := c.call.TakeHeader()
	if first && failed != nil && len(header) == 0 {
		c.setHeader(nil, nil)
		addFields(c.w.Header(), "", c.status(failed, c.call.Trailer()))
		return
	}
	if first {
		if err := c.writeHeader(header); err != nil && failed == nil {
			failed = lupine.AsError(err)
		}
	}
	addFields(c.w.Header(), http.TrailerPrefix, c.status(failed, c.call.Trailer()))
}

// status returns the trailer in wire form.
func (c *handlerCall) status(e *lupine.Error, trailer lupine.Metadata) lupine.Metadata {
	fields, _ := grpcmsg.AppendFields(nil, trailer) // SetTrailer has checked them
	if e != nil {
		for i := range e.Metadata {
			var err error
			if fields, err = grpcmsg.AppendFields(fields, e.Metadata[i:i+1]); err != nil {
				c.server.Log().Error("metadata of a handler's error left out", "method", c.r.URL.Path, "err", err)
			}
		}
	}
	return grpcmsg.AppendStatus(fields, e, handlerStatusBytes)
}

// setHeader puts the reply's header in place.
func (c *handlerCall) setHeader(md lupine.Metadata, compressor grpcmsg.Compressor) {
	h := c.w.Header()
	h["Date"] = nil // gRPC has no use for it
	h.Set("Content-Type", string(grpcmsg.AppendContentType(nil, c.subtype)))
	h.Set("Grpc-Accept-Encoding", c.h.encodings.Names())
	if compressor != nil {
		h.Set("Grpc-Encoding", compressor.Name())
	}
	addFields(h, "", md)
}

func addFields(h http.Header, prefix string, fields lupine.Metadata) {
	for _, p := range fields {
		h.Add(prefix+p.Key, p.Value)
	}
}

// own reports whether ctx ends when the call does and not before, so that
// whatever ends it also ends reads and writes.
func (c *handlerCall) own(ctx context.Context) bool {
	return ctx == context.Context(&c.call) || ctx.Done() == c.call.Done()
}

// gone is the error of a read or write that failed because the call is over. It
// ends the call's context too: net/http ends its own only a moment later, and a
// handler must not see the error before the reason.
func (c *handlerCall) gone(doing string, err error) error {
	if e := c.call.Err(); e != nil {
		return e
	}
	if deadline, ok := c.call.Deadline(); ok && !time.Now().Before(deadline) {
		c.call.Cancel(context.DeadlineExceeded, err)
		return context.DeadlineExceeded
	}
	c.call.Cancel(context.Canceled, err)
	return lupine.Errorf(lupine.Canceled, "%s: %w", doing, err)
}

// errNoFlush is for middleware that hides what net/http can do.
func errNoFlush(err error) error {
	return lupine.Errorf(lupine.Internal, "%w", fmt.Errorf("the http.ResponseWriter cannot Flush (%w): middleware around h2.Handler must have an Unwrap method", err))
}
