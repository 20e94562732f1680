package h2

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
)

// handlerInput cuts the request's body into messages. While ctx is the call's
// own, Recv reads on the handler's goroutine. The first Recv under a context of
// its own, which may end while the call lives on, starts a goroutine that reads
// one message each time it is asked.
type handlerInput struct {
	compressor grpcmsg.Compressor // what the caller compresses with; nil is nothing

	buf   []byte // what was read
	start int    // in buf, of the bytes not yet used
	err   error  // of the body, once it has ended
	timed bool   // the message under way has a timer

	asked   bool // the goroutine has been asked and has not answered
	ask     chan struct{}
	answers chan handlerMessage
	done    chan struct{}   // the goroutine has ended
	again   *handlerMessage // one that waited in vain for its turn to be decompressed
}

// handlerMessage is one message, valid until the next is read.
type handlerMessage struct {
	data []byte
	comp grpcmsg.Compressor // data is compressed by it, unless nil
	err  error
}

var handlerBuffers = sync.Pool{New: func() any { b := make([]byte, 0, handlerReadBuffer); return &b }}

// Recv implements lupine.HandlerStream.
func (c *handlerCall) Recv(ctx context.Context, m any) error {
	in := &c.in
	var got handlerMessage
	if in.again != nil {
		got, in.again = *in.again, nil
	} else if in.ask == nil && c.own(ctx) {
		got = c.next()
	} else {
		if in.ask == nil {
			in.startReader(c)
		}
		if !in.asked {
			in.asked = true
			in.ask <- struct{}{}
		}
		select {
		case got = <-in.answers:
			in.asked = false
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if got.err != nil {
		return got.err
	}
	if got.comp != nil {
		plain, err := grpcmsg.Decompress(ctx, got.comp, got.data, c.call.MaxReceive(), nil)
		if err != nil {
			if err == ctx.Err() {
				in.again = &got // the message is still there
			}
			return err
		}
		defer plain.Release()
		got.data = plain.Bytes()
	}
	c.call.Received(len(got.data))
	if err := c.codec.Decode(got.data, m); err != nil {
		return lupine.Errorf(lupine.Internal, "the request cannot be decoded as %s: %w", c.codec.Name(), err)
	}
	return nil
}

func (in *handlerInput) startReader(c *handlerCall) {
	in.ask = make(chan struct{}, 1)
	in.answers = make(chan handlerMessage, 1)
	in.done = make(chan struct{})
	go func() {
		defer close(in.done)
		for range in.ask {
			in.answers <- c.next()
		}
	}()
}

// finish ends the reader and gives the buffer back.
func (in *handlerInput) finish(c *handlerCall) {
	if in.ask != nil {
		close(in.ask)
		if in.asked {
			c.stopReading()
			<-in.answers
		}
		<-in.done
	}
	if in.buf != nil && cap(in.buf) <= handlerKeepBuffer {
		b := in.buf[:0]
		handlerBuffers.Put(&b)
	}
	in.buf = nil
}

// next reads one message. It returns io.EOF after the last.
func (c *handlerCall) next() handlerMessage {
	in := &c.in
	if err := c.fill(grpcmsg.PrefixLen); err != nil {
		return handlerMessage{err: err}
	}
	compressed, length, err := grpcmsg.ParsePrefix(in.buf[in.start:])
	if err == nil {
		err = grpcmsg.CheckReceive(length, c.call.MaxReceive())
	}
	if err != nil {
		return handlerMessage{err: err}
	}
	if err := c.fill(grpcmsg.PrefixLen + int(length)); err != nil {
		return handlerMessage{err: err}
	}
	if in.timed {
		in.timed = false
		c.setReadTime(time.Time{})
	}
	from := in.start + grpcmsg.PrefixLen
	data := in.buf[from : from+int(length)]
	in.start = from + int(length)
	if !compressed {
		return handlerMessage{data: data}
	}
	if in.compressor == nil {
		return handlerMessage{err: grpcmsg.ErrCompressedFlag()}
	}
	return handlerMessage{data: data, comp: in.compressor}
}

// fill reads until n unused bytes are there, the first of which begin a message.
// The buffer never becomes larger than twice what has come.
func (c *handlerCall) fill(n int) error {
	in := &c.in
	for len(in.buf)-in.start < n {
		unused := len(in.buf) - in.start
		if in.err != nil {
			return c.bodyError(in.err, unused)
		}
		if unused > 0 && !in.timed && c.h.config.MessageTime > 0 {
			// Most messages come whole; only the others cost a timer.
			in.timed = c.setReadTime(time.Now().Add(c.h.config.MessageTime))
		}
		in.room(n)
		got, err := c.r.Body.Read(in.buf[len(in.buf):cap(in.buf)])
		in.buf = in.buf[:len(in.buf)+got]
		in.err = err
	}
	return nil
}

// room makes space in the buffer for some of the n bytes wanted.
func (in *handlerInput) room(n int) {
	if in.buf == nil {
		in.buf = (*handlerBuffers.Get().(*[]byte))[:0]
	}
	have := len(in.buf) - in.start
	if in.start > 0 {
		copy(in.buf, in.buf[in.start:])
		in.buf, in.start = in.buf[:have], 0
	}
	if have < cap(in.buf) {
		return
	}
	in.buf = append(make([]byte, 0, grpcmsg.GrowTo(have, n)), in.buf...)
}

// setReadTime bounds reads by t, or by the call's deadline if that is sooner or
// t is zero. It reports whether it could.
func (c *handlerCall) setReadTime(t time.Time) bool {
	if deadline, ok := c.call.Deadline(); ok && (t.IsZero() || deadline.Before(t)) {
		t = deadline
	}
	return c.rc.SetReadDeadline(t) == nil
}

// bodyError says how the body ended, when unused bytes are left over.
func (c *handlerCall) bodyError(err error, unused int) error {
	switch in := &c.in; {
	case err == io.EOF && unused == 0:
		return io.EOF
	case err == io.EOF:
		return lupine.Errorf(lupine.Internal, "the request ended within a message, after %d bytes of it", unused)
	case in.timed && errors.Is(err, os.ErrDeadlineExceeded) && c.call.Err() == nil:
		return lupine.Errorf(lupine.DeadlineExceeded, "a request message did not come within %v (limit MessageTime)", c.h.config.MessageTime)
	}
	return c.gone("reading the request", err)
}
