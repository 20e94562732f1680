package peer

import (
	"context"
	"crypto/tls"
	"net"
	"net/rpc"

	"github.com/lupine-rpc/lupine/bench/benchpb"
)

// net/rpc has unary calls only, in gob, without deadlines or metadata.

// Bytes is the message of net/rpc's service; gob needs it exported.
type Bytes struct{ Payload []byte }

// Job is a WorkRequest for net/rpc.
type Job struct {
	Kind   int32
	Micros uint32
}

// Nothing is an empty reply for net/rpc.
type Nothing struct{}

// NetRPC is net/rpc's service; it looks for exported methods.
type NetRPC struct{ s *Service }

// Echo returns what it was sent.
func (n *NetRPC) Echo(in *Bytes, out *Bytes) error {
	out.Payload = in.Payload
	return nil
}

// Work does what is asked.
func (n *NetRPC) Work(in *Job, _ *Nothing) error {
	return n.s.work(nil, benchpb.WorkRequest_Kind(in.Kind), in.Micros)
}

type netListening struct{ net.Listener }

func (l netListening) Addr() string { return l.Listener.Addr().String() }

func serveNetRPC(s Spec, svc *Service) (Server, error) {
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
	srv := rpc.NewServer()
	if err := srv.RegisterName("Bench", &NetRPC{svc}); err != nil {
		return nil, err
	}
	go srv.Accept(accept)
	return netListening{lis}, nil
}

type netClient struct {
	none
	c *rpc.Client
}

func dialNetRPC(s Spec, d Dialer) (Client, error) {
	conn, err := dialPlainOrTLS(s, d)
	if err != nil {
		return nil, err
	}
	return netClient{c: rpc.NewClient(conn)}, nil
}

func (c netClient) Echo(_ context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	var out Bytes
	if err := c.c.Call("Bench.Echo", &Bytes{m.Payload}, &out); err != nil {
		return nil, err
	}
	return &benchpb.Message{Payload: out.Payload}, nil
}

func (c netClient) Work(_ context.Context, r *benchpb.WorkRequest) error {
	return c.c.Call("Bench.Work", &Job{int32(r.Kind), r.Micros}, &Nothing{})
}

func (c netClient) Close() error { return c.c.Close() }
