package rpctest

import (
	"context"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

// recvBehaviours: a Recv whose own context ends leaves the stream alive, and no
// message is lost.
func recvBehaviours() []behaviour {
	return []behaviour{
		{"serverStream", streams, recvServerStream},
		{"bidi", duplex, recvBidi},
		{"receiver", streams, recvReceiver},
		{"closeAndRecv", streams, recvCloseAndRecv},
		{"header", streams, recvHeader},
		{"pending", lupine.Capabilities{}, recvPending},
		{"noneLost", streams, recvNoneLost},
	}
}

// brief returns a context that ends at once, or soon.
func (e *env) brief(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(e.ctx, d)
}

// timesOut checks that op, given a short context, returns that context's error.
func (e *env) timesOut(what string, op func(context.Context) error) {
	e.Helper()
	for _, d := range []time.Duration{20 * time.Millisecond, -1} {
		ctx, cancel := e.brief(d)
		err := op(ctx)
		cancel()
		if err != context.DeadlineExceeded {
			e.Fatalf("%s with a context that ends: got %v (%T), want the context's error itself", what, err, err)
		}
	}
}

func recvServerStream(e *env) {
	next := make(chan struct{})
	c := e.start(&service{list: func(ctx context.Context, _ *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
		for i := range uint32(3) {
			select {
			case <-next:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := out.Send(ctx, &testpb.EchoReply{Count: i}); err != nil {
				return err
			}
		}
		return nil
	}})
	s := c.List(e.ctx, &testpb.EchoRequest{})
	for i := range uint32(3) {
		e.timesOut("Recv", func(ctx context.Context) error { _, err := s.Recv(ctx); return err })
		next <- struct{}{}
		r, err := s.Recv(e.ctx)
		e.ok(err, "Recv after one that timed out")
		if r.Count != i {
			e.Fatalf("message %d was lost", i)
		}
	}
	_, err := s.Recv(e.ctx)
	e.eof(err, "Recv")
}

func recvBidi(e *env) {
	c := e.start(&service{})
	s := c.Chat(e.ctx)
	for i := range uint32(3) {
		e.timesOut("Recv", func(ctx context.Context) error { _, err := s.Recv(ctx); return err })
		e.ok(s.Send(e.ctx, &testpb.EchoRequest{}), "Send")
		r, err := s.Recv(e.ctx)
		e.ok(err, "Recv after one that timed out")
		if r.Count != i {
			e.Fatalf("message %d was lost", i)
		}
	}
	e.ok(s.CloseSend(e.ctx), "CloseSend")
	_, err := s.Recv(e.ctx)
	e.eof(err, "Recv")
}

func recvReceiver(e *env) {
	timedOut := make(chan error, 10)
	c := e.start(&service{sum: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
		var r testpb.EchoReply
		if _, err := in.Recv(ctx); err != nil {
			return nil, err
		}
		for range 3 {
			short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			_, err := in.Recv(short)
			cancel()
			timedOut <- err
			req, err := in.Recv(ctx)
			if err != nil {
				return nil, err
			}
			r.Text += req.Text
		}
		return &r, nil
	}})
	s := c.Sum(e.ctx)
	e.ok(s.Send(e.ctx, &testpb.EchoRequest{Text: "first"}), "Send") // the handler may begin only now
	for _, text := range []string{"a", "b", "c"} {
		if err := await(e, timedOut, "the handler's Recv to time out"); err != context.DeadlineExceeded {
			e.Fatalf("the handler's Recv with a context that ends: got %v (%T)", err, err)
		}
		e.ok(s.Send(e.ctx, &testpb.EchoRequest{Text: text}), "Send")
	}
	r, err := s.CloseAndRecv(e.ctx)
	e.ok(err, "CloseAndRecv")
	if r.Text != "abc" {
		e.Fatalf("the handler received %q", r.Text)
	}
}

func recvCloseAndRecv(e *env) {
	release := make(chan struct{})
	c := e.start(&service{sum: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return &testpb.EchoReply{Text: "done"}, nil
	}})
	s := c.Sum(e.ctx)
	e.timesOut("CloseAndRecv", func(ctx context.Context) error { _, err := s.CloseAndRecv(ctx); return err })
	close(release)
	r, err := s.CloseAndRecv(e.ctx)
	e.ok(err, "CloseAndRecv again")
	if r.Text != "done" {
		e.Fatalf("got %v", r)
	}
}

func recvHeader(e *env) {
	release := make(chan struct{})
	c := e.start(&service{list: func(ctx context.Context, _ *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return out.Send(ctx, &testpb.EchoReply{})
	}})
	s := c.List(e.ctx, &testpb.EchoRequest{})
	e.timesOut("Header", func(ctx context.Context) error { _, err := s.Header(ctx); return err })
	close(release)
	_, err := s.Header(e.ctx)
	e.ok(err, "Header after one that timed out")
	_, err = s.Recv(e.ctx)
	e.ok(err, "Recv")
	_, err = s.Recv(e.ctx)
	e.eof(err, "Recv")
}

func recvPending(e *env) {
	b := newBlocker(e, true)
	c := e.start(b)
	for range 2 { // the first one waits for a session too
		p := c.StartSay(e.ctx, block)
		e.timesOut("Wait", func(ctx context.Context) error { _, err := p.Wait(ctx); return err })
		await(e, b.entered, "the handler")
		b.release <- struct{}{}
		for range 2 {
			_, err := p.Wait(e.ctx)
			e.ok(err, "Wait after one that timed out")
		}
	}
}

// noneLost: a receiver that gives up all the time, at moments that may be those
// when a message comes, still gets all of them.
func recvNoneLost(e *env) {
	const n = 2000
	c := e.start(&service{})
	s := c.List(e.ctx, &testpb.EchoRequest{Count: n})
	want, gaveUp := uint32(0), 0
	for want < n {
		ctx, cancel := context.WithTimeout(e.ctx, time.Duration(want%7)*10*time.Microsecond)
		r, err := s.Recv(ctx)
		cancel()
		if err == context.DeadlineExceeded && e.ctx.Err() == nil {
			gaveUp++
			if gaveUp%50 == 0 { // let it get on
				r, err = s.Recv(e.ctx)
			} else {
				continue
			}
		}
		e.ok(err, "Recv")
		if r.Count != want {
			e.Fatalf("message %d came instead of %d, after giving up %d times", r.Count, want, gaveUp)
		}
		want++
	}
	_, err := s.Recv(e.ctx)
	e.eof(err, "Recv")
}
