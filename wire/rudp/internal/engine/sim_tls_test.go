package engine

import (
	"encoding/binary"
	"hash/crc32"
)

// script is a handshake that looks to the engine as one of TLS does: flights of
// some length, keys and parameters, in the same order (docs/rudp.md, 3.1). crypto/tls
// itself starts goroutines and draws randomness of its own.
type script struct {
	in   [3][]byte // what came and is not a whole flight yet
	said [3]int    // flights that came whole

}

// simKeys is a key that seals with a checksum, as long as an AEAD's tag.
type simKeys struct{ seed uint32 }

const simTag = 16

// newSimKeys is Config.Suite.
func newSimKeys(_ uint16, secret []byte) (Keys, error) {
	return &simKeys{crc32.Checksum(secret, castagnoli)}, nil
}

func (k *simKeys) Overhead() int { return simTag }

func (k *simKeys) Seal(dst []byte, at int, _ uint64) []byte {
	sum := crc32.Update(k.seed, castagnoli, dst[at:])
	dst = binary.BigEndian.AppendUint32(dst, sum)
	return append(dst, make([]byte, simTag-4)...)
}

func (k *simKeys) Open(packet []byte, _ uint64) (frames []byte, ok bool) {
	end := len(packet) - simTag
	if end < HeaderBytes || crc32.Update(k.seed, castagnoli, packet[:end]) != binary.BigEndian.Uint32(packet[end:]) {
		return nil, false
	}
	return packet[HeaderBytes:end:end], true
}

func (k *simKeys) Next() Keys { return &simKeys{crc32.Update(k.seed, castagnoli, []byte("next"))} }

// say has TLS say something, a little later: it runs on a goroutine of its own.
func (e *node) say(events ...CryptoEvent) {
	e.p.host.After(e.w.rand.Between(0, 2*ms), func() {
		if e.dead {
			return
		}
		for _, ev := range events {
			e.conn.Crypto(e.now(), ev)
		}
		e.tick.input()
		e.events()
		e.settle()
	})
}

// flight is one: its length, the parameters of the sender, if it has some, and padding.
func (e *node) flight(level Level, params bool, pad int64) CryptoEvent {
	b := []byte{0, 0, 0, 0}
	if params {
		p := e.params()
		b = AppendParams(b, &p)
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)-4))
	}
	b = append(b, poison[:e.w.rand.Between(1, pad)]...) // no zeros, which are PAD
	binary.BigEndian.PutUint16(b, uint16(len(b)))
	return CryptoEvent{Kind: CryptoWrite, Level: level, Data: b}
}

// key is the event that puts a key in use.
func (e *node) key(kind CryptoKind, level Level, name string) CryptoEvent {
	secret := binary.BigEndian.AppendUint64(nil, e.pair.id)
	server := e
	if !e.server {
		server = e.peer
	}
	secret = binary.BigEndian.AppendUint32(secret, server.index) // another server makes other keys
	return CryptoEvent{Kind: kind, Level: level, Data: append(secret, name...)}
}

// hello is the client's first flight.
func (e *node) hello() { e.say(e.flight(LevelInitial, true, 1500)) }

// heardTLS takes bytes of the other end's TLS.
func (e *node) heardTLS(ev *Event) {
	s := &e.tls
	s.in[ev.Level] = append(s.in[ev.Level], ev.Message...)
	for b := s.in[ev.Level]; len(b) >= 4 && len(b) >= int(binary.BigEndian.Uint16(b)); b = s.in[ev.Level] {
		n := int(binary.BigEndian.Uint16(b))
		params := append([]byte(nil), b[4:4+int(binary.BigEndian.Uint16(b[2:]))]...)
		s.in[ev.Level] = b[n:]
		s.said[ev.Level]++
		e.answer(ev.Level, params)
	}
}

// answer is what TLS says to a flight.
func (e *node) answer(level Level, params []byte) {
	if e.tls.said[level] > 1 && level != LevelData {
		e.w.fail(badMessage, "%v: flight %d of level %v", e, e.tls.said[level], level)
		return
	}
	theirs := CryptoEvent{Kind: CryptoParams, Data: params}
	switch {
	case e.server && level == LevelInitial:
		e.say(theirs, e.flight(LevelInitial, false, 100),
			e.key(CryptoWriteKeys, LevelHandshake, "server's, handshake"), e.key(CryptoReadKeys, LevelHandshake, "client's, handshake"),
			e.flight(LevelHandshake, true, 4000), e.key(CryptoWriteKeys, LevelData, "server's"))
	case e.server && level == LevelHandshake:
		e.say(e.key(CryptoReadKeys, LevelData, "client's"), CryptoEvent{Kind: CryptoDone}, e.flight(LevelData, false, 300))
	case level == LevelInitial:
		if e.peer == nil {
			e.w.fail(badBooks, "%v: a server that nobody has made says hello", e)
			return
		}
		e.say(e.key(CryptoReadKeys, LevelHandshake, "server's, handshake"), e.key(CryptoWriteKeys, LevelHandshake, "client's, handshake"))
	case level == LevelHandshake:
		e.say(theirs, e.flight(LevelHandshake, false, 2000),
			e.key(CryptoReadKeys, LevelData, "server's"), e.key(CryptoWriteKeys, LevelData, "client's"),
			CryptoEvent{Kind: CryptoDone, Asked: e.pair.id%2 == 0})
	}
}
