package main

import (
	"context"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/cmd/lupine/internal/guide"
	"github.com/lupine-rpc/lupine/examples/routeguide"
	"github.com/lupine-rpc/lupine/wire/inproc"
)

// liar is a guide whose answers are wrong in one way.
type liar struct {
	*guide.Guide
	get    func(*routeguide.Feature)
	list   func(*routeguide.Feature) *routeguide.Feature
	record func(*routeguide.RouteSummary)
	chat   bool
}

func (l liar) GetFeature(ctx context.Context, p *routeguide.Point) (*routeguide.Feature, error) {
	f, err := l.Guide.GetFeature(ctx, p)
	if err == nil && l.get != nil {
		l.get(f)
	}
	return f, err
}

func (l liar) ListFeatures(ctx context.Context, a *routeguide.Area, out *lupine.Sender[routeguide.Feature]) error {
	if l.list != nil {
		return out.Send(ctx, l.list(&routeguide.Feature{Name: "Atlantis", Location: a.GetLow()}))
	}
	return l.Guide.ListFeatures(ctx, a, out)
}

func (l liar) RecordRoute(ctx context.Context, in *lupine.Receiver[routeguide.Point]) (*routeguide.RouteSummary, error) {
	sum, err := l.Guide.RecordRoute(ctx, in)
	if err == nil && l.record != nil {
		l.record(sum)
	}
	return sum, err
}

func (l liar) RouteChat(ctx context.Context, in *lupine.Receiver[routeguide.RouteNote], out *lupine.Sender[routeguide.RouteNote]) error {
	if l.chat {
		for m, err := range in.All(ctx) {
			if err != nil {
				return err
			}
			m.Message += "?"
			if err := out.Send(ctx, m); err != nil {
				return err
			}
		}
		return nil
	}
	return l.Guide.RouteChat(ctx, in, out)
}

// The demo checks answers, not only that there was one.
func TestDemoNoticesWrongAnswers(t *testing.T) {
	for _, test := range []struct {
		name   string
		server liar
		want   string // part of what is wrong; empty if nothing is
		errors int    // at least
	}{
		{"honest", liar{}, "", 0},
		{"other name", liar{get: func(f *routeguide.Feature) { f.Name += " " }}, "GetFeature of ", 1000},
		{"other place", liar{get: func(f *routeguide.Feature) {
			f.Location = &routeguide.Point{Latitude: f.GetLocation().GetLatitude(), Longitude: f.GetLocation().GetLongitude() + 1}
		}}, "GetFeature of ", 1000},
		{"other list", liar{list: func(f *routeguide.Feature) *routeguide.Feature { return f }}, "ListFeatures: feature 1", streamRounds},
		{"points", liar{record: func(s *routeguide.RouteSummary) { s.Points++ }}, "RecordRoute: got", streamRounds},
		{"features", liar{record: func(s *routeguide.RouteSummary) { s.Features-- }}, "RecordRoute: got", streamRounds},
		{"metres", liar{record: func(s *routeguide.RouteSummary) { s.Metres += 2 }}, "RecordRoute: got", streamRounds},
		{"seconds", liar{record: func(s *routeguide.RouteSummary) { s.Seconds += 60 }}, "RecordRoute: got", streamRounds},
		{"chat", liar{chat: true}, "RouteChat", 2 * streamRounds},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.server.Guide = guide.New()
			srv := lupine.NewServer()
			routeguide.RegisterRouteGuide(srv, test.server)
			network := inproc.New()
			ctx, cancel := context.WithCancel(t.Context())
			served := make(chan error, 1)
			if err := srv.Bind(ctx, network.Listen()); err != nil {
				t.Fatal(err)
			}
			go func() { served <- srv.Serve(ctx) }()
			steps := 0
			tl := callWire(ctx, carrier{wire: "inproc", name: "memory", address: "inproc", target: network.To()}, 0, func() { steps++ })
			cancel()
			if err := <-served; err != nil {
				t.Error(err)
			}
			if tl.errors < test.errors || (test.want == "") != (tl.errors == 0) {
				t.Errorf("%d of %d calls were found wrong: %v", tl.errors, tl.calls, tl.wrong)
			}
			if test.want != "" && !strings.HasPrefix(tl.wrong[0], test.want) {
				t.Errorf("the first that was wrong: %s", tl.wrong[0])
			}
			if steps != stepsPerWire {
				t.Errorf("%d steps of progress, want %d", steps, stepsPerWire)
			}
		})
	}
}
