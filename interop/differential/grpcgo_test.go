package differential

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // grpc-go has to be told
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

const typeURL = "type.googleapis.com/"

// grpcError is what a handler's failure is in grpc-go.
func grpcError(err error) error {
	f, ok := err.(*failure)
	if !ok {
		return err
	}
	p := &spb.Status{Code: f.code, Message: f.message}
	for _, d := range f.details {
		p.Details = append(p.Details, &anypb.Any{TypeUrl: typeURL + d.Type, Value: d.Value})
	}
	return status.FromProto(p).Err()
}

// failureOf brings the error of either client into one form; nil is code 0.
func failureOf(err error) *failure {
	var le *lupine.Error
	if err == nil {
		return new(failure)
	}
	if errors.As(err, &le) {
		return &failure{code: int32(le.Code), message: le.Message, details: le.Details}
	}
	s := status.Convert(err)
	f := &failure{code: int32(s.Code()), message: s.Message()}
	for _, d := range s.Proto().GetDetails() {
		f.details = append(f.details, lupine.Detail{Type: strings.TrimPrefix(d.TypeUrl, typeURL), Value: d.Value})
	}
	return f
}

func codeOf(err error) int32 { return failureOf(err).code }

// grpcEcho serves Echo by grpc-go.
type grpcEcho struct{ st *stages }

func grpcHand(ctx context.Context) *hand {
	md, _ := metadata.FromIncomingContext(ctx)
	return &hand{
		ctx: ctx, header: md,
		setHeader:  func(p pairs) { grpc.SetHeader(ctx, metadata.Pairs(p...)) },
		setTrailer: func(p pairs) { grpc.SetTrailer(ctx, metadata.Pairs(p...)) },
	}
}

// unary is the handler of a method with one message each way.
func (e grpcEcho) unary(k kind) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: k.String(), Handler: func(_ any, ctx context.Context, dec func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		req := k.request()
		if err := dec(req); err != nil {
			return nil, err
		}
		var reply proto.Message
		h := grpcHand(ctx)
		h.recv = func(m proto.Message) error { proto.Merge(m, req); return nil }
		h.send = func(m proto.Message) error { reply = m; return nil }
		err := grpcError(e.st.serve(h))
		return reply, err
	}}
}

// stream is the handler of any other method.
func (e grpcEcho) stream(k kind) grpc.StreamDesc {
	return grpc.StreamDesc{StreamName: k.String(), ServerStreams: k != sum, ClientStreams: k != list, Handler: func(_ any, s grpc.ServerStream) error {
		h := grpcHand(s.Context())
		h.recv = func(m proto.Message) error { return s.RecvMsg(m) }
		h.send = func(m proto.Message) error { return s.SendMsg(m) }
		h.sendHeader = func() error { return s.SendHeader(nil) }
		if k == list { // generated code receives the request before the handler runs
			req := k.request()
			if err := s.RecvMsg(req); err != nil {
				return err
			}
			h.recv = func(m proto.Message) error { proto.Merge(m, req); return nil }
		}
		var reply proto.Message
		if k == sum { // and a client stream's reply is sent once it has returned
			h.send = func(m proto.Message) error { reply = m; return nil }
		}
		if err := e.st.serve(h); err != nil {
			return grpcError(err)
		}
		if k == sum {
			return s.SendMsg(reply)
		}
		return nil
	}}
}

func startGRPC(t *testing.T) (string, *stages) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := grpcEcho{new(stages)}
	srv := grpc.NewServer()
	srv.RegisterService(&grpc.ServiceDesc{
		ServiceName: "lupine.test.v1.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{e.unary(say), e.unary(mirror)},
		Streams: []grpc.StreamDesc{e.stream(list), e.stream(sum), e.stream(chat)},
	}, e)
	go srv.Serve(l)
	t.Cleanup(srv.Stop)
	return l.Addr().String(), e.st
}

// grpcClient calls through a ClientConn, without stubs.
type grpcClient struct{ conn *grpc.ClientConn }

func dialGRPC(t *testing.T, addr string) client {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return grpcClient{conn}
}

func (o options) grpc(ctx context.Context) (context.Context, []grpc.CallOption) {
	ctx = metadata.AppendToOutgoingContext(ctx, o.header...)
	var opts []grpc.CallOption
	if o.compress != "" {
		opts = append(opts, grpc.UseCompressor(o.compress))
	}
	if o.maxRecv != 0 {
		opts = append(opts, grpc.MaxCallRecvMsgSize(o.maxRecv))
	}
	return ctx, opts
}

func (cl grpcClient) invoke(c *call, req, reply proto.Message) error {
	var header, trailer metadata.MD
	c.header = func() (map[string][]string, error) { return header, nil }
	c.trailer = func() map[string][]string { return trailer }
	ctx, opts := c.s.options.grpc(c.ctx)
	if req == nil {
		req = new(testpb.EchoRequest)
	}
	return cl.conn.Invoke(ctx, c.s.kind.method(), req, reply, append(opts, grpc.Header(&header), grpc.Trailer(&trailer))...)
}

func (cl grpcClient) open(c *call) error {
	ctx, opts := c.s.options.grpc(c.ctx)
	k := c.s.kind
	s, err := cl.conn.NewStream(ctx, &grpc.StreamDesc{StreamName: k.String(), ServerStreams: k != sum, ClientStreams: k != list}, k.method(), opts...)
	if err != nil {
		return err
	}
	c.send = func(m proto.Message) error { return s.SendMsg(m) }
	c.recv = func(m proto.Message) error { return s.RecvMsg(m) }
	c.header = func() (map[string][]string, error) { md, err := s.Header(); return md, err }
	c.trailer = func() map[string][]string { return s.Trailer() }
	c.closeSend = s.CloseSend
	if k == list {
		if err := s.SendMsg(c.s.request); err != nil && err != io.EOF {
			return err
		}
		return s.CloseSend()
	}
	return nil
}
