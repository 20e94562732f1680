package main

import (
	"context"
	"fmt"
	"log"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/grpcinterop"
	"github.com/lupine-rpc/lupine/interop/grpcinterop/orcapb"
	"github.com/lupine-rpc/lupine/interop/grpcinterop/testpb"
)

// loads is the policy test_backend_metrics_load_balancer: it picks as pick-first
// does, and learns from the end of each call how loaded the backend is.
type loads struct {
	mu   sync.Mutex
	last *orcapb.OrcaLoadReport // out of band
}

func (l *loads) picker() lupine.Picker { return &loadPicker{Picker: lupine.PickFirst(), loads: l} }

type loadPicker struct {
	lupine.Picker
	loads *loads
}

// wanted is where a call's load report is to be put.
type wanted struct{}

// Pick asks to be told how the call went.
func (p *loadPicker) Pick(info lupine.PickInfo) (*lupine.Link, func(lupine.Outcome), error) {
	link, done, err := p.Picker.Pick(info)
	to, ok := info.Ctx.Value(wanted{}).(**orcapb.OrcaLoadReport)
	if link == nil || err != nil || !ok {
		return link, done, err
	}
	return link, func(o lupine.Outcome) {
		if done != nil {
			done(o)
		}
		*to = p.loads.after(o.Trailer)
	}, nil
}

// after is the load once a call has ended: its own report, if that says
// anything, else the last that came out of band.
func (l *loads) after(trailer lupine.Metadata) *orcapb.OrcaLoadReport {
	if value := trailer.Get(grpcinterop.LoadReport); value != "" {
		r := new(orcapb.OrcaLoadReport)
		if err := proto.Unmarshal([]byte(value), r); err == nil {
			return r
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// listen receives reports out of band until ctx ends.
func (l *loads) listen(ctx context.Context, conn *lupine.Conn) error {
	s := orcapb.NewOpenRcaServiceClient(conn).StreamCoreMetrics(ctx, &orcapb.OrcaLoadReportRequest{ReportInterval: durationpb.New(time.Second)})
	for r, err := range s.All() {
		if err != nil {
			return err
		}
		l.mu.Lock()
		l.last = r
		l.mu.Unlock()
	}
	return nil
}

const orcaTimeout = 30 * time.Second

// measured makes a call and returns the load that the policy saw.
func (c *client) measured(ctx context.Context, ask *testpb.TestOrcaReport) (*orcapb.OrcaLoadReport, error) {
	if c.loads == nil {
		return nil, fmt.Errorf(`-service_config_json must name the policy: {"loadBalancingConfig":[{"test_backend_metrics_load_balancer":{}}]}`)
	}
	var got *orcapb.OrcaLoadReport
	_, err := c.service().UnaryCall(context.WithValue(ctx, wanted{}, &got), &testpb.SimpleRequest{OrcaPerQueryReport: ask})
	return got, err
}

func orcaPerRPC(ctx context.Context, c *client) error {
	ctx, cancel := context.WithTimeout(ctx, orcaTimeout)
	defer cancel()
	got, err := c.measured(ctx, &testpb.TestOrcaReport{
		CpuUtilization: 0.8210, MemoryUtilization: 0.5847,
		RequestCost: map[string]float64{"cost": 3456.32}, Utilization: map[string]float64{"util": 0.30499},
	})
	if err != nil {
		return err
	}
	want := &orcapb.OrcaLoadReport{
		CpuUtilization: 0.8210, MemUtilization: 0.5847,
		RequestCost: map[string]float64{"cost": 3456.32}, Utilization: map[string]float64{"util": 0.30499},
	}
	if !proto.Equal(got, want) {
		return fmt.Errorf("load report %v, want %v", got, want)
	}
	return nil
}

func orcaOOB(ctx context.Context, c *client) error {
	ctx, cancel := context.WithTimeout(ctx, orcaTimeout)
	defer cancel()
	if c.loads != nil {
		go func() {
			// Without reports the case fails anyway: this says why.
			if err := c.loads.listen(ctx, c.Conn); err != nil && ctx.Err() == nil {
				log.Printf("no more reports out of band: %v", err)
			}
		}()
	}
	s := c.service().FullDuplexCall(ctx)
	defer s.Close()
	for _, r := range []*testpb.TestOrcaReport{
		{CpuUtilization: 0.8210, MemoryUtilization: 0.5847, Utilization: map[string]float64{"util": 0.30499}},
		{CpuUtilization: 0.29309, MemoryUtilization: 0.2, Utilization: map[string]float64{"util": 0.2039}},
	} {
		req := asking(0, 1)
		req.OrcaOobReport = r
		if err := s.Send(ctx, req); err != nil {
			return err
		}
		if _, err := s.Recv(ctx); err != nil {
			return err
		}
		want := &orcapb.OrcaLoadReport{CpuUtilization: r.CpuUtilization, MemUtilization: r.MemoryUtilization, Utilization: r.Utilization}
		if err := c.eventually(ctx, want); err != nil {
			return err
		}
	}
	return finish(ctx, s)
}

// eventually makes calls until the policy sees the load wanted.
func (c *client) eventually(ctx context.Context, want *orcapb.OrcaLoadReport) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := c.measured(ctx, nil)
		if err != nil {
			return err
		}
		if proto.Equal(got, want) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("load report %v, want %v", got, want)
		}
	}
}
