package engine

import (
	"encoding/binary"
	"hash/crc32"
)

// Version is the one in HELLO (2.1). It has the top bit until the protocol is
// fixed (9), so that no two states of the work talk by mistake.
const Version = 0x80

// Kind is a packet's first byte (2.1).
type Kind uint8

// The kinds (2.1). Data1 is key phase 1. 0x0f is kept for early data (3.7).
const (
	KindHello     Kind = 0x08
	KindRetry     Kind = 0x09
	KindVersions  Kind = 0x0a
	KindHandshake Kind = 0x0b
	KindData0     Kind = 0x0c
	KindData1     Kind = 0x0d
	KindReset     Kind = 0x0e
)

// Level is what a packet's keys belong to (2.1, 3.1). Each has numbers that
// are acked, and a CRYPTO stream, of its own.
type Level uint8

// The levels: HELLO, HANDSHAKE and DATA packets (2.1).
const (
	LevelInitial Level = iota
	LevelHandshake
	LevelData
)

// String returns "Initial", "Handshake" or "Data".
func (l Level) String() string { return [...]string{"Initial", "Handshake", "Data"}[l] }

// Drop is why a datagram is dropped unanswered, and counted (2.1). Zero means
// that it is not.
type Drop uint8

// The reasons (2.1).
const (
	DropNone     Drop = iota
	DropKind          // the first byte is no kind that is expected here
	DropShort         // it ends before its tag
	DropLong          // bytes follow where none may
	DropTag           // CRC32C or AEAD tag is wrong
	DropVersion       // a HELLO of a version we do not speak; its prefix was parsed (3.4)
	DropMode          // mode is neither TLS nor plain
	DropIndex         // an index of 0
	DropNumber        // a number above MaxVarint, which no ACK could name
	DropCookie        // longer than CookieBytes, or empty in RETRY
	DropVersions      // VERSIONS of none or more than MaxVersions
	DropKeys          // there are no keys for it, or none yet
	DropOld           // its number is below ReplayWindow
)

var dropNames = [...]string{"", "unknown kind", "shorter than its fields", "longer than its fields", "wrong tag",
	"HELLO: version not spoken", "HELLO: mode is neither 1 nor 2", "index is 0", "number above 2^62-1",
	"cookie length", "VERSIONS: count", "no keys for it", "number too old"}

// String says in a few words what was wrong.
func (d Drop) String() string { return dropNames[d] }

// HeaderBytes is the length of the header of DATA and HANDSHAKE (2.1).
const HeaderBytes = 13

// Header is that of a DATA or HANDSHAKE packet (2.1).
type Header struct {
	Kind   Kind
	Index  uint32 // the receiver's name for the session, not 0
	Number uint64 // at most MaxVarint
}

// ParseHeader reads the header of DATA and HANDSHAKE (2.1). overhead is the
// length of the tag; a packet without frames is for the frame parser to refuse.
func ParseHeader(b []byte, overhead int) (h Header, d Drop) {
	if len(b) == 0 {
		return h, DropShort
	}
	h.Kind = Kind(b[0])
	switch {
	case h.Kind != KindHandshake && h.Kind != KindData0 && h.Kind != KindData1:
		return h, DropKind
	case len(b) < HeaderBytes+overhead:
		return h, DropShort
	}
	h.Index, h.Number = binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint64(b[5:])
	switch {
	case h.Index == 0:
		return h, DropIndex
	case h.Number > MaxVarint:
		return h, DropNumber
	}
	return h, DropNone
}

// AppendHeader appends the header of a DATA or HANDSHAKE packet (2.1). Frames
// come next, then Sealer.Seal.
func AppendHeader(dst []byte, h Header) []byte {
	dst = append(dst, byte(h.Kind))
	dst = binary.BigEndian.AppendUint32(dst, h.Index)
	return binary.BigEndian.AppendUint64(dst, h.Number)
}

// Level returns which level's packet it is (2.1).
func (k Kind) Level() Level {
	switch k {
	case KindHello:
		return LevelInitial
	case KindHandshake:
		return LevelHandshake
	}
	return LevelData
}

// Sealer is one key of one direction (2.2). A number is sealed once.
type Sealer interface {
	// Overhead is the length of the tag.
	Overhead() int
	// Seal protects the packet that begins at dst[at], header and frames, and
	// appends its tag. The frames may be sealed in place.
	Seal(dst []byte, at int, number uint64) []byte
	// Open returns the frames of a packet that ParseHeader took, or false if its
	// tag is wrong. It may open them in place.
	Open(packet []byte, number uint64) (frames []byte, ok bool)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crcBytes is the length of a CRC32C tag.
const crcBytes = 4

// Plain is the Sealer of the plain mode: CRC32C over a salt, the header and
// the frames (2.2). It finds accidents, not attackers.
type Plain struct{ seed uint32 }

// NewPlain returns the seal of a session (2.2): id is HELLO's, salt the
// server's parameter.
func NewPlain(id uint64, salt [8]byte) *Plain {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], id)
	copy(b[8:], salt[:])
	return &Plain{crc32.Checksum(b[:], castagnoli)}
}

// Overhead is 4 (2.2).
func (p *Plain) Overhead() int { return crcBytes }

// Seal appends the tag of the packet that begins at dst[at] (2.2).
func (p *Plain) Seal(dst []byte, at int, _ uint64) []byte {
	return binary.BigEndian.AppendUint32(dst, crc32.Update(p.seed, castagnoli, dst[at:]))
}

// Open checks a packet's tag and returns what lies between header and tag (2.2).
func (p *Plain) Open(packet []byte, _ uint64) (frames []byte, ok bool) {
	end := len(packet) - crcBytes
	if end < HeaderBytes || crc32.Update(p.seed, castagnoli, packet[:end]) != binary.BigEndian.Uint32(packet[end:]) {
		return nil, false
	}
	return packet[HeaderBytes:end:end], true
}
