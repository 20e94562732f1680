package engine

import (
	"fmt"

	"github.com/lupine-rpc/lupine/wire/h2/internal/hpack"
)

// Conn is one connection.
type Conn struct {
	// Out is what is to be written. The owner takes it with TakeOut.
	Out []byte
	// Enc encodes header blocks, between BeginHeaders and EndHeaders.
	Enc *hpack.Encoder
	// Head is the header block of the last EventHeaders; it and its strings are
	// good until the next Next, except where hpack.Field says otherwise.
	Head *Head

	cfg     Config
	dec     *hpack.Decoder
	peer    peerSettings
	streams table
	held    uint32 // server: streams that have not been released
	// lingering streams of a server are released and still open: their replies
	// wait for the client's windows.
	lingering uint32
	nextID    uint32 // client: of the next stream
	maxPeer   uint32 // server: highest id that the peer opened
	// recent holds ids that we have reset, whose frames may still be coming.
	recent     map[uint32]struct{}
	recentRing []uint32
	recentSize int
	late       int64 // bytes of DATA that may still be coming for those
	recentAt   int

	preface int // bytes of the client's preface still to come
	// What is left of the DATA or unknown frame being read.
	inData     bool
	dataPadded bool // the padding length is still to come
	dataEnd    bool
	dataStream *Stream // nil: nobody wants it
	dataLeft   uint32
	padLeft    uint32
	skip       uint32

	// Header blocks: where one is decoded, and those that are kept.
	head Head
	kept keptHeadSet

	// The header block being read.
	block         []byte
	blockStream   uint32 // 0: none
	blockEnd      bool
	blockSelfDep  bool
	continuations int

	sendWindow   int64
	recvWindow   int64 // what the peer may still send
	recvTarget   int64
	streamTarget int64
	assembling   int64 // sum of grants
	wantFirst    *Stream
	wantLast     *Stream
	burst        burst
	readyFirst   *Stream
	readyLast    *Stream
	headersAt    int

	settingsUnacked bool
	provoked        int // answers in Out
	answered        int // streams that Out ends
	controls        bucket
	resets          bucket

	lastRead     int64
	lastData     int64 // last HEADERS or DATA from the peer
	pingSent     int64 // keepalive PING under way since then; 0: none
	pingsInQuiet int   // PINGs that the peer may have got since it last sent HEADERS or DATA
	pingsOut     int   // PINGs not acknowledged yet
	bdp          bdp
	drainPing    bool

	goAwaySent   bool   // the final one
	goAwayLast   uint32 // its last stream
	drainStarted bool
	goAwayGot    bool
	failed       bool

	// Counters, for metrics.
	Stats Stats
}

// Stats counts what a Conn has seen.
type Stats struct {
	Opened, Refused, PeerResets, LocalResets, Pings uint64
}

// New returns a Conn whose Out holds what must be sent first.
func New(cfg Config, now int64) *Conn {
	c := &Conn{
		cfg: cfg, Enc: hpack.NewEncoder(), dec: hpack.NewDecoder(hpack.DefaultTableSize),
		peer:       peerSettings{maxStreams: 100, window: defaultWindow, maxFrame: minMaxFrame, headerList: 1<<32 - 1},
		sendWindow: defaultWindow, recvTarget: int64(max(cfg.ConnWindow, defaultWindow)),
		streamTarget: int64(cfg.StreamWindow), nextID: 1, lastRead: now, lastData: now,
	}
	c.Head = &c.head
	c.controls = bucket{tokens: controlBurst, size: controlBurst, period: controlPeriod, last: now}
	if cfg.Server {
		c.preface = len(Preface)
	}
	n := int64(resetFactor) * int64(max(cfg.MaxStreams, 256))
	c.resets = bucket{tokens: n, size: n, period: resetPeriod, last: now}
	c.recentSize = int(min(n, 4096))
	c.late = c.firstWindow()
	c.start()
	return c
}

// Streams returns how many streams are open.
func (c *Conn) Streams() int { return c.streams.n }

// Held returns how many streams of a server are open or not released.
func (c *Conn) Held() int { return int(c.held) }

// EachAbove calls f for the open streams with ids above last, oldest first. f
// may close the stream it is given.
func (c *Conn) EachAbove(last uint32, f func(*Stream)) {
	for s := c.streams.first; s != nil; {
		next := s.nextStream
		if s.ID > last {
			f(s)
		}
		s = next
	}
}

// PeerSettled reports whether the peer's SETTINGS have come.
func (c *Conn) PeerSettled() bool { return c.peer.seen }

// PeerIsLupine reports whether the peer has said that it is Lupine.
func (c *Conn) PeerIsLupine() bool { return c.peer.lupine }

// PeerHeaderList is the largest header list the peer accepts, in bytes.
func (c *Conn) PeerHeaderList() uint32 { return c.peer.headerList }

// SettingsAcked reports whether the peer has acknowledged our SETTINGS.
func (c *Conn) SettingsAcked() bool { return !c.settingsUnacked }

// TakeOut returns what is to be written and leaves spare, emptied, in its place.
func (c *Conn) TakeOut(spare []byte) []byte {
	b := c.Out
	c.Out = spare[:0]
	c.provoked, c.answered = 0, 0
	return b
}

// fail ends the connection: it tells the peer and returns err.
func (c *Conn) fail(err *Error) error {
	if !c.failed {
		c.failed = true
		if err.Code != EnhanceYourCalm {
			c.hit(LimitProtocol)
		}
		last := c.maxPeer
		if c.goAwaySent {
			last = c.goAwayLast
		}
		c.Out = appendGoAway(c.Out, last, err.Code, err.Reason)
	}
	return err
}

// Fail ends the connection with an error of the owner's.
func (c *Conn) Fail(code Code, reason string) { c.fail(&Error{code, reason}) }

// hit counts that the peer ran into a limit.
func (c *Conn) hit(l Limit) {
	if c.cfg.Hit != nil {
		c.cfg.Hit(l)
	}
}

// calm is the error of a peer that ran into a limit of the connection.
func (c *Conn) calm(l Limit, format string, args ...any) *Error {
	c.hit(l)
	return &Error{EnhanceYourCalm, fmt.Sprintf(format, args...)}
}

// provoke counts an answer that the peer made us send.
func (c *Conn) provoke() *Error {
	c.provoked++
	if c.provoked > maxProvoked {
		return c.calm(LimitAnswers, "%d answers wait for a peer that does not read", c.provoked)
	}
	return nil
}

// control counts a frame that carries nothing.
func (c *Conn) control(now int64) *Error {
	if c.controls.take(now) {
		return nil
	}
	return c.calm(LimitControl, "too many frames that carry nothing")
}

// abused counts a stream that the peer began and threw away.
func (c *Conn) abused(now int64) *Error {
	if c.resets.take(now) {
		return nil
	}
	return c.calm(LimitResets, "too many streams reset before they were answered")
}

// bucket is a token bucket that refills with time and with honest work.
type bucket struct {
	tokens, size int64
	period       int64
	last         int64
}

func (b *bucket) take(now int64) bool {
	if b.tokens <= 0 {
		n := (now - b.last) / b.period
		if n <= 0 {
			return false
		}
		b.give(n)
		b.last = now
	}
	if b.tokens == b.size {
		b.last = now // time before the first loss earns nothing
	}
	b.tokens--
	return true
}

func (b *bucket) give(n int64) { b.tokens = min(b.tokens+n, b.size) }
