package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lupine-rpc/lupine/bench/benchpb"
	"github.com/lupine-rpc/lupine/bench/internal/peer"
)

// settle is how long connections rest before memory is measured, so that what
// their first call left running has ended.
const settle = 300 * time.Millisecond

// dialers is how many connect at a time.
const dialers = 32

// runIdle opens work.Callers connections, lets each make one call, and returns
// what this process holds for them.
func (c *Client) runIdle() (Outcome, error) {
	before := TakeMemory()
	n := c.work.Callers
	c.idle = make([]peer.Client, n)
	start := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, dialers)
	for range dialers {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				client, err := c.connect(i)
				if err != nil {
					errs <- fmt.Errorf("connection %d: %w", i, err)
					return
				}
				c.idle[i] = client
			}
		})
	}
	wg.Wait()
	out := Outcome{Calls: uint64(n), Elapsed: time.Since(start), Conns: n}
	select {
	case err := <-errs:
		c.dropIdle()
		return out, err
	default:
	}
	time.Sleep(settle)
	after := TakeMemory()
	out.Memory = after.Less(before)
	return out, nil
}

func (c *Client) dropIdle() {
	for _, client := range c.idle {
		if client != nil {
			client.Close()
		}
	}
	c.idle = nil
}

// Less returns by how much m is more than from; never less than zero.
func (m Memory) Less(from Memory) Memory {
	return Memory{m.Resident - min(from.Resident, m.Resident), m.Heap - min(from.Heap, m.Heap), m.Stack - min(from.Stack, m.Stack)}
}

// beside is what the server is busy with besides.
type beside struct {
	failed atomic.Pointer[error]
}

// startBeside starts the calls that go on beside those that are measured, on the
// same connection; they are under way by the end of the warm-up. They last until
// this process ends.
func (c *Client) startBeside() (*beside, error) {
	b := &beside{}
	r := &benchpb.WorkRequest{}
	switch c.work.Beside {
	case Held:
		r.Kind = benchpb.WorkRequest_BLOCK
	case Churning:
		r.Kind, r.Micros = benchpb.WorkRequest_BLOCK, uint32(churnTime/time.Microsecond)
	case Spinning:
		r.Kind = benchpb.WorkRequest_SPIN
	default:
		return nil, fmt.Errorf("nothing is called %q", c.work.Beside)
	}
	for range c.work.Others {
		client := c.callers[0].client
		if fork, ok := client.(interface{ Fork() peer.Client }); ok {
			client = fork.Fork()
		} else if peer.PerCaller(c.spec.Impl) {
			var err error
			if client, err = c.dial(0); err != nil {
				return nil, err
			}
		}
		go func() {
			for {
				if err := client.Work(context.Background(), r); err != nil {
					b.failed.CompareAndSwap(nil, &err)
					return
				}
			}
		}()
	}
	return b, nil
}

// failure returns why a call beside failed, if one did.
func (b *beside) failure() error {
	if b == nil {
		return nil
	}
	if err := b.failed.Load(); err != nil {
		return fmt.Errorf("a call beside failed: %w", *err)
	}
	return nil
}
