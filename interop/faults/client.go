package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/interop/peerpb"
	"github.com/lupine-rpc/lupine/interop/peerpb/peerpblupine"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// The load: so many callers, each with one call at a time and a pause between two.
const (
	callers   = 16
	callPause = 4 * time.Millisecond
	maxWork   = 3 // milliseconds of a handler

	endTime = time.Second // for calls under way when the load ends
)

// Implementations of a client, and where it matters of a server.
const (
	ours     = "lupine"
	theirs   = "grpc-go"
	tuned    = "grpc-go, keepalive"
	retrying = "grpc-go, retries"

	tunedTime    = 10 * time.Second // the least that grpc-go allows
	tunedTimeout = time.Second
	retryPolicy  = `{"methodConfig":[{"name":[{}],"retryPolicy":{"maxAttempts":4,"initialBackoff":"0.1s","maxBackoff":"1s","backoffMultiplier":2,"retryableStatusCodes":["UNAVAILABLE"]}}]}`
)

// role is what a child process is told.
type role struct {
	Server    bool
	Impl      string
	Addrs     []string
	Inherited bool // the server's listener is file 3
	Ledger    string
	Deadline  time.Duration // of each call
	Work      int           // most milliseconds of a handler
}

// call makes one call. notRun says that the caller was told that it did not run.
type call func(ctx context.Context, o *peerpb.Order) (r *peerpb.Result, notRun bool, err error)

// dial connects to all addresses, of which the first that answers is used.
func dial(r role) (call, error) {
	if r.Impl == ours {
		target := h2.To(r.Addrs[0])
		var all lupine.Endpoints
		for _, a := range r.Addrs {
			all = append(all, lupine.Endpoint{Addr: a})
		}
		target.Resolver = all
		conn, err := lupine.DialConfig{Log: slog.New(slog.DiscardHandler)}.Dial(context.Background(), target)
		if err != nil {
			return nil, err
		}
		client := peerpblupine.NewPeerClient(conn)
		return func(ctx context.Context, o *peerpb.Order) (*peerpb.Result, bool, error) {
			res, err := client.Say(ctx, o)
			return res, err != nil && lupine.AsError(err).Executed == lupine.No, err
		}, nil
	}
	list := manual.NewBuilderWithScheme("list")
	var state resolver.State
	for _, a := range r.Addrs {
		state.Endpoints = append(state.Endpoints, resolver.Endpoint{Addresses: []resolver.Address{{Addr: a}}})
	}
	list.InitialState(state)
	opts := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithResolvers(list)}
	switch r.Impl {
	case tuned:
		opts = append(opts, grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: tunedTime, Timeout: tunedTimeout}))
	case retrying:
		opts = append(opts, grpc.WithDefaultServiceConfig(retryPolicy))
	}
	conn, err := grpc.NewClient("list:///servers", opts...)
	if err != nil {
		return nil, err
	}
	client := peerpb.NewPeerClient(conn)
	return func(ctx context.Context, o *peerpb.Order) (*peerpb.Result, bool, error) {
		res, err := client.Say(ctx, o)
		return res, false, err
	}, nil
}

// shot is one call as its caller saw it. Times are the wall clock's, which all
// processes share.
type shot struct {
	id           uint32
	begun, ended time.Time
	err          error
	notRun       bool
	pending      bool // endTime after the end of the load
}

// gun makes the load.
type gun struct {
	call     call
	deadline time.Duration
	work     int
	next     atomic.Uint32
	good     atomic.Int64
	ctx      context.Context // ends when what is under way is given up
	over     atomic.Bool     // no further calls

	mu    sync.Mutex
	shots []shot
}

// fire is one caller.
func (g *gun) fire() {
	for !g.over.Load() {
		id := g.next.Add(1)
		if id >= maxCalls {
			return
		}
		o := &peerpb.Order{Id: strconv.FormatUint(uint64(id), 10), WaitMs: rand.Uint32N(uint32(g.work) + 1)}
		ctx, cancel := context.WithTimeout(g.ctx, g.deadline)
		s := shot{id: id, begun: time.Now()}
		var r *peerpb.Result
		r, s.notRun, s.err = g.call(ctx, o)
		cancel()
		s.ended = time.Now()
		if s.err == nil && r.Text != o.Id {
			s.err = fmt.Errorf("call %s was answered with %q", o.Id, r.Text)
		}
		s.pending = s.err != nil && g.ctx.Err() != nil
		if s.err == nil {
			g.good.Add(1)
		}
		g.mu.Lock()
		g.shots = append(g.shots, s)
		g.mu.Unlock()
		time.Sleep(callPause)
	}
}

// span is when a fault began and when it had surely happened.
type span struct{ Before, After time.Time }

// account is what a load came to. Durations are -1 where there is nothing to say.
type account struct {
	Made, Failed int
	Pending      int // of those that failed: still without an answer at the end
	NotRun       int // of those that failed: the caller was told that they did not run
	Ran          int // of those that failed: they had run
	Twice        int // calls that ran more than once
	Lies         int // told that they did not run, and had
	Lost         int // answered, though no handler ran
	Knows        []time.Duration
	Again        []time.Duration
	Pause        time.Duration // the longest without an answer
	Errors       map[string]int
}

// sum holds what callers saw against what the servers did.
func sum(shots []shot, book interface{ times(uint32) uint32 }, faults []span) account {
	a := account{Made: len(shots), Errors: make(map[string]int)}
	var answers []time.Time
	var last time.Time
	for _, s := range shots {
		if s.ended.After(last) {
			last = s.ended
		}
		ran := book.times(s.id)
		if ran > 1 {
			a.Twice++
		}
		if s.err == nil {
			answers = append(answers, s.ended)
			if ran == 0 {
				a.Lost++
			}
			continue
		}
		a.Failed++
		a.Errors[s.err.Error()]++
		if s.pending {
			a.Pending++
		}
		if ran > 0 {
			a.Ran++
		}
		if s.notRun {
			a.NotRun++
			if ran > 0 {
				a.Lies++
			}
		}
	}
	answers = append(answers, last) // the end, if nothing came until then
	slices.SortFunc(answers, time.Time.Compare)
	for i := range answers {
		if i > 0 {
			a.Pause = max(a.Pause, answers[i].Sub(answers[i-1]))
		}
	}
	for _, f := range faults {
		knows, again := time.Duration(-1), time.Duration(-1)
		for _, s := range shots {
			if s.err != nil && !s.pending && !s.begun.After(f.After) && !s.ended.Before(f.Before) {
				knows = max(knows, s.ended.Sub(f.Before))
			}
			if took := s.ended.Sub(f.Before); s.err == nil && s.begun.After(f.After) && (again < 0 || took < again) {
				again = took
			}
		}
		a.Knows, a.Again = append(a.Knows, knows), append(a.Again, again)
	}
	return a
}

// load is the client process. It answers "good" with the number of calls that
// succeeded so far, and a list of faults, which ends the load, with its account.
func load(r role) error {
	book, err := openLedger(r.Ledger)
	if err != nil {
		return err
	}
	c, err := dial(r)
	if err != nil {
		return err
	}
	ctx, end := context.WithCancel(context.Background())
	defer end()
	g := &gun{call: c, deadline: r.Deadline, work: r.Work, ctx: ctx}
	var all sync.WaitGroup
	for range callers {
		all.Go(g.fire)
	}
	in := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		if in.Text() == "good" {
			if err := out.Encode(g.good.Load()); err != nil {
				return err
			}
			continue
		}
		var faults []span
		if err := json.Unmarshal(in.Bytes(), &faults); err != nil {
			return err
		}
		g.over.Store(true)
		late := time.AfterFunc(endTime, end)
		all.Wait()
		late.Stop()
		return out.Encode(sum(g.shots, book, faults))
	}
	return in.Err()
}
