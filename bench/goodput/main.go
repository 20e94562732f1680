// Command goodput measures how much of a slow, long and lossy path RPC over UDP fills,
// beside TCP and TLS over TCP with the same congestion control (CUBIC). The path is a tun
// device whose packets cross a simulated link in user space, so that TCP is not ended on
// the way. It needs Linux and the right to make such a device (root).
//
//	go run ./bench/goodput [-mbit 100] [-rtt 40ms] [-loss 0,1,5] [-for 10s] [-rounds 3] [-only tcp,rudp]
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// settings are what a run is told.
type settings struct {
	mbit    int // millions of bits a second, each way
	rtt     time.Duration
	losses  []float64 // percent of the packets, each way
	seconds time.Duration
	rounds  int
	only    []string
}

func main() {
	s, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		err = run(ctx, s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "goodput:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	fs := flag.NewFlagSet("goodput", flag.ContinueOnError)
	fs.IntVar(&s.mbit, "mbit", 100, "let through `N` Mbit/s each way")
	fs.DurationVar(&s.rtt, "rtt", 40*time.Millisecond, "take so long there and back")
	loss := fs.String("loss", "0,1,5", "lose so many `PERCENT` of the packets each way, one run after the other")
	fs.DurationVar(&s.seconds, "for", 10*time.Second, "send for so long")
	fs.IntVar(&s.rounds, "rounds", 3, "measure `N` times, and print the medians")
	only := fs.String("only", strings.Join(names(), ","), "measure these `WAYS`")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	switch {
	case fs.NArg() > 0:
		return s, fmt.Errorf("unexpected argument %q: there are only flags", fs.Arg(0))
	case s.mbit < 1 || s.rtt < 0 || s.seconds < time.Second || s.rounds < 1:
		return s, errors.New("-mbit and -rounds must be 1 or more, -for a second or more, -rtt not negative")
	}
	for f := range strings.SplitSeq(*loss, ",") {
		p, err := strconv.ParseFloat(f, 64)
		if err != nil || p < 0 || p > 100 {
			return s, fmt.Errorf("-loss: %q is no percentage from 0 to 100", f)
		}
		s.losses = append(s.losses, p)
	}
	s.only = strings.Split(*only, ",")
	for _, name := range s.only {
		if !slices.Contains(names(), name) {
			return s, fmt.Errorf("-only: %q is none of %s", name, strings.Join(names(), ", "))
		}
	}
	return s, nil
}

// run measures every way at every loss, in turn, and prints a table.
func run(ctx context.Context, s settings) error {
	cert, err := newCertificate()
	if err != nil {
		return err
	}
	fmt.Printf("goodput in Mbit/s over %d Mbit/s and %v there and back, %v each, medians of %d rounds; x tcp in brackets\n", s.mbit, s.rtt, s.seconds, s.rounds)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "loss each way")
	for _, name := range s.only {
		fmt.Fprint(w, "\t", name)
	}
	fmt.Fprintln(w)
	for _, loss := range s.losses {
		got := make([][]float64, len(s.only))
		for round := range s.rounds {
			for i, name := range s.only {
				fmt.Fprintf(os.Stderr, "%g%% loss, round %d, %s\n", loss, round+1, name)
				v, err := measure(ctx, s, loss, uint64(round), ways()[name], cert)
				if err != nil {
					return fmt.Errorf("%s at %g%% loss: %w", name, loss, err)
				}
				got[i] = append(got[i], v)
			}
		}
		fmt.Fprintf(w, "%g%%", loss)
		base := 0.0
		for i, name := range s.only {
			v := median(got[i])
			if name == "tcp" {
				base = v
			}
			fmt.Fprintf(w, "\t%.1f", v)
			if base > 0 && name != "tcp" {
				fmt.Fprintf(w, " (%.2f)", v/base)
			}
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}

// measure sends one way for a while and returns the Mbit/s that arrived.
func measure(ctx context.Context, s settings, loss float64, seed uint64, w way, cert *certificate) (float64, error) {
	p, err := openPath(s, loss, seed)
	if err != nil {
		return 0, err
	}
	defer p.close()
	ctx, cancel := context.WithTimeout(ctx, s.seconds+20*time.Second)
	defer cancel()
	n, took, err := w(ctx, p, cert, s.seconds)
	if err != nil {
		return 0, err
	}
	return float64(n) * 8 / 1e6 / took.Seconds(), nil
}

func median[T cmp.Ordered](list []T) T {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}
