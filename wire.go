package lupine

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"
	"time"
)

// A wire is one way to carry calls: protocol and transport together. This file
// is the whole of what a wire package implements.
//
// On the calling side a [Wire] dials one [Endpoint] into one [Session]; a
// session opens a [Stream] for each call. On the serving side a [Listener]
// accepts sessions and hands each call that comes in to a [Route] of the
// [Server] it was bound to.

// WireInfo names a wire and says what it can do.
type WireInfo struct {
	Name         string // the package's name: "h2", "inproc"
	Capabilities Capabilities
}

// Capabilities says what a wire can do. It is a row of the table in the README.
type Capabilities struct {
	Streams    bool // server streams and client streams
	FullDuplex bool // bidi streams whose two directions are independent
	Metadata   bool // request and reply metadata
	Trailers   bool // metadata after the last message
	Details    bool // typed error details
	AtMostOnce bool // call identities and a reply cache at the server
	PeerCalls  bool // the server can call services that its client hosts
	Identity   bool // the server learns who the peer is: certificate or user id
	MaxMessage int  // largest message in bytes; 0 means that only limits apply
}

// missing names what a call of m needs and c does not have, or returns "".
func (c Capabilities) missing(m *Method) string {
	switch {
	case m.Kind != Unary && !c.Streams:
		return m.Kind.String() + "s"
	case m.Kind == Bidi && !c.FullDuplex:
		return "full-duplex streams"
	case m.AtMostOnce && !c.AtMostOnce:
		return "at-most-once calls"
	}
	return ""
}

// Lacks names what want asks for and c does not have, in the words of the
// capability table, or returns "".
func (c Capabilities) Lacks(want Capabilities) string {
	var no []string
	add := func(want, have bool, name string) {
		if want && !have {
			no = append(no, name)
		}
	}
	add(want.Streams, c.Streams, "streams")
	add(want.FullDuplex, c.FullDuplex, "full-duplex streams")
	add(want.Metadata, c.Metadata, "metadata")
	add(want.Trailers, c.Trailers, "trailers")
	add(want.Details, c.Details, "error details")
	add(want.AtMostOnce, c.AtMostOnce, "at-most-once calls")
	add(want.PeerCalls, c.PeerCalls, "peer calls")
	add(want.Identity, c.Identity, "peer identity")
	add(want.MaxMessage > 0, c.MaxMessage == 0 || c.MaxMessage >= want.MaxMessage, "messages of that size")
	return strings.Join(no, ", ")
}

// Endpoint is one place that serves a name.
type Endpoint struct {
	Addr       string // what the wire dials: "10.0.0.7:8443", "/run/guide.sock"
	ServerName string // whom the peer must prove to be; empty means the host of Addr
	Attributes map[string]string
}

// Wire dials. A Wire value holds its own configuration, is comparable with ==
// (a pointer, most often), and is safe for concurrent use.
type Wire interface {
	Info() WireInfo
	// Dial makes one session, finishing handshakes before it returns, within
	// ctx. Its error says what was tried.
	Dial(ctx context.Context, to Endpoint, opts SessionOptions) (Session, error)
}

// SessionOptions is what a [Conn] tells the wire about a new session.
type SessionOptions struct {
	// Down is called once, from any goroutine, when the session takes no more
	// calls: it broke, or its peer is shutting down. Calls under way may go on.
	// err says why; it is never nil.
	Down func(err error)
	// Server answers calls that the peer makes to us, on wires with PeerCalls.
	Server *Server
	// UserAgent is put before the wire's own, where the wire has such a thing.
	UserAgent string
	// Log is never nil.
	Log *slog.Logger
}

// Session is one live link to one peer, as the calling side uses it. All
// methods are safe for concurrent use.
type Session interface {
	// Invoke makes a whole unary call: it sends req, waits, and decodes the
	// reply into reply, all on the caller's goroutine. It ends when ctx does.
	// req is not read after Invoke returns. Errors are [*Error]s, with Executed
	// set where the wire knows, or [ErrFull]. It fills in call's results.
	Invoke(ctx context.Context, call *Call, req, reply any) error
	// Open starts a call of any kind. It may keep the first bytes back until the
	// first Send, CloseSend, Recv or Header. ctx governs the call to its end. It
	// may return [ErrFull].
	Open(ctx context.Context, call *Call) (Stream, error)
	// Ready reports whether a call opened now would start at once, rather than
	// wait for the peer to allow another.
	Ready() bool
	// Peer describes the other end. It does not change.
	Peer() *Peer
	// Drain takes no more calls and returns when those under way have ended, or
	// with an error when ctx has.
	Drain(ctx context.Context) error
	// Close ends the session and every call on it.
	Close() error
}

// ErrFull is what a session returns, at once and having sent nothing, when its peer
// allows no further call and the call is not to [Call.Queue]: the Conn then looks for
// another session. Ready is a hint, which may be outdated when the call comes.
var ErrFull = errors.New("lupine: the session takes no further call now")

// Stream is a call at the caller's end. One goroutine may send while another
// receives; Cancel may be called by any.
//
// An error that is an [*Error] means that the call has ended, and every later
// Recv returns it. When only the ctx of a Send or Recv ended, the error is that
// ctx's, the call lives on, and no message is lost.
type Stream interface {
	// Send sends one message. With last it also says that no more will follow,
	// in one step. It returns when m may be changed again. After the call has
	// ended it returns io.EOF: Recv has the reason.
	Send(ctx context.Context, m any, last bool) error
	// CloseSend says that no more messages will follow.
	CloseSend(ctx context.Context) error
	// Recv decodes the next message into m, a new message. It returns io.EOF
	// when the call has ended with OK, and the call's *Error when it has not.
	Recv(ctx context.Context, m any) error
	// Header waits for the reply's header and returns it. A call that failed
	// before it had one returns the call's error.
	Header(ctx context.Context) (Metadata, error)
	// Trailer returns the trailer, once Recv has returned an error.
	Trailer() Metadata
	// Cancel ends the call here and now and tells the peer. err, which may be
	// nil, becomes the call's error unless it has ended already. It never blocks.
	Cancel(err *Error)
}

// Listener serves a wire at one address. A Listener is used once: Bind, Serve,
// then Drain or Close.
type Listener interface {
	Info() WireInfo
	// Bind takes the address and remembers srv. It fails with an error that
	// names the address.
	Bind(ctx context.Context, srv *Server) error
	// Serve accepts sessions until Drain or Close, after which it returns nil.
	Serve() error
	// Addr is where callers find it once it is bound, with the port that was
	// chosen where 0 was asked for.
	Addr() string
	// Drain stops accepting, tells the peers, and returns when the calls under
	// way have ended or ctx has.
	Drain(ctx context.Context) error
	// Close ends everything at once.
	Close() error
}

// HandlerStream is a call at the handler's end. One goroutine may send while
// another receives. It ends when the handler returns: the wire then sends the
// status and the [ServerCall]'s trailer.
type HandlerStream interface {
	// Recv decodes the next request message into m, a new message. It returns
	// io.EOF after the last. When ctx ended first, it returns ctx's error and
	// loses nothing.
	Recv(ctx context.Context, m any) error
	// Send sends one reply message. It returns when m may be changed again. The
	// first one sends the header too.
	Send(ctx context.Context, m any) error
	// SendHeader sends the header now: the pairs that ServerCall.SetHeader
	// collected. A second call fails.
	SendHeader(ctx context.Context) error
}

// Peer describes the other end of a session. It must not be changed.
type Peer struct {
	Wire       string               // name of the wire
	LocalAddr  string               // our address
	RemoteAddr string               // the peer's address
	Encrypted  bool                 // nobody on the way can read it
	SameHost   bool                 // it never leaves this machine
	TLS        *tls.ConnectionState // nil without TLS
	User       *UserID              // who the kernel says the peer is; nil if unknown
	// Session calls back to the peer on wires with PeerCalls; nil otherwise.
	Session Session
}

// UserID is a peer process as the kernel vouches for it (SO_PEERCRED).
type UserID struct {
	UID, GID uint32
	PID      int32
}

// private reports whether credentials may be sent to the peer.
func (p *Peer) private() bool { return p.Encrypted || p.SameHost }

// CallID is the identity of a call, the same for every attempt at it (see
// docs/ARCHITECTURE.md, "Identity"). Wires of our own carry it always; others
// carry it in metadata when at-most-once is asked for.
type CallID struct {
	Client    [16]byte // incarnation of the calling process, random
	Seq       uint64   // number of the call within it, from 1
	Unsettled uint64   // lowest number whose outcome the caller does not know yet
	Repeat    bool     // an earlier attempt may have reached a server
	Server    [16]byte // incarnation this call is meant for; zero is any
}

// Resolver finds the endpoints that serve a name.
type Resolver interface {
	// Watch calls update with the whole list, at once and after each change,
	// until ctx ends. An error is reported by update(nil, err), and the last
	// good list stays in use. Calls of update do not overlap.
	Watch(ctx context.Context, update func([]Endpoint, error))
}

// Endpoints is a Resolver of a list that never changes.
type Endpoints []Endpoint

// Watch reports e once.
func (e Endpoints) Watch(_ context.Context, update func([]Endpoint, error)) { update(e, nil) }

// Target is a name, the wire to reach it by, and who resolves it. Wire packages
// make them: h2.To("dns:///guide.example:8443").
type Target struct {
	Name     string
	Wire     Wire
	Resolver Resolver
	// Err is why the target is of no use: the address could not be understood.
	// Dial returns it.
	Err error
}

// Credentials adds metadata that proves who the caller is.
type Credentials interface {
	// Metadata returns the pairs to add to one call. It may block within ctx,
	// to fetch a fresh token.
	Metadata(ctx context.Context, m *Method, peer *Peer) (Metadata, error)
}

// BearerToken is a fixed OAuth 2.0 bearer token (RFC 6750). A call that carries
// one fails, before anything is sent, on a session that is neither encrypted
// nor local to this machine.
type BearerToken string

// Metadata returns the authorization header.
func (t BearerToken) Metadata(context.Context, *Method, *Peer) (Metadata, error) {
	return Metadata{{"authorization", "Bearer " + string(t)}}, nil
}

// Default limits of the contract. A Config field of the same name changes each.
const (
	DefaultMaxReceive  = 4 << 20          // bytes in one received message
	DefaultSafetyNet   = 30 * time.Minute // a unary call without a deadline gives up
	DefaultMaxSessions = 8                // sessions of one Conn to one endpoint
	DefaultDrainTime   = 10 * time.Second // Serve waits for calls when its context ends
)
