package main

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	v1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

// peer is the test service on grpc-go.
type peer struct {
	pb.UnimplementedTestServiceServer
}

// UnaryCall answers with as many bytes as asked for, the caller's metadata
// x-echo as a header and x-echo-bin as a trailer, or with the status asked for.
func (peer) UnaryCall(ctx context.Context, req *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	grpc.SetHeader(ctx, metadata.MD{"x-echo": md["x-echo"]})
	grpc.SetTrailer(ctx, metadata.MD{"x-echo-bin": md["x-echo-bin"]})
	if s := req.GetResponseStatus(); s.GetCode() != 0 {
		st, err := status.New(codes.Code(s.GetCode()), s.GetMessage()).WithDetails(
			&errdetails.ErrorInfo{Reason: "OUT_OF_TEA", Domain: "example.com"},
			&pb.EchoStatus{Code: 7, Message: "declared by the service's own files"},
		)
		if err != nil {
			return nil, err
		}
		raw := st.Proto()
		raw.Details = append(raw.Details, &anypb.Any{TypeUrl: "type.googleapis.com/acme.Secret", Value: []byte{8, 1}})
		return nil, status.FromProto(raw).Err()
	}
	return &pb.SimpleResponse{
		Payload:  &pb.Payload{Body: make([]byte, req.GetResponseSize())},
		Username: strings.Join(md["user-agent"], ""),
	}, nil
}

// EmptyCall waits until the caller has gone.
func (peer) EmptyCall(ctx context.Context, _ *pb.Empty) (*pb.Empty, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// StreamingOutputCall answers with messages of the sizes asked for.
func (peer) StreamingOutputCall(req *pb.StreamingOutputCallRequest, out pb.TestService_StreamingOutputCallServer) error {
	for _, p := range req.GetResponseParameters() {
		if err := out.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: make([]byte, p.GetSize())}}); err != nil {
			return err
		}
	}
	if s := req.GetResponseStatus(); s.GetCode() != 0 {
		return status.Error(codes.Code(s.GetCode()), s.GetMessage())
	}
	return nil
}

// StreamingInputCall adds up the sizes of what comes.
func (peer) StreamingInputCall(in pb.TestService_StreamingInputCallServer) error {
	sum := 0
	for {
		req, err := in.Recv()
		if err == io.EOF {
			return in.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(sum)})
		}
		if err != nil {
			return err
		}
		if len(req.GetPayload().GetBody()) == 0 {
			return status.Error(codes.InvalidArgument, "an empty payload")
		}
		sum += len(req.GetPayload().GetBody())
	}
}

// FullDuplexCall answers each message at once with those that it asks for.
func (p peer) FullDuplexCall(stream pb.TestService_FullDuplexCallServer) error {
	for {
		req, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := p.StreamingOutputCall(req, stream); err != nil {
			return err
		}
	}
}

// reflects says which versions of reflection a peer has.
type reflects int

const (
	reflectBoth reflects = iota
	reflectAlphaOnly
	reflectNone
)

// startPeer serves the test service on grpc-go and returns its address.
func startPeer(t *testing.T, r reflects, config *tls.Config) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var opts []grpc.ServerOption
	if config != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(config)))
	}
	srv := grpc.NewServer(opts...)
	pb.RegisterTestServiceServer(srv, peer{})
	switch r {
	case reflectBoth:
		reflection.Register(srv)
	case reflectAlphaOnly:
		v1alpha.RegisterServerReflectionServer(srv, reflection.NewServer(reflection.ServerOptions{Services: srv}))
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() {
		srv.Stop()
		if err := <-done; err != nil {
			t.Errorf("grpc-go server: %v", err)
		}
	})
	return ln.Addr().String()
}

const service = "grpc.testing.TestService/"

func TestCallPeerByReflection(t *testing.T) {
	for name, r := range map[string]reflects{"v1": reflectBoth, "v1alpha": reflectAlphaOnly} {
		t.Run(name, func(t *testing.T) {
			target := "grpc://" + startPeer(t, r, nil)
			if r := lupineRun(t, "list", target).want(t, 0); !strings.Contains("\n"+r.out, "\ngrpc.testing.TestService\n") {
				t.Errorf("lupine list printed %q", r.out)
			}
			r := lupineRun(t, "list", target, "grpc.testing.TestService").want(t, 0)
			if want := "grpc.testing.TestService/StreamingInputCall(stream grpc.testing.StreamingInputCallRequest) returns (grpc.testing.StreamingInputCallResponse)\n"; !strings.Contains(r.out, want) {
				t.Errorf("lupine list of a service lacks %q:\n%s", want, r.out)
			}
			lupineRun(t, "call", "-d", `{"responseSize":3}`, target, service+"UnaryCall").want(t, 0).
				stdout(t, `{"payload":{"body":"AAAA"},"username":"`+userAgent(t, target)+"\"}\n")
		})
	}
}

// userAgent asks the peer what we called ourselves.
func userAgent(t *testing.T, target string) string {
	t.Helper()
	r := lupineRun(t, "call", target, service+"UnaryCall").want(t, 0)
	_, rest, _ := strings.Cut(r.out, `"username":"`)
	agent, _, _ := strings.Cut(rest, `"`)
	if !strings.Contains(agent, "lupine") {
		t.Errorf("the user agent is %q", agent)
	}
	return agent
}

func TestCallPeerKinds(t *testing.T) {
	target := "grpc://" + startPeer(t, reflectBoth, nil)
	body := func(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }
	ask := func(sizes string) string { return `{"responseParameters":[` + sizes + `]}` }

	// A server stream: a line for each reply.
	lupineRun(t, "call", "-d", ask(`{"size":1},{"size":2}`), target, service+"StreamingOutputCall").want(t, 0).
		stdout(t, `{"payload":{"body":"AA=="}}`+"\n"+`{"payload":{"body":"AAA="}}`+"\n")
	lupineRun(t, "call", target, service+"StreamingOutputCall").want(t, 0).stdout(t, "")
	// Replies that came before an error are printed.
	lupineRun(t, "call", "-d", `{"responseParameters":[{"size":1}],"responseStatus":{"code":8,"message":"enough"}}`, target, service+"StreamingOutputCall").
		want(t, exitFailed, "RESOURCE_EXHAUSTED (8): enough").stdout(t, `{"payload":{"body":"AA=="}}`+"\n")

	// A client stream: from -d, from stdin, from a file, and without -d.
	stream := `{"payload":{"body":"` + body(10) + `"}} {"payload":{"body":"` + body(32) + `"}}` + "\n"
	const sum = `{"aggregatedPayloadSize":42}` + "\n"
	lupineRun(t, "call", "-d", stream, target, service+"StreamingInputCall").want(t, 0).stdout(t, sum)
	lupineIn(t, "", stream, "call", "-d", "-", target, service+"StreamingInputCall").want(t, 0).stdout(t, sum)
	lupineIn(t, "", stream, "call", target, service+"StreamingInputCall").want(t, 0).stdout(t, sum)
	dir := write(t, map[string]string{"in.json": stream})
	lupineIn(t, dir, "", "call", "-d", "@in.json", target, service+"StreamingInputCall").want(t, 0).stdout(t, sum)
	lupineIn(t, "", "", "call", target, service+"StreamingInputCall").want(t, 0).stdout(t, "{}\n")
	lupineRun(t, "call", "--defaults", "-d", "", target, service+"StreamingInputCall").want(t, 0).stdout(t, `{"aggregatedPayloadSize":0}`+"\n")
	lupineRun(t, "call", "-d", "{}", target, service+"StreamingInputCall").want(t, exitFailed, "INVALID_ARGUMENT (3): an empty payload")

	// A bidi stream.
	lupineIn(t, "", ask(`{"size":1}`)+ask(`{"size":2},{"size":3}`), "call", "-d", "-", target, service+"FullDuplexCall").want(t, 0).
		stdout(t, `{"payload":{"body":"AA=="}}`+"\n"+`{"payload":{"body":"AAA="}}`+"\n"+`{"payload":{"body":"AAAA"}}`+"\n")

	// Large messages, compressed ones and indented ones.
	r := lupineRun(t, "call", "-d", `{"responseSize":3000000}`, "--compress", "gzip", target, service+"UnaryCall").want(t, 0)
	if len(r.out) < 4_000_000 {
		t.Errorf("a reply of 3 MB came as %d characters", len(r.out))
	}
	lupineRun(t, "call", "-d", `{"responseSize":5000000}`, target, service+"UnaryCall").want(t, exitFailed, "RESOURCE_EXHAUSTED", "--max-receive")
	lupineRun(t, "call", "-d", `{"responseSize":5000000}`, "--max-receive", "-1", target, service+"UnaryCall").want(t, 0)
	lupineRun(t, "call", "--pretty", "-d", ask(`{"size":1}`), target, service+"StreamingOutputCall").want(t, 0).
		stdout(t, "{\n  \"payload\": {\n    \"body\": \"AA==\"\n  }\n}\n")
}

func TestCallPeerStatus(t *testing.T) {
	addr := startPeer(t, reflectBoth, nil)
	target := "grpc://" + addr
	r := lupineRun(t, "call", "-d", `{"responseStatus":{"code":9,"message":"no tea, grüße \u001b[31m"}}`, target, service+"UnaryCall").want(t, exitFailed,
		"error: FAILED_PRECONDITION (9): no tea, grüße \uFFFD[31m\n", // no control codes for our terminal
		"executed: maybe",
		`detail: google.rpc.ErrorInfo {"reason":"OUT_OF_TEA","domain":"example.com"}`+"\n",
		`detail: grpc.testing.EchoStatus {"code":7,"message":"declared by the service's own files"}`+"\n",
		"detail: acme.Secret (2 bytes of a type that the schema does not have, in base64: CAE=)\n",
		"what to do: ")
	r.stdout(t, "")
	lupineRun(t, "call", "--timeout", "200ms", target, service+"EmptyCall").want(t, exitFailed, "DEADLINE_EXCEEDED (4)", "--timeout").stdout(t, "")
	lupineRun(t, "call", target, service+"UnimplementedCall").want(t, exitFailed, "UNIMPLEMENTED (12)", "lupine list "+target)
	lupineRun(t, "call", target, service+"NoSuchCall").want(t, exitTrouble, "has no method NoSuchCall", "EmptyCall, UnaryCall")
	lupineRun(t, "call", target, "no.such.Service/Call").want(t, exitTrouble, "has no service no.such.Service; it has grpc.reflection", "grpc.testing.TestService")
	lupineRun(t, "list", target, "no.such.Service").want(t, exitTrouble, "has no service no.such.Service")
}

func TestCallPeerMetadata(t *testing.T) {
	target := "grpc://" + startPeer(t, reflectBoth, nil)
	lupineRun(t, "call", "-v", "-H", "X-Echo: one: two", "-H", "x-echo-bin: /wA", target, service+"UnaryCall").want(t, 0,
		"header: x-echo: one: two\n", "trailer: x-echo-bin: /wA=\n", "peer: "+strings.TrimPrefix(target, "grpc://")+" over h2\n")
	// The loopback is private enough for a token.
	lupineRun(t, "call", "-H", "Authorization: Bearer abc", target, service+"UnaryCall").want(t, 0)
}

func TestCallPeerWithoutReflection(t *testing.T) {
	target := "grpc://" + startPeer(t, reflectNone, nil)
	lupineRun(t, "call", target, service+"UnaryCall").want(t, exitTrouble, "no gRPC server reflection", "-proto FILE")
	lupineRun(t, "list", target).want(t, exitTrouble, "-proto FILE")
	dir := write(t, map[string]string{"protos/peer.proto": `
		syntax = "proto3";
		package grpc.testing;
		import "types.proto";
		service TestService {
			rpc UnaryCall(Request) returns (Response);
			rpc EmptyCall(Request) returns (Response);
			rpc Missing(Request) returns (Response);
		}`, "protos/types.proto": `
		syntax = "proto3";
		package grpc.testing;
		message Request { int32 response_size = 2; }
		message Response { Payload payload = 1; message Payload { bytes body = 2; } }`,
	})
	lupineIn(t, dir, "", "call", "-proto", "protos/peer.proto", "-I", "protos", "-d", `{"response_size":3}`, target, service+"UnaryCall").want(t, 0).
		stdout(t, `{"payload":{"body":"AAAA"}}`+"\n")
	lupineIn(t, dir, "", "call", "-d", "{}", "-Iprotos", "--proto=protos/peer.proto", target, "/"+service+"UnaryCall").want(t, 0)
	lupineIn(t, dir, "", "call", "-proto", "protos/peer.proto", "-I", "protos", target, service+"Missing").want(t, exitFailed, "UNIMPLEMENTED (12)")
	lupineIn(t, dir, "", "call", "-proto", "protos/peer.proto", "-I", "protos", target, service+"Other").want(t, exitTrouble, "has no method Other; it has UnaryCall")
	lupineIn(t, dir, "", "call", "-proto", "protos/peer.proto", "-I", "protos", target, "a.B/C").want(t, exitTrouble, "has no service a.B; it has grpc.testing.TestService")
	lupineIn(t, dir, "", "call", "-proto", "none.proto", target, "a.B/C").want(t, exitTrouble, "none.proto")
}

func TestCallPeerTLS(t *testing.T) {
	pair, _, err := selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	dir := write(t, map[string]string{"ca.pem": pemOf(pair), "junk.pem": "junk"})
	addr := startPeer(t, reflectBoth, &tls.Config{Certificates: []tls.Certificate{pair}})
	ca := filepath.Join(dir, "ca.pem")
	lupineRun(t, "call", "-cacert", ca, "grpcs://"+addr, service+"UnaryCall").want(t, 0)
	lupineRun(t, "call", "-insecure", "grpcs://"+addr, service+"UnaryCall").want(t, 0)
	lupineRun(t, "call", "-cacert", ca, "-servername", "localhost", "grpcs://"+addr, service+"UnaryCall").want(t, 0)
	lupineRun(t, "call", "grpcs://"+addr, service+"UnaryCall").want(t, exitFailed, "UNAVAILABLE (14)", "certificate", "executed: no")
	lupineRun(t, "call", "-cacert", ca, "-servername", "other.example", "grpcs://"+addr, service+"UnaryCall").want(t, exitFailed, "other.example", "executed: no")
	lupineRun(t, "call", "-cacert", filepath.Join(dir, "junk.pem"), "grpcs://"+addr, service+"UnaryCall").want(t, exitTrouble, "holds no certificate")
	lupineRun(t, "call", "--timeout", "20s", "grpc://"+addr, service+"UnaryCall").want(t, exitFailed, "executed: no")
}

func TestCallUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	begin := time.Now()
	lupineRun(t, "call", "grpc://"+addr, service+"UnaryCall").want(t, exitFailed,
		"error: UNAVAILABLE (14)", "refused", "executed: no, it is safe to call again\n", "what to do: check the address")
	lupineRun(t, "list", "grpc://"+addr).want(t, exitFailed, "refused")
	lupineRun(t, "call", "unix://"+filepath.ToSlash(filepath.Join(t.TempDir(), "no.sock")), service+"UnaryCall").want(t, exitFailed, "no.sock", "executed: no")
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("three failures took %v", took)
	}
	// Somebody listens who never says a word.
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	lupineRun(t, "call", "--timeout", "300ms", "grpc://"+mute.Addr().String(), service+"UnaryCall").want(t, exitFailed, "executed: no")
}

func TestCallBadRequests(t *testing.T) {
	target := "grpc://" + startPeer(t, reflectBoth, nil)
	unary, bidi, client := service+"UnaryCall", service+"FullDuplexCall", service+"StreamingInputCall"
	for _, test := range []struct {
		stdin, data, method string
		want                string
	}{
		{"", `{"responseSize":`, unary, "request 1 (-d), which must be the JSON of a grpc.testing.SimpleRequest: the JSON ends in the middle"},
		{"", `{"respSize":1}`, unary, `unknown field "respSize"; the fields are responseType, responseSize`},
		{"", `{"responseSize":"x"}`, unary, "responseSize"},
		{"", `nonsense`, unary, "request 1 (-d)"},
		{"", `[1]`, unary, "request 1 (-d)"},
		{"", `{} {}`, unary, "more than one JSON value"},
		{"", ``, unary, "-d is empty"},
		{"", `@none.json`, unary, "-d @none.json: no such file"},
		{"", `-`, unary, "stdin is empty"},
		{`{"payload":{"body":"AAAA"}}{"payl`, "-", client, "request 2 (stdin), which must be the JSON of a grpc.testing.StreamingInputCallRequest: the JSON ends in the middle"},
		{`{"responseParameters":[{"size":1}]}{"responseParameters":[{"si`, "-", bidi, "request 2 (stdin)"},
		{`{}{"x":1}`, "-", bidi, `request 2 (stdin), which must be the JSON of a grpc.testing.StreamingOutputCallRequest`},
	} {
		lupineIn(t, t.TempDir(), test.stdin, "call", "-d", test.data, target, test.method).want(t, exitTrouble, test.want)
	}
	// An error of the server does not wait for the rest of stdin.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	defer r.Close()
	p := startLupine(t, r, "call", target, client)
	if _, err := io.WriteString(w, "{}\n"); err != nil {
		t.Fatal(err)
	}
	if status := p.wait(t); status != exitFailed || !strings.Contains(p.errOut.String(), "an empty payload") {
		t.Errorf("exit status %d, stderr %q", status, p.errOut.String())
	}
}

// A bidi stream is a conversation: each reply comes before the next request.
func TestCallConversation(t *testing.T) {
	target := "grpc://" + startPeer(t, reflectBoth, nil)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := startLupine(t, r, "call", "-d", "-", target, service+"FullDuplexCall")
	for _, step := range []struct{ ask, want string }{
		{`{"responseParameters":[{"size":1}]}`, `{"payload":{"body":"AA=="}}`},
		{`{"responseParameters":[{"size":2}]}`, `{"payload":{"body":"AAA="}}`},
	} {
		if _, err := io.WriteString(w, step.ask+"\n"); err != nil {
			t.Fatal(err)
		}
		if got := p.line(t); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
	w.Close()
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d, stderr %q", status, p.errOut.String())
	}
}
