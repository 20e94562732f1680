package engine

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"hash"
	"sync"
)

// Keys are one direction's, of one phase (2.2, 3.6).
type Keys interface {
	Sealer
	// Next returns those of the next phase; nil: there are none.
	Next() Keys
}

// aead is a Keys that seals with AES-GCM (2.2).
type aead struct {
	gcm    cipher.AEAD
	iv     [12]byte
	secret []byte
	size   int // of the key
	hash   func() hash.Hash
	// nonces are of *[12]byte: what is given to an interface lives on the heap.
	nonces sync.Pool
}

// NewKeys makes keys of a traffic secret of TLS (2.2; RFC 8446, 7.1). Where TLS
// chose ChaCha20-Poly1305 they are AES-256-GCM's all the same: the standard library
// has no other AEAD, and a session's packets need not be sealed as TLS's records.
func NewKeys(suite uint16, secret []byte) (Keys, error) {
	switch suite {
	case tls.TLS_AES_128_GCM_SHA256:
		return newAEAD(16, sha256.New, secret)
	case tls.TLS_AES_256_GCM_SHA384:
		return newAEAD(32, sha512.New384, secret)
	case tls.TLS_CHACHA20_POLY1305_SHA256:
		return newAEAD(32, sha256.New, secret)
	}
	return nil, fmt.Errorf("cipher suite %s is not spoken here", tls.CipherSuiteName(suite))
}

func newAEAD(size int, h func() hash.Hash, secret []byte) (*aead, error) {
	a := &aead{secret: append([]byte(nil), secret...), size: size, hash: h}
	key, err := expand(h, secret, "lupine key", size)
	if err != nil {
		return nil, err
	}
	iv, err := expand(h, secret, "lupine iv", len(a.iv))
	if err != nil {
		return nil, err
	}
	copy(a.iv[:], iv)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	a.gcm, err = cipher.NewGCM(block)
	return a, err
}

// expand is HKDF-Expand-Label with an empty context (RFC 8446, 7.1).
func expand(h func() hash.Hash, secret []byte, label string, size int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(append(info, byte(len(label))), label...)
	return hkdf.Expand(h, secret, string(append(info, 0)), size)
}

// Overhead is 16.
func (a *aead) Overhead() int { return a.gcm.Overhead() }

// nonce is the IV xor the number, right-aligned. It goes back into nonces.
func (a *aead) nonce(number uint64) *[12]byte {
	n, ok := a.nonces.Get().(*[12]byte)
	if !ok {
		n = new([12]byte)
	}
	*n = a.iv
	binary.BigEndian.PutUint64(n[4:], binary.BigEndian.Uint64(n[4:])^number)
	return n
}

// Seal seals the packet that begins at dst[at], in place (2.2).
func (a *aead) Seal(dst []byte, at int, number uint64) []byte {
	n := a.nonce(number)
	head := dst[at : at+HeaderBytes]
	dst = a.gcm.Seal(dst[:at+HeaderBytes], n[:], dst[at+HeaderBytes:], head)
	a.nonces.Put(n)
	return dst
}

// Open opens a packet in place (2.2).
func (a *aead) Open(packet []byte, number uint64) (frames []byte, ok bool) {
	if len(packet) < HeaderBytes+a.gcm.Overhead() {
		return nil, false
	}
	n := a.nonce(number)
	body := packet[HeaderBytes:]
	frames, err := a.gcm.Open(body[:0], n[:], body, packet[:HeaderBytes])
	a.nonces.Put(n)
	return frames, err == nil
}

// Next returns the keys of the next phase (3.6).
func (a *aead) Next() Keys {
	secret, err := expand(a.hash, a.secret, "lupine ku", len(a.secret))
	if err != nil {
		return nil
	}
	next, err := newAEAD(a.size, a.hash, secret)
	if err != nil {
		return nil
	}
	return next
}

// keyState is where key update stands (3.6). Generations count updates, and the
// phase of a packet is its generation's low bit.
type keyState struct {
	read, write         Keys // of the present generation; nil: there is no update
	readGen, writeGen   int
	readNext, writeNext Keys
	since               int64  // when the present write keys began
	first               uint64 // the first number that they sealed
	acked               bool   // one of theirs was acked
	readAcks            uint64 // ACKs that were sent when the present read keys came
	keepTo              int64  // the old read keys are kept until then; 0: readNext is in their place
}

// countKey notes that a number was sealed; after KeyPackets it is time for others.
func (c *Conn) countKey(number uint64) {
	k := &c.keys
	if k.write != nil && number-k.first >= keyPackets {
		c.updateKeys(c.now)
	}
}

// updateKeys moves to the next write keys, if that is allowed now (3.6).
func (c *Conn) updateKeys(now int64) {
	k := &c.keys
	if k.write == nil || !k.acked || k.writeNext == nil || k.keepTo != 0 && k.writeGen == k.readGen {
		return
	}
	k.write, k.writeNext = k.writeNext, k.writeNext.Next()
	k.writeGen++
	k.since, k.first, k.acked = now, c.sent.next, false
	c.keyPhase = uint8(k.writeGen & 1)
	c.writers[LevelData] = k.write
}

// moveKeys follows a packet that opened under the next read keys (3.6). It is
// false where the packet may not be taken.
func (c *Conn) moveKeys(now int64, p *Packet) bool {
	k := &c.keys
	if p.Kind.Level() != LevelData || k.read == nil || p.keys <= k.readGen {
		return true
	}
	if p.keys > k.writeGen && k.readGen > 0 && c.acksSent == k.readAcks { // else it follows us
		c.fail(now, &Error{CodeProtocol, "packet: key phase: a second update before the first was acknowledged"})
		return false
	}
	k.read, k.readGen, k.readAcks = k.readNext, p.keys, c.acksSent
	k.readNext = k.read.Next()
	k.keepTo = now + 3*c.ptoBase(LevelData)
	if k.writeGen < k.readGen && k.writeNext != nil {
		k.write, k.writeNext = k.writeNext, k.writeNext.Next()
		k.writeGen++
		k.since, k.first, k.acked = now, c.sent.next, false
		c.keyPhase = uint8(k.writeGen & 1)
		c.writers[LevelData] = k.write
	}
	return true
}

// keyAcked notes that a packet was acked.
func (k *keyState) packetAcked(number uint64) {
	if number >= k.first {
		k.acked = true
	}
}

// tickKeys drops old read keys and renews what is old.
func (c *Conn) tickKeys(now int64) {
	k := &c.keys
	if k.write == nil {
		return
	}
	if k.keepTo != 0 && now >= k.keepTo {
		k.keepTo = 0
		if k.readNext != nil {
			c.opener.setData(k.readGen+1, k.readNext)
		}
	}
	if now-k.since >= keyAge {
		c.updateKeys(now)
	}
	if c.opener.Failed.Load() > keyFailures {
		c.hit(LimitKeys)
		c.fail(now, &Error{CodeLimit, "too many packets that do not open (limit KeyFailures)"})
	}
}

// nextKeys is when tickKeys is due.
func (c *Conn) nextKeys() int64 {
	k := &c.keys
	switch {
	case k.write == nil:
		return 0
	case k.keepTo != 0:
		return k.keepTo
	case k.acked && k.writeNext != nil && c.waits():
		return k.since + keyAge
	}
	return 0
}
