package engine

// Limits that are not worth a Config field. The others are in Config.
const (
	// maxContinuations bounds the CONTINUATION frames of one header block
	// (CVE-2024-27316 and its kin): eight full ones hold 128 KiB.
	maxContinuations = 8
	// maxControl is the longest frame other than DATA, HEADERS and unknown ones
	// that is read: SETTINGS and GOAWAY are short.
	maxControl = 4096
	// maxInformational bounds the 1xx responses before the final one.
	maxInformational = 16
	// maxProvoked bounds the answers (PING and SETTINGS acknowledgements,
	// resets) that wait for a peer which sends but does not read.
	maxProvoked = 2000
	// controlBurst and controlRate bound frames that carry nothing: PING,
	// SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA, unknown types. A frame of
	// data gives one back and a finished call controlRefill, so that a busy
	// peer's own are never counted against it.
	controlBurst  = 4096
	controlPeriod = 2_000_000 // nanoseconds for one more
	controlRefill = 16
	// updateBytes of DATA that we send give one more token: clients that read in
	// small pieces give credit in small pieces.
	updateBytes = 512
	// A stream that the peer resets costs a token of the reset bucket, whose
	// size is resetFactor x MaxStreams. A finished call gives resetRefill back,
	// and a handler that had run for honestRun gives its own back.
	resetFactor = 4
	resetRefill = 4
	resetPeriod = 30_000_000 // nanoseconds for one more
	honestRun   = 1_000_000  // nanoseconds
	// maxForeignPings is how many PINGs a peer that is not known to be Lupine
	// gets while it sends neither HEADERS nor DATA: grpc-go's default policy
	// closes the connection at the third.
	maxForeignPings = 2
	// chunk is the most DATA that one stream sends before the next has its turn.
	chunk = 16 << 10
	// soloChunk is the same while no other stream is waiting.
	soloChunk = 64 << 10

	defaultWindow = 65535     // RFC 9113, 6.9.2
	maxWindow     = 1<<31 - 1 // RFC 9113, 6.9.1
	minMaxFrame   = 1 << 14
	maxMaxFrame   = 1<<24 - 1
	maxStreamID   = 1<<31 - 1
)

// Limit is a bound that a peer can run into. Each has a counter; see Config.Hit.
type Limit uint8

// The limits.
const (
	LimitResets        Limit = iota // resetFactor
	LimitControl                    // controlBurst
	LimitAnswers                    // maxProvoked
	LimitContinuation               // maxContinuations
	LimitHeaderBlock                // blockLimit
	LimitFrame                      // maxControl, headerFrame, MaxFrame
	LimitHeaderList                 // MaxHeaderBytes, MaxHeaderFields
	LimitStreams                    // MaxStreams
	LimitInformational              // maxInformational
	LimitLate                       // DATA for streams that are gone
	LimitProtocol                   // any other error that ended the connection
	NumLimits
)

var limitNames = [NumLimits]string{"resets", "control-frames", "answers", "continuation", "header-block", "frame-size", "header-list",
	"streams", "informational", "late-data", "protocol"}

// String returns the limit's name, as the documentation has it.
func (l Limit) String() string { return limitNames[l] }

// Config is fixed when a Conn is made. All fields must be set.
type Config struct {
	Server bool
	// MaxStreams is how many streams the peer may have open, counting those
	// whose handlers still run. Clients accept none.
	MaxStreams uint32
	// StreamWindow is the receive window of a new stream; at least 65535 bytes.
	StreamWindow int32
	// ConnWindow is the receive window of the connection.
	ConnWindow int32
	// MaxWindow bounds streams' windows when they grow with the path.
	MaxWindow int32
	// Assembly bounds, in bytes, the extra window given to messages that do not
	// fit their stream's window, all streams together. One message may exceed it.
	Assembly int64
	// MaxHeaderBytes and MaxHeaderFields bound a header block as decoded
	// (RFC 9113, 6.5.2 counts 32 bytes for each field on top of its text).
	MaxHeaderBytes, MaxHeaderFields int
	// MaxFrame is the largest frame accepted.
	MaxFrame uint32
	// KeepAlive is how long a peer may be silent, with streams open, before it
	// gets a PING, and KeepAliveTimeout how long it may then stay silent.
	// Nanoseconds; zero or less turns it off.
	KeepAlive, KeepAliveTimeout int64

	// NewStream makes the Stream for a request that came in. Servers only. It
	// is called by Next.
	NewStream func() *Stream
	// Hit, if set, is called when the peer runs into a limit.
	Hit func(Limit)
	// Drained is called by Pump and Next when the last of a stream's pending
	// data has been framed: the bytes handed to Send may be used again.
	Drained func(*Stream)
}
