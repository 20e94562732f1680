package interop

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine/interop/peerpb"
)

const peerPath = "/lupine.interop.v1.Peer/"

// raw is one end of an HTTP/2 connection that says whatever a test wants.
type raw struct {
	t    *testing.T
	conn net.Conn
	*http2.Framer
	block bytes.Buffer
	enc   *hpack.Encoder
	next  uint32
}

func newRaw(t *testing.T, c net.Conn) *raw {
	t.Helper()
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	r := &raw{t: t, conn: c, Framer: http2.NewFramer(c, c), next: 1}
	r.AllowIllegalWrites = true
	r.SetMaxReadFrameSize(1<<24 - 1)
	r.ReadMetaHeaders = hpack.NewDecoder(1<<16, nil)
	r.enc = hpack.NewEncoder(&r.block)
	return r
}

func dialTCP(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// dialRaw is a raw client after the handshake.
func dialRaw(t *testing.T, addr string) *raw {
	t.Helper()
	r := newRaw(t, dialTCP(t, addr))
	io.WriteString(r.conn, http2.ClientPreface)
	r.must(r.WriteSettings())
	for acked := false; !acked; {
		f, err := r.ReadFrame()
		if err != nil {
			t.Fatalf("handshake: %v", err)
		}
		if s, ok := f.(*http2.SettingsFrame); ok {
			if acked = s.IsAck(); !acked {
				r.must(r.WriteSettingsAck())
			}
		}
	}
	return r
}

func (r *raw) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// head encodes fields, given as keys and values.
func (r *raw) head(fields ...string) []byte {
	r.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		r.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(r.block.Bytes())
}

// headers sends a header block in one frame.
func (r *raw) headers(stream uint32, end bool, fields ...string) {
	r.t.Helper()
	r.must(r.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: r.head(fields...), EndHeaders: true, EndStream: end}))
}

// request is the header of a call with fields added or, where they are there
// already, replaced; an empty value leaves a field out.
func request(method string, changes ...string) []string {
	fields := []string{":method", "POST", ":scheme", "http", ":path", peerPath + method, ":authority", "peer.test", "content-type", "application/grpc", "te", "trailers"}
	for i := 0; i < len(changes); i += 2 {
		replaced := false
		for j := 0; j < len(fields); j += 2 {
			if fields[j] == changes[i] {
				replaced = true
				if fields[j+1] = changes[i+1]; changes[i+1] == "" {
					fields = append(fields[:j], fields[j+2:]...)
				}
				break
			}
		}
		if !replaced {
			fields = append(fields, changes[i], changes[i+1])
		}
	}
	return fields
}

// open sends the header of a call and returns its stream.
func (r *raw) open(end bool, fields []string) uint32 {
	r.t.Helper()
	id := r.next
	r.next += 2
	r.headers(id, end, fields...)
	return id
}

// prefixed is a message with its prefix.
func prefixed(flag byte, body []byte) []byte {
	b := append([]byte{flag}, binary.BigEndian.AppendUint32(nil, uint32(len(body)))...)
	return append(b, body...)
}

func encode(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// end is how a stream or its connection ended, as a raw peer sees it.
type end struct {
	status  string // :status
	grpc    string // grpc-status
	message string // grpc-message
	accepts string // grpc-accept-encoding
	data    []byte
	reset   http2.ErrCode // of RST_STREAM
	isReset bool
	goAway  http2.ErrCode
	isAway  bool
	debug   string
	closed  bool // the connection ended
}

func (e end) String() string {
	s := fmt.Sprintf(":status %q grpc-status %q %q, %d bytes", e.status, e.grpc, e.message, len(e.data))
	if e.isReset {
		s += fmt.Sprint(", RST_STREAM ", e.reset)
	}
	if e.isAway {
		s += fmt.Sprintf(", GOAWAY %v %q", e.goAway, e.debug)
	}
	if e.closed {
		s += ", connection closed"
	}
	return s
}

// wait reads until stream has ended, or with stream 0 the connection.
func (r *raw) wait(stream uint32) (e end) {
	r.t.Helper()
	for {
		f, err := r.ReadFrame()
		if err != nil {
			if n, ok := err.(net.Error); ok && n.Timeout() {
				r.t.Fatalf("nothing came for stream %d, so far: %v", stream, e)
			}
			e.closed = true
			return e
		}
		mine := f.Header().StreamID == stream
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			if !mine {
				continue
			}
			for _, h := range f.Fields {
				switch h.Name {
				case ":status":
					e.status = h.Value
				case "grpc-status":
					e.grpc = h.Value
				case "grpc-message":
					e.message = h.Value
				case "grpc-accept-encoding":
					e.accepts = h.Value
				}
			}
			if f.StreamEnded() {
				return e
			}
		case *http2.DataFrame:
			if n := uint32(len(f.Data())); n > 0 && f.StreamID != 0 {
				r.WriteWindowUpdate(0, n)
				if !f.StreamEnded() {
					r.WriteWindowUpdate(f.StreamID, n)
				}
			}
			if mine {
				e.data = append(e.data, f.Data()...)
				if f.StreamEnded() {
					return e
				}
			}
		case *http2.RSTStreamFrame:
			if mine {
				e.reset, e.isReset = f.ErrCode, true
				return e
			}
		case *http2.GoAwayFrame:
			e.goAway, e.isAway, e.debug = f.ErrCode, true, string(f.DebugData())
		case *http2.PingFrame:
			if !f.IsAck() {
				r.WritePing(true, f.Data)
			}
		case *http2.SettingsFrame:
			if !f.IsAck() {
				r.WriteSettingsAck()
			}
		}
	}
}

// works makes a call on the connection, to see that it survived.
func (r *raw) works() {
	r.t.Helper()
	id := r.open(false, request("Say"))
	r.must(r.WriteData(id, true, prefixed(0, encode(&peerpb.Order{Text: "alive"}))))
	e := r.wait(id)
	var res peerpb.Result
	if e.status != "200" || e.grpc != "0" || len(e.data) < 5 {
		r.t.Errorf("a good call on the same connection: %v", e)
	} else if err := proto.Unmarshal(e.data[5:], &res); err != nil || res.Text != "alive" {
		r.t.Errorf("a good call on the same connection: %v, %v", &res, err)
	}
}
