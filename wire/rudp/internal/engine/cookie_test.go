package engine

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"net/netip"
	"testing"
)

var (
	testFrom  = netip.MustParseAddrPort("192.0.2.7:4433")
	testHello = Hello{Version: Version, Mode: ModeTLS, From: 0x01020304, ID: testID}
)

// The layout of 3.2, put together by hand.
func TestCookieLayout(t *testing.T) {
	secret := [32]byte{9}
	k := NewCookieKeys(secret)
	mac := func(hex string) []byte {
		m := hmac.New(sha256.New, secret[:])
		m.Write(unhex(t, hex))
		return m.Sum(nil)[:16]
	}
	got := k.AppendCookie([]byte("before"), 0x01020304, testFrom, &testHello)
	want := append([]byte("before\x00\x01\x02\x03\x04"),
		mac("00 01020304 00000000000000000000ffffc0000207 1151 a1a2a3a4a5a6a7a8 01020304 80 01")...)
	if !bytes.Equal(got, want) {
		t.Errorf("cookie %x, want %x", got, want)
	}
	got = k.AppendToken(nil, 0x01020304, testFrom.Addr())
	want = append([]byte("\x80\x01\x02\x03\x04"), mac("80 01020304 00000000000000000000ffffc0000207")...)
	if !bytes.Equal(got, want) || len(got) > CookieBytes {
		t.Errorf("token %x, want %x", got, want)
	}
}

func TestCookieCheck(t *testing.T) {
	const now = 100_000
	k := NewCookieKeys([32]byte{1})
	cookie := k.AppendCookie(nil, now, testFrom, &testHello)
	token := k.AppendToken(nil, now, testFrom.Addr())
	other := netip.MustParseAddrPort("192.0.2.8:4433")
	mapped := netip.AddrPortFrom(netip.AddrFrom16(testFrom.Addr().As16()), testFrom.Port())
	port := netip.AddrPortFrom(testFrom.Addr(), 4434)
	for _, c := range []struct {
		name   string
		bytes  []byte
		after  int
		from   netip.AddrPort
		change func(h *Hello)
		want   Proof
	}{
		{"none", nil, 0, testFrom, nil, ProofNone},
		{"cookie", cookie, 0, testFrom, nil, ProofCookie},
		{"cookie, IPv4 in IPv6", cookie, 0, mapped, nil, ProofCookie},
		{"cookie at its end", cookie, CookieLife, testFrom, nil, ProofCookie},
		{"cookie, old", cookie, CookieLife + 1, testFrom, nil, ProofNone},
		{"cookie of the future", cookie, -1, testFrom, nil, ProofNone},
		{"cookie, address", cookie, 0, other, nil, ProofNone},
		{"cookie, port", cookie, 0, port, nil, ProofNone},
		{"cookie, id", cookie, 0, testFrom, func(h *Hello) { h.ID++ }, ProofNone},
		{"cookie, index", cookie, 0, testFrom, func(h *Hello) { h.From++ }, ProofNone},
		{"cookie, version", cookie, 0, testFrom, func(h *Hello) { h.Version++ }, ProofNone},
		{"cookie, mode", cookie, 0, testFrom, func(h *Hello) { h.Mode++ }, ProofNone},
		{"cookie as token", append([]byte{0x80}, cookie[1:]...), 0, testFrom, nil, ProofNone},
		{"short", cookie[:20], 0, testFrom, nil, ProofNone},
		{"long", append(cookie[:21:21], 0), 0, testFrom, nil, ProofNone},
		{"token", token, 0, testFrom, nil, ProofToken},
		{"token, port, id, index, mode", token, TokenLife, port, func(h *Hello) { h.ID, h.From, h.Mode = 5, 6, ModePlain }, ProofToken},
		{"token, old", token, TokenLife + 1, testFrom, nil, ProofNone},
		{"token, address", token, 0, other, nil, ProofNone},
		{"token as cookie", append([]byte{0}, token[1:]...), 0, testFrom, nil, ProofNone},
	} {
		h := testHello
		if c.change != nil {
			c.change(&h)
		}
		h.Cookie = c.bytes
		if got := k.Check(uint32(now+c.after), c.from, &h); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	h := testHello
	for bit := range 8 * len(cookie) {
		h.Cookie = bytes.Clone(cookie)
		h.Cookie[bit/8] ^= 1 << (bit % 8)
		if got := k.Check(now, testFrom, &h); got != ProofNone {
			t.Errorf("bit %d changed: %d", bit, got)
		}
	}
}

// A key is good until the second one after it; key numbers may wrap.
func TestCookieRotate(t *testing.T) {
	k := NewCookieKeys([32]byte{})
	for i := range 300 {
		h := testHello
		h.Cookie = k.AppendCookie(nil, 7, testFrom, &testHello)
		old := k.AppendToken(nil, 7, testFrom.Addr())
		if got := k.Check(7, testFrom, &h); got != ProofCookie {
			t.Fatalf("key %d in use: %d", i, got)
		}
		k.Rotate([32]byte{1, byte(i), byte(i >> 8)})
		if got := k.Check(7, testFrom, &h); got != ProofCookie {
			t.Fatalf("key %d, one later: %d", i, got)
		}
		if h.Cookie = old; k.Check(7, testFrom, &h) != ProofToken {
			t.Fatalf("token of key %d, one later", i)
		}
		second := *k
		second.Rotate([32]byte{2, byte(i), byte(i >> 8)})
		if second.Check(7, testFrom, &h) != ProofNone {
			t.Fatalf("token of key %d, two later", i)
		}
	}
}

// A stranger's HELLO costs a server no memory.
func TestCookiesAllocateNothing(t *testing.T) {
	k := NewCookieKeys([32]byte{1})
	h := testHello
	h.Cookie = k.AppendCookie(nil, 7, testFrom, &testHello)
	buf := make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		if k.Check(7, testFrom, &h) != ProofCookie {
			t.Fatal("not taken")
		}
		buf = k.AppendCookie(buf[:0], 7, testFrom, &h)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
