package lupine

import (
	"context"
	"time"
)

// Call is one call as its caller's side knows it: what interceptors see and
// change, and what a wire reads. It is valid until the call has ended, and must
// not be kept longer.
type Call struct {
	Method *Method
	// Header is the request metadata. Interceptors may add to it.
	Header Metadata
	// ID is zero unless the wire or the call needs an identity.
	ID CallID
	// MaxReceive and MaxSend bound one message, in bytes, after decompression
	// and before compression. They are never zero; negative means no limit.
	MaxReceive, MaxSend int
	// Compressor names how to compress request messages: "gzip", "zstd", or
	// empty for not at all.
	Compressor string
	// WaitForReady makes the call wait through failed dials, until its context
	// ends.
	WaitForReady bool
	// Queue makes the session wait for its peer to allow another call, within the
	// call's context, where it would return [ErrFull]. It is for wires to read.
	Queue bool
	// Credentials are asked for metadata on each attempt; nil means none.
	Credentials Credentials
	// GiveUp is when a caller without a deadline gives up. It is never sent.
	// Zero means never. Wires check it at least once a second, no finer.
	GiveUp time.Time

	// What came back. A wire sets these before Invoke returns, or before the
	// Recv that ends the stream does.
	ReplyHeader  Metadata
	ReplyTrailer Metadata

	opts     callResults
	attempt  int
	reserved attempt // of Start, for the first attempt
	observe  func(Event)
}

// callResults is where options ask results to be put.
type callResults struct {
	header, trailer *Metadata
	peer            *Peer
	atMostOnce      bool
}

// CallOption changes one call. Options are plain values, so that passing them
// costs no allocation.
type CallOption struct {
	kind optionKind
	n    int
	s    string
	md   Metadata
	p    any
}

type optionKind uint8

const (
	optHeader optionKind = iota + 1
	optReplyHeader
	optReplyTrailer
	optPeer
	optMaxReceive
	optMaxSend
	optCompressor
	optWaitForReady
	optFailFast
	optCredentials
	optAtMostOnce
)

// WithHeader adds request metadata.
func WithHeader(md Metadata) CallOption { return CallOption{kind: optHeader, md: md} }

// ReplyHeader stores the reply's header in *md when the call ends.
func ReplyHeader(md *Metadata) CallOption { return CallOption{kind: optReplyHeader, p: md} }

// ReplyTrailer stores the reply's trailer in *md when the call ends, whether it
// failed or not.
func ReplyTrailer(md *Metadata) CallOption { return CallOption{kind: optReplyTrailer, p: md} }

// PeerInfo stores who answered in *p when the call ends.
func PeerInfo(p *Peer) CallOption { return CallOption{kind: optPeer, p: p} }

// MaxReceive bounds a received message, in bytes; negative means no limit.
// Zero leaves the Conn's limit.
func MaxReceive(n int) CallOption { return CallOption{kind: optMaxReceive, n: n} }

// MaxSend bounds a sent message, in bytes; negative means no limit. Zero leaves
// the Conn's limit.
func MaxSend(n int) CallOption { return CallOption{kind: optMaxSend, n: n} }

// Compress compresses request messages by the named method: "gzip" or "zstd".
func Compress(name string) CallOption { return CallOption{kind: optCompressor, s: name} }

// WaitForReady makes the call wait for a session instead of failing when a dial
// has failed. If its context ends first, the error carries the last dial's.
func WaitForReady() CallOption { return CallOption{kind: optWaitForReady} }

// FailFast undoes a Conn's WaitForReady for this call.
func FailFast() CallOption { return CallOption{kind: optFailFast} }

// WithCredentials replaces the Conn's credentials for this call.
func WithCredentials(c Credentials) CallOption { return CallOption{kind: optCredentials, p: c} }

// AtMostOnce asks that the call never runs twice, whatever is repeated on the
// way. It fails, not executed, on a wire that cannot promise it.
func AtMostOnce() CallOption { return CallOption{kind: optAtMostOnce} }

func (c *Call) apply(opts []CallOption) {
	for i := range opts {
		o := &opts[i]
		switch o.kind {
		case optHeader:
			if c.Header == nil {
				c.Header = o.md[:len(o.md):len(o.md)]
			} else {
				c.Header = append(c.Header[:len(c.Header):len(c.Header)], o.md...)
			}
		case optReplyHeader:
			c.opts.header = o.p.(*Metadata)
		case optReplyTrailer:
			c.opts.trailer = o.p.(*Metadata)
		case optPeer:
			c.opts.peer = o.p.(*Peer)
		case optMaxReceive:
			if o.n != 0 {
				c.MaxReceive = o.n
			}
		case optMaxSend:
			if o.n != 0 {
				c.MaxSend = o.n
			}
		case optCompressor:
			c.Compressor = o.s
		case optWaitForReady:
			c.WaitForReady = true
		case optFailFast:
			c.WaitForReady = false
		case optCredentials:
			c.Credentials, _ = o.p.(Credentials)
		case optAtMostOnce:
			c.opts.atMostOnce = true
		}
	}
}

// deliver hands out what options asked for.
func (c *Call) deliver() {
	if c.opts.header != nil {
		*c.opts.header = c.ReplyHeader
	}
	if c.opts.trailer != nil {
		*c.opts.trailer = c.ReplyTrailer
	}
}

// Attempt returns the number of this attempt at the call, from 1.
func (c *Call) Attempt() int { return c.attempt }

// Hooks watch calls, for telemetry. A Conn or a Server calls it as each call
// begins; the context it returns is the one the call goes on with, and the
// function it returns, unless nil, is told each event. Events of a call come one
// at a time, except that Sent and Received of a stream may overlap.
type Hooks func(ctx context.Context, info CallInfo) (context.Context, func(Event))

// CallInfo says which call begins.
type CallInfo struct {
	Method *Method
	Server bool     // we are the handler's side
	Header Metadata // request metadata, read-only
	Peer   *Peer    // the caller, at the server; nil at the client
}

// Event is something that happened in a call.
type Event struct {
	Kind    EventKind
	Attempt int   // from 1; 0 for events of the whole call
	Bytes   int   // encoded size of the message, with Sent and Received
	Peer    *Peer // who it is with, from Begin on
	Err     error // with End and AttemptEnd; nil means OK
}

// EventKind says what happened.
type EventKind uint8

// The events. At a server there are no attempts: Received, Sent and End only.
const (
	AttemptBegin EventKind = iota + 1 // a session was chosen
	Sent                              // a message was handed to the transport
	FirstByte                         // the first bytes of the reply came
	Received                          // a message was received
	AttemptEnd                        // the attempt is over
	End                               // the call is over
)

// Sent tells hooks that a message of so many encoded bytes was handed to the
// transport. It is for wires.
func (c *Call) Sent(bytes int) { c.event(Event{Kind: Sent, Bytes: bytes}) }

// FirstByte tells hooks that the reply's first bytes came. It is for wires.
func (c *Call) FirstByte() { c.event(Event{Kind: FirstByte}) }

// Received tells hooks that a message of so many encoded bytes was received. It
// is for wires.
func (c *Call) Received(bytes int) { c.event(Event{Kind: Received, Bytes: bytes}) }

func (c *Call) event(e Event) {
	if c.observe != nil {
		e.Attempt = c.attempt
		c.observe(e)
	}
}
