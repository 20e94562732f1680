// Bench measures Lupine beside its peers and beside what the machine could do
// with no RPC at all:
//
//	go run ./bench [--quick] [--only REGEXP] [--json FILE] [--svg FILE]
//	go run ./bench codec [--quick] [--json FILE]
//
// Every figure is the median of several rounds; in each round every
// implementation works for a moment in a fresh pair of processes, a client and a
// server, one implementation after the other, so that what drifts on the
// machine hits all alike. Only ratios of one run mean anything.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/lupine-rpc/lupine/bench/codec"
	"github.com/lupine-rpc/lupine/bench/internal/proc"
)

func main() {
	proc.Child() // does not return in the processes that this one starts
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	args := os.Args[1:]
	codecOnly := len(args) > 0 && args[0] == "codec"
	if codecOnly {
		args = args[1:]
	}
	o, err := parseOptions(args, codecOnly)
	if err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(2)
	}
	if err := o.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options is the command line.
type options struct {
	codecOnly bool
	quick     bool
	only      *regexp.Regexp
	json, svg string
	rounds    int
	idle      int
	noHeat    bool
	list      bool
}

func parseOptions(args []string, codecOnly bool) (*options, error) {
	o := &options{codecOnly: codecOnly}
	name := "bench"
	if codecOnly {
		name = "bench codec"
	}
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.BoolVar(&o.quick, "quick", false, "fewer and shorter rounds: to see that it works, not to quote")
	f.StringVar(&o.json, "json", "", "write everything to `FILE`")
	f.IntVar(&o.rounds, "rounds", 0, "measure `N` rounds (5; 2 with --quick)")
	only := ""
	if !codecOnly {
		f.StringVar(&only, "only", "", "measure only where \"WORK PAIR\" matches `REGEXP`, such as 'echo64-64 (lupine|grpc-go)$' or codec")
		f.StringVar(&o.svg, "svg", "", "draw a chart into `FILE`")
		f.IntVar(&o.idle, "idle", 0, "open `N` idle connections (10000; 1000 with --quick)")
		f.BoolVar(&o.noHeat, "no-heat", false, "let processors halt while a lone caller waits: see the notes of the output")
		f.BoolVar(&o.list, "list", false, "say what would be measured, and stop")
	}
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: the only command is codec", f.Arg(0))
	}
	if only != "" {
		var err error
		if o.only, err = regexp.Compile(only); err != nil {
			return nil, fmt.Errorf("--only: %w", err)
		}
	}
	if o.rounds < 0 || o.idle < 0 {
		return nil, errors.New("--rounds and --idle take numbers above zero")
	}
	return o, nil
}

// settings fills in what the command line left open.
func (o *options) settings() settings {
	s := settings{Rounds: 5, WarmUp: 120 * time.Millisecond, Measure: 350 * time.Millisecond, Idle: 10_000, Heated: !o.noHeat}
	if o.quick {
		s.Rounds, s.WarmUp, s.Measure, s.Idle = 2, 50*time.Millisecond, 100*time.Millisecond, 1000
	}
	if o.rounds > 0 {
		s.Rounds = o.rounds
	}
	if o.idle > 0 {
		s.Idle = o.idle
	}
	return s
}

func (o *options) codecPlan(s settings, p progress) codec.Plan {
	plan := codec.Plan{Rounds: s.Rounds, Sample: 20 * time.Millisecond, Step: p.step}
	if o.quick {
		plan.Sample = 5 * time.Millisecond
	}
	return plan
}

// cells returns what is to be measured.
func (o *options) cells(idle int) []cell {
	if o.codecOnly {
		return nil
	}
	var plan []workload
	for _, w := range workloads(idle) {
		if !w.slow || !o.quick || o.only != nil {
			plan = append(plan, w)
		}
	}
	return cells(plan, o.only)
}

func (o *options) run(ctx context.Context) error {
	s := o.settings()
	idle, note := idleConnections(s.Idle)
	s.Idle = idle
	list := o.cells(idle)
	withCodec := o.codecOnly || o.only == nil || o.only.MatchString("codec")
	if o.list {
		for _, c := range list {
			fmt.Printf("%s %s\t%s\n", c.work.name, c.pair.name, c.work.title)
		}
		return nil
	}
	if len(list) == 0 && !withCodec {
		return errors.New("--only matches nothing: --list says what there is")
	}
	p := newProgress()
	b, err := newBench(s, list, p)
	if err != nil {
		return err
	}
	defer b.close()
	if note != "" {
		b.results.Notes = append(b.results.Notes, note)
	}
	steps := b.steps()
	plan := o.codecPlan(s, p)
	if withCodec {
		steps += plan.Steps()
	}
	p.begin(steps)
	if err := b.run(ctx); err != nil {
		return err
	}
	b.countSyscalls(ctx)
	if withCodec {
		if b.results.Codec, err = codec.Run(ctx, plan); err != nil {
			return err
		}
	}
	p.end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.results.Goals = judge(b.results, goals())
	return o.report(b.results)
}

// report prints the results and writes the files that were asked for.
func (o *options) report(r *results) error {
	printResults(os.Stdout, r)
	printGoals(os.Stdout, r.Goals)
	if o.json != "" {
		data, err := json.MarshalIndent(r, "", " ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(data, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.svg != "" {
		if err := os.WriteFile(o.svg, chart(r), 0o644); err != nil {
			return err
		}
	}
	if n := r.failures(); n > 0 {
		return fmt.Errorf("%d measurements failed: the tables say why", n)
	}
	return nil
}
