package engine

import (
	"encoding/binary"
	"hash/crc32"
)

// The packets that no secret protects: HELLO, RETRY, VERSIONS, RESET (2.1).

// Mode says how a session is sealed (2.1, HELLO).
type Mode uint8

// The modes (2.1, HELLO).
const (
	ModeTLS   Mode = 1
	ModePlain Mode = 2
)

// Where things stand in HELLO (2.1).
const (
	helloPrefix = 19 // up to and with id: the same in all versions (3.4)
	helloFixed  = 28 // up to and with the cookie's length
)

// Hello is the header of a HELLO packet (2.1).
type Hello struct {
	Version  uint8
	Mode     Mode
	To, From uint32 // indexes: the receiver's, 0 while unknown; the sender's, not 0
	ID       uint64 // the client's random name for this attempt
	Number   uint64
	Cookie   []byte // at most CookieBytes
}

// ParseHello reads a HELLO packet and checks its CRC32C (2.1). Of another
// version it reads Version to ID, says DropVersion and checks no more (3.4).
// Cookie and frames are parts of b.
func ParseHello(b []byte) (h Hello, frames []byte, d Drop) {
	switch {
	case len(b) > 0 && Kind(b[0]) != KindHello:
		return h, nil, DropKind
	case len(b) < helloPrefix:
		return h, nil, DropShort
	}
	h.Version, h.Mode = b[1], Mode(b[2])
	h.To, h.From = binary.BigEndian.Uint32(b[3:]), binary.BigEndian.Uint32(b[7:])
	h.ID = binary.BigEndian.Uint64(b[11:])
	if h.Version != Version {
		return h, nil, DropVersion
	}
	if len(b) < helloFixed+crcBytes {
		return h, nil, DropShort
	}
	body, ok := checkCRC(b)
	if !ok {
		return h, nil, DropTag
	}
	h.Number = binary.BigEndian.Uint64(b[19:])
	size := int(b[27])
	switch {
	case h.Mode != ModeTLS && h.Mode != ModePlain:
		return h, nil, DropMode
	case h.From == 0:
		return h, nil, DropIndex
	case h.Number > MaxVarint:
		return h, nil, DropNumber
	case size > CookieBytes:
		return h, nil, DropCookie
	case len(body) < helloFixed+size:
		return h, nil, DropShort
	}
	end := helloFixed + size
	h.Cookie = body[helloFixed:end:end]
	return h, body[end:], DropNone
}

// AppendHello appends the header of a HELLO packet (2.1), with our Version.
// Frames come next, then AppendCRC. The cookie is at most CookieBytes.
func AppendHello(dst []byte, h *Hello) []byte {
	dst = append(dst, byte(KindHello), Version, byte(h.Mode))
	dst = binary.BigEndian.AppendUint32(dst, h.To)
	dst = binary.BigEndian.AppendUint32(dst, h.From)
	dst = binary.BigEndian.AppendUint64(dst, h.ID)
	dst = binary.BigEndian.AppendUint64(dst, h.Number)
	dst = append(dst, byte(len(h.Cookie)))
	return append(dst, h.Cookie...)
}

// AppendCRC appends the CRC32C of the packet that begins at dst[at] (2.1).
func AppendCRC(dst []byte, at int) []byte {
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[at:], castagnoli))
}

func checkCRC(b []byte) (body []byte, ok bool) {
	end := len(b) - crcBytes
	return b[:end:end], crc32.Checksum(b[:end], castagnoli) == binary.BigEndian.Uint32(b[end:])
}

// Retry is a RETRY packet (2.1): the cookie that the client's next HELLO shall
// have.
type Retry struct {
	Version uint8
	To      uint32
	ID      uint64
	Cookie  []byte // 1 to CookieBytes
}

const retryFixed = 15

// ParseRetry reads a RETRY packet (2.1). The cookie is a part of b.
func ParseRetry(b []byte) (r Retry, d Drop) {
	switch {
	case len(b) > 0 && Kind(b[0]) != KindRetry:
		return r, DropKind
	case len(b) < retryFixed+crcBytes:
		return r, DropShort
	}
	body, ok := checkCRC(b)
	if !ok {
		return r, DropTag
	}
	r.Version, r.To, r.ID = b[1], binary.BigEndian.Uint32(b[2:]), binary.BigEndian.Uint64(b[6:])
	size := int(b[14])
	switch {
	case r.Version != Version:
		return r, DropVersion
	case size == 0 || size > CookieBytes:
		return r, DropCookie
	case len(body) < retryFixed+size:
		return r, DropShort
	case len(body) > retryFixed+size:
		return r, DropLong
	}
	r.Cookie = body[retryFixed:]
	return r, DropNone
}

// AppendRetry appends a RETRY packet, whole (2.1), with our Version.
func AppendRetry(dst []byte, r *Retry) []byte {
	at := len(dst)
	dst = append(dst, byte(KindRetry), Version)
	dst = binary.BigEndian.AppendUint32(dst, r.To)
	dst = binary.BigEndian.AppendUint64(dst, r.ID)
	dst = append(dst, byte(len(r.Cookie)))
	dst = append(dst, r.Cookie...)
	return AppendCRC(dst, at)
}

// Versions is a VERSIONS packet (2.1, 3.4): what the server speaks.
type Versions struct {
	To   uint32
	ID   uint64
	List []byte // 1 to MaxVersions of them
}

const versionsFixed = 14

// ParseVersions reads a VERSIONS packet (2.1). The list is a part of b.
func ParseVersions(b []byte) (v Versions, d Drop) {
	switch {
	case len(b) > 0 && Kind(b[0]) != KindVersions:
		return v, DropKind
	case len(b) < versionsFixed+crcBytes:
		return v, DropShort
	}
	body, ok := checkCRC(b)
	if !ok {
		return v, DropTag
	}
	v.To, v.ID = binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint64(b[5:])
	count := int(b[13])
	switch {
	case count == 0 || count > MaxVersions:
		return v, DropVersions
	case len(body) < versionsFixed+count:
		return v, DropShort
	case len(body) > versionsFixed+count:
		return v, DropLong
	}
	v.List = body[versionsFixed:]
	return v, DropNone
}

// AppendVersions appends a VERSIONS packet, whole (2.1).
func AppendVersions(dst []byte, v *Versions) []byte {
	at := len(dst)
	dst = append(dst, byte(KindVersions))
	dst = binary.BigEndian.AppendUint32(dst, v.To)
	dst = binary.BigEndian.AppendUint64(dst, v.ID)
	dst = append(dst, byte(len(v.List)))
	dst = append(dst, v.List...)
	return AppendCRC(dst, at)
}

// Reset is a RESET packet (2.1): index and number of the packet that met no
// session. Nothing vouches for it; it is a hint.
type Reset struct {
	Index  uint32
	Number uint64
}

// ParseReset reads a RESET packet (2.1).
func ParseReset(b []byte) (r Reset, d Drop) {
	switch {
	case len(b) > 0 && Kind(b[0]) != KindReset:
		return r, DropKind
	case len(b) < HeaderBytes:
		return r, DropShort
	case len(b) > HeaderBytes:
		return r, DropLong
	}
	r.Index, r.Number = binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint64(b[5:])
	if r.Index == 0 {
		return r, DropIndex
	}
	if r.Number > MaxVarint {
		return r, DropNumber
	}
	return r, DropNone
}

// AppendReset appends the RESET that answers packet, or nothing if packet is
// no longer than the answer would be (2.1).
func AppendReset(dst, packet []byte) []byte {
	if len(packet) <= HeaderBytes {
		return dst
	}
	return append(append(dst, byte(KindReset)), packet[1:HeaderBytes]...)
}
