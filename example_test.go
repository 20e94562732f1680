package lupine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/examples/routeguide"
	"github.com/lupine-rpc/lupine/wire/inproc"
)

// guide implements the service of examples/routeguide/routeguide.proto. The
// embedded type answers methods that are added later.
type guide struct {
	routeguide.UnimplementedRouteGuideServer
}

var features = []*routeguide.Feature{
	{Name: "Dyke", Location: &routeguide.Point{Latitude: 10, Longitude: 10}},
	{Name: "Mill", Location: &routeguide.Point{Latitude: 20, Longitude: 15}},
	{Name: "Spring", Location: &routeguide.Point{Latitude: 30, Longitude: 40}},
}

func (guide) GetFeature(_ context.Context, p *routeguide.Point) (*routeguide.Feature, error) {
	for _, f := range features {
		if f.Location.Latitude == p.Latitude && f.Location.Longitude == p.Longitude {
			return f, nil
		}
	}
	return nil, lupine.Errorf(lupine.NotFound, "nothing at %d, %d", p.Latitude, p.Longitude)
}

func (guide) ListFeatures(ctx context.Context, _ *routeguide.Area, out *lupine.Sender[routeguide.Feature]) error {
	for _, f := range features {
		if err := out.Send(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

func (guide) RecordRoute(ctx context.Context, in *lupine.Receiver[routeguide.Point]) (*routeguide.RouteSummary, error) {
	var summary routeguide.RouteSummary
	for _, err := range in.All(ctx) {
		if err != nil {
			return nil, err
		}
		summary.Points++
	}
	return &summary, nil
}

func (guide) RouteChat(ctx context.Context, in *lupine.Receiver[routeguide.RouteNote], out *lupine.Sender[routeguide.RouteNote]) error {
	for note, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		note.Message = strings.ToUpper(note.Message)
		if err := out.Send(ctx, note); err != nil {
			return err
		}
	}
	return nil
}

// connect serves a guide within this process and returns a client of it. On a
// network only the two values of package inproc would be others, such as
// h2.Listen(":8443", ...) and h2.To("dns:///guide.example:8443", ...).
func connect(server lupine.ServerConfig, client lupine.DialConfig) (routeguide.RouteGuideClient, func()) {
	net := inproc.New()
	srv := server.NewServer()
	routeguide.RegisterRouteGuide(srv, guide{})
	// Bind opens the sockets, so that a caller need not wait for Serve.
	if err := srv.Bind(context.Background(), net.Listen()); err != nil {
		log.Fatal(err)
	}
	go srv.Serve(context.Background())

	conn, err := client.Dial(context.Background(), net.To())
	if err != nil {
		log.Fatal(err)
	}
	return routeguide.NewRouteGuideClient(conn), func() {
		conn.Close()
		srv.Close()
	}
}

func Example() {
	ctx := context.Background()
	net := inproc.New() // or h2.Listen and h2.To, for a network

	srv := lupine.NewServer()
	routeguide.RegisterRouteGuide(srv, guide{})
	if err := srv.Bind(ctx, net.Listen()); err != nil {
		log.Fatal(err)
	}
	go srv.Serve(ctx)
	defer srv.Close()

	conn, err := lupine.Dial(ctx, net.To())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	client := routeguide.NewRouteGuideClient(conn)
	feature, err := client.GetFeature(ctx, &routeguide.Point{Latitude: 20, Longitude: 15})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(feature.Name)
	// Output: Mill
}

// A server stream is a loop. Leaving it early cancels the call.
func ExampleServerStream_All() {
	client, done := connect(lupine.ServerConfig{}, lupine.DialConfig{})
	defer done()
	for feature, err := range client.ListFeatures(context.Background(), &routeguide.Area{}).All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(feature.Name)
		if feature.Name == "Mill" {
			break
		}
	}
	// Output:
	// Dyke
	// Mill
}

// A Recv that gives up leaves the stream alive: no message is lost.
func ExampleServerStream_Recv() {
	client, done := connect(lupine.ServerConfig{}, lupine.DialConfig{})
	defer done()
	stream := client.ListFeatures(context.Background(), &routeguide.Area{})
	defer stream.Close()

	impatient, cancel := context.WithTimeout(context.Background(), -time.Second)
	defer cancel()
	for ctx := impatient; ; ctx = context.Background() {
		feature, err := stream.Recv(ctx)
		if err == context.DeadlineExceeded { // not an *Error: only this Recv has ended
			continue
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(feature.Name)
	}
	// Output:
	// Dyke
	// Mill
	// Spring
}

func ExampleClientStream() {
	ctx := context.Background()
	client, done := connect(lupine.ServerConfig{}, lupine.DialConfig{})
	defer done()
	route := client.RecordRoute(ctx)
	for i := range int32(5) {
		if err := route.Send(ctx, &routeguide.Point{Latitude: i}); err != nil {
			break // io.EOF: the server has ended the call, and CloseAndRecv says why
		}
	}
	summary, err := route.CloseAndRecv(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(summary.Points, "points")
	// Output: 5 points
}

func ExampleBidiStream() {
	ctx := context.Background()
	client, done := connect(lupine.ServerConfig{}, lupine.DialConfig{})
	defer done()
	chat := client.RouteChat(ctx)
	go func() { // one goroutine sends while another receives
		for _, text := range []string{"hello", "goodbye"} {
			if chat.Send(ctx, &routeguide.RouteNote{Message: text}) != nil {
				return
			}
		}
		chat.CloseSend(ctx)
	}()
	for note, err := range chat.All() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(note.Message)
	}
	// Output:
	// HELLO
	// GOODBYE
}

// Calls may be started without waiting for them, from one goroutine.
func ExamplePending() {
	ctx := context.Background()
	client, done := connect(lupine.ServerConfig{}, lupine.DialConfig{})
	defer done()
	var calls []*lupine.Pending[routeguide.Feature]
	for _, f := range features {
		calls = append(calls, client.StartGetFeature(ctx, f.Location))
	}
	for _, call := range calls {
		feature, err := call.Wait(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(feature.Name)
	}
	// Output:
	// Dyke
	// Mill
	// Spring
}

// A failed call has a code, and says whether it ran.
func ExampleError() {
	client, done := connect(lupine.ServerConfig{}, lupine.DialConfig{})
	defer done()
	_, err := client.GetFeature(context.Background(), &routeguide.Point{Latitude: 90})
	fmt.Println(err)

	var e *lupine.Error
	if errors.As(err, &e) {
		fmt.Println("code:", e.Code)
		fmt.Println("did it run:", e.Executed)
	}
	// Output:
	// NOT_FOUND: nothing at 90, 0
	// code: NOT_FOUND
	// did it run: yes
}

func ExampleReplyHeader() {
	client, done := connect(lupine.ServerConfig{
		Interceptors: []lupine.ServerInterceptor{
			func(ctx context.Context, call *lupine.ServerCall, s lupine.HandlerStream, next lupine.StreamHandler) error {
				call.SetHeader(lupine.Pairs("echo", call.Header.Get("trace-id")))
				return next(ctx, s)
			},
		},
	}, lupine.DialConfig{})
	defer done()
	var header lupine.Metadata
	_, err := client.GetFeature(context.Background(), features[0].Location,
		lupine.WithHeader(lupine.Pairs("trace-id", "7f2a")), lupine.ReplyHeader(&header))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(header.Get("echo"))
	// Output: 7f2a
}

// One form of interceptor wraps calls of every kind.
func ExampleClientInterceptor() {
	logged := func(ctx context.Context, call *lupine.Call, next lupine.Opener) (lupine.Stream, error) {
		fmt.Println("calling", call.Method.Name)
		return next(ctx, call)
	}
	client, done := connect(lupine.ServerConfig{}, lupine.DialConfig{Interceptors: []lupine.ClientInterceptor{logged}})
	defer done()
	ctx := context.Background()
	client.GetFeature(ctx, features[0].Location)
	client.RecordRoute(ctx).CloseAndRecv(ctx)
	// Output:
	// calling GetFeature
	// calling RecordRoute
}

// A server may call back to services that its client hosts, through the session
// that the client made.
func ExampleServerCall_PeerConn() {
	ctx := context.Background()
	net := inproc.New()
	srv := lupine.NewServer()
	routeguide.RegisterRouteGuide(srv, asking{})
	if err := srv.Bind(ctx, net.Listen()); err != nil {
		log.Fatal(err)
	}
	go srv.Serve(ctx)
	defer srv.Close()

	hosted := lupine.NewServer()
	routeguide.RegisterRouteGuide(hosted, guide{})
	conn, err := lupine.DialConfig{Server: hosted}.Dial(ctx, net.To())
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	feature, err := routeguide.NewRouteGuideClient(conn).GetFeature(ctx, features[2].Location)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(feature.Name)
	// Output: Spring, says the client
}

// asking is a guide that asks its caller.
type asking struct {
	routeguide.UnimplementedRouteGuideServer
}

func (asking) GetFeature(ctx context.Context, p *routeguide.Point) (*routeguide.Feature, error) {
	back, err := lupine.ServerCallFrom(ctx).PeerConn()
	if err != nil {
		return nil, err
	}
	defer back.Close()
	f, err := routeguide.NewRouteGuideClient(back).GetFeature(ctx, p)
	if err != nil {
		return nil, err
	}
	f.Name += ", says the client"
	return f, nil
}

// A proxy passes on methods it knows nothing of.
func ExampleRawCodec() {
	ctx := context.Background()
	serve := func(srv *lupine.Server) lupine.Target {
		net := inproc.New()
		if err := srv.Bind(ctx, net.Listen()); err != nil {
			log.Fatal(err)
		}
		go srv.Serve(ctx)
		return net.To()
	}
	behind := lupine.NewServer()
	routeguide.RegisterRouteGuide(behind, guide{})
	defer behind.Close()
	upstream, err := lupine.Dial(ctx, serve(behind))
	if err != nil {
		log.Fatal(err)
	}
	defer upstream.Close()

	proxy := lupine.ServerConfig{
		// This one forwards a single request and a single reply.
		Unknown: func(ctx context.Context, in *lupine.Receiver[lupine.Raw], out *lupine.Sender[lupine.Raw]) error {
			call := lupine.ServerCallFrom(ctx)
			request, err := in.Recv(ctx)
			if err != nil {
				return err
			}
			fmt.Println("forwarding", call.Method().Path)
			reply, err := lupine.Invoke[lupine.Raw](ctx, upstream, call.Method(), request, []lupine.CallOption{lupine.WithHeader(call.Header)})
			if err != nil {
				return err
			}
			return out.Send(ctx, reply)
		},
	}.NewServer()
	defer proxy.Close()
	conn, err := lupine.Dial(ctx, serve(proxy))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	feature, err := routeguide.NewRouteGuideClient(conn).GetFeature(ctx, features[0].Location)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(feature.Name)
	// Output:
	// forwarding /routeguide.v1.RouteGuide/GetFeature
	// Dyke
}
