package rudp

import (
	"context"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

// led reports whether a handler reads for itself.
func (l *listener) led() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.sessions {
		s.mu.Lock()
		led := s.led != nil
		s.mu.Unlock()
		if led {
			return true
		}
	}
	return false
}

// talk is a stream of Chat on a session of its own.
type talk struct {
	t   *testing.T
	ctx context.Context
	s   *session
	lupine.Stream
}

func newTalk(ctx context.Context, t *testing.T, addr string) *talk {
	t.Helper()
	k := &talk{t: t, ctx: ctx, s: dialSession(t, addr, plain)}
	var err error
	k.Stream, err = k.s.Open(ctx, &lupine.Call{Method: &echoMethods[3], MaxReceive: -1, MaxSend: -1})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *talk) send(text string) {
	k.t.Helper()
	if err := k.Send(k.ctx, &raw{Bytes: []byte(text)}, false); err != nil {
		k.t.Fatal(err)
	}
}

func (k *talk) recv() {
	k.t.Helper()
	if err := k.Recv(k.ctx, new(raw)); err != nil {
		k.t.Fatal(err)
	}
}

func (k *talk) turns() uint64 {
	k.s.mu.Lock()
	defer k.s.mu.Unlock()
	return k.s.turns
}

// untilLone exchanges messages until the receivers at both ends read for themselves.
func (k *talk) untilLone(l *listener) {
	k.t.Helper()
	// A slow moment of the machine makes a receiver shy, for a while.
	for before := k.turns(); k.ctx.Err() == nil; {
		k.send("x")
		k.recv()
		for range 100 {
			if l.led() && k.turns()-before > 10 {
				return
			}
			runtime.Gosched()
		}
	}
	k.t.Fatal("the receivers do not read for themselves")
}

// TestLoneStream: the receivers of a lone stream read for themselves at both ends, with
// calls beside it, on its session and on others, that come and go, and again after those.
func TestLoneStream(t *testing.T) {
	l, _ := listenEcho(t, echo{}, plain)
	other := dialSession(t, l.Addr(), plain)
	ctx := soon(t)
	k := newTalk(ctx, t, l.Addr())
	call := lupine.Call{Method: &echoMethods[0], MaxReceive: -1, MaxSend: -1}
	for range 2 {
		k.untilLone(l)
		for range 20 { // the handler reads; it must not keep calls waiting
			for _, s := range []*session{k.s, other} {
				c := call
				if err := s.Invoke(ctx, &c, &raw{Bytes: []byte("x")}, new(raw)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	k.CloseSend(ctx)
	if err := k.Recv(ctx, new(raw)); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if err := other.Invoke(ctx, &call, &raw{Bytes: []byte("x")}, new(raw)); err != nil {
		t.Error(err)
	}
}

// TestLoneHandlerComputes: while the handler of a lone stream, which has read for
// itself, does something else, other calls are served, on its session and on others.
func TestLoneHandlerComputes(t *testing.T) {
	at, release := make(chan struct{}), make(chan struct{})
	l, _ := listenEcho(t, echo{chat: func(ctx context.Context, in *lupine.Receiver[raw], out *lupine.Sender[raw]) error {
		for {
			m, err := in.Recv(ctx)
			if err != nil {
				return err
			}
			if string(m.Bytes) == "wait" {
				at <- struct{}{}
				<-release
			}
			if err := out.Send(ctx, m); err != nil {
				return err
			}
		}
	}}, plain)
	ctx := soon(t)
	k := newTalk(ctx, t, l.Addr())
	for _, other := range []bool{false, true} {
		k.untilLone(l)
		k.send("wait")
		<-at
		s := k.s
		if other {
			s = dialSession(t, l.Addr(), plain)
		}
		if err := s.Invoke(ctx, &lupine.Call{Method: &echoMethods[0], MaxReceive: -1, MaxSend: -1}, &raw{Bytes: []byte("x")}, new(raw)); err != nil {
			t.Error(err)
		}
		release <- struct{}{}
		k.recv()
	}
}

// TestLoneContexts: a handler that reads for itself notices the end of its call, of its
// deadline and of a context that it gives to Recv, and can go on after the latter.
func TestLoneContexts(t *testing.T) {
	got := make(chan error, 1)
	l, srv := listenEcho(t, echo{chat: func(ctx context.Context, in *lupine.Receiver[raw], out *lupine.Sender[raw]) error {
		for {
			m, err := in.Recv(ctx)
			if err != nil {
				got <- err
				return err
			}
			if string(m.Bytes) == "short" {
				short, cancel := context.WithTimeout(ctx, time.Millisecond)
				_, err = in.Recv(short)
				cancel()
				if err != context.DeadlineExceeded {
					t.Errorf("the handler's Recv with a short context: %v", err)
				}
			}
			if err := out.Send(ctx, m); err != nil {
				return err
			}
		}
	}}, plain)
	ends := func(how string, want lupine.Code) {
		t.Helper()
		if err := <-got; lupine.CodeOf(err) != want {
			t.Errorf("the handler's Recv after %s: %v", how, err)
		}
	}
	ctx, cancel := context.WithCancel(soon(t))
	k := newTalk(ctx, t, l.Addr())
	k.untilLone(l)
	for range 5 {
		k.send("short")
		k.recv()
	}
	k.untilLone(l)
	cancel()
	ends("a cancel", lupine.Canceled)

	ctx, cancel = context.WithTimeout(soon(t), 2*time.Second)
	defer cancel()
	k = newTalk(ctx, t, l.Addr())
	k.untilLone(l)
	k.s.mu.Lock()
	k.s.sock.Close() // its CANCEL does not leave
	k.s.mu.Unlock()
	ends("its deadline", lupine.DeadlineExceeded)

	k = newTalk(soon(t), t, l.Addr())
	k.untilLone(l)
	srv.Close()
	ends("Close", lupine.Canceled)
}

// TestNobodyIsForgotten: who reads on while a batch's waiters are being woken may have more
// of them to wake.
func TestNobodyIsForgotten(t *testing.T) {
	s := &session{l: new(listener), sending: true}
	first := &waiter{ch: make(chan bool), parked: true} // its channel holds up who wakes
	second := &waiter{ch: make(chan bool, 1), parked: true}
	s.woken = []*waiter{first}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.mu.Lock()
		s.finishBatch()
		s.mu.Unlock()
	}()
	for free := false; !free; { // until it wakes the first
		s.mu.Lock()
		free = s.woken == nil
		s.mu.Unlock()
		runtime.Gosched()
	}
	s.mu.Lock()
	s.batching = true
	s.wake(second)
	s.batching = false
	s.mu.Unlock()
	<-first.ch
	<-done
	s.mu.Lock()
	s.finishBatch()
	s.mu.Unlock()
	select {
	case <-second.ch:
	default:
		t.Error("a waiter was never woken")
	}
}
