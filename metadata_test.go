package lupine_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

func TestMetadata(t *testing.T) {
	md := lupine.Pairs("One", "1", "two", "2a", "TWO", "2b")
	if md.Get("one") != "1" || md.Get("two") != "2a" || md.Get("three") != "" {
		t.Errorf("Get on %q", md)
	}
	if !md.Has("two") || md.Has("TWO") || md.Has("three") {
		t.Errorf("Has on %q", md)
	}
	if got := slices.Collect(md.Values("two")); !slices.Equal(got, []string{"2a", "2b"}) {
		t.Errorf("Values: %q", got)
	}
	for range md.Values("two") {
		break // stopping early must not go on
	}
	before := md.Clone()
	shared := md
	md.Set("Two", "x")
	md.Add("Three", "3")
	md.Del("ONE")
	if want := lupine.Pairs("two", "x", "three", "3"); !slices.Equal(md, want) {
		t.Errorf("got %q, want %q", md, want)
	}
	if !slices.Equal(shared, before) {
		t.Errorf("Set and Del changed the slice that others hold: %q", shared)
	}
	if lupine.Metadata(nil).Clone() != nil {
		t.Error("a clone of nil is not nil")
	}
	defer func() {
		if recover() == nil {
			t.Error("Pairs with an odd number did not panic")
		}
	}()
	odd := strings.Fields("key") // a literal would be caught by linters
	lupine.Pairs(odd...)
}

func TestMetadataCheck(t *testing.T) {
	for _, c := range []struct{ key, value, says string }{
		{"ok", "value", ""},
		{"a-b_c.9", " ~"[1:], ""},
		{"x", "", ""},
		{"x", "in ner", ""},
		{"x-bin", "\x00\xff ", ""},
		{"", "x", "empty"},
		{"Upper", "x", "'U'"},
		{"sp ace", "x", "' '"},
		{"ünï", "x", "character"},
		{":path", "x", "character"},
		{"grpc-foo", "x", "protocol"},
		{"lupine-foo", "x", "protocol"},
		{"te", "x", "protocol"},
		{"content-type", "x", "protocol"},
		{"connection", "x", "protocol"},
		{"user-agent", "x", "protocol"},
		{"host", "x", "protocol"},
		{"keep-alive", "x", "protocol"},
		{"upgrade", "x", "protocol"},
		{"proxy-connection", "x", "protocol"},
		{"transfer-encoding", "x", "protocol"},
		{"x", "tab\t", "0x09"},
		{"x", "ü", "-bin"},
		{"x", "\x7f", "0x7f"},
		{"x", " lead", "space"},
		{"x", "trail ", "space"},
	} {
		err := lupine.Metadata{{Key: "fine", Value: "1"}, {Key: c.key, Value: c.value}}.Check()
		if c.says == "" {
			if err != nil {
				t.Errorf("%q: %q: %v", c.key, c.value, err)
			}
			continue
		}
		e, ok := err.(*lupine.Error)
		if !ok || e.Code != lupine.InvalidArgument || e.Executed != lupine.No || !strings.Contains(e.Message, c.says) {
			t.Errorf("%q: %q: got %v, want InvalidArgument that says %q", c.key, c.value, err, c.says)
		}
	}
}
