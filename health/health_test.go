package health_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/health"
	"github.com/lupine-rpc/lupine/internal/testpb"
	"github.com/lupine-rpc/lupine/wire/inproc"
)

const echo = "lupine.test.v1.Echo"

func request(service string) *lupine.Raw {
	return &lupine.Raw{Bytes: append([]byte{0x0a, byte(len(service))}, service...)}
}

func method(name string, k lupine.Kind) *lupine.Method {
	raw := func() any { return new(lupine.Raw) }
	return &lupine.Method{Service: "grpc.health.v1.Health", Name: name, Path: "/grpc.health.v1.Health/" + name, Kind: k, Codec: lupine.RawCodec{}, NewRequest: raw, NewReply: raw}
}

func TestHealth(t *testing.T) {
	srv := lupine.NewServer()
	testpb.RegisterEcho(srv, testpb.UnimplementedEchoServer{})
	h := health.Register(srv)
	net := inproc.New()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	if err := srv.Bind(ctx, net.Listen()); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx) }()
	conn, err := lupine.Dial(ctx, net.To())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()

	check := func(service string) ([]byte, error) {
		r, err := lupine.Invoke[lupine.Raw](ctx, conn, method("Check", lupine.Unary), request(service), nil)
		if err != nil {
			return nil, err
		}
		return r.Bytes, nil
	}
	for _, service := range []string{"", echo} {
		if got, err := check(service); err != nil || !bytes.Equal(got, []byte{8, 1}) {
			t.Errorf("Check(%q) = %x, %v; want SERVING", service, got, err)
		}
	}
	if _, err := check("nope"); lupine.CodeOf(err) != lupine.NotFound {
		t.Errorf("Check of an unknown service: %v", err)
	}
	if _, err := lupine.Invoke[lupine.Raw](ctx, conn, method("Check", lupine.Unary), &lupine.Raw{Bytes: []byte{0x0a, 9}}, nil); lupine.CodeOf(err) != lupine.InvalidArgument {
		t.Errorf("Check of a cut request: %v", err)
	}
	list, err := lupine.Invoke[lupine.Raw](ctx, conn, method("List", lupine.Unary), &lupine.Raw{}, nil)
	if err != nil || !bytes.Contains(list.Bytes, []byte(echo)) {
		t.Errorf("List = %q, %v", list, err)
	}

	// Watch: now, each change, and the drain.
	w := lupine.CallServerStream[lupine.Raw](ctx, conn, method("Watch", lupine.ServerStreaming), request(echo), nil)
	next := func(want byte) {
		t.Helper()
		if m, err := w.Recv(ctx); err != nil || !bytes.Equal(m.Bytes, []byte{8, want}) {
			t.Fatalf("Watch: %v, %v; want status %d", m, err, want)
		}
	}
	next(1)
	h.Set(echo, health.NotServing)
	next(2)
	h.Set(echo, health.Serving)
	next(1)
	drained := make(chan error, 1)
	go func() { drained <- srv.Drain(ctx) }()
	next(2)
	if _, err := w.Recv(ctx); lupine.CodeOf(err) != lupine.Unavailable {
		t.Errorf("Watch after the drain: %v", err)
	}
	if err := <-drained; err != nil {
		t.Errorf("a watcher held the drain up: %v", err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}
