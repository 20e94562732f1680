package differential

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

// kind is which method a scenario calls.
type kind int

const (
	say kind = iota
	list
	sum
	chat
	mirror
	absent // a unary method that the server does not have
)

var kindNames = []string{"Say", "List", "Sum", "Chat", "Mirror", "Absent"}

func (k kind) String() string { return kindNames[k] }

func (k kind) method() string { return "/lupine.test.v1.Echo/" + kindNames[k] }

// one reports whether the method has one reply.
func (k kind) one() bool { return k != list && k != chat }

func (k kind) request() proto.Message {
	if k == mirror {
		return new(testpb.Everything)
	}
	return new(testpb.EchoRequest)
}

func (k kind) reply() proto.Message {
	if k == mirror {
		return new(testpb.Everything)
	}
	return new(testpb.EchoReply)
}

// pairs is metadata: keys and values in turn.
type pairs []string

// scenario is one call, from both ends.
type scenario struct {
	name    string
	kind    kind
	options options
	// request is the only request of a unary call or a server stream.
	request proto.Message
	// caller does what comes between the opening of a stream and its end. Nil does
	// nothing. It is not run for unary calls.
	caller func(*call)
	// handler serves the call. What it returns is nil or a *failure. The reply of
	// methods with one reply is sent by it as well.
	handler func(*hand) error
	// ownText says that the text of the status is the runtime's own, which differs.
	ownText bool
	// unordered says that the handler's log is not compared: the call ended while
	// it was at work.
	unordered bool
}

// options are for the caller.
type options struct {
	header   pairs
	timeout  time.Duration // 0 means none that the handler sees
	compress string
	maxRecv  int // 0 means the default
}

// failure is a status that a handler returns.
type failure struct {
	code    int32
	message string
	details []lupine.Detail
}

// Error returns the message.
func (f *failure) Error() string { return f.message }

// book is what one side notes.
type book struct {
	mu    sync.Mutex
	lines []string
}

func (b *book) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, fmt.Sprintf(format, args...))
}

func (b *book) take() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.lines)
}

// digest is a message, short enough to print.
func digest(m proto.Message) string {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return err.Error()
	}
	if len(b) <= 40 {
		return fmt.Sprintf("%x", b)
	}
	return fmt.Sprintf("%d bytes with hash %x", len(b), sha256.Sum256(b))
}

// own are keys of the protocols, which one side shows to users and the other does
// not: they are left out of comparisons.
func own(key string) bool {
	return strings.HasPrefix(key, "grpc-") || strings.HasPrefix(key, ":") || slices.Contains([]string{"content-type", "user-agent", "lupine-executed", "x-scenario", "te"}, key)
}

// sorted renders metadata: keys in order, and the values of a key in theirs.
func sorted(md map[string][]string) string {
	var keys []string
	for k := range md {
		if !own(k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, k := range keys {
		fmt.Fprintf(&b, " %s=%q", k, md[k])
	}
	return b.String()
}

// hand is the handler's end of a call, whoever serves it.
type hand struct {
	book
	ctx        context.Context
	header     map[string][]string
	recv       func(proto.Message) error
	send       func(proto.Message) error
	setHeader  func(pairs)
	sendHeader func() error // nil where the method has one reply
	setTrailer func(pairs)
	at         *stage
}

// receive receives and notes one request; it returns nil at the end or after an
// error, which it notes as well.
func (h *hand) receive() *testpb.EchoRequest {
	m := new(testpb.EchoRequest)
	switch err := h.recv(m); {
	case err == io.EOF:
		h.note("handler: end of requests")
		return nil
	case err != nil:
		h.note("handler: receiving failed")
		return nil
	}
	h.note("handler: received %s", digest(m))
	return m
}

// reply sends one reply.
func (h *hand) reply(m proto.Message) {
	if err := h.send(m); err != nil {
		h.note("handler: sending failed")
	}
}

// hold waits for the end of the handler's context.
func (h *hand) hold() error {
	h.at.held <- struct{}{}
	<-h.ctx.Done()
	h.note("handler: its context ended")
	return &failure{code: int32(lupine.CodeOf(h.ctx.Err())), message: "held to the end"}
}

// call is the caller's end of a call, whoever makes it.
type call struct {
	book
	ctx       context.Context
	cancel    context.CancelFunc
	send      func(proto.Message) error
	closeSend func() error
	recv      func(proto.Message) error
	header    func() (map[string][]string, error)
	trailer   func() map[string][]string
	at        *stage
	s         *scenario
	ended     bool
	err       error // how it ended
}

// sends sends one request. That a call has ended shows at its end.
func (c *call) sends(m proto.Message) {
	if err := c.send(m); err != nil && err != io.EOF {
		c.note("caller: sending failed: %v", codeOf(err))
	}
}

// receives receives and notes one reply, or the end.
func (c *call) receives() bool {
	if c.ended {
		return false
	}
	m := c.s.kind.reply()
	err := c.recv(m)
	if err == nil {
		c.note("caller: received %s", digest(m))
		if c.s.kind.one() {
			c.end(nil)
		}
		return !c.ended
	}
	if err == io.EOF {
		err = nil
	}
	c.end(err)
	return false
}

// end notes how the call ended.
func (c *call) end(err error) {
	c.ended, c.err = true, err
	f := failureOf(err)
	text := fmt.Sprintf("%q", f.message)
	if c.s.ownText {
		text = "(a text of the runtime's own)"
	}
	c.note("caller: ended with code %d %s", f.code, text)
	for _, d := range f.details {
		c.note("caller: detail %s %x", d.Type, d.Value)
	}
	c.note("caller: trailer%s", sorted(c.trailer()))
}

// heads waits for the header and notes it.
func (c *call) heads() {
	md, err := c.header()
	if err != nil {
		c.note("caller: no header: %v", codeOf(err))
		return
	}
	c.note("caller: header%s", sorted(md))
}

// untilHeld waits for the handler to hold.
func (c *call) untilHeld() {
	select {
	case <-c.at.held:
	case <-time.After(time.Minute):
		c.note("the handler did not get to where it holds")
	}
}

// stage is where both sides of one call meet.
type stage struct {
	s    *scenario
	held chan struct{}
	done chan []string // the handler's log
}

// stages finds the stage of a call by the request's metadata.
type stages struct {
	mu  sync.Mutex
	n   int
	all map[string]*stage
}

func (st *stages) open(s *scenario) (string, *stage) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.all == nil {
		st.all = make(map[string]*stage)
	}
	st.n++
	id := fmt.Sprint(st.n)
	at := &stage{s: s, held: make(chan struct{}, 1), done: make(chan []string, 1)}
	st.all[id] = at
	return id, at
}

func (st *stages) find(header map[string][]string) *stage {
	st.mu.Lock()
	defer st.mu.Unlock()
	if ids := header["x-scenario"]; len(ids) == 1 {
		return st.all[ids[0]]
	}
	return nil
}

// serve runs the handler of the call that h is the end of.
func (st *stages) serve(h *hand) error {
	h.at = st.find(h.header)
	if h.at == nil {
		return &failure{code: int32(lupine.Internal), message: "a call without x-scenario"}
	}
	_, limited := h.ctx.Deadline()
	h.note("handler: metadata%s, deadline: %v", sorted(h.header), limited)
	err := h.at.s.handler(h)
	h.at.done <- h.take()
	return err
}

// client opens calls.
type client interface {
	// invoke makes a whole unary call; its results go to c.header and c.trailer.
	invoke(c *call, req, reply proto.Message) error
	// open opens a stream, and sends the only request of a server stream.
	open(c *call) error
}

// run plays s between a client and the server that st belongs to, and returns what
// both sides noted, and how the call ended.
func run(t *testing.T, cl client, st *stages, s *scenario) ([]string, error) {
	t.Helper()
	id, at := st.open(s)
	ctx, cancel := context.WithCancel(t.Context())
	if s.options.timeout > 0 {
		ctx, cancel = context.WithTimeout(t.Context(), s.options.timeout)
	}
	defer cancel()
	// A copy: the id differs, and appending must not be seen by others.
	mine := *s
	mine.options.header = append(slices.Clone(s.options.header), "x-scenario", id)
	c := &call{ctx: ctx, cancel: cancel, at: at, s: &mine}
	if s.kind == say || s.kind == mirror || s.kind == absent {
		if s.caller != nil {
			go s.caller(c)
		}
		reply := s.kind.reply()
		err := cl.invoke(c, s.request, reply)
		if err == nil {
			c.note("caller: received %s", digest(reply))
		}
		if err == nil || s.handler != nil && !s.ownText {
			c.heads()
		}
		c.end(err)
	} else {
		if err := cl.open(c); err != nil {
			c.trailer = func() map[string][]string { return nil }
			c.end(err)
		} else {
			if s.caller != nil {
				s.caller(c)
			}
			if !c.ended {
				c.closeSend()
			}
			for c.receives() {
			}
		}
	}
	lines := c.take()
	if s.handler == nil {
		return lines, c.err
	}
	select {
	case handler := <-at.done:
		if !s.unordered {
			lines = append(handler, lines...)
		}
	case <-time.After(time.Minute):
		lines = append(lines, "the handler did not return")
	}
	return lines, c.err
}
