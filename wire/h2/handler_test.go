package h2

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/grpcmsg"
)

// The service of these tests speaks plain text, so that a raw HTTP client can
// say anything.

type text struct{ S string }

type textCodec struct{}

func (textCodec) Name() string { return "text" }
func (textCodec) Append(dst []byte, m any) ([]byte, error) {
	if s := m.(*text).S; s != "unencodable" {
		return append(dst, s...), nil
	}
	return nil, errors.New("it is unencodable")
}
func (textCodec) Decode(src []byte, m any) error {
	if string(src) == "undecodable" {
		return errors.New("it is undecodable")
	}
	m.(*text).S = string(src)
	return nil
}

func textMethod(name string, kind lupine.Kind) lupine.Method {
	fresh := func() any { return new(text) }
	return lupine.Method{Service: "t.T", Name: name, Path: "/t.T/" + name, Kind: kind, Codec: textCodec{}, NewRequest: fresh, NewReply: fresh}
}

type textHandlers struct {
	say  func(context.Context, *text) (*text, error)
	list func(context.Context, *text, *lupine.Sender[text]) error
	sum  func(context.Context, *lupine.Receiver[text]) (*text, error)
	chat func(context.Context, *lupine.Receiver[text], *lupine.Sender[text]) error
}

func textServer(c lupine.ServerConfig, h textHandlers) *lupine.Server {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if h.say == nil {
		h.say = func(_ context.Context, m *text) (*text, error) { return m, nil }
	}
	if h.list == nil {
		h.list = func(ctx context.Context, m *text, out *lupine.Sender[text]) error {
			for i := range len(m.S) {
				if err := out.Send(ctx, &text{m.S[:i+1]}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	if h.sum == nil {
		h.sum = func(ctx context.Context, in *lupine.Receiver[text]) (*text, error) {
			var all text
			for m, err := range in.All(ctx) {
				if err != nil {
					return nil, err
				}
				all.S += m.S
			}
			return &all, nil
		}
	}
	if h.chat == nil {
		h.chat = func(ctx context.Context, in *lupine.Receiver[text], out *lupine.Sender[text]) error {
			for {
				m, err := in.Recv(ctx)
				if err == io.EOF {
					return nil
				}
				if err == nil {
					err = out.Send(ctx, m)
				}
				if err != nil {
					return err
				}
			}
		}
	}
	svc := &lupine.Service{Name: "t.T", Methods: []lupine.Method{
		textMethod("Say", lupine.Unary), textMethod("List", lupine.ServerStreaming), textMethod("Sum", lupine.ClientStreaming), textMethod("Chat", lupine.Bidi),
	}}
	srv := c.NewServer()
	srv.Register(svc, lupine.HandleUnary(&svc.Methods[0], h.say), lupine.HandleServerStream(&svc.Methods[1], h.list),
		lupine.HandleClientStream(&svc.Methods[2], h.sum), lupine.HandleBidi(&svc.Methods[3], h.chat))
	return srv
}

// mounted is a Server behind net/http, and a raw client of it.
type mounted struct {
	t      *testing.T
	srv    *lupine.Server
	h      *Handler
	url    string
	client *http.Client
	web    *httptest.Server
}

func mount(t *testing.T, srv *lupine.Server, c HandlerConfig, encrypted bool, wrap func(http.Handler) http.Handler) *mounted {
	t.Helper()
	h := c.NewHandler()
	if err := srv.Bind(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	var handler http.Handler = h
	if wrap != nil {
		handler = wrap(h)
	}
	web := httptest.NewUnstartedServer(handler)
	web.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	transport := &http.Transport{Protocols: new(http.Protocols), DisableCompression: true}
	if encrypted {
		web.EnableHTTP2 = true
		web.StartTLS()
		transport.Protocols.SetHTTP2(true)
		transport.TLSClientConfig = &tls.Config{RootCAs: web.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	} else {
		web.Config.Protocols = new(http.Protocols)
		web.Config.Protocols.SetHTTP1(true)
		web.Config.Protocols.SetUnencryptedHTTP2(true)
		web.Start()
		transport.Protocols.SetUnencryptedHTTP2(true)
	}
	m := &mounted{t: t, srv: srv, h: h, url: web.URL, client: &http.Client{Transport: transport}, web: web}
	t.Cleanup(func() {
		srv.Close()
		web.CloseClientConnections()
		transport.CloseIdleConnections()
		web.Close()
	})
	return m
}

// frames puts messages behind prefixes.
func frames(messages ...string) []byte {
	var b []byte
	for _, m := range messages {
		b = append(grpcmsg.AppendPrefix(b, false, uint32(len(m))), m...)
	}
	return b
}

// unframe takes the prefixes off.
func unframe(t *testing.T, b []byte) (messages []string) {
	t.Helper()
	for len(b) > 0 {
		if len(b) < grpcmsg.PrefixLen {
			t.Fatalf("%d bytes are left over", len(b))
		}
		compressed, n, err := grpcmsg.ParsePrefix(b)
		if err != nil || len(b) < grpcmsg.PrefixLen+int(n) {
			t.Fatalf("a message of %d bytes in %d: %v", n, len(b), err)
		}
		m := string(b[grpcmsg.PrefixLen : grpcmsg.PrefixLen+int(n)])
		if compressed {
			m = "compressed:" + m
		}
		messages = append(messages, m)
		b = b[grpcmsg.PrefixLen+int(n):]
	}
	return messages
}

type reply struct {
	status   int
	header   http.Header
	trailer  http.Header
	messages []string
	err      *lupine.Error // nil is OK
}

func (m *mounted) request(ctx context.Context, path string, body io.Reader, header ...string) *http.Request {
	m.t.Helper()
	r, err := http.NewRequestWithContext(ctx, "POST", m.url+path, body)
	if err != nil {
		m.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/grpc")
	r.Header.Set("Te", "trailers")
	for i := 0; i < len(header); i += 2 {
		r.Header[http.CanonicalHeaderKey(header[i])] = append(r.Header[http.CanonicalHeaderKey(header[i])], header[i+1])
	}
	return r
}

// call sends body and reads the whole reply.
func (m *mounted) call(path string, body []byte, header ...string) reply {
	m.t.Helper()
	res, err := m.client.Do(m.request(m.t.Context(), path, bytes.NewReader(body), header...))
	if err != nil {
		m.t.Fatal(err)
	}
	return m.read(res)
}

func (m *mounted) read(res *http.Response) reply {
	m.t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	got := reply{status: res.StatusCode, header: res.Header, trailer: res.Trailer}
	if ct := res.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/grpc") {
		got.messages = []string{string(body)}
		return got
	}
	got.messages = unframe(m.t, body)
	got.err = outcomeOf(res)
	return got
}

func outcomeOf(res *http.Response) *lupine.Error {
	var o grpcmsg.Outcome
	for _, fields := range []http.Header{res.Header, res.Trailer} {
		for k, vs := range fields {
			for _, v := range vs {
				o.Take(strings.ToLower(k), v)
			}
		}
	}
	if err := o.Err(nil); err != nil {
		return lupine.AsError(err)
	}
	return nil
}

// eventually waits for what other goroutines are about to do.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("timed out waiting until " + what)
		}
	}
}

func TestHandlerKinds(t *testing.T) {
	for _, encrypted := range []bool{false, true} {
		var peer *lupine.Peer
		srv := textServer(lupine.ServerConfig{}, textHandlers{say: func(ctx context.Context, m *text) (*text, error) {
			peer = lupine.ServerCallFrom(ctx).Peer
			return &text{m.S + "!"}, nil
		}})
		m := mount(t, srv, HandlerConfig{}, encrypted, nil)
		for _, c := range []struct {
			path     string
			send     []string
			messages []string
		}{
			{"/t.T/Say", []string{"hello"}, []string{"hello!"}},
			{"/t.T/Say", []string{""}, []string{"!"}},
			{"/t.T/List", []string{"abc"}, []string{"a", "ab", "abc"}},
			{"/t.T/List", []string{""}, nil},
			{"/t.T/Sum", []string{"a", "b", "c"}, []string{"abc"}},
			{"/t.T/Sum", nil, []string{""}},
			{"/t.T/Chat", []string{"a", "b", "c"}, []string{"a", "b", "c"}},
			{"/t.T/Chat", nil, nil},
			{"/t.T/Say", []string{strings.Repeat("x", 3<<20)}, []string{strings.Repeat("x", 3<<20) + "!"}},
		} {
			got := m.call(c.path, frames(c.send...))
			if got.status != 200 || got.err != nil || fmt.Sprint(got.messages) != fmt.Sprint(c.messages) {
				t.Errorf("TLS %v: %s: status %d, %v, %.60q", encrypted, c.path, got.status, got.err, got.messages)
			}
			if got.header.Get("Content-Type") != "application/grpc" || got.header.Get("Date") != "" || got.header.Get("Grpc-Accept-Encoding") != "gzip,zstd" {
				t.Errorf("%s: header %v", c.path, got.header)
			}
		}
		if peer.Encrypted != encrypted || (peer.TLS != nil) != encrypted || !peer.SameHost || peer.RemoteAddr == "" || peer.LocalAddr == "" {
			t.Errorf("TLS %v: peer %+v", encrypted, peer)
		}
	}
}

func TestHandlerFullDuplex(t *testing.T) {
	for _, own := range []bool{true, false} {
		chat := func(ctx context.Context, in *lupine.Receiver[text], out *lupine.Sender[text]) error {
			if !own { // a context that may end before the call
				c, cancel := context.WithCancel(ctx)
				defer cancel()
				ctx = c
			}
			for {
				m, err := in.Recv(ctx)
				if err == io.EOF {
					return nil
				}
				if err == nil {
					err = out.Send(ctx, m)
				}
				if err != nil {
					return err
				}
			}
		}
		m := mount(t, textServer(lupine.ServerConfig{}, textHandlers{chat: chat}), HandlerConfig{}, false, nil)
		pr, pw := io.Pipe()
		res, err := m.client.Do(m.request(t.Context(), "/t.T/Chat", io.MultiReader(bytes.NewReader(frames("first")), pr)))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			want := "first"
			if i > 0 {
				want = fmt.Sprint("message ", i)
				// In two parts, which the server has to put together.
				f := frames(want)
				pw.Write(f[:7])
				pw.Write(f[7:])
			}
			got := make([]byte, grpcmsg.PrefixLen+len(want))
			if _, err := io.ReadFull(res.Body, got); err != nil || unframe(t, got)[0] != want {
				t.Fatalf("own context %v: message %d: %q, %v", own, i, got, err)
			}
		}
		pw.Close()
		if got := m.read(res); got.err != nil || len(got.messages) != 0 {
			t.Errorf("own context %v: the end: %v, %q", own, got.err, got.messages)
		}
	}
}

func TestHandlerMetadata(t *testing.T) {
	var header lupine.Metadata
	srv := textServer(lupine.ServerConfig{}, textHandlers{say: func(ctx context.Context, m *text) (*text, error) {
		call := lupine.ServerCallFrom(ctx)
		header = call.Header
		call.SetHeader(lupine.Metadata{{Key: "h", Value: "1"}, {Key: "h", Value: "2"}, {Key: "h-bin", Value: "\x00\xff"}})
		call.SetTrailer(lupine.Metadata{{Key: "t", Value: "3"}, {Key: "t-bin", Value: "\x01"}})
		if m.S == "fail" {
			return nil, &lupine.Error{Code: lupine.NotFound, Message: "no ☺", Metadata: lupine.Metadata{{Key: "e", Value: "4"}},
				Details: []lupine.Detail{{Type: "a.B", Value: []byte("xyz")}}}
		}
		return m, nil
	}})
	m := mount(t, srv, HandlerConfig{}, false, nil)
	for _, body := range []string{"ok", "fail"} {
		got := m.call("/t.T/Say", frames(body), "b", "2", "a", "1", "a", "0", "X-Bin", "AA==,AQ", "Authorization", "Bearer x", "User-Agent", "me", "Lupine-Executed", "no")
		if want := "[{a 1} {a 0} {accept-encoding identity} {authorization Bearer x} {b 2} {x-bin \x00} {x-bin \x01}]"; fmt.Sprint(header) != want && fmt.Sprint(header) != strings.Replace(want, " {accept-encoding identity}", "", 1) {
			t.Errorf("%s: the handler has %v; want %s", body, header, want)
		}
		if fmt.Sprint(got.header["H"], got.header["H-Bin"], got.trailer["T"], got.trailer["T-Bin"]) != "[1 2] [AP8] [3] [AQ]" {
			t.Errorf("%s: header %v, trailer %v", body, got.header, got.trailer)
		}
		if body == "fail" && (got.err == nil || got.err.Code != lupine.NotFound || got.err.Message != "no ☺" || len(got.err.Details) != 1 || got.err.Executed != lupine.Yes || got.trailer.Get("E") != "4") {
			t.Errorf("the error is %+v, the trailer %v", got.err, got.trailer)
		}
	}
}

func TestHandlerTrailersOnly(t *testing.T) {
	srv := textServer(lupine.ServerConfig{}, textHandlers{say: func(context.Context, *text) (*text, error) {
		return nil, lupine.Errorf(lupine.Aborted, "no")
	}})
	got := mount(t, srv, HandlerConfig{}, false, nil).call("/t.T/Say", frames("x"))
	if got.header.Get("Grpc-Status") != "10" || len(got.trailer) != 0 || got.err.Executed != lupine.Yes {
		t.Errorf("header %v, trailer %v", got.header, got.trailer)
	}
}

func TestHandlerRefuses(t *testing.T) {
	ran := false
	srv := textServer(lupine.ServerConfig{MaxReceive: 100}, textHandlers{say: func(_ context.Context, m *text) (*text, error) {
		ran = true
		return m, nil
	}})
	m := mount(t, srv, HandlerConfig{}, false, nil)
	big := []string{}
	for i := range 120 {
		big = append(big, fmt.Sprint("k", i), "v")
	}
	good := frames("x")
	for name, c := range map[string]struct {
		path   string
		body   []byte
		header []string
		code   lupine.Code
		text   string
	}{
		"unknown service":   {"/t.X/Say", good, nil, lupine.Unimplemented, "unknown service t.X"},
		"unknown method":    {"/t.T/Nay", good, nil, lupine.Unimplemented, "no method Nay"},
		"malformed path":    {"/", good, nil, lupine.Unimplemented, "malformed"},
		"escaped path":      {"/t.T/%53ay", good, nil, lupine.Unimplemented, ""},
		"query":             {"/t.T/Say?x=1", good, nil, lupine.Unimplemented, ""},
		"double slash":      {"//t.T/Say", good, nil, lupine.Unimplemented, ""},
		"dots":              {"/t.T/x/../Say", good, nil, lupine.Unimplemented, ""},
		"wrong codec":       {"/t.T/Say", good, []string{"X-Ignored", "", "Content-Type", ""}, lupine.Unimplemented, `"json"`},
		"bad timeout":       {"/t.T/Say", good, []string{"Grpc-Timeout", "5s"}, lupine.Internal, "grpc-timeout"},
		"huge timeout":      {"/t.T/Say", good, []string{"Grpc-Timeout", "999999999999999S"}, lupine.Internal, "grpc-timeout"},
		"no time":           {"/t.T/Say", good, []string{"Grpc-Timeout", "0n"}, lupine.DeadlineExceeded, "deadline"},
		"unknown encoding":  {"/t.T/Say", good, []string{"Grpc-Encoding", "br"}, lupine.Unimplemented, "gzip,zstd"},
		"bad -bin":          {"/t.T/Say", good, []string{"X-Bin", "!"}, lupine.Internal, "x-bin"},
		"bytes in metadata": {"/t.T/Say", good, []string{"X", "caf\xe9"}, lupine.Internal, "0xe9"},
		"too many fields":   {"/t.T/Say", good, big, lupine.ResourceExhausted, "limit of 100"},
		"too much header":   {"/t.T/Say", good, []string{"X", strings.Repeat("x", 9000)}, lupine.ResourceExhausted, "limit of 8192"},
		"no message":        {"/t.T/Say", nil, nil, lupine.Unimplemented, "no request"},
		"two messages":      {"/t.T/Say", frames("a", "b"), nil, lupine.Unimplemented, "more than one"},
		"too large":         {"/t.T/Say", frames(strings.Repeat("x", 101)), nil, lupine.ResourceExhausted, "101 bytes"},
		"length lie":        {"/t.T/Say", []byte("\x00\xff\xff\xff\xff"), nil, lupine.ResourceExhausted, "4294967295"},
		"cut short":         {"/t.T/Say", good[:5], nil, lupine.Internal, "within a message"},
		"cut in the prefix": {"/t.T/Say", good[:3], nil, lupine.Internal, "within a message"},
		"flag 2":            {"/t.T/Say", []byte("\x02\x00\x00\x00\x00"), nil, lupine.Internal, "flag"},
		"flag, no encoding": {"/t.T/Say", []byte("\x01\x00\x00\x00\x00"), nil, lupine.Internal, "no grpc-encoding"},
		"not gzip":          {"/t.T/Say", []byte("\x01\x00\x00\x00\x01x"), []string{"Grpc-Encoding", "gzip"}, lupine.Internal, "gzip"},
		"bomb":              {"/t.T/Say", packed(t, grpcmsg.Gzip(), strings.Repeat("x", 101)), []string{"Grpc-Encoding", "gzip"}, lupine.ResourceExhausted, "limit of 100"},
		"undecodable":       {"/t.T/Say", frames("undecodable"), nil, lupine.Internal, "undecodable"},
	} {
		r := m.request(t.Context(), c.path, bytes.NewReader(c.body), c.header...)
		r.Header["Content-Type"] = []string{"application/grpc"}
		if name == "wrong codec" {
			r.Header["Content-Type"] = []string{"application/grpc+json"}
		}
		res, err := m.client.Do(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := m.read(res)
		if got.err == nil || got.err.Code != c.code || !strings.Contains(got.err.Message, c.text) || got.err.Executed != lupine.No || got.status != 200 {
			t.Errorf("%s: status %d, %+v; want %v, %q, not executed", name, got.status, got.err, c.code, c.text)
		}
		if got.header.Get("Grpc-Accept-Encoding") != "gzip,zstd" {
			t.Errorf("%s: the answer does not say what is accepted: %v", name, got.header)
		}
	}
	if ran {
		t.Error("a refused request reached the handler")
	}
	if got := m.call("/t.T/Say", good); got.err != nil || !ran {
		t.Errorf("afterwards: %v", got.err)
	}
}

// packed is a message compressed by c.
func packed(t *testing.T, c grpcmsg.Compressor, s string) []byte {
	t.Helper()
	z, err := c.Compress(nil, []byte(s))
	if err != nil {
		t.Fatal(err)
	}
	return append(grpcmsg.AppendPrefix(nil, true, uint32(len(z))), z...)
}

func TestHandlerNotGRPC(t *testing.T) {
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "next: ", r.Proto) })
	with := mount(t, textServer(lupine.ServerConfig{}, textHandlers{}), HandlerConfig{Next: next}, false, nil)
	without := mount(t, textServer(lupine.ServerConfig{}, textHandlers{}), HandlerConfig{}, false, nil)
	for _, ct := range []string{"text/html", "application/grpc-web", "application/grpc-web+proto", "application/json", ""} {
		r := with.request(t.Context(), "/t.T/Say", strings.NewReader("x"))
		r.Header.Set("Content-Type", ct)
		res, err := with.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := with.read(res); got.status != 200 || got.messages[0] != "next: HTTP/2.0" {
			t.Errorf("%s with Next: %+v", ct, got)
		}
		r = without.request(t.Context(), "/t.T/Say", strings.NewReader("x"))
		r.Header.Set("Content-Type", ct)
		if res, err = without.client.Do(r); err != nil {
			t.Fatal(err)
		}
		if got := without.read(res); got.status != 415 || !strings.Contains(got.messages[0], "application/grpc") {
			t.Errorf("%s without Next: %+v", ct, got)
		}
	}

	r := with.request(t.Context(), "/t.T/Say", nil)
	r.Method = "GET"
	res, err := with.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := with.read(res); got.status != 405 || got.header.Get("Allow") != "POST" {
		t.Errorf("GET: %+v", got)
	}

	// gRPC over HTTP/1.1, and something else over HTTP/1.1.
	res, err = http.DefaultClient.Do(with.request(t.Context(), "/t.T/Say", bytes.NewReader(frames("x"))))
	if err != nil {
		t.Fatal(err)
	}
	if got := with.read(res); got.status != 505 || !strings.Contains(got.messages[0], "HTTP/1.1") {
		t.Errorf("gRPC over HTTP/1.1: %+v", got)
	}
	if res, err = http.Get(with.url + "/"); err != nil {
		t.Fatal(err)
	}
	if got := with.read(res); got.messages[0] != "next: HTTP/1.1" {
		t.Errorf("HTTP/1.1: %+v", got)
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestHandlerCompression(t *testing.T) {
	big := strings.Repeat("compress me ", 1000)
	var choose string
	srv := textServer(lupine.ServerConfig{}, textHandlers{say: func(ctx context.Context, m *text) (*text, error) {
		if choose != "" {
			lupine.ServerCallFrom(ctx).Compressor = choose
		}
		return m, nil
	}})
	m := mount(t, srv, HandlerConfig{}, false, nil)
	for _, c := range []struct {
		send, accept, choose string
		want                 string // grpc-encoding of the reply
	}{
		{"", "", "", ""},
		{"", "gzip", "", ""},
		{"", "", "gzip", ""}, // not taken by the caller
		{"", "identity, gzip", "gzip", "gzip"},
		{"", "gzip,zstd", "zstd", "zstd"},
		{"gzip", "", "", "gzip"}, // what it sends it takes
		{"zstd", "", "", "zstd"},
		{"gzip", "gzip", "identity", ""},
		{"gzip", "zstd,gzip", "zstd", "zstd"},
	} {
		choose = c.choose
		body := frames(big)
		header := []string{}
		if c.send != "" {
			z, err := m.h.encodings.ForRequest(c.send)
			if err != nil {
				t.Fatal(err)
			}
			body, header = packed(t, z, big), append(header, "Grpc-Encoding", c.send)
		}
		if c.accept != "" {
			header = append(header, "Grpc-Accept-Encoding", c.accept)
		}
		got := m.call("/t.T/Say", body, header...)
		if got.err != nil || got.header.Get("Grpc-Encoding") != c.want {
			t.Errorf("%+v: %v, grpc-encoding %q", c, got.err, got.header.Get("Grpc-Encoding"))
			continue
		}
		message, compressed := strings.CutPrefix(got.messages[0], "compressed:")
		if compressed {
			z, _ := m.h.encodings.ForResponse(c.want)
			p, err := grpcmsg.Decompress(t.Context(), z, []byte(message), 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			message = string(p.Bytes())
			p.Release()
		}
		if message != big || compressed != (c.want != "") {
			t.Errorf("%+v: compressed %v, %.30q", c, compressed, message)
		}
	}
	choose = "br"
	if got := m.call("/t.T/Say", frames("x")); got.err != nil || got.messages[0] != "x" {
		t.Errorf("an unknown Compressor, which no caller takes: %v, %q", got.err, got.messages)
	}
	choose = "gzip"
	if got := m.call("/t.T/Say", frames("x"), "Grpc-Accept-Encoding", "gzip"); got.err != nil || got.messages[0] != "x" {
		t.Errorf("a message that compression makes larger: %v, %q", got.err, got.messages)
	}
}

func TestHandlerErrors(t *testing.T) {
	srv := textServer(lupine.ServerConfig{MaxSend: 50}, textHandlers{
		say: func(_ context.Context, m *text) (*text, error) {
			switch m.S {
			case "panic":
				panic("secret")
			case "nil":
				return nil, nil
			case "large":
				return &text{strings.Repeat("x", 51)}, nil
			case "upstream":
				return nil, lupine.Errorf(lupine.Unavailable, "upstream").NotExecuted()
			case "long":
				return nil, lupine.Errorf(lupine.Internal, "%s", strings.Repeat("☺", 10000))
			case "metadata":
				return nil, &lupine.Error{Code: lupine.Aborted, Metadata: lupine.Metadata{{Key: "bad key", Value: "\n"}}}
			}
			return &text{m.S}, nil
		},
		list: func(ctx context.Context, m *text, out *lupine.Sender[text]) error {
			out.Send(ctx, &text{"one"})
			return lupine.Errorf(lupine.DataLoss, "after one")
		},
	})
	m := mount(t, srv, HandlerConfig{}, false, nil)
	for body, want := range map[string]lupine.Code{
		"panic": lupine.Internal, "nil": lupine.Internal, "large": lupine.ResourceExhausted, "upstream": lupine.Unavailable,
		"unencodable": lupine.Internal, "long": lupine.Internal, "metadata": lupine.Aborted,
	} {
		got := m.call("/t.T/Say", frames(body))
		if got.err == nil || got.err.Code != want || got.err.Executed != lupine.Yes || strings.Contains(got.err.Message, "secret") {
			t.Errorf("%s: %+v; want %v, executed", body, got.err, want)
		}
	}
	got := m.call("/t.T/List", frames("x"))
	if got.err == nil || got.err.Code != lupine.DataLoss || len(got.messages) != 1 || got.trailer.Get("Grpc-Status") != "15" {
		t.Errorf("an error after a message: %+v, %q", got.err, got.messages)
	}
}

func TestHandlerUnknown(t *testing.T) {
	srv := textServer(lupine.ServerConfig{Unknown: func(ctx context.Context, in *lupine.Receiver[lupine.Raw], out *lupine.Sender[lupine.Raw]) error {
		for m, err := range in.All(ctx) {
			if err != nil {
				return err
			}
			if err := out.Send(ctx, &lupine.Raw{Bytes: append([]byte(lupine.ServerCallFrom(ctx).Method().Path+" "), m.Bytes...)}); err != nil {
				return err
			}
		}
		return nil
	}}, textHandlers{})
	m := mount(t, srv, HandlerConfig{}, false, nil)
	got := m.call("/other.S/M", frames("a", "b"))
	if got.err != nil || fmt.Sprint(got.messages) != "[/other.S/M a /other.S/M b]" {
		t.Errorf("%v, %q", got.err, got.messages)
	}
	r := m.request(t.Context(), "/other.S/M", bytes.NewReader(frames("a")))
	r.Header.Set("Content-Type", "application/grpc+json")
	res, err := m.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if got := m.read(res); got.err != nil || got.header.Get("Content-Type") != "application/grpc+json" {
		t.Errorf("another encoding: %v, %v", got.err, got.header)
	}
}

func TestHandlerMiddleware(t *testing.T) {
	hide := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(struct{ http.ResponseWriter }{w}, r) })
	}
	m := mount(t, textServer(lupine.ServerConfig{}, textHandlers{}), HandlerConfig{}, false, hide)
	got := m.call("/t.T/Say", frames("x"))
	if got.err == nil || !strings.Contains(got.err.Message, "Unwrap") {
		t.Errorf("without Flush: %v", got.err)
	}
	wrap := func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(unwrapper{w}, r) })
	}
	m = mount(t, textServer(lupine.ServerConfig{}, textHandlers{}), HandlerConfig{}, false, wrap)
	if got := m.call("/t.T/Say", frames("x"), "Grpc-Timeout", "5S"); got.err != nil {
		t.Errorf("with Unwrap: %v", got.err)
	}
}

type unwrapper struct{ http.ResponseWriter }

func (u unwrapper) Unwrap() http.ResponseWriter { return u.ResponseWriter }

func TestHandlerBind(t *testing.T) {
	h := HandlerConfig{}.NewHandler()
	w := httptest.NewRecorder()
	r := httptest.NewRequest("POST", "/t.T/Say", nil)
	r.ProtoMajor = 2
	r.Header.Set("Content-Type", "application/grpc")
	h.ServeHTTP(w, r)
	if got := outcomeOf(w.Result()); got == nil || got.Code != lupine.Unavailable || got.Executed != lupine.No {
		t.Errorf("unbound: %v", got)
	}
	srv := textServer(lupine.ServerConfig{}, textHandlers{})
	if err := h.Bind(t.Context(), srv); err != nil {
		t.Fatal(err)
	}
	if err := h.Bind(t.Context(), srv); err == nil {
		t.Error("bound twice")
	}
}

func TestHandlerDetails(t *testing.T) {
	srv := textServer(lupine.ServerConfig{}, textHandlers{say: func(context.Context, *text) (*text, error) {
		return nil, lupine.Errorf(lupine.Internal, "big").WithDetail(lupine.Detail{Type: "a.B", Value: make([]byte, 20000)})
	}})
	got := mount(t, srv, HandlerConfig{}, false, nil).call("/t.T/Say", frames("x"))
	if got.err == nil || !strings.Contains(got.err.Message, "details left out") {
		t.Errorf("details that no peer would take: %v", got.err)
	}
	if raw := got.header.Get("Grpc-Status-Details-Bin"); raw != "" {
		t.Errorf("the details were sent: %d bytes", len(raw))
	}
}
