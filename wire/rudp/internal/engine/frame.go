package engine

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/lupine-rpc/lupine"
)

// Type is a frame's first byte (2.3). Those of stream frames hold bits, see
// stream.go.
type Type uint8

// The frame types (2.3). Where a frame names a call, odd types are sent by the
// call's callee and even ones by its caller.
const (
	TypePad           Type = 0x00
	TypePing          Type = 0x01
	TypeAck           Type = 0x02
	TypeAckECN        Type = 0x03
	TypeCrypto        Type = 0x04
	TypeDone          Type = 0x05
	TypeToken         Type = 0x06
	TypeMaxSlots      Type = 0x07
	TypeGrantReply    Type = 0x08 // GRANT by the caller: bytes of the reply
	TypeGrantRequest  Type = 0x09 // GRANT by the callee: bytes of the request
	TypeProbe         Type = 0x0a
	TypeWorking       Type = 0x0b
	TypeCancel        Type = 0x0c
	TypeEnded         Type = 0x0d
	TypeDrain         Type = 0x0e
	TypeClose         Type = 0x0f
	TypePathChallenge Type = 0x10
	TypePathResponse  Type = 0x11
	TypeDefine        Type = 0x12
)

var typeNames = [...]string{"PAD", "PING", "ACK", "ACK_ECN", "CRYPTO", "DONE", "TOKEN", "MAX_SLOTS", "GRANT", "GRANT", "PROBE",
	"WORKING", "CANCEL", "ENDED", "DRAIN", "CLOSE", "PATH_CHALLENGE", "PATH_RESPONSE", "DEFINE"}

// String returns the frame's name as 2.3 spells it: CALL, REPLY or DATA for
// stream frames.
func (t Type) String() string {
	switch {
	case int(t) < len(typeNames):
		return typeNames[t]
	case !t.Stream():
		return "unknown frame"
	case t&StreamOffset != 0:
		return "DATA"
	case t&StreamReply != 0:
		return "REPLY"
	}
	return "CALL"
}

// Asks is when a frame's arrival wants to be acked (2.3, 5.2).
type Asks uint8

// From the least to the most urgent (5.2).
const (
	AsksNothing Asks = iota
	AsksLazily       // within LazyAck
	AsksSoon         // within AckDelay
	AsksAtOnce       // with the batch it was read in
)

// Asks returns when the frame is to be acked (2.3, 5.2).
func (t Type) Asks() Asks {
	switch t {
	case TypePad, TypeAck, TypeAckECN, TypeWorking, TypeClose, TypePathResponse:
		return AsksNothing
	case TypePing, TypeProbe, TypePathChallenge:
		return AsksAtOnce
	}
	if t.Stream() && t.Lazy() {
		return AsksLazily
	}
	return AsksSoon
}

// CallName names a call of a session (2.3): its slot, and its number there,
// which is from 1.
type CallName struct{ Slot, Seq uint64 }

// Frame is a parsed frame (2.3). Which fields count depends on Type. Bytes are
// those of the packet.
type Frame struct {
	Type Type
	Call CallName // GRANT, CANCEL, ENDED, stream frames
	// Offset is where CRYPTO's and a stream frame's bytes begin, and where a
	// GRANT ends.
	Offset   uint64
	Slots    uint64          // MAX_SLOTS
	Drain    uint8           // DRAIN: DrainCallee, DrainCaller
	ID       uint64          // DEFINE, from 1
	Code     uint64          // CLOSE: a Code; ENDED: a lupine.Code, not OK
	Executed lupine.Executed // ENDED
	// Data is what CRYPTO, TOKEN, DEFINE, PATH_CHALLENGE, PATH_RESPONSE and
	// stream frames carry, and the reason of CLOSE and ENDED.
	Data  []byte
	Ack   Ack   // ACK, ACK_ECN
	Calls Calls // PROBE, WORKING
}

// Frames are the frames of one packet (2.3).
type Frames struct {
	level Level
	rest  []byte
	empty bool
}

// ParseFrames returns the frames of a packet of the level, to be read by Next (2.3).
func ParseFrames(level Level, b []byte) Frames { return Frames{level, b, len(b) == 0} }

// Next reads the next frame into f; false after the last one. An error is a
// PROTOCOL one and ends the session: a type that is unknown or not for this
// level, a frame cut off, a value out of its range, a packet without frames (2.3).
func (fs *Frames) Next(f *Frame) (bool, *Error) {
	if len(fs.rest) == 0 {
		if fs.empty {
			fs.empty = false
			return false, protocol("packet: frames: none")
		}
		return false, nil
	}
	t := Type(fs.rest[0])
	if !t.known() {
		return false, fs.fail("packet: frame type: %#x is unknown", byte(t))
	}
	if fs.level != LevelData && t != TypePad && t != TypePing && t != TypeAck && t != TypeCrypto && t != TypeClose {
		return false, fs.fail("packet: frame type: %s in a packet of level %s", t, fs.level)
	}
	*f = Frame{Type: t}
	c := cursor{b: fs.rest[1:], what: t.String()}
	if t.Stream() {
		f.readStream(&c)
	} else {
		f.read(&c)
	}
	if !c.ok() {
		fs.rest, fs.empty = nil, false
		return false, c.done()
	}
	fs.rest = c.b
	return true, nil
}

func (fs *Frames) fail(format string, args ...any) *Error {
	fs.rest, fs.empty = nil, false
	return protocol(format, args...)
}

func (t Type) known() bool { return int(t) < len(typeNames) || t.Stream() }

// read reads the fields of all but stream frames.
func (f *Frame) read(c *cursor) {
	switch f.Type {
	case TypeAck, TypeAckECN:
		f.Ack.read(c, f.Type == TypeAckECN)
	case TypeCrypto:
		f.Offset = c.varint("offset")
		n := c.varint("length")
		if f.Offset > CryptoBytes || n > CryptoBytes-f.Offset {
			c.bad("length", "bytes from %d to %d, past %d (limit CryptoBytes)", f.Offset, f.Offset+n, CryptoBytes)
		}
		f.Data = c.take("bytes", n)
	case TypeToken:
		f.Data = c.bytes("length", CookieBytes, "CookieBytes")
		if c.ok() && len(f.Data) == 0 {
			c.bad("length", "is 0")
		}
	case TypeMaxSlots:
		f.Slots = c.varint("slots")
	case TypeDrain:
		f.Drain = c.byte("flags")
		if c.ok() && (f.Drain == 0 || f.Drain > DrainCallee|DrainCaller) {
			c.bad("flags", "are %d, not 1 to 3", f.Drain)
		}
	case TypeGrantReply, TypeGrantRequest:
		f.Call = c.call()
		f.Offset = c.varint("offset")
	case TypeProbe, TypeWorking:
		f.Calls.read(c)
	case TypeCancel:
		f.Call = c.call()
	case TypeEnded:
		f.Call = c.call()
		f.Code, f.Executed = c.status()
		if c.ok() && f.Code == 0 {
			c.bad("code", "is OK, which only a reply can say")
		}
		f.Data = c.reason()
	case TypeClose:
		f.Code = c.varint("code")
		f.Data = c.reason()
	case TypePathChallenge, TypePathResponse:
		f.Data = c.take("data", 8)
	case TypeDefine:
		f.ID = c.varint("id")
		if c.ok() && f.ID == 0 {
			c.bad("id", "is 0; ids are from 1")
		}
		f.Data = c.bytes("length", DictBytes, "DictBytes")
		if c.ok() && len(f.Data) == 0 {
			c.bad("length", "is 0")
		}
	}
}

func (c *cursor) call() (n CallName) {
	n.Slot = c.varint("slot")
	n.Seq = c.varint("seq")
	if n.Seq == 0 && c.ok() {
		c.bad("seq", "is 0; calls of a slot are numbered from 1")
	}
	return n
}

// status reads a code and executed.
func (c *cursor) status() (code uint64, e lupine.Executed) {
	code = c.varint("code")
	if code > 1<<32-1 {
		c.bad("code", "%d is above 2^32-1", code)
	}
	e = lupine.Executed(c.byte("executed"))
	if e > lupine.Yes {
		c.bad("executed", "is %d; it is 0 maybe, 1 no or 2 yes", byte(e))
	}
	return code, e
}

func (c *cursor) reason() []byte {
	p := c.bytes("reason", ReasonBytes, "Reason")
	if c.ok() && !utf8.Valid(p) {
		c.bad("reason", "is not UTF-8")
	}
	return p
}

// Calls is the list of PROBE and WORKING (2.3).
type Calls struct {
	// Count is how many are left to be read.
	Count int
	b     []byte
}

func (l *Calls) read(c *cursor) {
	n := c.varint("count")
	switch {
	case n > ProbeCalls:
		c.bad("count", "%d, more than %d (limit ProbeCalls)", n, ProbeCalls)
	case n == 0 && c.ok():
		c.bad("count", "is 0; there is nothing to ask")
	}
	l.b = c.b
	for i := uint64(0); i < n && c.ok(); i++ {
		c.call()
	}
	l.Count = int(n)
	l.b = l.b[:len(l.b)-len(c.b)]
}

// Next takes the next call from the list; there are Count of them.
func (l *Calls) Next() CallName {
	c := cursor{b: l.b}
	n := c.call()
	l.Count, l.b = l.Count-1, c.b
	return n
}

// AppendCalls appends PROBE (t is TypeProbe) or WORKING for 1 to ProbeCalls
// calls (2.3).
func AppendCalls(dst []byte, t Type, calls []CallName) []byte {
	dst = AppendVarint(append(dst, byte(t)), uint64(len(calls)))
	for _, n := range calls {
		dst = appendCall(dst, n)
	}
	return dst
}

func appendCall(dst []byte, n CallName) []byte {
	return AppendVarint(AppendVarint(dst, n.Slot), n.Seq)
}

// AppendType appends a frame that is its type alone: PAD, PING, DONE (2.3).
func AppendType(dst []byte, t Type) []byte { return append(dst, byte(t)) }

// AppendCrypto appends CRYPTO (2.3); offset and bytes stay below CryptoBytes.
func AppendCrypto(dst []byte, offset uint64, p []byte) []byte {
	dst = AppendVarint(append(dst, byte(TypeCrypto)), offset)
	return appendBytes(dst, p)
}

// AppendToken appends TOKEN (2.3); a token has 1 to CookieBytes.
func AppendToken(dst, token []byte) []byte {
	return appendBytes(append(dst, byte(TypeToken)), token)
}

// AppendMaxSlots appends MAX_SLOTS (2.3).
func AppendMaxSlots(dst []byte, slots uint64) []byte {
	return AppendVarint(append(dst, byte(TypeMaxSlots)), slots)
}

// Flags of DRAIN (2.3).
const (
	DrainCallee uint8 = 1 // as callee, the sender refuses new calls
	DrainCaller uint8 = 2 // as caller, it makes no more, and none is under way
)

// AppendDrain appends DRAIN (2.3).
func AppendDrain(dst []byte, flags uint8) []byte { return append(dst, byte(TypeDrain), flags) }

// AppendGrant appends GRANT (2.3); t is TypeGrantReply or TypeGrantRequest.
func AppendGrant(dst []byte, t Type, n CallName, offset uint64) []byte {
	return AppendVarint(appendCall(append(dst, byte(t)), n), offset)
}

// AppendCancel appends CANCEL (2.3).
func AppendCancel(dst []byte, n CallName) []byte {
	return appendCall(append(dst, byte(TypeCancel)), n)
}

// AppendEnded appends ENDED (2.3). The code is not OK. The reason is made UTF-8
// and cut to ReasonBytes.
func AppendEnded(dst []byte, n CallName, code lupine.Code, executed lupine.Executed, reason string) []byte {
	dst = appendCall(append(dst, byte(TypeEnded)), n)
	dst = append(AppendVarint(dst, uint64(code)), byte(executed))
	return appendText(dst, reason, ReasonBytes)
}

// AppendClose appends CLOSE (2.3, 3.8). The reason is made UTF-8 and cut to
// ReasonBytes.
func AppendClose(dst []byte, code Code, reason string) []byte {
	dst = AppendVarint(append(dst, byte(TypeClose)), uint64(code))
	return appendText(dst, reason, ReasonBytes)
}

// AppendPath appends PATH_CHALLENGE or PATH_RESPONSE (2.3, 4.5).
func AppendPath(dst []byte, t Type, data uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, byte(t)), data)
}

// AppendDefine appends DEFINE (2.3, 2.5).
func AppendDefine(dst []byte, id uint64, p []byte) []byte {
	return appendBytes(AppendVarint(append(dst, byte(TypeDefine)), id), p)
}

func appendBytes(dst, p []byte) []byte {
	return append(AppendVarint(dst, uint64(len(p))), p...)
}
