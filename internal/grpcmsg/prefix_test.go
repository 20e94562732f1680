package grpcmsg

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

func TestPrefix(t *testing.T) {
	for _, c := range []struct {
		compressed bool
		length     uint32
		wire       string
	}{
		{false, 0, "\x00\x00\x00\x00\x00"},
		{true, 0x01020304, "\x01\x01\x02\x03\x04"},
		{false, math.MaxUint32, "\x00\xff\xff\xff\xff"},
	} {
		if got := AppendPrefix([]byte("x"), c.compressed, c.length); string(got) != "x"+c.wire {
			t.Errorf("AppendPrefix(%v, %d) = %q", c.compressed, c.length, got)
		}
		put := bytes.Repeat([]byte{0xee}, 6)
		if PutPrefix(put, c.compressed, c.length); string(put) != c.wire+"\xee" {
			t.Errorf("PutPrefix(%v, %d) = %q", c.compressed, c.length, put)
		}
		compressed, length, err := ParsePrefix([]byte(c.wire + "rest"))
		if compressed != c.compressed || length != c.length || err != nil {
			t.Errorf("ParsePrefix(%q) = %v, %d, %v", c.wire, compressed, length, err)
		}
	}
	for flag := 2; flag < 256; flag++ {
		if _, _, err := ParsePrefix([]byte{byte(flag), 0, 0, 0, 0}); lupine.CodeOf(err) != lupine.Internal {
			t.Errorf("flag %d: %v; want Internal", flag, err)
		}
	}
}

func TestCheckReceive(t *testing.T) {
	for _, c := range []struct {
		length uint32
		limit  int
		ok     bool
	}{
		{4 << 20, 0, true}, {4<<20 + 1, 0, false}, {10, 10, true}, {11, 10, false}, {math.MaxUint32, -1, math.MaxInt > math.MaxUint32}, {1 << 30, -1, true}, {0, 1, true}, {math.MaxUint32, 1, false},
	} {
		err := CheckReceive(c.length, c.limit)
		if (err == nil) != c.ok {
			t.Errorf("CheckReceive(%d, %d) = %v", c.length, c.limit, err)
		}
		if err != nil && lupine.CodeOf(err) != lupine.ResourceExhausted {
			t.Errorf("CheckReceive(%d, %d) = %v; want ResourceExhausted", c.length, c.limit, err)
		}
	}
	err := CheckReceive(5000000, 0)
	if !strings.Contains(err.Error(), "5000000") || !strings.Contains(err.Error(), "4194304") {
		t.Errorf("the error names neither size nor limit: %v", err)
	}
	if CheckSend(10, 10) != nil || CheckSend(10, 0) != nil || CheckSend(10, -1) != nil {
		t.Error("CheckSend refused what fits")
	}
	if err := CheckSend(11, 10); lupine.CodeOf(err) != lupine.ResourceExhausted {
		t.Errorf("CheckSend(11, 10) = %v", err)
	}
}

func TestGrowTo(t *testing.T) {
	for _, c := range [][3]int{{0, 4 << 20, 4096}, {0, 100, 100}, {0, 0, 0}, {5000, 4 << 20, 10000}, {5000, 10000, 10000}, {5000, 10001, 10000}, {100, 100, 100}, {math.MaxInt - 1, math.MaxInt, math.MaxInt}} {
		if got := GrowTo(c[0], c[1]); got != c[2] {
			t.Errorf("GrowTo(%d, %d) = %d; want %d", c[0], c[1], got, c[2])
		}
	}
	// A receiver that follows it ends, and never has more than twice what came
	// (or 4 KiB).
	for received, announced := 0, 1<<20+7; received < announced; {
		room := GrowTo(received, announced)
		if room <= received || room > max(2*received+1, minGrow) {
			t.Fatalf("GrowTo(%d, %d) = %d", received, announced, room)
		}
		received = room
	}
}

func BenchmarkPrefix(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 8)
	for b.Loop() {
		buf = AppendPrefix(buf[:0], false, 64)
		if _, n, err := ParsePrefix(buf); n != 64 || err != nil || CheckReceive(n, 0) != nil {
			b.Fatal(n, err)
		}
	}
}
