package rpctest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

// sizeBehaviours are messages at the ends of the scale.
func sizeBehaviours() []behaviour {
	return []behaviour{
		{"emptyMessages", streams, sizeEmpty},
		{"emptyMessagesBidi", duplex, sizeEmptyBidi},
		{"huge", lupine.Capabilities{}, sizeHuge},
		{"hugeStream", duplex, sizeHugeStream},
		{"hugeBesideSmall", lupine.Capabilities{}, sizeHugeBeside},
	}
}

// sizeEmpty: messages of no bytes are messages: each one counts.
func sizeEmpty(e *env) {
	const n = 300
	c := e.start(&service{})
	for _, compressor := range []string{"", "gzip"} {
		s := c.Sum(e.ctx, lupine.Compress(compressor))
		for range n {
			e.ok(s.Send(e.ctx, &testpb.EchoRequest{}), "Send")
		}
		r, err := s.CloseAndRecv(e.ctx)
		e.ok(err, "CloseAndRecv")
		if r.Count != n {
			e.Errorf("%d of %d empty requests came", r.Count, n)
		}
	}
	silent := e.start(&service{list: func(ctx context.Context, _ *testpb.EchoRequest, out replies) error {
		for range n {
			if err := out.Send(ctx, &testpb.EchoReply{}); err != nil {
				return err
			}
		}
		return nil
	}})
	got := 0
	for r, err := range silent.List(e.ctx, &testpb.EchoRequest{}).All() {
		e.ok(err, "All")
		if r.Count != 0 || r.Text != "" || r.Payload != nil {
			e.Fatalf("an empty reply came as %v", r)
		}
		got++
	}
	if got != n {
		e.Errorf("%d of %d empty replies came", got, n)
	}
}

// sizeEmptyBidi: in turn, and between large ones, which must not swallow them.
func sizeEmptyBidi(e *env) {
	c := e.start(&service{})
	s := c.Chat(e.ctx)
	for i := range 100 {
		req := &testpb.EchoRequest{}
		if i%3 == 1 {
			req.Payload = pattern(40_000)
		}
		e.ok(s.Send(e.ctx, req), "Send")
		r, err := s.Recv(e.ctx)
		e.ok(err, "Recv")
		if !bytes.Equal(r.Payload, req.Payload) {
			e.Fatalf("message %d of %d bytes came back with %d", i, len(req.Payload), len(r.Payload))
		}
	}
	e.ok(s.CloseSend(e.ctx), "CloseSend")
	_, err := s.Recv(e.ctx)
	e.eof(err, "Recv")
}

// huge is the size of the largest messages that the suite sends: 64 MiB, and less
// where it is to be light, since it is moved some ten times a call.
func (e *env) huge() int {
	e.Helper()
	n := 64 << 20
	if e.light() {
		n = 8 << 20
		e.Logf("%d bytes instead of 64 MiB: -race, -short or Wire.Light", n)
	}
	if most := e.info.Capabilities.MaxMessage; most != 0 && most < n+100 {
		e.Skipf("the wire's largest message has %d bytes", most)
	}
	return n
}

// startHuge serves svc and dials it, with limits of n bytes and a little.
func (e *env) startHuge(n int, svc testpb.EchoServer) testpb.EchoClient {
	e.Helper()
	limit := n + 100
	return testpb.NewEchoClient(e.serve(lupine.ServerConfig{MaxReceive: limit}, svc).dial(lupine.DialConfig{MaxReceive: limit}))
}

// sizeHuge: a message of 64 MiB goes and comes back, and one byte over the limit
// does not.
func sizeHuge(e *env) {
	n := e.huge()
	c := e.startHuge(n, &service{})
	req := &testpb.EchoRequest{Payload: pattern(n)}
	r, err := c.Say(e.ctx, req)
	e.ok(err, fmt.Sprint(n, " bytes"))
	if !bytes.Equal(r.Payload, req.Payload) {
		e.Errorf("%d bytes came back changed", n)
	}
	req.Payload = append(req.Payload, make([]byte, 200)...)
	_, err = c.Say(e.ctx, req)
	if le := e.tooLarge(err, n+100, n+200); le.Executed != lupine.No {
		e.Errorf("a request over the limit has Executed %v, want no", le.Executed)
	}
	e.works(c)
}

// sizeHugeStream: the same within a stream, among small ones.
func sizeHugeStream(e *env) {
	n := e.huge() / 2
	c := e.startHuge(n, &service{})
	s := c.Chat(e.ctx)
	payload := pattern(n)
	sizes := []int{1, n, 1, n, 0}
	sent := make(chan error, 1)
	go func() {
		for _, size := range sizes {
			if err := s.Send(e.ctx, &testpb.EchoRequest{Payload: payload[:size]}); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.CloseSend(e.ctx)
	}()
	for _, size := range sizes {
		r, err := s.Recv(e.ctx)
		e.ok(err, "Recv")
		if !bytes.Equal(r.Payload, payload[:size]) {
			e.Fatalf("%d bytes came back changed, as %d", size, len(r.Payload))
		}
	}
	_, err := s.Recv(e.ctx)
	e.eof(err, "Recv")
	e.ok(await(e, sent, "Send"), "Send")
}

// sizeHugeBeside: small calls on the same session get through while a huge message
// is under way.
func sizeHugeBeside(e *env) {
	n := e.huge() / 2
	c := e.startHuge(n, &service{})
	e.works(c)
	done := make(chan error, 1)
	go func() {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{Payload: make([]byte, n)})
		done <- err
	}()
	small := 0
	for over := false; !over; {
		e.within(0, "a small call beside a huge one", func() { e.works(c) })
		small++
		select {
		case err := <-done:
			e.ok(err, "the huge call")
			over = true
		default:
		}
	}
	e.Logf("%d small calls beside one of %d bytes each way", small, n)
}

// unknownCompressor: asking for a method that the wire does not know fails before
// anything is sent and says what there is; a wire that never compresses ignores it.
// A handler that asks for it sends what it has uncompressed.
func unknownCompressor(e *env) {
	ran := 0
	c := e.start(&service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		ran++
		lupine.ServerCallFrom(ctx).Compressor = req.Text
		return &testpb.EchoReply{Text: req.Text, Payload: req.Payload}, nil
	}})
	_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.Compress("lzma"))
	if err != nil {
		le := e.failedAs(err, lupine.InvalidArgument, lupine.No)
		if !strings.Contains(le.Message, "lzma") || !strings.Contains(le.Message, "gzip") || ran != 0 {
			e.Errorf("message %q names not both what was asked for and what there is, or the handler ran (%d times)", le.Message, ran)
		}
		_, err = c.StartSay(e.ctx, &testpb.EchoRequest{}, lupine.Compress("lzma")).Wait(e.ctx)
		e.failedAs(err, lupine.InvalidArgument, lupine.No)
		if e.info.Capabilities.Streams {
			s := c.Sum(e.ctx, lupine.Compress("lzma"))
			if err := s.Send(e.ctx, &testpb.EchoRequest{}); err != io.EOF {
				e.failedAs(err, lupine.InvalidArgument, lupine.No)
			}
			_, err = s.CloseAndRecv(e.ctx)
			e.failedAs(err, lupine.InvalidArgument, lupine.No)
		}
	}
	r, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "lzma", Payload: pattern(5000)})
	e.ok(err, "a reply by a handler that asks for an unknown compressor")
	if !bytes.Equal(r.Payload, pattern(5000)) {
		e.Error("the reply came changed")
	}
}
