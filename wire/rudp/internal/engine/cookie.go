package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"net/netip"
)

// CookieKeys makes and checks a server's cookies and tokens (3.2). Two keys are
// live: the one in use, and the one before.
type CookieKeys struct {
	macs [2]hash.Hash // indexed by the number's low bit; nil before there were two
	key  uint8        // number of the key in use, 7 bits
	in   [cookieHead + 32]byte
	sum  [sha256.Size]byte
}

// Layout of a cookie and of a token (3.2): key number, with tokenBit for a
// token; seconds since the server began; MAC.
const (
	cookieHead = 5
	cookieMAC  = 16
	tokenBit   = 0x80
)

// NewCookieKeys returns keys of which one is live (3.2). The secret is random.
func NewCookieKeys(secret [32]byte) *CookieKeys {
	k := new(CookieKeys)
	k.macs[0] = hmac.New(sha256.New, secret[:])
	return k
}

// Rotate puts a new key in use, keeps the one before and forgets the oldest
// (3.2). It is due every TokenLife / 2.
func (k *CookieKeys) Rotate(secret [32]byte) {
	k.key = (k.key + 1) &^ tokenBit
	k.macs[k.key&1] = hmac.New(sha256.New, secret[:])
}

// AppendCookie appends the cookie that answers HELLO h from an address (3.2);
// seconds is the time since the server began.
func (k *CookieKeys) AppendCookie(dst []byte, seconds uint32, from netip.AddrPort, h *Hello) []byte {
	return k.append(dst, k.key, seconds, from, h)
}

// AppendToken appends a token for the next session from an IP address (3.2).
func (k *CookieKeys) AppendToken(dst []byte, seconds uint32, from netip.Addr) []byte {
	return k.append(dst, k.key|tokenBit, seconds, netip.AddrPortFrom(from, 0), nil)
}

// Proof is what a HELLO's cookie shows (3.2).
type Proof uint8

// The proofs (3.2).
const (
	ProofNone   Proof = iota // no cookie, or one that is wrong or old: all the same
	ProofCookie              // ours, for this HELLO and address
	ProofToken               // a token of ours, for this IP address
)

// Check looks at the cookie of HELLO h (3.2). It costs at most one HMAC.
func (k *CookieKeys) Check(seconds uint32, from netip.AddrPort, h *Hello) Proof {
	if len(h.Cookie) != cookieHead+cookieMAC {
		return ProofNone
	}
	first, made := h.Cookie[0], binary.BigEndian.Uint32(h.Cookie[1:])
	proof, life := ProofCookie, uint32(CookieLife)
	if first&tokenBit != 0 {
		proof, life = ProofToken, TokenLife
	}
	// One made in the future is very old: the difference wraps. An older key has
	// the place of one in use, and so another MAC.
	if seconds-made > life || k.macs[first&1] == nil {
		return ProofNone
	}
	if !hmac.Equal(k.mac(first, made, from, h), h.Cookie[cookieHead:]) {
		return ProofNone
	}
	return proof
}

// append appends a cookie or token of the key and the purpose that first says.
func (k *CookieKeys) append(dst []byte, first uint8, seconds uint32, from netip.AddrPort, h *Hello) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, first), seconds)
	return append(dst, k.mac(first, seconds, from, h)...)
}

// mac returns what vouches for a cookie or token. It is good until the next call.
func (k *CookieKeys) mac(first uint8, seconds uint32, from netip.AddrPort, h *Hello) []byte {
	in := binary.BigEndian.AppendUint32(append(k.in[:0], first), seconds)
	addr := from.Addr().As16() // IPv4 as an IPv6 address that holds it
	in = append(in, addr[:]...)
	if first&tokenBit == 0 {
		in = binary.BigEndian.AppendUint16(in, from.Port())
		in = binary.BigEndian.AppendUint64(in, h.ID)
		in = binary.BigEndian.AppendUint32(in, h.From)
		in = append(in, h.Version, byte(h.Mode))
	}
	mac := k.macs[first&1]
	mac.Reset()
	mac.Write(in)
	return mac.Sum(k.sum[:0])[:cookieMAC]
}
