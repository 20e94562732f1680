package lupine

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"time"
)

// Picker chooses a Link for each call. A Conn makes one by its Balancer.
type Picker interface {
	// Update tells the links there are, in order of preference, at the start and
	// whenever the list or the state of one has changed. Calls do not overlap.
	Update(links []*Link)
	// Pick returns the link for one call, and a function, or nil, to be told how
	// it went. A nil link means none yet: the call waits for the next change. An
	// error fails the call unless it waits for ready. It runs concurrently with
	// itself and Update and must not block; it may call Link.Connect.
	Pick(info PickInfo) (*Link, func(Outcome), error)
}

// PickInfo is what a Picker may choose by.
type PickInfo struct {
	Ctx    context.Context
	Method *Method
	Header Metadata
	Avoid  *Link // the link that just refused the call; nil on a first attempt
}

// Outcome is how an attempt ended.
type Outcome struct {
	Err     error
	Trailer Metadata
}

// PickFirst makes a Picker that sends every call to the first link that can be
// reached, in the order the resolver gave, and stays with it while it works. While
// a dial takes longer than 250 ms, the next link is tried beside it.
func PickFirst() Picker { return new(pickFirst) }

type pickFirst struct {
	links   atomic.Pointer[[]*Link]
	current atomic.Pointer[Link]
}

func (p *pickFirst) Update(links []*Link) {
	p.links.Store(&links)
	cur := p.current.Load()
	for _, l := range links {
		if l == cur {
			return
		}
	}
	p.current.Store(nil)
}

func (p *pickFirst) Pick(info PickInfo) (*Link, func(Outcome), error) {
	if l := p.current.Load(); l != nil && l != info.Avoid && l.State() == Ready {
		return l, nil, nil
	}
	var links []*Link
	if all := p.links.Load(); all != nil {
		links = *all
	}
	var idle, ready *Link
	waiting, slow := false, false
	for _, l := range links {
		switch l.State() {
		case Ready:
			if ready == nil || ready == info.Avoid {
				ready = l
			}
		case Connecting:
			if l.slow.Load() {
				slow = true
			} else {
				waiting = true
			}
		case Idle:
			if idle == nil {
				idle = l
			}
		}
	}
	switch {
	case ready != nil:
		p.current.Store(ready)
		return ready, nil, nil
	case waiting:
		return nil, nil, nil
	case idle != nil:
		idle.Connect()
		return nil, nil, nil
	case slow:
		return nil, nil, nil
	}
	return nil, nil, LinkErrors(links)
}

// LinkErrors says why none of the links can be reached, for a Picker to return.
func LinkErrors(links []*Link) error {
	if len(links) == 0 {
		return errors.New("no endpoints")
	}
	const most = 4 // addresses named, so that a message stays readable
	var errs []error
	for i, l := range links {
		if i == most {
			errs = append(errs, fmt.Errorf("and %d more", len(links)-most))
			break
		}
		if err := l.Err(); err != nil {
			errs = append(errs, err)
		}
	}
	switch len(errs) {
	case 0:
		return errors.New("no endpoint takes it now")
	case 1:
		return errs[0]
	}
	var text []string
	for _, err := range errs {
		text = append(text, err.Error())
	}
	return errors.New(strings.Join(text, "; "))
}

// choose picks a session for one attempt at call, waiting for one if need be.
func (c *Conn) choose(ctx context.Context, call *Call, avoid *Link) (attempt, error) {
	if c.fixed != nil {
		if c.down.Load() {
			return attempt{}, errClosed()
		}
		return attempt{session: c.fixed, queue: true}, nil
	}
	if c.down.Load() {
		return attempt{}, errClosed()
	}
	if a := call.reserved; a.session != nil {
		call.reserved = attempt{}
		return c.chosen(call, a)
	}
	c.start.Do(c.watch)
	info := PickInfo{Ctx: ctx, Method: call.Method, Header: call.Header, Avoid: avoid}
	if a, _ := c.pick(info); a.session != nil {
		return c.chosen(call, a)
	}
	return c.wait(ctx, call, info)
}

// pick asks the picker for a link and the link for a session. The attempt has no
// session if there is none now.
func (c *Conn) pick(info PickInfo) (attempt, error) {
	link, done, err := c.picker.Pick(info)
	if link == nil || err != nil {
		return attempt{}, err
	}
	s, queue := link.session()
	if s == nil && done != nil {
		done(Outcome{})
	}
	return attempt{s, link, done, queue}, nil
}

// chosen checks that the wire can carry the call.
func (c *Conn) chosen(call *Call, a attempt) (attempt, error) {
	can := &a.link.info.Capabilities
	no := can.missing(call.Method)
	if no == "" && call.opts.atMostOnce && !can.AtMostOnce {
		no = "at-most-once calls"
	}
	if no == "" {
		return a, nil
	}
	if a.done != nil {
		a.done(Outcome{})
	}
	able := "a wire that has them (see the capability table)"
	for _, t := range c.targets {
		if info := t.Wire.Info(); info.Capabilities.missing(call.Method) == "" && (!call.opts.atMostOnce || info.Capabilities.AtMostOnce) {
			able = "wire " + info.Name
		}
	}
	return a, Errorf(Unimplemented, "wire %s has no %s, which %s needs: use %s", a.link.info.Name, no, call.Method.Path, able).NotExecuted()
}

// wait is the slow half of choose: it waits for a session.
func (c *Conn) wait(ctx context.Context, call *Call, info PickInfo) (attempt, error) {
	var giveUp <-chan time.Time
	if !call.GiveUp.IsZero() {
		t := time.NewTimer(time.Until(call.GiveUp))
		defer t.Stop()
		giveUp = t.C
	}
	for {
		c.mu.Lock()
		changed, nameErr, resolved := c.changed, c.nameErr, len(c.links) > 0
		c.mu.Unlock()
		if c.down.Load() {
			return attempt{}, errClosed()
		}
		var err error
		var last error
		switch {
		case resolved:
			var a attempt
			if a, err = c.pick(info); a.session != nil {
				return c.chosen(call, a)
			}
			last = err
		case nameErr != nil:
			err = nameErr
		}
		if err != nil && !call.WaitForReady {
			return attempt{}, Errorf(Unavailable, "cannot reach %s: %w", c.name, err).NotExecuted()
		}
		select {
		case <-changed:
			continue
		case <-giveUp:
			return attempt{}, (&Error{Code: DeadlineExceeded, Message: "gave up waiting for a session to " + c.name + c.because(last), cause: context.DeadlineExceeded}).NotExecuted()
		case <-ctx.Done():
			e := contextError(ctx, "while waiting for a session to "+c.name+c.because(last))
			return attempt{}, e
		}
	}
}

// because names the last connection error, for calls that waited in vain.
func (c *Conn) because(last error) string {
	c.mu.Lock()
	if last == nil {
		last = c.nameErr
	}
	for _, l := range c.links {
		if last == nil {
			last = l.Err()
		}
	}
	c.mu.Unlock()
	if last == nil {
		return ""
	}
	return "; the last attempt failed: " + last.Error()
}

// reserve chooses a session for call if it could start there at once, and reports
// whether it could.
func (c *Conn) reserve(ctx context.Context, call *Call) bool {
	if c.fixed != nil {
		return true
	}
	c.mu.Lock()
	resolved := len(c.links) > 0 // the picker has been told of links
	c.mu.Unlock()
	if !resolved || c.down.Load() || ctx.Err() != nil {
		return false
	}
	a, err := c.pick(PickInfo{Ctx: ctx, Method: call.Method, Header: call.Header})
	if err != nil || a.session == nil {
		return false
	}
	call.reserved = a
	if a.queue { // it would have to wait
		call.release()
		return false
	}
	return true
}

// release gives back what reserve chose, if nobody has used it.
func (c *Call) release() {
	if c.reserved.done != nil {
		c.reserved.done(Outcome{})
	}
	c.reserved = attempt{}
}

// watch starts the targets' resolvers.
func (c *Conn) watch() {
	for i, t := range c.targets {
		update := func(list []Endpoint, err error) { c.resolved(i, list, err) }
		// A fixed list needs no goroutine.
		if fixed, ok := t.Resolver.(Endpoints); ok {
			fixed.Watch(c.ctx, update)
			continue
		}
		go t.Resolver.Watch(c.ctx, update)
	}
}

// resolved takes a new list of endpoints for target i. Links that are in both
// lists stay as they are.
func (c *Conn) resolved(i int, list []Endpoint, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.down.Load() {
		return
	}
	if err == nil && len(list) == 0 {
		err = errors.New("the name resolves to no address")
	}
	if err != nil {
		c.nameErr = fmt.Errorf("resolving %s: %w", c.targets[i].Name, err)
		c.config.Log.Warn("name did not resolve", "target", c.targets[i].Name, "err", err)
		c.announce()
		return
	}
	c.nameErr = nil
	c.byTarget[i] = list
	old := c.links
	c.links = nil
	for t, endpoints := range c.byTarget {
		for _, e := range endpoints {
			c.links = append(c.links, c.linkFor(&old, c.targets[t].Wire, e))
		}
	}
	for _, gone := range old {
		go func() {
			ctx, cancel := context.WithTimeout(c.ctx, DefaultDrainTime)
			defer cancel()
			gone.drain(ctx)
		}()
	}
	c.announce()
}

// linkFor takes the link to e out of old, or makes one. c.mu is held.
func (c *Conn) linkFor(old *[]*Link, w Wire, e Endpoint) *Link {
	for i, l := range *old {
		if l.wire == w && reflect.DeepEqual(l.endpoint, e) {
			*old = append((*old)[:i:i], (*old)[i+1:]...)
			return l
		}
	}
	return &Link{conn: c, wire: w, info: w.Info(), endpoint: e}
}

func (c *Conn) linkChanged() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.down.Load() {
		c.announce()
	}
}

// announce tells the picker and every call that waits. c.mu is held.
func (c *Conn) announce() {
	if c.picker != nil {
		c.picker.Update(c.links)
	}
	close(c.changed)
	c.changed = make(chan struct{})
}
