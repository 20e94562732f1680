package lupine_test

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lupine-rpc/lupine"
)

// newServerCall returns a call as a wire makes one.
func newServerCall(t *testing.T, deadline time.Time) *lupine.ServerCall {
	t.Helper()
	srv := lupine.NewServer()
	svc := newService("test.S", lupine.Unary)
	srv.Register(svc, handlers(svc)...)
	call := new(lupine.ServerCall)
	call.Begin(srv.Lookup("/test.S/M0"), &lupine.Peer{Wire: "fake"}, lupine.Pairs("k", "v"), deadline)
	return call
}

func TestServerCallCancel(t *testing.T) {
	call := newServerCall(t, time.Time{})
	if _, ok := call.Deadline(); ok || call.Err() != nil {
		t.Error("a fresh call without a deadline has one, or has ended")
	}
	done := call.Done()
	select {
	case <-done:
		t.Fatal("Done is closed")
	default:
	}
	call.Cancel(context.Canceled, errors.New("why"))
	call.Cancel(context.DeadlineExceeded, nil)
	<-done
	if call.Err() != context.Canceled {
		t.Errorf("Err is %v: the first Cancel counts", call.Err())
	}
	<-newCanceled(t).Done() // Done asked for only afterwards
	if lupine.ServerCallFrom(call) != call || lupine.ServerCallFrom(context.Background()) != nil {
		t.Error("ServerCallFrom does not find the call, or finds one where there is none")
	}
}

func newCanceled(t *testing.T) *lupine.ServerCall {
	call := newServerCall(t, time.Time{})
	call.Cancel(context.Canceled, nil)
	return call
}

// TestServerCallChildren: contexts derived from a call end with it, and package
// context starts no goroutine for them, which it does for contexts it does not know.
func TestServerCallChildren(t *testing.T) {
	call := newServerCall(t, time.Time{})
	before := runtime.NumGoroutine()
	const n = 100
	type key int
	var children [n]context.Context
	for i := range children {
		child, cancel := context.WithCancel(context.WithValue(call, key(i), i))
		defer cancel()
		children[i] = child
	}
	if now := runtime.NumGoroutine(); now > before {
		t.Errorf("%d children of a call started %d goroutines", n, now-before)
	}
	call.Cancel(context.Canceled, nil)
	for _, child := range children {
		<-child.Done()
		if child.Err() != context.Canceled {
			t.Fatalf("a child ended with %v", child.Err())
		}
	}
	late, cancel := context.WithCancel(call)
	defer cancel()
	<-late.Done()
}

func TestServerCallAfterFunc(t *testing.T) {
	call := newServerCall(t, time.Time{})
	ran := make(chan string, 3)
	stop := call.AfterFunc(func() { ran <- "stopped" })
	call.AfterFunc(func() { ran <- "kept" })
	if !stop() || stop() {
		t.Error("stop says true once, for a function that will not run")
	}
	call.Cancel(context.Canceled, nil)
	if got := <-ran; got != "kept" {
		t.Errorf("the function that was %s ran", got)
	}
	if stop := call.AfterFunc(func() { ran <- "late" }); stop() {
		t.Error("a function of an ended call was stopped")
	}
	if got := <-ran; got != "late" {
		t.Errorf("the function that was %s ran", got)
	}
}

// TestServerCallDeadline: the timer is armed by the first who could notice, and
// not before.
func TestServerCallDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		call := newServerCall(t, start.Add(time.Second))
		if d, ok := call.Deadline(); !ok || d != start.Add(time.Second) {
			t.Errorf("the deadline is %v, %v", d, ok)
		}
		time.Sleep(999 * time.Millisecond)
		if call.Err() != nil {
			t.Fatal("it ended before its deadline")
		}
		<-call.Done()
		if took := time.Since(start); took != time.Second {
			t.Errorf("it ended after %v", took)
		}
		if call.Err() != context.DeadlineExceeded {
			t.Errorf("it ended with %v", call.Err())
		}

		// Nobody waits: Err reads the clock.
		call = newServerCall(t, time.Now().Add(time.Second))
		time.Sleep(2 * time.Second)
		if call.Err() != context.DeadlineExceeded {
			t.Errorf("long after its deadline Err is %v", call.Err())
		}
		<-call.Done()

		// A child's AfterFunc arms it, too.
		start = time.Now()
		call = newServerCall(t, start.Add(time.Second))
		child, cancel := context.WithCancel(call)
		defer cancel()
		<-child.Done()
		if took := time.Since(start); took != time.Second || child.Err() != context.DeadlineExceeded {
			t.Errorf("a child ended after %v with %v", took, child.Err())
		}

		// An ended call leaves no timer behind: the bubble's clock would show it.
		call = newServerCall(t, time.Now().Add(time.Hour))
		call.Done()
		call.Cancel(context.Canceled, nil)
		time.Sleep(2 * time.Hour)
		if call.Err() != context.Canceled {
			t.Errorf("a canceled call's error became %v", call.Err())
		}
	})
}

func TestServerCallMetadata(t *testing.T) {
	call := newServerCall(t, time.Time{})
	bad := lupine.Metadata{{Key: "Bad", Value: ""}}
	if call.SetHeader(bad) == nil || call.SetTrailer(bad) == nil {
		t.Error("metadata that is not fit to send was taken")
	}
	given := lupine.Pairs("a", "1")
	for range 2 {
		if err := call.SetHeader(given); err != nil {
			t.Fatal(err)
		}
		if err := call.SetTrailer(given); err != nil {
			t.Fatal(err)
		}
	}
	md, ok := call.TakeHeader()
	if !ok || len(md) != 2 || len(given) != 1 {
		t.Errorf("TakeHeader: %q, %v", md, ok)
	}
	if _, ok := call.TakeHeader(); ok {
		t.Error("the header was taken twice")
	}
	if err := call.SetHeader(given); lupine.CodeOf(err) != lupine.Internal {
		t.Errorf("SetHeader after the header was sent: %v", err)
	}
	if len(call.Trailer()) != 2 {
		t.Errorf("Trailer: %q", call.Trailer())
	}
	if _, err := call.PeerConn(); lupine.CodeOf(err) != lupine.Unimplemented {
		t.Errorf("PeerConn: %v", err)
	}
}

// TestServerCallCause: context.Cause says why a wire ended the call, also below
// contexts derived from it.
func TestServerCallCause(t *testing.T) {
	type key struct{}
	why := errors.New("the peer reset the stream")
	for _, early := range []bool{true, false} {
		call := newServerCall(t, time.Now().Add(time.Hour))
		if early {
			call.Done() // somebody waits before it ends
		}
		if err := context.Cause(call); err != nil {
			t.Errorf("the cause before the end is %v", err)
		}
		call.Cancel(context.Canceled, why)
		child, cancel := context.WithTimeout(context.WithValue(call, key{}, "v"), time.Hour)
		defer cancel()
		<-child.Done()
		if child.Err() != context.Canceled || context.Cause(child) != why {
			t.Errorf("a child ended with %v because of %v", child.Err(), context.Cause(child))
		}
		if context.Cause(call) != why {
			t.Errorf("the call ended because of %v", context.Cause(call))
		}
	}
}

// TestServerCallDeadlineBelow: when the wire notices the deadline first, what is
// derived from the call still sees a deadline, not a cancellation.
func TestServerCallDeadlineBelow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		call := newServerCall(t, time.Now().Add(time.Second))
		child, cancel := context.WithCancel(call)
		defer cancel()
		time.Sleep(time.Second)
		call.Cancel(context.DeadlineExceeded, context.DeadlineExceeded)
		<-child.Done()
		if child.Err() != context.DeadlineExceeded || call.Err() != context.DeadlineExceeded {
			t.Errorf("the call ended with %v, its child with %v", call.Err(), child.Err())
		}
	})
}
