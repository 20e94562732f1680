package rpctest

import (
	"context"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

var nothing = new(emptypb.Empty)

// point is a moment in the life of a call.
type point struct {
	name    string
	kind    string // "blocking" for a call that only its context can end
	needs   lupine.Capabilities
	handler handlerPart
	reach   func(a *act)
	holds   bool // the handler waits for a verdict there
	early   bool // the server may not know of the call yet
}

type (
	requests = *lupine.Receiver[testpb.EchoRequest]
	replies  = *lupine.Sender[testpb.EchoReply]
	// handlerPart is what the handler of a call does. in and out are nil where its
	// kind has none.
	handlerPart func(ctx context.Context, s *script, in requests, out replies) error
)

// script is the handler's side of one call.
type script struct {
	part     handlerPart
	runs     atomic.Int32
	ready    chan struct{} // the handler has got to where it holds
	verdict  chan func() error
	left     chan error
	draining chan struct{}
	moved    atomic.Int64 // messages of a flood
}

func newScript(part handlerPart) *script {
	return &script{part: part, ready: make(chan struct{}, 4), verdict: make(chan func() error, 1), left: make(chan error, 4), draining: make(chan struct{})}
}

// run is the handler.
func (s *script) run(ctx context.Context, in requests, out replies) error {
	first := s.runs.Add(1) == 1
	defer func() { s.left <- ctx.Err() }()
	returned := make(chan struct{})
	defer close(returned)
	if first {
		go func() {
			select {
			case <-lupine.ServerCallFrom(ctx).Draining():
				close(s.draining)
			case <-returned:
			}
		}()
	}
	return s.part(ctx, s, in, out)
}

// hold waits for what the handler is to do, or for the end of its context.
func (s *script) hold(ctx context.Context) error {
	s.ready <- struct{}{}
	select {
	case do := <-s.verdict:
		if do == nil {
			return nil
		}
		return do()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell tells the handler that holds what to do.
func (s *script) tell(do func() error) { s.verdict <- do }

// stage is a service whose handlers play the script that is on.
type stage struct{ now atomic.Pointer[script] }

func (st *stage) service() *service {
	return &service{
		say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
			if req.Text != block.Text {
				return &testpb.EchoReply{Text: req.Text}, nil
			}
			return &testpb.EchoReply{Count: 1}, st.now.Load().run(ctx, nil, nil)
		},
		list: func(ctx context.Context, _ *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
			return st.now.Load().run(ctx, nil, out)
		},
		sum: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
			s := st.now.Load()
			return &testpb.EchoReply{Count: 1}, s.run(ctx, in, nil)
		},
		chat: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
			return st.now.Load().run(ctx, in, out)
		},
	}
}

// points returns the moments, in the order in which they are tried: one that may
// leave a late handler comes last.
func points() []point {
	return []point{
		{name: "unaryWaiting", handler: justHold, holds: true, reach: reachPending},
		{name: "unaryInCall", kind: "blocking", handler: justHold, holds: true, reach: reachSay},
		{name: "listBeforeHeader", needs: streams, handler: justHold, holds: true, reach: reachList(0, true)},
		{name: "listNothingAsked", needs: streams, handler: justHold, holds: true, reach: reachList(0, false)},
		{name: "listAfterHeader", needs: streams, handler: headerThenHold, holds: true, reach: reachListHeader},
		{name: "listAfterReplies", needs: streams, handler: repliesThenHold, holds: true, reach: reachList(3, true)},
		{name: "listRepliesUnread", needs: streams, handler: flood, reach: reachListFlood},
		{name: "sumAfterRequests", needs: streams, handler: requestsThenHold, holds: true, reach: reachSum},
		{name: "sumHandlerReceives", needs: streams, handler: receiveAll, reach: reachSum},
		{name: "sumSendBlocked", needs: streams, handler: holdThenReceive, holds: true, reach: reachSumFlood},
		{name: "sumHalfClosed", needs: streams, handler: receiveThenHold, holds: true, reach: reachSumClosed},
		{name: "chatBetween", needs: duplex, handler: answerThenHold, holds: true, reach: reachChat},
		{name: "chatBothReceive", needs: duplex, handler: answerAll, reach: reachChat},
		{name: "chatHalfClosed", needs: duplex, handler: answerAllThenHold, holds: true, reach: reachChatClosed},
		{name: "chatBothSend", needs: duplex, handler: flood, reach: reachChatFlood},
		{name: "sumNothingSent", needs: streams, handler: receiveAll, reach: reachSumOpened, early: true},
	}
}

// What handlers do.

func justHold(ctx context.Context, s *script, _ requests, _ replies) error { return s.hold(ctx) }

func headerThenHold(ctx context.Context, s *script, _ requests, out replies) error {
	if err := out.SendHeader(ctx); err != nil {
		return err
	}
	return s.hold(ctx)
}

func repliesThenHold(ctx context.Context, s *script, _ requests, out replies) error {
	for i := range uint32(3) {
		if err := out.Send(ctx, &testpb.EchoReply{Count: i}); err != nil {
			return err
		}
	}
	return s.hold(ctx)
}

// A flood is more than any wire holds on behalf of a receiver that does not
// receive.
const (
	floodCount = 24
	floodSize  = 512 << 10
)

var floodPayload = make([]byte, floodSize)

// flood sends a flood and then receives what there is.
func flood(ctx context.Context, s *script, in requests, out replies) error {
	for i := range uint32(floodCount) {
		if err := out.Send(ctx, &testpb.EchoReply{Count: i, Payload: floodPayload}); err != nil {
			return err
		}
		s.moved.Add(1)
	}
	return drainRequests(ctx, in)
}

func drainRequests(ctx context.Context, in requests) error {
	if in == nil {
		return nil
	}
	want := uint32(0)
	for req, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		if req.Count != want {
			return lupine.Errorf(lupine.DataLoss, "request %d came as number %d", req.Count, want)
		}
		want++
	}
	return nil
}

func receiveAll(ctx context.Context, s *script, in requests, _ replies) error {
	want := uint32(0)
	for req, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		if req.Count != want {
			return lupine.Errorf(lupine.DataLoss, "request %d came as number %d", req.Count, want)
		}
		if want++; want == 3 {
			s.ready <- struct{}{}
		}
	}
	return nil
}

func requestsThenHold(ctx context.Context, s *script, in requests, _ replies) error {
	for range 3 {
		if _, err := in.Recv(ctx); err != nil {
			return err
		}
	}
	return s.hold(ctx)
}

func holdThenReceive(ctx context.Context, s *script, in requests, _ replies) error {
	if err := s.hold(ctx); err != nil {
		return err
	}
	return drainRequests(ctx, in)
}

func receiveThenHold(ctx context.Context, s *script, in requests, _ replies) error {
	if err := drainRequests(ctx, in); err != nil {
		return err
	}
	return s.hold(ctx)
}

func answerThenHold(ctx context.Context, s *script, in requests, out replies) error {
	if _, err := in.Recv(ctx); err != nil {
		return err
	}
	if err := out.Send(ctx, &testpb.EchoReply{}); err != nil {
		return err
	}
	return s.hold(ctx)
}

func answerAll(ctx context.Context, s *script, in requests, out replies) error {
	n := uint32(0)
	for _, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		if err := out.Send(ctx, &testpb.EchoReply{Count: n}); err != nil {
			return err
		}
		if n++; n == 1 {
			s.ready <- struct{}{}
		}
	}
	return nil
}

func answerAllThenHold(ctx context.Context, s *script, in requests, out replies) error {
	n := uint32(0)
	for _, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		if err := out.Send(ctx, &testpb.EchoReply{Count: n}); err != nil {
			return err
		}
		n++
	}
	return s.hold(ctx)
}

// What callers do.

// atHold waits for the handler to be where it holds, unless the call ends first.
func (a *act) atHold() {
	a.Helper()
	select {
	case <-a.ready:
	case <-a.ctx.Done():
	case <-a.env.ctx.Done():
		a.Fatal("waited in vain for the handler to get there")
	}
}

// stalled waits until the messages counted by n no longer move.
func (a *act) stalled(n *atomic.Int64) {
	for last := int64(-1); a.ctx.Err() == nil; {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-a.ctx.Done():
			return
		}
		now := n.Load()
		if now == last && (now > 0 || a.runs.Load() > 0) {
			return
		}
		last = now
	}
}

// later runs f beside the test, and returns a function that waits for its result.
func (a *act) later(f func() error) func() error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return func() error {
		select {
		case err := <-done:
			return err
		case <-a.env.ctx.Done():
			return context.DeadlineExceeded
		}
	}
}

func reachPending(a *act) {
	p := a.client.StartSay(a.ctx, block)
	a.close = func() { p.Close() }
	a.finish = func() error { _, err := p.Wait(a.env.ctx); return err }
	a.again = a.finish
	a.atHold()
}

func reachSay(a *act) {
	a.finish = a.later(func() error { _, err := a.client.Say(a.ctx, block); return err })
	a.atHold()
}

// recvAll receives replies from number want on to the end of the stream.
func (a *act) recvAll(recv func(context.Context) (*testpb.EchoReply, error), want uint32) error {
	for {
		r, err := recv(a.env.ctx)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case r.Count != want:
			a.Errorf("reply %d came as number %d", r.Count, want)
			return nil
		}
		want++
	}
}

// finishStream receives the rest of a stream, from now on or when it is asked to.
func (a *act) finishStream(recv func(context.Context) (*testpb.EchoReply, error), want uint32, now bool) {
	rest := func() error { return a.recvAll(recv, want) }
	a.finish = rest
	if now {
		a.finish = a.later(rest)
	}
	a.again = func() error { _, err := recv(a.env.ctx); return err }
}

func reachList(n int, receiving bool) func(*act) {
	return func(a *act) {
		s := a.client.List(a.ctx, block)
		a.close = func() { s.Close() }
		for i := range n {
			if r, err := s.Recv(a.env.ctx); err != nil && a.ctx.Err() == nil || err == nil && r.Count != uint32(i) {
				a.Fatalf("reply %d: %v, %v", i, r, err)
			}
		}
		a.finishStream(s.Recv, uint32(n), receiving)
		a.atHold()
	}
}

func reachListHeader(a *act) {
	s := a.client.List(a.ctx, block)
	a.close = func() { s.Close() }
	if _, err := s.Header(a.env.ctx); err != nil && a.ctx.Err() == nil {
		a.Fatalf("Header: %v", err)
	}
	a.finishStream(s.Recv, 0, true)
	a.atHold()
}

func reachListFlood(a *act) {
	s := a.client.List(a.ctx, block)
	a.close = func() { s.Close() }
	a.finishStream(s.Recv, 0, false)
	a.stalled(&a.moved)
}

// open opens a Sum and sends n requests.
func (a *act) open(n int) *lupine.ClientStream[testpb.EchoRequest, testpb.EchoReply] {
	s := a.client.Sum(a.ctx)
	a.close = func() { s.Close() }
	a.finish = func() error { _, err := s.CloseAndRecv(a.env.ctx); return err }
	a.again = a.finish
	for i := range n {
		if err := s.Send(a.env.ctx, &testpb.EchoRequest{Count: uint32(i)}); err != nil && a.ctx.Err() == nil {
			a.Fatalf("Send: %v", err)
		}
	}
	return s
}

func reachSumOpened(a *act) { a.open(0) }

func reachSum(a *act) {
	a.open(3)
	a.atHold()
}

func reachSumFlood(a *act) {
	s := a.open(0)
	end := a.finish
	sent := a.later(func() error { return a.floodRequests(s.Send) })
	a.finish = func() error {
		if err := sent(); err != nil && err != io.EOF {
			return err
		}
		return end()
	}
	a.stalled(&a.moved)
	a.atHold()
}

func (a *act) floodRequests(send func(context.Context, *testpb.EchoRequest) error) error {
	for i := range uint32(floodCount) {
		if err := send(a.env.ctx, &testpb.EchoRequest{Count: i, Payload: floodPayload}); err != nil {
			return err
		}
		a.moved.Add(1)
	}
	return nil
}

func reachSumClosed(a *act) {
	a.open(3)
	a.finish = a.later(a.finish)
	a.atHold()
}

func reachChat(a *act) {
	s := a.client.Chat(a.ctx)
	a.close = func() { s.Close() }
	for _, err := range []error{s.Send(a.env.ctx, &testpb.EchoRequest{}), func() error { _, err := s.Recv(a.env.ctx); return err }()} {
		if err != nil && a.ctx.Err() == nil {
			a.Fatalf("one question: %v", err)
		}
	}
	a.atHold()
	rest := a.later(func() error { return a.recvAll(s.Recv, 1) })
	a.finish = func() error {
		s.CloseSend(a.env.ctx) // io.EOF if the call is over
		return rest()
	}
	a.again = func() error { _, err := s.Recv(a.env.ctx); return err }
}

func reachChatClosed(a *act) {
	reachChatSent(a, true)
}

func reachChatSent(a *act, receiving bool) {
	s := a.client.Chat(a.ctx)
	a.close = func() { s.Close() }
	for i := range uint32(3) {
		s.Send(a.env.ctx, &testpb.EchoRequest{Count: i})
	}
	s.CloseSend(a.env.ctx)
	a.finishStream(s.Recv, 0, receiving)
	a.atHold()
}

func reachChatFlood(a *act) {
	s := a.client.Chat(a.ctx)
	a.close = func() { s.Close() }
	sent := a.later(func() error {
		err := a.floodRequests(s.Send)
		if err == nil {
			err = s.CloseSend(a.env.ctx)
		}
		return err
	})
	a.finishStream(s.Recv, 0, false)
	end := a.finish
	a.finish = func() error {
		err := end()
		if serr := sent(); serr != nil && serr != io.EOF {
			return serr
		}
		return err
	}
	a.stalled(&a.moved)
}
