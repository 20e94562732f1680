package grpcmsg

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

func TestParseTimeout(t *testing.T) {
	good := map[string]time.Duration{
		"1n":        1,
		"0n":        0,
		"00000001u": time.Microsecond,
		"25m":       25 * time.Millisecond,
		"99999999S": 99999999 * time.Second,
		"3M":        3 * time.Minute,
		"2H":        2 * time.Hour,
		"2562047H":  2562047 * time.Hour,
		"2562048H":  math.MaxInt64, // beyond a Duration, yet what the spec allows
		"99999999H": math.MaxInt64,
	}
	for s, want := range good {
		if got, err := ParseTimeout(s); got != want || err != nil {
			t.Errorf("ParseTimeout(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "n", "1", "5s", "-1n", "+1n", "1 n", " 1n", "1n ", "1.5S", "123456789n", "100000000n", "0x1n", "1h", "1N",
		"999999999999999999999999H", "1\x00", "٣n", strings.Repeat("1", 9000) + "n",
	} {
		_, err := ParseTimeout(s)
		if lupine.CodeOf(err) != lupine.Internal {
			t.Errorf("ParseTimeout(%q) = %v; want Internal", quote(s), err)
		} else if len(err.Error()) > 300 {
			t.Errorf("the error for %q is %d bytes long", quote(s), len(err.Error()))
		}
	}
}

func TestAppendTimeout(t *testing.T) {
	for d, want := range map[time.Duration]string{
		1:                                   "1n",
		-5:                                  "1n",
		0:                                   "1n",
		99999999:                            "99999999n",
		100000000:                           "100000u",
		100000001:                           "100001u", // up, not down
		time.Second:                         "1000000u",
		99999999*time.Microsecond + 1:       "100000m",
		time.Hour:                           "3600000m",
		99999999*time.Millisecond + 1:       "100000S",
		99999999*time.Second + 1:            "1666667M",
		99999999 * time.Minute:              "99999999M",
		99999999*time.Minute + 1:            "1666667H",
		math.MaxInt64:                       "2562048H",
		2562047*time.Hour + time.Nanosecond: "2562048H",
	} {
		if got := string(AppendTimeout(nil, d)); got != want {
			t.Errorf("AppendTimeout(%d) = %q; want %q", d, got, want)
		}
	}
}

func FuzzTimeout(f *testing.F) {
	for _, s := range []string{"1n", "99999999H", "100000u", "5s", "-1n", ""} {
		f.Add(s, int64(len(s)))
	}
	f.Fuzz(func(t *testing.T, s string, n int64) {
		if d, err := ParseTimeout(s); err == nil {
			if d < 0 {
				t.Fatalf("ParseTimeout(%q) = %d, negative", s, d)
			}
			if back, err := ParseTimeout(string(AppendTimeout(nil, d))); err != nil || d > 0 && back < d {
				t.Fatalf("%q: %d came back as %d, %v", s, d, back, err)
			}
		}
		d := time.Duration(n)
		if d <= 0 {
			return
		}
		wire := AppendTimeout(nil, d)
		back, err := ParseTimeout(string(wire))
		// Never shorter, and longer by less than a unit in 10^7.
		if err != nil || back < d || back-d > d/1e6+1 && back != math.MaxInt64 {
			t.Fatalf("%d went as %q and came back as %d, %v", d, wire, back, err)
		}
	})
}

func TestTimeoutAllocates(t *testing.T) {
	buf := make([]byte, 0, 16)
	n := testing.AllocsPerRun(100, func() {
		b := AppendTimeout(buf, 1234567890)
		if d, err := ParseTimeout("1234568u"); err != nil || d < 1234567890 || len(b) == 0 {
			t.Fatal(d, err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations; want none", n)
	}
}

func BenchmarkParseTimeout(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseTimeout("1234568u"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendTimeout(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 16)
	for b.Loop() {
		buf = AppendTimeout(buf[:0], 1234567890)
	}
}
