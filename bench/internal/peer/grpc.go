package peer

import (
	"context"
	"io"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/lupine-rpc/lupine/bench/benchpb"
)

// What protoc-gen-go-grpc would generate, by hand, since its names are those of
// our own stubs. Options: message limits only.

const (
	pathEcho     = "/lupine.bench.v1.Bench/Echo"
	pathEchoMeta = "/lupine.bench.v1.Bench/EchoMeta"
	pathWork     = "/lupine.bench.v1.Bench/Work"
	pathChat     = "/lupine.bench.v1.Bench/Chat"
	pathDownload = "/lupine.bench.v1.Bench/Download"
	pathUpload   = "/lupine.bench.v1.Bench/Upload"
)

type grpcServer struct{ s *Service }

type grpcListening struct {
	srv *grpc.Server
	lis net.Listener
}

func (g grpcListening) Addr() string { return g.lis.Addr().String() }
func (g grpcListening) Close() error { g.srv.Stop(); return nil }

func serveGRPC(s Spec, svc *Service) (Server, error) {
	lis, err := listen(s)
	if err != nil {
		return nil, err
	}
	opts := []grpc.ServerOption{grpc.MaxRecvMsgSize(maxMessage)}
	config, err := serverTLS(s, "h2")
	if err != nil {
		return nil, err
	}
	if config != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(config)))
	}
	srv := grpc.NewServer(opts...)
	srv.RegisterService(&grpcDesc, &grpcServer{svc})
	go srv.Serve(lis)
	return grpcListening{srv, lis}, nil
}

var grpcDesc = grpc.ServiceDesc{
	ServiceName: "lupine.bench.v1.Bench",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{
		{MethodName: "Echo", Handler: func(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(benchpb.Message)
			if err := dec(in); err != nil {
				return nil, err
			}
			return srv.(*grpcServer).s.echo(in), nil
		}},
		{MethodName: "EchoMeta", Handler: func(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(benchpb.Message)
			if err := dec(in); err != nil {
				return nil, err
			}
			return srv.(*grpcServer).s.echoMeta(ctx, in, grpcValue(ctx, metaKey1), grpcValue(ctx, metaKey2))
		}},
		{MethodName: "Work", Handler: func(srv any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := new(benchpb.WorkRequest)
			if err := dec(in); err != nil {
				return nil, err
			}
			return new(benchpb.Message), srv.(*grpcServer).s.work(ctx.Done(), in.Kind, in.Micros)
		}},
	},
	Streams: []grpc.StreamDesc{
		{StreamName: "Chat", ClientStreams: true, ServerStreams: true, Handler: grpcChat},
		{StreamName: "Download", ServerStreams: true, Handler: grpcDownload},
		{StreamName: "Upload", ClientStreams: true, Handler: grpcUpload},
	},
}

func grpcValue(ctx context.Context, key string) string {
	if v := metadata.ValueFromIncomingContext(ctx, key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func grpcChat(_ any, stream grpc.ServerStream) error {
	for {
		m := new(benchpb.Message)
		if err := stream.RecvMsg(m); err != nil {
			if err == io.EOF {
				return nil
			}
			return err
		}
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
}

func grpcDownload(_ any, stream grpc.ServerStream) error {
	m := new(benchpb.Message)
	if err := stream.RecvMsg(m); err != nil {
		return err
	}
	for {
		if err := stream.SendMsg(m); err != nil {
			return err
		}
	}
}

func grpcUpload(_ any, stream grpc.ServerStream) error {
	for n := uint64(0); ; n++ {
		switch err := stream.RecvMsg(new(benchpb.Message)); err {
		case nil:
		case io.EOF:
			return stream.SendMsg(&benchpb.Count{Messages: n})
		default:
			return err
		}
	}
}

type grpcClient struct{ cc *grpc.ClientConn }

func dialGRPC(s Spec, d Dialer) (Client, error) {
	creds := insecure.NewCredentials()
	config, err := clientTLS(s)
	if err != nil {
		return nil, err
	}
	if config != nil {
		creds = credentials.NewTLS(config)
	}
	cc, err := grpc.NewClient("passthrough:///"+d.Addr,
		grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return d.Dial(ctx) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)))
	if err != nil {
		return nil, err
	}
	return grpcClient{cc}, nil
}

func (c grpcClient) invoke(ctx context.Context, path string, in any) (*benchpb.Message, error) {
	out := new(benchpb.Message)
	if err := c.cc.Invoke(ctx, path, in, out, grpc.StaticMethod()); err != nil {
		return nil, err
	}
	return out, nil
}

func (c grpcClient) Echo(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	return c.invoke(ctx, pathEcho, m)
}

func (c grpcClient) EchoMeta(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, metaDeadline)
	defer cancel()
	return c.invoke(metadata.AppendToOutgoingContext(ctx, metaKey1, metaValue1, metaKey2, metaValue2), pathEchoMeta, m)
}

func (c grpcClient) Work(ctx context.Context, r *benchpb.WorkRequest) error {
	_, err := c.invoke(ctx, pathWork, r)
	return err
}

type grpcStream struct {
	grpc.ClientStream
	cancel context.CancelFunc
}

func (s grpcStream) Send(m *benchpb.Message) error { return s.SendMsg(m) }

func (s grpcStream) Recv() (*benchpb.Message, error) {
	m := new(benchpb.Message)
	if err := s.RecvMsg(m); err != nil {
		return nil, err
	}
	return m, nil
}

func (s grpcStream) Close() error { s.cancel(); return nil }

func (s grpcStream) Finish() (uint64, error) {
	defer s.cancel()
	if err := s.CloseSend(); err != nil {
		return 0, err
	}
	n := new(benchpb.Count)
	err := s.RecvMsg(n)
	return n.Messages, err
}

func (c grpcClient) stream(ctx context.Context, n int, path string) (grpcStream, error) {
	ctx, cancel := context.WithCancel(ctx)
	s, err := c.cc.NewStream(ctx, &grpcDesc.Streams[n], path, grpc.StaticMethod())
	return grpcStream{s, cancel}, err
}

func (c grpcClient) Chat(ctx context.Context) (Chat, error) { return c.stream(ctx, 0, pathChat) }

func (c grpcClient) Download(ctx context.Context, m *benchpb.Message) (Download, error) {
	s, err := c.stream(ctx, 1, pathDownload)
	if err != nil {
		return nil, err
	}
	if err := s.SendMsg(m); err != nil {
		return nil, err
	}
	return s, s.CloseSend()
}

func (c grpcClient) Upload(ctx context.Context) (Upload, error) { return c.stream(ctx, 2, pathUpload) }

func (c grpcClient) Close() error { return c.cc.Close() }
