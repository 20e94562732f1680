package main

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"

	"github.com/lupine-rpc/lupine/bench/codec"
)

// goal is one row of what the project has set out to reach. It is data: the
// function says what is measured, the numbers how it is judged.
type goal struct {
	name string
	// target is the goal, least what would still be acceptable; zero where there
	// is no such line. With more a higher value is better, else a lower one.
	target, least float64
	more          bool
	unit          string // "x" for a ratio to grpc-go, or what is counted
	value         func(*results) (v float64, ok bool)
}

// goals returns the table. Against grpc-go's defaults, both ends ours, same run,
// unless the name says otherwise.
func goals() []goal {
	const ours, theirs = "lupine", "grpc-go"
	return []goal{
		{"unary, 1 caller: p50", 5, 3.5, true, "x", times("echo64-1", theirs, ours, p50)},
		{"unary, 1 caller: CPU per call", 5, 3, true, "x", times("echo64-1", theirs, ours, cpu)},
		{"unary, 64 callers: calls/s", 12, 7, true, "x", times("echo64-64", ours, theirs, rate)},
		{"unary, 64 callers: CPU", 12, 7, true, "x", times("echo64-64", theirs, ours, cpu)},
		{"unary, 256 callers: CPU", 14, 8, true, "x", times("echo64-256", theirs, ours, cpu)},
		{"64 callers with deadline and two metadata pairs: CPU", 9, 5, true, "x", times("meta64-64", theirs, ours, cpu)},
		{"unary over TLS, 64 callers: CPU, against grpc-go over TLS", 10, 6, true, "x", times("echo64-64", "grpc-go-tls", "lupine-tls", cpu)},
		{"our client against a grpc-go server, 64 callers: CPU of our side", 5, 3.5, true, "x",
			side("echo64-64", theirs, "lupine>grpc-go", cpuClient)},
		{"our server against a grpc-go client, 64 callers: CPU of our side", 5, 3.5, true, "x",
			side("echo64-64", theirs, "grpc-go>lupine", cpuServer)},
		{"allocations per unary call, both sides", 8, 12, false, "allocations", plain("echo64-64", ours, allocs)},
		{"allocations per unary call with metadata, both sides", 18, 28, false, "allocations", plain("meta64-64", ours, allocs)},
		{"reads and writes per call and side, 64 callers", 0.10, 0.16, false, "calls", larger("echo64-64", ours, ioClient, ioServer)},
		{"server stream, 64 B messages/s", 6, 4, true, "x", times("download64", ours, theirs, rate)},
		{"bidi ping-pong, 1 stream: CPU", 2.7, 2, true, "x", times("chat64-1", theirs, ours, cpu)},
		{"bidi ping-pong, 64 streams: per second", 3, 2, true, "x", times("chat64-64", ours, theirs, rate)},
		{"1 MiB unary: CPU", 3, 2, true, "x", times("echo1m-1", theirs, ours, cpu)},
		{"memory of an idle connection, client and server, as a share of grpc-go's", 0.25, 0.5, false, "x", times("idle", ours, theirs, memory)},
		{"against the floor (one connection, combined writes), 64 callers: CPU", 2.2, 3.5, false, "x of the floor", times("echo64-64", ours, "framed", cpu)},
		{"UDP: raw echo, 1 caller: p50 of rudp-plain", 1.5, 0, false, "x of raw", times("echo64-1", "rudp-plain", "udp", p50)},
		{"UDP: raw echo, 1 caller: p50 of rudp, encrypted", 1.8, 0, false, "x of raw", times("echo64-1", "rudp", "udp", p50)},
		{"UDP: raw echo, 64 callers: calls/s of rudp-plain", 2, 0, true, "x of raw", times("echo64-64", "rudp-plain", "udp", rate)},
		{"UDP: quic-go, 1 caller: p50", 5, 0, true, "x", times("echo64-1", "quic-go", "rudp", p50)},
		{"UDP: quic-go, 64 callers: calls/s", 8, 0, true, "x", times("echo64-64", "rudp", "quic-go", rate)},
		{"UDP: quic-go, 1 MiB: calls/s", 6, 0, true, "x", times("echo1m-1", "rudp", "quic-go", rate)},
		{"UDP: kcp-go, 1 caller: p50 of rudp-plain", 2.5, 0, true, "x", times("echo64-1", "kcp-go", "rudp-plain", p50)},
		{"UDP: kcp-go, 64 callers: calls/s of rudp-plain", 7, 0, true, "x", times("echo64-64", "rudp-plain", "kcp-go", rate)},
		{"UDP: kcp-go, 1 MiB: calls/s of rudp-plain", 10, 0, true, "x", times("echo1m-1", "rudp-plain", "kcp-go", rate)},
		{"UDP: grpc-go over TCP, 1 caller: p50 of rudp, encrypted", 4, 0, true, "x", times("echo64-1", theirs, "rudp", p50)},
		{"UDP: grpc-go over TCP, 64 callers: calls/s of rudp, encrypted", 8, 0, true, "x", times("echo64-64", "rudp", theirs, rate)},
		{"UDP: grpc-go over TCP, 1 MiB: calls/s of rudp, encrypted", 2.5, 0, true, "x", times("echo1m-1", "rudp", theirs, rate)},
		{"UDP: bulk, 1,452 B datagrams, encrypted, against TLS over TCP: bytes/s", 1.5, 0, true, "x", times("bulk", "rudp-1452", "framed-tls", rate)},
		{"UDP: bulk, 1,452 B datagrams, plain, against TCP: bytes/s", 0.7, 0, true, "x", times("bulk", "rudp-plain-1452", "framed", rate)},
		{"UDP: allocations per unary call on either side, encrypted", 2, 0, false, "allocations", larger("echo64-64", "rudp", allocsClient, allocsServer)},
		{"fast calls' p99 beside blocked handlers, against alone", 2, 0, false, "x of alone", fair(ours, "fair-held")},
		{"marshal, geometric mean over the five messages, against vtprotobuf with a reused buffer", 1.8, 1.3, true, "x of vtprotobuf",
			codecTimes(codec.Marshal, codec.VTReused, codec.OursReused)},
		{"unmarshal, safe, geometric mean, against vtprotobuf", 1.5, 1.2, true, "x of vtprotobuf",
			codecTimes(codec.Unmarshal, codec.VT, codec.Ours)},
		{"unmarshal, opt-in pooled or aliased, traces, against vtprotobuf", 3, 2, true, "x of vtprotobuf",
			codecTimes(codec.Unmarshal, codec.VT, codec.OursAliased, "traces")},
		{"unmarshal, opt-in pooled or aliased, strings, against vtprotobuf", 3, 2, true, "x of vtprotobuf",
			codecTimes(codec.Unmarshal, codec.VT, codec.OursAliased, "strings")},
	}
}

// times returns a function for the figure of one pair over that of another.
func times(work, above, below string, f figure) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) {
		a, ok1 := r.get(work, above, f)
		b, ok2 := r.get(work, below, f)
		return a / b, ok1 && ok2 && b > 0
	}
}

// side is times for a crossed pair, in which only one side is ours.
func side(work, theirs, crossed string, f figure) func(*results) (float64, bool) {
	return times(work, theirs, crossed, f)
}

func plain(work, pair string, f figure) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) { return r.get(work, pair, f) }
}

func larger(work, pair string, f, g figure) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) {
		a, ok1 := r.get(work, pair, f)
		b, ok2 := r.get(work, pair, g)
		return max(a, b), ok1 && ok2
	}
}

// fair returns a function for a pair's p99 at work over its p99 alone.
func fair(pair, work string) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) {
		a, ok1 := r.get(work, pair, p99)
		b, ok2 := r.get("fair-alone", pair, p99)
		return a / b, ok1 && ok2 && b > 0
	}
}

// codecTimes returns a function for how many times faster than base a codec is:
// the geometric mean over the messages, or over all if none is named.
func codecTimes(op codec.Op, base, by string, messages ...string) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) {
		if r.Codec == nil {
			return 0, false
		}
		list := messages
		if list == nil {
			list = codec.MessageNames()
		}
		var ratios []float64
		for _, m := range list {
			a, ok1 := r.Codec.Get(m, op, base)
			b, ok2 := r.Codec.Get(m, op, by)
			if !ok1 || !ok2 {
				return 0, false
			}
			ratios = append(ratios, a.Nanos/b.Nanos)
		}
		return geomean(ratios), true
	}
}

// verdict is how a goal came out.
type verdict struct {
	Name    string  `json:"name"`
	Goal    float64 `json:"goal"`
	Least   float64 `json:"least,omitempty"`
	Unit    string  `json:"unit"`
	Value   float64 `json:"value,omitempty"`
	Verdict string  `json:"verdict"` // met, least, missed, not measured
}

// The verdicts.
const (
	met         = "met"
	least       = "least"
	missed      = "missed"
	notMeasured = "not measured"
)

// judge holds the results against every goal.
func judge(r *results, list []goal) []verdict {
	var out []verdict
	for _, g := range list {
		v := verdict{Name: g.name, Goal: g.target, Least: g.least, Unit: g.unit, Verdict: notMeasured}
		if value, ok := g.value(r); ok && !math.IsNaN(value) && !math.IsInf(value, 0) {
			v.Value = value
			v.Verdict = g.judge(value)
		}
		out = append(out, v)
	}
	return out
}

func (g goal) judge(v float64) string {
	reached := func(line float64) bool {
		if g.more {
			return v >= line
		}
		return v <= line
	}
	switch {
	case reached(g.target):
		return met
	case g.least != 0 && reached(g.least):
		return least
	}
	return missed
}

// printGoals prints the verdicts, and returns how many goals were measured and
// met.
func printGoals(w io.Writer, list []verdict) (measured, metCount int) {
	fmt.Fprintln(w, "\nGoals")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "goal\tleast\tmeasured\t\t\t")
	for _, v := range list {
		if v.Verdict == notMeasured {
			continue
		}
		measured++
		value, leastText := number(v.Value), "-"
		if v.Verdict == met {
			metCount++
		}
		if v.Least != 0 {
			leastText = number(v.Least)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t  %s (%s)\n", number(v.Goal), leastText, value, v.Verdict, v.Name, v.Unit)
	}
	t.Flush()
	fmt.Fprintf(w, "%d of %d measured goals met; %d not measured\n", metCount, measured, len(list)-measured)
	return measured, metCount
}
