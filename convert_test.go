package lupine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/examples/routeguide"
)

// foreign is another library's error, as a user's code may want it.
type foreign struct {
	code lupine.Code
	text string
}

func (f *foreign) Error() string { return f.text }

// foreignGuide returns foreign errors only.
type foreignGuide struct {
	routeguide.UnimplementedRouteGuideServer
}

func (foreignGuide) GetFeature(context.Context, *routeguide.Point) (*routeguide.Feature, error) {
	return nil, &foreign{lupine.AlreadyExists, "from the handler"}
}

func (foreignGuide) ListFeatures(context.Context, *routeguide.Area, *lupine.Sender[routeguide.Feature]) error {
	return &foreign{lupine.AlreadyExists, "from the handler"}
}

func (foreignGuide) RecordRoute(context.Context, *lupine.Receiver[routeguide.Point]) (*routeguide.RouteSummary, error) {
	return nil, &foreign{lupine.AlreadyExists, "from the handler"}
}

// TestConvertError: a handler may return another library's errors, and a caller
// get them, whatever kind the call is.
func TestConvertError(t *testing.T) {
	client, done := connectTo(t, foreignGuide{}, lupine.ServerConfig{
		ConvertError: func(err error) error {
			var f *foreign
			if errors.As(err, &f) {
				return lupine.Errorf(f.code, "%s", f.text)
			}
			return err
		},
	}, lupine.DialConfig{
		ConvertError: func(e *lupine.Error) error { return &foreign{e.Code, "to the caller: " + e.Message} },
	})
	ctx := t.Context()
	check := func(what string, err error) {
		t.Helper()
		f, ok := err.(*foreign)
		if !ok || f.code != lupine.AlreadyExists || f.text != "to the caller: from the handler" {
			t.Errorf("%s: got %T %v", what, err, err)
		}
	}
	_, err := client.GetFeature(ctx, &routeguide.Point{})
	check("unary", err)
	p := client.StartGetFeature(ctx, &routeguide.Point{})
	_, err = p.Wait(ctx)
	check("started", err)
	_, again := p.Wait(ctx)
	if again != err {
		t.Errorf("Wait returned %v, then %v", err, again)
	}
	s := client.ListFeatures(ctx, &routeguide.Area{})
	for range 2 {
		_, err = s.Recv(ctx)
		check("server stream", err)
	}
	_, err = s.Header(ctx)
	check("Header", err)
	for _, err := range client.ListFeatures(ctx, &routeguide.Area{}).All() {
		check("All", err)
	}
	_, err = client.RecordRoute(ctx).CloseAndRecv(ctx)
	check("client stream", err)

	done()
	for what, call := range map[string]func() error{
		"unary":         func() error { _, err := client.GetFeature(ctx, &routeguide.Point{}); return err },
		"started":       func() error { _, err := client.StartGetFeature(ctx, &routeguide.Point{}).Wait(ctx); return err },
		"server stream": func() error { _, err := client.ListFeatures(ctx, &routeguide.Area{}).Recv(ctx); return err },
	} {
		if f, ok := call().(*foreign); !ok || f.code != lupine.Unavailable {
			t.Errorf("%s on a closed Conn: %v", what, call())
		}
	}
}

// connectTo is connect for any implementation.
func connectTo(t *testing.T, impl routeguide.RouteGuideServer, sc lupine.ServerConfig, dc lupine.DialConfig) (routeguide.RouteGuideClient, func()) {
	t.Helper()
	srv := sc.NewServer()
	routeguide.RegisterRouteGuide(srv, impl)
	client, conn := serveAndDial(t, srv, dc)
	return client, func() { conn.Close() }
}

// TestCallOptionOrder: later options win, and header pairs add up.
func TestCallOptions(t *testing.T) {
	var seen lupine.Metadata
	srv := lupine.ServerConfig{Interceptors: []lupine.ServerInterceptor{
		func(ctx context.Context, call *lupine.ServerCall, s lupine.HandlerStream, next lupine.StreamHandler) error {
			seen = call.Header.Clone()
			return next(ctx, s)
		},
	}}.NewServer()
	routeguide.RegisterRouteGuide(srv, guide{})
	client, _ := serveAndDial(t, srv, lupine.DialConfig{MaxReceive: 1, WaitForReady: true, Credentials: lupine.BearerToken("conn's")})
	given := lupine.Pairs("a", "1")
	_, err := client.GetFeature(t.Context(), features[0].Location,
		lupine.WithHeader(given), lupine.WithHeader(lupine.Pairs("a", "2")), lupine.MaxReceive(2), lupine.MaxReceive(0), lupine.MaxReceive(1000),
		lupine.FailFast(), lupine.WithCredentials(nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(seen); got != fmt.Sprint(lupine.Pairs("a", "1", "a", "2")) || len(given) != 1 {
		t.Errorf("the handler saw %s; the caller's own metadata is %q", got, given)
	}
	if _, err := client.GetFeature(t.Context(), features[0].Location); lupine.CodeOf(err) != lupine.ResourceExhausted {
		t.Errorf("with the Conn's limit of one byte: %v", err)
	}
	if seen.Get("authorization") != "Bearer conn's" {
		t.Errorf("the handler saw %q", seen)
	}
}
