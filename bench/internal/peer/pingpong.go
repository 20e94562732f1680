package peer

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"

	"github.com/lupine-rpc/lupine/bench/benchpb"
)

// The first floor: a connection per caller, on which it writes a length and that
// many bytes and reads the same back. Two system calls a side and nothing else:
// no call, no codec, no second caller.

func servePingPong(s Spec, _ *Service) (Server, error) {
	return serveRaw(s, pingPong)
}

// pingPong answers each message with itself.
func pingPong(conn net.Conn) {
	buf := make([]byte, 4<<10)
	for {
		msg, err := readSized(conn, &buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(msg); err != nil {
			return
		}
	}
}

// serveRaw runs serve on a goroutine for each connection.
func serveRaw(s Spec, serve func(net.Conn)) (Server, error) {
	lis, err := listen(s)
	if err != nil {
		return nil, err
	}
	accept := lis
	config, err := serverTLS(s)
	if err != nil {
		return nil, err
	}
	if config != nil {
		accept = tls.NewListener(lis, config)
	}
	serveEach(accept, serve)
	return netListening{lis}, nil
}

// serveEach runs serve on a goroutine for each connection that lis accepts.
func serveEach(lis net.Listener, serve func(net.Conn)) {
	go func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				serve(conn)
			}()
		}
	}()
}

// readSized reads a length and that many bytes into *buf, and returns both. A
// small message takes one read. Peers here do not send ahead.
func readSized(r io.Reader, buf *[]byte) ([]byte, error) {
	b := *buf
	n, err := io.ReadAtLeast(r, b, 4)
	if err != nil {
		return nil, err
	}
	size := 4 + int(binary.LittleEndian.Uint32(b))
	if size > 4+maxMessage {
		return nil, io.ErrUnexpectedEOF
	}
	if size > len(b) {
		b = make([]byte, size)
		copy(b, (*buf)[:n])
		*buf = b
	}
	if n < size {
		if _, err := io.ReadFull(r, b[n:size]); err != nil {
			return nil, err
		}
	}
	return b[:size], nil
}

type pingPongClient struct {
	none
	conn  net.Conn
	out   []byte
	in    []byte
	reply benchpb.Message
}

func dialPingPong(s Spec, d Dialer) (Client, error) {
	conn, err := dialPlainOrTLS(s, d)
	if err != nil {
		return nil, err
	}
	return newPingPong(conn), nil
}

func newPingPong(conn net.Conn) *pingPongClient {
	return &pingPongClient{conn: conn, in: make([]byte, 4<<10)}
}

// Echo returns a message that the next Echo overwrites.
func (c *pingPongClient) Echo(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	c.out = binary.LittleEndian.AppendUint32(c.out[:0], uint32(len(m.Payload)))
	c.out = append(c.out, m.Payload...)
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, err
	}
	got, err := readSized(c.conn, &c.in)
	if err != nil {
		return nil, err
	}
	c.reply.Payload = got[4:]
	return &c.reply, nil
}

// Chat is Echo, in two halves.
func (c *pingPongClient) Chat(context.Context) (Chat, error) { return &pingPongChat{c: c}, nil }

type pingPongChat struct {
	c *pingPongClient
	m *benchpb.Message
}

func (s *pingPongChat) Send(m *benchpb.Message) error { s.m = m; return nil }

func (s *pingPongChat) Recv() (*benchpb.Message, error) { return s.c.Echo(context.Background(), s.m) }

func (s *pingPongChat) Close() error { return nil }

func (c *pingPongClient) Close() error { return c.conn.Close() }
