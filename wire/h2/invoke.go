package h2

import (
	"context"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

var streamPool = sync.Pool{New: func() any { return new(clientStream) }}

// Invoke makes a unary call on the caller's goroutine.
func (s *session) Invoke(ctx context.Context, call *lupine.Call, req, reply any) error {
	st := streamPool.Get().(*clientStream)
	err := s.invoke(ctx, st, call, req, reply)
	st.recycle()
	if err == errFull {
		return lupine.ErrFull
	}
	if err != nil {
		return err // not a nil *Error in an error
	}
	return nil
}

func (s *session) invoke(ctx context.Context, st *clientStream, call *lupine.Call, req, reply any) *lupine.Error {
	if err := st.begin(ctx, s, call); err != nil {
		return err
	}
	st.unary = true
	n, err := marshal(st.out, call.Method.Codec, req, st.comp, call.MaxSend)
	if err != nil {
		return asError(err).NotExecuted()
	}
	s.sizes.Saw(grpcmsg.PrefixLen + n)
	s.mu.Lock()
	if err := s.start(ctx, st, call); err != nil {
		s.mu.Unlock()
		return err
	}
	s.eng.Send(&st.Stream, st.out.B, true, outLimit)
	s.flush(s.eng.Streams() > 1)
	for !st.done {
		if s.mayLead() {
			s.lead(ctx, st, &st.recvWait, wantEnd)
			continue
		}
		alone, err := s.await(ctx, &st.recvWait, nil)
		if alone { // a unary call is woken when it is done
			return st.conclude(ctx, call, reply, n)
		}
		if err != nil {
			st.abandon(contextError(ctx, ""))
			break
		}
		s.mu.Lock()
	}
	s.mu.Unlock()
	return st.conclude(ctx, call, reply, n)
}

// conclude returns how a unary call ended that sent n bytes.
func (st *clientStream) conclude(ctx context.Context, call *lupine.Call, reply any, n int) *lupine.Error {
	call.Sent(n)
	call.ReplyHeader, call.ReplyTrailer = st.header, st.trailer
	if st.gotHeader {
		call.FirstByte()
	}
	if st.err != nil {
		return st.err
	}
	return st.decodeOnly(ctx, call, reply)
}

// decodeOnly decodes the only message of a unary call that ended with OK.
func (st *clientStream) decodeOnly(ctx context.Context, call *lupine.Call, reply any) *lupine.Error {
	switch {
	case st.in.whole == 0:
		return lupine.Errorf(lupine.Unimplemented, "the server sent OK without a reply message")
	case st.in.whole > 1:
		return lupine.Errorf(lupine.Unimplemented, "the server sent more than one reply message")
	}
	compressed, body, _ := next(st.in.buf)
	n, err := unmarshal(ctx, call.Method.Codec, compressed, body, reply, st.replyComp, call.MaxReceive)
	if err != nil {
		return asError(err)
	}
	call.Received(n)
	return nil
}

// begin readies st for one call.
func (st *clientStream) begin(ctx context.Context, s *session, call *lupine.Call) *lupine.Error {
	st.s, st.Owner = s, st
	st.limit, st.giveUp = call.MaxReceive, call.GiveUp
	if call.Compressor != "" {
		c, ok := s.encs.ByName(call.Compressor)
		if !ok {
			return lupine.Errorf(lupine.InvalidArgument, "compressor %q is not known; known are: %s", call.Compressor, s.encs.Names()).NotExecuted()
		}
		st.comp = c
	}
	if d, ok := ctx.Deadline(); ok {
		left := time.Until(d)
		if left <= 0 {
			return lupine.Errorf(lupine.DeadlineExceeded, "the deadline passed before the call was sent: %w", context.DeadlineExceeded).NotExecuted()
		}
		st.dueBy = d
		st.timeout = grpcmsg.AppendTimeout(st.timeout[:0], left)
	}
	if err := call.Header.Check(); err != nil {
		return asError(err).NotExecuted()
	}
	st.out = buffers.For(s.sizes.Get())
	return nil
}

// start opens st and appends its header block. The lock is held.
func (s *session) start(ctx context.Context, st *clientStream, call *lupine.Call) *lupine.Error {
	if len(call.Header) > 0 {
		n := headerSize(call.Header) + blockSize(s.block(call.Method))
		if len(st.timeout) > 0 {
			n += len(grpcmsg.HeaderTimeout) + len(st.timeout) + fieldOverhead
		}
		if st.comp != nil {
			n += len(grpcmsg.HeaderEncoding) + len(st.comp.Name()) + fieldOverhead
		}
		if limit := s.eng.PeerHeaderList(); uint64(n) > uint64(limit) {
			return lupine.Errorf(lupine.ResourceExhausted, "the call's header takes %d bytes, more than the %d that the server accepts", n, limit).NotExecuted()
		}
	}
	if s.dead != nil || s.downed || s.eng.CanOpen() != nil || len(s.slots) > 0 {
		if err := s.slot(ctx, call.Queue); err != nil {
			return err
		}
	}
	s.opened(st)
	s.eng.BeginHeaders()
	out := s.eng.Enc.AppendBlock(s.eng.Out, s.block(call.Method))
	if st.comp != nil {
		out = s.eng.Enc.Append(out, hpack.Pair{Name: grpcmsg.HeaderEncoding, Value: st.comp.Name(), Mode: hpack.Keep})
	}
	if len(st.timeout) > 0 {
		out = s.eng.Enc.Append(out, hpack.Pair{Name: grpcmsg.HeaderTimeout, Value: view(st.timeout), Mode: hpack.Literal})
	}
	if len(call.Header) > 0 {
		out, s.scratch = appendMetadata(s.eng.Enc, out, call.Header, s.scratch)
	}
	s.eng.Out = out
	s.eng.EndHeaders(&st.Stream, false)
	return nil
}

// recycle puts st, whose call is over, back into the pool.
func (st *clientStream) recycle() {
	st.out.Free()
	st.in.free()
	wait, timeout := st.recvWait, st.timeout
	*st = clientStream{}
	st.recvWait, st.timeout = wait, timeout[:0]
	streamPool.Put(st)
}

// abandon ends the call from our side, because of err. The lock is held.
func (st *clientStream) abandon(err *lupine.Error) {
	if st.done {
		return
	}
	s := st.s
	s.eng.Reset(&st.Stream, engine.Cancel)
	st.in.free() // what has come and was not received is of no use now
	st.in = inbox{}
	st.finish(err)
	s.flush(false)
}

func asError(err error) *lupine.Error { return lupine.AsError(err) }
