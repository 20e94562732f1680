package interop

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine/interop/peerpb"
)

// md is metadata in the form that both sides can be brought to.
type md map[string][]string

// incoming is one call at a server, whatever the server is.
type incoming struct {
	ctx        context.Context
	header     md
	setHeader  func(md)
	sendHeader func() error
	setTrailer func(md)
	fail       func(*peerpb.Failure) error
	caller     string
}

// conductor is what a Peer does, apart from the stubs it is called through.
type conductor struct {
	name string          // which server this is
	held func(id string) // told of each call that is held; may be nil

	mu    sync.Mutex
	fates map[string]chan string // each gets one value, once the call has ended
}

func (p *conductor) fate(id string) chan string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.fates == nil {
		p.fates = make(map[string]chan string)
	}
	f := p.fates[id]
	if f == nil {
		f = make(chan string, 1)
		p.fates[id] = f
	}
	return f
}

// ended notes how the handler of call id ended.
func (p *conductor) ended(ctx context.Context, id string) {
	if id == "" {
		return
	}
	end := "returned"
	switch ctx.Err() {
	case context.Canceled:
		end = "canceled"
	case context.DeadlineExceeded:
		end = "deadline"
	}
	p.note(id, end)
}

// note answers those who Watch id.
func (p *conductor) note(id, what string) {
	select {
	case p.fate(id) <- what:
	default:
	}
}

func (p *conductor) watch(ctx context.Context, w *peerpb.Watched) *peerpb.Fate {
	ctx, cancel := context.WithTimeout(ctx, patience/2)
	defer cancel()
	f := p.fate(w.Id)
	select {
	case end := <-f:
		f <- end
		return &peerpb.Fate{End: end}
	case <-ctx.Done():
		return &peerpb.Fate{}
	}
}

// begin does what metadata asks for.
func (p *conductor) begin(c *incoming) error {
	header, trailer := md{}, md{}
	for k, v := range c.header {
		switch {
		case strings.HasPrefix(k, "echo-"):
			header[k] = v
		case strings.HasPrefix(k, "trail-"):
			trailer[k] = v
		}
	}
	c.setHeader(header)
	c.setTrailer(trailer)
	if len(c.header["header-first"]) > 0 {
		return c.sendHeader()
	}
	return nil
}

// before does what comes before a reply to o.
func (p *conductor) before(c *incoming, o *peerpb.Order, sent uint32) error {
	if o.Hold {
		if p.held != nil {
			p.held(o.Id)
		}
		p.note(o.Id+"/held", "held")
		<-c.ctx.Done()
		return c.ctx.Err()
	}
	if o.WaitMs > 0 {
		t := time.NewTimer(time.Duration(o.WaitMs) * time.Millisecond)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	if o.Fail != nil && o.Fail.After == sent {
		return c.fail(o.Fail)
	}
	return nil
}

func (p *conductor) result(c *incoming, o *peerpb.Order, index uint32) *peerpb.Result {
	r := &peerpb.Result{Text: o.Text, Payload: o.Payload, Index: index, Caller: c.caller, Server: p.name}
	if o.ReplyBytes > 0 {
		r.Payload = bytes.Repeat([]byte{'r'}, int(o.ReplyBytes))
	}
	if d, ok := c.ctx.Deadline(); ok {
		r.SecondsLeft = time.Until(d).Seconds()
	}
	return r
}

func (p *conductor) say(c *incoming, o *peerpb.Order) (*peerpb.Result, error) {
	defer func() { p.ended(c.ctx, o.Id) }()
	if err := p.begin(c); err != nil {
		return nil, err
	}
	if err := p.before(c, o, 0); err != nil {
		return nil, err
	}
	return p.result(c, o, 0), nil
}

func (p *conductor) list(c *incoming, o *peerpb.Order, send func(*peerpb.Result) error) error {
	defer func() { p.ended(c.ctx, o.Id) }()
	if err := p.begin(c); err != nil {
		return err
	}
	for i := range o.Count {
		if err := p.before(c, o, i); err != nil {
			return err
		}
		if err := send(p.result(c, o, i)); err != nil {
			return err
		}
	}
	return p.before(c, o, o.Count)
}

func (p *conductor) sum(c *incoming, recv func() (*peerpb.Order, error)) (*peerpb.Result, error) {
	var id string
	defer func() { p.ended(c.ctx, id) }()
	if err := p.begin(c); err != nil {
		return nil, err
	}
	all := new(peerpb.Order)
	for n := uint32(0); ; n++ {
		o, err := recv()
		if err == io.EOF {
			return p.result(c, all, n), nil
		}
		if err != nil {
			return nil, err
		}
		id = max(id, o.Id)
		all.Text += o.Text
		all.ReplyBytes += uint32(len(o.Payload))
		if err := p.before(c, o, n); err != nil {
			return nil, err
		}
	}
}

func (p *conductor) chat(c *incoming, recv func() (*peerpb.Order, error), send func(*peerpb.Result) error) error {
	var id string
	defer func() { p.ended(c.ctx, id) }()
	if err := p.begin(c); err != nil {
		return err
	}
	for n := uint32(0); ; n++ {
		o, err := recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		id = max(id, o.Id)
		if err := p.before(c, o, n); err != nil {
			return err
		}
		if err := send(p.result(c, o, n)); err != nil {
			return err
		}
	}
}
