package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// column is one column of the tables.
type column struct {
	head  string
	value func(r *results, work, pair string) (float64, bool)
}

func direct(head string, f figure) column {
	return column{head, func(r *results, work, pair string) (float64, bool) { return r.get(work, pair, f) }}
}

// columns returns the columns, of which each table shows those that have values.
func columns() []column {
	return []column{
		direct("p50 µs", p50), direct("p99", p99), direct("p99.9", p999),
		direct("/s", rate), {"x grpc", overPeer},
		direct("CPU µs", cpu), direct("±%", spread), direct("client", cpuClient), direct("server", cpuServer), {"x grpc", cheaperThanPeer}, {"x floor", overFloor},
		direct("allocs c", allocsClient), direct("s", allocsServer), direct("bytes c", bytesClient), direct("s", bytesServer),
		direct("r+w c", ioClient), direct("s", ioServer), direct("syscalls c", syscallsClient), direct("s", syscallsServer),
		direct("switches c", switchesClient), direct("s", switchesServer),
		direct("resident B", memory), direct("client", memoryClient), direct("server", memoryServer), {"of grpc", memoryOfPeer},
		direct("heap+stack B c", heapClient), direct("s", heapServer),
	}
}

// peerOf returns the pair that pair is compared with: grpc-go, over TLS if pair
// is.
func peerOf(pair string) string {
	if strings.HasSuffix(pair, "-tls") {
		return "grpc-go-tls"
	}
	return "grpc-go"
}

func overPeer(r *results, work, pair string) (float64, bool) {
	return times(work, pair, peerOf(pair), rate)(r)
}

func cheaperThanPeer(r *results, work, pair string) (float64, bool) {
	return times(work, peerOf(pair), pair, cpu)(r)
}

func memoryOfPeer(r *results, work, pair string) (float64, bool) {
	return times(work, pair, peerOf(pair), memory)(r)
}

// overFloor returns CPU over that of the floor, the first of these that does the work:
// frames on one connection, with a goroutine each, a connection per caller. Over UDP it
// is a socket per caller.
func overFloor(r *results, work, pair string) (float64, bool) {
	floors := []string{"framed", "framed-go", "ping-pong"}
	if overUDP(pair) {
		floors = []string{"udp"}
	}
	for _, floor := range floors {
		if v, ok := times(work, pair, floor, cpu)(r); ok {
			return v, true
		}
	}
	return 0, false
}

// printResults prints a table for each workload, and what to know about them.
func printResults(w io.Writer, r *results) {
	m := r.Machine
	fmt.Fprintf(w, "%s on %s, %d processors (%s), kernel %s\n", m.Go, m.Platform, m.CPUs, m.CPU, m.Kernel)
	for _, path := range slices.Sorted(mapKeys(m.Modules)) {
		fmt.Fprintf(w, "  %s %s\n", path, m.Modules[path])
	}
	for _, note := range notes(r) {
		fmt.Fprintln(w, "- "+note)
	}
	for _, work := range r.Works {
		printWork(w, r, work)
	}
	fmt.Fprintln(w)
	printGrowth(w, r)
	if r.Codec != nil {
		r.Codec.Print(w)
	}
}

func mapKeys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// notes returns what a reader must know to read the figures right.
func notes(r *results) []string {
	s := r.Settings
	if len(r.Works) == 0 {
		return append([]string{fmt.Sprintf("medians of %d rounds, codecs in turn", s.Rounds)}, r.Notes...)
	}
	list := []string{
		fmt.Sprintf("medians of %d rounds of %v after %v to warm up; each implementation in a fresh pair of processes, over loopback, in turn", s.Rounds, s.Measure, s.WarmUp),
		"c is the client's side, s the server's; all but latencies and /s are for each call, message or connection",
		"x grpc: how many times grpc-go's calls a second, and how many times less CPU; over TLS, against grpc-go over TLS",
		"x floor: CPU over that of frames on one connection with combined writes, for bidi with a goroutine each, or of ping-pong where that is all there is; over UDP, of udp",
		"±%: half of what lies between the rounds with the least and the most CPU, in percent of the median",
		"r+w: read and write system calls, as the kernel counts them (a read that found nothing included)",
		"resident: private memory in the process; what the kernel holds for sockets is not in it",
	}
	if s.Heated {
		list = append(list, "where there is one caller, threads at SCHED_IDLE keep the processors from halting, which on a virtual machine would be most of the latency (--no-heat leaves them out)")
	}
	if r.Machine.CPUs < 8 {
		list = append(list, fmt.Sprintf("GOMAXPROCS above %d is not measured: client and server share %d processors here", r.Machine.CPUs, r.Machine.CPUs))
	}
	return append(list, r.Notes...)
}

func printWork(w io.Writer, r *results, work workInfo) {
	fmt.Fprintf(w, "\n%s: %s\n", work.Name, work.Title)
	var rows []*cellResult
	for _, c := range r.Cells {
		if c.Work == work.Name && c.Err != cannot {
			rows = append(rows, c)
		}
	}
	var shown []column
	for _, col := range columns() {
		if slices.ContainsFunc(rows, func(c *cellResult) bool { _, ok := col.value(r, c.Work, c.Pair); return ok }) {
			shown = append(shown, col)
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "\t")
	for _, col := range shown {
		fmt.Fprint(t, col.head, "\t")
	}
	fmt.Fprintln(t)
	var failures []string
	for _, c := range rows {
		if c.Err != "" {
			failures = append(failures, fmt.Sprintf("%s FAILED: %s", c.Pair, c.Err))
			continue
		}
		fmt.Fprintf(t, "%s\t", c.Pair)
		for _, col := range shown {
			text := "-"
			if v, ok := col.value(r, c.Work, c.Pair); ok {
				text = number(v)
			}
			fmt.Fprintf(t, "%s\t", text)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	for _, f := range failures {
		fmt.Fprintln(w, f)
	}
}

// printGrowth prints how throughput grows with processors, from the workloads
// that burn.
func printGrowth(w io.Writer, r *results) {
	counts := procCounts()
	if len(counts) < 2 {
		return
	}
	for _, pair := range burnPairs {
		base, ok := r.get(burnName(counts[0]), pair, rate)
		if !ok {
			continue
		}
		fmt.Fprintf(w, "%s, 20 µs handlers, 64 callers, one connection:", pair)
		for _, p := range counts {
			if v, ok := r.get(burnName(p), pair, rate); ok {
				fmt.Fprintf(w, "  GOMAXPROCS=%d %s/s (%sx)", p, number(v), number(v/base))
			}
		}
		fmt.Fprintln(w)
	}
}

// number prints v with three digits that count, or all of its whole ones.
func number(v float64) string {
	switch {
	case v >= 100 || v == 0:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	case v >= 0.01:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}
