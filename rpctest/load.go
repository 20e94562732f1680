package rpctest

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

func asyncBehaviours() []behaviour {
	return []behaviour{
		{"manyInFlight", lupine.Capabilities{}, asyncMany},
		{"noGoroutines", lupine.Capabilities{}, asyncNoGoroutines},
		{"beforeSession", lupine.Capabilities{}, asyncBeforeSession},
		{"abandoned", lupine.Capabilities{}, asyncAbandoned},
		{"closed", lupine.Capabilities{}, asyncClosed},
	}
}

func loadBehaviours() []behaviour {
	return []behaviour{
		{"manyCalls", lupine.Capabilities{}, loadManyCalls},
		{"mixedKinds", duplex, loadMixedKinds},
		{"manyConns", lupine.Capabilities{}, loadManyConns},
		{"slowReader", streams, loadSlowReader},
		{"slowHandler", streams, loadSlowHandler},
		{"slowWriter", duplex, loadSlowWriter},
		{"rareReaders", duplex, loadRareReaders},
		{"tenThousand", lupine.Capabilities{}, loadTenThousand},
		{"slowFurtherSession", lupine.Capabilities{}, loadSlowFurther},
	}
}

// blockedBehaviours are promise 8: nobody holds up anybody.
func blockedBehaviours() []behaviour {
	return []behaviour{
		{"blockingHandlers", lupine.Capabilities{}, blockedHandlers},
		{"spinningHandlers", lupine.Capabilities{}, blockedSpinning},
		{"stuckStream", streams, blockedStream},
		{"stuckStreamHandler", streams, blockedStreamHandler},
		{"callBack", lupine.Capabilities{}, blockedCallBack},
		{"callBackDeep", lupine.Capabilities{}, blockedCallBackDeep},
		{"mixed", duplex, blockedMixed},
		{"slowCodec", lupine.Capabilities{}, blockedCodec},
		{"callInLoop", streams, blockedCallInLoop},
	}
}

const inFlight = 1000

// asyncMany: one goroutine starts many calls, all of which run at the same time,
// and collects the results in an order of its own.
func asyncMany(e *env) {
	var all sync.WaitGroup
	all.Add(inFlight)
	met := make(chan struct{})
	go func() { all.Wait(); close(met) }()
	c := e.start(&service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Text == "meet" {
			all.Done()
			select {
			case <-met: // every call needs every other one to be under way
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		return &testpb.EchoReply{Count: req.Count, Text: req.Text}, nil
	}})
	e.works(c)
	var pending [inFlight]*lupine.Pending[testpb.EchoReply]
	for i := range pending {
		pending[i] = c.StartSay(e.ctx, &testpb.EchoRequest{Text: "meet", Count: uint32(i)})
	}
	for i := len(pending) - 1; i >= 0; i-- {
		r, err := pending[i].Wait(e.ctx)
		e.ok(err, "Wait")
		if r.Count != uint32(i) {
			e.Fatalf("call %d got the reply of call %d", i, r.Count)
		}
	}
	e.works(c)
}

// asyncNoGoroutines: a started call costs its caller no goroutine. Its handler has
// one, as long as it blocks, and that is all there are.
func asyncNoGoroutines(e *env) {
	release := make(chan struct{})
	var entered atomic.Int32
	full := make(chan struct{})
	c := e.start(&service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Text != "block" {
			return &testpb.EchoReply{Text: req.Text}, nil
		}
		if entered.Add(1) == inFlight {
			close(full)
		}
		select {
		case <-release:
		case <-ctx.Done():
		}
		return &testpb.EchoReply{}, nil
	}})
	e.works(c)
	before := runtime.NumGoroutine()
	var pending [inFlight]*lupine.Pending[testpb.EchoReply]
	for i := range pending {
		pending[i] = c.StartSay(e.ctx, block)
	}
	e.wait(full, "all handlers to run at once")
	// 100 is room for sessions that had to be opened and for what the runtime does.
	if now := runtime.NumGoroutine(); now > before+inFlight+100 {
		e.Errorf("%d goroutines before, %d with %d calls in flight: want one for each handler and hardly more", before, now, inFlight)
	}
	close(release)
	for _, p := range pending {
		_, err := p.Wait(e.ctx)
		e.ok(err, "Wait")
	}
}

// asyncBeforeSession: calls may be started before there is a session.
func asyncBeforeSession(e *env) {
	c := e.start(&service{})
	var pending [20]*lupine.Pending[testpb.EchoReply]
	for i := range pending {
		pending[i] = c.StartSay(e.ctx, &testpb.EchoRequest{Text: fmt.Sprint(i)})
	}
	for i, p := range pending {
		if i%2 == 0 {
			_, err := p.Header(e.ctx)
			e.ok(err, "Header")
		}
		r, err := p.Wait(e.ctx)
		e.ok(err, "Wait")
		if r.Text != fmt.Sprint(i) {
			e.Fatalf("call %d got %q", i, r.Text)
		}
	}
}

// asyncAbandoned: a started call whose context ends is over, though nobody waits.
func asyncAbandoned(e *env) {
	b := newBlocker(e, true)
	c := e.start(b)
	for range 2 { // without and with a session
		ctx, cancel := context.WithCancel(e.ctx)
		c.StartSay(ctx, block)
		await(e, b.entered, "the handler")
		cancel()
		await(e, b.left, "the handler's context to end")
	}
}

func asyncClosed(e *env) {
	b := newBlocker(e, true)
	c := e.start(b)
	for range 2 {
		p := c.StartSay(e.ctx, block)
		await(e, b.entered, "the handler")
		p.Close()
		await(e, b.left, "the handler's context to end")
		_, err := p.Wait(e.ctx)
		e.failed(err, lupine.Canceled)
	}
}

// loadManyCalls: 2,000 callers at once, each with its own data.
func loadManyCalls(e *env) {
	const callers, each = 2000, 5
	c := e.start(&service{})
	errs := make(chan error, callers)
	for g := range callers {
		go func() {
			payload := pattern(g % 700)
			for i := range each {
				text := fmt.Sprint(g, "/", i)
				r, err := c.Say(e.ctx, &testpb.EchoRequest{Text: text, Payload: payload})
				if err == nil && (r.Text != text || !bytes.Equal(r.Payload, payload)) {
					err = fmt.Errorf("call %s got the reply %q", text, r.Text)
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range callers {
		e.ok(await(e, errs, "the calls"), "one of many calls")
	}
}

func loadMixedKinds(e *env) {
	const callers = 100
	c := e.start(&service{})
	errs := make(chan error, callers)
	for g := range callers {
		go func() { errs <- mixedOnce(e.ctx, c, g) }()
	}
	for range callers {
		e.ok(await(e, errs, "the calls"), "one of many calls")
	}
}

func mixedOnce(ctx context.Context, c testpb.EchoClient, g int) error {
	for i := range 10 {
		text := fmt.Sprint(g, "/", i)
		switch (g + i) % 3 {
		case 0:
			n := uint32(0)
			for r, err := range c.List(ctx, &testpb.EchoRequest{Text: text, Count: 20}).All() {
				if err != nil {
					return err
				}
				if r.Text != text || r.Count != n {
					return fmt.Errorf("stream %s got reply %d as %v", text, n, r)
				}
				n++
			}
			if n != 20 {
				return fmt.Errorf("stream %s got %d replies", text, n)
			}
		case 1:
			s := c.Sum(ctx)
			for range 20 {
				if err := s.Send(ctx, &testpb.EchoRequest{Text: text}); err != nil {
					return err
				}
			}
			r, err := s.CloseAndRecv(ctx)
			if err != nil {
				return err
			}
			if r.Count != 20 || len(r.Text) != 20*len(text) {
				return fmt.Errorf("stream %s was summed up as %v", text, r)
			}
		case 2:
			s := c.Chat(ctx)
			for range 10 {
				if err := s.Send(ctx, &testpb.EchoRequest{Text: text}); err != nil {
					return err
				}
				r, err := s.Recv(ctx)
				if err != nil {
					return err
				}
				if r.Text != text {
					return fmt.Errorf("stream %s got %q", text, r.Text)
				}
			}
			s.Close()
		}
	}
	return nil
}

func loadManyConns(e *env) {
	s := e.serve(lupine.ServerConfig{}, &service{})
	for range 20 {
		c := testpb.NewEchoClient(s.dial(lupine.DialConfig{}))
		e.works(c)
	}
}

// heap is how much memory is in use.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

const (
	heldBack = 64 << 20 // bytes that somebody would send if nothing held them up
	heldMost = 24 << 20 // bytes of memory that this may take
)

// loadSlowReader: a caller that does not receive holds its handler up, and does
// not make memory grow.
func loadSlowReader(e *env) {
	var sent atomic.Int64
	const size = 64 << 10
	c := e.start(&service{list: func(ctx context.Context, _ *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
		m := &testpb.EchoReply{Payload: make([]byte, size)}
		for i := range uint32(heldBack / size) {
			m.Count = i
			if err := out.Send(ctx, m); err != nil {
				return err
			}
			sent.Add(size)
		}
		return nil
	}})
	before := heap()
	s := c.List(e.ctx, &testpb.EchoRequest{})
	_, err := s.Recv(e.ctx)
	e.ok(err, "Recv")
	stalled(e, &sent)
	if grown := heap() - before; grown > heldMost || sent.Load() > heldMost {
		e.Errorf("a caller does not receive: the handler sent %d bytes, memory grew by %d", sent.Load(), grown)
	}
	e.works(c)
	n := 1
	for r, err := range s.All() { // now all of it
		e.ok(err, "All")
		if int(r.Count) != n {
			e.Fatalf("reply %d came as number %d", n, r.Count)
		}
		n++
	}
	if n != heldBack/size {
		e.Errorf("%d of %d replies came", n, heldBack/size)
	}
}

// stalled waits until n no longer grows.
func stalled(e *env, n *atomic.Int64) {
	e.Helper()
	for last := int64(-1); ; {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-e.ctx.Done():
			e.Fatal("a sender was never held up")
		}
		if now := n.Load(); now == last {
			return
		} else {
			last = now
		}
	}
}

// loadSlowHandler: the same in the other direction.
func loadSlowHandler(e *env) {
	release := make(chan struct{})
	const size = 64 << 10
	c := e.start(&service{sum: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
		select {
		case <-release:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		var r testpb.EchoReply
		for _, err := range in.All(ctx) {
			if err != nil {
				return nil, err
			}
			r.Count++
		}
		return &r, nil
	}})
	e.works(c)
	before := heap()
	var sent atomic.Int64
	done := make(chan error, 1)
	s := c.Sum(e.ctx)
	go func() {
		m := &testpb.EchoRequest{Payload: make([]byte, size)}
		for range heldBack / size {
			if err := s.Send(e.ctx, m); err != nil {
				done <- err
				return
			}
			sent.Add(size)
		}
		done <- nil
	}()
	stalled(e, &sent)
	if grown := heap() - before; grown > heldMost || sent.Load() > heldMost {
		e.Errorf("a handler does not receive: the caller sent %d bytes, memory grew by %d", sent.Load(), grown)
	}
	e.works(c)
	close(release)
	e.ok(await(e, done, "Send"), "Send")
	r, err := s.CloseAndRecv(e.ctx)
	e.ok(err, "CloseAndRecv")
	if r.Count != heldBack/size {
		e.Errorf("%d of %d requests came", r.Count, heldBack/size)
	}
}

// fast checks that calls get through at once while others are held up.
func (e *env) fast(c testpb.EchoClient, while string) {
	e.Helper()
	e.within(0, "50 fast calls while "+while, func() {
		for i := range 50 {
			text := fmt.Sprint("fast ", i)
			r, err := c.Say(e.ctx, &testpb.EchoRequest{Text: text})
			e.ok(err, "a fast call while "+while)
			if r.Text != text {
				e.Fatalf("a fast call while %s: got %q", while, r.Text)
			}
		}
	})
}

// blockedHandlers: 200 handlers block for good; fast calls on the same session
// do not notice.
func blockedHandlers(e *env) {
	const n = 100
	b := newBlocker(e, true)
	c := e.start(b)
	e.works(c)
	var pending [n]*lupine.Pending[testpb.EchoReply]
	for i := range pending {
		pending[i] = c.StartSay(e.ctx, block)
		if i%20 == 0 {
			e.fast(c, fmt.Sprint(i, " handlers block"))
		}
	}
	for range n {
		await(e, b.entered, "all handlers to run")
	}
	e.fast(c, "all handlers block")
	close(b.release)
	for _, p := range pending {
		_, err := p.Wait(e.ctx)
		e.ok(err, "a call whose handler blocked")
	}
}

// blockedSpinning: handlers that compute without end, one for each processor but
// one, leave room for others.
func blockedSpinning(e *env) {
	var stop atomic.Bool
	entered := make(chan struct{}, 100)
	c := e.start(&service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Text == "spin" {
			entered <- struct{}{}
			for x := 0; !stop.Load(); x++ {
			}
		}
		return &testpb.EchoReply{Text: req.Text}, nil
	}})
	e.works(c)
	var pending []*lupine.Pending[testpb.EchoReply]
	defer stop.Store(true)
	for range max(1, runtime.GOMAXPROCS(0)-1) {
		pending = append(pending, c.StartSay(e.ctx, &testpb.EchoRequest{Text: "spin"}))
		await(e, entered, "a spinning handler")
	}
	e.fast(c, "handlers spin")
	stop.Store(true)
	for _, p := range pending {
		_, err := p.Wait(e.ctx)
		e.ok(err, "a call whose handler span")
	}
}

// blockedStream: streams that their callers do not receive from stand beside fast
// calls and other streams.
func blockedStream(e *env) {
	left := make(chan error, 20)
	c := e.start(endless(left))
	var stuck []*lupine.ServerStream[testpb.EchoReply]
	for range 10 {
		s := c.List(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 10_000)})
		_, err := s.Recv(e.ctx)
		e.ok(err, "Recv")
		stuck = append(stuck, s)
	}
	e.fast(c, "streams are stuck")
	n := 0
	for _, err := range c.List(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 10_000)}).All() {
		e.ok(err, "a stream beside stuck ones")
		if n++; n == 500 {
			break
		}
	}
	for _, s := range stuck {
		s.Close()
	}
	for range 11 {
		await(e, left, "the handlers to return")
	}
	e.fast(c, "streams were stuck")
}

// blockedStreamHandler: the same with handlers that do not receive.
func blockedStreamHandler(e *env) {
	c := e.start(&service{sum: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}})
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	var senders sync.WaitGroup
	var filled sync.WaitGroup
	for range 10 {
		s := c.Sum(ctx)
		senders.Add(1)
		filled.Add(1)
		go func() {
			defer senders.Done()
			for {
				short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
				err := s.Send(short, &testpb.EchoRequest{Payload: make([]byte, 50_000)})
				stop()
				if err != nil {
					break
				}
			}
			filled.Done()
			s.Send(ctx, &testpb.EchoRequest{}) // until the end
		}()
	}
	filled.Wait()
	e.fast(c, "senders are stuck")
	cancel()
	senders.Wait()
	e.fast(c, "senders were stuck")
}

// blockedCallBack: handlers call the server that they run in, through the very
// session that their own call came by.
func blockedCallBack(e *env) {
	var c testpb.EchoClient
	c = e.start(&service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Count == 0 {
			return &testpb.EchoReply{Text: req.Text}, nil
		}
		return c.Say(ctx, &testpb.EchoRequest{Text: req.Text, Count: req.Count - 1})
	}})
	var pending [100]*lupine.Pending[testpb.EchoReply]
	for i := range pending {
		pending[i] = c.StartSay(e.ctx, &testpb.EchoRequest{Text: fmt.Sprint(i), Count: uint32(i % 5)})
	}
	for i, p := range pending {
		r, err := p.Wait(e.ctx)
		e.ok(err, "a call that calls back")
		if r.Text != fmt.Sprint(i) {
			e.Fatalf("call %d got %q", i, r.Text)
		}
	}
}

// blockedCallBackDeep: one call, 100 handlers deep.
func blockedCallBackDeep(e *env) {
	var c testpb.EchoClient
	c = e.start(&service{say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		if req.Count == 0 {
			return &testpb.EchoReply{Text: req.Text}, nil
		}
		return c.Say(ctx, &testpb.EchoRequest{Text: req.Text, Count: req.Count - 1})
	}})
	r, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "deep", Count: 100})
	e.ok(err, "a call 100 handlers deep")
	if r.Text != "deep" {
		e.Fatalf("got %q", r.Text)
	}
}

// blockedMixed is all at once: handlers that block, spin for a while, call back and
// return at once, streams that are stuck; the fast calls finish while every other
// one is still held up.
func blockedMixed(e *env) {
	var c testpb.EchoClient
	var stop atomic.Bool
	release := make(chan struct{})
	entered := make(chan struct{}, 1000)
	svc := &service{}
	svc.say = func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
		switch req.Text {
		case "block", "spin":
			entered <- struct{}{}
			for req.Text == "spin" && !stop.Load() && ctx.Err() == nil {
			}
			select {
			case <-release:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		case "call block":
			return c.Say(ctx, block)
		case "call":
			return c.Say(ctx, &testpb.EchoRequest{Text: "inner"})
		}
		return &testpb.EchoReply{Text: req.Text}, nil
	}
	svc.chat = func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
		entered <- struct{}{}
		for { // never receives
			if err := out.Send(ctx, &testpb.EchoReply{Payload: make([]byte, 10_000)}); err != nil {
				return err
			}
		}
	}
	c = e.start(svc)
	e.works(c)
	ctx, cancel := context.WithCancel(e.ctx)
	defer cancel()
	defer stop.Store(true)
	var pending []*lupine.Pending[testpb.EchoReply]
	for range 20 {
		pending = append(pending, c.StartSay(e.ctx, block), c.StartSay(e.ctx, &testpb.EchoRequest{Text: "call block"}))
	}
	for range 10 {
		s := c.Chat(ctx)
		e.ok(s.Send(ctx, &testpb.EchoRequest{}), "Send")
	}
	pending = append(pending, c.StartSay(e.ctx, &testpb.EchoRequest{Text: "spin"}))
	for range 20 + 20 + 10 + 1 {
		await(e, entered, "all handlers to run")
	}
	e.fast(c, "others block, spin, call back and are stuck")
	for range 20 {
		r, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "call"})
		e.ok(err, "a call that calls back while others block")
		if r.Text != "inner" {
			e.Fatalf("got %q", r.Text)
		}
	}
	stop.Store(true)
	close(release)
	for _, p := range pending {
		_, err := p.Wait(e.ctx)
		e.ok(err, "a call that was held up")
	}
	cancel()
	e.fast(c, "the rest is over")
}

// slowCodec blocks while it encodes or decodes what it is told to.
type slowCodec struct {
	lupine.RawCodec
	entered, release chan struct{}
}

// Append waits for messages that begin with "encode".
func (c slowCodec) Append(dst []byte, m any) ([]byte, error) {
	c.wait(m.(*lupine.Raw).Bytes, "encode")
	return c.RawCodec.Append(dst, m)
}

// Decode waits for messages that begin with "decode".
func (c slowCodec) Decode(src []byte, m any) error {
	c.wait(src, "decode")
	return c.RawCodec.Decode(src, m)
}

func (c slowCodec) wait(b []byte, at string) {
	if bytes.HasPrefix(b, []byte(at)) {
		c.entered <- struct{}{}
		<-c.release
	}
}

// blockedCodec: user code that marshals slowly, at the caller's end, holds up its
// own call only.
func blockedCodec(e *env) {
	l, target := e.wire.New(e.T)
	s := &served{e: e, server: lupine.ServerConfig{Unknown: rawEcho}.NewServer(), listener: l, target: target, done: make(chan struct{})}
	testpb.RegisterEcho(s.server, &service{})
	s.serve(context.Background())
	conn := s.dial(lupine.DialConfig{})
	c := testpb.NewEchoClient(conn)
	e.works(c)
	codec := slowCodec{entered: make(chan struct{}, 10), release: make(chan struct{})}
	m := stray("/slow.Codec/Echo", lupine.Unary)
	m.Codec = codec
	done := make(chan error, 2)
	for _, text := range []string{"encode", "decode"} {
		go func() {
			r, err := lupine.Invoke[lupine.Raw](e.ctx, conn, m, &lupine.Raw{Bytes: []byte(text)}, nil)
			if err == nil && string(r.Bytes) != text {
				err = fmt.Errorf("got %q", r.Bytes)
			}
			done <- err
		}()
		e.wait(codec.entered, "the codec")
	}
	e.fast(c, "codecs are slow")
	close(codec.release)
	for range 2 {
		e.ok(await(e, done, "the slow calls"), "a call with a slow codec")
	}
}

// blockedCallInLoop: a caller makes other calls on the same session between two
// receives of a stream that sends all the time.
func blockedCallInLoop(e *env) {
	left := make(chan error, 1)
	c := e.start(endless(left))
	n := 0
	for _, err := range c.List(e.ctx, &testpb.EchoRequest{Payload: make([]byte, 1000)}).All() {
		e.ok(err, "All")
		e.works(c)
		if n++; n == 100 {
			break
		}
	}
	await(e, left, "the handler to return")
}
