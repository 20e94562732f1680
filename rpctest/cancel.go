package rpctest

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

func deadlineBehaviours() []behaviour {
	return []behaviour{
		{"handlerSees", lupine.Capabilities{}, dlHandlerSees},
		{"handlerObeys", lupine.Capabilities{}, dlHandlerObeys},
		{"handlerIgnores", lupine.Capabilities{}, dlHandlerIgnores},
		{"passed", lupine.Capabilities{}, dlPassed},
		{"stream", streams, dlStream},
		{"safetyNet", lupine.Capabilities{}, dlSafetyNet},
		{"none", lupine.Capabilities{}, dlNone},
	}
}

func cancelBehaviours() []behaviour {
	return []behaviour{
		{"before", lupine.Capabilities{}, canBefore},
		{"running", lupine.Capabilities{}, canRunning},
		{"ignored", lupine.Capabilities{}, canIgnored},
		{"midStream", duplex, canMidStream},
		{"midClientStream", streams, canMidClientStream},
		{"close", streams, canClose},
		{"closeElsewhere", streams, canCloseElsewhere},
		{"breakAll", streams, canBreakAll},
		{"blockedSend", streams, canBlockedSend},
		{"handlerBlockedSend", streams, canHandlerBlockedSend},
		{"handlerBlockedRecv", streams, canHandlerBlockedRecv},
		{"children", lupine.Capabilities{}, canChildren},
		{"afterReturn", lupine.Capabilities{}, canAfterReturn},
		{"many", lupine.Capabilities{}, canMany},
		{"manyStreams", duplex, canManyStreams},
	}
}

// blocker is a service whose Say holds its caller up.
type blocker struct {
	service
	entered chan context.Context // told of each handler that began
	left    chan error           // why its context ended, if it waited for that
	release chan struct{}        // lets handlers go that ignore their context
}

// newBlocker returns a blocker. Unless obey, its handler ignores its context.
func newBlocker(e *env, obey bool) *blocker {
	b := &blocker{entered: make(chan context.Context, 100), left: make(chan error, 100), release: make(chan struct{})}
	b.say = func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Text != "block" {
			return &testpb.EchoReply{Text: req.Text}, nil
		}
		b.entered <- ctx
		if !obey {
			<-b.release
			b.left <- ctx.Err()
			return &testpb.EchoReply{}, nil
		}
		select {
		case <-ctx.Done():
			b.left <- ctx.Err()
			return nil, ctx.Err()
		case <-b.release:
			return &testpb.EchoReply{}, nil
		}
	}
	return b
}

var block = &testpb.EchoRequest{Text: "block"}

// await receives from c, or fails.
func await[T any](e *env, c <-chan T, what string) T {
	e.Helper()
	select {
	case v := <-c:
		return v
	case <-e.ctx.Done():
		e.Fatalf("waited in vain for %s", what)
		panic("not reached")
	}
}

// dlHandlerSees: the handler's context has the caller's deadline, no later, and
// not much earlier.
func dlHandlerSees(e *env) {
	seen := make(chan time.Duration, 1)
	c := e.start(&service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		left := time.Duration(-1)
		if d, ok := ctx.Deadline(); ok {
			left = time.Until(d)
		}
		seen <- left
		return &testpb.EchoReply{}, nil
	}})
	for _, d := range []time.Duration{10 * time.Second, time.Minute, 48 * time.Hour, 20_000 * time.Hour} {
		ctx, cancel := context.WithTimeout(context.Background(), d)
		_, err := c.Say(ctx, &testpb.EchoRequest{})
		cancel()
		e.ok(err, "Say")
		// gRPC rounds long timeouts up to its unit; nothing else may add time.
		if got := <-seen; got > d+time.Hour || d < 24*time.Hour && got > d || got < d-soon {
			e.Errorf("with a timeout of %v the handler has %v left", d, got)
		}
	}
}

// dlHandlerObeys: both ends see the deadline pass.
func dlHandlerObeys(e *env) {
	b := newBlocker(e, true)
	c := e.start(b)
	ctx, cancel := context.WithTimeout(e.ctx, 50*time.Millisecond)
	defer cancel()
	var err error
	e.within(50*time.Millisecond, "a call with a deadline", func() { _, err = c.Say(ctx, block) })
	e.failed(err, lupine.DeadlineExceeded)
	if !errors.Is(err, context.DeadlineExceeded) {
		e.Errorf("%v is not context.DeadlineExceeded", err)
	}
	await(e, b.entered, "the handler")
	if err := await(e, b.left, "the handler's context to end"); !isContext(err) {
		e.Errorf("the handler's context ended with %v", err)
	}
	e.works(c)
}

// dlHandlerIgnores: the caller gets away although the handler takes no notice.
func dlHandlerIgnores(e *env) {
	b := newBlocker(e, false)
	c := e.start(b)
	ctx, cancel := context.WithTimeout(e.ctx, 50*time.Millisecond)
	defer cancel()
	var err error
	e.within(50*time.Millisecond, "a call with a deadline", func() { _, err = c.Say(ctx, block) })
	e.failedAs(err, lupine.DeadlineExceeded, lupine.Maybe)
	e.works(c)
	close(b.release)
	await(e, b.left, "the handler to return")
	e.works(c)
}

func dlPassed(e *env) {
	b := newBlocker(e, true)
	c := e.start(b)
	e.works(c) // a session is there
	ctx, cancel := context.WithDeadline(e.ctx, time.Now().Add(-time.Second))
	defer cancel()
	_, err := c.Say(ctx, block)
	e.failedAs(err, lupine.DeadlineExceeded, lupine.No)
	if e.info.Capabilities.Streams {
		_, err = c.List(ctx, &testpb.EchoRequest{}).Recv(e.ctx)
		e.failedAs(err, lupine.DeadlineExceeded, lupine.No)
	}
	if len(b.entered) > 0 {
		e.Error("a handler ran after the deadline had passed")
	}
}

// dlStream: a stream ends by its deadline, whoever waits for what.
func dlStream(e *env) {
	left := make(chan error, 1)
	c := e.start(&service{list: func(ctx context.Context, _ *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
		if err := out.Send(ctx, &testpb.EchoReply{}); err != nil {
			return err
		}
		<-ctx.Done()
		left <- ctx.Err()
		return ctx.Err()
	}})
	ctx, cancel := context.WithTimeout(e.ctx, 100*time.Millisecond)
	defer cancel()
	e.within(100*time.Millisecond, "a stream with a deadline", func() {
		s := c.List(ctx, &testpb.EchoRequest{})
		_, err := s.Recv(e.ctx)
		for err == nil {
			_, err = s.Recv(e.ctx) // not the call's own context
		}
		e.failed(err, lupine.DeadlineExceeded)
	})
	await(e, left, "the handler's context to end")
	e.works(c)
}

// dlSafetyNet: unary calls without a deadline, started ones as well, give up by the
// Conn's safety net, and the handler is told no deadline.
func dlSafetyNet(e *env) {
	b := newBlocker(e, true)
	s := e.serve(lupine.ServerConfig{}, b)
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{SafetyNet: 50 * time.Millisecond}))
	p := c.StartSay(e.forever(), block)
	e.within(time.Second, "calls with a safety net", func() {
		_, err := c.Say(e.forever(), block)
		e.failedAs(err, lupine.DeadlineExceeded, lupine.Maybe)
		_, err = p.Wait(e.ctx)
		e.failedAs(err, lupine.DeadlineExceeded, lupine.Maybe)
	})
	for range 2 {
		ctx := await(e, b.entered, "the handler")
		if d, ok := ctx.Deadline(); ok {
			e.Errorf("the safety net went over the wire: the handler's deadline is %v", d)
		}
	}
	for range 2 {
		await(e, b.left, "the handler's context to end")
	}
	e.works(c)
}

func dlNone(e *env) {
	b := newBlocker(e, true)
	s := e.serve(lupine.ServerConfig{}, b)
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{SafetyNet: -1}))
	done := make(chan error, 1)
	go func() {
		_, err := c.Say(e.forever(), block)
		done <- err
	}()
	ctx := await(e, b.entered, "the handler")
	if _, ok := ctx.Deadline(); ok {
		e.Error("the handler has a deadline that nobody set")
	}
	close(b.release)
	e.ok(await(e, done, "the call"), "Say")
}

func canBefore(e *env) {
	b := newBlocker(e, true)
	c := e.start(b)
	e.works(c)
	ctx, cancel := context.WithCancel(e.ctx)
	cancel()
	_, err := c.Say(ctx, block)
	e.failedAs(err, lupine.Canceled, lupine.No)
	if !errors.Is(err, context.Canceled) {
		e.Errorf("%v is not context.Canceled", err)
	}
	_, err = c.StartSay(ctx, block).Wait(e.ctx)
	e.failedAs(err, lupine.Canceled, lupine.No)
	if len(b.entered) > 0 {
		e.Error("a handler ran for a call that was canceled before")
	}
}

func canRunning(e *env) {
	b := newBlocker(e, true)
	c := e.start(b)
	ctx, cancel := context.WithCancel(e.ctx)
	done := make(chan error, 1)
	go func() {
		_, err := c.Say(ctx, block)
		done <- err
	}()
	await(e, b.entered, "the handler")
	cancel()
	err := await(e, done, "the canceled call to return")
	e.failed(err, lupine.Canceled)
	if err := await(e, b.left, "the handler's context to end"); err != context.Canceled {
		e.Errorf("the handler's context ended with %v", err)
	}
	e.works(c)
}

func canIgnored(e *env) {
	b := newBlocker(e, false)
	c := e.start(b)
	ctx, cancel := context.WithCancel(e.ctx)
	done := make(chan error, 1)
	go func() {
		_, err := c.Say(ctx, block)
		done <- err
	}()
	handler := await(e, b.entered, "the handler")
	cancel()
	e.failedAs(await(e, done, "the canceled call to return"), lupine.Canceled, lupine.Maybe)
	e.wait(handler.Done(), "the handler's context to end")
	close(b.release)
	if err := await(e, b.left, "the handler to return"); err != context.Canceled {
		e.Errorf("the handler's context ended with %v", err)
	}
	e.works(c)
}

// canMidStream: canceling a stream's context ends both ends of it.
func canMidStream(e *env) {
	left := make(chan error, 1)
	c := e.start(&service{chat: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
		var err error
		for err == nil {
			var req *testpb.EchoRequest
			if req, err = in.Recv(ctx); err == nil {
				err = out.Send(ctx, &testpb.EchoReply{Text: req.Text})
			}
		}
		<-ctx.Done()
		left <- err
		return err
	}})
	ctx, cancel := context.WithCancel(e.ctx)
	s := c.Chat(ctx)
	for range 3 {
		e.ok(s.Send(ctx, &testpb.EchoRequest{}), "Send")
		_, err := s.Recv(ctx)
		e.ok(err, "Recv")
	}
	cancel()
	if err := await(e, left, "the handler to return"); err == io.EOF {
		e.Error("the handler took a cancellation for the end of the requests")
	}
	_, err := s.Recv(e.ctx)
	e.failed(err, lupine.Canceled)
	for err = nil; err == nil; err = s.Send(e.ctx, &testpb.EchoRequest{}) {
	}
	e.eof(err, "Send on a canceled stream")
	e.works(c)
}

func canMidClientStream(e *env) {
	began, left := make(chan struct{}, 1), make(chan error, 1)
	c := e.start(&service{sum: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
		for _, err := range in.All(ctx) {
			if err != nil {
				left <- err
				return nil, err
			}
			began <- struct{}{}
		}
		left <- nil
		return &testpb.EchoReply{}, nil
	}})
	ctx, cancel := context.WithCancel(e.ctx)
	s := c.Sum(ctx)
	e.ok(s.Send(ctx, &testpb.EchoRequest{}), "Send")
	e.wait(began, "the handler to begin") // a call that has not left need not run
	cancel()
	if err := await(e, left, "the handler to return"); err == nil {
		e.Error("the handler took a cancellation for the end of the requests")
	}
	_, err := s.CloseAndRecv(e.ctx)
	e.failed(err, lupine.Canceled)
	e.works(c)
}

// endless is a service whose List sends until it fails, and says why.
func endless(left chan error) *service {
	return &service{list: func(ctx context.Context, req *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
		for i := uint32(0); ; i++ {
			if err := out.Send(ctx, &testpb.EchoReply{Count: i, Payload: req.Payload}); err != nil {
				left <- err
				return err
			}
		}
	}}
}

func canClose(e *env) {
	left := make(chan error, 1)
	c := e.start(endless(left))
	s := c.List(e.ctx, &testpb.EchoRequest{})
	_, err := s.Recv(e.ctx)
	e.ok(err, "Recv")
	s.Close()
	s.Close()
	await(e, left, "the handler to return")
	for err = nil; err == nil; _, err = s.Recv(e.ctx) {
	}
	e.failed(err, lupine.Canceled)
	e.works(c)
}

// canCloseElsewhere: Close, from any goroutine, ends a Recv and a Send that wait.
func canCloseElsewhere(e *env) {
	entered := make(chan struct{}, 2)
	c := e.start(&service{
		list: func(ctx context.Context, _ *testpb.EchoRequest, _ *lupine.Sender[testpb.EchoReply]) error {
			entered <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		},
		sum: func(ctx context.Context, _ *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
			entered <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		},
	})
	s := c.List(e.ctx, &testpb.EchoRequest{})
	done := make(chan error, 1)
	go func() {
		_, err := s.Recv(e.ctx)
		done <- err
	}()
	e.wait(entered, "the handler")
	s.Close()
	e.failed(await(e, done, "Recv on a closed stream"), lupine.Canceled)

	sum := c.Sum(e.ctx)
	go func() {
		var err error
		for err == nil {
			err = sum.Send(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 100_000)})
		}
		done <- err
	}()
	e.wait(entered, "the handler")
	sum.Close()
	e.eof(await(e, done, "Send on a closed stream"), "Send on a closed stream")
	e.works(c)
}

func canBreakAll(e *env) {
	left := make(chan error, 1)
	c := e.start(endless(left))
	n := uint32(0)
	for r, err := range c.List(e.ctx, &testpb.EchoRequest{}).All() {
		e.ok(err, "All")
		if r.Count != n {
			e.Fatalf("reply %d came as number %d", r.Count, n)
		}
		if n++; n == 5 {
			break
		}
	}
	await(e, left, "the handler to return after the loop was left")
	e.works(c)
}

// canBlockedSend: a caller whose Send waits for a handler that does not receive
// gets away by the context of that Send, and the stream lives on.
func canBlockedSend(e *env) {
	release := make(chan struct{})
	c := e.start(&service{sum: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
		select {
		case <-release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		var r testpb.EchoReply
		for req, err := range in.All(ctx) {
			if err != nil {
				return nil, err
			}
			if req.Count != r.Count {
				return nil, lupine.Errorf(lupine.DataLoss, "request %d came as number %d", req.Count, r.Count)
			}
			r.Count++
		}
		return &r, nil
	}})
	s := c.Sum(e.ctx)
	n := uint32(0)
	payload := make([]byte, 100_000)
	for {
		ctx, cancel := context.WithTimeout(e.ctx, 200*time.Millisecond)
		err := s.Send(ctx, &testpb.EchoRequest{Count: n, Payload: payload})
		cancel()
		if err != nil {
			if err != context.DeadlineExceeded {
				e.Fatalf("Send that was held up: got %v (%T), want its context's error", err, err)
			}
			break
		}
		if n++; n > 1000 {
			e.Fatal("100 MB were taken that nobody received: there is no flow control")
		}
	}
	close(release)
	e.ok(s.Send(e.ctx, &testpb.EchoRequest{Count: n}), "Send after one that was given up")
	r, err := s.CloseAndRecv(e.ctx)
	e.ok(err, "CloseAndRecv")
	if r.Count != n+1 {
		e.Fatalf("%d requests came, %d were sent", r.Count, n+1)
	}
}

// canHandlerBlockedSend: a handler that is held up by a caller who does not
// receive returns when the call ends.
func canHandlerBlockedSend(e *env) {
	left := make(chan error, 1)
	c := e.start(endless(left))
	ctx, cancel := context.WithCancel(e.ctx)
	s := c.List(ctx, &testpb.EchoRequest{Payload: make([]byte, 100_000)})
	_, err := s.Recv(e.ctx)
	e.ok(err, "Recv")
	select {
	case err := <-left:
		e.Fatalf("the handler ended with %v", err)
	case <-time.After(50 * time.Millisecond): // give it time to fill what there is to fill
	}
	cancel()
	if err := await(e, left, "the handler to return"); err == nil {
		e.Error("Send on a canceled call succeeded")
	}
	e.works(c)
}

// canHandlerBlockedRecv: the same for one that waits for requests with a context
// that never ends.
func canHandlerBlockedRecv(e *env) {
	left := make(chan error, 1)
	began := make(chan struct{})
	c := e.start(&service{sum: func(_ context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
		close(began)
		_, err := in.Recv(context.Background())
		if err == nil {
			_, err = in.Recv(context.Background())
		}
		left <- err
		return nil, err
	}})
	ctx, cancel := context.WithCancel(e.ctx)
	s := c.Sum(ctx)
	e.ok(s.Send(ctx, &testpb.EchoRequest{}), "Send")
	e.wait(began, "the handler")
	cancel()
	if err := await(e, left, "the handler to return"); err == nil || err == io.EOF {
		e.Errorf("Recv on a canceled call: got %v", err)
	}
	_, err := s.CloseAndRecv(e.ctx)
	e.failed(err, lupine.Canceled)
}

// canChildren: what a handler derives from its context ends with it.
func canChildren(e *env) {
	type result struct {
		child, after bool
		value        bool
	}
	entered := make(chan struct{})
	results := make(chan result, 1)
	c := e.start(&service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		type key struct{}
		child, cancel := context.WithTimeout(context.WithValue(ctx, key{}, 1), time.Hour)
		defer cancel()
		var after atomic.Bool
		ran := make(chan struct{})
		context.AfterFunc(child, func() { after.Store(true); close(ran) })
		close(entered)
		<-child.Done()
		<-ran
		results <- result{child.Err() != nil, after.Load(), lupine.ServerCallFrom(child) != nil}
		return nil, child.Err()
	}})
	ctx, cancel := context.WithCancel(e.ctx)
	done := make(chan error, 1)
	go func() {
		_, err := c.Say(ctx, &testpb.EchoRequest{})
		done <- err
	}()
	e.wait(entered, "the handler")
	cancel()
	if r := await(e, results, "the handler's child context to end"); !r.child || !r.after || !r.value {
		e.Errorf("child context: %+v", r)
	}
	e.failed(await(e, done, "the call"), lupine.Canceled)
}

// canAfterReturn: a handler's context ends when it returns, and may be used
// after that.
func canAfterReturn(e *env) {
	kept := make(chan context.Context, 10)
	c := e.start(&service{say: func(ctx context.Context, _ *testpb.EchoRequest) (*testpb.EchoReply, error) {
		kept <- ctx
		return &testpb.EchoReply{}, nil
	}})
	for range 3 {
		_, err := c.Say(e.ctx, &testpb.EchoRequest{}, lupine.WithHeader(lupine.Metadata{{Key: "k", Value: "v"}}))
		e.ok(err, "Say")
		ctx := <-kept
		e.wait(ctx.Done(), "the context of a handler that has returned to end")
		// Another call must not use it again.
		_, err = c.Say(e.ctx, &testpb.EchoRequest{})
		e.ok(err, "Say")
		<-kept
		if ctx.Err() != context.Canceled {
			e.Errorf("a context kept after its call has error %v", ctx.Err())
		}
		if call := lupine.ServerCallFrom(ctx); call == nil || e.info.Capabilities.Metadata && call.Header.Get("k") != "v" {
			e.Error("a context kept after its call belongs to another")
		}
	}
}

// canMany: calls that are canceled at odd moments hurt no others.
func canMany(e *env) {
	c := e.start(&service{})
	errs := make(chan error, 8)
	for g := range 8 {
		go func() {
			for i := range 100 {
				ctx, cancel := context.WithCancel(e.ctx)
				if i%2 == 0 {
					go cancel()
				}
				r, err := c.Say(ctx, &testpb.EchoRequest{Count: uint32(g), Payload: make([]byte, i*10)})
				cancel()
				if err != nil && (i%2 != 0 || lupine.CodeOf(err) != lupine.Canceled) || err == nil && len(r.Payload) != i*10 {
					errs <- lupine.Errorf(lupine.Internal, "call %d: %w", i, err)
					return
				}
			}
			errs <- nil
		}()
	}
	for range 8 {
		e.ok(await(e, errs, "the calls"), "a call beside canceled ones")
	}
}

// canManyStreams: streams of all kinds that are given up at odd moments, in every
// way there is, beside others that must not notice.
func canManyStreams(e *env) {
	const givers, others = 8, 4
	c := e.start(&service{})
	errs := make(chan error, givers+others)
	for g := range givers {
		go func() {
			random := rand.New(rand.NewPCG(1, uint64(g)))
			for range 100 {
				giveUp(e.ctx, c, random)
			}
			errs <- nil
		}()
	}
	for g := range others {
		go func() {
			for i := range 10 {
				if err := mixedOnce(e.ctx, c, g+i); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range givers + others {
		e.ok(await(e, errs, "the streams"), "a stream beside others that are given up")
	}
	e.works(c)
}

// giveUp begins a stream and does not see it through.
func giveUp(ctx context.Context, c testpb.EchoClient, random *rand.Rand) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	how, after := random.IntN(3), random.IntN(10)
	stop := func(s interface{ Close() error }) {
		switch how {
		case 0:
			cancel()
		case 1:
			s.Close()
		case 2:
			go cancel()
		}
	}
	req := &testpb.EchoRequest{Text: "given up", Count: 20, Payload: make([]byte, random.IntN(5000))}
	switch random.IntN(3) {
	case 0:
		s := c.List(ctx, req)
		for range after {
			s.Recv(ctx)
		}
		stop(s)
		s.Recv(ctx)
	case 1:
		s := c.Sum(ctx)
		for range after {
			s.Send(ctx, req)
		}
		stop(s)
		s.CloseAndRecv(ctx)
	case 2:
		s := c.Chat(ctx)
		for range after {
			s.Send(ctx, req)
			s.Recv(ctx)
		}
		stop(s)
		s.Send(ctx, req)
		s.Recv(ctx)
	}
}
