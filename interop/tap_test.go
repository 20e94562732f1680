package interop

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// frame is one HTTP/2 frame as it passed a tap.
type frame struct {
	conn       int // from 0, in order of acceptance
	fromClient bool
	kind       http2.FrameType
	flags      http2.Flags
	stream     uint32
	length     uint32
	fields     []hpack.HeaderField // of HEADERS with its CONTINUATIONs
	data       []byte              // of DATA, PING and GOAWAY, at most 16 bytes
	code       http2.ErrCode       // of RST_STREAM and GOAWAY
}

func (f frame) String() string {
	from := "server"
	if f.fromClient {
		from = "client"
	}
	return fmt.Sprintf("%d %s %v flags %x stream %d len %d %v", f.conn, from, f.kind, f.flags, f.stream, f.length, f.code)
}

func (f frame) field(name string) string {
	for _, h := range f.fields {
		if h.Name == name {
			return h.Value
		}
	}
	return ""
}

// tap forwards plaintext connections to a server and reads what passes with
// x/net's framer, which is strict: what it does not accept fails the test.
type tap struct {
	t      *testing.T
	addr   string
	target string

	mu     sync.Mutex
	conns  []net.Conn // of the clients, in order
	frames []frame
	more   chan struct{} // closed and replaced as frames come
	frozen bool
	thaw   chan struct{} // closed when the test ends
}

func newTap(t *testing.T, target string) *tap {
	t.Helper()
	l := listen(t)
	x := &tap{t: t, addr: l.Addr().String(), target: target, more: make(chan struct{}), thaw: make(chan struct{})}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			x.mu.Lock()
			n := len(x.conns)
			x.conns = append(x.conns, c)
			x.mu.Unlock()
			all.Go(func() { x.forward(n, c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(x.thaw)
		x.mu.Lock()
		for _, c := range x.conns {
			c.Close()
		}
		x.mu.Unlock()
		all.Wait()
	})
	return x
}

func (x *tap) forward(n int, client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", x.target)
	if err != nil {
		return // the client sees its connection end, as it would without us
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { x.copy(n, true, server, client) })
	both.Go(func() { x.copy(n, false, client, server) })
	both.Wait()
}

func (x *tap) copy(n int, fromClient bool, dst, src net.Conn) {
	r, w := io.Pipe()
	var reading sync.WaitGroup
	reading.Go(func() {
		x.read(n, fromClient, r)
		io.Copy(io.Discard, r)
	})
	io.Copy(gate{x, io.MultiWriter(dst, w)}, src)
	w.Close()
	if c, ok := dst.(*net.TCPConn); ok {
		c.CloseWrite()
	}
	reading.Wait()
}

// freeze lets nothing more through, and closes nothing: as a cut cable does.
func (x *tap) freeze() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.frozen = true
}

// gate is the way through a tap.
type gate struct {
	x *tap
	io.Writer
}

func (g gate) Write(b []byte) (int, error) {
	g.x.mu.Lock()
	frozen := g.x.frozen
	g.x.mu.Unlock()
	if frozen {
		<-g.x.thaw
	}
	return g.Writer.Write(b)
}

func (x *tap) read(n int, fromClient bool, r io.Reader) {
	if fromClient {
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(r, preface); err != nil {
			return
		}
		if string(preface) != http2.ClientPreface {
			x.t.Errorf("tap: connection %d begins with %q", n, preface)
		}
	}
	framer := http2.NewFramer(io.Discard, r)
	framer.SetMaxReadFrameSize(1<<24 - 1)
	framer.ReadMetaHeaders = hpack.NewDecoder(1<<16, nil)
	for {
		f, err := framer.ReadFrame()
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return
		}
		if err != nil {
			x.t.Errorf("tap: connection %d, from client %v: %v (%v)", n, fromClient, err, framer.ErrorDetail())
			return
		}
		h := f.Header()
		seen := frame{conn: n, fromClient: fromClient, kind: h.Type, flags: h.Flags, stream: h.StreamID, length: h.Length}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			seen.fields = slices.Clone(f.Fields)
		case *http2.DataFrame:
			seen.data = bytes.Clone(f.Data()[:min(16, len(f.Data()))])
		case *http2.PingFrame:
			seen.data = bytes.Clone(f.Data[:])
		case *http2.RSTStreamFrame:
			seen.code = f.ErrCode
		case *http2.GoAwayFrame:
			seen.code, seen.data = f.ErrCode, bytes.Clone(f.DebugData())
		}
		x.mu.Lock()
		x.frames = append(x.frames, seen)
		close(x.more)
		x.more = make(chan struct{})
		x.mu.Unlock()
	}
}

// count returns how many frames of all that passed so far match.
func (x *tap) count(match func(frame) bool) (n int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, f := range x.frames {
		if match(f) {
			n++
		}
	}
	return n
}

// connections returns how many there have been.
func (x *tap) connections() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.conns)
}

// find waits for a frame that matches.
func (x *tap) find(match func(frame) bool) frame {
	x.t.Helper()
	done := limited(x.t).Done()
	for i := 0; ; {
		x.mu.Lock()
		for ; i < len(x.frames); i++ {
			if match(x.frames[i]) {
				f := x.frames[i]
				x.mu.Unlock()
				return f
			}
		}
		more := x.more
		x.mu.Unlock()
		select {
		case <-more:
		case <-done:
			x.t.Fatal("tap: no such frame came")
		}
	}
}

func isPing(f frame) bool {
	return f.kind == http2.FramePing && !f.flags.Has(http2.FlagPingAck)
}
