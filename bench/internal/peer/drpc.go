package peer

import (
	"context"
	"crypto/tls"
	"io"
	"net"

	"google.golang.org/protobuf/proto"
	"storj.io/drpc"
	"storj.io/drpc/drpcconn"
	"storj.io/drpc/drpcmanager"
	"storj.io/drpc/drpcmetadata"
	"storj.io/drpc/drpcmux"
	"storj.io/drpc/drpcserver"
	"storj.io/drpc/drpcstream"
	"storj.io/drpc/drpcwire"

	"github.com/lupine-rpc/lupine/bench/benchpb"
)

// drpc has one call at a time on a connection, so each caller has one of its
// own. Its stubs are by hand here, as protoc-gen-go-drpc writes them. It carries
// no deadline: the handler of EchoMeta is told of one by metadata.

func drpcOptions() drpcmanager.Options {
	return drpcmanager.Options{
		Reader: drpcwire.ReaderOptions{MaximumBufferSize: maxMessage},
		Stream: drpcstream.Options{},
	}
}

type drpcEncoding struct{}

func (drpcEncoding) Marshal(msg drpc.Message) ([]byte, error) {
	return proto.Marshal(msg.(proto.Message))
}

func (drpcEncoding) MarshalAppend(buf []byte, msg drpc.Message) ([]byte, error) {
	return proto.MarshalOptions{}.MarshalAppend(buf, msg.(proto.Message))
}

func (drpcEncoding) Unmarshal(buf []byte, msg drpc.Message) error {
	return proto.Unmarshal(buf, msg.(proto.Message))
}

type drpcService struct{ s *Service }

func (d *drpcService) Echo(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	return d.s.echo(m), nil
}

func (d *drpcService) EchoMeta(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	md, _ := drpcmetadata.Get(ctx)
	if md[metaKey1] != metaValue1 || md[metaKey2] != metaValue2 {
		return nil, errMeta
	}
	return d.s.echo(m), nil
}

func (d *drpcService) Work(ctx context.Context, r *benchpb.WorkRequest) (*benchpb.Message, error) {
	return new(benchpb.Message), d.s.work(ctx.Done(), r.Kind, r.Micros)
}

func (d *drpcService) Chat(stream drpc.Stream) error {
	for {
		m := new(benchpb.Message)
		if err := stream.MsgRecv(m, drpcEncoding{}); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if err := stream.MsgSend(m, drpcEncoding{}); err != nil {
			return err
		}
	}
}

func (d *drpcService) Download(m *benchpb.Message, stream drpc.Stream) error {
	for {
		if err := stream.MsgSend(m, drpcEncoding{}); err != nil {
			return err
		}
	}
}

func (d *drpcService) Upload(stream drpc.Stream) error {
	for n := uint64(0); ; n++ {
		switch err := stream.MsgRecv(new(benchpb.Message), drpcEncoding{}); err {
		case nil:
		case io.EOF:
			return stream.MsgSend(&benchpb.Count{Messages: n}, drpcEncoding{})
		default:
			return err
		}
	}
}

type drpcDescription struct{}

func (drpcDescription) NumMethods() int { return 6 }

func (drpcDescription) Method(n int) (string, drpc.Encoding, drpc.Receiver, any, bool) {
	switch n {
	case 0:
		return pathEcho, drpcEncoding{}, func(srv any, ctx context.Context, in1, _ any) (drpc.Message, error) {
			return srv.(*drpcService).Echo(ctx, in1.(*benchpb.Message))
		}, (*drpcService).Echo, true
	case 1:
		return pathEchoMeta, drpcEncoding{}, func(srv any, ctx context.Context, in1, _ any) (drpc.Message, error) {
			return srv.(*drpcService).EchoMeta(ctx, in1.(*benchpb.Message))
		}, (*drpcService).EchoMeta, true
	case 2:
		return pathWork, drpcEncoding{}, func(srv any, ctx context.Context, in1, _ any) (drpc.Message, error) {
			return srv.(*drpcService).Work(ctx, in1.(*benchpb.WorkRequest))
		}, (*drpcService).Work, true
	case 3:
		return pathChat, drpcEncoding{}, func(srv any, _ context.Context, in1, _ any) (drpc.Message, error) {
			return nil, srv.(*drpcService).Chat(in1.(drpc.Stream))
		}, (*drpcService).Chat, true
	case 4:
		return pathDownload, drpcEncoding{}, func(srv any, _ context.Context, in1, in2 any) (drpc.Message, error) {
			return nil, srv.(*drpcService).Download(in1.(*benchpb.Message), in2.(drpc.Stream))
		}, (*drpcService).Download, true
	case 5:
		return pathUpload, drpcEncoding{}, func(srv any, _ context.Context, in1, _ any) (drpc.Message, error) {
			return nil, srv.(*drpcService).Upload(in1.(drpc.Stream))
		}, (*drpcService).Upload, true
	}
	return "", nil, nil, nil, false
}

type drpcListening struct {
	lis    net.Listener
	cancel context.CancelFunc
}

func (d drpcListening) Addr() string { return d.lis.Addr().String() }
func (d drpcListening) Close() error { d.cancel(); return d.lis.Close() }

func serveDRPC(s Spec, svc *Service) (Server, error) {
	lis, err := listen(s)
	if err != nil {
		return nil, err
	}
	config, err := serverTLS(s)
	if err != nil {
		return nil, err
	}
	accept := lis
	if config != nil {
		accept = tls.NewListener(lis, config)
	}
	mux := drpcmux.New()
	if err := mux.Register(&drpcService{svc}, drpcDescription{}); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	srv := drpcserver.NewWithOptions(mux, drpcserver.Options{Manager: drpcOptions()})
	go srv.Serve(ctx, accept)
	return drpcListening{lis, cancel}, nil
}

type drpcClient struct{ conn *drpcconn.Conn }

func dialDRPC(s Spec, d Dialer) (Client, error) {
	conn, err := dialPlainOrTLS(s, d)
	if err != nil {
		return nil, err
	}
	return drpcClient{drpcconn.NewWithOptions(conn, drpcconn.Options{Manager: drpcOptions()})}, nil
}

// dialPlainOrTLS makes a connection with its TLS handshake done.
func dialPlainOrTLS(s Spec, d Dialer) (net.Conn, error) {
	conn, err := d.Dial(context.Background())
	if err != nil {
		return nil, err
	}
	config, err := clientTLS(s)
	if err != nil || config == nil {
		return conn, err
	}
	tc := tls.Client(conn, config)
	if err := tc.Handshake(); err != nil {
		conn.Close()
		return nil, err
	}
	return tc, nil
}

func (c drpcClient) invoke(ctx context.Context, path string, in any) (*benchpb.Message, error) {
	out := new(benchpb.Message)
	if err := c.conn.Invoke(ctx, path, drpcEncoding{}, in, out); err != nil {
		return nil, err
	}
	return out, nil
}

func (c drpcClient) Echo(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	return c.invoke(ctx, pathEcho, m)
}

func (c drpcClient) EchoMeta(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, metaDeadline)
	defer cancel()
	ctx = drpcmetadata.AddPairs(ctx, map[string]string{metaKey1: metaValue1, metaKey2: metaValue2})
	return c.invoke(ctx, pathEchoMeta, m)
}

func (c drpcClient) Work(ctx context.Context, r *benchpb.WorkRequest) error {
	_, err := c.invoke(ctx, pathWork, r)
	return err
}

type drpcStream struct{ drpc.Stream }

func (s drpcStream) Send(m *benchpb.Message) error { return s.MsgSend(m, drpcEncoding{}) }

func (s drpcStream) Recv() (*benchpb.Message, error) {
	m := new(benchpb.Message)
	if err := s.MsgRecv(m, drpcEncoding{}); err != nil {
		return nil, err
	}
	return m, nil
}

func (s drpcStream) Finish() (uint64, error) {
	if err := s.CloseSend(); err != nil {
		return 0, err
	}
	n := new(benchpb.Count)
	err := s.MsgRecv(n, drpcEncoding{})
	return n.Messages, err
}

func (c drpcClient) stream(ctx context.Context, path string) (drpcStream, error) {
	s, err := c.conn.NewStream(ctx, path, drpcEncoding{})
	return drpcStream{s}, err
}

func (c drpcClient) Chat(ctx context.Context) (Chat, error) { return c.stream(ctx, pathChat) }

func (c drpcClient) Download(ctx context.Context, m *benchpb.Message) (Download, error) {
	s, err := c.stream(ctx, pathDownload)
	if err != nil {
		return nil, err
	}
	if err := s.Send(m); err != nil {
		return nil, err
	}
	return s, s.CloseSend()
}

func (c drpcClient) Upload(ctx context.Context) (Upload, error) { return c.stream(ctx, pathUpload) }

func (c drpcClient) Close() error { return c.conn.Close() }
