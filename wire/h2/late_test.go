package h2

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/lupine-rpc/lupine"
)

// lateContext has ended, or is about to, but nobody has been told yet: its Done
// is that of the context within.
type lateContext struct {
	context.Context
	deadline time.Time
	canceled atomic.Bool
}

func (c *lateContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

func (c *lateContext) Err() error {
	if c.canceled.Load() {
		return context.Canceled
	}
	return c.Context.Err()
}

func chatCall() *lupine.Call {
	return &lupine.Call{Method: &echoMethods[3], MaxReceive: lupine.DefaultMaxReceive, MaxSend: -1, Queue: true}
}

// TestResetAtDeadline: a server that cancels a call at its deadline may be a
// moment ahead of our timer.
func TestResetAtDeadline(t *testing.T) {
	for _, c := range []struct {
		name string
		left time.Duration
		code lupine.Code
	}{
		{"at the deadline", earlyReset / 2, lupine.DeadlineExceeded},
		{"long before", time.Hour, lupine.Canceled},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := fakeServer(t, func(f *fake) {
				for {
					id, _ := f.request()
					if id == 0 {
						return
					}
					f.WriteRSTStream(id, xhttp2.ErrCodeCancel)
				}
			})
			s, _ := dialSession(t, addr, Config{})
			ctx := &lateContext{Context: soon(t), deadline: time.Now().Add(c.left)}
			if _, err := invoke(ctx, s, "hi"); err == nil || err.Code != c.code {
				t.Errorf("unary: %v, want %v", err, c.code)
			}
			ctx = &lateContext{Context: soon(t), deadline: time.Now().Add(c.left)}
			st, err := s.Open(ctx, chatCall())
			if err != nil {
				t.Fatal(err)
			}
			if err := st.Recv(soon(t), new(raw)); lupine.CodeOf(err) != c.code {
				t.Errorf("stream: %v, want %v", err, c.code)
			}
		})
	}
}

// TestSendAfterCancel: once its caller has canceled a call, nothing more is sent,
// although what watches its context has not run yet.
func TestSendAfterCancel(t *testing.T) {
	end := make(chan bool, 1)
	addr := fakeServer(t, func(f *fake) {
		f.request()
		f.next(true, func(fr xhttp2.Frame) bool {
			_, reset := fr.(*xhttp2.RSTStreamFrame)
			_, data := fr.(*xhttp2.DataFrame)
			if reset || data {
				end <- reset
			}
			return reset || data
		})
		f.rest()
	})
	s, _ := dialSession(t, addr, Config{})
	ctx := &lateContext{Context: soon(t)}
	st, err := s.Open(ctx, chatCall())
	if err != nil {
		t.Fatal(err)
	}
	ctx.canceled.Store(true)
	if err := st.CloseSend(soon(t)); err != io.EOF {
		t.Errorf("CloseSend: %v, want io.EOF", err)
	}
	if err := st.Recv(soon(t), new(raw)); lupine.CodeOf(err) != lupine.Canceled || !errors.Is(err, context.Canceled) {
		t.Errorf("Recv: %v", err)
	}
	if !<-end {
		t.Error("the server got DATA, want RST_STREAM")
	}
}
