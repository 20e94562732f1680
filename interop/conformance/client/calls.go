package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/conformance"
	pb "github.com/lupine-rpc/lupine/interop/conformance/connectrpc/conformance/v1"
)

// job is one call to make, and what became of it.
type job struct {
	*pb.ClientCompatRequest
	client pb.ConformanceServiceClient
	opts   []lupine.CallOption
	cancel context.CancelFunc // ends the call
	result *pb.ClientResponseResult
}

// perform makes the call. An error means that it could not be tried at all; how
// it failed is part of the result.
func perform(ctx context.Context, c *conns, req *pb.ClientCompatRequest) (*pb.ClientResponseResult, error) {
	if req.GetProtocol() != pb.Protocol_PROTOCOL_GRPC || req.GetHttpVersion() != pb.HTTPVersion_HTTP_VERSION_2 || req.GetCodec() != pb.Codec_CODEC_PROTO {
		return nil, errors.New("only gRPC over HTTP/2 with protobuf is spoken")
	}
	conn, err := c.to(ctx, req)
	if err != nil {
		return nil, err
	}
	j := job{ClientCompatRequest: req, client: pb.NewConformanceServiceClient(conn), result: new(pb.ClientResponseResult)}
	header, err := conformance.FromHeaders(req.GetRequestHeaders())
	if err != nil {
		return nil, err
	}
	j.opts = []lupine.CallOption{lupine.WithHeader(header)}
	switch req.GetCompression() {
	case pb.Compression_COMPRESSION_UNSPECIFIED, pb.Compression_COMPRESSION_IDENTITY:
	case pb.Compression_COMPRESSION_GZIP:
		j.opts = append(j.opts, lupine.Compress("gzip"))
	case pb.Compression_COMPRESSION_ZSTD:
		j.opts = append(j.opts, lupine.Compress("zstd"))
	default:
		return nil, fmt.Errorf("compression %v is not spoken", req.GetCompression())
	}
	if n := req.GetMessageReceiveLimit(); n > 0 {
		j.opts = append(j.opts, lupine.MaxReceive(int(n)))
	}
	if req.TimeoutMs != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(req.GetTimeoutMs())*time.Millisecond)
		defer cancel()
	}
	ctx, j.cancel = context.WithCancel(ctx)
	defer j.cancel()
	switch req.GetMethod() {
	case "Unary":
		err = unary(ctx, &j, j.client.Unary)
	case "IdempotentUnary":
		err = unary(ctx, &j, j.client.IdempotentUnary)
	case "Unimplemented":
		err = unary(ctx, &j, j.client.Unimplemented)
	case "ServerStream":
		err = j.serverStream(ctx)
	case "ClientStream":
		err = j.clientStream(ctx)
	case "BidiStream":
		err = j.bidiStream(ctx)
	default:
		err = fmt.Errorf("there is no method %s", req.GetMethod())
	}
	return j.result, err
}

// message is a pointer to T that is a protobuf message.
type message[T any] interface {
	*T
	proto.Message
}

// requests decodes the request messages.
func requests[T any, M message[T]](j *job) ([]M, error) {
	var all []M
	for _, a := range j.GetRequestMessages() {
		m := M(new(T))
		if err := a.UnmarshalTo(m); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// only decodes the request message of a call that has one.
func only[T any, M message[T]](j *job) (M, error) {
	all, err := requests[T, M](j)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, fmt.Errorf("%s takes one request, not %d", j.GetMethod(), len(all))
	}
	return all[0], nil
}

// got notes a reply, which counts even if it is empty.
func (j *job) got(reply any) {
	if r, ok := reply.(interface {
		GetPayload() *pb.ConformancePayload
	}); ok {
		payload := r.GetPayload()
		if payload == nil {
			payload = new(pb.ConformancePayload)
		}
		j.result.Payloads = append(j.result.Payloads, payload)
	}
	if n := j.GetCancel().GetAfterNumResponses(); n > 0 && len(j.result.GetPayloads()) == int(n) {
		j.cancel()
	}
}

// ended notes how the call ended.
func (j *job) ended(err error, header, trailer lupine.Metadata) {
	if err == io.EOF {
		err = nil
	}
	j.result.Error = conformance.ToError(err)
	j.result.ResponseHeaders = conformance.ToHeaders(header)
	j.result.ResponseTrailers = conformance.ToHeaders(trailer)
}

// cancelLater cancels the call if that is to happen some time after its last
// request.
func (j *job) cancelLater() {
	c := j.GetCancel()
	if c == nil {
		return
	}
	switch when := c.GetCancelTiming().(type) {
	case nil:
		j.cancel()
	case *pb.ClientCompatRequest_Cancel_AfterCloseSendMs:
		time.AfterFunc(time.Duration(when.AfterCloseSendMs)*time.Millisecond, j.cancel)
	}
}

// delay waits before a request is sent.
func (j *job) delay() { time.Sleep(time.Duration(j.GetRequestDelayMs()) * time.Millisecond) }

// cancelsInstead reports whether the call is canceled where it would say that no
// more requests follow.
func (j *job) cancelsInstead() bool { return j.GetCancel().GetBeforeCloseSend() != nil }

func unary[Req, Res any, M message[Req]](ctx context.Context, j *job, call func(context.Context, M, ...lupine.CallOption) (*Res, error)) error {
	req, err := only[Req, M](j)
	if err != nil {
		return err
	}
	var header, trailer lupine.Metadata
	j.delay()
	j.cancelLater()
	res, err := call(ctx, req, append(j.opts, lupine.ReplyHeader(&header), lupine.ReplyTrailer(&trailer))...)
	if err == nil {
		j.got(res)
	}
	j.ended(err, header, trailer)
	return nil
}

func (j *job) serverStream(ctx context.Context) error {
	req, err := only[pb.ServerStreamRequest](j)
	if err != nil {
		return err
	}
	j.delay()
	s := j.client.ServerStream(ctx, req, j.opts...)
	defer s.Close()
	j.cancelLater()
	err = receive(ctx, j, s.Recv)
	header, _ := s.Header(context.Background()) // its error is the call's
	j.ended(err, header, s.Trailer())
	return nil
}

func (j *job) clientStream(ctx context.Context) error {
	reqs, err := requests[pb.ClientStreamRequest](j)
	if err != nil {
		return err
	}
	s := j.client.ClientStream(ctx, j.opts...)
	defer s.Close()
	for i, req := range reqs {
		j.delay()
		if err := s.Send(ctx, req); err != nil {
			j.result.NumUnsentRequests = int32(len(reqs) - i)
			break
		}
	}
	if j.cancelsInstead() {
		j.cancel()
	} else {
		j.cancelLater()
	}
	res, err := s.CloseAndRecv(context.Background()) // ctx, the call's, ends it
	if err == nil {
		j.got(res)
	}
	header, _ := s.Header(context.Background())
	j.ended(err, header, s.Trailer())
	return nil
}

func (j *job) bidiStream(ctx context.Context) error {
	reqs, err := requests[pb.BidiStreamRequest](j)
	if err != nil {
		return err
	}
	s := j.client.BidiStream(ctx, j.opts...)
	defer s.Close()
	full := j.GetStreamType() == pb.StreamType_STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM
	over := false // the replies have ended
	for i, req := range reqs {
		j.delay()
		if err = s.Send(ctx, req); err != nil {
			j.result.NumUnsentRequests = int32(len(reqs) - i)
			break
		}
		if full {
			var res *pb.BidiStreamResponse
			if res, err = s.Recv(context.Background()); err != nil {
				over = true
				break
			}
			j.got(res)
		}
	}
	if j.cancelsInstead() {
		j.cancel()
	} else {
		s.CloseSend(context.Background()) // a failure shows in Recv
		j.cancelLater()
	}
	if !over {
		err = receive(context.Background(), j, s.Recv)
	}
	header, _ := s.Header(context.Background())
	j.ended(err, header, s.Trailer())
	return nil
}

// receive takes replies to the last and returns why there are no more.
func receive[Res any](ctx context.Context, j *job, recv func(context.Context) (*Res, error)) error {
	for {
		res, err := recv(context.WithoutCancel(ctx)) // the call's own context ends it
		if err != nil {
			return err
		}
		j.got(res)
	}
}
