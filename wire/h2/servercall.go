package h2

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
	"github.com/lupine-rpc/lupine/internal/routes"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
)

// serverCall is one call of a served: the handler's context, its stream, and the
// task that runs it. The link's lock guards it, except where a field says
// otherwise. What a handler may keep, its context, is apart, so that the rest of
// a direct call can be used again; see recycle.
type serverCall struct {
	*lupine.ServerCall
	stream engine.Stream
	sv     *served
	route  *routes.Route
	web    *webCall // the request is not gRPC

	header   lupine.Metadata
	deadline time.Time
	content  string // of the response
	accept   string // the client's grpc-accept-encoding
	comp     grpcmsg.Compressor
	in       inbox
	out      *buffers.Buffer

	started bool // its handler runs, or is queued
	direct  bool // the whole request is here and ServeUnary can have it
	over    bool // the client or the link has gone
	headed  bool // the header was sent
	// finished: the handler has returned, and the engine and the link have nothing
	// of a direct call any more.
	finished bool

	refusal uint16 // HTTP status to answer with when the request has ended; see refuseAtEnd

	recvWait, sendWait waiter
	unwatch            func() bool // forgets the context of a handler that has waited

	waiting      int // bytes of the reply that wait for window; see served.tick
	waitingSince int64

	came, mark int64 // bytes of the request in all, and at markAt; see served.tick
	markAt     int64

	sizes   buffers.SizeHint
	quick   bool   // nothing was sent since the last Recv
	taken   []byte // whole messages not decoded yet; the receiver's
	payload []byte
}

// plainRequest is what a header block said that comes again and again: which
// method is called, with nothing that belongs to one call alone.
type plainRequest struct {
	content, accept string
	route           *routes.Route
}

// headers takes the request's header block. end says that nothing follows.
func (c *serverCall) headers(h *engine.Head, end bool) {
	if p, ok := h.Memo.(*plainRequest); ok {
		c.content, c.accept, c.route = p.content, p.accept, p.route
		c.admitted(end)
		return
	}
	content, timeout, encoding := "", "", ""
	var md lupine.Metadata
	var bad error
	for i := range h.Fields {
		f := &h.Fields[i]
		switch f.Name {
		case grpcmsg.HeaderContentType:
			content = f.Value
		case grpcmsg.HeaderTE: // missing: a proxy that strips it is not our affair
		case grpcmsg.HeaderTimeout:
			timeout = f.Value
		case grpcmsg.HeaderEncoding:
			encoding = f.Value
		case grpcmsg.HeaderAcceptEncoding:
			_, c.accept = stable(f)
		case "user-agent", "content-length":
		default:
			if bad == nil {
				name, value := stable(f)
				md, bad = grpcmsg.AddField(md, name, value)
			}
		}
	}
	subtype, ok := grpcmsg.ParseContentType(content)
	if !ok || h.Method != "POST" {
		c.notGRPC(h, end, ok)
		return
	}
	c.content = grpcmsg.ContentType
	if subtype != "" {
		c.content = string(grpcmsg.AppendContentType(nil, subtype))
	}
	c.header = md
	if err := c.admit(h, subtype, timeout, encoding, bad); err != nil {
		c.refuse(err)
		return
	}
	if h.Kept && md == nil && timeout == "" && c.comp == nil && h.PathEntry != nil {
		h.Memo = &plainRequest{c.content, c.accept, c.route}
	}
	c.admitted(end)
}

// admitted goes on with a call that may run.
func (c *serverCall) admitted(end bool) {
	c.quick = true
	if end || c.route.Method.Kind.ManyRequests() {
		c.sv.start(c)
	}
}

// admit works out what is called and how. Its errors are the caller's to know.
func (c *serverCall) admit(h *engine.Head, subtype, timeout, encoding string, bad error) *lupine.Error {
	if h.TooLarge {
		return lupine.Errorf(lupine.ResourceExhausted, "the request's header is above the limit of %d bytes and %d fields", c.sv.l.config.MaxHeaderBytes, c.sv.l.config.MaxHeaderFields)
	}
	if bad != nil {
		return asError(bad)
	}
	if timeout != "" {
		d, err := grpcmsg.ParseTimeout(timeout)
		if err != nil {
			return asError(err)
		}
		c.deadline = time.Now().Add(d)
	}
	if c.route = c.sv.find(h); c.route == nil {
		return c.sv.l.srv.NoSuchMethod(strings.Clone(h.Path))
	}
	if name := c.route.Method.Codec.Name(); subtype != "" && subtype != name && !c.route.Raw {
		return lupine.Errorf(lupine.Unimplemented, "%s takes messages encoded as %q, not as %q", c.route.Method.Path, name, subtype)
	}
	comp, err := c.sv.l.encs.ForRequest(encoding)
	if err != nil {
		return asError(err)
	}
	if c.comp = comp; comp != nil {
		c.Compressor = comp.Name()
	}
	return nil
}

// find returns the route of a request, or nil.
func (sv *served) find(h *engine.Head) *routes.Route {
	if h.PathEntry != nil {
		if r, ok := h.PathEntry.Memo().(*routes.Route); ok {
			return r
		}
	}
	found := sv.l.srv.Lookup(strings.Clone(h.Path))
	if found == nil {
		return nil
	}
	r := sv.l.routes.Of(found)
	if h.PathEntry != nil {
		h.PathEntry.SetMemo(r)
	}
	return r
}

// data takes a piece of the request.
func (c *serverCall) data(ev *engine.Event) {
	if c.web != nil {
		c.web.data(ev)
		return
	}
	if c.over || c.route == nil {
		if ev.End {
			c.refuseNow()
		}
		return
	}
	e := c.sv.eng
	limit := c.route.MaxReceive()
	c.came += int64(len(ev.Data))
	if err := c.in.add(ev.Data, limit); err != nil {
		if asError(err).Code == lupine.ResourceExhausted {
			c.sv.stats.count(limitMessage)
		}
		if !c.started {
			c.refuse(asError(err))
			return
		}
		c.fail(asError(err))
		return
	}
	if ev.End {
		c.requestEnd()
		return
	}
	if c.in.whole > 0 {
		c.sv.wake(&c.recvWait)
	} else if n := c.in.missing(); n > 0 {
		e.Want(&c.stream, n)
	}
}

// requestEnd notes that the request is whole.
func (c *serverCall) requestEnd() {
	if c.web != nil {
		c.web.ended()
		return
	}
	if c.started {
		c.sv.wake(&c.recvWait)
		return
	}
	if c.route == nil {
		c.refuseNow()
		return
	}
	c.direct = c.route.Direct() && c.in.whole == 1 && c.in.tail == 0
	c.sv.start(c)
}

// fail ends a call whose handler runs: the client has broken it. The handler is
// told by its context and by Recv.
func (c *serverCall) fail(err *lupine.Error) {
	if c.over {
		return
	}
	c.sendStatus(err.NotExecuted())
	c.reset(err)
}

// reset notes that the client, or the link, has gone.
func (c *serverCall) reset(cause error) {
	if c.over {
		return
	}
	c.over = true
	if c.web != nil {
		c.web.reset(cause)
		return
	}
	if !c.started {
		c.started = true
		c.sv.release(c)
		return
	}
	cancelOf(c.ServerCall, cause)
	c.sv.wake(&c.recvWait)
	c.sent()
}

// refuse answers a call that is not run.
func (c *serverCall) refuse(err *lupine.Error) {
	c.started, c.over = true, true
	c.sendStatus(err.NotExecuted())
	c.sv.release(c)
}

// sent notes that the bytes of out are free again.
func (c *serverCall) sent() {
	if c.out != nil {
		c.sv.giveBack(&c.stream, c.out)
		c.out = nil
	}
	c.sv.wake(&c.sendWait)
}

var serverCallPool = sync.Pool{New: func() any { return new(serverCall) }}

// recycle puts c back into the pool if nobody has use of it any more: its handler,
// which saw nothing of it but the context, has returned and all has been sent.
func (c *serverCall) recycle() {
	if !c.finished {
		return
	}
	wait := c.recvWait
	*c = serverCall{}
	c.recvWait = wait
	serverCallPool.Put(c)
}

// Run runs the handler; it makes the call a task.
func (c *serverCall) Run() {
	sv, direct := c.sv, c.direct
	c.execute(direct)
	c.recycle()
	if !direct {
		sv.readOn() // Recv may have read for itself
	}
}

// execute runs the handler and sends what it returns. timed says to note how long
// it takes.
func (c *serverCall) execute(timed bool) {
	var began int64
	if timed {
		began = clock()
	}
	var reply *buffers.Buffer
	var failed *lupine.Error
	returned := false
	defer func() {
		if !returned { // it has ended its goroutine, and this is all that still runs
			failed, reply = c.route.Exited(), nil
		}
		c.conclude(failed, reply)
	}()
	failed = c.handle(&reply)
	returned = true
	if timed {
		c.route.Ran(time.Duration(clock() - began))
	}
}

// conclude sends how the call ended, and its only reply if it is a direct one.
func (c *serverCall) conclude(failed *lupine.Error, reply *buffers.Buffer) {
	sv := c.sv
	if c.unwatch != nil {
		c.unwatch()
	}
	sv.mu.Lock()
	if !c.over {
		if failed != nil {
			c.sendStatus(failed)
		} else {
			c.sendEnd(reply)
			reply = nil
		}
	}
	sv.release(c)
	reply.Free()
	c.finished = c.direct && c.stream.Closed && c.out == nil
	if sv.inline != c {
		sv.flush(sv.eng.Held() > 0)
	}
	sv.mu.Unlock()
}

// handle runs the handler. For a direct call it encodes the reply into *reply.
// Codecs are the user's code: their panics end this call and nothing else, as
// those of handlers do.
func (c *serverCall) handle(reply **buffers.Buffer) (failed *lupine.Error) {
	defer func() {
		if p := recover(); p != nil {
			path := c.route.Method.Path
			c.sv.l.log.Error("codec panicked", "method", path, "panic", p, "stack", string(debug.Stack()))
			failed = &lupine.Error{Code: lupine.Internal, Message: "the codec of " + path + " panicked"}
			cancelOf(c.ServerCall, failed)
		}
	}()
	c.Begin(c.route.Route, c.sv.peerInfo, c.header, c.deadline)
	if !c.direct {
		return c.route.ServeStream(c.ServerCall, c)
	}
	m := c.route.Method
	req := m.NewRequest()
	compressed, body, _ := next(c.in.buf)
	n, err := unmarshal(c.ServerCall, m.Codec, compressed, body, req, c.comp, c.MaxReceive())
	if err != nil {
		cancelOf(c.ServerCall, err)
		return asError(err).NotExecuted()
	}
	c.in.free() // the handler may take long
	c.Received(n)
	res, failed := c.route.ServeUnary(c.ServerCall, req)
	if failed != nil {
		return failed
	}
	b := buffers.For(c.route.Sizes.Get())
	*reply = b
	n, err = marshal(b, m.Codec, res, c.replyComp(), c.MaxSend())
	c.route.Sizes.Saw(grpcmsg.PrefixLen + n)
	if err != nil {
		e := *asError(err)
		e.Executed = lupine.Yes
		return &e
	}
	c.ServerCall.Sent(n)
	return nil
}

// replyComp is what replies are compressed with, if anything.
func (c *serverCall) replyComp() grpcmsg.Compressor {
	if c.Compressor == "" || !grpcmsg.Accepts(c.accept, c.Compressor) {
		return nil
	}
	comp, _ := c.sv.l.encs.ByName(c.Compressor)
	return comp
}

// Recv decodes the next request message into m.
func (c *serverCall) Recv(ctx context.Context, m any) error {
	if len(c.taken) == 0 {
		if err := c.fetch(ctx); err != nil {
			return err
		}
	}
	compressed, body, rest := next(c.taken)
	n, err := unmarshal(ctx, c.route.Method.Codec, compressed, body, m, c.comp, c.MaxReceive())
	if err != nil && err == ctx.Err() {
		return err // the message is still there
	}
	c.taken = rest
	if err != nil {
		return err
	}
	c.Received(n)
	return nil
}

// errTruncated is what Recv returns when the request ended within a message.
func errTruncated(n int) error {
	return lupine.Errorf(lupine.Internal, "the request ended within a message: %d bytes came of it", n)
}

// fetch fills taken.
func (c *serverCall) fetch(ctx context.Context) error {
	sv := c.sv
	sv.mu.Lock()
	c.quick = true
	for !c.take() {
		if err := c.ended(); err != nil {
			sv.mu.Unlock()
			return err
		}
		sv.flush(sv.eng.Held() > 1)
		if c.ready(wantMessage) {
			continue
		}
		watched, err := c.watched(ctx)
		if err == nil && sv.mayLead() {
			sv.lead(watched, c, &c.recvWait, wantMessage)
			continue
		}
		alone := false
		if err == nil {
			alone, err = sv.await(watched, &c.recvWait, c)
		}
		switch {
		case alone:
			return nil
		case err != nil:
			sv.mu.Unlock()
			return err
		}
		sv.mu.Lock()
	}
	sv.flushSoon()
	sv.mu.Unlock()
	return nil
}

// ended returns why no more messages will come, if so. The lock is held.
func (c *serverCall) ended() error {
	switch {
	case c.over:
		return c.gone()
	case !c.stream.RecvEnd:
		return nil
	case c.in.tail > 0:
		return errTruncated(c.in.tail)
	}
	return io.EOF
}

// watched returns the context by which a wait must end that is under ctx, or ctx's
// error. Of the call's own only the deadline is left to watch: the rest wakes whoever
// waits. The lock is held.
func (c *serverCall) watched(ctx context.Context) (context.Context, error) {
	if ctx != context.Context(c.ServerCall) {
		return ctx, ctx.Err()
	}
	if c.deadline.IsZero() {
		return context.Background(), nil
	}
	if c.unwatch == nil {
		c.unwatch = context.AfterFunc(c.ServerCall, c.contextEnded)
	}
	return context.Background(), ctx.Err()
}

// take fills taken, and reports whether there was anything. The lock is held.
func (c *serverCall) take() bool {
	if c.in.whole == 0 {
		return false
	}
	if cap(c.payload) > buffers.MaxSmall {
		(&buffers.Buffer{B: c.payload}).Free()
		c.payload = nil
	}
	c.taken = c.in.take(c.payload)
	c.payload = c.taken
	if !c.stream.Closed {
		e := c.sv.eng
		e.Assembled(&c.stream)
		e.Consumed(&c.stream, len(c.taken))
		if n := c.in.missing(); n > 0 {
			e.Want(&c.stream, n)
		}
	}
	return true
}

// ready reports whether Recv need not wait. The lock is held.
func (c *serverCall) ready(wanted) bool { return c.in.whole > 0 || c.over || c.stream.RecvEnd }

// open reports whether the call goes on, as it does until its handler has returned.
func (c *serverCall) open() bool { return true }

// contextEnded wakes a handler that may be reading for itself.
func (c *serverCall) contextEnded() { c.sv.wakeUp(&c.recvWait) }

// gone is the error of a handler whose client has left.
func (c *serverCall) gone() error {
	err := context.Cause(c.ServerCall)
	if err == nil {
		err = errClientReset
	}
	return lupine.Errorf(lupine.Canceled, "%w", err)
}

// Send sends one reply message.
func (c *serverCall) Send(ctx context.Context, m any) error {
	b := buffers.For(c.sizes.Get())
	n, err := marshal(b, c.route.Method.Codec, m, c.replyComp(), c.MaxSend())
	if err != nil {
		b.Free()
		return err
	}
	c.sizes.Saw(grpcmsg.PrefixLen + n)
	sv := c.sv
	sv.mu.Lock()
	defer sv.mu.Unlock()
	for !c.over && c.stream.Pending() {
		if err := sv.park(ctx, &c.sendWait); err != nil {
			b.Free()
			return err
		}
	}
	if c.over {
		b.Free()
		return c.gone()
	}
	c.sendHeader()
	c.out = b
	sv.eng.Send(&c.stream, b.B, false, outLimit)
	if !c.stream.Pending() && c.out == b {
		c.out = nil
		b.Free()
	}
	if c.quick || c.stream.Pending() {
		c.quick = false
		sv.flush(sv.eng.Held() > 1)
	} else {
		sv.flushSoon()
	}
	c.ServerCall.Sent(n)
	return nil
}

// SendHeader sends the header now.
func (c *serverCall) SendHeader(context.Context) error {
	sv := c.sv
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if c.over {
		return c.gone()
	}
	if c.headed {
		return errHeaderSent
	}
	c.sendHeader()
	sv.flush(sv.eng.Held() > 1)
	return nil
}

var errHeaderSent = errors.New("h2: the header has been sent already")
