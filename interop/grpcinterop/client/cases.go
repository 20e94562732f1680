package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/grpcinterop"
	"github.com/lupine-rpc/lupine/interop/grpcinterop/testpb"
)

// cases are the tests by name. They return what the server did wrong.
var cases = map[string]func(context.Context, *client) error{
	"empty_unary":                 emptyUnary,
	"large_unary":                 largeUnary,
	"client_streaming":            clientStreaming,
	"server_streaming":            serverStreaming,
	"ping_pong":                   pingPong,
	"empty_stream":                emptyStream,
	"timeout_on_sleeping_server":  timeoutOnSleepingServer,
	"cancel_after_begin":          cancelAfterBegin,
	"cancel_after_first_response": cancelAfterFirstResponse,
	"status_code_and_message":     statusCodeAndMessage,
	"special_status_message":      specialStatusMessage,
	"custom_metadata":             customMetadata,
	"unimplemented_method":        unimplementedMethod,
	"unimplemented_service":       unimplementedService,
	"orca_per_rpc":                orcaPerRPC,
	"orca_oob":                    orcaOOB,
	"rpc_soak":                    rpcSoak,
	"channel_soak":                channelSoak,
}

// Sizes of payloads, in bytes, as the descriptions give them.
const (
	largeRequest  = 271828
	largeResponse = 314159
)

var (
	requestSizes  = []int{27182, 8, 1828, 45904}
	responseSizes = []int{31415, 9, 2653, 58979}
)

func zeros(size int) *testpb.Payload { return &testpb.Payload{Body: make([]byte, size)} }

func (c *client) service() testpb.TestServiceClient { return testpb.NewTestServiceClient(c.Conn) }

// sized says whether a reply's payload is what was asked for.
func sized(p *testpb.Payload, want int) error {
	if p.GetType() != testpb.PayloadType_COMPRESSABLE || len(p.GetBody()) != want {
		return fmt.Errorf("payload of kind %v and %d bytes, want %d", p.GetType(), len(p.GetBody()), want)
	}
	return nil
}

// failed says whether a call failed as it must.
func failed(err error, code lupine.Code, message string) error {
	var e *lupine.Error
	if !errors.As(err, &e) || e.Code != code || message != "" && e.Message != message {
		return fmt.Errorf("the call ended with %v, want %v %q", err, code, message)
	}
	return nil
}

// ended says whether a stream ended with OK.
func ended(err error) error {
	switch err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("one reply too many")
	}
	return err
}

func emptyUnary(ctx context.Context, c *client) error {
	_, err := c.service().EmptyCall(ctx, new(testpb.Empty))
	return err
}

func largeUnary(ctx context.Context, c *client) error {
	return c.large(ctx, largeRequest, largeResponse)
}

func (c *client) large(ctx context.Context, request, response int) error {
	res, err := c.service().UnaryCall(ctx, &testpb.SimpleRequest{ResponseSize: int32(response), Payload: zeros(request)})
	if err != nil {
		return err
	}
	return sized(res.GetPayload(), response)
}

func clientStreaming(ctx context.Context, c *client) error {
	s := c.service().StreamingInputCall(ctx)
	defer s.Close()
	sum := 0
	for _, n := range requestSizes {
		if err := s.Send(ctx, &testpb.StreamingInputCallRequest{Payload: zeros(n)}); err != nil {
			return err
		}
		sum += n
	}
	res, err := s.CloseAndRecv(ctx)
	if err != nil {
		return err
	}
	if got := int(res.GetAggregatedPayloadSize()); got != sum {
		return fmt.Errorf("the server counted %d bytes of %d", got, sum)
	}
	return nil
}

func serverStreaming(ctx context.Context, c *client) error {
	req := new(testpb.StreamingOutputCallRequest)
	for _, n := range responseSizes {
		req.ResponseParameters = append(req.ResponseParameters, &testpb.ResponseParameters{Size: int32(n)})
	}
	s := c.service().StreamingOutputCall(ctx, req)
	defer s.Close()
	for _, n := range responseSizes {
		res, err := s.Recv(ctx)
		if err != nil {
			return err
		}
		if err := sized(res.GetPayload(), n); err != nil {
			return err
		}
	}
	_, err := s.Recv(ctx)
	return ended(err)
}

// asking is a request for one reply.
func asking(request, response int) *testpb.StreamingOutputCallRequest {
	return &testpb.StreamingOutputCallRequest{
		Payload:            zeros(request),
		ResponseParameters: []*testpb.ResponseParameters{{Size: int32(response)}},
	}
}

// chat is a full-duplex call.
type chat = lupine.BidiStream[testpb.StreamingOutputCallRequest, testpb.StreamingOutputCallResponse]

// ask sends one request and receives its reply.
func ask(ctx context.Context, s *chat, request, response int) error {
	// That the call has ended shows in Recv, with the reason.
	if err := s.Send(ctx, asking(request, response)); err != nil && err != io.EOF {
		return err
	}
	res, err := s.Recv(ctx)
	if err != nil {
		return err
	}
	return sized(res.GetPayload(), response)
}

// finish says that no more requests follow and waits for the end.
func finish(ctx context.Context, s *chat) error {
	if err := s.CloseSend(ctx); err != nil && err != io.EOF {
		return err
	}
	_, err := s.Recv(ctx)
	return ended(err)
}

func pingPong(ctx context.Context, c *client) error {
	s := c.service().FullDuplexCall(ctx)
	defer s.Close()
	for i, n := range requestSizes {
		if err := ask(ctx, s, n, responseSizes[i]); err != nil {
			return err
		}
	}
	return finish(ctx, s)
}

func emptyStream(ctx context.Context, c *client) error {
	s := c.service().FullDuplexCall(ctx)
	defer s.Close()
	return finish(ctx, s)
}

func timeoutOnSleepingServer(ctx context.Context, c *client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	s := c.service().FullDuplexCall(ctx)
	defer s.Close()
	// No reply is asked for, so that the server waits. Whether the request still
	// leaves in time does not matter.
	s.Send(context.Background(), &testpb.StreamingOutputCallRequest{Payload: zeros(27182)})
	_, err := s.Recv(context.Background())
	return failed(err, lupine.DeadlineExceeded, "")
}

func cancelAfterBegin(ctx context.Context, c *client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s := c.service().StreamingInputCall(ctx, lupine.WithHeader(lupine.Pairs("key1", "value1", "key2", "value2")))
	defer s.Close()
	// Asking for the reply's header sends the request's. It will not come.
	moment, stop := context.WithTimeout(ctx, 20*time.Millisecond)
	defer stop()
	if _, err := s.Header(moment); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("asking for the header before any request: %w", err)
	}
	cancel()
	_, err := s.CloseAndRecv(context.Background())
	return failed(err, lupine.Canceled, "")
}

func cancelAfterFirstResponse(ctx context.Context, c *client) error {
	call, cancel := context.WithCancel(ctx)
	defer cancel()
	s := c.service().FullDuplexCall(call)
	defer s.Close()
	if err := ask(ctx, s, requestSizes[0], responseSizes[0]); err != nil {
		return err
	}
	cancel()
	_, err := s.Recv(ctx)
	return failed(err, lupine.Canceled, "")
}

func statusCodeAndMessage(ctx context.Context, c *client) error {
	const message = "test status message"
	want := &testpb.EchoStatus{Code: int32(lupine.Unknown), Message: message}
	_, err := c.service().UnaryCall(ctx, &testpb.SimpleRequest{ResponseStatus: want})
	if err := failed(err, lupine.Unknown, message); err != nil {
		return err
	}
	s := c.service().FullDuplexCall(ctx)
	defer s.Close()
	if err := s.Send(ctx, &testpb.StreamingOutputCallRequest{ResponseStatus: want}); err != nil {
		return err
	}
	if err := s.CloseSend(ctx); err != nil && err != io.EOF {
		return err
	}
	_, err = s.Recv(ctx)
	return failed(err, lupine.Unknown, message)
}

func specialStatusMessage(ctx context.Context, c *client) error {
	const message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
	_, err := c.service().UnaryCall(ctx, &testpb.SimpleRequest{ResponseStatus: &testpb.EchoStatus{Code: int32(lupine.Unknown), Message: message}})
	return failed(err, lupine.Unknown, message)
}

func customMetadata(ctx context.Context, c *client) error {
	const initial, trailing = "test_initial_metadata_value", "\xab\xab\xab"
	with := lupine.WithHeader(lupine.Pairs(grpcinterop.EchoInitial, initial, grpcinterop.EchoTrailing, trailing))
	echoed := func(header, trailer lupine.Metadata) error {
		if got := header.Get(grpcinterop.EchoInitial); got != initial {
			return fmt.Errorf("header %s is %q, want %q", grpcinterop.EchoInitial, got, initial)
		}
		if got := trailer.Get(grpcinterop.EchoTrailing); got != trailing {
			return fmt.Errorf("trailer %s is %q, want %q", grpcinterop.EchoTrailing, got, trailing)
		}
		return nil
	}
	var header, trailer lupine.Metadata
	res, err := c.service().UnaryCall(ctx, &testpb.SimpleRequest{ResponseSize: largeResponse, Payload: zeros(largeRequest)},
		with, lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))
	if err != nil {
		return err
	}
	if err := sized(res.GetPayload(), largeResponse); err != nil {
		return err
	}
	if err := echoed(header, trailer); err != nil {
		return err
	}
	s := c.service().FullDuplexCall(ctx, with)
	defer s.Close()
	if err := ask(ctx, s, largeRequest, largeResponse); err != nil {
		return err
	}
	if err := finish(ctx, s); err != nil {
		return err
	}
	if header, err = s.Header(ctx); err != nil {
		return err
	}
	return echoed(header, s.Trailer())
}

func unimplementedMethod(ctx context.Context, c *client) error {
	_, err := c.service().UnimplementedCall(ctx, new(testpb.Empty))
	return failed(err, lupine.Unimplemented, "")
}

func unimplementedService(ctx context.Context, c *client) error {
	_, err := testpb.NewUnimplementedServiceClient(c.Conn).UnimplementedCall(ctx, new(testpb.Empty))
	return failed(err, lupine.Unimplemented, "")
}
