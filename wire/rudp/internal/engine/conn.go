package engine

import (
	"errors"

	"github.com/lupine-rpc/lupine"
)

// Why a call cannot begin.
var (
	// ErrFull: all slots that the peer takes calls on are in use. EventRoom tells when
	// one is free.
	ErrFull = errors.New("the peer's limit on concurrent calls is reached")
	// ErrDown: the session takes no new calls.
	ErrDown = errors.New("the session takes no more calls")
)

// Conn is one session, either end (8.2).
type Conn struct {
	cfg Config
}

type slot struct{ mine bool }

// RTT is what is known of the path's round trip (5.3; RFC 9002).
type RTT struct{}

// New makes a session. Config.Rand and Local.Incarnation have to be set.
func New(cfg Config, now int64) *Conn { return &Conn{cfg: cfg} }

// Opener returns what opens the session's datagrams. It may be used without
// the session's lock.
func (c *Conn) Opener() *Opener { return nil }

// Receive takes in a packet (2.1). Its bytes are the owner's again once the events
// have been taken. A batch of packets ends with a call of Flush.
func (c *Conn) Receive(now int64, p *Packet) {}

// Crypto takes in what TLS said (3.1).
func (c *Conn) Crypto(now int64, e CryptoEvent) {}

// Tick is called when Next has come, or later. What the socket had before has
// been given to Receive then.
func (c *Conn) Tick(now int64) {}

// Hint takes in what nobody vouches for.
func (c *Conn) Hint(now int64, h Hint) {}

// Begin begins a call (4.1). last says that message is all of the request. A
// unary call has one message and last; a stream's message may be empty. The error
// is ErrFull, ErrDown, or a *TooLarge for the head; no slot is taken then.
func (c *Conn) Begin(now int64, call *Call, head *Head, message Message, last bool) error {
	return ErrDown
}

// Write sends more, in either stream: of a request, last is the half-close. Of
// a reply, Finish ends it.
func (c *Conn) Write(now int64, call *Call, message Message, last bool) {}

// Cancel ends a call of ours at once: the engine forgets it, and no event comes.
// It returns No if no datagram with it was made, else Maybe (4.1).
func (c *Conn) Cancel(now int64, call *Call) lupine.Executed { return lupine.Maybe }

// Consumed says that the application took n bytes of messages of the call, where
// those of one message count as its length.
func (c *Conn) Consumed(now int64, call *Call, n int) {}

// Header sends the reply's header, before its first message; later calls do nothing.
func (c *Conn) Header(now int64, call *Call, md lupine.Metadata) {}

// Finish says that the handler has returned; end nil is OK. The engine has
// forgotten the call when it returns, but for its messages (4.2).
func (c *Conn) Finish(now int64, call *Call, end *lupine.Error, trailer lupine.Metadata) {}

// Refuse ends a call whose handler was not started, with ENDED. The engine has
// forgotten the call when it returns.
func (c *Conn) Refuse(now int64, call *Call, code lupine.Code, executed lupine.Executed, reason string) {
}

// Drain makes no more calls and takes none; the session ends when those under
// way have (4.3).
func (c *Conn) Drain(now int64) {}

// Close ends the session and all its calls (4.3).
func (c *Conn) Close(now int64, code Code, reason string) {}

// Poll puts datagrams into b until it is full or nothing is left to send. It
// reports whether it put one (8.2).
func (c *Conn) Poll(now int64, b *Batch) bool { return false }

// Event takes the next event.
func (c *Conn) Event() (Event, bool) { return Event{}, false }

// Next returns when Tick is due; 0: never.
func (c *Conn) Next() int64 { return 0 }

// Flush says that a batch of packets has been received, and that handlers that
// were run for it have replied: ACKs that are due with it leave at the next Poll (5.2).
func (c *Conn) Flush(now int64) {}

// Unsent returns how many bytes of the call's messages wait to be sent.
func (c *Conn) Unsent(call *Call) int { return 0 }

// Room returns how many calls may begin now.
func (c *Conn) Room() int { return 0 }

// Peer returns the peer's parameters, once the handshake has them.
func (c *Conn) Peer() *Params { return c.cfg.Peer }
