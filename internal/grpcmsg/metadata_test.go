package grpcmsg

import (
	"reflect"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// pairs makes metadata of keys and values in turn.
func pairs(kv ...string) (md lupine.Metadata) {
	for i := 0; i < len(kv); i += 2 {
		md = append(md, lupine.Pair{Key: kv[i], Value: kv[i+1]})
	}
	return md
}

func TestAddField(t *testing.T) {
	for _, c := range []struct {
		name, value string
		want        lupine.Metadata
	}{
		{"x", "1", pairs("x", "1")},
		{"x-y_z.0", "a,b", pairs("x-y_z.0", "a,b")},
		{"x", "  spaced  ", pairs("x", "spaced")},
		{"x", "", pairs("x", "")},
		{"x-bin", "AAEC", pairs("x-bin", "\x00\x01\x02")},
		{"x-bin", "AA", pairs("x-bin", "\x00")},
		{"x-bin", "AA==", pairs("x-bin", "\x00")},
		{"x-bin", "", pairs("x-bin", "")},
		{"x-bin", "AA==,AQ, Ag==", pairs("x-bin", "\x00", "x-bin", "\x01", "x-bin", "\x02")},
		{"x-bin", "AA,,AQ", pairs("x-bin", "\x00", "x-bin", "", "x-bin", "\x01")},
		{"x-bin", "+/+/", pairs("x-bin", "\xfb\xff\xbf")},
		// The protocol's own never become metadata.
		{":path", "/a/b", nil},
		{"grpc-status", "0", nil},
		{"grpc-anything", "0", nil},
		{"lupine-executed", "no", nil},
		{"te", "trailers", nil},
		{"connection", "close", nil},
		{"content-type", "text/html", nil},
		{"transfer-encoding", "chunked", nil},
		{"host", "elsewhere", nil},
	} {
		got, err := AddField(nil, c.name, c.value)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("AddField(%q, %q) = %v, %v; want %v", c.name, c.value, got, err, c.want)
		}
	}
}

func TestAddFieldRefuses(t *testing.T) {
	for _, c := range [][2]string{
		{"", "x"}, {"X", "x"}, {"a b", "x"}, {"a:b", "x"}, {"a\r\nb", "x"}, {"é", "x"}, {"a/b", "x"},
		{"x", "a\r\nset-cookie: b"}, {"x", "a\x00"}, {"x", "\x7f"}, {"x", "\t"}, {"x", "caf\xe9"},
		{"x-bin", "A"}, {"x-bin", "AAA=="}, {"x-bin", "A==="}, {"x-bin", "AA="}, {"x-bin", "===="}, {"x-bin", "A A="},
		{"x-bin", "AA\r\n=="}, {"x-bin", "AA\n"}, {"x-bin", "-_-_"}, {"x-bin", "AA,!!"},
	} {
		md := pairs("kept", "1")
		got, err := AddField(md, c[0], c[1])
		if lupine.CodeOf(err) != lupine.Internal {
			t.Errorf("AddField(%q, %q) = %v, %v; want Internal", c[0], c[1], got, err)
			continue
		}
		if strings.ContainsAny(err.Error(), "\r\n\x00") {
			t.Errorf("the error for %q repeats control bytes: %q", c, err)
		}
	}
	md, err := AddField(nil, "x-bin", strings.Repeat(",", 5000))
	if lupine.CodeOf(err) != lupine.ResourceExhausted || len(md) > MaxMetadataPairs {
		t.Errorf("5001 joined values gave %d pairs, %v", len(md), err)
	}
}

func TestAppendFields(t *testing.T) {
	md := pairs("a", "1", "b-bin", "\x00", "a", "2", "b-bin", "")
	wire, err := AppendFields(nil, md)
	want := pairs("a", "1", "b-bin", "AA", "a", "2", "b-bin", "")
	if err != nil || !reflect.DeepEqual(wire, want) {
		t.Fatalf("AppendFields = %v, %v; want %v", wire, err, want)
	}
	if md[1].Value != "\x00" {
		t.Error("AppendFields changed its input")
	}
	var back lupine.Metadata
	for _, p := range wire {
		if back, err = AddField(back, p.Key, p.Value); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(back, md) {
		t.Errorf("came back as %v; want %v", back, md)
	}
	for _, bad := range pairs("A", "x", ":path", "/", "grpc-timeout", "1H", "lupine-executed", "no", "x", "a\nb", "", "", "te", "x") {
		got, err := AppendFields(want, append(pairs("ok", "1"), bad))
		if lupine.CodeOf(err) != lupine.InvalidArgument || len(got) != len(want) {
			t.Errorf("AppendFields(%q) = %v, %v; want InvalidArgument", bad, got, err)
		}
	}
}

func FuzzAddField(f *testing.F) {
	for _, c := range [][2]string{{"x", "1"}, {"x-bin", "AA==,AQ"}, {":path", "/"}, {"grpc-x", ""}, {"X", "\r\n"}, {"x-bin", "A"}} {
		f.Add(c[0], c[1])
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		md, err := AddField(nil, name, value)
		if err != nil {
			return
		}
		// What came in may go out again, and says the same.
		wire, err := AppendFields(nil, md)
		if err != nil {
			t.Fatalf("AddField(%q, %q) = %v, which may not be sent: %v", name, value, md, err)
		}
		var back lupine.Metadata
		for _, p := range wire {
			if back, err = AddField(back, p.Key, p.Value); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(back, md) {
			t.Fatalf("%v came back as %v", md, back)
		}
	})
}

func BenchmarkAddField(b *testing.B) {
	b.ReportAllocs()
	md := make(lupine.Metadata, 0, 4)
	for b.Loop() {
		var err error
		if md, err = AddField(md[:0], "x-request-id", "7f2a9c"); err != nil {
			b.Fatal(err)
		}
	}
}
