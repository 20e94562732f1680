package wires_test

import (
	"context"
	"crypto/tls"
	"os"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wires"
)

func TestTo(t *testing.T) {
	for _, test := range []struct {
		url  string
		tls  *tls.Config
		want string // part of the error; empty for a good URL
	}{
		{"grpc://127.0.0.1:8080", nil, ""},
		{"grpc://guide.example:8080/", nil, ""},
		{"grpc://[::1]:8080", nil, ""},
		{"grpcs://guide.example:443", nil, ""},
		{"grpcs://guide.example:443", &tls.Config{InsecureSkipVerify: true}, ""},
		{"unix:///run/guide.sock", nil, ""},
		{"unix:guide.sock", nil, ""},
		{"unix:///with%20space.sock", nil, ""},

		{"", nil, `"" is not a URL: use grpc://HOST:PORT, grpcs://HOST:PORT, unix:///PATH`},
		{"guide", nil, "is not a URL"},
		{"guide:8080", nil, "did you mean grpc://guide:8080?"},
		{"rudp://guide:8080", nil, ""},
		{"rudps://guide:8080", nil, ""},
		{"rudps://guide:8080", new(tls.Config), ""},
		{"rudp://guide:8080", new(tls.Config), "use rudps://"},
		{"gopher://guide:8080", nil, `unknown scheme "gopher": use grpc://HOST:PORT, grpcs://HOST:PORT, unix:///PATH, rudp://HOST:PORT, rudps://HOST:PORT`},
		{"http://guide:8080", nil, "gRPC over http is grpc://"},
		{"https://guide:8080", nil, "gRPC over https is grpcs://"},
		{"inproc", nil, "within one process"},
		{"inproc:x", nil, "within one process"},
		{"grpc://guide", nil, "there is no port: want grpc://HOST:PORT"},
		{"grpc://:8080", nil, "there is no host"},
		{"grpc://guide:0", nil, "port 0 is for listening only"},
		{"grpc://guide:99999", nil, `port "99999" is not a number from 0 to 65535`},
		{"grpc://guide:http", nil, "port"},
		{"grpc://guide:8080/x", nil, `the path "/x" has no meaning here`},
		{"grpc://me@guide:8080", nil, "a user, a query or a fragment"},
		{"grpc://guide:8080?x=1", nil, "a user, a query or a fragment"},
		{"grpc://guide:8080#x", nil, "a user, a query or a fragment"},
		{"grpc://gui de:8080", nil, "invalid character"},
		{"grpc://guide:8080", new(tls.Config), "has no TLS"},
		{"unix:///run/guide.sock", new(tls.Config), "has no TLS"},
		{"unix://run/guide.sock", nil, "such as unix:///run/guide.sock"},
		{"unix://", nil, "want the path of a socket"},
		{"unix:///", nil, "want the path of a socket"},
		{"unix:///run/", nil, "want the path of a socket"},
		{"unix:///" + strings.Repeat("x", 200), nil, "at most 107"},
	} {
		to, err := wires.To(test.url, wires.Config{TLS: test.tls})
		switch {
		case test.want == "" && err != nil:
			t.Errorf("To(%q): %v", test.url, err)
		case test.want == "" && (to.Wire == nil || to.Resolver == nil || to.Name == ""):
			t.Errorf("To(%q) = %+v, an empty target", test.url, to)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("To(%q): error %v, want one with %q", test.url, err, test.want)
		}
	}
}

func TestListen(t *testing.T) {
	for _, test := range []struct {
		url  string
		tls  *tls.Config
		want string
	}{
		{"grpc://127.0.0.1:0", nil, ""},
		{"grpc://:0", nil, ""},
		{"unix:///run/guide.sock", nil, ""},
		{"grpcs://:0", &tls.Config{Certificates: make([]tls.Certificate, 1)}, ""},
		{"grpcs://:0", nil, "needs a certificate"},
		{"grpcs://:0", new(tls.Config), "needs a certificate"},
		{"grpc://:0", new(tls.Config), "has no TLS"},
		{"grpc://127.0.0.1", nil, "there is no port"},
		{"127.0.0.1:0", nil, "did you mean grpc://127.0.0.1:0?"},
	} {
		l, err := wires.Listen(test.url, wires.Config{TLS: test.tls})
		switch {
		case test.want == "" && (err != nil || l == nil):
			t.Errorf("Listen(%q) = %v, %v", test.url, l, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("Listen(%q): error %v, want one with %q", test.url, err, test.want)
		}
	}
}

// A URL that a listener gives leads to it.
func TestURL(t *testing.T) {
	srv := lupine.ServerConfig{Unknown: func(ctx context.Context, in *lupine.Receiver[lupine.Raw], out *lupine.Sender[lupine.Raw]) error {
		for m, err := range in.All(ctx) {
			if err != nil {
				return err
			}
			if err := out.Send(ctx, m); err != nil {
				return err
			}
		}
		return nil
	}}.NewServer()
	urls := []string{"grpc://127.0.0.1:0", "unix://" + t.TempDir() + "/w.sock"}
	var listeners []lupine.Listener
	for _, url := range urls {
		l, err := wires.Listen(url, wires.Config{})
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, l)
	}
	if err := srv.Bind(t.Context(), listeners...); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { served <- srv.Serve(ctx) }()
	newRaw := func() any { return new(lupine.Raw) }
	echo := &lupine.Method{Service: "a.B", Name: "C", Path: "/a.B/C", Codec: lupine.RawCodec{}, NewRequest: newRaw, NewReply: newRaw}
	for i, url := range urls {
		to, err := wires.To(wires.URL(url, listeners[i]), wires.Config{})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := lupine.Dial(ctx, to)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := lupine.Invoke[lupine.Raw](ctx, conn, echo, &lupine.Raw{Bytes: []byte("hi")}, nil)
		if err != nil || string(reply.Bytes) != "hi" {
			t.Errorf("%s: got %v, %v", wires.URL(url, listeners[i]), reply, err)
		}
		conn.Close()
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// The README's table of what each wire can do is what the wires say.
func TestCapabilityTable(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := table(); !strings.Contains(string(readme), want) {
		t.Errorf("README.md lacks this table, or has another:\n\n%s", want)
	}
}

func table() string {
	var b strings.Builder
	b.WriteString("| wire | streams | full duplex | metadata | trailers | error details | at-most-once | peer calls | peer identity |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|\n")
	for _, info := range wires.Infos() {
		b.WriteString("| " + info.Name)
		c := info.Capabilities
		for _, can := range []bool{c.Streams, c.FullDuplex, c.Metadata, c.Trailers, c.Details, c.AtMostOnce, c.PeerCalls, c.Identity} {
			if can {
				b.WriteString(" | yes")
			} else {
				b.WriteString(" | -")
			}
		}
		b.WriteString(" |\n")
	}
	return b.String()
}
