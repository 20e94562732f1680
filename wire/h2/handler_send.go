package h2

import (
	"context"
	"errors"
	"net/http"
	"sync"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
)

// handlerOutput writes messages to the response. While ctx is the call's own,
// Send writes on the handler's goroutine. The first Send under a context of its
// own starts a goroutine that writes what is queued, so that a Send can be given
// up while the call lives on.
type handlerOutput struct {
	compressor grpcmsg.Compressor // what messages are compressed with; nil is nothing
	buf        []byte             // the message being encoded
	packed     []byte             // the same, compressed

	started bool // the goroutine runs, and owns the ResponseWriter
	mu      sync.Mutex
	queue   []byte
	closing bool
	err     error
	kick    chan struct{} // the queue has something, or closing
	room    chan struct{} // the queue was taken, or err is set
	done    chan struct{} // the goroutine has ended
}

// SendHeader implements lupine.HandlerStream.
func (c *handlerCall) SendHeader(context.Context) error {
	md, first := c.call.TakeHeader()
	if !first {
		return lupine.Errorf(lupine.Internal, "the header was sent already")
	}
	if err := c.writeHeader(md); err != nil {
		return err
	}
	return c.flush()
}

// writeHeader readies the header, which goes out with the first flush, and
// settles how replies are compressed. The header is in place even if it fails.
func (c *handlerCall) writeHeader(md lupine.Metadata) (err error) {
	if name := c.call.Compressor; name != "" {
		z, ok := c.h.encodings.ByName(name)
		// A caller takes what it sends itself. What nobody knows, no caller takes.
		if ok && (z == c.in.compressor || grpcmsg.Accepts(c.r.Header.Get(grpcmsg.HeaderAcceptEncoding), name)) {
			c.out.compressor = z
		}
	}
	fields, bad := grpcmsg.AppendFields(nil, md)
	if bad != nil {
		err = bad
	}
	c.setHeader(fields, c.out.compressor)
	c.w.WriteHeader(200)
	return err
}

func (c *handlerCall) flush() error {
	if err := c.rc.Flush(); err != nil {
		if errors.Is(err, http.ErrNotSupported) {
			return errNoFlush(err)
		}
		return c.gone("sending a reply", err)
	}
	return nil
}

// Send implements lupine.HandlerStream.
func (c *handlerCall) Send(ctx context.Context, m any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	message, err := c.encode(m)
	if err != nil {
		return err
	}
	if md, first := c.call.TakeHeader(); first {
		if err := c.writeHeader(md); err != nil {
			return err
		}
		if message, err = c.pack(message); err != nil {
			return err
		}
	} else if message, err = c.pack(message); err != nil {
		return err
	}
	c.call.Sent(len(c.out.buf) - grpcmsg.PrefixLen)
	if !c.out.started && c.own(ctx) {
		if _, err := c.w.Write(message); err != nil {
			return c.gone("sending a reply", err)
		}
		return c.flush()
	}
	if !c.out.started {
		c.out.start(c)
	}
	return c.out.put(ctx, c, message)
}

// encode marshals m behind room for its prefix.
func (c *handlerCall) encode(m any) ([]byte, error) {
	out := &c.out
	out.buf = append(out.buf[:0], make([]byte, grpcmsg.PrefixLen)...)
	b, err := c.codec.Append(out.buf, m)
	if err != nil {
		return nil, lupine.Errorf(lupine.Internal, "the reply cannot be encoded as %s: %w", c.codec.Name(), err)
	}
	out.buf = b
	return b, grpcmsg.CheckSend(len(b)-grpcmsg.PrefixLen, c.call.MaxSend())
}

// pack compresses an encoded message, where that makes it smaller, and writes
// its prefix.
func (c *handlerCall) pack(b []byte) ([]byte, error) {
	out, size := &c.out, len(b)-grpcmsg.PrefixLen
	if out.compressor != nil && size > 0 {
		packed, err := out.compressor.Compress(append(out.packed[:0], b[:grpcmsg.PrefixLen]...), b[grpcmsg.PrefixLen:])
		if err != nil {
			return nil, lupine.Errorf(lupine.Internal, "compressing a reply as %s: %w", out.compressor.Name(), err)
		}
		out.packed = packed
		if len(packed) < len(b) {
			grpcmsg.PutPrefix(packed, true, uint32(len(packed)-grpcmsg.PrefixLen))
			return packed, nil
		}
	}
	grpcmsg.PutPrefix(b, false, uint32(size))
	return b, nil
}

func (out *handlerOutput) start(c *handlerCall) {
	out.started = true
	out.kick = make(chan struct{}, 1)
	out.room = make(chan struct{}, 1)
	out.done = make(chan struct{})
	go out.run(c)
}

// run writes what is queued until finish. It owns the ResponseWriter.
func (out *handlerOutput) run(c *handlerCall) {
	defer close(out.done)
	var writing []byte
	for range out.kick {
		out.mu.Lock()
		writing, out.queue = out.queue, writing[:0]
		last := out.closing
		out.mu.Unlock()
		signal(out.room)
		if len(writing) > 0 {
			_, err := c.w.Write(writing)
			if err == nil {
				err = c.flush()
			} else {
				err = c.gone("sending a reply", err)
			}
			if err != nil {
				out.mu.Lock()
				out.err = err
				out.mu.Unlock()
				signal(out.room)
				return
			}
		}
		if last {
			return
		}
	}
}

// put queues a message, waiting for room within ctx.
func (out *handlerOutput) put(ctx context.Context, c *handlerCall, message []byte) error {
	for {
		out.mu.Lock()
		err := out.err
		// A message larger than the queue waits for an empty one.
		fits := len(out.queue) == 0 || len(out.queue)+len(message) <= handlerWriteBuffer
		if err == nil && fits {
			out.queue = append(out.queue, message...)
		}
		out.mu.Unlock()
		if err != nil {
			return err
		}
		if fits {
			signal(out.kick)
			return nil
		}
		select {
		case <-out.room:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.call.Done():
			return c.call.Err()
		}
	}
}

// finish waits until all is written. A write that is stuck ends with the call's
// deadline, with the caller, or when the Handler is closed.
func (out *handlerOutput) finish(c *handlerCall) {
	if !out.started {
		return
	}
	out.mu.Lock()
	out.closing = true
	out.mu.Unlock()
	signal(out.kick)
	select {
	case <-out.done:
	case <-c.h.closed:
		c.stopWriting()
		<-out.done
	}
}

// signal wakes whoever waits on ch, now or later.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
