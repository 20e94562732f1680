package engine

// Limits and timers of docs/rudp.md, 5.6 and 5.7, that the codecs need.
const (
	// CookieBytes bounds a cookie or token.
	CookieBytes = 64
	// HelloBytes is the least length of a HELLO that is answered: longer than
	// any RETRY or VERSIONS.
	HelloBytes = 128
	// MaxVersions is how many versions VERSIONS and the versions parameter list.
	MaxVersions = 16
	// CryptoBytes bounds one level's CRYPTO stream.
	CryptoBytes = 64 << 10
	// ParamBytes bounds the transport parameters of one end, MaxParams their count.
	ParamBytes = 1024
	MaxParams  = 64
	// AgentBytes is how much of a user agent is sent.
	AgentBytes = 256
	// MostAckDelay, in microseconds, and MostTime, in milliseconds, bound times in
	// parameters: nobody means more, and sums of them must not overflow.
	MostAckDelay = 16_000_000
	MostTime     = 1 << 40
	// CookieLife and TokenLife are in seconds.
	CookieLife = 15
	TokenLife  = 24 * 3600
	// BaseMTU is the UDP payload that every path must carry.
	BaseMTU = 1200
	// DefaultAckDelay is AckDelay in microseconds, DefaultKeepAlive is KeepAlive in
	// milliseconds: what a peer that says nothing means.
	DefaultAckDelay  = 10_000
	DefaultKeepAlive = 1_000
	// LeastCredit bounds a head, and is the least first_credit.
	LeastCredit = 16 << 10
	// MaxHeaderFields bounds one fields by count; by bytes it is MaxHeaderBytes
	// of the configuration. A field counts FieldBytes on top of its text.
	MaxHeaderFields = 100
	FieldBytes      = 32
	// StatusBytes bounds STATUS without its fields, MaxDetails the details in it.
	StatusBytes = 32 << 10
	MaxDetails  = 128
	// AckRanges bounds the ranges of an ACK, the first one counted.
	AckRanges = 64
	// ProbeCalls bounds the calls of PROBE and WORKING.
	ProbeCalls = 64
	// ReasonBytes is Reason: it bounds the texts of CLOSE and ENDED.
	ReasonBytes = 1024
	// DictEntries and DictBytes bound a dictionary at the end that fills it and
	// the one that keeps it. DefineBytes is the longest string that a sender
	// defines, PacketDefines the most ids that one opening frame may need beside
	// it in its packet.
	DictEntries   = 256
	DictBytes     = 16 << 10
	DefineBytes   = 256
	PacketDefines = 3
)

// Limit is a bound that a peer can run into (5.7). Each has a counter; see
// Config.Hit.
type Limit uint8

// The limits.
const (
	LimitSlots     Limit = iota // MaxSlots
	LimitReplies                // ReplyBudget, ReplyTotal
	LimitReceive                // ReceiveBudget
	LimitAssembly               // Assembly
	LimitGaps                   // Gaps
	LimitIdle                   // IdleFrames
	LimitCancels                // Cancels
	LimitHeader                 // MaxHeaderBytes, MaxHeaderFields
	LimitMessage                // MaxReceive
	LimitStall                  // StallTimeout
	LimitSent                   // SentPackets
	LimitCrypto                 // CryptoBytes
	LimitKeys                   // KeyFailures
	LimitOld                    // ReplayWindow
	LimitResetRate              // ResetRate
	LimitProtocol               // any other error that ended the session
	NumLimits
)

var limitNames = [NumLimits]string{"slots", "replies", "receive-budget", "assembly", "gaps", "idle-frames", "cancels", "header",
	"message", "stall", "sent-packets", "crypto", "key-failures", "replay-window", "resets", "protocol"}

// String returns the limit's name, as the documentation has it.
func (l Limit) String() string { return limitNames[l] }

const (
	receiveBudget = 256 << 20
	replyTotal    = 256 << 20
)

// Timers and limits of docs/rudp.md that are not in Config. Times are nanoseconds.
const (
	microsecond = 1000
	millisecond = 1000 * microsecond
	second      = 1000 * millisecond

	lazyAck      = 200 * millisecond
	firstPTO     = 333 * millisecond
	granularity  = millisecond
	ptoMax       = second
	resendGap    = millisecond
	lostAfter    = 10 * second
	idleTimeout  = 300 * second
	natKeepAlive = 25 * second
	handshakeFor = 10 * second
	keyAge       = 3600 * second
	mtuRaise     = 600 * second
	stallTimeout = 10 * second
	roomAgain    = 20 * millisecond // to look again for room that other sessions hold
	resetProof   = 100 * millisecond

	slotsTop       = 4096
	maxHeaderBytes = 8 << 10
	firstCredit    = 68 << 10
	maxWindow      = 8 << 20
	assembly       = 16 << 20
	replyBudget    = 16 << 20
	leastRate      = 256
	crowdRate      = 16 << 10
	gaps           = 256
	turn           = 16 << 10
	ackEvery       = 8
	reorderPackets = 3
	replayWindow   = 8192
	sentPackets    = 16384
	keyPackets     = 1 << 22
	keyFailures    = 1 << 36
	idleFrames     = 4096
	idleRefill     = 16
	idlePeriod     = 2 * millisecond
	cancelFactor   = 4
	cancelRefill   = 4
	cancelPeriod   = 30 * millisecond
	honestCall     = millisecond
)
