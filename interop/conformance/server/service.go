package main

import (
	"context"
	"io"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/conformance"
	pb "github.com/lupine-rpc/lupine/interop/conformance/connectrpc/conformance/v1"
)

// service answers as each call's first request says, and tells the caller what
// it saw of the call. Its rules are those of the comments in service.proto.
type service struct {
	pb.UnimplementedConformanceServiceServer
}

// Unary answers one request.
func (service) Unary(ctx context.Context, req *pb.UnaryRequest) (*pb.UnaryResponse, error) {
	saw, err := see(ctx, req)
	if err != nil {
		return nil, err
	}
	payload, err := single(ctx, req.GetResponseDefinition(), saw)
	return &pb.UnaryResponse{Payload: payload}, err
}

// IdempotentUnary is Unary under another name.
func (service) IdempotentUnary(ctx context.Context, req *pb.IdempotentUnaryRequest) (*pb.IdempotentUnaryResponse, error) {
	saw, err := see(ctx, req)
	if err != nil {
		return nil, err
	}
	payload, err := single(ctx, req.GetResponseDefinition(), saw)
	return &pb.IdempotentUnaryResponse{Payload: payload}, err
}

// ClientStream answers all requests at once.
func (service) ClientStream(ctx context.Context, in *lupine.Receiver[pb.ClientStreamRequest]) (*pb.ClientStreamResponse, error) {
	var first *pb.ClientStreamRequest
	var all []proto.Message
	for req, err := range in.All(ctx) {
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = req
		}
		all = append(all, req)
	}
	saw, err := see(ctx, all...)
	if err != nil {
		return nil, err
	}
	payload, err := single(ctx, first.GetResponseDefinition(), saw)
	return &pb.ClientStreamResponse{Payload: payload}, err
}

// ServerStream sends the replies that its request lists.
func (service) ServerStream(ctx context.Context, req *pb.ServerStreamRequest, out *lupine.Sender[pb.ServerStreamResponse]) error {
	saw, err := see(ctx, req)
	if err != nil {
		return err
	}
	r := replies{def: req.GetResponseDefinition(), send: func(p *pb.ConformancePayload) error {
		return out.Send(ctx, &pb.ServerStreamResponse{Payload: p})
	}}
	if err := r.begin(ctx, out.SendHeader); err != nil {
		return err
	}
	return r.rest(ctx, saw)
}

// BidiStream sends the replies that the first request lists: one after each
// request if that asks for full duplex, else all of them after the last.
func (service) BidiStream(ctx context.Context, in *lupine.Receiver[pb.BidiStreamRequest], out *lupine.Sender[pb.BidiStreamResponse]) error {
	r := replies{send: func(p *pb.ConformancePayload) error {
		return out.Send(ctx, &pb.BidiStreamResponse{Payload: p})
	}}
	var unseen []proto.Message // requests that no reply has told of
	var first *pb.BidiStreamRequest
	for {
		req, err := in.Recv(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		unseen = append(unseen, req)
		if first == nil {
			first = req
			r.def = req.GetResponseDefinition()
			if err := r.begin(ctx, out.SendHeader); err != nil {
				return err
			}
		}
		if !first.GetFullDuplex() {
			continue
		}
		if r.sent == len(r.def.GetResponseData()) {
			break
		}
		saw, err := see(ctx, unseen...)
		if err != nil {
			return err
		}
		if r.sent > 0 {
			saw = &pb.ConformancePayload_RequestInfo{Requests: saw.GetRequests()}
		}
		if err := r.next(ctx, saw); err != nil {
			return err
		}
		unseen = nil
	}
	saw, err := see(ctx, unseen...)
	if err != nil {
		return err
	}
	return r.rest(ctx, saw)
}

// replies are those of a stream.
type replies struct {
	def  *pb.StreamResponseDefinition
	send func(*pb.ConformancePayload) error
	sent int
}

// begin sends the header at once.
func (r *replies) begin(ctx context.Context, send func(context.Context) error) error {
	if r.def == nil {
		return nil
	}
	if err := announce(ctx, r.def.GetResponseHeaders(), r.def.GetResponseTrailers()); err != nil {
		return err
	}
	return send(ctx)
}

// next sends one reply.
func (r *replies) next(ctx context.Context, saw *pb.ConformancePayload_RequestInfo) error {
	if err := wait(ctx, r.def.GetResponseDelayMs()); err != nil {
		return err
	}
	p := &pb.ConformancePayload{Data: r.def.GetResponseData()[r.sent], RequestInfo: saw}
	r.sent++
	return r.send(p)
}

// rest sends the replies that are left and returns the status.
func (r *replies) rest(ctx context.Context, saw *pb.ConformancePayload_RequestInfo) error {
	for r.sent < len(r.def.GetResponseData()) {
		if r.sent > 0 {
			saw = nil
		}
		if err := r.next(ctx, saw); err != nil {
			return err
		}
	}
	e := r.def.GetError()
	if e == nil {
		return nil
	}
	if r.sent > 0 {
		saw = nil
	}
	return failure(e, saw)
}

// single makes the only reply of a call, or its error.
func single(ctx context.Context, def *pb.UnaryResponseDefinition, saw *pb.ConformancePayload_RequestInfo) (*pb.ConformancePayload, error) {
	if err := announce(ctx, def.GetResponseHeaders(), def.GetResponseTrailers()); err != nil {
		return nil, err
	}
	if err := wait(ctx, def.GetResponseDelayMs()); err != nil {
		return nil, err
	}
	if e := def.GetError(); e != nil {
		return nil, failure(e, saw)
	}
	return &pb.ConformancePayload{Data: def.GetResponseData(), RequestInfo: saw}, nil
}

// failure is the error asked for, with what the call saw among its details.
func failure(e *pb.Error, saw *pb.ConformancePayload_RequestInfo) error {
	err := conformance.FromError(e)
	if saw == nil {
		return err
	}
	value, merr := proto.Marshal(saw)
	if merr != nil {
		return merr
	}
	return err.WithDetail(lupine.Detail{Type: string(saw.ProtoReflect().Descriptor().FullName()), Value: value})
}

// announce sets header and trailer.
func announce(ctx context.Context, header, trailer []*pb.Header) error {
	call := lupine.ServerCallFrom(ctx)
	md, err := conformance.FromHeaders(header)
	if err != nil {
		return err
	}
	if err := call.SetHeader(md); err != nil {
		return err
	}
	if md, err = conformance.FromHeaders(trailer); err != nil {
		return err
	}
	return call.SetTrailer(md)
}

// see tells what the handler sees of its call.
func see(ctx context.Context, requests ...proto.Message) (*pb.ConformancePayload_RequestInfo, error) {
	saw := &pb.ConformancePayload_RequestInfo{RequestHeaders: conformance.ToHeaders(lupine.ServerCallFrom(ctx).Header)}
	if at, ok := ctx.Deadline(); ok {
		saw.TimeoutMs = proto.Int64(max(time.Until(at), 0).Milliseconds())
	}
	for _, m := range requests {
		a, err := anypb.New(m)
		if err != nil {
			return nil, err
		}
		saw.Requests = append(saw.Requests, a)
	}
	return saw, nil
}

// wait delays a reply as the suite asks, or until the call has ended.
func wait(ctx context.Context, ms uint32) error {
	if ms == 0 {
		return nil
	}
	t := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
