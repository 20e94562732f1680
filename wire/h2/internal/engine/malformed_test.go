package engine

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	xhpack "golang.org/x/net/http2/hpack"
)

// raw builds a peer's bytes with x/net's framer, which is not ours.
type raw struct {
	buf bytes.Buffer
	fr  *xhttp2.Framer
	hb  bytes.Buffer
	enc *xhpack.Encoder
}

func newRaw() *raw {
	r := &raw{}
	r.fr = xhttp2.NewFramer(&r.buf, nil)
	r.fr.AllowIllegalWrites = true
	r.enc = xhpack.NewEncoder(&r.hb)
	return r
}

// client returns what a client sends before its first request.
func rawClient() *raw {
	r := newRaw()
	r.buf.WriteString(Preface)
	r.fr.WriteSettings()
	return r
}

func (r *raw) block(kv ...string) []byte {
	r.hb.Reset()
	for i := 0; i < len(kv); i += 2 {
		r.enc.WriteField(xhpack.HeaderField{Name: kv[i], Value: kv[i+1]})
	}
	return bytes.Clone(r.hb.Bytes())
}

var goodRequest = []string{":method", "POST", ":scheme", "http", ":path", "/a.B/C", ":authority", "x", "te", "trailers", "content-type", "application/grpc"}

func (r *raw) request(id uint32, end bool, kv ...string) *raw {
	if len(kv) == 0 {
		kv = goodRequest
	}
	r.fr.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: r.block(kv...), EndStream: end, EndHeaders: true})
	return r
}

func (r *raw) frame(t frameType, flags uint8, stream uint32, payload ...byte) *raw {
	r.buf.Write(appendFrameHeader(nil, len(payload), t, flags, stream))
	r.buf.Write(payload)
	return r
}

func (r *raw) data(id uint32, end bool, n int) *raw {
	r.fr.WriteData(id, end, make([]byte, n))
	return r
}

// fed is what a Conn makes of some input.
type fed struct {
	err    *Error          // of the connection
	resets map[uint32]Code // RST_STREAM sent
	goAway bool
	acks   int
	events []Event
}

// feedAll gives in to c in pieces of step bytes and collects what comes of it.
func feedAll(t *testing.T, c *Conn, in []byte, step int, on func(Event)) fed {
	t.Helper()
	o := fed{resets: map[uint32]Code{}}
	have := 0
	var out []byte
	for at := 0; at < len(in) && o.err == nil; {
		have = min(len(in), max(have, at)+step)
		ev, n, err := c.Next(1000, in[at:have])
		at += n
		if err != nil {
			o.err = err.(*Error)
		}
		if ev.Kind != EventNone {
			ev.Data = bytes.Clone(ev.Data)
			o.events = append(o.events, ev)
			if on != nil {
				on(ev)
			}
		} else if have == len(in) && n == 0 {
			break
		}
		out = append(out, c.TakeOut(nil)...)
	}
	out = append(out, c.TakeOut(nil)...)
	fr := xhttp2.NewFramer(nil, bytes.NewReader(out))
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			break
		}
		switch f := f.(type) {
		case *xhttp2.RSTStreamFrame:
			o.resets[f.StreamID] = Code(f.ErrCode)
		case *xhttp2.GoAwayFrame:
			o.goAway = true
			if o.err == nil || Code(f.ErrCode) != o.err.Code || len(f.DebugData()) == 0 {
				t.Errorf("GOAWAY %v %q for error %v", f.ErrCode, f.DebugData(), o.err)
			}
		case *xhttp2.PingFrame:
			if f.IsAck() {
				o.acks++
			}
		}
	}
	if o.err != nil && !o.goAway {
		t.Errorf("no GOAWAY for %v", o.err)
	}
	return o
}

// TestMalformed holds the server against what RFC 9113 says of bad input: which
// error it is, and whether it ends a stream or the connection.
func TestMalformed(t *testing.T) {
	none := Code(0xffff)
	u32 := func(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }
	with := func(kv ...string) []string { return append(goodRequest[:len(goodRequest):len(goodRequest)], kv...) }
	for _, c := range []struct {
		name   string
		in     *raw
		conn   Code // none: the connection lives
		stream Code // of stream 1; none: it lives
	}{
		{"no preface", newRaw().frame(frameSettings, 0, 0), ProtocolError, none},
		{"first frame is not SETTINGS", func() *raw {
			r := newRaw()
			r.buf.WriteString(Preface)
			return r.frame(framePing, 0, 0, make([]byte, 8)...)
		}(), ProtocolError, none},
		{"frame too long", rawClient().frame(frameData, 0, 1, make([]byte, 1<<20+1)...), FrameSizeError, none},
		{"unknown frame", rawClient().frame(0x77, 0xff, 5, 1, 2, 3).request(1, true), none, none},
		{"unknown frame in a header block", rawClient().frame(frameHeaders, 0, 1, 0x82).frame(0x77, 0, 0), ProtocolError, none},
		{"DATA on stream 0", rawClient().data(0, false, 1), ProtocolError, none},
		{"DATA on an idle stream", rawClient().data(1, false, 1), ProtocolError, none},
		{"DATA after the end", rawClient().request(1, true).data(1, false, 1), none, StreamClosed},
		{"DATA after RST_STREAM", rawClient().request(1, false).frame(frameRST, 0, 1, 0, 0, 0, 8).data(1, false, 1), none, StreamClosed},
		{"DATA after both have reset", rawClient().request(1, false).frame(frameWindow, 0, 1, 0, 0, 0, 0).frame(frameRST, 0, 1, 0, 0, 0, 8).data(1, false, 1), none, StreamClosed},
		{"DATA with too much padding", rawClient().request(1, false).frame(frameData, flagPadded, 1, 5, 1, 2), ProtocolError, none},
		{"padded DATA that is empty", rawClient().request(1, false).frame(frameData, flagPadded, 1), FrameSizeError, none},
		{"HEADERS on stream 0", rawClient().request(0, true), ProtocolError, none},
		{"HEADERS on an even stream", rawClient().request(2, true), ProtocolError, none},
		{"HEADERS on a lower stream", rawClient().request(5, true).request(3, true), StreamClosed, none},
		{"HEADERS after the end", rawClient().request(1, true).request(1, true), none, StreamClosed},
		{"HEADERS with too much padding", rawClient().frame(frameHeaders, flagPadded|flagEndHeaders, 1, 9, 0x82), ProtocolError, none},
		{"HEADERS too short for priority", rawClient().frame(frameHeaders, flagPriority|flagEndHeaders, 1, 0), FrameSizeError, none},
		{"HEADERS depending on itself", rawClient().frame(frameHeaders, flagPriority|flagEndHeaders|flagEndStream, 1, append([]byte{0, 0, 0, 1, 0}, newRaw().block(goodRequest...)...)...), none, ProtocolError},
		{"a bad header block", rawClient().frame(frameHeaders, flagEndHeaders, 1, 0x80), CompressionError, none},
		{"trailers without END_STREAM", rawClient().request(1, false).request(1, false, "x", "y"), none, ProtocolError},
		{"pseudo-header in trailers", rawClient().request(1, false).request(1, true, ":path", "/"), none, ProtocolError},
		{"PRIORITY on stream 0", rawClient().frame(framePriority, 0, 0, 0, 0, 0, 0, 0), ProtocolError, none},
		{"PRIORITY too short", rawClient().request(1, false).frame(framePriority, 0, 1, 0, 0), none, FrameSizeError},
		{"PRIORITY on itself", rawClient().request(1, false).frame(framePriority, 0, 1, 0, 0, 0, 1, 0), none, ProtocolError},
		{"PRIORITY before the stream", rawClient().frame(framePriority, 0, 1, 0, 0, 0, 3, 0).request(1, true), none, none},
		{"RST_STREAM on stream 0", rawClient().frame(frameRST, 0, 0, 0, 0, 0, 8), ProtocolError, none},
		{"RST_STREAM on an idle stream", rawClient().frame(frameRST, 0, 1, 0, 0, 0, 8), ProtocolError, none},
		{"RST_STREAM too short", rawClient().request(1, false).frame(frameRST, 0, 1, 0, 0), FrameSizeError, none},
		{"SETTINGS on a stream", rawClient().frame(frameSettings, 0, 1), ProtocolError, none},
		{"SETTINGS of 5 bytes", rawClient().frame(frameSettings, 0, 0, 1, 2, 3, 4, 5), FrameSizeError, none},
		{"SETTINGS acknowledgement with a payload", rawClient().frame(frameSettings, flagAck, 0, 0, 3, 0, 0, 0, 1), FrameSizeError, none},
		{"SETTINGS push 2", rawClient().frame(frameSettings, 0, 0, 0, 2, 0, 0, 0, 2), ProtocolError, none},
		{"SETTINGS window 2^31", rawClient().frame(frameSettings, 0, 0, 0, 4, 0x80, 0, 0, 0), FlowControlError, none},
		{"SETTINGS frame size 0", rawClient().frame(frameSettings, 0, 0, 0, 5, 0, 0, 0, 0), ProtocolError, none},
		{"SETTINGS frame size 2^24", rawClient().frame(frameSettings, 0, 0, 0, 5, 1, 0, 0, 0), ProtocolError, none},
		{"SETTINGS unknown", rawClient().frame(frameSettings, 0, 0, 0xff, 5, 1, 0, 0, 0).request(1, true), none, none},
		{"SETTINGS window overflows a stream", rawClient().request(1, false).frame(frameWindow, 0, 1, u32(1<<31-1-65535)...).frame(frameSettings, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff), FlowControlError, none},
		{"PUSH_PROMISE", rawClient().request(1, false).frame(framePush, flagEndHeaders, 1, 0, 0, 0, 2), ProtocolError, none},
		{"PING on a stream", rawClient().frame(framePing, 0, 1, make([]byte, 8)...), ProtocolError, none},
		{"PING of 7 bytes", rawClient().frame(framePing, 0, 0, make([]byte, 7)...), FrameSizeError, none},
		{"GOAWAY on a stream", rawClient().frame(frameGoAway, 0, 1, make([]byte, 8)...), ProtocolError, none},
		{"GOAWAY too short", rawClient().frame(frameGoAway, 0, 0, make([]byte, 7)...), FrameSizeError, none},
		{"WINDOW_UPDATE of 3 bytes", rawClient().frame(frameWindow, 0, 0, 0, 0, 1), FrameSizeError, none},
		{"WINDOW_UPDATE of 0", rawClient().frame(frameWindow, 0, 0, 0, 0, 0, 0), ProtocolError, none},
		{"WINDOW_UPDATE of 0 on a stream", rawClient().request(1, false).frame(frameWindow, 0, 1, 0, 0, 0, 0), none, ProtocolError},
		{"WINDOW_UPDATE on an idle stream", rawClient().frame(frameWindow, 0, 1, 0, 0, 0, 1), ProtocolError, none},
		{"WINDOW_UPDATE overflows the connection", rawClient().frame(frameWindow, 0, 0, u32(1<<31-1)...), FlowControlError, none},
		{"WINDOW_UPDATE overflows a stream", rawClient().request(1, false).frame(frameWindow, 0, 1, u32(1<<31-1)...), none, FlowControlError},
		{"CONTINUATION alone", rawClient().frame(frameContinuation, flagEndHeaders, 1, 0x82), ProtocolError, none},
		{"CONTINUATION of another stream", rawClient().frame(frameHeaders, 0, 1, 0x82).frame(frameContinuation, flagEndHeaders, 3, 0x82), ProtocolError, none},
		{"DATA beyond the stream's window", rawClient().request(1, false).data(1, false, 65536), none, FlowControlError},

		{"no :path", rawClient().request(1, true, ":method", "POST", ":scheme", "http"), none, ProtocolError},
		{"empty :path", rawClient().request(1, true, ":method", "POST", ":scheme", "http", ":path", ""), none, ProtocolError},
		{"no :method", rawClient().request(1, true, ":path", "/", ":scheme", "http"), none, ProtocolError},
		{"no :scheme", rawClient().request(1, true, ":path", "/", ":method", "POST"), none, ProtocolError},
		{"two :path", rawClient().request(1, true, ":method", "POST", ":scheme", "http", ":path", "/", ":path", "/"), none, ProtocolError},
		{"unknown pseudo-header", rawClient().request(1, true, ":method", "POST", ":scheme", "http", ":path", "/", ":x", "y"), none, ProtocolError},
		{":status in a request", rawClient().request(1, true, ":method", "POST", ":scheme", "http", ":path", "/", ":status", "200"), none, ProtocolError},
		{"pseudo-header behind a field", rawClient().request(1, true, ":method", "POST", ":scheme", "http", "a", "b", ":path", "/"), none, ProtocolError},
		{"upper case", rawClient().request(1, true, with("X-Test", "ok")...), none, ProtocolError},
		{"connection", rawClient().request(1, true, with("connection", "keep-alive")...), none, ProtocolError},
		{"transfer-encoding", rawClient().request(1, true, with("transfer-encoding", "chunked")...), none, ProtocolError},
		{"te: gzip", rawClient().request(1, true, with("te", "trailers, deflate")...), none, ProtocolError},
		{"newline in a value", rawClient().request(1, true, with("x", "a\nb")...), none, ProtocolError},
		{"NUL in a value", rawClient().request(1, true, with("x", "a\x00b")...), none, ProtocolError},
		{"space around a value", rawClient().request(1, true, with("x", " a")...), none, none}, // gRPC's peers do it
		{"space in a name", rawClient().request(1, true, with("x y", "a")...), none, ProtocolError},
		{"content-length above DATA", rawClient().request(1, false, with("content-length", "2")...).data(1, true, 1), none, ProtocolError},
		{"content-length below DATA", rawClient().request(1, false, with("content-length", "2")...).data(1, false, 3), none, ProtocolError},
		{"content-length and no DATA", rawClient().request(1, true, with("content-length", "2")...), none, ProtocolError},
		{"content-length that fits", rawClient().request(1, false, with("content-length", "2")...).data(1, true, 2), none, none},
		{"two content-lengths", rawClient().request(1, false, with("content-length", "2", "content-length", "3")...), none, ProtocolError},
	} {
		for _, step := range []int{1, 7, 1 << 30} {
			o := feedAll(t, New(testConfig(true), 1), c.in.buf.Bytes(), step, nil)
			got := none
			if o.err != nil {
				got = o.err.Code
			}
			if got != c.conn {
				t.Errorf("%s, in steps of %d: connection error %v, want %v", c.name, step, o.err, c.conn)
			}
			got = none
			if code, ok := o.resets[1]; ok {
				got = code
			}
			if got != c.stream {
				t.Errorf("%s, in steps of %d: stream reset with %v, want %v", c.name, step, got, c.stream)
			}
		}
	}
}

// TestFloods: what costs the sender little and us more ends the connection.
func TestFloods(t *testing.T) {
	huge := strings.Repeat("x", 3000)
	for _, c := range []struct {
		name string
		in   func(r *raw)
		most int // by so many repetitions it must be over
	}{
		{"PING", func(r *raw) { r.frame(framePing, 0, 0, make([]byte, 8)...) }, 5000},
		{"PING acknowledgements", func(r *raw) { r.frame(framePing, flagAck, 0, make([]byte, 8)...) }, 5000},
		{"SETTINGS", func(r *raw) { r.frame(frameSettings, 0, 0) }, 5000},
		{"PRIORITY", func(r *raw) { r.frame(framePriority, 0, 1, 0, 0, 0, 3, 0) }, 5000},
		{"unknown frames", func(r *raw) { r.frame(0x42, 0, 0) }, 5000},
		{"WINDOW_UPDATE", func(r *raw) { r.frame(frameWindow, 0, 0, 0, 0, 0, 1) }, 5000},
		{"empty DATA", func(r *raw) { r.data(1, false, 0) }, 5000},
		{"CONTINUATION", func(r *raw) { r.frame(frameContinuation, 0, 3, 0x82) }, 9},
	} {
		r := rawClient().request(1, false)
		if c.name == "CONTINUATION" {
			r.frame(frameHeaders, 0, 3, 0x82)
		}
		for range c.most {
			c.in(r)
		}
		o := feedAll(t, New(testConfig(true), 1), r.buf.Bytes(), 1<<30, nil)
		if o.err == nil || o.err.Code != EnhanceYourCalm {
			t.Errorf("%s: %v after %d, want ENHANCE_YOUR_CALM", c.name, o.err, c.most)
		}
	}
	// Resets: nothing ever completes.
	r := rawClient()
	for i := range uint32(1100) {
		r.request(1+2*i, true).frame(frameRST, 0, 1+2*i, 0, 0, 0, 8)
	}
	c := New(testConfig(true), 1)
	release := func(ev Event) {
		if ev.Kind == EventReset {
			c.Release(1000, ev.Stream)
		}
	}
	if o := feedAll(t, c, r.buf.Bytes(), 1<<30, release); o.err == nil || o.err.Code != EnhanceYourCalm {
		t.Errorf("rapid reset: %v", o.err)
	}
	// Resets that we are made to send.
	r = rawClient()
	for i := range uint32(1100) {
		r.request(1+2*i, false).frame(frameWindow, 0, 1+2*i, 0, 0, 0, 0)
	}
	c = New(testConfig(true), 1)
	if o := feedAll(t, c, r.buf.Bytes(), 1<<30, release); o.err == nil || o.err.Code != EnhanceYourCalm {
		t.Errorf("provoked resets: %v", o.err)
	}
	// A header list above the limit is the stream's affair, and stays small.
	r = rawClient()
	kv := goodRequest[:len(goodRequest):len(goodRequest)]
	for range 50 {
		kv = append(kv, "x-bomb", huge)
	}
	r.request(1, true, kv...).request(3, true)
	c = New(testConfig(true), 1)
	o := feedAll(t, c, r.buf.Bytes(), 1<<30, func(ev Event) {
		if ev.Kind == EventHeaders && c.Head.TooLarge != (ev.Stream.ID == 1) {
			t.Errorf("stream %d: TooLarge is %v", ev.Stream.ID, c.Head.TooLarge)
		}
	})
	if o.err != nil {
		t.Errorf("large header list: %v", o.err)
	}
}

// TestHonestResets: a busy client with short deadlines is not an attacker. Its
// handlers run on for a while after each reset, and calls beyond the slots are
// refused.
func TestHonestResets(t *testing.T) {
	c := New(testConfig(true), 1)
	r := rawClient()
	var live []*Stream
	now := int64(1)
	id := uint32(1)
	for range 200 {
		now += 10e6
		for range 256 {
			r.request(id, true)
			id += 2
		}
		for i := id - 512; i < id; i += 2 {
			r.frame(frameRST, 0, i, 0, 0, 0, 8)
		}
		in := r.buf.Bytes()
		for {
			ev, n, err := c.Next(now, in)
			if err != nil {
				t.Fatalf("closed after %d calls: %v", id/2, err)
			}
			in = in[n:]
			if ev.Kind == EventHeaders {
				live = append(live, ev.Stream)
			}
			if ev.Kind == EventNone {
				break
			}
		}
		r.buf.Reset()
		c.TakeOut(nil)
		for _, s := range live { // handlers of 5 ms
			c.Release(now+5e6, s)
		}
		live = live[:0]
	}
	if c.Held() != 0 {
		t.Errorf("%d slots are still held", c.Held())
	}
}

// TestClientMalformed holds the client against a server's bad input.
func TestClientMalformed(t *testing.T) {
	none := Code(0xffff)
	server := func() *raw { r := newRaw(); r.fr.WriteSettings(); return r }
	ok := []string{":status", "200", "content-type", "application/grpc"}
	for _, c := range []struct {
		name         string
		in           *raw
		conn, stream Code
	}{
		{"HEADERS on an idle stream", server().request(7, true, ok...), ProtocolError, none},
		{"DATA before HEADERS", server().data(1, false, 1), none, ProtocolError},
		{"no :status", server().request(1, true, "a", "b"), none, ProtocolError},
		{":status 20", server().request(1, true, ":status", "20"), none, ProtocolError},
		{":path in a response", server().request(1, true, ":status", "200", ":path", "/"), none, ProtocolError},
		{"101", server().request(1, false, ":status", "101"), none, ProtocolError},
		{"100 with END_STREAM", server().request(1, true, ":status", "100"), none, ProtocolError},
		{"100 before 200", server().request(1, false, ":status", "100").request(1, false, ok...), none, none},
		{"push allowed", server().frame(frameSettings, 0, 0, 0, 2, 0, 0, 0, 1), ProtocolError, none},
		{"PUSH_PROMISE", server().frame(framePush, flagEndHeaders, 1, 0, 0, 0, 2), ProtocolError, none},
		{"endless 1xx", func() *raw {
			r := server()
			for range 30 {
				r.request(1, false, ":status", "102")
			}
			return r
		}(), none, ProtocolError},
		{"frames of a call that we forgot", server().request(1, true, ok...).request(1, true, ok...).data(1, false, 10), none, none},
	} {
		conn := New(testConfig(false), 1)
		s := new(Stream)
		conn.Open(1, s)
		conn.BeginHeaders()
		for _, p := range requestBlock {
			conn.Out = conn.Enc.Append(conn.Out, p)
		}
		conn.EndHeaders(s, true)
		conn.TakeOut(nil)
		o := feedAll(t, conn, c.in.buf.Bytes(), 1<<30, nil)
		got := none
		if o.err != nil {
			got = o.err.Code
		}
		if got != c.conn {
			t.Errorf("%s: connection error %v, want %v", c.name, o.err, c.conn)
		}
		got = none
		if code, ok := o.resets[1]; ok {
			got = code
		}
		if got != c.stream {
			t.Errorf("%s: stream reset with %v, want %v", c.name, got, c.stream)
		}
	}
}
