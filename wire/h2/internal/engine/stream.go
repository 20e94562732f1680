package engine

import "github.com/lupine-rpc/lupine/wire/h2/internal/hpack"

// Stream is one stream of a Conn. The owner may embed it and reuse it once it
// is Closed (and, at a server, released): Reset it to its zero value first.
// Its exported fields may be read under the owner's lock.
type Stream struct {
	ID uint32
	// Owner is the owner's.
	Owner any
	// Opened is when the stream began.
	Opened int64

	gotHeaders bool // the first header block, 1xx apart, has come
	RecvEnd    bool // the peer has sent END_STREAM
	SentEnd    bool // we have sent END_STREAM
	Closed     bool // not in the Conn any more
	refunded   bool
	released   bool
	peerReset  bool
	info       uint8

	sendWindow int64
	recvWindow int64 // what the peer may still send
	target     int64 // what it may send when we have read everything
	unread     int64 // bytes that the owner has not Consumed
	grant      int64 // extra window for the message being assembled
	wanted     int64 // grant asked for and not given yet

	contentLength int64 // what content-length still promises; -1: nothing

	pending    []byte // data that waits for window or for room in Out
	pendingEnd bool
	tailBlock  *hpack.Block
	tail       []hpack.Pair
	hasTail    bool

	bursting               bool // its data is being written from where it is
	queued                 bool // in the list of streams ready to send
	nextReady              *Stream
	nextWant               *Stream
	inWant                 bool
	prevStream, nextStream *Stream // all streams, oldest first
}

// Pending reports whether data handed to Send still waits.
func (s *Stream) Pending() bool { return len(s.pending) > 0 }

// Withheld reports whether the peer must wait for window before it may send more.
func (s *Stream) Withheld() bool { return s.recvWindow <= 0 }

// PendingBytes is how much data handed to Send still waits.
func (s *Stream) PendingBytes() int { return len(s.pending) }
