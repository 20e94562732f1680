package h2

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
)

// clientStream is one call of a session. Its link's lock guards it, except where
// a field says otherwise.
type clientStream struct {
	engine.Stream
	s       *session
	unary   bool
	limit   int
	giveUp  time.Time
	dueBy   time.Time // the caller's deadline; zero without one
	start   int64     // where its first byte stands among all that the link sends
	timeout []byte

	comp      grpcmsg.Compressor // of requests
	replyComp grpcmsg.Compressor
	out       *buffers.Buffer // the message on its way; see sent

	in        inbox
	header    lupine.Metadata
	trailer   lupine.Metadata
	outcome   grpcmsg.Outcome
	gotHeader bool // or trailers without a header
	done      bool
	err       *lupine.Error // why, once done; nil means OK

	recvWait, sendWait waiter

	// Of streams only.
	ctx     context.Context
	call    *lupine.Call
	stop    func() bool // forgets ctx
	quick   bool        // nothing was sent since the last Recv: the next Send flushes
	sizes   buffers.SizeHint
	closed  bool   // no more messages will be sent; the sender's
	first   bool   // FirstByte was told; the receiver's
	taken   []byte // whole messages not decoded yet; the receiver's
	payload []byte // the array that taken is a part of; the receiver's
}

// ready reports whether what is wanted is there. The lock is held.
func (st *clientStream) ready(w wanted) bool {
	switch {
	case st.done:
		return true
	case w == wantMessage:
		return st.in.whole > 0
	case w == wantHeader:
		return st.gotHeader
	}
	return false
}

// open reports whether the call is not over. The lock is held.
func (st *clientStream) open() bool { return !st.done }

// headers takes a header block of the server.
func (st *clientStream) headers(ev *engine.Event) {
	h := st.s.eng.Head
	if h.Memo != nil && st.plain(h, ev) {
		return
	}
	if !ev.Trailers {
		st.gotHeader = true
		if err := st.responseHeader(h, ev.End); err != nil {
			st.s.eng.Reset(&st.Stream, engine.Cancel)
			st.finish(err)
			return
		}
	}
	if h.TooLarge {
		st.s.eng.Reset(&st.Stream, engine.Cancel)
		st.finish(lupine.Errorf(lupine.ResourceExhausted, "the server sent a header block above the limit of Config.MaxHeaderBytes or MaxHeaderFields"))
		return
	}
	if ev.Trailers {
		st.outcome = grpcmsg.Outcome{} // a status in the header does not count
	}
	md, err := st.fields(h)
	if err != nil {
		st.s.eng.Reset(&st.Stream, engine.Cancel)
		st.finish(asError(err))
		return
	}
	if h.Kept && md == nil && st.replyComp == nil {
		switch {
		case !ev.End:
			h.Memo = plainHeader{}
		case ev.Trailers && st.outcome.OK():
			h.Memo = plainEnd{}
		}
	}
	if !ev.End {
		st.header = md
		if !st.unary {
			st.s.wake(&st.recvWait) // Header may be waiting
		}
		return
	}
	st.trailer = md
	st.finish(st.outcomeError())
}

// What header blocks say that come again and again: a gRPC response without
// metadata or compression, and that a call ended well, without metadata.
type (
	plainHeader struct{}
	plainEnd    struct{}
)

// plain takes a header block that was seen to say no more than that, and reports
// whether it does.
func (st *clientStream) plain(h *engine.Head, ev *engine.Event) bool {
	switch h.Memo.(type) {
	case plainHeader:
		if ev.Trailers || ev.End {
			return false
		}
		st.gotHeader = true
		if !st.unary {
			st.s.wake(&st.recvWait) // Header may be waiting
		}
	case plainEnd:
		if !ev.Trailers || st.in.tail > 0 {
			return false
		}
		st.finish(nil)
	}
	return true
}

// responseHeader checks that a response is gRPC's. end says that it is all.
func (st *clientStream) responseHeader(h *engine.Head, end bool) *lupine.Error {
	content := ""
	status := false
	for i := range h.Fields {
		f := &h.Fields[i]
		switch f.Name {
		case grpcmsg.HeaderContentType:
			content = f.Value
		case grpcmsg.HeaderStatus:
			status = true
		case grpcmsg.HeaderEncoding:
			c, err := st.s.encs.ForResponse(f.Value)
			if err != nil {
				return asError(err)
			}
			st.replyComp = c
		}
	}
	if end && status {
		return nil // whatever else it is, it says how the call ended
	}
	if _, ok := grpcmsg.ParseContentType(content); !ok || h.Status != 200 {
		return grpcmsg.HTTPError(h.Status, strings.Clone(content))
	}
	return nil
}

// fields reads status and metadata out of a header block.
func (st *clientStream) fields(h *engine.Head) (md lupine.Metadata, err error) {
	for i := range h.Fields {
		f := &h.Fields[i]
		switch f.Name {
		case grpcmsg.HeaderContentType, grpcmsg.HeaderEncoding, grpcmsg.HeaderAcceptEncoding:
			continue
		}
		name, value := stable(f)
		if st.outcome.Take(name, value) {
			continue
		}
		if md, err = grpcmsg.AddField(md, name, value); err != nil {
			return nil, err
		}
	}
	return md, nil
}

// outcomeError works out how the call ended from what the server said.
func (st *clientStream) outcomeError() *lupine.Error {
	if st.in.tail > 0 && st.outcome.OK() {
		return lupine.Errorf(lupine.Internal, "the reply ended within a message: %d bytes came of it", st.in.tail)
	}
	if st.outcome.OK() {
		return nil
	}
	if err := st.outcome.Err(st.trailer); err != nil {
		return asError(err)
	}
	return nil
}

// data takes a piece of DATA of the server.
func (st *clientStream) data(ev *engine.Event) {
	e := st.s.eng
	if err := st.in.add(ev.Data, st.limit); err != nil {
		if asError(err).Code == lupine.ResourceExhausted {
			st.s.stats.count(limitMessage)
		}
		e.Reset(&st.Stream, engine.Cancel)
		st.finish(asError(err))
		return
	}
	if ev.End {
		// DATA ended the stream: a gRPC response ends with trailers.
		st.finish(lupine.Errorf(lupine.Internal, "the server ended the reply without trailers"))
		return
	}
	if st.in.whole == 0 {
		if n := st.in.missing(); n > 0 {
			e.Want(&st.Stream, n)
		}
		return
	}
	if !st.unary {
		st.s.wake(&st.recvWait)
	} else if st.in.whole > 1 {
		e.Reset(&st.Stream, engine.Cancel)
		st.finish(lupine.Errorf(lupine.Unimplemented, "the server sent more than one reply message"))
	}
}

// resetError is why a call ended whose stream was reset.
func (st *clientStream) resetError(ev *engine.Event) *lupine.Error {
	if !ev.Remote {
		return lupine.Errorf(lupine.Internal, "the server broke the protocol: %w", ev.Err)
	}
	if ev.Code == engine.Cancel {
		// The server may have noticed the end of the call before our timer did.
		if st.ctx != nil && st.ctx.Err() != nil {
			return contextError(st.ctx, "")
		}
		if !st.dueBy.IsZero() && time.Until(st.dueBy) < earlyReset {
			return lupine.Errorf(lupine.DeadlineExceeded, "the server reset the stream at the deadline: %w", context.DeadlineExceeded)
		}
	}
	return grpcmsg.ResetError(uint32(ev.Code))
}

// earlyReset is how long before the deadline a server that cancels a call is
// taken to do so because of it: some round the timeout down.
const earlyReset = 10 * time.Millisecond

// finish ends the call: err says how, nil is OK. The stream has left the engine
// or leaves it now. The lock is held.
func (st *clientStream) finish(err *lupine.Error) {
	if st.done {
		return
	}
	s := st.s
	st.done, st.err = true, err
	if !st.Closed {
		// The server has answered before it had the whole request.
		s.eng.Reset(&st.Stream, engine.Cancel)
	}
	st.end() // also of a call that nobody receives from any more
	s.wake(&st.recvWait)
	st.sent()
	s.streamEnded()
}

// sent notes that the bytes of out are free again.
func (st *clientStream) sent() {
	if st.out != nil && (!st.unary || st.done) {
		st.s.giveBack(&st.Stream, st.out)
		st.out = nil
	}
	st.s.wake(&st.sendWait)
}

// Open starts a call of any kind.
func (s *session) Open(ctx context.Context, call *lupine.Call) (lupine.Stream, error) {
	st := &clientStream{ctx: ctx, call: call, quick: true}
	if err := st.begin(ctx, s, call); err != nil {
		return nil, err
	}
	st.out.Free()
	st.out = nil
	s.mu.Lock()
	err := s.start(ctx, st, call)
	s.mu.Unlock()
	if err == errFull {
		return nil, lupine.ErrFull
	}
	if err != nil {
		return nil, err
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, st.contextEnded)
		s.mu.Lock()
		st.stop = stop
		if st.done {
			st.end()
		}
		s.mu.Unlock()
	}
	return st, nil
}

// lapse ends the call, and reports whether it did, if its context has ended:
// contextEnded runs a moment later. The lock is held.
func (st *clientStream) lapse() bool {
	if st.done || st.ctx.Err() == nil {
		return false
	}
	st.abandon(contextError(st.ctx, ""))
	return true
}

// contextEnded ends the call because its context has.
func (st *clientStream) contextEnded() {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.abandon(contextError(st.ctx, ""))
}

// Send sends one message.
func (st *clientStream) Send(ctx context.Context, m any, last bool) error {
	if st.closed {
		return lupine.Errorf(lupine.Internal, "Send after the last message")
	}
	b := buffers.For(st.sizes.Get())
	n, err := marshal(b, st.call.Method.Codec, m, st.comp, st.call.MaxSend)
	if err != nil {
		b.Free()
		e := asError(err)
		if !st.call.Method.Kind.ManyRequests() {
			e = e.NotExecuted() // nobody runs a call without its only request
		}
		st.Cancel(e) // a stream with a message left out is not what was meant
		return e
	}
	st.sizes.Saw(grpcmsg.PrefixLen + n)
	if err := st.push(ctx, b, last); err != nil {
		return err
	}
	st.call.Sent(n)
	return nil
}

// CloseSend says that no more messages will follow.
func (st *clientStream) CloseSend(ctx context.Context) error {
	if st.closed {
		return nil
	}
	return st.push(ctx, nil, true)
}

// push hands b, which may be nil, to the engine.
func (st *clientStream) push(ctx context.Context, b *buffers.Buffer, last bool) error {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	st.lapse()
	for !st.done && st.Pending() {
		// The role of the reader is nobody's here: who sends does not hold it.
		if err := s.park(ctx, &st.sendWait); err != nil {
			b.Free()
			return st.waitError(ctx, err)
		}
	}
	if st.done {
		b.Free()
		return io.EOF
	}
	st.closed = last
	if b == nil {
		s.eng.Send(&st.Stream, nil, true, outLimit)
	} else {
		st.out = b
		s.eng.Send(&st.Stream, b.B, last, outLimit)
		if !st.Pending() && st.out == b {
			st.out = nil
			b.Free()
		}
	}
	// The first message after a Recv is waited for; those behind it may be more
	// than one write is worth.
	if st.quick || last || st.Pending() {
		st.quick = false
		s.flush(s.eng.Streams() > 1)
	} else {
		s.flushSoon()
	}
	return nil
}

// waitError is what Send and Recv return when ctx has ended: the call's error if
// its own context has, since then the call is over.
func (st *clientStream) waitError(ctx context.Context, err error) error {
	if st.ctx.Err() != nil {
		st.abandon(contextError(st.ctx, ""))
		return io.EOF
	}
	return err
}

// Recv decodes the next message into m.
func (st *clientStream) Recv(ctx context.Context, m any) error {
	if len(st.taken) == 0 {
		if err := st.fetch(ctx); err != nil {
			return err
		}
	}
	compressed, body, rest := next(st.taken)
	n, err := unmarshal(ctx, st.call.Method.Codec, compressed, body, m, st.replyComp, st.call.MaxReceive)
	if err != nil && err == ctx.Err() {
		return err // the message is still there
	}
	st.taken = rest
	if err != nil {
		e := asError(err)
		st.Cancel(e)
		st.taken = nil
		return e
	}
	st.call.Received(n)
	return nil
}

// fetch fills taken, or returns how the call ended.
func (st *clientStream) fetch(ctx context.Context) error {
	s := st.s
	s.mu.Lock()
	st.quick = true
	for !st.take() {
		if st.done {
			s.mu.Unlock()
			st.call.ReplyHeader, st.call.ReplyTrailer = st.header, st.trailer
			if st.err != nil {
				return st.err
			}
			return io.EOF
		}
		if st.lapse() {
			continue
		}
		alone, err := st.wait(ctx, wantMessage, st)
		if alone {
			st.firstByte()
			return nil
		}
		if err != nil && st.waitError(ctx, err) == err {
			s.mu.Unlock()
			return err
		}
	}
	s.flushSoon() // window updates can wait a little
	s.mu.Unlock()
	st.firstByte()
	return nil
}

// firstByte tells the call's observer of its first message.
func (st *clientStream) firstByte() {
	if !st.first {
		st.first = true
		st.call.FirstByte()
	}
}

// take fills taken, and reports whether there was anything. The lock is held.
func (st *clientStream) take() bool {
	if st.in.whole == 0 {
		return false
	}
	if cap(st.payload) > buffers.MaxSmall {
		(&buffers.Buffer{B: st.payload}).Free()
		st.payload = nil
	}
	st.taken = st.in.take(st.payload)
	st.payload = st.taken
	if !st.Closed {
		e := st.s.eng
		e.Assembled(&st.Stream)
		e.Consumed(&st.Stream, len(st.taken))
		if n := st.in.missing(); n > 0 {
			e.Want(&st.Stream, n)
		}
	}
	return true
}

// wait waits for something of the reader, or reads itself. The lock is held before, and
// after unless it returns true, as await does.
func (st *clientStream) wait(ctx context.Context, want wanted, to taker) (alone bool, err error) {
	s := st.s
	s.flush(s.eng.Streams() > 1)
	if st.ready(want) {
		return false, nil
	}
	if ctx.Done() == st.ctx.Done() {
		ctx = context.Background() // contextEnded wakes us
	}
	if s.mayLead() {
		s.lead(ctx, st, &st.recvWait, want)
		return false, nil
	}
	if alone, err = s.await(ctx, &st.recvWait, to); !alone && err == nil {
		s.mu.Lock()
	}
	return alone, err
}

// end forgets the context of a call that is over. The lock is held.
func (st *clientStream) end() {
	if st.stop != nil {
		st.stop()
		st.stop = nil
	}
}

// Header waits for the reply's header.
func (st *clientStream) Header(ctx context.Context) (lupine.Metadata, error) {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	for !st.ready(wantHeader) {
		alone, err := st.wait(ctx, wantHeader, nil)
		if alone {
			s.mu.Lock()
		}
		if err != nil && st.waitError(ctx, err) == err {
			return nil, err
		}
	}
	if st.header == nil && st.done && st.err != nil && !st.gotHeader {
		return nil, st.err
	}
	return st.header, nil
}

// Trailer returns the trailer.
func (st *clientStream) Trailer() lupine.Metadata {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	return st.trailer
}

// Cancel ends the call here and now. It never blocks.
func (st *clientStream) Cancel(err *lupine.Error) {
	if err == nil {
		err = lupine.Errorf(lupine.Canceled, "the call was canceled: %w", context.Canceled)
	}
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.abandon(err)
}
