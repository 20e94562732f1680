package engine

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

const (
	hexIncarnation = "01 10 000102030405060708090a0b0c0d0e0f "
	hexVersions    = "0d 01 80 "
)

// testParams are DefaultParams with what is required.
func testParams(change func(p *Params)) Params {
	p := DefaultParams()
	for i := range p.Incarnation {
		p.Incarnation[i] = byte(i)
	}
	p.Versions = []byte{0x80}
	if change != nil {
		change(&p)
	}
	return p
}

var paramVectors = []struct {
	hex    string
	params Params
}{
	{hexIncarnation + hexVersions, testParams(nil)},
	{hexIncarnation + "02 08 5152535455565758 03 02 4100 04 04 80010000 05 02 43e8 06 04 800493e0 07 02 65ac 08 02 6000 09 02 4100 " +
		"0a 04 80004000 0b 01 03 0c 0a 6c7570696e652f302e31 0d 02 8081 0e 01 00", testParams(func(p *Params) {
		p.Salt, p.HasSalt = testSalt, true
		p.MaxSlots, p.FirstCredit, p.AckDelay, p.IdleTimeout = 256, 65536, 1000, 300_000
		p.MaxDatagram, p.MaxHeader, p.DictEntries, p.DictBytes = 9644, 8192, 256, 16384
		p.Compression, p.Agent, p.Versions, p.KeepAlive = 3, "lupine/0.1", []byte{0x80, 0x81}, 0
	})},
}

func TestParams(t *testing.T) {
	for _, v := range paramVectors {
		b := unhex(t, v.hex)
		got, err := ParseParams(b)
		if err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", v.params) {
			t.Errorf("%s: %v\n%+v, want\n%+v", v.hex, err, got, v.params)
		}
		if got := AppendParams([]byte("before"), &v.params); string(got) != "before"+string(b) {
			t.Errorf("appended as %x, want %x", got[6:], b)
		}
		for n := range b {
			p, err := ParseParams(b[:n])
			if err == nil && bytes.Equal(AppendParams(nil, &p), b[:n]) {
				continue // cut between two parameters, all that is required before it
			}
			if err == nil || err.Code != CodeProtocol {
				t.Errorf("%d bytes of %s: %v", n, v.hex, err)
			}
		}
		plain := AppendPlainParams([]byte("before"), &v.params)[6:]
		if got, err := ParsePlainParams(plain); err != nil || fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", v.params) {
			t.Errorf("plain: %v %+v", err, got)
		}
		for n := range plain {
			if _, err := ParsePlainParams(plain[:n]); err != ErrShort {
				t.Errorf("plain, %d bytes: %v", n, err)
			}
		}
		want := fmt.Sprintf("PROTOCOL: parameters: length: %d bytes follow, not %d", len(b)+1, len(b))
		if _, err := ParsePlainParams(append(plain, 0)); err == nil || err.Error() != want {
			t.Errorf("plain, a byte more: %v", err)
		}
	}
}

// Order does not matter, unknown ids are ignored, and a varint may be long.
func TestParamsLoose(t *testing.T) {
	want := testParams(func(p *Params) { p.MaxSlots = 5 })
	got, err := ParseParams(unhex(t, hexVersions+"3f 03 aabbcc 4100 00 03 08 c000000000000005"+hexIncarnation))
	if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%v %+v", err, got)
	}
	long := testParams(func(p *Params) { p.Agent = strings.Repeat("ü", 200) })
	got, err = ParseParams(AppendParams(nil, &long))
	if err != nil || got.Agent != strings.Repeat("ü", AgentBytes/2) {
		t.Errorf("%v %q", err, got.Agent)
	}
}

func TestParamErrors(t *testing.T) {
	many := ""
	for i := range 63 {
		many += fmt.Sprintf("%04x 00 ", 0x4100+i)
	}
	for _, c := range []struct{ hex, want string }{
		{"", "incarnation: is missing"},
		{hexIncarnation, "versions: is missing"},
		{hexVersions, "incarnation: is missing"},
		{hexIncarnation + hexVersions + hexVersions, "id: 13 comes twice"},
		{"3f 00 3f 00", "id: 63 comes twice"},
		{hexIncarnation + hexVersions + many, "count: more than 64 (limit MaxParams)"},
		{"03 00", "max_slots: 0 bytes are not one varint"},
		{"03 02 0000", "max_slots: 2 bytes are not one varint"},
		{"03 01 40", "max_slots: 1 bytes are not one varint"},
		{"03 05 01", "value: cut off"},
		{"03", "length: cut off"},
		{"43", "id: cut off"},
		{"04 02 7fff", "first_credit: 16383 is not from 16384 to 4611686018427387903"},
		{"05 04 80f42401", "ack_delay: 16000001 is not from 0 to 16000000"},
		{"06 08 c000010000000001", "idle_timeout: 1099511627777 is not from 0 to 1099511627776"},
		{"07 02 44af", "max_datagram: 1199 is not from 1200 to 4611686018427387903"},
		{"0e 08 ffffffffffffffff", "keep_alive: 4611686018427387903 is not from 0 to 1099511627776"},
		{"01 0f 000102030405060708090a0b0c0d0e", "incarnation: is not 16 bytes, or zero"},
		{"01 11 000102030405060708090a0b0c0d0e0f10", "incarnation: is not 16 bytes, or zero"},
		{"01 10 00000000000000000000000000000000", "incarnation: is not 16 bytes, or zero"},
		{"02 07 01020304050607", "salt: has 7 bytes, not 8"},
		{"02 09 010203040506070809", "salt: has 9 bytes, not 8"},
		{"0c 01 ff", "agent: is not UTF-8"},
		{"0d 00", "versions: 0 of them, not 1 to 16 (limit MaxVersions)"},
		{"0d 11 0102030405060708090a0b0c0d0e0f1011", "versions: 17 of them, not 1 to 16 (limit MaxVersions)"},
	} {
		if _, err := ParseParams(unhex(t, c.hex)); err == nil || err.Error() != "PROTOCOL: parameters: "+c.want {
			t.Errorf("%s: %v, want %s", c.hex, err, c.want)
		}
	}
	if _, err := ParseParams(make([]byte, ParamBytes+1)); err == nil || err.Reason != "parameters: 1025 bytes, more than 1024 (limit ParamBytes)" {
		t.Error(err)
	}
	if _, err := ParsePlainParams([]byte{4, 1}); err == nil || err.Error() != "PROTOCOL: parameters: length: 1025 bytes, more than 1024 (limit ParamBytes)" {
		t.Error(err)
	}
}
