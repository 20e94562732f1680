package interop

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// bystander calls on through grpc-go while a test misbehaves on other
// connections of the same server: none of its calls may fail.
func bystander(t *testing.T, addr string) {
	t.Helper()
	c := dialGRPC(t, addr)
	// Not the test's own context, which ends before its cleanup.
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	t.Cleanup(cancel)
	s, err := c.chat(ctx, options{})
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { stopped <- n }()
		for ; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond): // a pace, not a wait
			}
			if _, out := c.say(ctx, &peerpb.Order{}, options{}); out.err != nil {
				t.Errorf("bystander: call: %v", out.err)
				return
			}
			if err := s.Send(&peerpb.Order{}); err != nil {
				t.Errorf("bystander: stream: %v", err)
				return
			}
			if _, err := s.Recv(); err != nil {
				t.Errorf("bystander: stream: %v", err)
				return
			}
		}
	}()
	// Subtests in parallel end before the cleanup of their parent.
	t.Cleanup(func() {
		close(stop)
		if n := <-stopped; n < 1 {
			t.Error("bystander: no call was made")
		}
	})
}

func gzipped(b []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Write(b)
	w.Close()
	return buf.Bytes()
}

// badCalls fail by themselves; the connection goes on.
var badCalls = []struct {
	name  string
	head  []string // request header
	body  []byte   // nil: the header ends the stream
	open  bool     // the caller does not end the stream
	http  string   // want :status
	grpc  []string // want one of these grpc-status values
	reset []http2.ErrCode
	words string // in grpc-message
	both  bool   // holds for the mount in net/http too
}{
	{name: "wrong content-type", head: request("Say", "content-type", "text/plain"), body: []byte("hello"), http: "415", both: true},
	{name: "no content-type", head: request("Say", "content-type", ""), body: []byte("hello"), http: "415", both: true},
	{name: "content-type that only begins like gRPC", head: request("Say", "content-type", "application/grpcx"), http: "415", both: true},
	{name: "GET", head: request("Say", ":method", "GET"), http: "405", both: true},
	{name: "unknown service", head: request("Say", ":path", "/no.Such/Say"), body: prefixed(0, nil), http: "200", grpc: []string{"12"}, words: "no.Such", both: true},
	{name: "unknown method", head: request("Nothing"), body: prefixed(0, nil), http: "200", grpc: []string{"12"}, words: "Nothing", both: true},
	{name: "path without a method", head: request("Say", ":path", "/"), body: prefixed(0, nil), http: "200", grpc: []string{"12"}, both: true},
	{name: "compressed flag without grpc-encoding", head: request("Say"), body: prefixed(1, gzipped(nil)), http: "200", grpc: []string{"13"}, words: "grpc-encoding", both: true},
	{name: "compressed flag with identity", head: request("Say", "grpc-encoding", "identity"), body: prefixed(1, gzipped(nil)), http: "200", grpc: []string{"13"}, both: true},
	{name: "unknown encoding", head: request("Say", "grpc-encoding", "snoppy"), body: prefixed(1, nil), http: "200", grpc: []string{"12"}, words: "snoppy", both: true},
	{name: "corrupt gzip", head: request("Say", "grpc-encoding", "gzip"), body: prefixed(1, []byte("not gzip")), http: "200", grpc: []string{"13", "3"}, both: true},
	{name: "gzip bomb", head: request("Say", "grpc-encoding", "gzip"), body: prefixed(1, gzipped(make([]byte, 8<<20))), http: "200", grpc: []string{"8"}, both: true},
	{name: "oversized message", head: request("Say"), body: prefixed(0, make([]byte, 5<<20))[:100], open: true, http: "200", grpc: []string{"8"}, words: "4194304", both: true},
	{name: "truncated message", head: request("Say"), body: prefixed(0, make([]byte, 10))[:9], http: "200", grpc: []string{"13", "3"}, both: true},
	{name: "truncated prefix", head: request("Say"), body: []byte{0, 0, 0}, http: "200", grpc: []string{"13", "3"}, both: true},
	{name: "reserved flag", head: request("Say"), body: prefixed(2, nil), http: "200", grpc: []string{"13"}, both: true},
	{name: "no message", head: request("Say"), http: "200", grpc: []string{"12"}, both: true},
	{name: "two messages", head: request("Say"), body: append(prefixed(0, nil), prefixed(0, nil)...), http: "200", grpc: []string{"12"}, both: true},
	{name: "malformed protobuf", head: request("Say"), body: prefixed(0, []byte{0xff, 0xff}), http: "200", grpc: []string{"13", "3"}, both: true},
	{name: "invalid UTF-8", head: request("Say"), body: prefixed(0, []byte{0x12, 2, 0xc3, 0x28}), http: "200", grpc: []string{"13", "3"}, words: "UTF-8", both: true},
	{name: "bad timeout", head: request("Say", "grpc-timeout", "5 minutes"), body: prefixed(0, nil), grpc: []string{"13", "3"}, words: "grpc-timeout", both: true},
	{name: "bad base64", head: request("Say", "x-bin", "!!!"), body: prefixed(0, nil), grpc: []string{"13", "3"}, words: "x-bin", both: true},
	{name: "deadline", head: request("Say", "grpc-timeout", "200m"), body: prefixed(0, encode(&peerpb.Order{Hold: true})), http: "200", grpc: []string{"4"}, both: true},
	{name: "huge header", head: request("Say", "x", strings.Repeat("x", 10_000)), body: prefixed(0, nil), http: "431 or status 8"},
	{name: "many fields", head: append(request("Say"), slices.Repeat([]string{"x", "y"}, 200)...), body: prefixed(0, nil), http: "431 or status 8"},
	{name: "upper-case field", head: request("Say", "X-Upper", "1"), reset: []http2.ErrCode{http2.ErrCodeProtocol}},
	{name: "connection field", head: request("Say", "connection", "close"), reset: []http2.ErrCode{http2.ErrCodeProtocol}},
	{name: "no path", head: request("Say", ":path", ""), reset: []http2.ErrCode{http2.ErrCodeProtocol}},
	{name: "pseudo field after others", head: append(request("Say", ":scheme", ""), ":scheme", "http"), reset: []http2.ErrCode{http2.ErrCodeProtocol}},
	{name: "two paths", head: append([]string{":path", "/x"}, request("Say")...), reset: []http2.ErrCode{http2.ErrCodeProtocol}},
	{name: "value with a line break", head: request("Say", "x", "a\r\nb: c"), reset: []http2.ErrCode{http2.ErrCodeProtocol}},
	{name: "body longer than content-length", head: request("Say", "content-length", "3"), body: prefixed(0, nil), reset: []http2.ErrCode{http2.ErrCodeProtocol}},
}

func TestBadCalls(t *testing.T) {
	t.Parallel()
	listener := h2.Listen("127.0.0.1:0", h2.Config{})
	startLupine(t, listener, lupine.ServerConfig{})
	_, mounted := startMounted(t, lupine.ServerConfig{}, nil)
	for where, addr := range map[string]string{"listener": listener.Addr(), "mounted": mounted} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			bystander(t, addr)
			for _, c := range badCalls {
				if where == "mounted" && !c.both {
					continue
				}
				t.Run(c.name, func(t *testing.T) {
					r := dialRaw(t, addr)
					id := r.open(c.body == nil && !c.open, c.head)
					// A refusal may come before all is sent; the frames end with it.
					for rest := c.body; c.body != nil; {
						n := min(len(rest), 16<<10)
						r.must(r.WriteData(id, n == len(rest) && !c.open, rest[:n]))
						if rest = rest[n:]; len(rest) == 0 {
							break
						}
					}
					e := r.wait(id)
					switch {
					case c.http == "431 or status 8":
						if e.status != "431" && e.grpc != "8" {
							t.Errorf("%v, want HTTP status 431 or grpc-status 8", e)
						}
					case c.reset != nil:
						// RFC 9113, 8.1.1: a malformed request may be answered 400 instead.
						if !(e.isReset && slices.Contains(c.reset, e.reset)) && e.status != "400" {
							t.Errorf("%v, want RST_STREAM %v", e, c.reset)
						}
					case c.http != "" && e.status != c.http || c.grpc != nil && !slices.Contains(c.grpc, e.grpc) || !strings.Contains(e.message, c.words):
						t.Errorf("%v, want HTTP status %q, grpc-status %q with %q", e, c.http, c.grpc, c.words)
					}
					if e.closed || e.isAway {
						t.Fatalf("the connection ended: %v", e)
					}
					if strings.HasPrefix(c.name, "unknown encoding") && !strings.Contains(e.accepts, "gzip") {
						t.Errorf("grpc-accept-encoding %q, want what is accepted", e.accepts)
					}
					r.works()
				})
			}
		})
	}
}

// frameBytes is a frame with any header.
func frameBytes(length int, kind http2.FrameType, flags http2.Flags, stream uint32, payload ...byte) []byte {
	return append([]byte{byte(length >> 16), byte(length >> 8), byte(length), byte(kind), byte(flags), byte(stream >> 24), byte(stream >> 16), byte(stream >> 8), byte(stream)}, payload...)
}

// badConnections break a rule of the connection: it ends with GOAWAY and a code,
// and nobody else notices.
var badConnections = []struct {
	name  string
	send  func(r *raw) []byte
	codes []http2.ErrCode
}{
	{"HPACK index out of range", func(*raw) []byte { return frameBytes(1, http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, 0xff) }, []http2.ErrCode{http2.ErrCodeCompression}},
	{"HPACK string too long", func(*raw) []byte {
		return frameBytes(4, http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, 0x40, 0x7f, 0xff, 0x7f)
	}, []http2.ErrCode{http2.ErrCodeCompression}},
	{"table size update above the limit", func(*raw) []byte {
		return frameBytes(6, http2.FrameHeaders, http2.FlagHeadersEndHeaders, 1, 0x3f, 0xff, 0xff, 0xff, 0x7f, 0x82)
	}, []http2.ErrCode{http2.ErrCodeCompression}},
	{"frame above the limit", func(*raw) []byte { return frameBytes(1<<24-1, http2.FrameData, 0, 1) }, []http2.ErrCode{http2.ErrCodeFrameSize}},
	{"DATA on stream 0", func(*raw) []byte { return frameBytes(1, http2.FrameData, 0, 0, 0) }, []http2.ErrCode{http2.ErrCodeProtocol}},
	{"DATA on an idle stream", func(*raw) []byte { return frameBytes(1, http2.FrameData, 0, 7, 0) }, []http2.ErrCode{http2.ErrCodeProtocol}},
	{"HEADERS on an even stream", func(r *raw) []byte {
		b := r.head(request("Say")...)
		return append(frameBytes(len(b), http2.FrameHeaders, http2.FlagHeadersEndHeaders, 2), b...)
	}, []http2.ErrCode{http2.ErrCodeProtocol}},
	{"stream numbers going back", func(r *raw) []byte {
		r.must(r.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders|http2.FlagHeadersEndStream, 9, r.head(request("Say")...)))
		b := r.head(request("Say")...)
		return append(frameBytes(len(b), http2.FrameHeaders, http2.FlagHeadersEndHeaders, 5), b...)
	}, []http2.ErrCode{http2.ErrCodeProtocol, http2.ErrCodeStreamClosed}},
	{"padding longer than the frame", func(*raw) []byte {
		return frameBytes(2, http2.FrameHeaders, http2.FlagHeadersPadded|http2.FlagHeadersEndHeaders, 1, 200, 0x82)
	}, []http2.ErrCode{http2.ErrCodeProtocol}},
	{"SETTINGS of 5 bytes", func(*raw) []byte { return frameBytes(5, http2.FrameSettings, 0, 0, 0, 0, 0, 0, 0) }, []http2.ErrCode{http2.ErrCodeFrameSize}},
	{"SETTINGS on a stream", func(*raw) []byte { return frameBytes(0, http2.FrameSettings, 0, 1) }, []http2.ErrCode{http2.ErrCodeProtocol}},
	{"SETTINGS with a window above 2^31-1", func(*raw) []byte {
		return frameBytes(6, http2.FrameSettings, 0, 0, 0, byte(http2.SettingInitialWindowSize), 0x80, 0, 0, 0)
	}, []http2.ErrCode{http2.ErrCodeFlowControl}},
	{"SETTINGS with a frame size of 0", func(*raw) []byte {
		return frameBytes(6, http2.FrameSettings, 0, 0, 0, byte(http2.SettingMaxFrameSize), 0, 0, 0, 0)
	}, []http2.ErrCode{http2.ErrCodeProtocol}},
	{"PING of 7 bytes", func(*raw) []byte { return frameBytes(7, http2.FramePing, 0, 0, 1, 2, 3, 4, 5, 6, 7) }, []http2.ErrCode{http2.ErrCodeFrameSize}},
	{"RST_STREAM on an idle stream", func(*raw) []byte { return frameBytes(4, http2.FrameRSTStream, 0, 9, 0, 0, 0, 8) }, []http2.ErrCode{http2.ErrCodeProtocol}},
	{"WINDOW_UPDATE past 2^31-1", func(*raw) []byte { return frameBytes(4, http2.FrameWindowUpdate, 0, 0, 0x7f, 0xff, 0xff, 0xff) }, []http2.ErrCode{http2.ErrCodeFlowControl}},
	{"WINDOW_UPDATE of 0", func(*raw) []byte { return frameBytes(4, http2.FrameWindowUpdate, 0, 0, 0, 0, 0, 0) }, []http2.ErrCode{http2.ErrCodeProtocol}},
	{"CONTINUATION out of nowhere", func(*raw) []byte { return frameBytes(0, http2.FrameContinuation, http2.FlagContinuationEndHeaders, 1) }, []http2.ErrCode{http2.ErrCodeProtocol}},
	{"PING inside a header block", func(*raw) []byte {
		return append(frameBytes(1, http2.FrameHeaders, 0, 1, 0x82), frameBytes(8, http2.FramePing, 0, 0, make([]byte, 8)...)...)
	}, []http2.ErrCode{http2.ErrCodeProtocol}},
	{"PUSH_PROMISE from a client", func(*raw) []byte {
		return frameBytes(4, http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, 1, 0, 0, 0, 2)
	}, []http2.ErrCode{http2.ErrCodeProtocol}},
}

func TestBadConnections(t *testing.T) {
	t.Parallel()
	l := h2.Listen("127.0.0.1:0", h2.Config{})
	startLupine(t, l, lupine.ServerConfig{})
	bystander(t, l.Addr())
	for _, c := range badConnections {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := dialRaw(t, l.Addr())
			_, err := r.conn.Write(c.send(r))
			r.must(err)
			e := r.wait(0)
			if !e.isAway || !slices.Contains(c.codes, e.goAway) || !e.closed {
				t.Errorf("%v, want GOAWAY %v and the end", e, c.codes)
			}
			if e.debug == "" {
				t.Error("the GOAWAY does not say why")
			}
		})
	}
}

// What is not HTTP/2 on the port: the answer is one that its sender understands,
// or the connection just ends.
func TestOtherProtocols(t *testing.T) {
	t.Parallel()
	bare := h2.Listen("127.0.0.1:0", h2.Config{})
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto+" page") })
	paged := h2.Listen("127.0.0.1:0", h2.Config{Handler: page})
	startLupine(t, bare, lupine.ServerConfig{})
	startLupine(t, paged, lupine.ServerConfig{})
	bystander(t, bare.Addr())
	get := func(t *testing.T, client *http.Client, addr string, contentType string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(limited(t), "POST", "http://"+addr+peerPath+"Say", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, string(body)
	}
	http1 := &http.Client{Transport: new(http.Transport)}
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	http2 := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	t.Run("HTTP/1.1", func(t *testing.T) {
		if code, body := get(t, http1, bare.Addr(), "text/plain"); code != 415 || !strings.Contains(body, "gRPC") {
			t.Errorf("without a handler: %d %q, want 415 and the reason", code, body)
		}
		if code, body := get(t, http1, bare.Addr(), "application/grpc"); code < 400 || code == 404 || !strings.Contains(body, "HTTP/2") {
			t.Errorf("gRPC over HTTP/1.1: %d %q, want a failure that says what is needed", code, body)
		}
		if code, body := get(t, http1, paged.Addr(), "text/plain"); code != 200 || body != "HTTP/1.1 page" {
			t.Errorf("with a handler: %d %q", code, body)
		}
	})
	t.Run("HTTP/2 that is not gRPC", func(t *testing.T) {
		if code, _ := get(t, http2, bare.Addr(), "text/plain"); code != 415 {
			t.Errorf("without a handler: %d, want 415", code)
		}
		if code, body := get(t, http2, paged.Addr(), "text/plain"); code != 200 || body != "HTTP/2.0 page" {
			t.Errorf("with a handler: %d %q", code, body)
		}
	})
	t.Run("TLS on a plaintext port", func(t *testing.T) {
		c := dialTCP(t, bare.Addr())
		defer c.Close()
		c.SetDeadline(time.Now().Add(patience))
		begin := time.Now()
		if err := tls.Client(c, &tls.Config{InsecureSkipVerify: true}).Handshake(); err == nil {
			t.Error("the handshake succeeded")
		} else if time.Since(begin) > 5*time.Second {
			t.Errorf("it took %v to be told: %v", time.Since(begin), err)
		}
	})
	for name, text := range map[string]string{
		"SSH": "SSH-2.0-OpenSSH_9.2\r\n", "zeros": strings.Repeat("\x00", 200), "broken preface": "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX", "noise": strings.Repeat("\xfa\x01\xff", 100),
	} {
		t.Run(name, func(t *testing.T) {
			c := dialTCP(t, bare.Addr())
			defer c.Close()
			c.SetDeadline(time.Now().Add(patience))
			io.WriteString(c, text)
			if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
				t.Errorf("the connection stays open: %v", err)
			}
		})
	}
}

// Plaintext meets TLS: what each of our clients is told.
func TestMismatchedTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	plainL, tlsL := h2.Listen("127.0.0.1:0", h2.Config{}), h2.Listen("127.0.0.1:0", h2.Config{TLS: ca.server(t)})
	startLupine(t, plainL, lupine.ServerConfig{})
	startLupine(t, tlsL, lupine.ServerConfig{})
	grpcPlain, _ := grpcServers(t)
	grpcTLS := startGRPCTLS(t, ca)
	for name, addr := range map[string]string{"lupine": plainL.Addr(), "grpc-go": grpcPlain} {
		t.Run("TLS client, plaintext "+name, func(t *testing.T) {
			t.Parallel()
			c := dialLupine(t, h2.To(addr, h2.Config{TLS: ca.client()}), lupine.DialConfig{})
			_, out := c.say(limited(t), &peerpb.Order{}, options{})
			wantError(t, out.err, lupine.Unavailable, lupine.No, addr, "TLS", "plaintext")
		})
	}
	for name, addr := range map[string]string{"lupine": tlsL.Addr(), "grpc-go": grpcTLS} {
		t.Run("plaintext client, TLS "+name, func(t *testing.T) {
			t.Parallel()
			_, out := plain(t, addr).say(limited(t), &peerpb.Order{}, options{})
			wantError(t, out.err, lupine.Unavailable, lupine.No, addr, "TLS")
		})
	}
}

// A port in use is named.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	l := listen(t)
	s, _ := newLupine(lupine.ServerConfig{})
	err := s.Serve(t.Context(), h2.Listen(l.Addr().String(), h2.Config{}))
	if err == nil || !strings.Contains(err.Error(), l.Addr().String()) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v, want an error that names %v as in use", err, l.Addr())
	}
}
