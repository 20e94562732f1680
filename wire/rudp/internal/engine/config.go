package engine

import "sync/atomic"

// Config is fixed when a Conn is made. Times are nanoseconds, sizes bytes.
// Fields that are zero get the default that docs/rudp.md gives for their name,
// unless their comment says otherwise (5.6, 5.7).
type Config struct {
	// Server says which end of the session this is.
	Server bool
	// Mode is how the session is sealed. Zero is ModePlain.
	Mode Mode
	// ID is HELLO's: the client draws it, the server has it from the client's HELLO.
	ID uint64
	// Index is our name for the session, not 0; PeerIndex the peer's for it, which
	// a client does not know before the handshake.
	Index, PeerIndex uint32
	// Cookie is what the first HELLO of a client carries: a token that an earlier
	// session got, or nothing.
	Cookie []byte
	// Token is what a server gives its client for the next session, or nothing.
	Token []byte
	// Local are our parameters. Incarnation has to be set, in plain mode the
	// server's Salt. Fields that are zero and have a default in 5.6 and 5.7 get
	// it: FirstCredit, AckDelay, IdleTimeout, MaxDatagram, MaxHeader,
	// DictEntries, DictBytes, KeepAlive, Versions. MaxSlots is taken as it is.
	Local Params
	// Peer, if set, are the peer's parameters: the session is open from the start
	// and there is no handshake. PeerIndex and Seal are set too then.
	Peer *Params
	// Seal, with Peer, seals both directions of the session.
	Seal Sealer
	// Suite makes keys of what TLS says. Nil is NewKeys.
	Suite func(suite uint16, secret []byte) (Keys, error)
	// Rand draws random numbers: jitter, salts, challenges. It has to be set.
	Rand func() uint64
	// Congestion makes what decides how much may be under way, for datagrams of so many
	// bytes of UDP payload at first. It is called again when the path is another one. Nil
	// is NewCubic.
	Congestion func(datagram int) Controller
	// Budget is shared by the sessions of a listener or of a target. Nil is one of
	// this session's own.
	Budget *Budget
	// Identity, if set, is asked about requests that have an identity (4.2.1).
	Identity func(call *Call, head *HeadIn) Known
	// Buffer makes the buffers of received messages that came in more than one
	// frame; they are the owner's. Nil is make.
	Buffer func(n int) []byte
	// Hit, if set, is called when the peer runs into a limit.
	Hit func(Limit)

	MaxSlotsTop uint64 // how far MAX_SLOTS is raised
	// MaxReceive bounds one message, until the owner sets Call.MaxReceive; zero and
	// less are no limit.
	MaxReceive   int
	FirstPTO     int64
	SuspectAfter int64
	LostAfter    int64 // negative: until the calls' deadlines
	// NatKeepAlive is for clients that host services; negative: never.
	NatKeepAlive     int64
	HandshakeTimeout int64
	StallTimeout     int64
	MaxWindow        int64
	Assembly         int64
	ReplyBudget      int64
	// MTU is the longest datagram that may be tried for; zero is Ethernet's, see
	// MTUSteps. SameHost is for loopback, where ICMP is believed and the largest step
	// may be tried.
	MTU      int
	SameHost bool
	// ECN says that the socket reads and sets marks.
	ECN bool

	hooks hooks
}

// Budget is the memory that the sessions of a listener share (5.4, 5.7). It may
// be used from several goroutines.
type Budget struct {
	// Receive bounds messages being reassembled and reservations: ReceiveBudget.
	// Replies bounds replies that wait in slots: ReplyTotal.
	Receive, Replies int64

	receive, replies, reserved atomic.Int64
	short                      atomic.Int64 // when a message was last refused a reservation for want of Receive
	pools                      pools
}

// NewBudget returns one with the defaults of 5.7.
func NewBudget() *Budget { return &Budget{Receive: receiveBudget, Replies: replyTotal} }

// Used returns how much of Receive and Replies is in use.
func (b *Budget) Used() (receive, replies int64) {
	return b.receive.Load() + b.reserved.Load(), b.replies.Load()
}

// Known is what is known of the identity of a request (4.2.1).
type Known uint8

// The answers (4.2.1).
const (
	KnownNew      Known = iota // run it
	KnownLost                  // a repeat of what is not known, or meant for another server: Unavailable Maybe
	KnownOther                 // another method or request under this identity: FailedPrecondition Maybe
	KnownAttached              // the owner will end the call with what the first one gets; no handler starts
)

// hooks let a simulation plant bugs, and look at steps that have no event. The
// fields are nil outside of tests.
type hooks struct {
	// frame is called before a frame takes effect, with a frame that it may change;
	// true drops the frame.
	frame func(c *Conn, p *Packet, f *Frame) bool
	// took is called after a frame took effect.
	took func(c *Conn, p *Packet, f *Frame)
	// made is called when a datagram was built, with the batch's bytes up to its end.
	made func(c *Conn, d *Datagram, b []byte)
	// tick is called before each Tick.
	tick func(c *Conn, now int64)
	// opened is called by Conn.Receive with each packet, before its frames are read.
	opened func(c *Conn, p *Packet) bool
}
