package rudp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"github.com/lupine-rpc/lupine/wire/rudp/internal/engine"
	"github.com/lupine-rpc/lupine/wire/rudp/internal/udp"
)

// Config is how the wire behaves, at both ends. Of a number zero means the default
// and a negative value means off or no limit, as each field says. A Config is copied
// when it is used. TLS or Plain has to be set.
type Config struct {
	// TLS is for TLS 1.3, which is the least and the most that is spoken. A server's
	// needs a certificate; ClientAuth and ClientCAs ask the client for one (mTLS). A
	// client's ServerName defaults to the endpoint's. It must not be changed
	// afterwards.
	TLS *tls.Config
	// Plain asks for no encryption: datagrams have a checksum and no more. It is for
	// networks where nobody else can read or write.
	Plain bool
	// NoBatches sends and receives each datagram by a system call of its own, although
	// the kernel could do more.
	NoBatches bool

	// MaxSlots bounds the calls that a peer may have under way in a session at first,
	// counting those whose handlers have not returned; MaxSlotsTop is how far that is
	// raised. Zero means 256 and 4,096. They cannot be turned off.
	MaxSlots, MaxSlotsTop int
	// MaxSessions bounds a listener's sessions, handshakes included; who comes further
	// is told BUSY. Zero means 16,384. It cannot be turned off.
	MaxSessions int
	// MaxHandshakes bounds a listener's sessions whose handshake goes on. When there are as
	// many, the newest of the address with most of them gives way to another address.
	// Zero means 512. It cannot be turned off.
	MaxHandshakes int
	// MaxHeaderBytes bounds the metadata of one header or trailer, counting 32 bytes
	// for each field. Zero means 8 KiB. It cannot be turned off.
	MaxHeaderBytes int
	// FirstCredit is how many bytes of each call a peer may send before it is granted
	// more, at least 16 KiB; zero means 68 KiB. MaxWindow bounds what is granted
	// beyond what was read; zero means 8 MiB.
	FirstCredit, MaxWindow int
	// Assembly bounds what is reserved for large messages of one session,
	// ReceiveBudget what all sessions of a listener, or of a target, assemble. Zero
	// means 16 MiB and 256 MiB.
	Assembly, ReceiveBudget int
	// ReplyBudget bounds the bytes of replies that wait in one session, ReplyTotal
	// those of a listener. Zero means 16 MiB and 256 MiB.
	ReplyBudget, ReplyTotal int

	// MaxDatagram bounds the datagrams that are sent and received, from 1,200 bytes of
	// UDP payload. Zero means that the path's limit is searched for: up to 1,452 bytes,
	// on the same host up to 61,440.
	MaxDatagram int

	// Congestion makes what decides how much of a session may be under way, for datagrams
	// of so many bytes of UDP payload at first. It is called for each session, and again
	// when its path is another one. Nil is NewCubic.
	Congestion func(datagram int) Controller

	// AckDelay is how long an acknowledgement waits for a reply to ride with. Zero
	// means 10 ms; 1 ms suits a LAN.
	AckDelay time.Duration
	// FirstPTO is when the first datagrams are sent again, before a round trip was
	// measured. Zero means 333 ms; 50 ms suits a LAN.
	FirstPTO time.Duration
	// KeepAlive is how long a peer may be silent while somebody waits before it is
	// asked. Zero means 1 s, negative means never.
	KeepAlive time.Duration
	// SuspectAfter is after how much silence new calls go to another session; zero
	// means KeepAlive and 2 s. LostAfter is when calls under way fail; zero means 10
	// s, negative means at their deadlines.
	SuspectAfter, LostAfter time.Duration
	// IdleTimeout is when a server forgets a client that sends nothing. Zero means 5
	// min, negative means never.
	IdleTimeout time.Duration
	// NatKeepAlive is how often an idle client that hosts services shows that it is
	// there. Zero means 25 s, negative means never.
	NatKeepAlive time.Duration
	// RebindGap is how often at most a client whose network seems to have changed looks for
	// another way, and binds another socket. Zero means 1 s, negative means that a session
	// keeps its socket.
	RebindGap time.Duration
	// HandshakeTimeout bounds what comes before the first call. Zero means 10 s.
	HandshakeTimeout time.Duration
	// StallTimeout is over what time a message that has begun must come at 256 B/s at
	// least, and its caller must take a reply. Zero means 10 s.
	StallTimeout time.Duration

	// Stats, if set, counts how often peers run into limits.
	Stats *Stats
}

// Defaults of Config.
const (
	DefaultMaxSlots         = 256
	DefaultMaxSlotsTop      = 4096
	DefaultMaxSessions      = 16384
	DefaultMaxHandshakes    = 512
	DefaultMaxHeaderBytes   = 8 << 10
	DefaultFirstCredit      = 68 << 10
	DefaultMaxWindow        = 8 << 20
	DefaultAssembly         = 16 << 20
	DefaultReceiveBudget    = 256 << 20
	DefaultReplyBudget      = 16 << 20
	DefaultReplyTotal       = 256 << 20
	DefaultAckDelay         = 10 * time.Millisecond
	DefaultFirstPTO         = 333 * time.Millisecond
	DefaultKeepAlive        = time.Second
	DefaultLostAfter        = 10 * time.Second
	DefaultIdleTimeout      = 5 * time.Minute
	DefaultNatKeepAlive     = 25 * time.Second
	DefaultRebindGap        = time.Second
	DefaultHandshakeTimeout = 10 * time.Second
	DefaultStallTimeout     = 10 * time.Second

	// mostDatagram is the longest datagram that the engine reads.
	mostDatagram = 61_440
)

// errNoMode is what a Config without TLS and Plain gets.
var errNoMode = errors.New("rudp: Config has neither TLS nor Plain: set TLS, or ask for Plain where nobody else can read the network")

// withDefaults returns c with every zero replaced.
func (c Config) withDefaults() (Config, error) {
	switch {
	case c.TLS == nil && !c.Plain:
		return c, errNoMode
	case c.TLS != nil && c.Plain:
		return c, errors.New("rudp: Config has TLS and Plain: choose one")
	}
	for _, v := range []struct {
		name string
		n    *int
		def  int
	}{
		{"MaxSlots", &c.MaxSlots, DefaultMaxSlots}, {"MaxSlotsTop", &c.MaxSlotsTop, DefaultMaxSlotsTop},
		{"MaxSessions", &c.MaxSessions, DefaultMaxSessions}, {"MaxHeaderBytes", &c.MaxHeaderBytes, DefaultMaxHeaderBytes},
		{"MaxHandshakes", &c.MaxHandshakes, DefaultMaxHandshakes},
		{"FirstCredit", &c.FirstCredit, DefaultFirstCredit}, {"MaxWindow", &c.MaxWindow, DefaultMaxWindow},
		{"Assembly", &c.Assembly, DefaultAssembly}, {"ReceiveBudget", &c.ReceiveBudget, DefaultReceiveBudget},
		{"ReplyBudget", &c.ReplyBudget, DefaultReplyBudget}, {"ReplyTotal", &c.ReplyTotal, DefaultReplyTotal},
	} {
		if *v.n == 0 {
			*v.n = v.def
		}
		if *v.n < 0 {
			return c, fmt.Errorf("rudp: Config.%s is %d: it cannot be turned off, give a limit or 0 for %d", v.name, *v.n, v.def)
		}
	}
	if c.FirstCredit < engine.LeastCredit {
		return c, fmt.Errorf("rudp: Config.FirstCredit is %d: the least is %d", c.FirstCredit, engine.LeastCredit)
	}
	if c.MaxDatagram != 0 && (c.MaxDatagram < engine.BaseMTU || c.MaxDatagram > mostDatagram) {
		return c, fmt.Errorf("rudp: Config.MaxDatagram is %d: it must be from %d to %d, or 0", c.MaxDatagram, engine.BaseMTU, mostDatagram)
	}
	c.MaxSlotsTop = max(c.MaxSlotsTop, c.MaxSlots)
	for _, v := range []struct {
		d   *time.Duration
		def time.Duration
	}{
		{&c.AckDelay, DefaultAckDelay}, {&c.FirstPTO, DefaultFirstPTO}, {&c.KeepAlive, DefaultKeepAlive}, {&c.LostAfter, DefaultLostAfter},
		{&c.IdleTimeout, DefaultIdleTimeout}, {&c.NatKeepAlive, DefaultNatKeepAlive}, {&c.RebindGap, DefaultRebindGap}, {&c.HandshakeTimeout, DefaultHandshakeTimeout},
		{&c.StallTimeout, DefaultStallTimeout},
	} {
		if *v.d == 0 {
			*v.d = v.def
		}
	}
	if c.SuspectAfter <= 0 {
		c.SuspectAfter = max(c.KeepAlive, 0) + 2*time.Second
	}
	for _, d := range []*time.Duration{&c.AckDelay, &c.FirstPTO, &c.HandshakeTimeout, &c.StallTimeout} {
		if *d < 0 {
			return c, errors.New("rudp: AckDelay, FirstPTO, HandshakeTimeout and StallTimeout of Config cannot be turned off")
		}
	}
	if c.Stats == nil {
		c.Stats = new(Stats)
	}
	return c, nil
}

func (c *Config) udp() udp.Config { return udp.Config{NoBatch: c.NoBatches} }

// budget is shared by the sessions of a listener, or of a target.
func (c *Config) budget() *engine.Budget {
	b := engine.NewBudget()
	b.Receive, b.Replies = int64(c.ReceiveBudget), int64(c.ReplyTotal)
	return b
}

// engine is what the state machine is told of c. hosts says that this end takes calls.
func (c *Config) engine(hosts bool) engine.Config {
	e := engine.Config{
		Mode: engine.ModePlain, Rand: random, Hit: c.Stats.hit, Buffer: assembled, MTU: c.MaxDatagram,
		MaxSlotsTop: uint64(c.MaxSlotsTop), FirstPTO: int64(c.FirstPTO), SuspectAfter: int64(c.SuspectAfter), LostAfter: int64(c.LostAfter),
		NatKeepAlive: int64(c.NatKeepAlive), HandshakeTimeout: int64(c.HandshakeTimeout), StallTimeout: int64(c.StallTimeout),
		MaxWindow: int64(c.MaxWindow), Assembly: int64(c.Assembly), ReplyBudget: int64(c.ReplyBudget),
		Local: engine.Params{
			Incarnation: incarnation, FirstCredit: uint64(c.FirstCredit), MaxDatagram: uint64(c.MaxDatagram), AckDelay: uint64(c.AckDelay.Microseconds()),
			MaxHeader: uint64(c.MaxHeaderBytes), Compression: compressions, Agent: agent,
		},
	}
	if c.TLS != nil {
		e.Mode = engine.ModeTLS
	}
	if c.Congestion != nil {
		e.Congestion = func(datagram int) engine.Controller { return c.Congestion(datagram) }
	}
	if hosts {
		e.Local.MaxSlots = uint64(c.MaxSlots)
	}
	e.Local.IdleTimeout = uint64(max(c.IdleTimeout.Milliseconds(), 0))
	e.Local.KeepAlive = uint64(max(c.KeepAlive.Milliseconds(), 0))
	return e
}
