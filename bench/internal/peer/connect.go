package peer

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"connectrpc.com/connect"

	"github.com/lupine-rpc/lupine/bench/benchpb"
)

// connect-go speaking gRPC over net/http's HTTP/2, without TLS by prior
// knowledge. Options: gRPC, message limits, and as many streams on a connection
// as there are callers (net/http allows 250 by default).

type connectServer struct {
	srv *http.Server
	lis net.Listener
}

func (c connectServer) Addr() string { return c.lis.Addr().String() }
func (c connectServer) Close() error { return c.srv.Close() }

func serveConnect(s Spec, svc *Service) (Server, error) {
	lis, err := listen(s)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	limit := connect.WithReadMaxBytes(maxMessage)
	mux.Handle(pathEcho, connect.NewUnaryHandler(pathEcho, func(_ context.Context, r *connect.Request[benchpb.Message]) (*connect.Response[benchpb.Message], error) {
		return connect.NewResponse(svc.echo(r.Msg)), nil
	}, limit))
	mux.Handle(pathEchoMeta, connect.NewUnaryHandler(pathEchoMeta, func(ctx context.Context, r *connect.Request[benchpb.Message]) (*connect.Response[benchpb.Message], error) {
		m, err := svc.echoMeta(ctx, r.Msg, r.Header().Get(metaKey1), r.Header().Get(metaKey2))
		if err != nil {
			return nil, err
		}
		return connect.NewResponse(m), nil
	}, limit))
	mux.Handle(pathWork, connect.NewUnaryHandler(pathWork, func(ctx context.Context, r *connect.Request[benchpb.WorkRequest]) (*connect.Response[benchpb.Message], error) {
		return connect.NewResponse(new(benchpb.Message)), svc.work(ctx.Done(), r.Msg.Kind, r.Msg.Micros)
	}, limit))
	mux.Handle(pathChat, connect.NewBidiStreamHandler(pathChat, connectChat, limit))
	mux.Handle(pathDownload, connect.NewServerStreamHandler(pathDownload, func(_ context.Context, r *connect.Request[benchpb.Message], out *connect.ServerStream[benchpb.Message]) error {
		for {
			if err := out.Send(r.Msg); err != nil {
				return err
			}
		}
	}, limit))
	mux.Handle(pathUpload, connect.NewClientStreamHandler(pathUpload, func(_ context.Context, in *connect.ClientStream[benchpb.Message]) (*connect.Response[benchpb.Count], error) {
		n := uint64(0)
		for in.Receive() {
			n++
		}
		return connect.NewResponse(&benchpb.Count{Messages: n}), in.Err()
	}, limit))

	srv := &http.Server{Handler: mux, Protocols: new(http.Protocols), HTTP2: &http.HTTP2Config{MaxConcurrentStreams: maxStreams}}
	if srv.TLSConfig, err = serverTLS(s, "h2"); err != nil {
		return nil, err
	}
	if s.TLS {
		srv.Protocols.SetHTTP2(true)
		go srv.ServeTLS(lis, "", "")
	} else {
		srv.Protocols.SetUnencryptedHTTP2(true)
		go srv.Serve(lis)
	}
	return connectServer{srv, lis}, nil
}

func connectChat(_ context.Context, s *connect.BidiStream[benchpb.Message, benchpb.Message]) error {
	for {
		m, err := s.Receive()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(m); err != nil {
			return err
		}
	}
}

type connectClient struct {
	transport      *http.Transport
	echo, echoMeta *connect.Client[benchpb.Message, benchpb.Message]
	work           *connect.Client[benchpb.WorkRequest, benchpb.Message]
	chat, download *connect.Client[benchpb.Message, benchpb.Message]
	upload         *connect.Client[benchpb.Message, benchpb.Count]
}

func dialConnect(s Spec, d Dialer) (Client, error) {
	t := &http.Transport{
		Protocols:   new(http.Protocols),
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return d.Dial(ctx) },
	}
	url := "http://" + ServerName
	var err error
	if t.TLSClientConfig, err = clientTLS(s); err != nil {
		return nil, err
	}
	if s.TLS {
		url = "https://" + ServerName
		t.Protocols.SetHTTP2(true)
	} else {
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	hc := &http.Client{Transport: t}
	opts := []connect.ClientOption{connect.WithGRPC(), connect.WithReadMaxBytes(maxMessage)}
	type message = benchpb.Message
	return &connectClient{
		transport: t,
		echo:      connect.NewClient[message, message](hc, url+pathEcho, opts...),
		echoMeta:  connect.NewClient[message, message](hc, url+pathEchoMeta, opts...),
		work:      connect.NewClient[benchpb.WorkRequest, message](hc, url+pathWork, opts...),
		chat:      connect.NewClient[message, message](hc, url+pathChat, opts...),
		download:  connect.NewClient[message, message](hc, url+pathDownload, opts...),
		upload:    connect.NewClient[message, benchpb.Count](hc, url+pathUpload, opts...),
	}, nil
}

func (c *connectClient) Echo(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	r, err := c.echo.CallUnary(ctx, connect.NewRequest(m))
	if err != nil {
		return nil, err
	}
	return r.Msg, nil
}

func (c *connectClient) EchoMeta(ctx context.Context, m *benchpb.Message) (*benchpb.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, metaDeadline)
	defer cancel()
	req := connect.NewRequest(m)
	req.Header().Set(metaKey1, metaValue1)
	req.Header().Set(metaKey2, metaValue2)
	r, err := c.echoMeta.CallUnary(ctx, req)
	if err != nil {
		return nil, err
	}
	return r.Msg, nil
}

func (c *connectClient) Work(ctx context.Context, r *benchpb.WorkRequest) error {
	_, err := c.work.CallUnary(ctx, connect.NewRequest(r))
	return err
}

type connectBidi struct {
	*connect.BidiStreamForClient[benchpb.Message, benchpb.Message]
	cancel context.CancelFunc
}

func (s connectBidi) Recv() (*benchpb.Message, error) { return s.Receive() }
func (s connectBidi) Close() error                    { s.cancel(); return nil }

func (c *connectClient) Chat(ctx context.Context) (Chat, error) {
	ctx, cancel := context.WithCancel(ctx)
	return connectBidi{c.chat.CallBidiStream(ctx), cancel}, nil
}

type connectDown struct {
	*connect.ServerStreamForClient[benchpb.Message]
	cancel context.CancelFunc
}

func (s connectDown) Recv() (*benchpb.Message, error) {
	if !s.Receive() {
		return nil, s.Err()
	}
	return s.Msg(), nil
}

func (s connectDown) Close() error { s.cancel(); return nil }

func (c *connectClient) Download(ctx context.Context, m *benchpb.Message) (Download, error) {
	ctx, cancel := context.WithCancel(ctx)
	s, err := c.download.CallServerStream(ctx, connect.NewRequest(m))
	return connectDown{s, cancel}, err
}

type connectUp struct {
	*connect.ClientStreamForClient[benchpb.Message, benchpb.Count]
}

func (s connectUp) Finish() (uint64, error) {
	r, err := s.CloseAndReceive()
	if err != nil {
		return 0, err
	}
	return r.Msg.Messages, nil
}

func (c *connectClient) Upload(ctx context.Context) (Upload, error) {
	return connectUp{c.upload.CallClientStream(ctx)}, nil
}

func (c *connectClient) Close() error { c.transport.CloseIdleConnections(); return nil }
