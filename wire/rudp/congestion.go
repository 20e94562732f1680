package rudp

import "github.com/lupine-rpc/lupine/wire/rudp/internal/engine"

// Controller is a session's congestion control: it decides how much may be under way,
// and how fast it leaves (docs/rudp.md, 5.5). Its methods are called one at a time, under
// the session's lock: they must be quick and must not call the session. now and sent are
// nanoseconds of a clock of the process's own, sizes are bytes of UDP payload, number is
// the packet's. inFlight counts what was sent and is neither acknowledged nor lost.
type Controller interface {
	// Sent notes a packet that is acknowledged when it arrives. inFlight includes it.
	Sent(now int64, number uint64, bytes, inFlight int)
	// Acked notes that the peer has a packet, which left at sent.
	Acked(now int64, number uint64, sent int64, bytes, inFlight int, rtt *RTT)
	// Lost notes that a packet was lost. It is called for each of them: a Controller
	// groups those of one round trip itself.
	Lost(now int64, number uint64, sent int64, bytes int)
	// Marked notes that the network marked a packet which left at sent (ECN-CE, RFC 3168).
	Marked(now, sent int64)
	// Persistent notes that all was lost over several PTOs (RFC 9002, 7.6).
	Persistent(now int64)
	// Window is how many bytes may be in flight. With less than a datagram nothing leaves
	// but probes.
	Window() int
	// Rate is how many bytes a second may leave, which is paced; 0 is no pacing.
	Rate() int64
	// SetMaxDatagram says that datagrams may be so long from now on: the path's limit was
	// found, or fell.
	SetMaxDatagram(n int)
}

// RTT is what is known of the path's round trip, in nanoseconds: Latest, Smoothed, Var and
// Min (RFC 9002, 5). Known is false before there was a sample. A Controller must not
// change it, or keep it.
type RTT = engine.RTT

// NewCubic returns the default Controller: CUBIC (RFC 9438) with HyStart++ (RFC 9406), for
// datagrams of so many bytes of UDP payload at first.
func NewCubic(datagram int) Controller { return engine.NewCubic(datagram) }
