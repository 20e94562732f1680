package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine/bench/benchpb"
	"github.com/lupine-rpc/lupine/bench/internal/peer"
)

// Client is the calling process's side of one measurement: open connections,
// warm up, run, close.
type Client struct {
	spec    peer.Spec
	work    Work
	callers []caller
	opened  []peer.Client
	idle    []peer.Client
	beside  *beside
}

// caller is one goroutine's share.
type caller struct {
	client peer.Client
	step   func() error
	end    func() (messages uint64, err error) // nil but for Upload
	hist   Histogram
	calls  uint64
	err    error
}

// Open connects and makes one call on each connection that work needs.
func Open(spec peer.Spec, work Work) (*Client, error) {
	c := &Client{spec: spec, work: work}
	n := work.Callers
	if work.Kind == Idle || work.Kind == Setup {
		n = 1
	}
	c.callers = make([]caller, n)
	var shared peer.Client
	for i := range c.callers {
		client := shared
		var err error
		switch fork, ok := shared.(interface{ Fork() peer.Client }); {
		case ok:
			client = fork.Fork()
		case shared == nil || peer.PerCaller(spec.Impl):
			if client, err = c.dial(0); err != nil {
				return nil, err
			}
			shared = client
		}
		c.callers[i].client = client
	}
	for i := range c.callers {
		if err := c.prepare(&c.callers[i]); err != nil {
			return nil, err
		}
	}
	if work.Beside != Alone {
		var err error
		if c.beside, err = c.startBeside(); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// dial connects and makes a call, so that the connection is there.
func (c *Client) dial(i int) (peer.Client, error) {
	client, err := c.connect(i)
	if err != nil {
		return nil, err
	}
	c.opened = append(c.opened, client)
	return client, nil
}

// portsPerSource is how many connections leave from one address: well below the
// usual number of ports for connecting (ip_local_port_range).
const portsPerSource = 20_000

func (c *Client) connect(i int) (peer.Client, error) {
	d := peer.Dialer{Network: c.spec.Network, Addr: c.spec.Addr}
	if i >= portsPerSource {
		d.Source = fmt.Sprintf("127.0.0.%d", 2+i/portsPerSource)
	}
	client, err := peer.Dial(c.spec, d)
	if err != nil {
		return nil, err
	}
	m, err := client.Echo(context.Background(), &benchpb.Message{Payload: []byte("hello")})
	if err == nil && string(m.Payload) != "hello" {
		err = errEcho
	}
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("the first call: %w", err)
	}
	return client, nil
}

var errEcho = errors.New("the reply is not what was sent")

// prepare gives the caller its step: one call, one exchange or one message.
func (c *Client) prepare(k *caller) error {
	ctx := context.Background()
	m := &benchpb.Message{Payload: make([]byte, c.work.Size)}
	for i := range m.Payload {
		m.Payload[i] = byte(i)
	}
	unary := func(call func(context.Context, *benchpb.Message) (*benchpb.Message, error)) func() error {
		return func() error {
			reply, err := call(ctx, m)
			return check(m, reply, err)
		}
	}
	switch c.work.Kind {
	case Echo:
		k.step = unary(k.client.Echo)
	case EchoMeta:
		k.step = unary(k.client.EchoMeta)
	case Burn, Fast:
		r := &benchpb.WorkRequest{}
		if c.work.Kind == Burn {
			r.Kind, r.Micros = benchpb.WorkRequest_BURN, uint32(c.work.Burn/time.Microsecond)
		}
		k.step = func() error { return k.client.Work(ctx, r) }
	case Chat:
		s, err := k.client.Chat(ctx)
		if err != nil {
			return err
		}
		k.step = func() error {
			if err := s.Send(m); err != nil {
				return err
			}
			reply, err := s.Recv()
			return check(m, reply, err)
		}
	case Setup:
		k.step = func() error {
			client, err := c.connect(0)
			if err != nil {
				return err
			}
			return client.Close()
		}
	case Download, Upload, Idle:
	default:
		return fmt.Errorf("no such work: %q", c.work.Kind)
	}
	if k.step == nil {
		return nil
	}
	return k.step()
}

// check holds a reply against its request: size and both ends, since comparing
// megabytes would be measured too.
func check(m, reply *benchpb.Message, err error) error {
	if err != nil {
		return err
	}
	n := len(m.Payload)
	if len(reply.Payload) != n || n > 0 && (reply.Payload[0] != m.Payload[0] || reply.Payload[n-1] != m.Payload[n-1]) {
		return errEcho
	}
	return nil
}

// startStreams opens the one-way streams of a run, which last no longer.
func (c *Client) startStreams() error {
	ctx := context.Background()
	m := &benchpb.Message{Payload: make([]byte, c.work.Size)}
	for i := range c.callers {
		k := &c.callers[i]
		switch c.work.Kind {
		case Download:
			s, err := k.client.Download(ctx, m)
			if err != nil {
				return err
			}
			k.step = func() error {
				reply, err := s.Recv()
				return check(m, reply, err)
			}
			k.end = func() (uint64, error) { return 0, s.Close() }
		case Upload:
			s, err := k.client.Upload(ctx)
			if err != nil {
				return err
			}
			k.step = func() error { return s.Send(m) }
			k.end = s.Finish
		}
	}
	return nil
}

// Run lets every caller work for d and returns what came of it. It may be called
// again; the first time warms up.
func (c *Client) Run(d time.Duration) (Outcome, error) {
	if c.work.Kind == Idle {
		return c.runIdle()
	}
	for i := range c.callers {
		k := &c.callers[i]
		k.hist, k.calls, k.err = Histogram{}, 0, nil
	}
	if err := c.startStreams(); err != nil {
		return Outcome{}, err
	}
	var ready, done sync.WaitGroup
	var base time.Time
	begin := make(chan struct{})
	for i := range c.callers {
		k := &c.callers[i]
		ready.Add(1)
		done.Go(func() {
			ready.Done()
			<-begin
			k.run(base, d)
		})
	}
	ready.Wait()
	before := Take()
	base = time.Now()
	close(begin)
	done.Wait()
	out := Outcome{Elapsed: time.Since(base), Usage: Take().Since(before)}
	return out, c.sum(&out)
}

// run makes calls until d after base. It reads the clock once a call: the end of
// one is the beginning of the next.
func (k *caller) run(base time.Time, d time.Duration) {
	for last := time.Since(base); last < d; {
		if k.err = k.step(); k.err != nil {
			return
		}
		now := time.Since(base)
		k.hist.Add(int64(now - last))
		k.calls++
		last = now
	}
	if k.end != nil {
		var got uint64
		if got, k.err = k.end(); got > 0 && got != k.calls && k.err == nil {
			k.err = fmt.Errorf("%d messages sent and %d received", k.calls, got)
		}
	}
}

func (c *Client) sum(out *Outcome) error {
	var all Histogram
	for i := range c.callers {
		k := &c.callers[i]
		if k.err != nil {
			return k.err
		}
		out.Calls += k.calls
		all.Merge(&k.hist)
	}
	if out.Calls == 0 {
		return errors.New("no call was finished in time")
	}
	if c.work.Kind != Download && c.work.Kind != Upload {
		out.P50, out.P99, out.P999 = all.Quantile(0.5), all.Quantile(0.99), all.Quantile(0.999)
	}
	return c.beside.failure()
}

// Close ends every connection and what goes on beside.
func (c *Client) Close() {
	for _, client := range append(c.opened, c.idle...) {
		client.Close()
	}
}
