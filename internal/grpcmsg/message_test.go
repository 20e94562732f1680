package grpcmsg

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMessage(t *testing.T) {
	for _, c := range []struct{ msg, wire string }{
		{"", ""},
		{"not found: a/b?c=d&e", "not found: a/b?c=d&e"}, // nothing more than the spec requires
		{"100%", "100%25"},
		{"%41", "%2541"},
		{"a\tb\r\nc\x00\x7f~", "a%09b%0D%0Ac%00%7F~"},
		{" edges ", "%20edges%20"},
		{"  ", "%20%20"},
		{"\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n",
			"%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A"},
	} {
		if got := string(AppendMessage(nil, c.msg)); got != c.wire {
			t.Errorf("AppendMessage(%q) = %q; want %q", c.msg, got, c.wire)
		}
		if got := DecodeMessage(c.wire); got != c.msg {
			t.Errorf("DecodeMessage(%q) = %q; want %q", c.wire, got, c.msg)
		}
	}
	if got := string(AppendMessage(nil, "a\xffb")); got != "a%EF%BF%BDb" {
		t.Errorf("invalid UTF-8 is encoded as %q", got)
	}
}

func TestDecodeMessageLeniently(t *testing.T) {
	for wire, want := range map[string]string{
		"%":           "%",
		"%4":          "%4",
		"%zz":         "%zz",
		"%4g%41":      "%4gA",
		"%%41":        "%A",
		"50%":         "50%",
		"%3a%3A":      "::",
		"%ff":         "\uFFFD",
		"raw \xff":    "raw \uFFFD",
		"raw ☺":       "raw ☺",
		"%E2%98":      "\uFFFD",
		"%F0%9F%98%8": "\uFFFD%8",
	} {
		if got := DecodeMessage(wire); got != want {
			t.Errorf("DecodeMessage(%q) = %q; want %q", wire, got, want)
		}
	}
}

func FuzzMessage(f *testing.F) {
	for _, s := range []string{"", "a%b", "%41", " ☺\n", "\xff\xfe", "%F0%9F%98%8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		wire := string(AppendMessage(nil, s))
		for i := 0; i < len(wire); i++ {
			if wire[i] < 0x20 || wire[i] > 0x7e {
				t.Fatalf("%q has the byte %#x on the wire", s, wire[i])
			}
		}
		if strings.Trim(wire, " ") != wire {
			t.Fatalf("%q has a space at an end on the wire", s)
		}
		want := toUTF8(s)
		if got := DecodeMessage(wire); got != want {
			t.Fatalf("%q went as %q and came back as %q; want %q", s, wire, got, want)
		}
		if got := DecodeMessage(s); !utf8.ValidString(got) {
			t.Fatalf("DecodeMessage(%q) = %q is not UTF-8", s, got)
		}
		if len(s) > 200 {
			return // what follows takes time with the square of the length
		}
		for limit := range len(wire) + 2 {
			if got := encodeWithin(s, limit); len(got) > limit || limit >= len(wire) && got != wire {
				t.Fatalf("encodeWithin(%q, %d) = %q", s, limit, got)
			} else if !utf8.ValidString(DecodeMessage(got)) || strings.Contains(DecodeMessage(got), "\uFFFD") && !strings.Contains(want, "\uFFFD") {
				t.Fatalf("encodeWithin(%q, %d) = %q cuts a character", s, limit, got)
			}
		}
	})
}

// toUTF8 replaces each byte that is not UTF-8, as AppendMessage does.
func toUTF8(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}

func BenchmarkAppendMessage(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 128)
	for b.Loop() {
		buf = AppendMessage(buf[:0], "no feature at 40.9,-74.1: try the next one")
	}
}

func BenchmarkDecodeMessage(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if DecodeMessage("no feature at 40.9,-74.1: try the next one") == "" {
			b.Fatal("empty")
		}
	}
}
