package interop

import (
	"context"
	"io"
	"net"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
)

// grpcPeer is the Peer service through protoc-gen-go-grpc's stubs.
type grpcPeer struct {
	peerpb.UnimplementedPeerServer
	*conductor
}

func grpcIncoming(ctx context.Context) *incoming {
	in, _ := metadata.FromIncomingContext(ctx)
	c := &incoming{
		ctx: ctx, header: md(in),
		setHeader:  func(m md) { grpc.SetHeader(ctx, metadata.MD(m)) },
		sendHeader: func() error { return grpc.SendHeader(ctx, nil) },
		setTrailer: func(m md) { grpc.SetTrailer(ctx, metadata.MD(m)) },
		fail: func(f *peerpb.Failure) error {
			return grpcstatus.FromProto(&status.Status{Code: f.Code, Message: f.Message, Details: f.Details}).Err()
		},
	}
	if p, ok := peer.FromContext(ctx); ok {
		if t, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(t.State.PeerCertificates) > 0 {
			c.caller = t.State.PeerCertificates[0].Subject.CommonName
		}
	}
	return c
}

func (g grpcPeer) Say(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
	return g.say(grpcIncoming(ctx), o)
}

func (g grpcPeer) List(o *peerpb.Order, s grpc.ServerStreamingServer[peerpb.Result]) error {
	return g.list(grpcIncoming(s.Context()), o, s.Send)
}

func (g grpcPeer) Sum(s grpc.ClientStreamingServer[peerpb.Order, peerpb.Result]) error {
	r, err := g.sum(grpcIncoming(s.Context()), s.Recv)
	if err != nil {
		return err
	}
	return s.SendAndClose(r)
}

func (g grpcPeer) Chat(s grpc.BidiStreamingServer[peerpb.Order, peerpb.Result]) error {
	return g.chat(grpcIncoming(s.Context()), s.Recv, s.Send)
}

func (g grpcPeer) Watch(ctx context.Context, w *peerpb.Watched) (*peerpb.Fate, error) {
	return g.watch(ctx, w), nil
}

// maxRaised is the message limit of servers and callers that have one raised.
const maxRaised = 32 << 20

// startGRPC serves a Peer with grpc-go until the test ends.
func startGRPC(t *testing.T, l net.Listener, opts ...grpc.ServerOption) (*grpc.Server, *conductor) {
	t.Helper()
	p := &conductor{name: "grpc-go"}
	s := grpc.NewServer(opts...)
	peerpb.RegisterPeerServer(s, grpcPeer{conductor: p})
	go s.Serve(l)
	t.Cleanup(s.Stop)
	return s, p
}

// grpcCaller calls a Peer through grpc-go.
type grpcCaller struct {
	conn   *grpc.ClientConn
	client peerpb.PeerClient
}

func dialGRPC(t *testing.T, target string, opts ...grpc.DialOption) grpcCaller {
	t.Helper()
	opts = append([]grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}, opts...)
	conn, err := grpc.NewClient(target, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return grpcCaller{conn, peerpb.NewPeerClient(conn)}
}

// grpcError brings an error of grpc-go into our form.
func grpcError(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	s, ok := grpcstatus.FromError(err)
	if !ok {
		return err
	}
	e := &lupine.Error{Code: lupine.Code(s.Code()), Message: s.Message()}
	for _, d := range s.Proto().GetDetails() {
		e.Details = append(e.Details, lupine.Detail{Type: typeName(d.TypeUrl), Value: d.Value})
	}
	return e
}

func (c grpcCaller) options(ctx context.Context, o options) (context.Context, []grpc.CallOption) {
	if len(o.header) > 0 {
		ctx = metadata.AppendToOutgoingContext(ctx, o.header...)
	}
	var opts []grpc.CallOption
	if o.compress != "" {
		opts = append(opts, grpc.UseCompressor(o.compress))
	}
	if o.raised {
		opts = append(opts, grpc.MaxCallRecvMsgSize(maxRaised), grpc.MaxCallSendMsgSize(maxRaised))
	}
	return ctx, opts
}

func (c grpcCaller) say(ctx context.Context, o *peerpb.Order, with options) (*peerpb.Result, outcome) {
	var header, trailer metadata.MD
	ctx, opts := c.options(ctx, with)
	r, err := c.client.Say(ctx, o, append(opts, grpc.Header(&header), grpc.Trailer(&trailer))...)
	return r, outcome{md(header), md(trailer), grpcError(err)}
}

func (c grpcCaller) absent(ctx context.Context) error {
	_, err := c.client.Absent(ctx, new(peerpb.Order))
	return grpcError(err)
}

func (c grpcCaller) watch(ctx context.Context, id string) (string, error) {
	f, err := c.client.Watch(ctx, &peerpb.Watched{Id: id})
	return f.GetEnd(), grpcError(err)
}

func (c grpcCaller) list(ctx context.Context, o *peerpb.Order, with options) (stream, error) {
	ctx, opts := c.options(ctx, with)
	s, err := c.client.List(ctx, o, opts...)
	if err != nil {
		return nil, grpcError(err)
	}
	return grpcStream{ClientStream: s, recv: s.Recv}, nil
}

func (c grpcCaller) sum(ctx context.Context, with options) (stream, error) {
	ctx, opts := c.options(ctx, with)
	s, err := c.client.Sum(ctx, opts...)
	if err != nil {
		return nil, grpcError(err)
	}
	return grpcStream{s, s.Send, s.CloseAndRecv}, nil
}

func (c grpcCaller) chat(ctx context.Context, with options) (stream, error) {
	ctx, opts := c.options(ctx, with)
	s, err := c.client.Chat(ctx, opts...)
	if err != nil {
		return nil, grpcError(err)
	}
	return grpcStream{s, s.Send, s.Recv}, nil
}

type grpcStream struct {
	grpc.ClientStream
	send func(*peerpb.Order) error
	recv func() (*peerpb.Result, error)
}

func (s grpcStream) Send(o *peerpb.Order) error { return grpcError(s.send(o)) }
func (s grpcStream) Trailer() md                { return md(s.ClientStream.Trailer()) }
func (s grpcStream) Recv() (*peerpb.Result, error) {
	r, err := s.recv()
	return r, grpcError(err)
}
func (s grpcStream) Header() (md, error) {
	h, err := s.ClientStream.Header()
	return md(h), grpcError(err)
}

func typeName(url string) string {
	a := anypb.Any{TypeUrl: url}
	return string(a.MessageName())
}
