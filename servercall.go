package lupine

import (
	"context"
	"sync"
	"time"
)

// ServerCall is one call as its handler's side knows it, and the context that
// the handler runs under. The wire makes one for each call that comes in, may
// embed it in a larger object of its own, and never reuses it: a handler's
// context may outlive the call.
//
// As a context it costs nothing until it is asked: its channel and the deadline's
// timer are made by the first Done, and contexts derived from it start no
// goroutine.
type ServerCall struct {
	// Header is the request metadata. It must not be changed.
	Header Metadata
	// Peer is who calls.
	Peer *Peer
	// ID is the call's identity; zero where the wire has none.
	ID CallID
	// Compressor is how reply messages are compressed, if the caller takes it:
	// "gzip", "zstd" or empty. A handler may set it before its first Send.
	Compressor string

	route    *Route
	ctx      context.Context // what the handler runs under: c, or what hooks made of it
	deadline time.Time
	observe  func(Event)

	mu         sync.Mutex
	header     Metadata
	trailer    Metadata
	headerSent bool
	err        error           // why the context ended, where Cancel said so
	cause      error           // with err
	inner      context.Context // see real; nil until it is needed
	stop       context.CancelCauseFunc
}

type serverCallKey struct{}

// ServerCallFrom returns the call that ctx, a handler's context or one derived
// from it, belongs to, or nil.
func ServerCallFrom(ctx context.Context) *ServerCall {
	c, _ := ctx.Value(serverCallKey{}).(*ServerCall)
	return c
}

// Begin readies a zero ServerCall for one call of route. It is for wires, which
// call it without holding a lock: it runs the server's hooks. A zero deadline
// means none.
func (c *ServerCall) Begin(route *Route, peer *Peer, header Metadata, deadline time.Time) {
	c.route, c.Peer, c.Header, c.deadline = route, peer, header, deadline
	c.ctx = c
	if hooks := route.server.config.Hooks; hooks != nil {
		c.ctx, c.observe = hooks(c, CallInfo{Method: route.Method, Server: true, Header: header, Peer: peer})
	}
}

// Method returns the method that was called.
func (c *ServerCall) Method() *Method { return c.route.Method }

// MaxReceive is the most bytes a request message may have; negative means no
// limit. It is for wires.
func (c *ServerCall) MaxReceive() int { return c.route.server.config.MaxReceive }

// MaxSend is the most bytes a reply message may have; negative means no limit.
// It is for wires.
func (c *ServerCall) MaxSend() int { return c.route.server.config.MaxSend }

// SetHeader adds pairs to the reply's header. It fails once the header has been
// sent, or when a pair is not fit to send.
func (c *ServerCall) SetHeader(md Metadata) error {
	if err := md.Check(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.headerSent {
		return Errorf(Internal, "SetHeader after the header was sent")
	}
	c.header = append(c.header, md...)
	return nil
}

// SetTrailer adds pairs to the trailer, which is sent when the handler returns.
// It fails when a pair is not fit to send.
func (c *ServerCall) SetTrailer(md Metadata) error {
	if err := md.Check(); err != nil {
		return err
	}
	c.mu.Lock()
	c.trailer = append(c.trailer, md...)
	c.mu.Unlock()
	return nil
}

// TakeHeader returns the reply's header, and from then on SetHeader fails. ok is
// false if it was taken before. It is for wires.
func (c *ServerCall) TakeHeader() (md Metadata, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.headerSent {
		return nil, false
	}
	c.headerSent = true
	return c.header, true
}

// Trailer returns the trailer so far. It is for wires, once the handler has
// returned.
func (c *ServerCall) Trailer() Metadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trailer
}

// Draining returns a channel that is closed when the server begins to drain, so
// that a long-lived stream can end by itself.
func (c *ServerCall) Draining() <-chan struct{} { return c.route.server.draining }

// PeerConn returns a Conn that calls services which the caller hosts, or an
// Unimplemented error on a wire without peer calls.
func (c *ServerCall) PeerConn() (*Conn, error) {
	if c.Peer == nil || c.Peer.Session == nil {
		wire := "this wire"
		if c.Peer != nil {
			wire = "wire " + c.Peer.Wire
		}
		return nil, Errorf(Unimplemented, "%s cannot call back to its client", wire).NotExecuted()
	}
	return NewConn(c.Peer.Session), nil
}

// Cancel ends the context with err, which is context.Canceled or
// context.DeadlineExceeded, because of cause, which context.Cause returns. It is
// for wires; only the first call counts. It runs no code of the handler on this
// goroutine.
func (c *ServerCall) Cancel(err, cause error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err, c.cause = err, cause
	stop := c.stop
	c.mu.Unlock()
	if stop != nil && !c.expired(err) {
		stop(cause)
	}
}

// expired reports whether the real context ends by its own timer, now: then those
// derived from it see DeadlineExceeded too.
func (c *ServerCall) expired(err error) bool {
	return err == context.DeadlineExceeded && !c.deadline.IsZero() && !time.Now().Before(c.deadline)
}

// real returns a context of the standard library's own kind, made when somebody
// first waits for the call's end or derives a context from it. Package context
// knows its own kind behind any number of WithValue, and starts no goroutine for
// what is derived from it; for a foreign one it would.
func (c *ServerCall) real() context.Context {
	c.mu.Lock()
	if c.inner == nil {
		base := context.Background()
		if p := c.route.server.base.Load(); p != nil {
			base = *p
		}
		c.inner, c.stop = context.WithCancelCause(base)
		if !c.deadline.IsZero() {
			stop, cancel := c.stop, context.CancelFunc(nil)
			c.inner, cancel = context.WithDeadline(c.inner, c.deadline)
			c.stop = func(cause error) {
				stop(cause)
				cancel()
			}
		}
	}
	inner, stop, err, cause := c.inner, c.stop, c.err, c.cause
	c.mu.Unlock()
	if err != nil && !c.expired(err) {
		stop(cause)
	}
	return inner
}

// Deadline returns when the caller stops waiting.
func (c *ServerCall) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Done returns a channel that is closed when the caller has gone, the deadline
// has passed or the handler has returned.
func (c *ServerCall) Done() <-chan struct{} { return c.real().Done() }

// Err returns why the context ended, or nil.
func (c *ServerCall) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.err != nil:
		return c.err
	case c.inner != nil:
		return c.inner.Err()
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		// Nobody waits, so there is no timer, and the clock is read only when asked.
		c.err, c.cause = context.DeadlineExceeded, context.DeadlineExceeded
	}
	return c.err
}

// Value returns the ServerCall itself for the key of [ServerCallFrom], and what
// the context given to Serve has for any other.
func (c *ServerCall) Value(key any) any {
	if key == (serverCallKey{}) {
		return c
	}
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	if base := c.route.server.base.Load(); base != nil {
		return (*base).Value(key)
	}
	return nil
}

// AfterFunc runs f in its own goroutine once the context has ended, as
// [context.AfterFunc] does.
func (c *ServerCall) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(c.real(), f) }

// Sent tells hooks that a reply message of so many encoded bytes was handed to
// the transport. It is for wires.
func (c *ServerCall) Sent(bytes int) {
	if c.observe != nil {
		c.observe(Event{Kind: Sent, Bytes: bytes, Peer: c.Peer})
	}
}

// Received tells hooks that a request message of so many encoded bytes was
// received. It is for wires.
func (c *ServerCall) Received(bytes int) {
	if c.observe != nil {
		c.observe(Event{Kind: Received, Bytes: bytes, Peer: c.Peer})
	}
}
