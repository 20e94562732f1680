package engine

import (
	"net/netip"

	"github.com/lupine-rpc/lupine"
)

// Call is a call of a session, either end's. A caller's is the owner's: embedded
// in an object of its own, zero before Begin, the engine's until EventEnded or
// Cancel. A callee's is the engine's; the owner has it from EventCall until it
// has called Finish or Refuse.
type Call struct {
	Slot uint32
	Seq  uint64
	// Owner is the owner's.
	Owner any
	// MaxReceive bounds one message, in bytes; zero is Config.MaxReceive, less is
	// no limit.
	MaxReceive int

	s *slot
}

// Mine reports whether this end is the call's caller. It is false after the
// call's end.
func (c *Call) Mine() bool { return c.s != nil && c.s.mine }

// Message is a record that SealMessage made. Begin and Write keep it by
// reference until EventReleased, which has its Owner; it must not change until
// then. Without an Owner there is no such event, and the bytes may never be
// changed again.
type Message struct {
	Bytes []byte
	Owner any
}

// Packet is a datagram that came, opened (2.1). See Opener.
type Packet struct {
	Kind   Kind
	Index  uint32 // the receiver's; RESET: the one it echoes
	Number uint64
	// Frames is what lies between header and tag, in HELLO, HANDSHAKE and DATA.
	Frames []byte
	// Hello is the header of HELLO. Of RETRY it has To, ID, Version and Cookie, of
	// VERSIONS To, ID and, as Cookie, the list.
	Hello Hello
	From  netip.AddrPort
	ECN   uint8 // the two bits of the IP header
	Size  int   // of the datagram
	// keys are those it was opened with.
	keys int
}

// EventKind says what happened.
type EventKind uint8

// The events. Those of a call have Call set. "Caller" and "callee" say at which
// end they come.
const (
	// EventOpen: the handshake is done; Dial returns, or the session is accepted.
	EventOpen EventKind = iota + 1
	// EventCrypto: Message is what the peer's TLS sent at Level.
	EventCrypto
	// EventToken: Message is a token for the next session to this server. Client.
	EventToken
	// EventCall: a call came, Head is its head, Metadata the request's. Callee. For a unary call its
	// EventMessage follows, at once or later. The handler of a unary call starts at
	// EventMessage, that of a stream at EventCall.
	EventCall
	// EventHeader: Metadata is the reply's header. Caller.
	EventHeader
	// EventMessage: Message is one, not decompressed and its checksum CRC not
	// checked. End: it is the last, no EventHalfClose follows.
	EventMessage
	// EventHalfClose: the caller will send no more. Callee.
	EventHalfClose
	// EventEnded: the call is over, Err says how; nil is OK. Metadata is the trailer.
	// The engine has forgotten Call. Caller.
	EventEnded
	// EventCanceled: the handler's context ends. The call still wants a Finish.
	// Callee. Err says why.
	EventCanceled
	// EventDropped: a call whose handler was not started is over: it was cancelled
	// or refused before its request was whole. The engine has forgotten Call. Callee.
	EventDropped
	// EventWritable: less than Config's window of what was written waits to be
	// sent; see Call.Unsent.
	EventWritable
	// EventReleased: the engine has let go of the Message with this Owner.
	EventReleased
	// EventRoom: Begin, which had said ErrFull, or Room, which had said 0, has room again;
	// and the peer allows more calls.
	EventRoom
	// EventDown: no new calls should be made on the session; Err says why. It comes
	// at most once.
	EventDown
	// EventUp: a suspected session is heard of again. After it EventDown may come anew.
	EventUp
	// EventGone: the session is over, all its calls have ended; Err says why. It is
	// the last. The driver keeps the index until then.
	EventGone
	// EventKeys: Opener has other keys; nothing to be done for who loads it each time.
	EventKeys
)

// Event is something that happened. All of it is good until the bytes of the
// packets that caused it are used again, or anything but Event is called:
// Message and Head may be parts of a packet, unless Own.
type Event struct {
	Kind     EventKind
	Call     *Call
	Head     *HeadIn
	Metadata lupine.Metadata
	Message  []byte
	// Own: Message came from Config.Buffer and is the owner's.
	Own bool
	// Compression and CRC belong to Message; see Checksum.
	Compression Compression
	CRC         uint32
	// End: the peer sends no more in this stream.
	End   bool
	Level Level // EventCrypto
	Owner any   // EventReleased
	Err   *lupine.Error
	// Code and Err, of EventGone and EventDown, say who ended the session and why.
	Code Code
}

// Hint is what the socket says and nobody vouches for.
type Hint uint8

// The hints (4.3, 4.4, 4.5, 4.6).
const (
	HintUnreachable Hint = iota // ICMP: nobody has the port
	HintTooLong                 // EMSGSIZE: a datagram is longer than the path takes
	HintMoved                   // the client has bound a new socket
	HintNetwork                 // the same, and it has another address: the path is another one
	HintNoECN                   // the socket cannot read marks after all
)

// CryptoKind says what TLS wants of the engine.
type CryptoKind uint8

// The kinds (3.1).
const (
	CryptoWrite     CryptoKind = iota // Data goes out at Level
	CryptoReadKeys                    // Suite and Data, the secret, open Level
	CryptoWriteKeys                   // the same, seal Level
	CryptoParams                      // Data are the peer's parameters
	CryptoDone                        // the handshake is done
	CryptoFailed                      // with Alert; Data is the text
)

// CryptoEvent is what TLS said (3.1). The engine copies Data.
type CryptoEvent struct {
	Kind  CryptoKind
	Level Level
	Suite uint16
	Alert uint8
	Data  []byte
	// Asked, with CryptoDone: the server asked for a certificate, so that the
	// client waits for DONE (3.1).
	Asked bool
}

// Controller decides how much may be under way (5.5). The engine calls it; it
// keeps no clock. Times are nanoseconds, sizes bytes.
type Controller interface {
	Sent(now int64, number uint64, bytes, inFlight int)
	Acked(now int64, number uint64, sent int64, bytes, inFlight int, rtt *RTT)
	// Lost is called once for each packet; it groups them by round.
	Lost(now int64, number uint64, sent int64, bytes int)
	Marked(now int64, sent int64) // CE, likewise
	Persistent(now int64)
	// Window is how many bytes may be in flight.
	Window() int
	// Rate is what to pace at, in bytes a second; 0: no pacing.
	Rate() int64
	// SetMaxDatagram says that datagrams may be so long from now on.
	SetMaxDatagram(n int)
}

// Datagram is one of a Batch: a packet without its tag.
type Datagram struct {
	// At and End are where it stands in the batch: header and frames. Tag more bytes
	// are free after it.
	At, End, Tag int
	Number       uint64
	To           netip.AddrPort // not valid: the address in use
	ECN          uint8
	Sealer       Sealer
}

// Batch is where Poll puts datagrams. Segments have one size but the last, as
// far as Even reaches, so that one system call can take them.
type Batch struct {
	// Buf has the datagrams one after the other, with room for their tags. Poll
	// appends up to its capacity.
	Buf  []byte
	List []Datagram
}

// Reset empties b.
func (b *Batch) Reset() { b.Buf, b.List = b.Buf[:0], b.List[:0] }

// Seal seals all of b in place. It needs no lock of the session's.
func (b *Batch) Seal() {
	for i := range b.List {
		d := &b.List[i]
		d.Sealer.Seal(b.Buf[:d.End:d.End+d.Tag], d.At, d.Number)
	}
}

// Bytes returns datagram i as it is sent, once it is sealed.
func (b *Batch) Bytes(i int) []byte { return b.Buf[b.List[i].At : b.List[i].End+b.List[i].Tag] }
