package differential

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// lupineServer is Echo by Lupine's stubs.
type lupineServer struct {
	testpb.UnimplementedEchoServer
	st *stages
}

func startLupine(t *testing.T) (string, *stages) {
	t.Helper()
	st := new(stages)
	srv := lupine.ServerConfig{Log: slog.New(slog.NewTextHandler(io.Discard, nil))}.NewServer()
	testpb.RegisterEcho(srv, lupineServer{st: st})
	l := h2.Listen("127.0.0.1:0", h2.Config{})
	if err := srv.Bind(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background()) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l.Addr(), st
}

// hand is what all methods have in common.
func lupineHand(ctx context.Context) *hand {
	c := lupine.ServerCallFrom(ctx)
	return &hand{
		ctx: ctx, header: groupedLupine(c.Header),
		setHeader:  func(p pairs) { c.SetHeader(lupine.Pairs(p...)) },
		setTrailer: func(p pairs) { c.SetTrailer(lupine.Pairs(p...)) },
	}
}

// lupineError is what a handler's failure is in Lupine.
func lupineError(err error) error {
	if f, ok := err.(*failure); ok {
		return &lupine.Error{Code: lupine.Code(f.code), Message: f.message, Details: f.details}
	}
	return err
}

func groupedLupine(md lupine.Metadata) map[string][]string {
	out := make(map[string][]string)
	for _, p := range md {
		out[p.Key] = append(out[p.Key], p.Value)
	}
	return out
}

// serveOne serves a call that has one request and one reply.
func serveOne(s lupineServer, ctx context.Context, req, reply proto.Message) (sent bool, err error) {
	h := lupineHand(ctx)
	h.recv = func(m proto.Message) error { proto.Merge(m, req); return nil }
	h.send = func(m proto.Message) error { sent = true; proto.Reset(reply); proto.Merge(reply, m); return nil }
	err = lupineError(s.st.serve(h))
	return sent, err
}

// Say serves a unary call.
func (s lupineServer) Say(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
	reply := new(testpb.EchoReply)
	if sent, err := serveOne(s, ctx, req, reply); err != nil || !sent {
		return nil, err
	}
	return reply, nil
}

// Mirror serves a unary call with large messages.
func (s lupineServer) Mirror(ctx context.Context, req *testpb.Everything) (*testpb.Everything, error) {
	reply := new(testpb.Everything)
	if sent, err := serveOne(s, ctx, req, reply); err != nil || !sent {
		return nil, err
	}
	return reply, nil
}

// List serves a server stream.
func (s lupineServer) List(ctx context.Context, req *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
	h := lupineHand(ctx)
	h.recv = func(m proto.Message) error { proto.Merge(m, req); return nil }
	h.send = func(m proto.Message) error { return out.Send(ctx, m.(*testpb.EchoReply)) }
	h.sendHeader = func() error { return out.SendHeader(ctx) }
	return lupineError(s.st.serve(h))
}

// Sum serves a client stream.
func (s lupineServer) Sum(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
	var reply *testpb.EchoReply
	h := lupineHand(ctx)
	h.recv = lupineRecv(ctx, in)
	h.send = func(m proto.Message) error { reply = m.(*testpb.EchoReply); return nil }
	if err := lupineError(s.st.serve(h)); err != nil {
		return nil, err
	}
	return reply, nil
}

func lupineRecv(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) func(proto.Message) error {
	return func(m proto.Message) error {
		req, err := in.Recv(ctx)
		if err == nil {
			proto.Merge(m, req)
		}
		return err
	}
}

// Chat serves a bidi stream.
func (s lupineServer) Chat(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
	h := lupineHand(ctx)
	h.recv = lupineRecv(ctx, in)
	h.send = func(m proto.Message) error { return out.Send(ctx, m.(*testpb.EchoReply)) }
	h.sendHeader = func() error { return out.SendHeader(ctx) }
	return lupineError(s.st.serve(h))
}

// lupineClient calls through Lupine's stubs.
type lupineClient struct {
	testpb.EchoClient
	conn *lupine.Conn
}

func dialLupine(t *testing.T, addr string) client {
	t.Helper()
	conn, err := lupine.Dial(t.Context(), h2.To(addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return lupineClient{testpb.NewEchoClient(conn), conn}
}

func (o options) lupine() []lupine.CallOption {
	opts := []lupine.CallOption{lupine.WithHeader(lupine.Pairs(o.header...)), lupine.Compress(o.compress)}
	if o.maxRecv != 0 {
		opts = append(opts, lupine.MaxReceive(o.maxRecv))
	}
	return opts
}

func (cl lupineClient) invoke(c *call, req, reply proto.Message) error {
	var header, trailer lupine.Metadata
	c.header = func() (map[string][]string, error) { return groupedLupine(header), nil }
	c.trailer = func() map[string][]string { return groupedLupine(trailer) }
	opts := append(c.s.options.lupine(), lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))
	switch c.s.kind {
	case mirror:
		r, err := cl.Mirror(c.ctx, req.(*testpb.Everything), opts...)
		if err == nil {
			proto.Merge(reply, r)
		}
		return err
	case absent:
		newRaw := func() any { return new(lupine.Raw) }
		m := &lupine.Method{Service: "lupine.test.v1.Echo", Name: "Absent", Path: absent.method(), Kind: lupine.Unary, Codec: lupine.RawCodec{}, NewRequest: newRaw, NewReply: newRaw}
		_, err := lupine.Invoke[lupine.Raw](c.ctx, cl.conn, m, new(lupine.Raw), opts)
		return err
	}
	// A unary call has two ways; which one is no matter.
	ask := cl.Say
	if len(c.s.name)%2 == 0 {
		ask = func(ctx context.Context, req *testpb.EchoRequest, opts ...lupine.CallOption) (*testpb.EchoReply, error) {
			return cl.StartSay(ctx, req, opts...).Wait(ctx)
		}
	}
	r, err := ask(c.ctx, req.(*testpb.EchoRequest), opts...)
	if err == nil {
		proto.Merge(reply, r)
	}
	return err
}

func (cl lupineClient) open(c *call) error {
	opts := c.s.options.lupine()
	ctx := context.Background() // of single operations: the call's own ends it
	switch c.s.kind {
	case list:
		s := cl.List(c.ctx, c.s.request.(*testpb.EchoRequest), opts...)
		c.recv = lupineReply(func() (*testpb.EchoReply, error) { return s.Recv(ctx) })
		c.header = func() (map[string][]string, error) { md, err := s.Header(ctx); return groupedLupine(md), err }
		c.trailer = func() map[string][]string { return groupedLupine(s.Trailer()) }
		c.closeSend = func() error { return nil }
	case sum:
		s := cl.Sum(c.ctx, opts...)
		c.send = func(m proto.Message) error { return s.Send(ctx, m.(*testpb.EchoRequest)) }
		c.recv = lupineReply(func() (*testpb.EchoReply, error) { return s.CloseAndRecv(ctx) })
		c.header = func() (map[string][]string, error) { md, err := s.Header(ctx); return groupedLupine(md), err }
		c.trailer = func() map[string][]string { return groupedLupine(s.Trailer()) }
		c.closeSend = func() error { return nil } // CloseAndRecv
	case chat:
		s := cl.Chat(c.ctx, opts...)
		c.send = func(m proto.Message) error { return s.Send(ctx, m.(*testpb.EchoRequest)) }
		c.recv = lupineReply(func() (*testpb.EchoReply, error) { return s.Recv(ctx) })
		c.header = func() (map[string][]string, error) { md, err := s.Header(ctx); return groupedLupine(md), err }
		c.trailer = func() map[string][]string { return groupedLupine(s.Trailer()) }
		c.closeSend = func() error { return s.CloseSend(ctx) }
	}
	return nil
}

func lupineReply(recv func() (*testpb.EchoReply, error)) func(proto.Message) error {
	return func(m proto.Message) error {
		r, err := recv()
		if err == nil {
			proto.Merge(m, r)
		}
		return err
	}
}
