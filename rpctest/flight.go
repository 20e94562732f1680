package rpctest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

// loadTenThousand: 10,000 calls that have all begun before the first one ends,
// from one goroutine, each with an answer of its own. A wire whose sessions take a
// limited number of calls gets as many sessions as it takes. Light: 1,500 calls.
func loadTenThousand(e *env) {
	calls := 10_000
	if e.light() {
		calls = 1500
		e.Logf("%d calls instead of 10,000: -race, -short or Wire.Light", calls)
	}
	all := make(chan struct{})
	var entered atomic.Int32
	s := e.serve(lupine.ServerConfig{}, &service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Text == block.Text {
			entered.Add(1)
			select {
			case <-all:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return &testpb.EchoReply{Text: req.Text, Count: req.Count}, nil
	}})
	c := testpb.NewEchoClient(s.dial(lupine.DialConfig{MaxSessions: 64}))
	e.works(c)
	pending := make([]*lupine.Pending[testpb.EchoReply], calls)
	for i := range pending {
		pending[i] = c.StartSay(e.ctx, &testpb.EchoRequest{Text: block.Text, Count: uint32(i)})
	}
	// Those that wait for their turn with the wire are let go by those that run.
	for last := int32(-1); last != entered.Load() && int(last) < calls; {
		last = entered.Load()
		select {
		case <-time.After(100 * time.Millisecond):
		case <-e.ctx.Done():
			e.Fatal("waited in vain for the handlers to run")
		}
	}
	most := entered.Load()
	close(all)
	for i, p := range pending {
		r, err := p.Wait(e.ctx)
		e.ok(err, fmt.Sprintf("call %d of %d", i, calls))
		if r.Count != uint32(i) {
			e.Fatalf("call %d got the reply of call %d", i, r.Count)
		}
	}
	if int(entered.Load()) != calls {
		e.Errorf("%d calls, %d runs of the handler", calls, entered.Load())
	}
	e.Logf("%d of %d handlers ran at once before the first one was let go", most, calls)
	e.works(c)
}

// loadSlowFurther: calls that need each other, more than a session may take, all get
// to run, also when a further session takes long to make: none stays behind with a
// session that is full.
func loadSlowFurther(e *env) {
	const calls = 600
	var all sync.WaitGroup
	all.Add(calls)
	met := make(chan struct{})
	go func() { all.Wait(); close(met) }()
	s := e.serve(lupine.ServerConfig{}, &service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Text == "meet" {
			all.Done()
			select {
			case <-met:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return &testpb.EchoReply{Text: req.Text}, nil
	}})
	to := s.target()
	g := &gate{Wire: to.Wire, asked: make(chan struct{}, 1), open: make(chan struct{}, 1)}
	to.Wire = g
	c := testpb.NewEchoClient(e.dialTo(lupine.DialConfig{}, to))
	g.open <- struct{}{}
	e.works(c) // the first session
	errs := make(chan error, calls)
	for range calls {
		go func() {
			_, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "meet"})
			errs <- err
		}()
	}
	// Long enough for everybody to have come, and to have lost patience if they do.
	late := time.AfterFunc(600*time.Millisecond, func() { close(g.open) })
	defer late.Stop()
	for range calls {
		e.ok(await(e, errs, "the calls to meet"), "a call that needs all the others")
	}
}

// loadSlowWriter: who sends now and then is heard each time at once, in both
// directions: nothing is kept back until there is more of it. Others on the same
// session do not wait for it.
func loadSlowWriter(e *env) {
	heard, speak := make(chan uint32), make(chan struct{})
	c := e.start(&service{chat: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
		for req, err := range in.All(ctx) {
			if err != nil {
				return err
			}
			select {
			case heard <- req.Count:
			case <-ctx.Done():
				return ctx.Err()
			}
			select {
			case <-speak:
			case <-ctx.Done():
				return ctx.Err()
			}
			if err := out.Send(ctx, &testpb.EchoReply{Count: req.Count, Payload: req.Payload}); err != nil {
				return err
			}
		}
		return nil
	}})
	s := c.Chat(e.ctx)
	for i := range uint32(20) {
		e.within(5*time.Millisecond, "a message between two silences", func() {
			e.ok(s.Send(e.ctx, &testpb.EchoRequest{Count: i, Payload: make([]byte, 1<<(i/2))}), "Send")
			if got := await(e, heard, "the handler to receive"); got != i {
				e.Fatalf("the handler received message %d instead of %d", got, i)
			}
			if i%5 == 0 {
				e.works(c) // while both are silent
			}
			speak <- struct{}{}
			r, err := s.Recv(e.ctx)
			e.ok(err, "Recv")
			if r.Count != i {
				e.Fatalf("reply %d came instead of %d", r.Count, i)
			}
		})
	}
	e.ok(s.CloseSend(e.ctx), "CloseSend")
	_, err := s.Recv(e.ctx)
	e.eof(err, "Recv")
}

// ledger is a service that keeps account of which calls ran, and callers that keep
// account of what they were told.
type ledger struct {
	service
	mu   sync.Mutex
	runs map[string]int
	told map[string]error
	good chan struct{} // closed once many calls have succeeded
	n    int
}

func newLedger() *ledger {
	l := &ledger{runs: make(map[string]int), told: make(map[string]error), good: make(chan struct{})}
	l.say = func(_ context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		l.ran(req.Text)
		return &testpb.EchoReply{Text: req.Text}, nil
	}
	l.list = func(ctx context.Context, req *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
		l.ran(req.Text)
		for i := range req.Count {
			if err := out.Send(ctx, &testpb.EchoReply{Text: req.Text, Count: i}); err != nil {
				return err
			}
		}
		return nil
	}
	l.sum = func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
		var r testpb.EchoReply
		for req, err := range in.All(ctx) {
			if err != nil {
				return nil, err
			}
			if r.Count++; r.Count == 1 {
				l.ran(req.Text)
			}
		}
		return &r, nil
	}
	return l
}

func (l *ledger) ran(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runs[id]++
}

func (l *ledger) tell(id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told[id] = err
	if err == nil {
		if l.n++; l.n == 200 {
			close(l.good)
		}
	}
}

// one makes one call of some kind.
func (l *ledger) one(ctx context.Context, c testpb.EchoClient, id string, kind int) error {
	switch kind {
	case 0:
		r, err := c.Say(ctx, &testpb.EchoRequest{Text: id})
		if err == nil && r.Text != id {
			return fmt.Errorf("call %s got the reply of %q", id, r.Text)
		}
		return err
	case 1:
		_, err := c.StartSay(ctx, &testpb.EchoRequest{Text: id}).Wait(ctx)
		return err
	case 2:
		n := uint32(0)
		for _, err := range c.List(ctx, &testpb.EchoRequest{Text: id, Count: 5}).All() {
			if err != nil {
				return err
			}
			n++
		}
		if n != 5 {
			return fmt.Errorf("stream %s ended well after %d of 5 replies", id, n)
		}
		return nil
	}
	s := c.Sum(ctx)
	for range 5 {
		if err := s.Send(ctx, &testpb.EchoRequest{Text: id}); err == io.EOF {
			break
		} else if err != nil {
			return err
		}
	}
	r, err := s.CloseAndRecv(ctx)
	if err == nil && r.Count != 5 {
		return fmt.Errorf("stream %s ended well after %d of 5 requests", id, r.Count)
	}
	return err
}

// callers makes calls from n goroutines, each until stop is closed or a call fails
// and keep does not want to go on. It returns a function that waits for them.
func (l *ledger) callers(e *env, c testpb.EchoClient, n int, stop <-chan struct{}, keep func(error) bool) (wait func()) {
	kinds := 2
	if e.info.Capabilities.Streams {
		kinds = 4
	}
	var all sync.WaitGroup
	for g := range n {
		all.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				id := fmt.Sprintf("%d/%d", g, i)
				err := l.one(e.ctx, c, id, (g+i)%kinds)
				l.tell(id, err)
				if err != nil && !keep(err) {
					return
				}
			}
		})
	}
	return func() {
		done := make(chan struct{})
		go func() { all.Wait(); close(done) }()
		e.wait(done, "the callers")
	}
}

// balance checks that what callers were told is what happened, and returns how
// many calls were executed, not executed, and told Maybe. It is for when every
// handler has returned.
func (l *ledger) balance(e *env) (yes, no, maybe int) {
	e.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for id, err := range l.told {
		runs := l.runs[id]
		var le *lupine.Error
		switch {
		case err == nil:
			yes++
			if runs != 1 {
				e.Errorf("call %s succeeded and ran %d times", id, runs)
			}
		case !errors.As(err, &le):
			e.Errorf("call %s: %v", id, err)
		case le.Code != lupine.Unavailable:
			e.Errorf("call %s ended with %v, want Unavailable", id, le)
		case le.Executed == lupine.No:
			no++
			if runs != 0 {
				e.Errorf("call %s ran, and its caller was told %v", id, le)
			}
		case le.Executed == lupine.Yes:
			e.Errorf("call %s: a handler never fails here, but the caller was told that it did: %v", id, le)
		default:
			maybe++
			if runs > 1 {
				e.Errorf("call %s ran %d times", id, runs)
			}
		}
	}
	return yes, no, maybe
}
