package interop

import (
	"context"
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// answer makes a raw server say something on one stream.
type answer func(r *raw, id uint32)

// startRaw serves raw connections: each call is answered by f, which is told the
// number of the call over all connections, from 1.
func startRaw(t *testing.T, f func(call int) answer) string {
	t.Helper()
	l := listen(t)
	var calls atomic.Int64
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serveRaw(newRaw(t, c), &calls, f)
		}
	}()
	return l.Addr().String()
}

func serveRaw(r *raw, calls *atomic.Int64, f func(call int) answer) {
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(r.conn, preface); err != nil {
		return
	}
	r.WriteSettings()
	for {
		frame, err := r.ReadFrame()
		if err != nil {
			return
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				r.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				r.WritePing(true, frame.Data)
			}
		case *http2.DataFrame:
			if frame.StreamEnded() {
				f(int(calls.Add(1)))(r, frame.StreamID)
			}
		}
	}
}

func (r *raw) begin(id uint32, more ...string) {
	r.headers(id, false, append([]string{":status", "200", "content-type", "application/grpc"}, more...)...)
}

func (r *raw) finish(id uint32, fields ...string) { r.headers(id, true, fields...) }

func good(r *raw, id uint32) {
	r.begin(id)
	r.WriteData(id, false, prefixed(0, encode(&peerpb.Result{Text: "good"})))
	r.finish(id, "grpc-status", "0")
}

func only(fields ...string) answer {
	return func(r *raw, id uint32) { r.finish(id, fields...) }
}

func body(data []byte, trailer ...string) answer {
	return func(r *raw, id uint32) {
		r.begin(id)
		r.WriteData(id, trailer == nil, data)
		if trailer != nil {
			r.finish(id, trailer...)
		}
	}
}

func reset(code http2.ErrCode) answer {
	return func(r *raw, id uint32) { r.WriteRSTStream(id, code) }
}

// What servers, proxies and attackers answer, and what our caller is told.
var badAnswers = []struct {
	name     string
	answer   answer
	code     lupine.Code
	executed lupine.Executed
	words    string
	broken   bool // the connection does not survive
}{
	{"HTML error of a proxy", func(r *raw, id uint32) {
		r.headers(id, false, ":status", "502", "content-type", "text/html")
		r.WriteData(id, true, []byte("<h1>Bad Gateway</h1>"))
	}, lupine.Unavailable, lupine.Maybe, "502", false},
	{"HTTP 401", only(":status", "401"), lupine.Unauthenticated, lupine.Maybe, "401", false},
	{"HTTP 403", only(":status", "403"), lupine.PermissionDenied, lupine.Maybe, "403", false},
	{"HTTP 404", only(":status", "404"), lupine.Unimplemented, lupine.Maybe, "404", false},
	{"HTTP 429", only(":status", "429"), lupine.Unavailable, lupine.Maybe, "429", false},
	{"HTTP 400", only(":status", "400"), lupine.Internal, lupine.Maybe, "400", false},
	{"a page", func(r *raw, id uint32) {
		r.headers(id, false, ":status", "200", "content-type", "text/html; charset=utf-8")
		r.WriteData(id, true, []byte("<h1>Welcome</h1>"))
	}, lupine.Unknown, lupine.Maybe, "text/html", false},
	{"no trailers", body(prefixed(0, nil)), lupine.Internal, lupine.Maybe, "", false},
	{"trailers without a status", body(prefixed(0, nil), "x", "y"), lupine.Unknown, lupine.Maybe, "grpc-status", false},
	{"status that is no number", body(prefixed(0, nil), "grpc-status", "fine"), lupine.Unknown, lupine.Maybe, "fine", false},
	{"status nobody knows", body(nil, "grpc-status", "77", "grpc-message", "odd"), lupine.Unknown, lupine.Maybe, "odd", false},
	{"broken percent-encoding", body(nil, "grpc-status", "5", "grpc-message", "50% %zz %e2%82"), lupine.NotFound, lupine.Maybe, "50% %zz", false},
	{"details that are no message", body(nil, "grpc-status", "5", "grpc-message", "x", "grpc-status-details-bin", "////"), lupine.NotFound, lupine.Maybe, "x", false},
	{"details of another code", body(nil, "grpc-status", "5", "grpc-message", "x", "grpc-status-details-bin", "CAE"), lupine.NotFound, lupine.Maybe, "x", false},
	{"compressed flag without grpc-encoding", body(prefixed(1, gzipped(nil)), "grpc-status", "0"), lupine.Internal, lupine.Maybe, "grpc-encoding", false},
	{"unknown encoding", func(r *raw, id uint32) {
		r.begin(id, "grpc-encoding", "snoppy")
		r.WriteData(id, false, prefixed(1, nil))
		r.finish(id, "grpc-status", "0")
	}, lupine.Internal, lupine.Maybe, "snoppy", false},
	{"oversized message", body(prefixed(0, make([]byte, 5<<20))[:50], "grpc-status", "0"), lupine.ResourceExhausted, lupine.Maybe, "4194304", false},
	{"truncated message", body(prefixed(0, make([]byte, 10))[:12], "grpc-status", "0"), lupine.Internal, lupine.Maybe, "", false},
	{"malformed protobuf", body(prefixed(0, []byte{0xff}), "grpc-status", "0"), lupine.Internal, lupine.Maybe, "", false},
	{"no reply", body(nil, "grpc-status", "0"), lupine.Unimplemented, lupine.Maybe, "", false},
	{"two replies", body(append(prefixed(0, nil), prefixed(0, nil)...), "grpc-status", "0"), lupine.Unimplemented, lupine.Maybe, "", false},
	{"reset by CANCEL", reset(http2.ErrCodeCancel), lupine.Canceled, lupine.Maybe, "", false},
	{"reset by INTERNAL_ERROR", reset(http2.ErrCodeInternal), lupine.Internal, lupine.Maybe, "", false},
	{"reset by ENHANCE_YOUR_CALM", reset(http2.ErrCodeEnhanceYourCalm), lupine.ResourceExhausted, lupine.Maybe, "", false},
	{"reset by INADEQUATE_SECURITY", reset(http2.ErrCodeInadequateSecurity), lupine.PermissionDenied, lupine.Maybe, "", false},
	{"no :status", func(r *raw, id uint32) { r.headers(id, false, "content-type", "application/grpc") }, lupine.Internal, lupine.Maybe, "", false},
	{"trailers that do not end", func(r *raw, id uint32) {
		r.begin(id)
		r.headers(id, false, "grpc-status", "0")
	}, lupine.Internal, lupine.Maybe, "", false},
	{"upper-case field", func(r *raw, id uint32) { r.begin(id, "X-Upper", "1") }, lupine.Internal, lupine.Maybe, "", false},
	{"HPACK garbage", func(r *raw, id uint32) {
		r.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersEndHeaders, id, []byte{0xff})
	}, lupine.Unavailable, lupine.Maybe, "", true},
	{"frame above the limit", func(r *raw, id uint32) { r.conn.Write(frameBytes(1<<24-1, http2.FrameData, 0, id)) }, lupine.Unavailable, lupine.Maybe, "", true},
	{"the end of the connection", func(r *raw, _ uint32) { r.conn.Close() }, lupine.Unavailable, lupine.Maybe, "", true},
	{"GOAWAY and the end", func(r *raw, id uint32) {
		r.WriteGoAway(id, http2.ErrCodeEnhanceYourCalm, []byte("too_many_pings"))
		r.conn.Close()
	}, lupine.Unavailable, lupine.Maybe, "too_many_pings", true},
	{"PUSH_PROMISE", func(r *raw, id uint32) {
		r.WriteRawFrame(http2.FramePushPromise, http2.FlagPushPromiseEndHeaders, id, []byte{0, 0, 0, 2, 0x82})
	}, lupine.Unavailable, lupine.Maybe, "", true},
}

func TestBadServer(t *testing.T) {
	t.Parallel()
	for _, c := range badAnswers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			addr := startRaw(t, func(call int) answer {
				if call == 1 {
					return c.answer
				}
				return good
			})
			conn := plain(t, addr)
			first, second := new(lupine.Peer), new(lupine.Peer)
			_, err := conn.client.Say(limited(t), new(peerpb.Order), lupine.PeerInfo(first))
			wantError(t, err, c.code, c.executed, c.words)
			r, err := conn.client.Say(limited(t), new(peerpb.Order), lupine.PeerInfo(second))
			if err != nil || r.Text != "good" {
				t.Fatalf("the call after it: %v, %v", r, err)
			}
			if same := first.LocalAddr == second.LocalAddr; same == c.broken {
				t.Errorf("calls from %s and %s: the connection survived %v, want %v", first.LocalAddr, second.LocalAddr, same, !c.broken)
			}
		})
	}
}

// What is known not to have run is tried again, once, and nobody notices.
func TestTransparentRetry(t *testing.T) {
	t.Parallel()
	aways := func(last uint32) answer {
		return func(r *raw, id uint32) {
			r.WriteGoAway(last, http2.ErrCodeNo, nil)
		}
	}
	for _, c := range []struct {
		name   string
		first  answer
		always bool
	}{
		{"refused stream", reset(http2.ErrCodeRefusedStream), false},
		{"refused twice", reset(http2.ErrCodeRefusedStream), true},
		{"above GOAWAY's last stream", aways(0), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			addr := startRaw(t, func(call int) answer {
				calls.Store(int64(call))
				if call == 1 || c.always {
					return c.first
				}
				return good
			})
			conn := plain(t, addr)
			_, err := conn.client.Say(limited(t), new(peerpb.Order))
			if c.always {
				wantError(t, err, lupine.Unavailable, lupine.No)
			} else if err != nil {
				t.Error(err)
			}
			if n := calls.Load(); n != 2 {
				t.Errorf("%d attempts, want 2", n)
			}
		})
	}
}

// A server that says nothing is no reason to wait past the deadline, and is told.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	addr := startRaw(t, func(int) answer { return func(*raw, uint32) {} })
	x := newTap(t, addr)
	c := plain(t, x.addr)
	// Connect first, since that may take as long as the deadline is.
	started := c.client.StartSay(t.Context(), new(peerpb.Order))
	x.find(func(f frame) bool { return f.fromClient && f.kind == http2.FrameData })
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := c.client.Say(ctx, new(peerpb.Order))
	wantError(t, err, lupine.DeadlineExceeded, lupine.Maybe)
	started.Close()
	head := x.find(func(f frame) bool { return f.fromClient && f.kind == http2.FrameHeaders && f.stream == 3 })
	if d := timeout(t, head.field("grpc-timeout")); d <= 0 || d > 200*time.Millisecond {
		t.Errorf("grpc-timeout %q, want at most 200 ms", head.field("grpc-timeout"))
	}
	if f := x.find(func(f frame) bool { return f.fromClient && f.kind == http2.FrameRSTStream && f.stream == 3 }); f.code != http2.ErrCodeCancel {
		t.Errorf("the call was reset by %v, want CANCEL", f.code)
	}
}

// timeout reads a grpc-timeout.
func timeout(t *testing.T, s string) time.Duration {
	t.Helper()
	if s == "" {
		t.Fatal("no grpc-timeout")
	}
	units := map[byte]time.Duration{'n': 1, 'u': time.Microsecond, 'm': time.Millisecond, 'S': time.Second, 'M': time.Minute, 'H': time.Hour}
	n, err := strconv.Atoi(s[:len(s)-1])
	if err != nil || len(s) > 9 {
		t.Fatalf("grpc-timeout %q", s)
	}
	return time.Duration(n) * units[s[len(s)-1]]
}

// Servers that do not speak HTTP/2, or nothing at all.
func TestNotHTTP2(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ says, want string }{
		"HTTP/1.1": {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1"},
		"SSH":      {"SSH-2.0-OpenSSH_9.2\r\n", ""},
		"silent":   {"", ""},
		"noise":    {strings.Repeat("\xfa\x00\xff", 100), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := listen(t)
			go func() {
				for {
					conn, err := l.Accept()
					if err != nil {
						return
					}
					defer conn.Close()
					io.WriteString(conn, c.says)
				}
			}()
			conn := dialLupine(t, h2.To(l.Addr().String(), h2.Config{}), lupine.DialConfig{DialTimeout: 500 * time.Millisecond})
			_, out := conn.say(limited(t), &peerpb.Order{}, options{})
			wantError(t, out.err, lupine.Unavailable, lupine.No, l.Addr().String(), c.want)
		})
	}
}

// A name that is not served, and one that cannot be understood.
func TestBadTargets(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"", "host", "http://x:1", "127.0.0.1:99999", "unix://relative"} {
		if _, err := lupine.Dial(context.Background(), h2.To(target, h2.Config{})); err == nil || !strings.Contains(err.Error(), target) {
			t.Errorf("Dial of %q: %v, want an error that names it", target, err)
		}
	}
	c := dialLupine(t, h2.To("nowhere.invalid:443", h2.Config{}), lupine.DialConfig{})
	_, out := c.say(limited(t), &peerpb.Order{}, options{})
	wantError(t, out.err, lupine.Unavailable, lupine.No, "nowhere.invalid")
	missing := plain(t, "unix:///nowhere/at/all.sock")
	_, out = missing.say(limited(t), &peerpb.Order{}, options{})
	wantError(t, out.err, lupine.Unavailable, lupine.No, "/nowhere/at/all.sock")
}
