package peer

import (
	"context"
	"errors"
	"io"

	"github.com/quic-go/quic-go"
	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine/bench/benchpb"
)

// quic-go, as RPC over it is written by hand: one connection, a stream for each call, the
// request up to the end of the sending side, the reply likewise. Options: as many streams
// as there are callers.

var quicConfig = &quic.Config{MaxIncomingStreams: maxStreams}

const quicProtocol = "bench"

type quicServer struct{ lis *quic.Listener }

func (s quicServer) Addr() string { return s.lis.Addr().String() }
func (s quicServer) Close() error { return s.lis.Close() }

func serveQUIC(s Spec, svc *Service) (Server, error) {
	config, err := serverTLS(s, quicProtocol)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return nil, errors.New("quic-go has no mode without TLS")
	}
	lis, err := quic.ListenAddr(s.Addr, config, quicConfig)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := lis.Accept(context.Background())
			if err != nil {
				return
			}
			go func() {
				for {
					stream, err := conn.AcceptStream(context.Background())
					if err != nil {
						return
					}
					go serveQUICCall(stream, svc)
				}
			}()
		}
	}()
	return quicServer{lis}, nil
}

func serveQUICCall(stream *quic.Stream, svc *Service) {
	defer stream.Close()
	req, err := readQUIC(stream)
	if err == nil {
		err = writeQUIC(stream, svc.echo(req))
	}
	if err != nil {
		stream.CancelWrite(1)
	}
}

func readQUIC(stream *quic.Stream) (*benchpb.Message, error) {
	b, err := io.ReadAll(io.LimitReader(stream, maxMessage+envelope))
	if err != nil {
		return nil, err
	}
	m := new(benchpb.Message)
	return m, proto.Unmarshal(b, m)
}

// envelope is more than the encoding of the largest message adds to it, in bytes.
const envelope = 1 << 10

func writeQUIC(stream *quic.Stream, m *benchpb.Message) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	if _, err := stream.Write(b); err != nil {
		return err
	}
	return stream.Close()
}

type quicClient struct {
	none
	conn *quic.Conn
}

func dialQUIC(s Spec, d Dialer) (Client, error) {
	config, err := clientTLS(s)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return nil, errors.New("quic-go has no mode without TLS")
	}
	config.NextProtos = []string{quicProtocol}
	conn, err := quic.DialAddr(context.Background(), d.Addr, config, quicConfig)
	if err != nil {
		return nil, err
	}
	return quicClient{conn: conn}, nil
}

func (c quicClient) Echo(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	stream, err := c.conn.OpenStreamSync(ctx)
	if err != nil {
		return nil, err
	}
	if err := writeQUIC(stream, m); err != nil {
		return nil, err
	}
	return readQUIC(stream)
}

func (c quicClient) Close() error { return c.conn.CloseWithError(0, "") }
