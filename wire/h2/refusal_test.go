package h2

import (
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
)

// TestRefusal: without a Handler a request that is not gRPC is refused when it has
// ended, or when it has had time to, whatever it carries.
func TestRefusal(t *testing.T) {
	web := []string{":method", "POST", ":scheme", "http", ":path", "/", ":authority", "x", "content-type", "text/html"}
	for _, c := range []struct {
		name  string
		play  func(f *fake)
		late  bool
		reset xhttp2.ErrCode // instead of an answer
	}{
		{name: "ends at once", play: func(f *fake) { f.headers(1, true, web...) }},
		{name: "ends with DATA", play: func(f *fake) {
			f.headers(1, false, web...)
			f.silent(t)
			f.WriteData(1, true, []byte("hello"))
		}},
		{name: "ends with trailers", play: func(f *fake) {
			f.headers(1, false, web...)
			f.WriteData(1, false, []byte("hello"))
			f.silent(t)
			f.headers(1, true, "a", "b")
		}},
		{name: "breaks its content-length", play: func(f *fake) {
			f.headers(1, false, append(web, "content-length", "4")...)
			f.WriteData(1, true, []byte("hello"))
		}, reset: xhttp2.ErrCodeProtocol},
		{name: "does not end", play: func(f *fake) { f.headers(1, false, web...) }, late: true},
		{name: "is larger than the window", play: func(f *fake) {
			f.headers(1, false, web...)
			for range 4 { // 65,535 bytes in all
				f.WriteData(1, false, make([]byte, 16383))
			}
		}, late: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := serveEcho(t, echo{}, Config{KeepAlive: 50 * time.Millisecond}) // its period is housekeeping's
			f := fakeClient(t, s.addr)
			began := time.Now()
			c.play(f)
			fr := f.next(true, func(fr xhttp2.Frame) bool {
				return fr.Header().StreamID == 1 && fr.Header().Type != xhttp2.FrameWindowUpdate
			})
			if c.reset != 0 {
				if r, ok := fr.(*xhttp2.RSTStreamFrame); !ok || r.ErrCode != c.reset {
					t.Fatalf("got %v, want RST_STREAM %v", fr, c.reset)
				}
				return
			}
			if field(fr, ":status") != "415" {
				t.Fatalf("got %v, want status 415", fr)
			}
			if took := time.Since(began); c.late != (took >= refusalWait) {
				t.Errorf("answered after %v", took)
			}
			d, ok := f.next(true, func(xhttp2.Frame) bool { return true }).(*xhttp2.DataFrame)
			if !ok || !d.StreamEnded() || !strings.Contains(string(d.Data()), "gRPC") {
				t.Errorf("body: %v", d)
			}
			f.call(3, "Say", "again")
			if fr := f.next(true, isHeaders(3)); field(fr, ":status") != "200" {
				t.Error("the connection did not survive")
			}
		})
	}
}

// silent sees to it that the server has taken all that was written, and answered
// none of it.
func (f *fake) silent(t *testing.T) {
	f.WritePing(false, [8]byte{1})
	f.next(true, func(fr xhttp2.Frame) bool {
		if fr.Header().StreamID != 0 {
			t.Errorf("an early answer: %v", fr)
		}
		p, ok := fr.(*xhttp2.PingFrame)
		return ok && p.IsAck()
	})
}

// TestRefusalOfHEAD: the answer to HEAD has no body (RFC 9110, 9.3.2).
func TestRefusalOfHEAD(t *testing.T) {
	f := fakeClient(t, serveEcho(t, echo{}, Config{}).addr)
	f.headers(1, true, ":method", "HEAD", ":scheme", "http", ":path", "/", ":authority", "x")
	fr := f.next(true, isHeaders(1))
	if h, ok := fr.(*xhttp2.MetaHeadersFrame); !ok || field(fr, ":status") != "415" || !h.StreamEnded() {
		t.Errorf("got %v, want 415 and the end", fr)
	}
}
