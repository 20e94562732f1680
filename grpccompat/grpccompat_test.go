package grpccompat

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
	"github.com/lupine-rpc/lupine/wire/h2"
	"github.com/lupine-rpc/lupine/wire/inproc"
)

// retry is a detail of a type that grpc-go's users know.
var retry = &errdetails.RetryInfo{RetryDelay: durationpb.New(7e9)}

func notFound(t testing.TB) error {
	st, err := status.New(codes.NotFound, "no such ☺").WithDetails(retry)
	if err != nil {
		t.Fatal(err)
	}
	return st.Err()
}

// noStatus is an error whose status is OK, which grpc-go warns about.
type noStatus struct{}

func (noStatus) Error() string              { return "no status" }
func (noStatus) GRPCStatus() *status.Status { return nil }

func TestFromStatus(t *testing.T) {
	theirs := notFound(t)
	ours := lupine.Errorf(lupine.Aborted, "ours")
	for name, c := range map[string]struct {
		err     error
		code    lupine.Code
		message string
		details int
	}{
		"plain":               {theirs, lupine.NotFound, "no such ☺", 1},
		"wrapped":             {fmt.Errorf("reading: %w", theirs), lupine.NotFound, "reading: " + theirs.Error(), 1},
		"joined":              {errors.Join(errors.New("first"), theirs), lupine.NotFound, "first\n" + theirs.Error(), 1},
		"ours":                {ours, lupine.Aborted, "ours", 0},
		"ours around theirs":  {lupine.Errorf(lupine.Aborted, "x: %w", theirs), lupine.Aborted, "x: " + theirs.Error(), 0},
		"theirs around ours":  {ToStatus(ours), lupine.Aborted, "ours", 0},
		"context":             {context.DeadlineExceeded, lupine.DeadlineExceeded, "context deadline exceeded", 0},
		"something else":      {errors.New("eh"), lupine.Unknown, "eh", 0},
		"status OK":           {noStatus{}, lupine.Unknown, "no status", 0},
		"a code of one's own": {status.Error(99, "odd"), 99, "odd", 0},
	} {
		e := lupine.AsError(FromStatus(c.err))
		if e.Code != c.code || e.Message != c.message || len(e.Details) != c.details {
			t.Errorf("%s: %+v; want %v, %q, %d details", name, e, c.code, c.message, c.details)
		}
		if !errors.Is(FromStatus(c.err), c.err) {
			t.Errorf("%s: the error given is not the cause", name)
		}
	}
	if err := FromStatus(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	d := lupine.AsError(FromStatus(theirs)).Details[0]
	var got errdetails.RetryInfo
	if err := proto.Unmarshal(d.Value, &got); err != nil || d.Type != "google.rpc.RetryInfo" || !proto.Equal(&got, retry) {
		t.Errorf("the detail is %q %v, %v", d.Type, &got, err)
	}
}

func TestToStatus(t *testing.T) {
	value, err := proto.Marshal(retry)
	if err != nil {
		t.Fatal(err)
	}
	e := lupine.Errorf(lupine.Canceled, "gone \xff").WithDetail(lupine.Detail{Type: "google.rpc.RetryInfo", Value: value}).
		WithDetail(lupine.Detail{Type: "types.example/a.B", Value: []byte{1}}).NotExecuted()
	converted := ToStatus(e)
	st, ok := status.FromError(converted)
	if !ok || st.Code() != codes.Canceled || st.Message() != "gone \uFFFD" || len(st.Details()) != 2 {
		t.Fatalf("%v, %v", st, ok)
	}
	if got, ok := st.Details()[0].(*errdetails.RetryInfo); !ok || !proto.Equal(got, retry) {
		t.Errorf("the detail is %v", st.Details()[0])
	}
	if url := st.Proto().Details[1].TypeUrl; url != "types.example/a.B" {
		t.Errorf("a type of another registry became %q", url)
	}
	var back *lupine.Error
	if !errors.As(converted, &back) || back != e || !errors.Is(converted, context.Canceled) || lupine.CodeOf(converted) != lupine.Canceled {
		t.Errorf("errors.As and Is do not see the *lupine.Error in %v", converted)
	}
	if status.Code(fmt.Errorf("calling: %w", converted)) != codes.Canceled || converted.Error() != e.Error() {
		t.Errorf("wrapped: %v", converted)
	}
	if ToStatus(nil) != nil {
		t.Error("nil became an error")
	}
}

// echo answers every call with a status error of grpc-go's.
type echo struct {
	testpb.UnimplementedEchoServer
	err error
}

func (s echo) Say(context.Context, *testpb.EchoRequest) (*testpb.EchoReply, error) { return nil, s.err }

func (s echo) List(ctx context.Context, _ *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
	if err := out.Send(ctx, &testpb.EchoReply{}); err != nil {
		return err
	}
	return fmt.Errorf("listing: %w", s.err)
}

func server(t *testing.T) *lupine.Server {
	srv := lupine.ServerConfig{ConvertError: FromStatus, Log: slog.New(slog.DiscardHandler)}.NewServer()
	testpb.RegisterEcho(srv, echo{err: notFound(t)})
	return srv
}

// check looks at an error as a user of grpc-go would.
func check(t *testing.T, what string, err error, message string) {
	t.Helper()
	st, ok := status.FromError(err)
	if !ok || st.Code() != codes.NotFound || !strings.Contains(st.Message(), message) || len(st.Details()) != 1 {
		t.Errorf("%s: %v (%v); want NotFound with a detail", what, st, err)
		return
	}
	if got, ok := st.Details()[0].(*errdetails.RetryInfo); !ok || !proto.Equal(got, retry) {
		t.Errorf("%s: the detail is %v", what, st.Details()[0])
	}
}

// A status error goes from a Lupine handler to a Lupine caller.
func TestLupineBothEnds(t *testing.T) {
	srv, network := server(t), inproc.New()
	if err := srv.Bind(t.Context(), network.Listen()); err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(context.Background()) }()
	defer func() {
		srv.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()
	for _, convert := range []func(*lupine.Error) error{nil, ToStatus} {
		conn, err := lupine.DialConfig{ConvertError: convert}.Dial(t.Context(), network.To())
		if err != nil {
			t.Fatal(err)
		}
		client := testpb.NewEchoClient(conn)
		_, say := client.Say(t.Context(), &testpb.EchoRequest{})
		_, pending := client.StartSay(t.Context(), &testpb.EchoRequest{}).Wait(t.Context())
		stream := client.List(t.Context(), &testpb.EchoRequest{})
		if _, err := stream.Recv(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, list := stream.Recv(t.Context())
		for what, err := range map[string]error{"Say": say, "StartSay": pending, "List": list} {
			var e *lupine.Error
			if !errors.As(err, &e) || e.Code != lupine.NotFound || e.Executed != lupine.Yes || len(e.Details) != 1 {
				t.Errorf("%s: %+v", what, err)
			}
			if convert == nil {
				if _, ok := status.FromError(err); ok {
					t.Errorf("%s: without ToStatus, status.FromError understands %T", what, err)
				}
				continue
			}
			check(t, what, err, "no such ☺")
		}
		conn.Close()
	}
}

// A status error goes from a Lupine handler to a grpc-go caller, by way of
// net/http.
func TestGRPCCaller(t *testing.T) {
	handler := h2.HandlerConfig{}.NewHandler()
	srv := server(t)
	if err := srv.Bind(t.Context(), handler); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	web := httptest.NewUnstartedServer(handler)
	web.Config.Protocols = new(http.Protocols)
	web.Config.Protocols.SetUnencryptedHTTP2(true)
	web.Start()
	defer web.Close()
	conn, err := grpc.NewClient(strings.TrimPrefix(web.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Invoke(t.Context(), "/lupine.test.v1.Echo/Say", &testpb.EchoRequest{}, &testpb.EchoReply{})
	check(t, "Say", err, "no such ☺")
	s, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/lupine.test.v1.Echo/List")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SendMsg(&testpb.EchoRequest{}); err != nil {
		t.Fatal(err)
	}
	s.CloseSend()
	if err := s.RecvMsg(&testpb.EchoReply{}); err != nil {
		t.Fatal(err)
	}
	err = s.RecvMsg(&testpb.EchoReply{})
	check(t, "List", err, "listing")
	if err == io.EOF {
		t.Error("List ended well")
	}
}
