package golden_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/compiler/internal/golden/clash"
	"github.com/lupine-rpc/lupine/compiler/internal/golden/edition2023"
	"github.com/lupine-rpc/lupine/compiler/internal/golden/edition2024"
	"github.com/lupine-rpc/lupine/compiler/internal/golden/hybrid"
	"github.com/lupine-rpc/lupine/compiler/internal/golden/kinds"
	no_package "github.com/lupine-rpc/lupine/compiler/internal/golden/no-package"
	"github.com/lupine-rpc/lupine/compiler/internal/golden/plain"
	"github.com/lupine-rpc/lupine/compiler/internal/golden/plain/plainstub"
	"github.com/lupine-rpc/lupine/compiler/internal/golden/proto2"
	"github.com/lupine-rpc/lupine/compiler/internal/golden/subpackage"
	"github.com/lupine-rpc/lupine/compiler/internal/golden/subpackage/subpackagelupine"
	"github.com/lupine-rpc/lupine/wire/inproc"
)

// dial serves what register registers, and returns a conn to it.
func dial(t *testing.T, register func(*lupine.Server)) *lupine.Conn {
	t.Helper()
	net, srv := inproc.New(), lupine.NewServer()
	register(srv)
	for _, svc := range srv.Services() {
		d, ok := svc.Schema().(protoreflect.ServiceDescriptor)
		if !ok || string(d.FullName()) != svc.Name || d.Methods().Len() != len(svc.Methods) {
			t.Errorf("schema of %s is %v", svc.Name, d)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	if err := srv.Bind(ctx, net.Listen()); err != nil {
		t.Fatal(err)
	}
	go func() { done <- srv.Serve(ctx) }()
	conn, err := lupine.Dial(ctx, net.To())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return conn
}

// kindsServer has some of the methods only: the rest come by embedding.
type kindsServer struct{ kinds.UnimplementedKindsServer }

func (kindsServer) One(_ context.Context, req *kinds.Item) (*kinds.Item, error) {
	return &kinds.Item{S: req.S + "!"}, nil
}

func (kindsServer) In(ctx context.Context, in *lupine.Receiver[kinds.Item]) (*kinds.Item, error) {
	var all []string
	for m, err := range in.All(ctx) {
		if err != nil {
			return nil, err
		}
		all = append(all, m.S)
	}
	return &kinds.Item{S: strings.Join(all, "+")}, nil
}

func (kindsServer) Out(ctx context.Context, req *kinds.Item, out *lupine.Sender[kinds.Item]) error {
	for _, s := range strings.Split(req.S, "") {
		if err := out.Send(ctx, &kinds.Item{S: s}); err != nil {
			return err
		}
	}
	return nil
}

func (kindsServer) Both(ctx context.Context, in *lupine.Receiver[kinds.Item], out *lupine.Sender[kinds.Item]) error {
	for m, err := range in.All(ctx) {
		if err != nil {
			return err
		}
		if err := out.Send(ctx, &kinds.Item{S: m.S + m.S}); err != nil {
			return err
		}
	}
	return nil
}

func TestStubsOfEveryKind(t *testing.T) {
	ctx := t.Context()
	c := kinds.NewKindsClient(dial(t, func(s *lupine.Server) { kinds.RegisterKinds(s, kindsServer{}) }))
	if res, err := c.One(ctx, &kinds.Item{S: "a"}); err != nil || res.S != "a!" {
		t.Errorf("One: %v, %v", res, err)
	}
	if res, err := c.StartOne(ctx, &kinds.Item{S: "b"}).Wait(ctx); err != nil || res.S != "b!" {
		t.Errorf("StartOne: %v, %v", res, err)
	}
	in := c.In(ctx)
	for _, s := range []string{"a", "b"} {
		if err := in.Send(ctx, &kinds.Item{S: s}); err != nil {
			t.Errorf("In: %v", err)
		}
	}
	if res, err := in.CloseAndRecv(ctx); err != nil || res.S != "a+b" {
		t.Errorf("In: %v, %v", res, err)
	}
	got := ""
	for m, err := range c.Out(ctx, &kinds.Item{S: "xyz"}).All() {
		if err != nil {
			t.Fatal(err)
		}
		got += m.S + "."
	}
	if got != "x.y.z." {
		t.Errorf("Out: %s", got)
	}
	both := c.Both(ctx)
	if err := both.Send(ctx, &kinds.Item{S: "q"}); err != nil {
		t.Errorf("Both: %v", err)
	}
	if res, err := both.Recv(ctx); err != nil || res.S != "qq" {
		t.Errorf("Both: %v, %v", res, err)
	}
	if err := both.CloseSend(ctx); err != nil {
		t.Errorf("Both: %v", err)
	}
	if _, err := both.Recv(ctx); err != io.EOF {
		t.Errorf("Both: %v, want io.EOF", err)
	}
	_, err := c.Bare(ctx, &kinds.Item{})
	var e *lupine.Error
	if !errors.As(err, &e) || e.Code != lupine.Unimplemented || !strings.Contains(e.Message, "/golden.kinds.Kinds/Bare") {
		t.Errorf("Bare: %v", err)
	}
}

// TestIdempotency reads what the runtime is told.
func TestIdempotency(t *testing.T) {
	srv := lupine.NewServer()
	kinds.RegisterKinds(srv, kindsServer{})
	want := map[string]lupine.Idempotency{"Read": lupine.NoSideEffects, "Store": lupine.Idempotent}
	for _, m := range srv.Services()[0].Methods {
		if m.Idempotency != want[m.Name] {
			t.Errorf("%s: %v", m.Name, m.Idempotency)
		}
	}
}

// fake shows that a client can be faked in a test.
type fake struct{ kinds.KindsCaller }

func (fake) One(context.Context, *kinds.Item, ...lupine.CallOption) (*kinds.Item, error) {
	return &kinds.Item{S: "fake"}, nil
}

func TestFake(t *testing.T) {
	var c kinds.KindsCaller = fake{}
	if res, err := c.One(t.Context(), &kinds.Item{}); err != nil || res.S != "fake" {
		t.Errorf("%v, %v", res, err)
	}
}

type clashServer struct{ clash.UnimplementedEchoServer_ }

func (clashServer) Say(context.Context, *clash.Context) (*clash.Error, error) {
	return &clash.Error{Error: &clash.Error{}}, nil
}
func (clashServer) Say_(context.Context, *clash.Context) (*clash.Error, error) {
	return &clash.Error{}, nil
}

// TestClashes calls methods that differ in their first letter alone.
func TestClashes(t *testing.T) {
	c := clash.NewEchoClient_(dial(t, func(s *lupine.Server) {
		clash.RegisterEcho_(s, clashServer{})
		clash.RegisterEcho__(s, clash.UnimplementedEchoServer__{})
		clash.RegisterEcho___(s, clash.UnimplementedEchoServer____{})
		clash.RegisterEmpty(s, clash.UnimplementedEmptyServer{})
	}))
	if res, err := c.Say(t.Context(), &clash.Context{}); err != nil || res.Error == nil {
		t.Errorf("Say: %v, %v", res, err)
	}
	if res, err := c.StartSay__(t.Context(), &clash.Context{}).Wait(t.Context()); err != nil || res.Error != nil {
		t.Errorf("say: %v, %v", res, err)
	}
}

type echo struct {
	subpackagelupine.UnimplementedEchoServer
}

func (echo) Say(_ context.Context, req *subpackage.Ask) (*subpackage.EchoClient, error) {
	return &subpackage.EchoClient{S: req.S}, nil
}

type plains struct {
	plainstub.UnimplementedPlainsServer
}

func (plains) Say(_ context.Context, req *plain.Plain) (*plain.Plain, error) { return req, nil }

// TestStubsElsewhere calls through stubs in a package of their own, with and
// without codec methods on the messages.
func TestStubsElsewhere(t *testing.T) {
	conn := dial(t, func(s *lupine.Server) {
		subpackagelupine.RegisterEcho(s, echo{})
		plainstub.RegisterPlains(s, plains{})
	})
	if res, err := subpackagelupine.NewEchoClient(conn).Say(t.Context(), &subpackage.Ask{S: "s"}); err != nil || res.S != "s" {
		t.Errorf("%v, %v", res, err)
	}
	req := plain.Plain_builder{M: map[string]*plain.Plain{"k": {}}}.Build()
	if res, err := plainstub.NewPlainsClient(conn).Say(t.Context(), req); err != nil || !proto.Equal(res, req) {
		t.Errorf("%v, %v", res, err)
	}
}

type mixed struct{}

func (mixed) Swap(_ context.Context, req *edition2023.Open) (*edition2023.Hidden, error) {
	return edition2023.Hidden_builder{Name: proto.String(req.GetExplicit()), Maybe: req}.Build(), nil
}

type orders struct {
	proto2.UnimplementedOrdersServer
}

func (orders) Place(_ context.Context, req *proto2.Order) (*proto2.Stamp, error) {
	return proto.GetExtension(req, proto2.E_Stamp_Stamp).(*proto2.Stamp), nil
}

type sensors struct {
	edition2024.UnimplementedSensorsServer
}

func (sensors) Latest(_ context.Context, req *edition2024.Reading) (*edition2024.Reading, error) {
	return edition2024.Reading_builder{Before: []*edition2024.Reading{req}, Quality: edition2024.Quality_GOOD.Enum()}.Build(), nil
}

type steps struct{}

func (steps) Take(_ context.Context, req *hybrid.Step) (*hybrid.Step, error) { return req, nil }

type bare struct{}

func (bare) Say(_ context.Context, req *no_package.BareMessage) (*no_package.BareMessage, error) {
	return req, nil
}

// TestLanguages makes a call with messages of every syntax and API.
func TestLanguages(t *testing.T) {
	ctx := t.Context()
	conn := dial(t, func(s *lupine.Server) {
		edition2023.RegisterMixed(s, mixed{})
		proto2.RegisterOrders(s, orders{})
		edition2024.RegisterSensors(s, sensors{})
		hybrid.RegisterSteps(s, steps{})
		no_package.RegisterBare(s, bare{})
	})
	if res, err := edition2023.NewMixedClient(conn).Swap(ctx, &edition2023.Open{Explicit: proto.String("e"), Required: proto.String("r")}); err != nil || res.GetName() != "e" || res.GetMaybe().GetRequired() != "r" {
		t.Errorf("edition 2023: %v, %v", res, err)
	}
	order := &proto2.Order{Id: proto.Int64(1)}
	proto.SetExtension(order, proto2.E_Stamp_Stamp, &proto2.Stamp{At: proto.Uint64(7)})
	if res, err := proto2.NewOrdersClient(conn).Place(ctx, order); err != nil || res.GetAt() != 7 {
		t.Errorf("proto2: %v, %v", res, err)
	}
	if _, err := proto2.NewOrdersClient(conn).Place(ctx, &proto2.Order{}); err == nil {
		t.Error("proto2: a missing required field went through")
	}
	reading := edition2024.Reading_builder{Sensor: proto.String("s"), Labels: map[string]string{"a": "b"}}.Build()
	if res, err := edition2024.NewSensorsClient(conn).Latest(ctx, reading); err != nil || len(res.GetBefore()) != 1 || !proto.Equal(res.GetBefore()[0], reading) {
		t.Errorf("edition 2024: %v, %v", res, err)
	}
	step := hybrid.Step_builder{Name: proto.String("n"), Word: proto.String("w")}.Build()
	if res, err := hybrid.NewStepsClient(conn).Take(ctx, step); err != nil || !proto.Equal(res, step) {
		t.Errorf("hybrid: %v, %v", res, err)
	}
	if res, err := no_package.NewBareClient(conn).Say(ctx, &no_package.BareMessage{S: []string{"x"}}); err != nil || len(res.S) != 1 {
		t.Errorf("no package: %v, %v", res, err)
	}
}
