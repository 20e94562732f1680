package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	kills       = 5
	restarts    = 100
	drains      = 5
	betweenHits = 100                    // calls that succeed between two faults
	afterTurn   = 20                     // the same, between two restarts
	stopTime    = 10 * time.Second       // of SIGSTOP
	cutTime     = 20 * time.Second       // that a cut link is watched
	afterStop   = 2 * time.Second        // that the load goes on after SIGCONT
	warmTime    = 500 * time.Millisecond // of load before a fault
	recoverTime = 20 * time.Second       // until calls succeed again
	exitTime    = 15 * time.Second       // of a server that was told to drain

	shortDeadline = 10 * time.Second // of calls, where faults pass
	longDeadline  = 15 * time.Second // where they stay
)

// matchup is a client's implementation and its server's.
type matchup struct{ client, server string }

// Each pair of implementations at its defaults, and what users of grpc-go are
// told to set.
var (
	plain       = []matchup{{ours, ours}, {theirs, theirs}, {ours, theirs}, {theirs, ours}}
	withTuned   = append(plain[:4:4], matchup{tuned, tuned})
	withRetries = append(plain[:4:4], matchup{retrying, theirs})
)

// fault is one way of breaking things.
type fault struct {
	name, title string
	pairs       []matchup
	deadline    time.Duration
	work        int  // most milliseconds of a handler
	servers     int  // that a client may choose from
	inherited   bool // servers get their listener from us
	cut         bool // in network namespaces
	together    bool // all pairs suffer at once, since it takes long and little work
	// hit breaks things under the load of some pairs, and notes when.
	hit func(ctx context.Context, pairs []*pair) error
}

var faults = []*fault{
	{name: "kill", title: fmt.Sprintf("kill -9, %d times, a new process at once", kills), pairs: withRetries, deadline: shortDeadline, work: maxWork, servers: 1, hit: kill},
	{name: "failover", title: fmt.Sprintf("kill -9, %d times, further servers there", kills), pairs: withRetries, deadline: shortDeadline, work: maxWork, servers: kills + 1, hit: failover},
	{name: "stop", title: fmt.Sprintf("SIGSTOP, SIGCONT after %v; a second server", stopTime), pairs: withTuned, deadline: longDeadline, work: maxWork, servers: 2, together: true, hit: stop},
	{name: "cut", title: fmt.Sprintf("link cut without a word for %v; a second server", cutTime), pairs: withTuned, deadline: longDeadline, work: maxWork, servers: 2, together: true, cut: true, hit: cut},
	{name: "drain", title: fmt.Sprintf("GOAWAY under load, %d times; calls of up to 100 ms", drains), pairs: plain, deadline: shortDeadline, work: 100, servers: 1, inherited: true, hit: turns(drains, betweenHits)},
	{name: "roll", title: fmt.Sprintf("%d rolling restarts", restarts), pairs: withRetries, deadline: shortDeadline, work: maxWork, servers: 1, inherited: true, hit: turns(restarts, afterTurn)},
}

// pair is a client and its servers while a fault is on.
type pair struct {
	matchup
	fault   *fault
	book    string
	listen  *net.TCPListener // that servers inherit, or nil
	client  *process
	servers []*process
	network *network
	spans   []span
}

func (p *pair) serverRole(addr string) role {
	return role{Server: true, Impl: p.server, Addrs: []string{addr}, Ledger: p.book, Inherited: p.listen != nil}
}

// begin starts servers and load.
func (p *pair) begin(ctx context.Context) error {
	if p.fault.inherited {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		p.listen = l.(*net.TCPListener)
	}
	addr := func(int) string { return "127.0.0.1:0" }
	var there, here string // namespaces
	if p.network != nil {
		addr, there, here = p.network.addr, p.network.server(), p.network.client()
	}
	r := role{Impl: p.matchup.client, Ledger: p.book, Deadline: p.fault.deadline, Work: p.fault.work}
	for i := range p.fault.servers {
		s, err := start(ctx, p.serverRole(addr(i)), there, p.listen)
		if err != nil {
			return err
		}
		p.servers = append(p.servers, s)
		r.Addrs = append(r.Addrs, s.addr)
	}
	var err error
	if p.client, err = start(ctx, r, here, nil); err != nil {
		return err
	}
	if err := p.client.until(ctx, betweenHits); err != nil {
		return fmt.Errorf("before the fault: %w", err)
	}
	return pause(ctx, warmTime)
}

// end ends the load and returns its row.
func (p *pair) end() (row, error) {
	r := row{fault: p.fault, matchup: p.matchup}
	err := p.client.ask(p.spans, &r.account)
	return r, err
}

func (p *pair) close() {
	if p.listen != nil {
		p.listen.Close()
	}
	if p.client != nil {
		p.client.cmd.Process.Kill()
		p.client.cmd.Wait()
	}
	for _, s := range p.servers {
		s.kill()
	}
}

// run runs a fault with every pair, one after the other or all at once.
func (f *fault) run(ctx context.Context, dir string) ([]row, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	var groups [][]*pair
	for i, m := range f.pairs {
		p := &pair{matchup: m, fault: f, book: filepath.Join(dir, fmt.Sprint(i))}
		if f.together && i > 0 {
			groups[0] = append(groups[0], p)
		} else {
			groups = append(groups, []*pair{p})
		}
	}
	var rows []row
	for _, g := range groups {
		got, err := f.suffer(ctx, g)
		if err != nil {
			return nil, err
		}
		rows = append(rows, got...)
	}
	return rows, nil
}

func (f *fault) suffer(ctx context.Context, pairs []*pair) (rows []row, err error) {
	if f.cut {
		n, err := newNetwork(ctx)
		if err != nil {
			return nil, err
		}
		defer n.close()
		for _, p := range pairs {
			p.network = n
		}
	}
	for _, p := range pairs {
		defer p.close()
		if err := p.begin(ctx); err != nil {
			return nil, fmt.Errorf("%s to %s: %w", p.matchup.client, p.server, err)
		}
	}
	if err := f.hit(ctx, pairs); err != nil {
		return nil, err
	}
	for _, p := range pairs {
		r, err := p.end()
		if err != nil {
			return nil, fmt.Errorf("%s to %s: %w", p.matchup.client, p.server, err)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// kill kills the server again and again; each time another process takes its
// place.
func kill(ctx context.Context, pairs []*pair) error {
	for _, p := range pairs {
		for range kills {
			s := span{Before: time.Now()}
			p.servers[0].kill()
			s.After = time.Now()
			p.spans = append(p.spans, s)
			next, err := start(ctx, p.serverRole(p.servers[0].addr), "", nil)
			if err != nil {
				return err
			}
			p.servers[0] = next
			if err := p.client.until(ctx, betweenHits); err != nil {
				return fmt.Errorf("%s to %s: %w", p.matchup.client, p.server, err)
			}
		}
	}
	return nil
}

// failover kills the server that is called, again and again, each time another.
func failover(ctx context.Context, pairs []*pair) error {
	for _, p := range pairs {
		for i := range kills {
			s := span{Before: time.Now()}
			p.servers[i].kill()
			s.After = time.Now()
			p.spans = append(p.spans, s)
			if err := p.client.until(ctx, betweenHits); err != nil {
				return fmt.Errorf("%s to %s: %w", p.matchup.client, p.server, err)
			}
		}
	}
	return nil
}

// stop stops the first server of each pair, and lets it go on.
func stop(ctx context.Context, pairs []*pair) error {
	signal := func(sig syscall.Signal) error {
		for _, p := range pairs {
			if err := p.servers[0].cmd.Process.Signal(sig); err != nil {
				return err
			}
		}
		return nil
	}
	s := span{Before: time.Now()}
	if err := signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for _, p := range pairs {
		if err := p.servers[0].stopped(ctx); err != nil {
			return err
		}
	}
	s.After = time.Now()
	for _, p := range pairs {
		p.spans = append(p.spans, s)
	}
	if err := pause(ctx, stopTime); err != nil {
		return err
	}
	if err := signal(syscall.SIGCONT); err != nil {
		return err
	}
	return pause(ctx, afterStop)
}

// cut cuts the way to the first server of each pair.
func cut(ctx context.Context, pairs []*pair) error {
	s := span{Before: time.Now()}
	if err := pairs[0].network.cut(ctx); err != nil {
		return err
	}
	s.After = time.Now()
	for _, p := range pairs {
		p.spans = append(p.spans, s)
	}
	return pause(ctx, cutTime)
}

// turns replaces the server n times under load, as a rolling restart does: a new
// process accepts from the same socket, the old one is told to drain, and exits.
func turns(n int, between int64) func(context.Context, []*pair) error {
	return func(ctx context.Context, pairs []*pair) error {
		for _, p := range pairs {
			for range n {
				old := p.servers[0]
				next, err := start(ctx, p.serverRole(old.addr), "", p.listen)
				if err != nil {
					return err
				}
				p.servers = []*process{next, old} // both are to be killed if we fail
				s := span{Before: time.Now()}
				if err := old.cmd.Process.Signal(syscall.SIGTERM); err != nil {
					return err
				}
				s.After = time.Now()
				p.spans = append(p.spans, s)
				if err := old.wait(ctx); err != nil {
					return fmt.Errorf("%s to %s: %w", p.matchup.client, p.server, err)
				}
				p.servers = p.servers[:1]
				if err := p.client.until(ctx, between); err != nil {
					return fmt.Errorf("%s to %s: %w", p.matchup.client, p.server, err)
				}
			}
		}
		return nil
	}
}
