package h2

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	xhpack "golang.org/x/net/http2/hpack"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/wire/h2/internal/engine"
)

// fake is the other end of a connection, played by x/net's framer: a server, or
// a client, that does what a test tells it to.
type fake struct {
	t    testing.TB
	conn net.Conn
	*xhttp2.Framer
	hb  bytes.Buffer
	enc *xhpack.Encoder
	mu  sync.Mutex // held while answer and next write
}

func newFake(t testing.TB, c net.Conn) *fake {
	f := &fake{t: t, conn: c, Framer: xhttp2.NewFramer(c, c)}
	f.AllowIllegalWrites = true
	f.SetMaxReadFrameSize(1 << 24)
	f.ReadMetaHeaders = xhpack.NewDecoder(4096, nil)
	f.enc = xhpack.NewEncoder(&f.hb)
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(30 * time.Second))
	return f
}

// fakeServer listens, and gives each connection to play once the prefaces are
// exchanged.
func fakeServer(t testing.TB, play func(f *fake), settings ...xhttp2.Setting) string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				f := newFake(t, c)
				defer c.Close()
				if _, err := io.ReadFull(c, make([]byte, len(engine.Preface))); err != nil {
					return
				}
				f.WriteSettings(settings...)
				play(f)
			})
		}
	})
	return ln.Addr().String()
}

// fakeClient connects to a server and exchanges the prefaces.
func fakeClient(t testing.TB, addr string, settings ...xhttp2.Setting) *fake {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	f := newFake(t, c)
	io.WriteString(c, engine.Preface)
	f.WriteSettings(settings...)
	return f
}

// headers writes a header block.
func (f *fake) headers(id uint32, end bool, kv ...string) {
	f.hb.Reset()
	for i := 0; i < len(kv); i += 2 {
		f.enc.WriteField(xhpack.HeaderField{Name: kv[i], Value: kv[i+1]})
	}
	f.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: f.hb.Bytes(), EndStream: end, EndHeaders: true})
}

// call writes a whole request to the echo service.
func (f *fake) call(id uint32, method, body string) {
	f.headers(id, false, ":method", "POST", ":scheme", "http", ":path", "/test.Echo/"+method, ":authority", "x", "content-type", "application/grpc", "te", "trailers")
	f.WriteData(id, true, message(body))
}

// message is body with gRPC's prefix.
func message(body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
}

// answer writes a whole reply with OK.
func (f *fake) answer(id uint32, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.headers(id, false, ":status", "200", "content-type", "application/grpc")
	f.WriteData(id, false, message(body))
	f.headers(id, true, "grpc-status", "0")
}

// next reads frames until want accepts one, or the connection ends: then nil. It
// acknowledges SETTINGS, and PINGs if pong is set.
func (f *fake) next(pong bool, want func(xhttp2.Frame) bool) xhttp2.Frame {
	for {
		fr, err := f.ReadFrame()
		if err != nil {
			return nil
		}
		f.mu.Lock()
		switch fr := fr.(type) {
		case *xhttp2.SettingsFrame:
			if !fr.IsAck() {
				f.WriteSettingsAck()
			}
		case *xhttp2.PingFrame:
			if pong && !fr.IsAck() {
				f.WritePing(true, fr.Data)
			}
		}
		f.mu.Unlock()
		if want(fr) {
			return fr
		}
	}
}

// request waits for the next request's header.
func (f *fake) request() (id uint32, path string) {
	fr := f.next(true, func(fr xhttp2.Frame) bool { _, ok := fr.(*xhttp2.MetaHeadersFrame); return ok })
	if fr == nil {
		return 0, ""
	}
	return fr.Header().StreamID, fr.(*xhttp2.MetaHeadersFrame).PseudoValue("path")
}

// rest reads on until the connection ends.
func (f *fake) rest() { f.next(true, func(xhttp2.Frame) bool { return false }) }

// session dials addr without a Conn on top, which would repeat calls.
func dialSession(t testing.TB, addr string, c Config) (*session, chan error) {
	t.Helper()
	target := To(addr, c)
	if target.Err != nil {
		t.Fatal(target.Err)
	}
	down := make(chan error, 1)
	s, err := target.Wire.Dial(soon(t), lupine.Endpoint{Addr: addr}, lupine.SessionOptions{
		Log: slog.New(slog.DiscardHandler), Down: func(err error) { down <- err },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s.(*session), down
}

// invoke makes a unary call on a session.
func invoke(ctx context.Context, s lupine.Session, body string) (string, *lupine.Error) {
	call := &lupine.Call{Method: &echoMethods[0], MaxReceive: lupine.DefaultMaxReceive, MaxSend: -1, Queue: true}
	reply := new(raw)
	if err := s.Invoke(ctx, call, &raw{Bytes: []byte(body)}, reply); err != nil {
		return "", lupine.AsError(err)
	}
	return string(reply.Bytes), nil
}
