package interop

import (
	"context"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/interop/peerpb/peerpblupine"
)

// lupinePeer is the Peer service through Lupine's stubs.
type lupinePeer struct {
	peerpblupine.UnimplementedPeerServer
	*conductor
}

// pairs brings metadata into Lupine's form. Keys are in no order, the values of
// a key are.
func pairs(m md) lupine.Metadata {
	var out lupine.Metadata
	for k, values := range m {
		for _, v := range values {
			out.Add(k, v)
		}
	}
	return out
}

// grouped is the reverse of pairs.
func grouped(p lupine.Metadata) md {
	m := md{}
	for _, kv := range p {
		m[kv.Key] = append(m[kv.Key], kv.Value)
	}
	return m
}

func lupineIncoming(ctx context.Context, sendHeader func(context.Context) error) *incoming {
	call := lupine.ServerCallFrom(ctx)
	// Replies are compressed as the request was told to ask.
	call.Compressor = call.Header.Get("compress-reply")
	c := &incoming{
		ctx: ctx, header: grouped(call.Header),
		setHeader:  func(m md) { call.SetHeader(pairs(m)) },
		setTrailer: func(m md) { call.SetTrailer(pairs(m)) },
		sendHeader: func() error {
			if sendHeader == nil {
				return nil // a unary handler has no such thing
			}
			return sendHeader(ctx)
		},
		fail: func(f *peerpb.Failure) error {
			e := lupine.Errorf(lupine.Code(f.Code), "%s", f.Message)
			for _, d := range f.Details {
				e.WithDetail(lupine.Detail{Type: typeName(d.TypeUrl), Value: d.Value})
			}
			return e
		},
	}
	if t := call.Peer.TLS; t != nil && len(t.PeerCertificates) > 0 {
		c.caller = t.PeerCertificates[0].Subject.CommonName
	}
	return c
}

func (l lupinePeer) Say(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
	return l.say(lupineIncoming(ctx, nil), o)
}

func (l lupinePeer) List(ctx context.Context, o *peerpb.Order, s *lupine.Sender[peerpb.Result]) error {
	return l.list(lupineIncoming(ctx, s.SendHeader), o, func(r *peerpb.Result) error { return s.Send(ctx, r) })
}

func (l lupinePeer) Sum(ctx context.Context, r *lupine.Receiver[peerpb.Order]) (*peerpb.Result, error) {
	return l.sum(lupineIncoming(ctx, nil), func() (*peerpb.Order, error) { return r.Recv(ctx) })
}

func (l lupinePeer) Chat(ctx context.Context, r *lupine.Receiver[peerpb.Order], s *lupine.Sender[peerpb.Result]) error {
	return l.chat(lupineIncoming(ctx, s.SendHeader), func() (*peerpb.Order, error) { return r.Recv(ctx) }, func(m *peerpb.Result) error { return s.Send(ctx, m) })
}

func (l lupinePeer) Watch(ctx context.Context, w *peerpb.Watched) (*peerpb.Fate, error) {
	return l.watch(ctx, w), nil
}

// newLupine returns a Server with a Peer registered.
func newLupine(config lupine.ServerConfig) (*lupine.Server, *conductor) {
	p := &conductor{name: "lupine"}
	s := config.NewServer()
	peerpblupine.RegisterPeer(s, lupinePeer{conductor: p})
	return s, p
}

// startLupine serves a Peer on l until the test ends.
func startLupine(t *testing.T, l lupine.Listener, config lupine.ServerConfig) (*lupine.Server, *conductor) {
	t.Helper()
	s, p := newLupine(config)
	if err := s.Bind(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(context.Background()) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return s, p
}

// lupineCaller calls a Peer through Lupine.
type lupineCaller struct {
	conn   *lupine.Conn
	client peerpblupine.PeerClient
}

func dialLupine(t *testing.T, target lupine.Target, config lupine.DialConfig) lupineCaller {
	t.Helper()
	conn, err := config.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return newLupineCaller(conn)
}

func newLupineCaller(conn *lupine.Conn) lupineCaller {
	return lupineCaller{conn, peerpblupine.NewPeerClient(conn)}
}

func (o options) lupine() []lupine.CallOption {
	var opts []lupine.CallOption
	if len(o.header) > 0 {
		opts = append(opts, lupine.WithHeader(lupine.Pairs(o.header...)))
	}
	if o.compress != "" {
		opts = append(opts, lupine.Compress(o.compress))
	}
	if o.raised {
		opts = append(opts, lupine.MaxReceive(maxRaised))
	}
	return opts
}

func (c lupineCaller) say(ctx context.Context, o *peerpb.Order, with options) (*peerpb.Result, outcome) {
	var header, trailer lupine.Metadata
	r, err := c.client.Say(ctx, o, append(with.lupine(), lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))...)
	return r, outcome{grouped(header), grouped(trailer), err}
}

func (c lupineCaller) absent(ctx context.Context) error {
	_, err := c.client.Absent(ctx, new(peerpb.Order))
	return err
}

func (c lupineCaller) watch(ctx context.Context, id string) (string, error) {
	f, err := c.client.Watch(ctx, &peerpb.Watched{Id: id})
	return f.GetEnd(), err
}

func (c lupineCaller) list(ctx context.Context, o *peerpb.Order, with options) (stream, error) {
	s := c.client.List(ctx, o, with.lupine()...)
	return lupineStream{ctx: ctx, s: s, recv: s.Recv}, nil
}

func (c lupineCaller) sum(ctx context.Context, with options) (stream, error) {
	s := c.client.Sum(ctx, with.lupine()...)
	return lupineStream{ctx: ctx, s: s, send: s.Send, recv: s.CloseAndRecv}, nil
}

func (c lupineCaller) chat(ctx context.Context, with options) (stream, error) {
	s := c.client.Chat(ctx, with.lupine()...)
	return lupineStream{ctx, s, s.Send, s.CloseSend, s.Recv}, nil
}

type lupineStream struct {
	ctx context.Context
	s   interface {
		Header(context.Context) (lupine.Metadata, error)
		Trailer() lupine.Metadata
	}
	send      func(context.Context, *peerpb.Order) error
	closeSend func(context.Context) error
	recv      func(context.Context) (*peerpb.Result, error)
}

func (s lupineStream) Send(o *peerpb.Order) error    { return s.send(s.ctx, o) }
func (s lupineStream) CloseSend() error              { return s.closeSend(s.ctx) }
func (s lupineStream) Recv() (*peerpb.Result, error) { return s.recv(context.Background()) }
func (s lupineStream) Trailer() md                   { return grouped(s.s.Trailer()) }
func (s lupineStream) Header() (md, error) {
	h, err := s.s.Header(context.Background())
	return grouped(h), err
}
