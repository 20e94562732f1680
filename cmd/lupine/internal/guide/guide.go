package guide

import (
	"context"
	"io"
	"math"
	"sort"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/examples/routeguide"
)

// Limits of what callers can make a Guide keep.
const (
	MaxNotes      = 4096 // notes kept; the oldest are forgotten first
	MaxNotesReply = 64   // notes at one point that answer a note, the newest
)

// Guide is the service. Its methods are safe for concurrent use.
type Guide struct {
	routeguide.UnimplementedRouteGuideServer

	northward []Place // sorted from south to north
	at        map[point]string

	mu    sync.Mutex
	notes []note // in order of arrival
	chats int    // number of the last chat
}

type point struct{ latitude, longitude int32 }

type note struct {
	at   point
	text string
	chat int // which chat it came from
}

// New returns a Guide over the data set.
func New() *Guide {
	g := &Guide{northward: Places(), at: map[point]string{}}
	sort.SliceStable(g.northward, func(i, j int) bool { return g.northward[i].Latitude < g.northward[j].Latitude })
	for _, p := range g.northward {
		g.at[point{p.Latitude, p.Longitude}] = p.Name
	}
	return g
}

// GetFeature returns the place at a point, with an empty name where there is
// none.
func (g *Guide) GetFeature(_ context.Context, p *routeguide.Point) (*routeguide.Feature, error) {
	at, err := valid(p, "")
	if err != nil {
		return nil, err
	}
	return &routeguide.Feature{Name: g.at[at], Location: p}, nil
}

// ListFeatures sends the places inside the area, from south to north.
func (g *Guide) ListFeatures(ctx context.Context, area *routeguide.Area, out *lupine.Sender[routeguide.Feature]) error {
	low, err := valid(area.GetLow(), "low.")
	if err != nil {
		return err
	}
	high, err := valid(area.GetHigh(), "high.")
	if err != nil {
		return err
	}
	south, north := min(low.latitude, high.latitude), max(low.latitude, high.latitude)
	west, east := min(low.longitude, high.longitude), max(low.longitude, high.longitude)
	first := sort.Search(len(g.northward), func(i int) bool { return g.northward[i].Latitude >= south })
	for _, p := range g.northward[first:] {
		if p.Latitude > north {
			break
		}
		if p.Longitude < west || p.Longitude > east {
			continue
		}
		if err := out.Send(ctx, &routeguide.Feature{Name: p.Name, Location: p.Point()}); err != nil {
			return err
		}
	}
	return nil
}

// RecordRoute sums up a walk.
func (g *Guide) RecordRoute(ctx context.Context, in *lupine.Receiver[routeguide.Point]) (*routeguide.RouteSummary, error) {
	var sum routeguide.RouteSummary
	var metres float64
	var last point
	var begin, end time.Time
	for p, err := range in.All(ctx) {
		if err != nil {
			return nil, err
		}
		at, err := valid(p, "")
		if err != nil {
			return nil, err
		}
		end = time.Now()
		if sum.Points == 0 {
			begin = end
		} else {
			metres += distance(last, at)
		}
		if g.at[at] != "" {
			sum.Features++
		}
		sum.Points++
		last = at
	}
	sum.Metres = uint64(math.Round(metres))
	sum.Seconds = end.Sub(begin).Seconds()
	return &sum, nil
}

// RouteChat answers each note with those that other chats left at its point
// before.
func (g *Guide) RouteChat(ctx context.Context, in *lupine.Receiver[routeguide.RouteNote], out *lupine.Sender[routeguide.RouteNote]) error {
	g.mu.Lock()
	g.chats++
	chat := g.chats
	g.mu.Unlock()
	for {
		m, err := in.Recv(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		at, err := valid(m.GetLocation(), "location.")
		if err != nil {
			return err
		}
		for _, text := range g.leave(note{at, m.GetMessage(), chat}) {
			if err := out.Send(ctx, &routeguide.RouteNote{Location: m.GetLocation(), Message: text}); err != nil {
				return err
			}
		}
	}
}

// leave keeps a note and returns the texts of the others at its point, oldest
// first.
func (g *Guide) leave(n note) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var texts []string
	for _, other := range g.notes {
		if other.at == n.at && other.chat != n.chat {
			texts = append(texts, other.text)
		}
	}
	if len(g.notes) >= MaxNotes {
		g.notes = append(g.notes[:0], g.notes[1:]...)
	}
	g.notes = append(g.notes, n)
	return texts[max(0, len(texts)-MaxNotesReply):]
}

const (
	maxLatitude  = 90_0000000
	maxLongitude = 180_0000000
)

// valid checks a point. Its error says which field of the request is wrong, in
// words and as a google.rpc.BadRequest.
func valid(p *routeguide.Point, field string) (point, error) {
	at := point{p.GetLatitude(), p.GetLongitude()}
	wrong, why := "", ""
	switch {
	case at.latitude < -maxLatitude || at.latitude > maxLatitude:
		wrong, why = field+"latitude", "want -900000000 to 900000000, in units of 1e-7 degrees"
	case at.longitude < -maxLongitude || at.longitude > maxLongitude:
		wrong, why = field+"longitude", "want -1800000000 to 1800000000, in units of 1e-7 degrees"
	default:
		return at, nil
	}
	detail, err := proto.Marshal(&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
		{Field: wrong, Description: why},
	}})
	if err != nil {
		return at, err
	}
	return at, lupine.Errorf(lupine.InvalidArgument, "%s is not on earth: %s", wrong, why).
		WithDetail(lupine.Detail{Type: "google.rpc.BadRequest", Value: detail})
}

// earthRadius is the mean radius of the earth in metres (IUGG).
const earthRadius = 6371008.8

// distance is the length of the great circle between two points in metres, by
// the haversine formula.
func distance(a, b point) float64 {
	lat1, lat2 := radians(a.latitude), radians(b.latitude)
	dlat, dlon := lat2-lat1, radians(b.longitude)-radians(a.longitude)
	h := math.Pow(math.Sin(dlat/2), 2) + math.Cos(lat1)*math.Cos(lat2)*math.Pow(math.Sin(dlon/2), 2)
	return 2 * earthRadius * math.Asin(math.Sqrt(min(h, 1)))
}

func radians(e7 int32) float64 { return float64(e7) / 1e7 * math.Pi / 180 }
