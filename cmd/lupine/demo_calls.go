package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/cmd/lupine/internal/guide"
	"github.com/lupine-rpc/lupine/examples/routeguide"
)

// How much each wire is called, in rounds.
const (
	unaryRounds  = 8  // each calls for every place once, one at a time
	streamRounds = 10 // each makes one call of every streaming kind
	stepsPerWire = unaryRounds + streamRounds + 1

	callTime = 20 * time.Second // no call may take longer
	maxWrong = 3                // failures that are told in full
)

// tally counts the calls over one wire and what was wrong with them.
type tally struct {
	calls, errors int
	unary         []time.Duration
	packets       float64 // a unary call; 0 where there are none
	wrong         []string
}

// check makes one call and judges its answer.
func (t *tally) check(ctx context.Context, what string, call func(context.Context) error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	t.count(what, call(ctx))
}

func (t *tally) count(what string, err error) {
	t.calls++
	if err == nil {
		return
	}
	t.errors++
	if len(t.wrong) < maxWrong {
		t.wrong = append(t.wrong, what+": "+err.Error())
	} else if len(t.wrong) == maxWrong {
		t.wrong = append(t.wrong, "and more")
	}
}

func (t *tally) result(c carrier) result {
	slices.Sort(t.unary)
	return result{Wire: c.wire, Carrier: c.name, Address: c.address, Calls: t.calls, Errors: t.errors, P50: t.quantile(0.50), P99: t.quantile(0.99), Packets: t.packets}
}

// quantile returns the q-th quantile of the unary calls, by nearest rank, in
// microseconds with one decimal.
func (t *tally) quantile(q float64) float64 {
	if len(t.unary) == 0 {
		return 0
	}
	i := max(int(math.Ceil(q*float64(len(t.unary))))-1, 0)
	return math.Round(float64(t.unary[i].Nanoseconds())/100) / 10
}

// callWire calls the example over one wire. n tells the wires apart: their chats
// leave notes at different points.
func callWire(ctx context.Context, c carrier, n int, step func()) *tally {
	t := new(tally)
	conn, err := lupine.DialConfig{Log: quiet}.Dial(ctx, c.target)
	if err != nil {
		t.count("dial", err)
		return t
	}
	defer conn.Close()
	g := routeguide.NewRouteGuideClient(conn)
	places := guide.Places()
	var before uint64
	if c.datagrams != nil {
		// The first call brings the handshake.
		t.check(ctx, "GetFeature of "+places[0].Name, func(ctx context.Context) error {
			f, err := g.GetFeature(ctx, places[0].Point())
			return sameFeature(f, err, places[0])
		})
		before = c.datagrams()
	}
	for range unaryRounds {
		for _, p := range places {
			t.check(ctx, "GetFeature of "+p.Name, func(ctx context.Context) error {
				begin := time.Now()
				f, err := g.GetFeature(ctx, p.Point())
				t.unary = append(t.unary, time.Since(begin))
				return sameFeature(f, err, p)
			})
		}
		step()
	}
	if c.datagrams != nil {
		t.packets = math.Round(float64(c.datagrams()-before)/float64(len(t.unary))*1000) / 1000
	}
	for i := range streamRounds {
		t.check(ctx, "ListFeatures", func(ctx context.Context) error { return listFeatures(ctx, g, places, i) })
		t.check(ctx, "RecordRoute", func(ctx context.Context) error { return recordRoute(ctx, g, places, i) })
		chat(ctx, t, g, places, n*streamRounds+i)
		step()
	}
	together(ctx, t, g, places)
	t.check(ctx, "GetFeature where nothing is", func(ctx context.Context) error { return nowhere(ctx, g) })
	t.check(ctx, "GetFeature off the earth", func(ctx context.Context) error { return offEarth(ctx, g) })
	step()
	return t
}

func sameFeature(f *routeguide.Feature, err error, want guide.Place) error {
	if err != nil {
		return err
	}
	if f.GetName() != want.Name || !proto.Equal(f.GetLocation(), want.Point()) {
		return fmt.Errorf("got %q at %v, want %q at %v", f.GetName(), f.GetLocation(), want.Name, want.Point())
	}
	return nil
}

// listFeatures asks for an area and finds by itself what lies in it.
func listFeatures(ctx context.Context, g routeguide.RouteGuideClient, places []guide.Place, round int) error {
	low, high := places[round], places[len(places)-1-round]
	var want []guide.Place
	for _, p := range places {
		if between(p.Latitude, low.Latitude, high.Latitude) && between(p.Longitude, low.Longitude, high.Longitude) {
			want = append(want, p)
		}
	}
	slices.SortStableFunc(want, func(a, b guide.Place) int { return int(a.Latitude) - int(b.Latitude) })
	stream := g.ListFeatures(ctx, &routeguide.Area{Low: low.Point(), High: high.Point()})
	n := 0
	for f, err := range stream.All() {
		if err != nil {
			return err
		}
		if n == len(want) {
			return fmt.Errorf("got more than the %d features that are there", len(want))
		}
		if err := sameFeature(f, nil, want[n]); err != nil {
			return fmt.Errorf("feature %d: %w", n+1, err)
		}
		n++
	}
	if n != len(want) {
		return fmt.Errorf("got %d features, want %d", n, len(want))
	}
	return nil
}

func between(x, a, b int32) bool { return min(a, b) <= x && x <= max(a, b) }

// recordRoute walks along some places, with a stop in the wild after each.
func recordRoute(ctx context.Context, g routeguide.RouteGuideClient, places []guide.Place, round int) error {
	begin := time.Now()
	stream := g.RecordRoute(ctx)
	defer stream.Close()
	var way []*routeguide.Point
	for i := round; i < len(places); i += streamRounds {
		wild := places[i].Point()
		wild.Latitude++
		way = append(way, places[i].Point(), wild)
	}
	metres := 0.0
	for i, p := range way {
		if i > 0 {
			metres += arc(way[i-1], p)
		}
		if err := stream.Send(ctx, p); err == io.EOF {
			break // CloseAndRecv has the reason
		} else if err != nil {
			return err
		}
	}
	sum, err := stream.CloseAndRecv(ctx)
	if err != nil {
		return err
	}
	switch {
	case sum.GetPoints() != uint32(len(way)):
		return fmt.Errorf("got %d points, want %d", sum.GetPoints(), len(way))
	case sum.GetFeatures() != uint32(len(way)/2):
		return fmt.Errorf("got %d features, want %d", sum.GetFeatures(), len(way)/2)
	case math.Abs(float64(sum.GetMetres())-metres) > 1:
		return fmt.Errorf("got %d metres, want %.0f", sum.GetMetres(), metres)
	case sum.GetSeconds() < 0 || sum.GetSeconds() > time.Since(begin).Seconds():
		return fmt.Errorf("got %v seconds, want 0 to %v", sum.GetSeconds(), time.Since(begin).Seconds())
	}
	return nil
}

// arc is the distance of two points in metres, by the angle between their
// vectors: another way than the server's.
func arc(a, b *routeguide.Point) float64 {
	vector := func(p *routeguide.Point) [3]float64 {
		lat, lon := float64(p.GetLatitude())/1e7*math.Pi/180, float64(p.GetLongitude())/1e7*math.Pi/180
		return [3]float64{math.Cos(lat) * math.Cos(lon), math.Cos(lat) * math.Sin(lon), math.Sin(lat)}
	}
	u, v := vector(a), vector(b)
	cross := math.Hypot(math.Hypot(u[1]*v[2]-u[2]*v[1], u[2]*v[0]-u[0]*v[2]), u[0]*v[1]-u[1]*v[0])
	dot := u[0]*v[0] + u[1]*v[1] + u[2]*v[2]
	return 6371008.8 * math.Atan2(cross, dot)
}

// chat leaves notes in one call and finds them in another, which runs at the
// same time.
func chat(ctx context.Context, t *tally, g routeguide.RouteGuideClient, places []guide.Place, id int) {
	at := func(i int) *routeguide.Point {
		p := places[(id+i)%len(places)].Point()
		p.Longitude += int32(id + 1) // nobody else leaves notes here
		return p
	}
	const notes = 5
	text := func(i int) string { return fmt.Sprintf("note %d of chat %d, grüße", i, id) }
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	first, second := g.RouteChat(ctx), g.RouteChat(ctx)
	defer first.Close()
	defer second.Close()

	// The first chat leaves its notes and ends, so that all are there.
	t.count("RouteChat, leaving notes", func() error {
		for i := range notes {
			if err := first.Send(ctx, &routeguide.RouteNote{Location: at(i), Message: text(i)}); err != nil && err != io.EOF {
				return err
			}
		}
		if err := first.CloseSend(ctx); err != nil && err != io.EOF {
			return err
		}
		if m, err := first.Recv(ctx); err != io.EOF {
			return fmt.Errorf("got note %v and error %v where nobody was before, want the end of the stream", m, err)
		}
		return nil
	}())
	// The second gets each back, one at a time: to and fro on an open stream.
	t.count("RouteChat, finding notes", func() error {
		for i := range notes {
			if err := second.Send(ctx, &routeguide.RouteNote{Location: at(i), Message: "hello"}); err != nil && err != io.EOF {
				return err
			}
			m, err := second.Recv(ctx)
			if err != nil {
				return fmt.Errorf("after %d notes: %w", i, err)
			}
			if m.GetMessage() != text(i) || !proto.Equal(m.GetLocation(), at(i)) {
				return fmt.Errorf("got %v, want %q", m, text(i))
			}
		}
		if err := second.CloseSend(ctx); err != nil && err != io.EOF {
			return err
		}
		if m, err := second.Recv(ctx); err != io.EOF {
			return fmt.Errorf("got %v and error %v after the last note, want the end of the stream", m, err)
		}
		return nil
	}())
}

// together has a call for every place in flight at once, from this goroutine.
func together(ctx context.Context, t *tally, g routeguide.RouteGuideClient, places []guide.Place) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var pending []*lupine.Pending[routeguide.Feature]
	for _, p := range places {
		pending = append(pending, g.StartGetFeature(ctx, p.Point()))
	}
	for i, p := range pending {
		f, err := p.Wait(ctx)
		t.count("GetFeature of "+places[i].Name+" among many", sameFeature(f, err, places[i]))
	}
}

// nowhere asks for a point without a feature.
func nowhere(ctx context.Context, g routeguide.RouteGuideClient) error {
	p := &routeguide.Point{Latitude: -1, Longitude: 1}
	f, err := g.GetFeature(ctx, p)
	return sameFeature(f, err, guide.Place{Latitude: p.GetLatitude(), Longitude: p.GetLongitude()})
}

// offEarth expects an error: its code, its details, and that the call ran.
func offEarth(ctx context.Context, g routeguide.RouteGuideClient) error {
	_, err := g.GetFeature(ctx, &routeguide.Point{Latitude: 910000000})
	var e *lupine.Error
	if !errors.As(err, &e) || e.Code != lupine.InvalidArgument {
		return fmt.Errorf("got error %v, want INVALID_ARGUMENT", err)
	}
	if e.Executed != lupine.Yes {
		return fmt.Errorf("the error says executed: %v, want yes: %w", e.Executed, err)
	}
	var detail errdetails.BadRequest
	if len(e.Details) != 1 || e.Details[0].Type != "google.rpc.BadRequest" || proto.Unmarshal(e.Details[0].Value, &detail) != nil {
		return fmt.Errorf("got details %v, want one google.rpc.BadRequest", e.Details)
	}
	if v := detail.GetFieldViolations(); len(v) != 1 || v[0].GetField() != "latitude" {
		return fmt.Errorf("got violations %v, want one of latitude", v)
	}
	return nil
}
