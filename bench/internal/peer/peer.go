// Package peer holds the implementations that the benchmark compares, each
// behind the same small interface: Lupine, grpc-go, connect-go, drpc, net/rpc, over UDP
// quic-go, kcp-go and pion/dtls, and floors that are no RPC at all. Each is used as its own documentation
// says, with its defaults, except where a limit would refuse the work; the file
// of each says where.
package peer

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/lupine-rpc/lupine/bench/benchpb"
)

// Spec says what to serve or to dial.
type Spec struct {
	Impl    string // one of Names
	Network string // "tcp" or "unix"
	Addr    string // what to listen on or to dial
	TLS     bool
	// CertPEM and KeyPEM are the server's certificate, which the client trusts.
	CertPEM, KeyPEM []byte
	// SpinsPerMicro is how many rounds of the burning loop a microsecond holds,
	// measured once for all servers of a run.
	SpinsPerMicro float64
	// MaxDatagram is the largest that rudp sends, in bytes; 0 lets it find out.
	MaxDatagram int
}

// maxMessage is what every implementation is told to accept, in bytes: above the
// largest message of the benchmark, and above most defaults.
const maxMessage = 64 << 20

// maxStreams is how many calls one connection may carry where that must be said.
const maxStreams = 1024

// The metadata of an EchoMeta call.
const (
	metaKey1, metaValue1 = "x-trace-id", "4bf92f3577b34da6a3ce929d0e0e4736"
	metaKey2, metaValue2 = "x-tenant", "acme-production"
	metaDeadline         = 10 * time.Second
)

// ErrUnsupported is what an implementation returns for calls that it cannot make.
var ErrUnsupported = errors.New("not supported by this implementation")

// Client makes calls, over one connection or, where an implementation allows no
// more than one call on each, over one of its own. Calls may overlap, except
// where PerCaller says that a caller needs a Client of its own.
type Client interface {
	Echo(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error)
	// EchoMeta is Echo with a deadline and two pairs of metadata.
	EchoMeta(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error)
	Work(ctx context.Context, r *benchpb.WorkRequest) error
	Chat(ctx context.Context) (Chat, error)
	Download(ctx context.Context, m *benchpb.Message) (Download, error)
	Upload(ctx context.Context) (Upload, error)
	Close() error
}

// Chat is a bidi stream that one goroutine uses.
type Chat interface {
	Send(m *benchpb.Message) error
	Recv() (*benchpb.Message, error)
	Close() error
}

// Download is a stream of messages from the server, without end.
type Download interface {
	Recv() (*benchpb.Message, error)
	Close() error
}

// Upload is a stream of messages to the server.
type Upload interface {
	Send(m *benchpb.Message) error
	// Finish ends the stream and returns how many messages the server got.
	Finish() (uint64, error)
}

// Server serves until it is closed.
type Server interface {
	Addr() string
	Close() error
}

// implementation is how one of them is served and dialled.
type implementation struct {
	serve     func(Spec, *Service) (Server, error)
	dial      func(Spec, Dialer) (Client, error)
	perCaller bool
}

func implementations() map[string]implementation {
	return map[string]implementation{
		"lupine":    {serve: serveLupine, dial: dialLupine},
		"grpc-go":   {serve: serveGRPC, dial: dialGRPC},
		"connect":   {serve: serveConnect, dial: dialConnect},
		"drpc":      {serve: serveDRPC, dial: dialDRPC, perCaller: true},
		"net/rpc":   {serve: serveNetRPC, dial: dialNetRPC},
		"ping-pong": {serve: servePingPong, dial: dialPingPong, perCaller: true},
		"framed":    {serve: serveFramed, dial: dialFramed},
		"framed-go": {serve: serveFramedGo, dial: dialFramed},
		"rudp":      {serve: serveRUDP, dial: dialRUDP},
		"udp":       {serve: serveUDP, dial: dialUDP, perCaller: true},
		"quic-go":   {serve: serveQUIC, dial: dialQUIC},
		"kcp-go":    {serve: serveKCP, dial: dialKCP, perCaller: true},
		"pion-dtls": {serve: serveDTLS, dial: dialDTLS, perCaller: true},
	}
}

// Known reports whether there is an implementation of that name.
func Known(name string) bool {
	_, ok := implementations()[name]
	return ok
}

// PerCaller reports whether a caller needs a Client of its own, because the
// implementation has one call at a time on a connection.
func PerCaller(name string) bool { return implementations()[name].perCaller }

// Serve serves s.Impl at s.Addr.
func Serve(s Spec) (Server, *Service, error) {
	impl, ok := implementations()[s.Impl]
	if !ok {
		return nil, nil, fmt.Errorf("no implementation %q", s.Impl)
	}
	svc := newService(s.SpinsPerMicro)
	srv, err := impl.serve(s, svc)
	return srv, svc, err
}

// Dial connects to s.Addr. Connections are made by d.
func Dial(s Spec, d Dialer) (Client, error) {
	impl, ok := implementations()[s.Impl]
	if !ok {
		return nil, fmt.Errorf("no implementation %q", s.Impl)
	}
	return impl.dial(s, d)
}

// Dialer makes connections to one address.
type Dialer struct {
	Network, Addr string
	// Source is the address to call from, where one address has too few ports;
	// empty leaves it to the kernel.
	Source string
}

// Dial makes a connection.
func (d Dialer) Dial(ctx context.Context) (net.Conn, error) {
	nd := net.Dialer{}
	if d.Source != "" && d.Network == "tcp" {
		nd.LocalAddr = &net.TCPAddr{IP: net.ParseIP(d.Source)}
	}
	return nd.DialContext(ctx, d.Network, d.Addr)
}

// listen opens the listener of s, without TLS.
func listen(s Spec) (net.Listener, error) { return net.Listen(s.Network, s.Addr) }

// serverTLS returns the server's TLS configuration, or nil without TLS.
func serverTLS(s Spec, protocols ...string) (*tls.Config, error) {
	if !s.TLS {
		return nil, nil
	}
	cert, err := tls.X509KeyPair(s.CertPEM, s.KeyPEM)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: protocols, MinVersion: tls.VersionTLS13}, nil
}

// clientTLS returns the client's TLS configuration, or nil without TLS.
func clientTLS(s Spec) (*tls.Config, error) {
	if !s.TLS {
		return nil, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CertPEM) {
		return nil, errors.New("no certificate to trust")
	}
	return &tls.Config{RootCAs: pool, ServerName: ServerName, MinVersion: tls.VersionTLS13}, nil
}

// ServerName is whom the certificate is for.
const ServerName = "bench.example"

// none is embedded by clients that cannot make every call.
type none struct{}

func (none) EchoMeta(context.Context, *benchpb.Message) (*benchpb.Message, error) {
	return nil, ErrUnsupported
}
func (none) Work(context.Context, *benchpb.WorkRequest) error { return ErrUnsupported }
func (none) Chat(context.Context) (Chat, error)               { return nil, ErrUnsupported }
func (none) Download(context.Context, *benchpb.Message) (Download, error) {
	return nil, ErrUnsupported
}
func (none) Upload(context.Context) (Upload, error) { return nil, ErrUnsupported }
