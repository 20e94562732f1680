package engine

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// one parses b as a packet of one frame.
func one(t testing.TB, b []byte) Frame {
	t.Helper()
	fs := ParseFrames(LevelData, b)
	var f, none Frame
	if ok, err := fs.Next(&f); !ok {
		t.Fatalf("%x: %v", b, err)
	}
	if ok, err := fs.Next(&none); ok || err != nil {
		t.Fatalf("%x: something follows: %v %v", b, ok, err)
	}
	return f
}

func TestFrames(t *testing.T) {
	seen := map[Type]bool{}
	for _, v := range frameVectors {
		b := unhex(t, v.hex)
		f := one(t, b)
		seen[f.Type] = true
		if got := show(f); got != v.text {
			t.Errorf("%s: parsed as %q, want %q", v.hex, got, v.text)
		}
		if got := v.append([]byte("before")); string(got) != "before"+string(b) {
			t.Errorf("%s: appended as %x, want %x", v.text, got[6:], b)
		}
		if got := appendFrame(nil, f); !bytes.Equal(got, b) {
			t.Errorf("%s: appended again as %x, want %x", v.text, got, b)
		}
	}
	for typ := TypePad; typ <= TypeDefine; typ++ {
		if !seen[typ] {
			t.Errorf("no vector for type %#x, %s", byte(typ), typ)
		}
	}
}

// Every proper beginning of a frame is refused, and the error names the frame.
// A stream frame without a length goes to the tag, so a part of its bytes is
// a frame too.
func TestFramesCutOff(t *testing.T) {
	for _, v := range frameVectors {
		b := unhex(t, v.hex)
		whole := one(t, b)
		for n := 1; n < len(b); n++ {
			fs := ParseFrames(LevelData, b[:n])
			var f Frame
			ok, err := fs.Next(&f)
			if f.Type.Stream() && f.Type&StreamLength == 0 && n >= len(b)-len(whole.Data) {
				if !ok || len(f.Data) != n-(len(b)-len(whole.Data)) {
					t.Errorf("%s, %d bytes: %v %v", v.text, n, ok, err)
				}
				continue
			}
			if ok || err == nil || err.Code != CodeProtocol || !strings.HasPrefix(err.Reason, whole.Type.String()+": ") ||
				!strings.HasSuffix(err.Reason, ": cut off") {
				t.Errorf("%s, %d bytes: %v %v", v.text, n, ok, err)
			}
			if ok, err := fs.Next(&f); ok || err != nil {
				t.Errorf("%s: goes on after an error: %v %v", v.text, ok, err)
			}
		}
	}
}

// A packet of many frames gives all of them; an unknown type among them ends it.
func TestFramesTogether(t *testing.T) {
	var b []byte
	var want []string
	for _, v := range frameVectors {
		if f := one(t, unhex(t, v.hex)); !f.Type.Stream() || f.Type&StreamLength != 0 {
			b = append(b, unhex(t, v.hex)...)
			want = append(want, v.text)
		}
	}
	fs := ParseFrames(LevelData, append(b, 0x20))
	for _, text := range want {
		var f Frame
		if ok, err := fs.Next(&f); !ok || show(f) != text {
			t.Fatalf("%v %v: %s, want %s", ok, err, show(f), text)
		}
	}
	var f Frame
	if ok, err := fs.Next(&f); ok || err == nil || err.Reason != "packet: frame type: 0x20 is unknown" {
		t.Fatalf("after all: %v %v", ok, err)
	}
}

func TestFrameErrors(t *testing.T) {
	many := strings.Repeat("00 01 ", 65)
	for _, c := range []struct{ hex, want string }{
		{"", "packet: frames: none"},
		{"13", "packet: frame type: 0x13 is unknown"},
		{"3f", "packet: frame type: 0x3f is unknown"},
		{"60 00 01", "packet: frame type: 0x60 is unknown"},
		{"ff", "packet: frame type: 0xff is unknown"},
		{"02 05 00 00 06", "ACK: first range: 6 goes below 0 from 5"},
		{"02 05 00 01 00 04 00", "ACK: gap: 4 goes below 0 from 5"},
		{"02 05 00 01 00 00 04", "ACK: length: 4 goes below 0 from 3"},
		{"02 05 00 01 00 ffffffffffffffff 00", "ACK: gap: 4611686018427387903 goes below 0 from 5"},
		{"02 4400 00 4040 00", "ACK: count: 65 ranges, more than 64 (limit AckRanges)"},
		{"03 05 00 00 06 00 00 00", "ACK_ECN: first range: 6 goes below 0 from 5"},
		{"04 80010000 01 aa", "CRYPTO: length: bytes from 65536 to 65537, past 65536 (limit CryptoBytes)"},
		{"04 ffffffffffffffff 01 aa", "CRYPTO: length: bytes from 4611686018427387903 to 4611686018427387904, past 65536 (limit CryptoBytes)"},
		{"04 00 80010001", "CRYPTO: length: bytes from 0 to 65537, past 65536 (limit CryptoBytes)"},
		{"06 00", "TOKEN: length: is 0"},
		{"06 4041", "TOKEN: length: 65 bytes, more than 64 (limit CookieBytes)"},
		{"08 00 00 05", "GRANT: seq: is 0; calls of a slot are numbered from 1"},
		{"0a 00", "PROBE: count: is 0; there is nothing to ask"},
		{"0b 00", "WORKING: count: is 0; there is nothing to ask"},
		{"0a 4041" + many, "PROBE: count: 65, more than 64 (limit ProbeCalls)"},
		{"0a 02 00 01 00 00", "PROBE: seq: is 0; calls of a slot are numbered from 1"},
		{"0c 00 00", "CANCEL: seq: is 0; calls of a slot are numbered from 1"},
		{"0d 00 01 00 01 00", "ENDED: code: is OK, which only a reply can say"},
		{"0d 00 01 c000000100000000 01 00", "ENDED: code: 4294967296 is above 2^32-1"},
		{"0d 00 01 08 03 00", "ENDED: executed: is 3; it is 0 maybe, 1 no or 2 yes"},
		{"0d 00 01 08 01 02 c328", "ENDED: reason: is not UTF-8"},
		{"0d 00 01 08 01 4401", "ENDED: reason: 1025 bytes, more than 1024 (limit Reason)"},
		{"0f 00 01 ff", "CLOSE: reason: is not UTF-8"},
		{"0f 00 4401", "CLOSE: reason: 1025 bytes, more than 1024 (limit Reason)"},
		{"12 00 01 61", "DEFINE: id: is 0; ids are from 1"},
		{"12 01 00", "DEFINE: length: is 0"},
		{"12 01 8000 4001", "DEFINE: length: 16385 bytes, more than 16384 (limit DictBytes)"},
		{"50 00 01", "CALL: type: 0x50 has A without R"},
		{"5c 00 01 01 00", "DATA: type: 0x5c has A without R"},
		{"42 00 00", "CALL: seq: is 0; calls of a slot are numbered from 1"},
		{"48 00 01 ffffffffffffffff aa", "DATA: length: the stream goes past 2^62-1"},
		{"4c 00 01 ffffffffffffffff 01 aa", "DATA: length: the stream goes past 2^62-1"},
		{"46 00 01 ffffffffffffffff", "CALL: bytes: cut off"},
	} {
		fs := ParseFrames(LevelData, unhex(t, c.hex))
		var f Frame
		if ok, err := fs.Next(&f); ok || err == nil || err.Code != CodeProtocol || err.Reason != c.want {
			t.Errorf("%s: %v %v, want %s", c.hex, ok, err, c.want)
		}
	}
}

// Before DATA a packet holds CRYPTO, ACK, PING, PAD and CLOSE only.
func TestFramesOfLevels(t *testing.T) {
	early := "PAD PING ACK CRYPTO CLOSE"
	for _, v := range frameVectors {
		for _, level := range []Level{LevelInitial, LevelHandshake} {
			fs := ParseFrames(level, unhex(t, v.hex))
			var f Frame
			ok, err := fs.Next(&f)
			typ := Type(unhex(t, v.hex)[0])
			if want := strings.Contains(" "+early+" ", " "+typ.String()+" "); ok != want {
				t.Errorf("%s at %s: %v %v", v.text, level, ok, err)
			}
			if !ok && err.Reason != "packet: frame type: "+typ.String()+" in a packet of level "+level.String() {
				t.Errorf("%s at %s: %v", v.text, level, err)
			}
		}
	}
}

// A varint may be longer than it needs to be (2), so that it can be patched in.
func TestLongVarints(t *testing.T) {
	for _, c := range []struct{ hex, text string }{
		{"08 4002 80000007 c000000000020000", "GRANT 2/7 below 131072, by the caller"},
		{"44 4000 4001 80000001 aa", "CALL 0/1 L at 0 aa"},
		{"4c 00 01 00 01 aa", "CALL 0/1 L at 0 aa"}, // an offset of 0, said
		{"0d 00 01 4008 01 4000", `ENDED 0/1 RESOURCE_EXHAUSTED executed no ""`},
	} {
		if got := show(one(t, unhex(t, c.hex))); got != c.text {
			t.Errorf("%s: %q, want %q", c.hex, got, c.text)
		}
	}
}

func TestVarint(t *testing.T) {
	// The last four are the samples of RFC 9000, A.1.
	for _, c := range []struct {
		v   uint64
		hex string
	}{
		{0, "00"}, {63, "3f"}, {64, "4040"}, {16383, "7fff"}, {16384, "80004000"}, {1<<30 - 1, "bfffffff"},
		{1 << 30, "c000000040000000"}, {MaxVarint, "ffffffffffffffff"},
		{151288809941952652, "c2197c5eff14e88c"}, {494878333, "9d7f3e7d"}, {15293, "7bbd"}, {37, "25"},
	} {
		b := AppendVarint(nil, c.v)
		if hex.EncodeToString(b) != c.hex || SizeVarint(c.v) != len(b) {
			t.Errorf("%d: %x, size %d, want %s", c.v, b, SizeVarint(c.v), c.hex)
		}
		if v, n := readVarint(append(b, 1)); v != c.v || n != len(b) {
			t.Errorf("%s: %d, %d bytes", c.hex, v, n)
		}
		for n := range b {
			if _, size := readVarint(b[:n]); size != 0 {
				t.Errorf("%s: %d bytes of it are read", c.hex, n)
			}
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("2^62 was appended")
		}
	}()
	AppendVarint(nil, MaxVarint+1)
}

// When each frame is acked (2.3, 5.2).
func TestAsks(t *testing.T) {
	want := map[string]Asks{
		"PAD": AsksNothing, "ACK": AsksNothing, "ACK_ECN": AsksNothing, "WORKING": AsksNothing, "CLOSE": AsksNothing, "PATH_RESPONSE": AsksNothing,
		"PING": AsksAtOnce, "PROBE": AsksAtOnce, "PATH_CHALLENGE": AsksAtOnce,
	}
	for _, v := range frameVectors {
		typ := Type(unhex(t, v.hex)[0])
		expect, ok := want[typ.String()]
		if !ok {
			expect = AsksSoon
		}
		if v.text == "REPLY 0/1 F L at 0 cc" {
			expect = AsksLazily
		}
		if typ.Asks() != expect {
			t.Errorf("%s asks %d, want %d", v.text, typ.Asks(), expect)
		}
	}
	for _, typ := range []Type{0x41, 0x45, 0x49, 0x4b, 0x4f} { // without A, and not all of a reply
		if typ.Asks() != AsksSoon {
			t.Errorf("%#x asks %d", byte(typ), typ.Asks())
		}
	}
}

// Texts are made UTF-8 and cut between characters.
func TestTexts(t *testing.T) {
	long := strings.Repeat("a", ReasonBytes-1)
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"grün", "grün"}, {"a\xffb", "a\uFFFDb"}, {"\uFFFD", "\uFFFD"},
		{long + "b", long + "b"}, {long + "ü", long}, {long + "\xff", long}, {long + "bc", long + "b"},
		{"\xff" + long, "\uFFFD" + long[:ReasonBytes-3]},
	} {
		for _, b := range [][]byte{AppendClose(nil, 0, c.in), AppendEnded(nil, call01, lupine.Internal, 0, c.in)} {
			if f := one(t, b); string(f.Data) != c.want {
				t.Errorf("%.20q: %d bytes, want %d", c.in, len(f.Data), len(c.want))
			}
		}
	}
}

// Of more ranges than an ACK may have the lowest are left out.
func TestAckRanges(t *testing.T) {
	var ranges []AckRange
	for i := range uint64(AckRanges + 5) {
		ranges = append(ranges, AckRange{1000 - 3*i, 1001 - 3*i})
	}
	f := one(t, AppendAck(nil, 0, ranges))
	if f.Ack.Count != AckRanges || f.Ack.Largest != 1001 {
		t.Fatalf("%d ranges below %d", f.Ack.Count, f.Ack.Largest)
	}
	for _, want := range ranges[:AckRanges] {
		if got := f.Ack.Next(); got != want {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

// FitStream never lets a frame grow past its room, and never wastes a byte.
func TestFitStream(t *testing.T) {
	for _, n := range []CallName{call01, {300, 1 << 31}} {
		for _, offset := range []uint64{0, 5, 70000} {
			for room := range 300 {
				fit := FitStream(room, n, offset, 1000)
				if fit < 0 {
					if size := len(AppendStream(nil, StreamLength, n, offset, nil)); size <= room {
						t.Errorf("room %d: an empty frame has %d bytes", room, size)
					}
					continue
				}
				size := len(AppendStream(nil, StreamLength, n, offset, make([]byte, fit)))
				more := len(AppendStream(nil, StreamLength, n, offset, make([]byte, fit+1)))
				if size > room || more <= room {
					t.Errorf("room %d: %d bytes fit in a frame of %d; one more: %d", room, fit, size, more)
				}
			}
			if fit := FitStream(1000, n, offset, 7); fit != 7 {
				t.Errorf("7 bytes in much room: %d fit", fit)
			}
		}
	}
}

func TestFramesAllocateNothing(t *testing.T) {
	buf := make([]byte, 0, 256)
	for _, v := range frameVectors {
		b := unhex(t, v.hex)
		var f Frame
		if n := testing.AllocsPerRun(100, func() {
			fs := ParseFrames(LevelData, b)
			for {
				if ok, _ := fs.Next(&f); !ok {
					break
				}
			}
			for f.Ack.Count > 0 {
				f.Ack.Next()
			}
			for f.Calls.Count > 0 {
				f.Calls.Next()
			}
		}); n != 0 {
			t.Errorf("parsing %s: %v allocations", v.text, n)
		}
		if n := testing.AllocsPerRun(100, func() { buf = v.append(buf[:0]) }); n != 0 {
			t.Errorf("appending %s: %v allocations", v.text, n)
		}
	}
}
