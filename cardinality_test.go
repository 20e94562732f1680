package lupine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

// through is interceptors that change nothing.
var through = []lupine.ClientInterceptor{
	func(ctx context.Context, call *lupine.Call, next lupine.Opener) (lupine.Stream, error) {
		return next(ctx, call)
	},
}

// TestReplyCardinality: a caller that wants one reply and gets none, or two, says
// so, whichever way the call is made.
func TestReplyCardinality(t *testing.T) {
	for _, intercepted := range []bool{false, true} {
		svc := newService("test.S", lupine.ServerStreaming)
		srv := lupine.NewServer()
		srv.Register(svc, lupine.HandleServerStream(&svc.Methods[0], func(ctx context.Context, r *lupine.Raw, out *lupine.Sender[lupine.Raw]) error {
			for range len(r.Bytes) {
				if err := out.Send(ctx, &lupine.Raw{Bytes: []byte("reply")}); err != nil {
					return err
				}
			}
			return nil
		}))
		unary := svc.Methods[0]
		unary.Kind = lupine.Unary
		var config lupine.DialConfig
		if intercepted {
			config.Interceptors = through
		}
		_, conn := serveAndDial(t, srv, config)
		for replies, says := range []string{"without a reply", "", "more than one reply"} {
			req := &lupine.Raw{Bytes: []byte(strings.Repeat("x", replies))}
			for name, call := range map[string]func() error{
				"Invoke": func() error { _, err := lupine.Invoke[lupine.Raw](t.Context(), conn, &unary, req, nil); return err },
				"Start": func() error {
					p := lupine.Start[lupine.Raw](t.Context(), conn, &unary, req, nil)
					_, err := p.Wait(t.Context())
					if _, again := p.Wait(t.Context()); again != err {
						err = fmt.Errorf("Wait returned %v, then %v", err, again)
					}
					return err
				},
			} {
				err := call()
				if says == "" && err != nil || says != "" && (lupine.CodeOf(err) != lupine.Unimplemented || !strings.Contains(err.Error(), says)) {
					t.Errorf("%s, intercepted: %v, with %d replies: %v", name, intercepted, replies, err)
				}
			}
		}
	}
}

// TestInterceptedFailures: a unary call fails alike with and without interceptors.
func TestInterceptedFailures(t *testing.T) {
	for _, interceptors := range [][]lupine.ClientInterceptor{nil, through} {
		svc := newService("test.S", lupine.Unary)
		started := make(chan struct{}, 1)
		srv := lupine.NewServer()
		srv.Register(svc, lupine.HandleUnary(&svc.Methods[0], func(ctx context.Context, r *lupine.Raw) (*lupine.Raw, error) {
			if string(r.Bytes) == "wait" {
				started <- struct{}{}
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return nil, lupine.Errorf(lupine.NotFound, "nothing").WithDetail(lupine.Detail{Type: "a.B"})
		}))
		_, conn := serveAndDial(t, srv, lupine.DialConfig{Interceptors: interceptors, MaxSend: 100})
		invoke := func(ctx context.Context, req string) *lupine.Error {
			_, err := lupine.Invoke[lupine.Raw](ctx, conn, &svc.Methods[0], &lupine.Raw{Bytes: []byte(req)}, nil)
			e, ok := err.(*lupine.Error)
			if !ok {
				t.Fatalf("interceptors: %d: %T %v", len(interceptors), err, err)
			}
			return e
		}
		if e := invoke(t.Context(), "x"); e.Code != lupine.NotFound || e.Executed != lupine.Yes || len(e.Details) != 1 {
			t.Errorf("interceptors: %d: %v", len(interceptors), e)
		}
		if e := invoke(t.Context(), strings.Repeat("x", 101)); e.Code != lupine.ResourceExhausted || e.Executed != lupine.No {
			t.Errorf("interceptors: %d: %v", len(interceptors), e)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-started; cancel() }()
		if e := invoke(ctx, "wait"); e.Code != lupine.Canceled || e.Executed != lupine.Maybe {
			t.Errorf("interceptors: %d: %v", len(interceptors), e)
		}
		if e := invoke(ctx, "x"); e.Code != lupine.Canceled || e.Executed != lupine.No {
			t.Errorf("interceptors: %d: %v", len(interceptors), e)
		}
	}
}
