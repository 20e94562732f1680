package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/interop/peerpb/peerpblupine"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// say is the handler of both servers: it notes the call, works for as long as it
// is told to, and answers.
func (l *ledger) say(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
	id, err := strconv.ParseUint(o.Id, 10, 32)
	if err != nil {
		return nil, err
	}
	l.note(uint32(id))
	if o.WaitMs > 0 {
		t := time.NewTimer(time.Duration(o.WaitMs) * time.Millisecond)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &peerpb.Result{Text: o.Id}, nil
}

type lupinePeer struct {
	peerpblupine.UnimplementedPeerServer
	*ledger
}

func (p lupinePeer) Say(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
	return p.say(ctx, o)
}

type grpcPeer struct {
	peerpb.UnimplementedPeerServer
	*ledger
}

func (p grpcPeer) Say(ctx context.Context, o *peerpb.Order) (*peerpb.Result, error) {
	return p.say(ctx, o)
}

// serve is the server process. It prints its address, and drains when it is told
// to by SIGTERM, as either implementation does at its defaults.
func serve(r role) error {
	book, err := openLedger(r.Ledger)
	if err != nil {
		return err
	}
	var l net.Listener
	if r.Inherited {
		l, err = net.FileListener(os.NewFile(3, "listener"))
	} else {
		l, err = net.Listen("tcp", r.Addrs[0])
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go exitWithParent()
	fmt.Println(l.Addr())
	if r.Impl == "lupine" {
		s := lupine.NewServer()
		peerpblupine.RegisterPeer(s, lupinePeer{ledger: book})
		return s.Serve(ctx, h2.Listen("", h2.Config{Listener: l}))
	}
	var opts []grpc.ServerOption
	if r.Impl == tuned {
		opts = append(opts, grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: tunedTime / 2}))
	}
	s := grpc.NewServer(opts...)
	peerpb.RegisterPeerServer(s, grpcPeer{ledger: book})
	drained := make(chan struct{})
	context.AfterFunc(ctx, func() {
		s.GracefulStop()
		close(drained)
	})
	err = s.Serve(l)
	if ctx.Err() != nil {
		<-drained
	}
	return err
}

// exitWithParent ends the process when the one that started it is gone.
func exitWithParent() {
	io.Copy(io.Discard, os.Stdin)
	os.Exit(2)
}
