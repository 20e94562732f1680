// Package health tells load balancers and probes whether services can take
// calls, by the gRPC health checking protocol:
//
//	h := health.Register(srv)
//	h.Set("routeguide.v1.RouteGuide", health.NotServing)
//
// Its messages are written by hand and its descriptors stay out of protobuf's
// global registry, so that a program may link grpc-go's health service too.
package health

import (
	"context"
	_ "embed"
	"slices"
	"sync"

	"github.com/lupine-rpc/lupine"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
)

//go:generate go run ../cmd/lupine gen -I . --descriptor_set_out health.binpb health.proto

//go:embed health.binpb
var descriptor []byte

// Status is what the protocol says of a service.
type Status int32

// The statuses, as grpc.health.v1.HealthCheckResponse.ServingStatus numbers them.
const (
	Unknown        Status = 0
	Serving        Status = 1
	NotServing     Status = 2
	ServiceUnknown Status = 3 // sent by Watch alone
)

// Health holds the status of services. All methods are safe for concurrent use.
type Health struct {
	mu      sync.Mutex
	status  map[string]Status
	changed chan struct{} // closed and replaced at each change
}

// Register adds the health service to srv. The server as a whole, "", and every
// service that is registered so far are Serving; when the server drains, all are
// NotServing.
func Register(srv *lupine.Server) *Health {
	h := &Health{status: map[string]Status{"": Serving}, changed: make(chan struct{})}
	for _, s := range srv.Services() {
		h.status[s.Name] = Serving
	}
	const name = "grpc.health.v1.Health"
	raw := func() any { return new(lupine.Raw) }
	method := func(m string, k lupine.Kind) lupine.Method {
		return lupine.Method{Service: name, Name: m, Path: "/" + name + "/" + m, Kind: k, Idempotency: lupine.NoSideEffects,
			Codec: lupine.RawCodec{}, NewRequest: raw, NewReply: raw}
	}
	svc := &lupine.Service{
		Name:    name,
		Methods: []lupine.Method{method("Check", lupine.Unary), method("List", lupine.Unary), method("Watch", lupine.ServerStreaming)},
		Schema:  sync.OnceValue(schema),
	}
	srv.Register(svc,
		lupine.HandleUnary(&svc.Methods[0], h.check),
		lupine.HandleUnary(&svc.Methods[1], h.list),
		lupine.HandleServerStream(&svc.Methods[2], h.watch))
	return h
}

// Set changes the status of a service, or of the server as a whole for "".
func (h *Health) Set(service string, s Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if have, ok := h.status[service]; ok && have == s {
		return
	}
	h.status[service] = s
	close(h.changed)
	h.changed = make(chan struct{})
}

// get returns the status of a service and a channel that is closed when any
// status changes.
func (h *Health) get(ctx context.Context, service string) (Status, bool, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.status[service]
	if ok && draining(ctx) {
		s = NotServing
	}
	return s, ok, h.changed
}

func draining(ctx context.Context) bool {
	select {
	case <-lupine.ServerCallFrom(ctx).Draining():
		return true
	default:
		return false
	}
}

func (h *Health) check(ctx context.Context, req *lupine.Raw) (*lupine.Raw, error) {
	service, err := decode(req.Bytes)
	if err != nil {
		return nil, err
	}
	s, ok, _ := h.get(ctx, service)
	if !ok {
		return nil, lupine.Errorf(lupine.NotFound, "unknown service %q", service)
	}
	return &lupine.Raw{Bytes: encode(s)}, nil
}

func (h *Health) list(ctx context.Context, _ *lupine.Raw) (*lupine.Raw, error) {
	h.mu.Lock()
	names := make([]string, 0, len(h.status))
	for name := range h.status {
		names = append(names, name)
	}
	h.mu.Unlock()
	slices.Sort(names)
	var reply []byte
	for _, name := range names {
		s, _, _ := h.get(ctx, name)
		entry := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), name)
		entry = protowire.AppendBytes(protowire.AppendTag(entry, 2, protowire.BytesType), encode(s))
		reply = protowire.AppendBytes(protowire.AppendTag(reply, 1, protowire.BytesType), entry)
	}
	return &lupine.Raw{Bytes: reply}, nil
}

func (h *Health) watch(ctx context.Context, req *lupine.Raw, out *lupine.Sender[lupine.Raw]) error {
	service, err := decode(req.Bytes)
	if err != nil {
		return err
	}
	last := Status(-1)
	drain := lupine.ServerCallFrom(ctx).Draining()
	for {
		s, ok, changed := h.get(ctx, service)
		if !ok {
			s = ServiceUnknown
		}
		if s != last {
			if err := out.Send(ctx, &lupine.Raw{Bytes: encode(s)}); err != nil {
				return err
			}
			last = s
		}
		if draining(ctx) {
			// The last word has been said; a drain should not wait for us.
			return lupine.Errorf(lupine.Unavailable, "the server is shutting down")
		}
		select {
		case <-changed:
		case <-drain:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// decode returns the service that a HealthCheckRequest names.
func decode(b []byte) (string, error) {
	service := ""
	for len(b) > 0 {
		n, t, size := protowire.ConsumeTag(b)
		value := -1
		if size >= 0 {
			value = protowire.ConsumeFieldValue(n, t, b[size:])
		}
		if value < 0 {
			return "", lupine.Errorf(lupine.InvalidArgument, "malformed HealthCheckRequest")
		}
		if n == 1 && t == protowire.BytesType {
			service, _ = protowire.ConsumeString(b[size:])
		}
		b = b[size+value:]
	}
	return service, nil
}

// encode returns a HealthCheckResponse.
func encode(s Status) []byte {
	if s == Unknown {
		return nil
	}
	return protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(s))
}

func schema() any {
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(descriptor, &set); err != nil {
		return nil
	}
	set.File[0].Name = proto.String("grpc/health/v1/health.proto")
	fd, err := protodesc.NewFile(set.File[0], nil)
	if err != nil {
		return nil
	}
	return fd.Services().Get(0)
}
