package engine

import (
	"errors"
	"net/netip"

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

// phase is where a session stands (4.3).
type phase uint8

const (
	phaseHandshake phase = iota
	phaseOpen
	phaseClosing
	phaseGone
)

// level is what the packets of one level share (2.2).
type level struct {
	came      came
	acked     uint64 // one more than the highest number that was acked; 0: none
	lossAt    int64  // when a packet before it is lost; 0: none
	eliciting int    // packets under way that ask for an ack and have a PTO
	lastSent  int64  // the last of them
	crypto    outflow
	cryptoIn  inflow
	dropped   bool // its keys are gone, or never were
}

// Conn is one session, either end (8.2).
type Conn struct {
	cfg    Config
	hooks  hooks
	mode   Mode
	phase  phase
	local  Params
	peer   Params
	peered bool // peer is known
	budget *Budget

	opener   *Opener
	writers  [3]Sealer // by level
	keyPhase uint8
	keys     keyState

	// Packets.
	window     window // numbers that came
	levels     [3]level
	sent       sentLog
	inFlight   int
	rtt        RTT
	cc         Controller
	ptoCount   int
	ptoJitter  int64 // of 1024
	probeLevel Level
	probes     int // datagrams that may be sent beyond the window
	acksSent   uint64
	lazyIn     uint64 // one more than the packet with the lazy replies under way; 0: none
	lazyLeft   int    // those of them that are neither acked nor settled
	lastSent   int64  // last packet that asks for an ack
	mtu        int
	lossStart  int64 // when the first of the packets that a persistent congestion would span was sent

	// Calls.
	mine, theirs []*slot
	free         freeSet
	inUse        int    // of mine, not free
	allowed      uint64 // slots of the peer's that we may use
	announced    uint64 // slots of ours that the peer may use
	theirsBusy   int    // receiving and running
	wantedRoom   bool   // Begin has said ErrFull, or Room that there is none
	queues       [numQueues]queue
	wanting      []*slot // wait for room for a message
	reserved     int64
	roomTurns    int
	turns        int // datagrams with stream data, for every tenth
	replies      int64
	rdict        *ReadDict
	wdict        *WriteDict
	idle         bucket
	cancels      bucket

	// Session control that waits to be sent.
	wantDone, wantToken, wantMaxSlots, wantDrain, wantPing bool
	wantClose                                              bool
	wantProbe                                              bool
	working                                                []CallName
	challenges                                             []pathAnswer

	session session
	hello   helloState
	path    pathState
	search  mtuState
	pace    Pacer

	events  []Event
	taken   int
	scratch []byte
	direct  []byte // what insert left for view
	frame   Frame
	partial bool // the packet being read has a part of a message
	fill    filler
	calls   []CallName
	now     int64

	// Stats counts what the session has seen.
	Stats Stats
}

// pathAnswer is a PATH_RESPONSE that waits.
type pathAnswer struct {
	data [8]byte
	to   netip.AddrPort
}

// Stats counts what a Conn has seen.
type Stats struct {
	Sent, Received, Lost, Duplicates uint64 // packets
	PTOs, Retransmits                uint64 // PTOs, stream frames sent again
	Began, Came                      uint64 // calls of ours and of the peer's
	Dropped                          uint64 // packets that were not taken: kind, level, index, frames
	Unacked                          uint64 // packets not acked because there was no room for their bytes
}

// New makes a session. Config.Rand and Local.Incarnation have to be set.
func New(cfg Config, now int64) *Conn {
	cfg.defaults()
	c := &Conn{
		cfg: cfg, hooks: cfg.hooks, mode: cfg.Mode, local: cfg.Local, budget: cfg.Budget, cc: cfg.Congestion(BaseMTU),
		mtu: BaseMTU, announced: cfg.Local.MaxSlots, now: now,
	}
	c.sent.init()
	c.rdict = NewReadDict(int(c.local.DictEntries), int(c.local.DictBytes))
	c.idle = newBucket(now, idleFrames, idlePeriod)
	c.cancels = newBucket(now, cancelFactor*int64(max(c.local.MaxSlots, 64)), cancelPeriod)
	c.opener = newOpener(cfg.Index)
	c.session.heard = now
	c.path.init(c)
	c.pickJitter()
	for i := range c.levels {
		c.levels[i].crypto.reset(CryptoBytes)
		c.levels[i].cryptoIn.reset(CryptoBytes, now)
	}
	if cfg.Peer != nil {
		c.levels[LevelInitial].dropped, c.levels[LevelHandshake].dropped = true, true
		c.writers[LevelData] = cfg.Seal
		c.opener.setData(0, cfg.Seal)
		c.learn(*cfg.Peer)
		c.open(now)
		return c
	}
	c.startHandshake(now)
	return c
}

func (cfg *Config) defaults() {
	if cfg.Mode == 0 {
		cfg.Mode = ModePlain
	}
	d := DefaultParams()
	p := &cfg.Local
	for at, normal := range map[*uint64]uint64{
		&p.FirstCredit: firstCredit, &p.AckDelay: d.AckDelay, &p.IdleTimeout: idleTimeout / millisecond, &p.MaxDatagram: mostDatagram,
		&p.MaxHeader: maxHeaderBytes, &p.DictEntries: DictEntries, &p.DictBytes: DictBytes, &p.KeepAlive: d.KeepAlive,
		&cfg.MaxSlotsTop: slotsTop,
	} {
		if *at == 0 {
			*at = normal
		}
	}
	if len(p.Versions) == 0 {
		p.Versions = []byte{Version}
	}
	for at, normal := range map[*int64]int64{
		&cfg.FirstPTO: firstPTO, &cfg.LostAfter: lostAfter, &cfg.NatKeepAlive: natKeepAlive, &cfg.HandshakeTimeout: handshakeFor,
		&cfg.StallTimeout: stallTimeout, &cfg.MaxWindow: maxWindow, &cfg.Assembly: assembly, &cfg.ReplyBudget: replyBudget,
		&cfg.SuspectAfter: int64(p.KeepAlive)*millisecond + 2*second,
	} {
		if *at == 0 {
			*at = normal
		}
	}
	if cfg.Congestion == nil {
		cfg.Congestion = func(datagram int) Controller { return NewCubic(datagram) }
	}
	if cfg.Budget == nil {
		cfg.Budget = NewBudget()
	}
	if cfg.Buffer == nil {
		cfg.Buffer = func(n int) []byte { return make([]byte, n) }
	}
}

// FixedWindow is a Controller whose window never changes.
type FixedWindow int

// Sent does nothing.
func (FixedWindow) Sent(int64, uint64, int, int) {}

// Acked does nothing.
func (FixedWindow) Acked(int64, uint64, int64, int, int, *RTT) {}

// Lost does nothing.
func (FixedWindow) Lost(int64, uint64, int64, int) {}

// Marked does nothing.
func (FixedWindow) Marked(int64, int64) {}

// Persistent does nothing.
func (FixedWindow) Persistent(int64) {}

// Window is w.
func (w FixedWindow) Window() int { return int(w) }

// Rate is 0: no pacing.
func (FixedWindow) Rate() int64 { return 0 }

// SetMaxDatagram does nothing.
func (FixedWindow) SetMaxDatagram(int) {}

// learn takes in the peer's parameters.
func (c *Conn) learn(p Params) {
	c.peer, c.peered = p, true
	c.allowed = p.MaxSlots
	c.wdict = NewWriteDict(p.DictEntries, p.DictBytes)
}

// open begins the time in which calls are made.
func (c *Conn) open(now int64) {
	c.phase = phaseOpen
	c.session.heard, c.session.active = now, now
	c.emit(Event{Kind: EventOpen})
}

// Opener returns what opens the session's datagrams. It may be used without
// the session's lock.
func (c *Conn) Opener() *Opener { return c.opener }

// Peer returns the peer's parameters, or nil while the handshake has not got
// them.
func (c *Conn) Peer() *Params {
	if !c.peered {
		return nil
	}
	return &c.peer
}

// Local returns our parameters, with their defaults.
func (c *Conn) Local() *Params { return &c.local }

// RTT returns what is known of the path.
func (c *Conn) RTT() RTT { return c.rtt }

// Event takes the next event.
func (c *Conn) Event() (Event, bool) {
	if c.taken == len(c.events) {
		if c.taken > 0 {
			clear(c.events)
			c.events, c.taken = c.events[:0], 0
		}
		return Event{}, false
	}
	c.taken++
	return c.events[c.taken-1], true
}

func (c *Conn) emit(e Event) { c.events = append(c.events, e) }

// hit counts that the peer ran into a limit.
func (c *Conn) hit(l Limit) {
	if c.cfg.Hit != nil {
		c.cfg.Hit(l)
	}
}

// waste counts a frame that carries nothing.
func (c *Conn) waste(now int64) *Error {
	if c.idle.take(now) {
		return nil
	}
	c.hit(LimitIdle)
	return &Error{CodeLimit, "too many frames that carry nothing (limit IdleFrames)"}
}

// Room returns how many calls may begin now. If there is no room, EventRoom tells when there
// is some.
func (c *Conn) Room() int {
	if c.phase != phaseOpen || c.session.down {
		return 0
	}
	n := int(min(c.allowed, c.cfg.MaxSlotsTop)) - c.inUse
	if n <= 0 {
		c.wantedRoom = true
	}
	return n
}

// Calls returns how many calls of ours are under way, and how many of the peer's
// are being received or run.
func (c *Conn) Calls() (mine, theirs int) { return c.inUse, c.theirsBusy }

// releaseOut lets go of messages of s that are not needed any more.
func (c *Conn) releaseOut(s *slot) {
	o := &s.out
	for o.first < len(o.pieces) {
		p := &o.pieces[o.first]
		if !o.settled && p.at+uint64(len(p.b)) > o.acked {
			break
		}
		if p.owner != nil {
			c.emit(Event{Kind: EventReleased, Owner: p.owner})
		}
		*p = piece{}
		o.first++
	}
	if s.blocked && s.call != nil && !o.settled && s.out.left() < turn {
		s.blocked = false
		c.emit(Event{Kind: EventWritable, Call: s.call})
	}
	c.account(s)
}

// settle ends what we send in s: the peer needs no more of it (5.1).
func (c *Conn) settle(s *slot) {
	s.out.settled = true
	if s.lazy {
		s.lazy = false
		c.lazyGone()
	}
	c.releaseOut(s)
}

// lazyGone notes that one of the lazy replies under way is not any more.
func (c *Conn) lazyGone() {
	if c.lazyLeft--; c.lazyLeft <= 0 {
		c.lazyIn, c.lazyLeft = 0, 0
	}
}

// account keeps the book of replies (5.4).
func (c *Conn) account(s *slot) {
	if s.mine {
		return
	}
	kept := int64(s.out.held())
	if s.kept != kept {
		c.replies += kept - s.kept
		c.budget.replies.Add(kept - s.kept)
		s.kept = kept
	}
}

// refund gives back what s holds of what came.
func (c *Conn) refund(s *slot) {
	in := &s.in
	if in.tiles.size > 0 {
		in.tiles.clear(&c.budget.pools)
	}
	in.buf = nil
	c.unreserve(s)
	c.book(s)
}

// slotOf returns the slot that a meaning is about, if its call is still there.
func (c *Conn) slotOf(m *meaning) *slot {
	list := c.theirs
	if m.mine {
		list = c.mine
	}
	if s := list[m.slot]; s.seq == m.seq {
		return s
	}
	return nil
}

// failed makes the error of a call.
func failed(code lupine.Code, executed lupine.Executed, text string) *lupine.Error {
	return &lupine.Error{Code: code, Message: text, Executed: executed}
}
