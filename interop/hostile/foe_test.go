package hostile

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine/interop/peerpb"
)

const peerPath = "/lupine.interop.v1.Peer/"

// foe is one end of a connection that sends any frames it likes. One goroutine
// sends; another reads what comes back.
type foe struct {
	t     *testing.T
	conn  net.Conn
	out   []byte // not written yet
	enc   *hpack.Encoder
	block bytes.Buffer
	next  uint32 // stream

	frames, bytes int
	began         time.Time
	broken        error // of a write
	pings         uint64
	ponged        chan uint64

	writing  sync.Mutex
	mu       sync.Mutex
	away     *http2.GoAwayFrame
	code     http2.ErrCode
	debug    string
	answers  map[string]int // what calls ended with
	got      int            // bytes of DATA
	last     string         // grpc-message that came last
	server   map[http2.SettingID]uint32
	closedAt time.Time

	// Of a hostile server.
	dropped map[uint32]bool // calls that the client has reset
	credit  map[uint32]int
	opened  *sync.Cond // credit came, or a call is over
	hungUp  bool

	closed  chan struct{}
	changed chan struct{} // an answer came
}

// newFoe is a foe on c that has sent nothing.
func newFoe(t *testing.T, c net.Conn) *foe {
	t.Helper()
	f := &foe{
		t: t, conn: c, next: 1, began: time.Now(), answers: make(map[string]int), ponged: make(chan uint64, 1),
		closed: make(chan struct{}), changed: make(chan struct{}, 1), server: make(map[http2.SettingID]uint32),
	}
	f.enc = hpack.NewEncoder(&f.block)
	return f
}

// enemy is a foe after the handshake of a client.
func (a *arena) enemy(settings ...http2.Setting) *foe {
	a.t.Helper()
	f := newFoe(a.t, a.dial())
	f.greet(settings...)
	return f
}

// greet sends a client's preface and settings and begins to read.
func (f *foe) greet(settings ...http2.Setting) {
	f.preface(settings...)
	go f.read()
}

func (f *foe) preface(settings ...http2.Setting) {
	f.out = append(f.out, http2.ClientPreface...)
	f.settings(settings...)
	f.flush()
}

// deaf is a foe after its part of the handshake that reads nothing, until its
// read is called.
func (a *arena) deaf(settings ...http2.Setting) *foe {
	a.t.Helper()
	f := newFoe(a.t, a.dial())
	f.preface(settings...)
	return f
}

// dial connects to the server, by TLS if it has it.
func (a *arena) dial() net.Conn {
	a.t.Helper()
	c, err := net.DialTimeout("tcp", a.addr, 5*time.Second)
	if err != nil {
		a.t.Fatal(err)
	}
	a.track(c)
	if a.tls == nil {
		return c
	}
	return tls.Client(c, config(a.tls, "h2"))
}

// frame queues one frame.
func (f *foe) frame(kind http2.FrameType, flags http2.Flags, stream uint32, payload []byte) {
	n := len(payload)
	f.out = append(f.out, byte(n>>16), byte(n>>8), byte(n), byte(kind), byte(flags))
	f.out = binary.BigEndian.AppendUint32(f.out, stream)
	f.out = append(f.out, payload...)
	f.frames++
	if len(f.out) >= 32<<10 {
		f.flush()
	}
}

// flush writes what is queued. It gives up after five seconds.
func (f *foe) flush() {
	if f.broken == nil && len(f.out) > 0 {
		f.writing.Lock()
		defer f.writing.Unlock()
		f.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
		n, err := f.conn.Write(f.out)
		f.bytes += n
		f.broken = err
	}
	f.out = f.out[:0]
}

// pong answers a PING at once: a peer that lives is not cut off for silence.
func (f *foe) pong(data []byte) {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.conn.SetWriteDeadline(time.Now().Add(time.Second))
	f.conn.Write(append([]byte{0, 0, 8, byte(http2.FramePing), byte(http2.FlagPingAck), 0, 0, 0, 0}, data...))
}

// over reports whether the connection has ended.
func (f *foe) over() bool {
	select {
	case <-f.closed:
		return true
	default:
		return f.broken != nil
	}
}

func (f *foe) settings(settings ...http2.Setting) {
	var p []byte
	for _, s := range settings {
		p = binary.BigEndian.AppendUint16(p, uint16(s.ID))
		p = binary.BigEndian.AppendUint32(p, s.Val)
	}
	f.frame(http2.FrameSettings, 0, 0, p)
}

func (f *foe) windowUpdate(stream, n uint32) {
	f.frame(http2.FrameWindowUpdate, 0, stream, binary.BigEndian.AppendUint32(nil, n))
}

func (f *foe) reset(stream uint32) {
	f.frame(http2.FrameRSTStream, 0, stream, binary.BigEndian.AppendUint32(nil, uint32(http2.ErrCodeCancel)))
}

func (f *foe) ping(ack bool) {
	flags := http2.Flags(0)
	if ack {
		flags = http2.FlagPingAck
	}
	f.pings++
	f.frame(http2.FramePing, flags, 0, binary.BigEndian.AppendUint64(nil, f.pings))
}

// sync waits until the server has taken everything that was sent, or closed the
// connection: then the number of frames says when it did.
func (f *foe) sync() bool {
	f.ping(false)
	want := f.pings
	f.flush()
	late := time.NewTimer(5 * time.Second)
	defer late.Stop()
	for !f.over() {
		select {
		case got := <-f.ponged:
			if got == want {
				return true
			}
		case <-f.closed:
		case <-late.C:
			f.t.Errorf("a PING was not answered in 5 s, and the connection is not closed")
			return false
		}
	}
	return false
}

// head encodes fields, given as keys and values.
func (f *foe) head(fields ...string) []byte {
	f.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		f.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(f.block.Bytes())
}

// request is the header of a call, with fields replaced or, at the end, added.
func request(method string, changes ...string) []string {
	fields := []string{":method", "POST", ":scheme", "http", ":path", peerPath + method, ":authority", "peer.test", "content-type", "application/grpc", "te", "trailers"}
	for i := 0; i < len(changes); i += 2 {
		replaced := false
		for j := 0; j < len(fields) && !replaced; j += 2 {
			if fields[j] == changes[i] {
				fields[j+1], replaced = changes[i+1], true
			}
		}
		if !replaced {
			fields = append(fields, changes[i], changes[i+1])
		}
	}
	return fields
}

// call sends the header of a call and returns its stream.
func (f *foe) call(end bool, fields ...string) uint32 {
	id := f.next
	f.next += 2
	flags := http2.FlagHeadersEndHeaders
	if end {
		flags |= http2.FlagHeadersEndStream
	}
	f.frame(http2.FrameHeaders, flags, id, f.head(fields...))
	return id
}

// say makes a whole call.
func (f *foe) say(o *peerpb.Order, changes ...string) uint32 {
	id := f.call(false, request("Say", changes...)...)
	f.data(id, true, prefixed(0, encode(o)))
	return id
}

// data sends bytes in frames of at most 16 KiB.
func (f *foe) data(id uint32, end bool, b []byte) {
	for first := true; first || len(b) > 0; first = false {
		n := min(len(b), 16<<10)
		flags := http2.Flags(0)
		if end && n == len(b) {
			flags = http2.FlagDataEndStream
		}
		f.frame(http2.FrameData, flags, id, b[:n])
		b = b[n:]
	}
}

// prefixed is a message with its prefix.
func prefixed(flag byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(body)))
	return append(b, body...)
}

func encode(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err) // messages of ours
	}
	return b
}

// read reads until the connection ends.
func (f *foe) read() {
	defer func() {
		f.mu.Lock()
		f.closedAt = time.Now()
		f.mu.Unlock()
		close(f.closed)
	}()
	fr := http2.NewFramer(io.Discard, f.conn)
	fr.SetMaxReadFrameSize(1<<24 - 1)
	dec := hpack.NewDecoder(4096, nil)
	fr.ReadMetaHeaders = dec
	for {
		in, err := fr.ReadFrame()
		if err != nil {
			return
		}
		f.take(in)
	}
}

func (f *foe) take(in http2.Frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch in := in.(type) {
	case *http2.SettingsFrame:
		in.ForeachSetting(func(s http2.Setting) error { f.server[s.ID] = s.Val; return nil })
	case *http2.PingFrame:
		if in.IsAck() {
			select { // only the last one is waited for
			case <-f.ponged:
			default:
			}
			f.ponged <- binary.BigEndian.Uint64(in.Data[:])
		} else {
			f.pong(in.Data[:])
		}
	case *http2.GoAwayFrame:
		f.code, f.debug, f.away = in.ErrCode, string(in.DebugData()), in
	case *http2.MetaHeadersFrame:
		if !in.StreamEnded() && in.PseudoValue("status") == "200" {
			return
		}
		what := "HTTP " + in.PseudoValue("status")
		for _, h := range in.Fields {
			switch h.Name {
			case "grpc-status":
				what = "grpc " + h.Value
			case "grpc-message":
				f.last = h.Value
			}
		}
		f.answered(what)
	case *http2.RSTStreamFrame:
		if in.ErrCode != http2.ErrCodeNo {
			f.answered(in.ErrCode.String())
		}
	case *http2.DataFrame:
		f.got += len(in.Data())
	}
}

func (f *foe) answered(what string) {
	f.answers[what]++
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// total is how many calls have been answered.
func (f *foe) total() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, k := range f.answers {
		n += k
	}
	return n
}

// collect waits until n calls have been answered, the connection has ended, or
// the time is up.
func (f *foe) collect(n int, patience time.Duration) bool {
	f.flush()
	late := time.NewTimer(patience)
	defer late.Stop()
	for f.total() < n {
		select {
		case <-f.changed:
		case <-f.closed:
			return false
		case <-late.C:
			return false
		}
	}
	return true
}

// ended waits until the server has closed the connection.
func (f *foe) ended(patience time.Duration) bool {
	f.flush()
	select {
	case <-f.closed:
		return true
	case <-time.After(patience):
		return false
	}
}

// fate says how it went.
func (f *foe) fate() fate {
	f.mu.Lock()
	defer f.mu.Unlock()
	x := fate{Frames: f.frames, Bytes: f.bytes, Took: time.Since(f.began), Conns: 1, Answers: maps.Clone(f.answers), Message: f.last}
	if !f.closedAt.IsZero() {
		x.Closed, x.Took = 1, f.closedAt.Sub(f.began)
	}
	if f.away != nil {
		x.Code, x.Why = strings.TrimPrefix(fmt.Sprint(f.code), "ErrCode"), f.debug
	}
	return x
}
