package grpcmsg

import "testing"

func TestParseContentType(t *testing.T) {
	for s, want := range map[string]string{
		"application/grpc":                      "",
		"application/grpc+proto":                "proto",
		"application/grpc+JSON":                 "json",
		"Application/GRPC":                      "",
		"application/grpc;charset=utf-8":        "",
		"application/grpc ; a=b":                "",
		"application/grpc+proto; a=b; c=\"d;\"": "proto",
		" application/grpc+x.y-1 ":              "x.y-1",
	} {
		if got, ok := ParseContentType(s); got != want || !ok {
			t.Errorf("ParseContentType(%q) = %q, %v; want %q", s, got, ok, want)
		}
	}
	for _, s := range []string{
		"", "application", "application/grp", "application/grpc-web", "application/grpc-web+proto", "application/grpc+",
		"application/grpc+a b", "application/grpc+a,b", "application/grpcx", "application/json", "text/html; application/grpc",
		"application/grpc proto", "application/grpc/proto",
	} {
		if got, ok := ParseContentType(s); ok {
			t.Errorf("ParseContentType(%q) = %q; want not gRPC", s, got)
		}
	}
	for _, sub := range []string{"", "proto", "json"} {
		wire := string(AppendContentType(nil, sub))
		if got, ok := ParseContentType(wire); got != sub || !ok {
			t.Errorf("%q went as %q and came back as %q, %v", sub, wire, got, ok)
		}
	}
}

func TestAcceptsTrailers(t *testing.T) {
	for s, want := range map[string]bool{
		"trailers": true, "Trailers": true, "gzip, trailers": true, "trailers;q=0.5": true, " trailers ,deflate": true,
		"": false, "trailer": false, "trailersx": false, "gzip": false, ",": false,
	} {
		if got := AcceptsTrailers(s); got != want {
			t.Errorf("AcceptsTrailers(%q) = %v", s, got)
		}
	}
}

func FuzzContentType(f *testing.F) {
	for _, s := range []string{"application/grpc", "application/grpc+proto;x", "application/grpc-web", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sub, ok := ParseContentType(s)
		AcceptsTrailers(s)
		if !ok {
			return
		}
		if got, ok := ParseContentType(string(AppendContentType(nil, sub))); !ok || got != sub {
			t.Fatalf("%q: %q came back as %q, %v", s, sub, got, ok)
		}
	})
}

func BenchmarkParseContentType(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParseContentType("application/grpc+proto"); !ok {
			b.Fatal("refused")
		}
	}
}
