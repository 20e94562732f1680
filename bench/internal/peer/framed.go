package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"sync"

	"github.com/lupine-rpc/lupine/bench/benchpb"
)

// The second floor: all callers share one connection, on which frames of length,
// caller, kind and bytes go both ways, and whoever writes writes for all. No
// codec, no headers, no deadline, no flow control. As in any RPC the caller owns
// its reply and the handler its request, which is one allocation a side. The
// server of "framed" answers on the goroutine that reads; that of "framed-go"
// starts one for each call, and has one for as long as a caller's chat lasts. A
// connection's first byte says what it is for.

const (
	frameHeader = 9 // length 4, caller 4, kind 1
	frameEcho   = 'e'
	frameWork   = 'w'
	frameChat   = 't'

	modeCalls    = 'c'
	modeDownload = 'd'
	modeUpload   = 'u'

	frameBuffer = 64 << 10
)

func appendFrame(b []byte, caller uint32, kind byte, payload []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, caller)
	b = append(b, kind)
	return append(b, payload...)
}

// frames reads frames; the bytes it returns are good until the next call.
type frames struct {
	r          io.Reader
	buf        []byte
	start, end int
}

func newFrames(r io.Reader) *frames { return &frames{r: r, buf: make([]byte, frameBuffer)} }

// buffered reports whether a whole frame is here already.
func (f *frames) buffered() bool {
	have := f.buf[f.start:f.end]
	return len(have) >= frameHeader && len(have) >= frameHeader+int(binary.LittleEndian.Uint32(have))
}

func (f *frames) next() (caller uint32, kind byte, payload []byte, err error) {
	for !f.buffered() {
		if err := f.fill(); err != nil {
			return 0, 0, nil, err
		}
	}
	b := f.buf[f.start:f.end]
	n := frameHeader + int(binary.LittleEndian.Uint32(b))
	f.start += n
	return binary.LittleEndian.Uint32(b[4:]), b[8], b[frameHeader:n], nil
}

// fill reads more, making room for the frame that is begun.
func (f *frames) fill() error {
	have := f.buf[f.start:f.end]
	need := frameHeader
	if len(have) >= frameHeader {
		need += int(binary.LittleEndian.Uint32(have))
	}
	if need > frameHeader+maxMessage {
		return fmt.Errorf("frame of %d bytes", need)
	}
	if need > len(f.buf) {
		bigger := make([]byte, need)
		copy(bigger, have)
		f.buf = bigger
	} else {
		copy(f.buf, have)
	}
	f.start, f.end = 0, len(have)
	n, err := f.r.Read(f.buf[f.end:])
	f.end += n
	if n > 0 {
		return nil
	}
	return err
}

// combiner writes for many goroutines: who finds nobody writing writes for all
// who came meanwhile.
type combiner struct {
	conn    net.Conn
	mu      sync.Mutex
	out     []byte
	spare   []byte
	writing bool
	waiting int // callers under way, at the client
}

// write appends a frame and sees to it that it is written.
func (c *combiner) write(caller uint32, kind byte, payload []byte, caller1 int) error {
	c.mu.Lock()
	c.out = appendFrame(c.out, caller, kind, payload)
	c.waiting += caller1
	if c.writing {
		c.mu.Unlock()
		return nil
	}
	c.writing = true
	others := c.waiting > 1
	c.mu.Unlock()
	if others {
		runtime.Gosched() // let the others add theirs
	}
	for {
		c.mu.Lock()
		out := c.out
		if len(out) == 0 {
			c.writing = false
			c.mu.Unlock()
			return nil
		}
		c.out, c.spare = c.spare[:0], nil
		c.mu.Unlock()
		_, err := c.conn.Write(out)
		c.mu.Lock()
		c.spare = out
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// answer is write for what was counted in waiting when its request came.
func (c *combiner) answer(caller uint32, kind byte, payload []byte) {
	c.write(caller, kind, payload, 0)
	c.mu.Lock()
	c.waiting--
	c.mu.Unlock()
}

func serveFramed(s Spec, _ *Service) (Server, error) {
	return serveRaw(s, func(conn net.Conn) {
		serveMode(conn, func() {
			in := newFrames(conn)
			var out []byte
			for {
				caller, kind, payload, err := in.next()
				if err != nil {
					return
				}
				own := append([]byte(nil), payload...)
				out = appendFrame(out, caller, kind, own)
				if in.buffered() {
					continue
				}
				if _, err := conn.Write(out); err != nil {
					return
				}
				out = out[:0]
			}
		})
	})
}

func serveFramedGo(s Spec, svc *Service) (Server, error) {
	return serveRaw(s, func(conn net.Conn) {
		serveMode(conn, func() {
			in := newFrames(conn)
			out := &combiner{conn: conn}
			chats := map[uint32]chan []byte{}
			defer func() {
				for _, chat := range chats {
					close(chat)
				}
			}()
			for {
				caller, kind, payload, err := in.next()
				if err != nil {
					return
				}
				own := append([]byte(nil), payload...)
				out.mu.Lock()
				out.waiting++
				out.mu.Unlock()
				if kind == frameChat {
					chat := chats[caller]
					if chat == nil {
						chat = make(chan []byte, 1)
						chats[caller] = chat
						go func() {
							for m := range chat {
								out.answer(caller, frameChat, m)
							}
						}()
					}
					chat <- own
					continue
				}
				go func() {
					if kind == frameWork && len(own) == 8 {
						svc.work(nil, benchpb.WorkRequest_Kind(binary.LittleEndian.Uint32(own)), binary.LittleEndian.Uint32(own[4:]))
						own = own[:0]
					}
					out.answer(caller, kind, own)
				}()
			}
		})
	})
}

// serveMode serves what the connection's first byte asks for.
func serveMode(conn net.Conn, calls func()) {
	var mode [1]byte
	if _, err := io.ReadFull(conn, mode[:]); err != nil {
		return
	}
	switch mode[0] {
	case modeCalls:
		calls()
	case modeDownload:
		_, _, payload, err := newFrames(conn).next()
		for w := bufio.NewWriterSize(conn, frameBuffer); err == nil; {
			_, err = w.Write(appendFrame(w.AvailableBuffer(), 0, frameEcho, payload))
		}
	case modeUpload:
		in := newFrames(conn)
		for n := uint64(0); ; n++ {
			_, kind, _, err := in.next()
			if err != nil {
				return
			}
			if kind != frameEcho {
				conn.Write(binary.LittleEndian.AppendUint64(nil, n))
				return
			}
		}
	}
}

// framedLink is the one connection.
type framedLink struct {
	spec   Spec
	dialer Dialer
	out    combiner
	mu     sync.Mutex
	forks  []*framedClient
	err    error
}

// framedClient is one caller's share of the link.
type framedClient struct {
	none
	link   *framedLink
	caller uint32
	ready  chan struct{}
	buf    []byte
	reply  benchpb.Message
	job    [8]byte
}

func (l *framedLink) open(mode byte) (net.Conn, error) {
	conn, err := dialPlainOrTLS(l.spec, l.dialer)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write([]byte{mode}); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func dialFramed(s Spec, d Dialer) (Client, error) {
	link := &framedLink{spec: s, dialer: d}
	conn, err := link.open(modeCalls)
	if err != nil {
		return nil, err
	}
	link.out.conn = conn
	go link.read(conn)
	return link.fork(), nil
}

func (l *framedLink) fork() *framedClient {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := &framedClient{link: l, caller: uint32(len(l.forks)), ready: make(chan struct{}, 1)}
	l.forks = append(l.forks, c)
	return c
}

// Fork returns a Client for another caller on the same connection.
func (c *framedClient) Fork() Client { return c.link.fork() }

func (l *framedLink) read(conn net.Conn) {
	in := newFrames(conn)
	for {
		caller, _, payload, err := in.next()
		l.mu.Lock()
		if err == nil && int(caller) >= len(l.forks) {
			err = errors.New("frame for nobody")
		}
		if err != nil {
			l.err = err
			forks := l.forks
			l.mu.Unlock()
			for _, c := range forks {
				close(c.ready)
			}
			return
		}
		c := l.forks[caller]
		l.mu.Unlock()
		c.buf = append([]byte(nil), payload...)
		c.ready <- struct{}{}
	}
}

func (c *framedClient) call(kind byte, payload []byte) error {
	if err := c.link.out.write(c.caller, kind, payload, 1); err != nil {
		return err
	}
	return c.wait()
}

// wait waits for the answer to what was written.
func (c *framedClient) wait() error {
	_, ok := <-c.ready
	c.link.out.mu.Lock()
	c.link.out.waiting--
	c.link.out.mu.Unlock()
	if !ok {
		return c.link.err
	}
	return nil
}

// Echo returns a message that the same caller's next Echo replaces.
func (c *framedClient) Echo(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	if err := c.call(frameEcho, m.Payload); err != nil {
		return nil, err
	}
	c.reply.Payload = c.buf
	return &c.reply, nil
}

// Work works only where the server does not run it on its reader.
func (c *framedClient) Work(_ context.Context, r *benchpb.WorkRequest) error {
	if c.link.spec.Impl != "framed-go" {
		return ErrUnsupported
	}
	binary.LittleEndian.PutUint32(c.job[:], uint32(r.Kind))
	binary.LittleEndian.PutUint32(c.job[4:], r.Micros)
	return c.call(frameWork, c.job[:])
}

// framedChat is a caller's chat.
type framedChat struct{ c *framedClient }

func (s framedChat) Send(m *benchpb.Message) error {
	return s.c.link.out.write(s.c.caller, frameChat, m.Payload, 1)
}

// Recv returns a message that the next Recv replaces.
func (s framedChat) Recv() (*benchpb.Message, error) {
	if err := s.c.wait(); err != nil {
		return nil, err
	}
	s.c.reply.Payload = s.c.buf
	return &s.c.reply, nil
}

func (framedChat) Close() error { return nil }

// Chat works only where the server has a goroutine for it.
func (c *framedClient) Chat(context.Context) (Chat, error) {
	if c.link.spec.Impl != "framed-go" {
		return nil, ErrUnsupported
	}
	return framedChat{c}, nil
}

type framedDownload struct {
	conn  net.Conn
	in    *frames
	reply benchpb.Message
}

func (s *framedDownload) Recv() (*benchpb.Message, error) {
	_, _, payload, err := s.in.next()
	s.reply.Payload = payload
	return &s.reply, err
}

func (s *framedDownload) Close() error { return s.conn.Close() }

func (c *framedClient) Download(_ context.Context, m *benchpb.Message) (Download, error) {
	conn, err := c.link.open(modeDownload)
	if err != nil {
		return nil, err
	}
	_, err = conn.Write(appendFrame(nil, 0, frameEcho, m.Payload))
	return &framedDownload{conn: conn, in: newFrames(conn)}, err
}

type framedUpload struct {
	conn net.Conn
	w    *bufio.Writer
}

func (s *framedUpload) Send(m *benchpb.Message) error {
	_, err := s.w.Write(appendFrame(s.w.AvailableBuffer(), 0, frameEcho, m.Payload))
	return err
}

func (s *framedUpload) Finish() (uint64, error) {
	defer s.conn.Close()
	s.w.Write(appendFrame(s.w.AvailableBuffer(), 0, 0, nil))
	if err := s.w.Flush(); err != nil {
		return 0, err
	}
	var n [8]byte
	_, err := io.ReadFull(s.conn, n[:])
	return binary.LittleEndian.Uint64(n[:]), err
}

func (c *framedClient) Upload(context.Context) (Upload, error) {
	conn, err := c.link.open(modeUpload)
	if err != nil {
		return nil, err
	}
	return &framedUpload{conn, bufio.NewWriterSize(conn, frameBuffer)}, nil
}

func (c *framedClient) Close() error { return c.link.out.conn.Close() }
