package engine

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"testing"
)

const testID = 0xa1a2a3a4a5a6a7a8

var testSalt = [8]byte{0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58}

// The CRCs of these vectors come from another implementation, bit by bit.
var packetVectors = []struct {
	name, hex, text string
	append          func(b []byte) []byte
}{
	{
		"HELLO", "08 80 02 00000000 01020304 a1a2a3a4a5a6a7a8 0000000000000000 00 01 00 00 f344e551",
		"HELLO version 128 mode 2 to 0 from 16909060 id a1a2a3a4a5a6a7a8 number 0 cookie  frames 010000",
		func(b []byte) []byte {
			at := len(b)
			b = AppendHello(b, &Hello{Mode: ModePlain, From: 0x01020304, ID: testID})
			return AppendCRC(append(b, 1, 0, 0), at)
		},
	},
	{
		"HELLO with a cookie", "08 80 01 11223344 01020304 a1a2a3a4a5a6a7a8 0000000000000007 04 c0c1c2c3 04 00 02 6869 50f4fb60",
		"HELLO version 128 mode 1 to 287454020 from 16909060 id a1a2a3a4a5a6a7a8 number 7 cookie c0c1c2c3 frames 0400026869",
		func(b []byte) []byte {
			at := len(b)
			b = AppendHello(b, &Hello{Mode: ModeTLS, To: 0x11223344, From: 0x01020304, ID: testID, Number: 7, Cookie: []byte{0xc0, 0xc1, 0xc2, 0xc3}})
			return AppendCRC(AppendCrypto(b, 0, []byte("hi")), at)
		},
	},
	{
		"RETRY", "09 80 01020304 a1a2a3a4a5a6a7a8 04 c0c1c2c3 ead86206",
		"RETRY version 128 to 16909060 id a1a2a3a4a5a6a7a8 cookie c0c1c2c3",
		func(b []byte) []byte {
			return AppendRetry(b, &Retry{To: 0x01020304, ID: testID, Cookie: []byte{0xc0, 0xc1, 0xc2, 0xc3}})
		},
	},
	{
		"VERSIONS", "0a 01020304 a1a2a3a4a5a6a7a8 02 8081 9f96e10c",
		"VERSIONS to 16909060 id a1a2a3a4a5a6a7a8 list 8081",
		func(b []byte) []byte {
			return AppendVersions(b, &Versions{To: 0x01020304, ID: testID, List: []byte{0x80, 0x81}})
		},
	},
	{
		"RESET", "0e 11223344 0000000000000009",
		"RESET index 287454020 number 9",
		func(b []byte) []byte {
			return AppendReset(b, unhex(nil, "0c 11223344 0000000000000009 01 e316ed2a"))
		},
	},
	{
		"DATA, plain, id and salt as above", "0c 11223344 0000000000000009 01 e316ed2a",
		"DATA kind 12 index 287454020 number 9 frames 01",
		func(b []byte) []byte {
			at := len(b)
			b = AppendHeader(b, Header{KindData0, 0x11223344, 9})
			return NewPlain(testID, testSalt).Seal(append(b, 1), at, 9)
		},
	},
}

// openPacket parses a packet of any kind and says what it says.
func openPacket(b []byte, s Sealer) (string, Drop) {
	if len(b) == 0 {
		return "", DropShort
	}
	switch Kind(b[0]) {
	case KindHello:
		h, frames, d := ParseHello(b)
		return fmt.Sprintf("HELLO version %d mode %d to %d from %d id %x number %d cookie %x frames %x",
			h.Version, h.Mode, h.To, h.From, h.ID, h.Number, h.Cookie, frames), d
	case KindRetry:
		r, d := ParseRetry(b)
		return fmt.Sprintf("RETRY version %d to %d id %x cookie %x", r.Version, r.To, r.ID, r.Cookie), d
	case KindVersions:
		v, d := ParseVersions(b)
		return fmt.Sprintf("VERSIONS to %d id %x list %x", v.To, v.ID, v.List), d
	case KindReset:
		r, d := ParseReset(b)
		return fmt.Sprintf("RESET index %d number %d", r.Index, r.Number), d
	}
	h, d := ParseHeader(b, s.Overhead())
	if d != DropNone {
		return "", d
	}
	frames, ok := s.Open(b, h.Number)
	if !ok {
		return "", DropTag
	}
	return fmt.Sprintf("DATA kind %d index %d number %d frames %x", h.Kind, h.Index, h.Number, frames), DropNone
}

func TestPackets(t *testing.T) {
	s := NewPlain(testID, testSalt)
	for _, v := range packetVectors {
		b := unhex(t, v.hex)
		if got, d := openPacket(b, s); d != DropNone || got != v.text {
			t.Errorf("%s: %q %s, want %q", v.name, got, d, v.text)
		}
		if got := v.append([]byte("before")); string(got) != "before"+string(b) {
			t.Errorf("%s: appended as %x, want %x", v.name, got[6:], b)
		}
		for n := range b {
			if _, d := openPacket(b[:n], s); d != DropShort && d != DropTag {
				t.Errorf("%s: the first %d bytes: %q", v.name, n, d)
			}
		}
		if _, d := openPacket(append(b[:len(b):len(b)], 0), s); d != DropTag && d != DropLong {
			t.Errorf("%s: with a byte more: %q", v.name, d)
		}
		if Kind(b[0]) == KindReset {
			continue // nothing protects it
		}
		for bit := range 8 * len(b) {
			bad := bytes.Clone(b)
			bad[bit/8] ^= 1 << (bit % 8)
			if _, d := openPacket(bad, s); d == DropNone {
				t.Errorf("%s: bit %d changed and it is taken", v.name, bit)
			}
		}
	}
}

// crcOf puts the right CRC32C at the end of a clear packet.
func crcOf(t *testing.T, hex string) []byte { return AppendCRC(unhex(t, hex), 0) }

// What a right checksum does not make right.
func TestPacketsRefused(t *testing.T) {
	hello := "08 80 02 00000000 01020304 a1a2a3a4a5a6a7a8 "
	cookie := fmt.Sprintf("%0130x", 1) // 65 bytes
	list := fmt.Sprintf("%034x", 1)    // 17 bytes
	for _, c := range []struct {
		b    []byte
		want Drop
	}{
		{unhex(t, "07 00"), DropKind},
		{unhex(t, "0f 00"), DropKind},
		{crcOf(t, "08 80 03 00000000 01020304 a1a2a3a4a5a6a7a8 0000000000000000 00 01"), DropMode},
		{crcOf(t, "08 80 02 00000000 00000000 a1a2a3a4a5a6a7a8 0000000000000000 00 01"), DropIndex},
		{crcOf(t, hello+"4000000000000000 00 01"), DropNumber},
		{crcOf(t, hello+"0000000000000000 02 c0"), DropShort},
		{crcOf(t, hello+"0000000000000000 41"+cookie), DropCookie},
		{crcOf(t, "09 01 01020304 a1a2a3a4a5a6a7a8 01 c0"), DropVersion},
		{crcOf(t, "09 80 01020304 a1a2a3a4a5a6a7a8 00"), DropCookie},
		{crcOf(t, "09 80 01020304 a1a2a3a4a5a6a7a8 41"+cookie), DropCookie},
		{crcOf(t, "09 80 01020304 a1a2a3a4a5a6a7a8 02 c0"), DropShort},
		{crcOf(t, "09 80 01020304 a1a2a3a4a5a6a7a8 01 c0c1"), DropLong},
		{crcOf(t, "0a 01020304 a1a2a3a4a5a6a7a8 00"), DropVersions},
		{crcOf(t, "0a 01020304 a1a2a3a4a5a6a7a8 11"+list), DropVersions},
		{crcOf(t, "0a 01020304 a1a2a3a4a5a6a7a8 02 80"), DropShort},
		{crcOf(t, "0a 01020304 a1a2a3a4a5a6a7a8 01 8081"), DropLong},
		{unhex(t, "0e 00000000 0000000000000009"), DropIndex},
		{unhex(t, "0e 00000001 4000000000000000"), DropNumber},
		{unhex(t, "0c 00000000 0000000000000009 01 00000000"), DropIndex},
		{unhex(t, "0d 00000001 4000000000000000 01 00000000"), DropNumber},
		{unhex(t, "0b 00000001 0000000000000000 01 00000000"), DropTag},
		{unhex(t, "0c 00000001 0000000000000000 000000"), DropShort},
	} {
		if _, d := openPacket(c.b, NewPlain(testID, testSalt)); d != c.want {
			t.Errorf("%x: %q, want %q", c.b, d, c.want)
		}
		if c.want.String() == "" {
			t.Errorf("reason %d has no text", c.want)
		}
	}
}

// Each parser takes its own kind only.
func TestPacketsOfOtherKinds(t *testing.T) {
	for _, v := range packetVectors {
		b := unhex(t, v.hex)
		_, _, d1 := ParseHello(b)
		_, d2 := ParseRetry(b)
		_, d3 := ParseVersions(b)
		_, d4 := ParseReset(b)
		_, d5 := ParseHeader(b, 4)
		taken := 0
		for _, d := range []Drop{d1, d2, d3, d4, d5} {
			if d == DropNone {
				taken++
			} else if d != DropKind {
				t.Errorf("%s: %q", v.name, d)
			}
		}
		if taken != 1 {
			t.Errorf("%s is taken by %d parsers", v.name, taken)
		}
	}
}

// Of a HELLO of another version all is known that VERSIONS needs, whatever
// that version has after the id.
func TestHelloOfAnotherVersion(t *testing.T) {
	b := unhex(t, "08 01 02 00000000 01020304 a1a2a3a4a5a6a7a8")
	h, frames, d := ParseHello(b)
	if d != DropVersion || h.Version != 1 || h.From != 0x01020304 || h.ID != testID || frames != nil {
		t.Errorf("%+v %x %s", h, frames, d)
	}
	for n := range b {
		if _, _, d := ParseHello(b[:n]); d != DropShort {
			t.Errorf("%d bytes: %q", n, d)
		}
	}
}

// The answers to a stranger are shorter than the shortest HELLO that is
// answered, and a RESET than what caused it.
func TestAnswersAreShort(t *testing.T) {
	retry := AppendRetry(nil, &Retry{Cookie: make([]byte, CookieBytes)})
	versions := AppendVersions(nil, &Versions{List: make([]byte, MaxVersions)})
	if len(retry) >= HelloBytes || len(versions) >= HelloBytes {
		t.Errorf("RETRY %d, VERSIONS %d, HelloBytes %d", len(retry), len(versions), HelloBytes)
	}
	if b := AppendReset(nil, make([]byte, 13)); len(b) != 0 {
		t.Errorf("13 bytes are answered with %d", len(b))
	}
}

// Another session's salt or id makes another tag.
func TestPlainSalt(t *testing.T) {
	b := unhex(t, packetVectors[5].hex)
	for _, s := range []*Plain{NewPlain(testID+1, testSalt), NewPlain(testID, [8]byte{})} {
		if _, ok := s.Open(b, 9); ok {
			t.Error("a packet of another session is taken")
		}
	}
	// Nothing but a header is a packet without frames: well sealed, for the frame
	// parser to refuse.
	s := NewPlain(testID, testSalt)
	empty := s.Seal(AppendHeader(nil, Header{KindData1, 1, 1}), 0, 1)
	if frames, ok := s.Open(empty, 1); !ok || len(frames) != 0 {
		t.Errorf("%x %v", frames, ok)
	}
	if _, ok := s.Open(s.Seal(make([]byte, 5), 0, 1), 1); ok {
		t.Error("half a header is taken")
	}
}

// gcm is an AEAD as 2.2 uses it: what Sealer is made for.
type gcm struct {
	aead cipher.AEAD
	iv   [12]byte
}

func (g *gcm) nonce(number uint64) []byte {
	n := g.iv
	binary.BigEndian.PutUint64(n[4:], binary.BigEndian.Uint64(n[4:])^number)
	return n[:]
}

func (g *gcm) Overhead() int { return g.aead.Overhead() }

func (g *gcm) Seal(dst []byte, at int, number uint64) []byte {
	frames := at + HeaderBytes
	return g.aead.Seal(dst[:frames], g.nonce(number), dst[frames:], dst[at:frames])
}

func (g *gcm) Open(packet []byte, number uint64) ([]byte, bool) {
	frames, err := g.aead.Open(packet[HeaderBytes:HeaderBytes], g.nonce(number), packet[HeaderBytes:], packet[:HeaderBytes])
	return frames, err == nil
}

func testAEAD(t *testing.T) cipher.AEAD {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead
}

func TestSealerTakesAnAEAD(t *testing.T) {
	var s Sealer = &gcm{aead: testAEAD(t)}
	b := append(AppendHeader([]byte("before"), Header{KindHandshake, 7, 1 << 40}), 1, 0)
	b = s.Seal(b, 6, 1<<40)
	h, d := ParseHeader(b[6:], s.Overhead())
	if d != DropNone || h.Kind.Level() != LevelHandshake {
		t.Fatal(h, d)
	}
	if frames, ok := s.Open(bytes.Clone(b[6:]), h.Number); !ok || !bytes.Equal(frames, []byte{1, 0}) {
		t.Errorf("%x %v", frames, ok)
	}
	if _, ok := s.Open(b[6:], h.Number+1); ok {
		t.Error("opens under another number")
	}
}

func TestPacketsAllocateNothing(t *testing.T) {
	buf := make([]byte, 0, 256)
	hello, data := unhex(t, packetVectors[1].hex), unhex(t, packetVectors[5].hex)
	s := NewPlain(testID, testSalt)
	h := Hello{Mode: ModeTLS, From: 1, ID: testID, Cookie: hello[28:32]}
	if n := testing.AllocsPerRun(100, func() {
		if _, _, d := ParseHello(hello); d != DropNone {
			t.Fatal(d)
		}
		header, d := ParseHeader(data, s.Overhead())
		if _, ok := s.Open(data, header.Number); !ok || d != DropNone {
			t.Fatal(d)
		}
		buf = AppendCRC(AppendHello(buf[:0], &h), 0)
		buf = s.Seal(append(AppendHeader(buf[:0], header), 1), 0, 9)
		buf = AppendReset(AppendRetry(buf[:0], &Retry{ID: testID, Cookie: hello[28:32]}), data)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
