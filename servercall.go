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
// As a context it costs nothing until it is asked: Done makes its channel, and
// the deadline's timer, on the first call; context.WithCancel below it starts
// no goroutine.
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
	done       chan struct{}
	err        error // why the context ended; nil while it has not
	cause      error
	timer      *time.Timer
	after      map[*afterFunc]struct{}
}

type afterFunc struct{ f func() }

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
// context.DeadlineExceeded, because of cause. It is for wires; only the first
// call counts. It runs no code of the handler on this goroutine.
func (c *ServerCall) Cancel(err, cause error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err, c.cause = err, cause
	if c.done == nil {
		c.done = closedChan
	} else {
		close(c.done)
	}
	if c.timer != nil {
		c.timer.Stop()
	}
	after := c.after
	c.after = nil
	c.mu.Unlock()
	for a := range after {
		go a.f()
	}
}

var closedChan = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Deadline returns when the caller stops waiting.
func (c *ServerCall) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Done returns a channel that is closed when the caller has gone, the deadline
// has passed or the handler has returned.
func (c *ServerCall) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.arm()
	if c.done == nil {
		c.done = make(chan struct{})
	}
	return c.done
}

// arm starts the deadline's timer, the first time that anybody could notice it.
func (c *ServerCall) arm() {
	if c.err != nil || c.timer != nil || c.deadline.IsZero() {
		return
	}
	c.timer = time.AfterFunc(time.Until(c.deadline), func() {
		c.Cancel(context.DeadlineExceeded, context.DeadlineExceeded)
	})
}

// Err returns why the context ended, or nil.
func (c *ServerCall) Err() error {
	c.mu.Lock()
	err, late := c.err, c.err == nil && !c.deadline.IsZero() && c.timer == nil
	c.mu.Unlock()
	// Without a timer nobody is waiting, so the clock is read only when asked.
	if late && !time.Now().Before(c.deadline) {
		c.Cancel(context.DeadlineExceeded, context.DeadlineExceeded)
		return c.Err()
	}
	return err
}

// Value returns the ServerCall itself for the key of [ServerCallFrom], and what
// the context given to Serve has for any other.
func (c *ServerCall) Value(key any) any {
	if key == (serverCallKey{}) {
		return c
	}
	if base := c.route.server.base.Load(); base != nil {
		return (*base).Value(key)
	}
	return nil
}

// AfterFunc runs f in its own goroutine once the context has ended. Package
// context looks for this method and, finding it, starts no goroutine of its own
// for each child.
func (c *ServerCall) AfterFunc(f func()) (stop func() bool) {
	a := &afterFunc{f}
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		go f()
		return func() bool { return false }
	}
	c.arm()
	if c.after == nil {
		c.after = make(map[*afterFunc]struct{})
	}
	c.after[a] = struct{}{}
	c.mu.Unlock()
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, waiting := c.after[a]
		delete(c.after, a)
		return waiting
	}
}

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
