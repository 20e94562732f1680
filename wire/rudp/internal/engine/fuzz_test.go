package engine

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// FuzzPacket: whatever is no packet is dropped; whatever is one is the same
// bytes when it is appended again.
func FuzzPacket(f *testing.F) {
	for _, v := range packetVectors {
		f.Add(unhex(f, v.hex))
	}
	s := NewPlain(testID, testSalt)
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), 2000)]
		fuzzPacket(t, b, s)
		if len(b) < 4 {
			return
		}
		// Most inputs have a wrong checksum: look behind that too.
		fuzzPacket(t, AppendCRC(b[:len(b)-4:len(b)-4], 0), s)
		fuzzPacket(t, s.Seal(b[:len(b)-4:len(b)-4], 0, 0), s)
	})
}

func fuzzPacket(t *testing.T, b []byte, s Sealer) {
	if _, d := openPacket(b, s); d != DropNone {
		if d.String() == "" {
			t.Fatalf("%x: dropped without a reason", b)
		}
		return
	}
	var again []byte
	switch Kind(b[0]) {
	case KindHello:
		h, frames, _ := ParseHello(b)
		again = AppendCRC(append(AppendHello(nil, &h), frames...), 0)
	case KindRetry:
		r, _ := ParseRetry(b)
		again = AppendRetry(nil, &r)
	case KindVersions:
		v, _ := ParseVersions(b)
		again = AppendVersions(nil, &v)
	case KindReset:
		again = AppendReset(nil, append(bytes.Clone(b), 0))
		again[0] = byte(KindReset)
	default:
		h, _ := ParseHeader(b, s.Overhead())
		frames, _ := s.Open(b, h.Number)
		again = s.Seal(append(AppendHeader(nil, h), frames...), 0, h.Number)
	}
	if !bytes.Equal(again, b) {
		t.Fatalf("%x appended again as %x", b, again)
	}
}

// FuzzFrame: frames that parse, appended again in their shortest form, say the
// same; appended once more they are the same bytes.
func FuzzFrame(f *testing.F) {
	var all []byte
	for _, v := range frameVectors {
		b := unhex(f, v.hex)
		f.Add(b, uint8(LevelData))
		all = append(all, b...)
	}
	f.Add(all, uint8(LevelData))
	f.Add([]byte{1, 0, 0}, uint8(LevelInitial))
	f.Fuzz(func(t *testing.T, b []byte, level uint8) {
		text, short := fuzzFrames(t, Level(level%3), b)
		if len(short) > len(b) {
			t.Fatalf("%x became longer: %x", b, short)
		}
		if len(short) == 0 {
			return
		}
		text2, again := fuzzFrames(t, Level(level%3), short)
		if text2 != text || !bytes.Equal(again, short) {
			t.Fatalf("%x: %s\n%x: %s\n%x", b, text, short, text2, again)
		}
	})
}

// fuzzFrames says what the frames up to the first error say, and appends them again.
func fuzzFrames(t *testing.T, level Level, b []byte) (text string, short []byte) {
	fs := ParseFrames(level, b)
	for {
		var f Frame
		ok, err := fs.Next(&f)
		if err != nil && (ok || err.Code != CodeProtocol || err.Reason == "") {
			t.Fatalf("%x: %v %v", b, ok, err)
		}
		if !ok {
			return text, short
		}
		text += show(f) + "\n"
		short = appendFrame(short, f)
	}
}

// FuzzRecord: heads and records that parse, appended again, say the same; the
// bytes are used up, no part of them is taken for a whole, and more bytes after
// them change nothing.
func FuzzRecord(f *testing.F) {
	for _, v := range headVectors {
		f.Add(unhex(f, v.hex), true)
	}
	for _, v := range recordVectors {
		f.Add(unhex(f, v.hex), false)
	}
	w, d := testDicts(f)
	f.Fuzz(func(t *testing.T, b []byte, head bool) {
		b = b[:min(len(b), 8192)] // below StatusBytes, so that nothing is cut
		parse := func(b []byte) (text string, again []byte, n int, err error) {
			if head {
				var h HeadIn
				if n, err = ParseHead(b, d, 8192, &h); err != nil {
					return
				}
				given := h.given(d)
				text = fmt.Sprintf("%+v", given)
				again, err = AppendHead(nil, &given, w, nil)
				return
			}
			var r Record
			if n, err = ParseRecord(b, true, d, 8192, &r); err != nil {
				return
			}
			return showRecord(&r, d), appendRecord(&r, w, d), n, nil
		}
		text, again, n, err := parse(b)
		if err != nil {
			return
		}
		for cut := range min(n, 64) {
			if _, _, _, err := parse(b[:cut]); err != ErrShort {
				t.Fatalf("%d bytes of %x: %v", cut, b, err)
			}
		}
		text2, _, n2, err := parse(append(again, 0xff))
		if err != nil || text2 != text || n2 != len(again) || n > len(b) {
			t.Fatalf("%x: %s\n%x: %s, %d bytes, %v", b, text, again, text2, n2, err)
		}
	})
}

func appendRecord(r *Record, w *WriteDict, d *ReadDict) []byte {
	md := r.Fields.Append(nil, d)
	switch r.Kind {
	case RecordHeader:
		return AppendHeaderRecord(nil, md, w, nil)
	case RecordMessage:
		b := AppendVarint([]byte{byte(RecordMessage) | byte(r.Compression)<<2}, r.Length)
		return append(b, byte(r.CRC>>24), byte(r.CRC>>16), byte(r.CRC>>8), byte(r.CRC))
	}
	s := &r.Status
	e := &lupine.Error{Code: s.Code, Executed: s.Executed, Message: string(s.Text), Details: s.AppendDetails(nil)}
	return AppendStatus(nil, e, md, w, nil)
}

// FuzzParams: parameters that parse, appended again, are the same parameters,
// unless an agent longer than we send was cut.
func FuzzParams(f *testing.F) {
	for _, v := range paramVectors {
		f.Add(unhex(f, v.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParseParams(b)
		if err != nil {
			if err.Code != CodeProtocol {
				t.Fatal(err)
			}
			return
		}
		if len(p.Agent) > AgentBytes {
			return
		}
		again := AppendParams(nil, &p)
		p2, err := ParseParams(again)
		if err != nil || fmt.Sprint(p2) != fmt.Sprint(p) {
			t.Fatalf("%x: %+v\n%x: %+v, %v", b, p, again, p2, err)
		}
		if p3, err := ParsePlainParams(AppendPlainParams(nil, &p)); err != nil || fmt.Sprint(p3) != fmt.Sprint(p) {
			t.Fatalf("plain: %+v, %v", p3, err)
		}
	})
}

// FuzzDict runs a program of calls, losses, repeats and acks (see runDict), and
// gives the same bytes to a dictionary as definitions: its memory stays within
// what was announced.
func FuzzDict(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 2, 0, 4, 0, 5, 1, 0, 2, 1, 0, 3, 0, 2, 1}, uint8(20), uint16(500))
	f.Add([]byte{0, 2, 0, 5, 0, 8, 2, 2, 2, 1, 2, 0, 4, 1, 4, 0, 5, 2, 5, 5}, uint8(3), uint16(40))
	f.Fuzz(func(t *testing.T, program []byte, entries uint8, room uint16) {
		program = program[:min(len(program), 1000)]
		runDict(t, uint64(entries), uint64(room), program)
		d := NewReadDict(int(entries), int(room))
		held := 0
		for p := program; len(p) > 2; {
			id, size := uint64(p[0]), min(int(p[1]), len(p)-2)
			known := d.Get(id) != nil
			if err := d.Define(id, p[2:2+size]); err == nil && !known {
				held += size
			}
			if e := d.Get(id); e != nil && e.IsField && len(e.Name)+len(e.Value) > len(e.Bytes) {
				t.Fatalf("%+v", e)
			}
			p = p[2+size:]
		}
		if held > int(room) || len(d.entries) > int(entries) {
			t.Fatalf("%d bytes in a room of %d, %d entries of %d", held, room, len(d.entries), entries)
		}
	})
}

// FuzzCookie: nothing but what a server made is taken, and what it made is.
func FuzzCookie(f *testing.F) {
	k := NewCookieKeys([32]byte{1})
	f.Add(k.AppendCookie(nil, 7, testFrom, &testHello))
	f.Add(k.AppendToken(nil, 7, testFrom.Addr()))
	f.Fuzz(func(t *testing.T, b []byte) {
		h := testHello
		h.Cookie = b
		proof := k.Check(10, testFrom, &h)
		if proof == ProofNone {
			return
		}
		made := uint32(b[1])<<24 | uint32(b[2])<<16 | uint32(b[3])<<8 | uint32(b[4])
		again := k.AppendCookie(nil, made, testFrom, &testHello)
		if proof == ProofToken {
			again = k.AppendToken(nil, made, testFrom.Addr())
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("taken as %d: %s", proof, hex.EncodeToString(b))
		}
	})
}
