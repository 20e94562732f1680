package interop

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/grpccompat"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/interop/peerpb/peerpblupine"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// service is on its way from protoc-gen-go-grpc's stubs to Lupine's. Its unary
// methods have the signature that both want, the messages are the same types,
// and its errors are grpc-go's still.
type service struct{}

func (service) Say(_ context.Context, o *peerpb.Order) (*peerpb.Result, error) {
	if o.Text == "" {
		s, err := grpcstatus.New(codes.InvalidArgument, "text is empty").WithDetails(&errdetails.BadRequest{})
		if err != nil {
			return nil, err
		}
		return nil, s.Err()
	}
	return &peerpb.Result{Text: "said " + o.Text, Payload: o.Payload}, nil
}

// before is service behind the stubs that it had; neither kind of stub minds
// methods that are missing.
type before struct {
	peerpb.UnimplementedPeerServer
	service
}

func (b before) Say(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
	return b.service.Say(ctx, o)
}

// after is service behind Lupine's.
type after struct {
	peerpblupine.UnimplementedPeerServer
	service
}

func (a after) Say(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
	return a.service.Say(ctx, o)
}

// Both kinds of stubs live in one program, over one set of messages, and reach
// each other.
func TestMigration(t *testing.T) {
	t.Parallel()
	old := grpc.NewServer()
	peerpb.RegisterPeerServer(old, before{})
	oldAt := listen(t)
	go old.Serve(oldAt)
	t.Cleanup(old.Stop)

	srv := lupine.ServerConfig{ConvertError: grpccompat.FromStatus}.NewServer()
	peerpblupine.RegisterPeer(srv, after{})
	l := h2.Listen("127.0.0.1:0", h2.Config{})
	if err := srv.Bind(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	go srv.Serve(context.Background())
	t.Cleanup(func() { srv.Close() })

	for server, addr := range map[string]string{"old server": oldAt.Addr().String(), "new server": l.Addr()} {
		for client, say := range map[string]func(context.Context, *peerpb.Order) (*peerpb.Result, error){
			"old client": func(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
				return dialGRPC(t, addr).client.Say(ctx, o)
			},
			"new client": func(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
				return plain(t, addr).client.Say(ctx, o)
			},
			"new client with old errors": func(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
				return dialLupine(t, h2.To(addr), lupine.DialConfig{ConvertError: grpccompat.ToStatus}).client.Say(ctx, o)
			},
		} {
			t.Run(client+" to "+server, func(t *testing.T) {
				r, err := say(limited(t), &peerpb.Order{Text: "it", Payload: []byte{1}})
				if want := (&peerpb.Result{Text: "said it", Payload: []byte{1}}); err != nil || !proto.Equal(r, want) {
					t.Errorf("%v, %v; want %v", r, err, want)
				}
				_, err = say(limited(t), &peerpb.Order{})
				if client == "new client" {
					var e *lupine.Error
					if !errors.As(err, &e) || e.Code != lupine.InvalidArgument || e.Message != "text is empty" || len(e.Details) != 1 || e.Details[0].Type != "google.rpc.BadRequest" {
						t.Errorf("error %v", err)
					}
				} else if s, ok := grpcstatus.FromError(err); !ok || s.Code() != codes.InvalidArgument || s.Message() != "text is empty" || len(s.Details()) != 1 {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}
