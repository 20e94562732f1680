package rpctest

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

const (
	rareRounds = 3
	rareSize   = 64 << 10 // of a message: several fill every window there is
	rareCount  = 128
)

// loadRareReaders: who reads a message now and then, each time after longer than
// the wire waits for a peer that takes nothing, is slow and not gone. At either end,
// and beside calls and streams that are silent for as long, it is never closed, and
// loses nothing.
func loadRareReaders(e *env) {
	if e.wire.Stall == 0 {
		e.Skip("the wire names no time after which a peer that takes nothing is given up")
	}
	rest := e.wire.Stall * 3 / 2
	c := e.start(&service{
		say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
			if req.Text == "slow" {
				if err := linger(ctx, rest*rareRounds); err != nil {
					return nil, err
				}
			}
			return &testpb.EchoReply{Text: req.Text}, nil
		},
		list: func(ctx context.Context, _ *testpb.EchoRequest, out *lupine.Sender[testpb.EchoReply]) error {
			for i := range uint32(rareCount) {
				if err := out.Send(ctx, &testpb.EchoReply{Count: i, Payload: make([]byte, rareSize)}); err != nil {
					return err
				}
			}
			return nil
		},
		sum: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest]) (*testpb.EchoReply, error) {
			n, err := readRarely(ctx, rest, in.Recv)
			return &testpb.EchoReply{Count: uint32(n)}, err
		},
		chat: func(ctx context.Context, in *lupine.Receiver[testpb.EchoRequest], out *lupine.Sender[testpb.EchoReply]) error {
			for r, err := range in.All(ctx) {
				if err == nil {
					err = out.Send(ctx, &testpb.EchoReply{Text: r.Text})
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	})
	e.works(c)
	over := make(chan struct{})
	var all sync.WaitGroup
	for name, f := range map[string]func() error{
		"a caller that reads rarely":  func() error { return rareCaller(e.ctx, c, rest) },
		"a handler that reads rarely": func() error { return rareHandler(e.ctx, c) },
		"a stream with rare messages": func() error { return rareMessages(e.ctx, c, rest) },
		"a call whose handler takes long": func() error {
			_, err := c.Say(e.ctx, &testpb.EchoRequest{Text: "slow"})
			return err
		},
	} {
		all.Go(func() {
			if err := f(); err != nil {
				e.Errorf("%s: %v", name, err)
			}
		})
	}
	go func() { all.Wait(); close(over) }()
	for {
		select {
		case <-over:
			return
		case <-time.After(rest / 4): // a pace
			e.fast(c, "others read rarely")
		}
	}
}

// linger waits, as one does who has something else to do.
func linger(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readRarely receives a message after each long rest, then all the others at once,
// and returns how many there were.
func readRarely[T any](ctx context.Context, rest time.Duration, recv func(context.Context) (T, error)) (n int, err error) {
	for ; ; n++ {
		if n < rareRounds {
			if err := linger(ctx, rest); err != nil {
				return n, err
			}
		}
		if _, err := recv(ctx); err == io.EOF {
			return n, nil
		} else if err != nil {
			return n, err
		}
	}
}

func rareCaller(ctx context.Context, c testpb.EchoClient, rest time.Duration) error {
	s := c.List(ctx, &testpb.EchoRequest{})
	defer s.Close()
	n, err := readRarely(ctx, rest, s.Recv)
	if err == nil && n != rareCount {
		err = fmt.Errorf("%d of %d replies came", n, rareCount)
	}
	return err
}

func rareHandler(ctx context.Context, c testpb.EchoClient) error {
	s := c.Sum(ctx)
	defer s.Close()
	for range rareCount {
		if err := s.Send(ctx, &testpb.EchoRequest{Payload: make([]byte, rareSize)}); err != nil {
			return err
		}
	}
	r, err := s.CloseAndRecv(ctx)
	if err == nil && r.Count != rareCount {
		err = fmt.Errorf("%d of %d requests came", r.Count, rareCount)
	}
	return err
}

func rareMessages(ctx context.Context, c testpb.EchoClient, rest time.Duration) error {
	s := c.Chat(ctx)
	defer s.Close()
	for i := range rareRounds {
		text := fmt.Sprint("rare ", i)
		if err := s.Send(ctx, &testpb.EchoRequest{Text: text}); err != nil {
			return err
		}
		if r, err := s.Recv(ctx); err != nil || r.Text != text {
			return fmt.Errorf("message %d came back as %v, %w", i, r, err)
		}
		if err := linger(ctx, rest); err != nil {
			return err
		}
	}
	return s.CloseSend(ctx)
}
