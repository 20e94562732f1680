package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/lupine-rpc/lupine/bench/internal/load"
	"github.com/lupine-rpc/lupine/bench/internal/peer"
	"github.com/lupine-rpc/lupine/bench/internal/proc"
)

// Limits of one measurement, so that nothing that hangs can hang the run.
const (
	cellTimeout = 15 * time.Second
	idleTimeout = 2 * time.Minute
)

// filesBeside is how many open files a process may need besides its connections.
const filesBeside = 200

// bench is one run.
type bench struct {
	settings
	cells     []cell
	results   *results
	progress  progress
	cert, key []byte
	spins     float64
	dir       string // for unix sockets
	sockets   int
	stopHeat  func()
}

func newBench(s settings, list []cell, p progress) (*bench, error) {
	cert, key, err := certificate()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lupine-bench")
	if err != nil {
		return nil, err
	}
	b := &bench{settings: s, cells: list, progress: p, cert: cert, key: key, dir: dir, spins: peer.SpinsPerMicro()}
	b.results = &results{Machine: thisMachine(), Settings: s}
	for _, p := range pairs() {
		b.results.Pairs = append(b.results.Pairs, pairInfo{p.name, p.about})
	}
	for _, c := range list {
		if n := len(b.results.Works); n == 0 || b.results.Works[n-1].Name != c.work.name {
			b.results.Works = append(b.results.Works, workInfo{c.work.name, c.work.title})
		}
		b.results.Cells = append(b.results.Cells, &cellResult{Work: c.work.name, Pair: c.pair.name})
	}
	return b, nil
}

func (b *bench) close() {
	b.heat(context.Background(), false)
	os.RemoveAll(b.dir)
}

// run measures every cell in rounds, each cell in a fresh pair of processes, so
// that what drifts on the machine hits all alike.
func (b *bench) run(ctx context.Context) error {
	for round := range b.Rounds {
		for _, group := range b.groups() {
			for i := range group {
				// Each round begins elsewhere.
				at := group[(i+round)%len(group)]
				if round > 0 && b.cells[at].work.once {
					continue
				}
				b.progress.step(fmt.Sprintf("round %d of %d  %s  %s", round+1, b.Rounds, b.cells[at].work.name, b.cells[at].pair.name))
				b.measure(ctx, at)
				if ctx.Err() != nil {
					return ctx.Err()
				}
			}
		}
	}
	b.heat(ctx, false)
	return nil
}

// groups returns the indexes of the cells, one list for each workload.
func (b *bench) groups() [][]int {
	var list [][]int
	for i, c := range b.cells {
		if i == 0 || b.cells[i-1].work.name != c.work.name {
			list = append(list, nil)
		}
		list[len(list)-1] = append(list[len(list)-1], i)
	}
	return list
}

// steps is how many times run and countSyscalls tell progress of a next step.
func (b *bench) steps() int {
	n := 0
	for _, c := range b.cells {
		if c.work.once {
			n++
		} else {
			n += b.Rounds
		}
		if c.work.syscalls {
			n++
		}
	}
	return n
}

// measure adds a round to a cell, or the reason why there is none.
func (b *bench) measure(ctx context.Context, at int) {
	c, r := b.cells[at], b.results.Cells[at]
	if r.Err != "" {
		return
	}
	b.heat(ctx, c.work.heat)
	f, err := b.once(ctx, c)
	switch {
	case errors.Is(err, proc.ErrUnsupported):
		r.Err = cannot
	case err != nil:
		r.Err = err.Error()
	default:
		r.Rounds = append(r.Rounds, f)
		r.settle()
	}
}

// heat turns the heater on or off; see proc.Heat.
func (b *bench) heat(ctx context.Context, on bool) {
	switch {
	case on && b.stopHeat == nil && b.Heated:
		if b.stopHeat = proc.Heat(ctx); b.stopHeat == nil {
			b.Heated, b.results.Settings.Heated = false, false
		}
	case !on && b.stopHeat != nil:
		b.stopHeat()
		b.stopHeat = nil
	}
}

// once measures a cell once.
func (b *bench) once(ctx context.Context, c cell) (figures, error) {
	limit := cellTimeout
	if c.work.work.Kind == load.Idle {
		limit = idleTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	p, err := proc.StartPair(ctx, b.sides(c), c.work.work)
	if err != nil {
		return nil, err
	}
	defer p.Stop()
	if c.work.work.Kind == load.Idle {
		out, server, err := p.RunIdle(ctx)
		if err != nil {
			return nil, err
		}
		return memoryOf(out, server), nil
	}
	if _, _, err := p.Run(ctx, b.WarmUp); err != nil {
		return nil, err
	}
	out, server, err := p.Run(ctx, b.Measure)
	if err != nil {
		return nil, err
	}
	return figuresOf(out, server), nil
}

// sides says how both ends of a cell are built.
func (b *bench) sides(c cell) proc.Sides {
	spec := peer.Spec{Network: "tcp", Addr: "127.0.0.1:0", TLS: c.pair.tls, CertPEM: b.cert, KeyPEM: b.key, SpinsPerMicro: b.spins, MaxDatagram: c.pair.datagram}
	if c.pair.unix {
		b.sockets++
		spec.Network, spec.Addr = "unix", filepath.Join(b.dir, fmt.Sprintf("%d.sock", b.sockets))
	}
	s := proc.Sides{Client: spec, Server: spec, Procs: c.work.procs}
	s.Client.Impl, s.Server.Impl = c.pair.client, c.pair.server
	return s
}

// idleConnections returns how many idle connections can be opened of those that
// are wanted, with a note if that is fewer: both ends need a file for each.
func idleConnections(want int) (n int, note string) {
	files := load.RaiseFiles() - filesBeside
	if want <= files {
		return want, ""
	}
	return max(files, 1), fmt.Sprintf("idle: %d connections instead of %d, since a process may have no more files open here (ulimit -Hn)", max(files, 1), want)
}
