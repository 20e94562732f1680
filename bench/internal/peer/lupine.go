package peer

import (
	"context"
	"io"
	"net"
	"strings"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/bench/benchpb"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// Ours, with generated stubs. Options: message limits, as many streams on a
// connection as there are callers, and as many connections as are opened.

type lupineServer struct {
	benchpb.UnimplementedBenchServer
	s *Service
}

func (l *lupineServer) Echo(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	return l.s.echo(m), nil
}

func (l *lupineServer) EchoMeta(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	header := lupine.ServerCallFrom(ctx).Header
	return l.s.echoMeta(ctx, m, header.Get(metaKey1), header.Get(metaKey2))
}

func (l *lupineServer) Work(ctx context.Context, r *benchpb.WorkRequest) (*benchpb.Message, error) {
	var done <-chan struct{}
	if r.Kind == benchpb.WorkRequest_BLOCK {
		done = ctx.Done()
	}
	return new(benchpb.Message), l.s.work(done, r.Kind, r.Micros)
}

func (l *lupineServer) Chat(ctx context.Context, in *lupine.Receiver[benchpb.Message], out *lupine.Sender[benchpb.Message]) error {
	for {
		m, err := in.Recv(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := out.Send(ctx, m); err != nil {
			return err
		}
	}
}

func (l *lupineServer) Download(ctx context.Context, m *benchpb.Message, out *lupine.Sender[benchpb.Message]) error {
	for {
		if err := out.Send(ctx, m); err != nil {
			return err
		}
	}
}

func (l *lupineServer) Upload(ctx context.Context, in *lupine.Receiver[benchpb.Message]) (*benchpb.Count, error) {
	for n := uint64(0); ; n++ {
		switch _, err := in.Recv(ctx); err {
		case nil:
		case io.EOF:
			return &benchpb.Count{Messages: n}, nil
		default:
			return nil, err
		}
	}
}

type lupineListening struct {
	srv *lupine.Server
	lis lupine.Listener
}

func (l lupineListening) Addr() string { return l.lis.Addr() }
func (l lupineListening) Close() error { return l.srv.Close() }

// lupineAddr is how package h2 names an address.
func lupineAddr(network, addr string) string {
	if network == "unix" {
		return "unix:" + strings.TrimPrefix(addr, "unix:")
	}
	return addr
}

func serveLupine(s Spec, svc *Service) (Server, error) {
	config := h2.Config{MaxStreams: maxStreams, MaxConns: -1}
	var err error
	if config.TLS, err = serverTLS(s); err != nil {
		return nil, err
	}
	srv := lupine.ServerConfig{MaxReceive: maxMessage}.NewServer()
	benchpb.RegisterBench(srv, &lupineServer{s: svc})
	lis := h2.Listen(lupineAddr(s.Network, s.Addr), config)
	if err := srv.Bind(context.Background(), lis); err != nil {
		return nil, err
	}
	go srv.Serve(context.Background())
	return lupineListening{srv, lis}, nil
}

type lupineClient struct {
	conn *lupine.Conn
	stub benchpb.BenchClient
}

func dialLupine(s Spec, d Dialer) (Client, error) {
	var config h2.Config
	var err error
	if config.TLS, err = clientTLS(s); err != nil {
		return nil, err
	}
	if d.Source != "" {
		config.Dialer = func(ctx context.Context, _, _ string) (net.Conn, error) { return d.Dial(ctx) }
	}
	conn, err := lupine.DialConfig{MaxReceive: maxMessage}.Dial(context.Background(), h2.To(lupineAddr(d.Network, d.Addr), config))
	if err != nil {
		return nil, err
	}
	return lupineClient{conn, benchpb.NewBenchClient(conn)}, nil
}

func (c lupineClient) Echo(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	return c.stub.Echo(ctx, m)
}

func (c lupineClient) EchoMeta(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, metaDeadline)
	defer cancel()
	return c.stub.EchoMeta(ctx, m, lupine.WithHeader(lupine.Pairs(metaKey1, metaValue1, metaKey2, metaValue2)))
}

func (c lupineClient) Work(ctx context.Context, r *benchpb.WorkRequest) error {
	_, err := c.stub.Work(ctx, r)
	return err
}

type lupineChat struct {
	*lupine.BidiStream[benchpb.Message, benchpb.Message]
	ctx context.Context
}

func (s lupineChat) Send(m *benchpb.Message) error   { return s.BidiStream.Send(s.ctx, m) }
func (s lupineChat) Recv() (*benchpb.Message, error) { return s.BidiStream.Recv(s.ctx) }

func (c lupineClient) Chat(ctx context.Context) (Chat, error) {
	return lupineChat{c.stub.Chat(ctx), ctx}, nil
}

type lupineDownload struct {
	*lupine.ServerStream[benchpb.Message]
	ctx context.Context
}

func (s lupineDownload) Recv() (*benchpb.Message, error) { return s.ServerStream.Recv(s.ctx) }

func (c lupineClient) Download(ctx context.Context, m *benchpb.Message) (Download, error) {
	return lupineDownload{c.stub.Download(ctx, m), ctx}, nil
}

type lupineUpload struct {
	*lupine.ClientStream[benchpb.Message, benchpb.Count]
	ctx context.Context
}

func (s lupineUpload) Send(m *benchpb.Message) error { return s.ClientStream.Send(s.ctx, m) }

func (s lupineUpload) Finish() (uint64, error) {
	n, err := s.CloseAndRecv(s.ctx)
	if err != nil {
		return 0, err
	}
	return n.Messages, nil
}

func (c lupineClient) Upload(ctx context.Context) (Upload, error) {
	return lupineUpload{c.stub.Upload(ctx), ctx}, nil
}

func (c lupineClient) Close() error { return c.conn.Close() }
