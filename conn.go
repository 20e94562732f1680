package lupine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// DialConfig is how a Conn behaves. The zero value is the default.
type DialConfig struct {
	// MaxReceive is the most bytes of one reply message, after decompression.
	// Zero means [DefaultMaxReceive], negative means no limit.
	MaxReceive int
	// MaxSend is the most bytes of one request message, before compression. Zero
	// or negative means no limit.
	MaxSend int
	// SafetyNet ends a unary call whose context has no deadline, so that a lost
	// server cannot hold its caller for ever. It is never sent on the wire. Zero
	// means [DefaultSafetyNet], negative means none.
	SafetyNet time.Duration
	// WaitForReady makes every call wait through failed dials until its context
	// ends, instead of failing fast.
	WaitForReady bool
	// Compressor names how to compress requests: "gzip", "zstd", or empty for not
	// at all.
	Compressor string
	// Credentials are asked for metadata on each attempt at a call.
	Credentials Credentials
	// Interceptors wrap every call, the first one outermost.
	Interceptors []ClientInterceptor
	// Hooks watch every call; see [Hooks].
	Hooks Hooks
	// ConvertError turns the error of each call into another, such as one that
	// grpc-go's status package understands; see the grpccompat module.
	ConvertError func(*Error) error
	// Balancer makes the Picker that chooses an endpoint for each call. Nil means
	// [PickFirst].
	Balancer func() Picker
	// Backoff is how long to wait after a failed dial.
	Backoff Backoff
	// DialTimeout bounds one dial with its handshakes. Zero means
	// [DefaultDialTimeout].
	DialTimeout time.Duration
	// MaxSessions bounds the sessions to one endpoint: a further one is opened
	// when the peer allows no more calls on those there are. Zero means
	// [DefaultMaxSessions].
	MaxSessions int
	// Require makes Dial fail when a target's wire lacks what is set here.
	Require Capabilities
	// Server answers calls that the peer makes to us, on wires with PeerCalls.
	Server *Server
	// UserAgent is put before the wire's own.
	UserAgent string
	// Log gets what calls are not told: sessions that broke, names that did not
	// resolve. Nil means slog.Default().
	Log *slog.Logger
}

// Conn is what stubs call through: sessions to the endpoints of one or more
// targets, made when first needed and made again when they break. All methods
// are safe for concurrent use.
type Conn struct {
	config  DialConfig
	targets []Target
	fixed   Session // the only session, for NewConn
	open    Opener  // through the interceptors; nil without any
	picker  Picker
	name    string

	ctx    context.Context // ends when the Conn is closed
	cancel context.CancelFunc
	start  sync.Once

	mu       sync.Mutex
	links    []*Link
	byTarget [][]Endpoint
	changed  chan struct{} // closed and replaced at each change of a link
	nameErr  error         // why a target did not resolve
	down     atomic.Bool
}

// Dial returns a Conn to the targets with the default configuration.
func Dial(ctx context.Context, targets ...Target) (*Conn, error) {
	return DialConfig{}.Dial(ctx, targets...)
}

// Dial returns a Conn to the targets, whose endpoints it treats as one set in
// the order given. It does no I/O: sessions are made when calls need them.
// Resolvers and dials see the values of ctx, but not its end.
func (c DialConfig) Dial(ctx context.Context, targets ...Target) (*Conn, error) {
	if len(targets) == 0 {
		return nil, errors.New("lupine: Dial needs a target, such as h2.To(\"127.0.0.1:8080\")")
	}
	name := ""
	for i, t := range targets {
		if t.Err != nil {
			return nil, t.Err
		}
		info := t.Wire.Info()
		if no := info.Capabilities.Lacks(c.Require); no != "" {
			return nil, fmt.Errorf("lupine: wire %s of target %s lacks %s, which DialConfig.Require asks for", info.Name, t.Name, no)
		}
		if i > 0 {
			name += ", "
		}
		name += t.Name
	}
	conn := newConn(c)
	conn.targets, conn.name = targets, name
	conn.byTarget = make([][]Endpoint, len(targets))
	conn.ctx, conn.cancel = context.WithCancel(context.WithoutCancel(ctx))
	conn.picker = conn.config.Balancer()
	return conn, nil
}

// NewConn returns a Conn over one session that exists: a server uses it to call
// back to its client. Closing it leaves the session open.
func NewConn(s Session) *Conn {
	conn := newConn(DialConfig{})
	conn.fixed = s
	conn.name = s.Peer().RemoteAddr
	conn.ctx, conn.cancel = context.WithCancel(context.Background())
	return conn
}

func newConn(c DialConfig) *Conn {
	if c.MaxReceive == 0 {
		c.MaxReceive = DefaultMaxReceive
	}
	if c.MaxSend == 0 {
		c.MaxSend = -1
	}
	if c.SafetyNet == 0 {
		c.SafetyNet = DefaultSafetyNet
	}
	if c.DialTimeout <= 0 {
		c.DialTimeout = DefaultDialTimeout
	}
	if c.MaxSessions <= 0 {
		c.MaxSessions = DefaultMaxSessions
	}
	if c.Balancer == nil {
		c.Balancer = PickFirst
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	conn := &Conn{config: c, changed: make(chan struct{})}
	if len(c.Interceptors) > 0 {
		conn.open = chainClient(c.Interceptors, conn.openCall)
	}
	return conn
}

// Close ends every session and every call on them.
func (c *Conn) Close() error {
	links := c.shut()
	for _, l := range links {
		l.close()
	}
	return nil
}

// Drain takes no more calls, waits until those under way have ended or ctx has,
// and closes.
func (c *Conn) Drain(ctx context.Context) error {
	links := c.shut()
	errs := make(chan error, len(links))
	for _, l := range links {
		go func() { errs <- l.drain(ctx) }()
	}
	var first error
	for range links {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func (c *Conn) shut() []*Link {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down.Store(true)
	c.cancel()
	links := c.links
	c.links = nil
	c.announce()
	return links
}

var callPool = sync.Pool{New: func() any { return new(Call) }}

// newCall readies call for one call of m.
func (c *Conn) newCall(call *Call, m *Method, opts []CallOption) {
	call.Method = m
	call.MaxReceive, call.MaxSend = c.config.MaxReceive, c.config.MaxSend
	call.Compressor = c.config.Compressor
	call.WaitForReady = c.config.WaitForReady
	call.Credentials = c.config.Credentials
	call.apply(opts)
}

// net hangs the safety net under a unary call without a deadline.
func (c *Conn) net(ctx context.Context, call *Call) {
	if _, ok := ctx.Deadline(); !ok && c.config.SafetyNet > 0 {
		call.GiveUp = time.Now().Add(c.config.SafetyNet)
	}
}

// Invoke makes a unary call and returns its reply. Generated code calls it.
func Invoke[Res any](ctx context.Context, c *Conn, m *Method, req any, opts []CallOption) (*Res, error) {
	res := new(Res)
	if err := c.invoke(ctx, m, req, res, opts); err != nil {
		return nil, err
	}
	return res, nil
}

// invoke is the path of a unary call: no interceptor, no hook, no allocation.
func (c *Conn) invoke(ctx context.Context, m *Method, req, reply any, opts []CallOption) error {
	call := callPool.Get().(*Call)
	c.newCall(call, m, opts)
	c.net(ctx, call)
	var err error
	shared := c.open != nil || c.config.Hooks != nil
	if c.config.Hooks != nil {
		ctx, call.observe = c.config.Hooks(ctx, CallInfo{Method: m, Header: call.Header})
	}
	if c.open != nil {
		err = c.invokeStream(ctx, call, req, reply)
	} else {
		err = c.invokeDirect(ctx, call, req, reply)
	}
	call.deliver()
	if call.observe != nil {
		call.observe(Event{Kind: End, Err: err})
	}
	if !shared {
		// Hooks and interceptors may hold on to the call; wires may not.
		*call = Call{}
		callPool.Put(call)
	}
	return c.converted(err)
}

func (c *Conn) converted(err error) error {
	if err == nil || c.config.ConvertError == nil {
		return err
	}
	if e, ok := err.(*Error); ok {
		return c.config.ConvertError(e)
	}
	return err
}

func (c *Conn) invokeDirect(ctx context.Context, call *Call, req, reply any) error {
	header := call.Header
	var avoid *Link
	for {
		a, err := c.begin(ctx, call, avoid)
		if err != nil {
			return err
		}
		err = a.session.Invoke(ctx, call, req, reply)
		if err == ErrFull {
			a.full(call)
			continue
		}
		a.end(call, err)
		if err == nil || !call.again(ctx, err) {
			return err
		}
		avoid, call.Header = a.link, header
	}
}

// invokeStream makes a unary call as a stream, for interceptors.
func (c *Conn) invokeStream(ctx context.Context, call *Call, req, reply any) error {
	s, err := c.open(ctx, call)
	if err != nil {
		return AsError(err)
	}
	if err := s.Send(ctx, req, true); err != nil && err != io.EOF {
		s.Cancel(nil)
		return AsError(err)
	}
	if err := s.Recv(ctx, reply); err != nil {
		s.Cancel(nil)
		if err == io.EOF {
			return errNoReply
		}
		return AsError(err)
	}
	switch err := s.Recv(ctx, call.Method.NewReply()); err {
	case io.EOF:
		return nil
	case nil:
		s.Cancel(errTwoReplies)
		return errTwoReplies
	default:
		s.Cancel(nil)
		return AsError(err)
	}
}

// again reports whether err allows the one transparent retry: the server is
// known not to have run the call, and another attempt may fare better.
func (call *Call) again(ctx context.Context, err error) bool {
	e, ok := err.(*Error)
	return ok && call.attempt == 1 && e.Executed == No && e.Code == Unavailable && ctx.Err() == nil
}

// attempt is one session chosen for one try at a call.
type attempt struct {
	session Session
	link    *Link
	done    func(Outcome)
	queue   bool // there is no better session: wait there if it is full
}

// begin chooses a session for the next attempt at call and adds credentials.
func (c *Conn) begin(ctx context.Context, call *Call, avoid *Link) (attempt, error) {
	if err := ctx.Err(); err != nil {
		return attempt{}, contextError(ctx, "before the call was sent")
	}
	a, err := c.choose(ctx, call, avoid)
	if err != nil {
		return a, err
	}
	call.attempt++
	call.Queue = a.queue
	peer := a.session.Peer()
	if call.opts.peer != nil {
		*call.opts.peer = *peer
	}
	if call.observe != nil {
		call.event(Event{Kind: AttemptBegin, Peer: peer})
	}
	if err := call.prove(ctx, peer); err != nil {
		a.end(call, err)
		return a, err
	}
	return a, nil
}

// full ends an attempt whose session was full when the call came: it does not count.
func (a *attempt) full(call *Call) {
	if a.done != nil {
		a.done(Outcome{}) // nobody is to blame
	}
	if call.observe != nil {
		call.event(Event{Kind: AttemptEnd, Peer: a.session.Peer(), Err: ErrFull})
	}
	call.attempt--
}

func (a *attempt) end(call *Call, err error) {
	if err == nil && a.link != nil && a.link.useless.Load() != 0 {
		a.link.useless.Store(0)
	}
	if a.done != nil {
		a.done(Outcome{Err: err, Trailer: call.ReplyTrailer})
	}
	if call.observe != nil {
		call.event(Event{Kind: AttemptEnd, Peer: a.session.Peer(), Err: err})
	}
}

// prove adds the metadata of the call's credentials, on sessions that nobody
// else can read.
func (call *Call) prove(ctx context.Context, peer *Peer) error {
	if call.Credentials == nil {
		return nil
	}
	if !peer.private() {
		return Errorf(Unauthenticated, "refusing to send credentials to %s: wire %s is not encrypted and leaves this machine; use TLS", peer.RemoteAddr, peer.Wire).NotExecuted()
	}
	md, err := call.Credentials.Metadata(ctx, call.Method, peer)
	if err != nil {
		return Errorf(Unauthenticated, "credentials for %s: %w", call.Method.Path, err).NotExecuted()
	}
	if err := md.Check(); err != nil {
		return err
	}
	call.Header = append(call.Header[:len(call.Header):len(call.Header)], md...)
	return nil
}

// contextError is the error of a call whose context ended before it was sent.
func contextError(ctx context.Context, when string) *Error {
	e := AsError(ctx.Err())
	return &Error{Code: e.Code, Message: ctx.Err().Error() + " " + when, Executed: No, cause: context.Cause(ctx)}
}

// contextEnd is the error of a call that its context ended.
func contextEnd(ctx context.Context) *Error {
	return &Error{Code: AsError(ctx.Err()).Code, Message: ctx.Err().Error(), cause: context.Cause(ctx)}
}

// errClosed is the error of a call on a closed Conn.
func errClosed() *Error {
	return Errorf(Unavailable, "the Conn is closed: %w", net.ErrClosed).NotExecuted()
}
