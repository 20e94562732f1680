package rpctest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/testpb"
)

// leakBehaviours: nothing stays of what is over. Goroutines and descriptors are
// looked for after every behaviour as well.
func leakBehaviours() []behaviour {
	return []behaviour{
		{"calls", lupine.Capabilities{}, leakCalls},
		{"conns", lupine.Capabilities{}, leakConns},
		{"strangers", lupine.Capabilities{}, leakStrangers},
	}
}

// descriptors counts what the process has open, but for what the runtime keeps for
// itself: 0 where the system does not tell.
func descriptors() int {
	links, _ := filepath.Glob("/proc/self/fd/*")
	n := 0
	for _, l := range links {
		to, err := os.Readlink(l)
		if err == nil && !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/proc/") {
			n++
		}
	}
	return n
}

// sameDescriptors checks that no more are open than before. Sockets may be closed
// by goroutines that have just been told to.
func sameDescriptors(t testing.TB, before int) {
	t.Helper()
	for end := time.Now().Add(soon); ; time.Sleep(time.Millisecond) {
		now := descriptors()
		if now <= before {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%d descriptors were open before, %d are now", before, now)
			return
		}
	}
}

// grows runs round many times, and fails if that makes the memory in use grow by
// more than limit bytes after the first rounds, which fill caches and pools.
func (e *env) grows(what string, first, rounds, limit int, round func(int)) {
	e.Helper()
	for i := range first {
		round(i)
	}
	before := heap()
	for i := range rounds {
		round(first + i)
	}
	// What lingers for a while, such as a connection that is being closed, is no leak.
	for end := time.Now().Add(2 * soon); ; time.Sleep(100 * time.Millisecond) {
		grown := heap() - before
		if grown <= limit {
			e.Logf("%s: %d rounds after the first %d grew the memory in use by %d bytes", what, rounds, first, grown)
			return
		}
		if time.Now().After(end) {
			e.Errorf("%s: %d rounds after the first %d grew the memory in use by %d bytes, more than %d", what, rounds, first, grown, limit)
			return
		}
	}
}

// leakCalls: calls of every kind that end in every way leave nothing with the
// session that they were made on.
func leakCalls(e *env) {
	c := e.start(&service{
		say: func(ctx context.Context, req *testpb.EchoRequest) (*testpb.EchoReply, error) {
			if req.FailCode != 0 {
				return nil, lupine.Errorf(lupine.Code(req.FailCode), "%s", req.Text).WithDetail(lupine.Detail{Type: "a.B", Value: req.Payload})
			}
			if req.Text == block.Text {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			if e.info.Capabilities.Trailers {
				call := lupine.ServerCallFrom(ctx)
				call.SetHeader(lupine.Pairs("h", req.Text))
				call.SetTrailer(lupine.Pairs("t", req.Text))
			}
			return &testpb.EchoReply{Text: req.Text, Payload: req.Payload}, nil
		},
	})
	ctx, cancel := context.WithCancel(e.ctx) // long-lived: what hangs on it, stays
	defer cancel()
	payload := make([]byte, 2000)
	// A wire may keep a bounded memory of calls that were reset: wire/h2 the last 1,024
	// ids at each end, 4 KiB and a set of at most 20. Measured are -21 to +42 KiB on
	// any carrier; an object kept for each call would take more than 280.
	e.grows("calls", 200, 400, 96<<10, func(i int) {
		text := fmt.Sprint("round ", i)
		var opts []lupine.CallOption
		if e.info.Capabilities.Metadata {
			opts = append(opts, lupine.WithHeader(lupine.Pairs("round", text, "k-"+fmt.Sprint(i), "v")))
		}
		_, err := c.Say(ctx, &testpb.EchoRequest{Text: text, Payload: payload}, opts...)
		e.ok(err, "Say")
		_, err = c.Say(ctx, &testpb.EchoRequest{Text: text, FailCode: 5, Payload: payload[:100]})
		e.failed(err, lupine.NotFound)
		brief, stop := context.WithTimeout(ctx, time.Millisecond)
		_, err = c.Say(brief, block)
		stop()
		e.failed(err, lupine.DeadlineExceeded)
		p := c.StartSay(ctx, block)
		p.Close()
		_, err = p.Wait(ctx)
		e.failed(err, lupine.Canceled)
		if e.info.Capabilities.Streams {
			e.ok(mixedOne(ctx, c, text, payload), "a stream")
		}
	})
}

// mixedOne makes streams of each kind and leaves some of them in the middle.
func mixedOne(ctx context.Context, c testpb.EchoClient, text string, payload []byte) error {
	for _, err := range c.List(ctx, &testpb.EchoRequest{Text: text, Payload: payload, Count: 20}).All() {
		if err != nil {
			return err
		}
		break // cancels it
	}
	s := c.Sum(ctx)
	for range 3 {
		if err := s.Send(ctx, &testpb.EchoRequest{Text: text, Payload: payload}); err != nil {
			return err
		}
	}
	if _, err := s.CloseAndRecv(ctx); err != nil {
		return err
	}
	s = c.Sum(ctx)
	s.Send(ctx, &testpb.EchoRequest{Payload: payload})
	return s.Close()
}

// leakConns: Conns that come and go leave nothing with the server, nor in the
// process, whether they are closed, drained or had a call under way.
func leakConns(e *env) {
	b := newBlocker(e, true)
	s := e.serve(lupine.ServerConfig{}, b)
	one := func(i int) {
		conn, err := lupine.Dial(e.ctx, s.target())
		e.ok(err, "Dial")
		c := testpb.NewEchoClient(conn)
		e.works(c)
		switch i % 3 {
		case 0:
			e.ok(conn.Drain(e.ctx), "Drain")
		case 1:
			c.StartSay(e.ctx, block)
			await(e, b.entered, "the handler")
			conn.Close()
			await(e, b.left, "the handler to return")
		default:
			conn.Close()
		}
	}
	one(0)
	open, running := descriptors(), runtime.NumGoroutine()
	e.grows("Conns", 30, 60, 64<<10, one)
	sameDescriptors(e, open+2) // a connection being closed
	for end := time.Now().Add(soon); runtime.NumGoroutine() > running+20; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			e.Errorf("%d goroutines after the first Conn, %d after the last", running, runtime.NumGoroutine())
			break
		}
	}
}

// leakStrangers: calls of methods that nobody knows, each of another name, leave
// nothing at either end.
func leakStrangers(e *env) {
	conn := e.serve(lupine.ServerConfig{}, &service{}).dial(lupine.DialConfig{})
	long := strings.Repeat("x", 200)
	// Kept header blocks are many, but bounded: h2 keeps 1,024.
	e.grows("unknown methods", 1000, 1000, 128<<10, func(i int) {
		m := stray("/no.such.Service/"+fmt.Sprint(long, i), lupine.Unary)
		_, err := lupine.Invoke[lupine.Raw](e.ctx, conn, m, &lupine.Raw{}, nil)
		e.failedAs(err, lupine.Unimplemented, lupine.No)
	})
}
