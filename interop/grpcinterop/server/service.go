package main

import (
	"context"
	"io"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/grpcinterop"
	"github.com/lupine-rpc/lupine/interop/grpcinterop/orcapb"
	"github.com/lupine-rpc/lupine/interop/grpcinterop/testpb"
)

// service does what requests ask.
type service struct {
	testpb.UnimplementedTestServiceServer
	load *load
}

// EmptyCall answers nothing with nothing.
func (*service) EmptyCall(context.Context, *testpb.Empty) (*testpb.Empty, error) {
	return new(testpb.Empty), nil
}

// UnaryCall answers with a payload of the size, or the status, asked for.
func (*service) UnaryCall(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if err := echo(ctx); err != nil {
		return nil, err
	}
	if r := req.GetOrcaPerQueryReport(); r != nil {
		value, err := proto.Marshal(report(r))
		if err != nil {
			return nil, err
		}
		if err := lupine.ServerCallFrom(ctx).SetTrailer(lupine.Pairs(grpcinterop.LoadReport, string(value))); err != nil {
			return nil, err
		}
	}
	if err := status(req.GetResponseStatus()); err != nil {
		return nil, err
	}
	p, err := payload(req.GetResponseType(), req.GetResponseSize())
	return &testpb.SimpleResponse{Payload: p}, err
}

// StreamingOutputCall sends payloads of the sizes asked for.
func (*service) StreamingOutputCall(ctx context.Context, req *testpb.StreamingOutputCallRequest, out *lupine.Sender[testpb.StreamingOutputCallResponse]) error {
	return answer(ctx, req, out)
}

// StreamingInputCall answers with the size of all payloads together.
func (*service) StreamingInputCall(ctx context.Context, in *lupine.Receiver[testpb.StreamingInputCallRequest]) (*testpb.StreamingInputCallResponse, error) {
	sum := 0
	for req, err := range in.All(ctx) {
		if err != nil {
			return nil, err
		}
		sum += len(req.GetPayload().GetBody())
	}
	return &testpb.StreamingInputCallResponse{AggregatedPayloadSize: int32(sum)}, nil
}

// FullDuplexCall answers each request as it comes.
func (s *service) FullDuplexCall(ctx context.Context, in *lupine.Receiver[testpb.StreamingOutputCallRequest], out *lupine.Sender[testpb.StreamingOutputCallResponse]) error {
	if err := echo(ctx); err != nil {
		return err
	}
	for req, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		if err := status(req.GetResponseStatus()); err != nil {
			return err
		}
		if r := req.GetOrcaOobReport(); r != nil {
			s.load.set(report(r))
		}
		if err := answer(ctx, req, out); err != nil {
			return err
		}
	}
	return nil
}

// HalfDuplexCall answers all requests after the last.
func (*service) HalfDuplexCall(ctx context.Context, in *lupine.Receiver[testpb.StreamingOutputCallRequest], out *lupine.Sender[testpb.StreamingOutputCallResponse]) error {
	var all []*testpb.StreamingOutputCallRequest
	for {
		req, err := in.Recv(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		all = append(all, req)
	}
	for _, req := range all {
		if err := answer(ctx, req, out); err != nil {
			return err
		}
	}
	return nil
}

func answer(ctx context.Context, req *testpb.StreamingOutputCallRequest, out *lupine.Sender[testpb.StreamingOutputCallResponse]) error {
	for _, p := range req.GetResponseParameters() {
		if err := wait(ctx, time.Duration(p.GetIntervalUs())*time.Microsecond); err != nil {
			return err
		}
		body, err := payload(req.GetResponseType(), p.GetSize())
		if err != nil {
			return err
		}
		if err := out.Send(ctx, &testpb.StreamingOutputCallResponse{Payload: body}); err != nil {
			return err
		}
	}
	return nil
}

// echo sends back the metadata that is to be sent back.
func echo(ctx context.Context) error {
	call := lupine.ServerCallFrom(ctx)
	if call.Header.Has(grpcinterop.EchoInitial) {
		if err := call.SetHeader(lupine.Pairs(grpcinterop.EchoInitial, call.Header.Get(grpcinterop.EchoInitial))); err != nil {
			return err
		}
	}
	if !call.Header.Has(grpcinterop.EchoTrailing) {
		return nil
	}
	return call.SetTrailer(lupine.Pairs(grpcinterop.EchoTrailing, call.Header.Get(grpcinterop.EchoTrailing)))
}

func status(s *testpb.EchoStatus) error {
	if s.GetCode() == 0 {
		return nil
	}
	return &lupine.Error{Code: lupine.Code(s.GetCode()), Message: s.GetMessage()}
}

func payload(kind testpb.PayloadType, size int32) (*testpb.Payload, error) {
	if kind != testpb.PayloadType_COMPRESSABLE || size < 0 {
		return nil, lupine.Errorf(lupine.InvalidArgument, "cannot make a payload of kind %v and %d bytes", kind, size)
	}
	return &testpb.Payload{Type: kind, Body: make([]byte, size)}, nil
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func report(r *testpb.TestOrcaReport) *orcapb.OrcaLoadReport {
	return &orcapb.OrcaLoadReport{
		CpuUtilization: r.GetCpuUtilization(), MemUtilization: r.GetMemoryUtilization(),
		RequestCost: r.GetRequestCost(), Utilization: r.GetUtilization(),
	}
}

// load is what the whole server reports of itself.
type load struct {
	mu  sync.Mutex
	now *orcapb.OrcaLoadReport
}

func (l *load) set(r *orcapb.OrcaLoadReport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = r
}

func (l *load) get() *orcapb.OrcaLoadReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil {
		return new(orcapb.OrcaLoadReport)
	}
	return l.now
}

// reports sends the server's load to whoever asks.
type reports struct {
	orcapb.UnimplementedOpenRcaServiceServer
	load *load
}

// minInterval is the least time between two reports.
const minInterval = 100 * time.Millisecond

// StreamCoreMetrics sends a report at once and then each interval.
func (s reports) StreamCoreMetrics(ctx context.Context, req *orcapb.OrcaLoadReportRequest, out *lupine.Sender[orcapb.OrcaLoadReport]) error {
	every := max(req.GetReportInterval().AsDuration(), minInterval)
	for {
		if err := out.Send(ctx, s.load.get()); err != nil {
			return err
		}
		if err := wait(ctx, every); err != nil {
			return err
		}
	}
}
