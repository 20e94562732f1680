package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine/bench/codec"
	"github.com/lupine-rpc/lupine/bench/internal/load"
	"github.com/lupine-rpc/lupine/bench/internal/proc"
)

func TestMain(m *testing.M) {
	proc.Child()
	os.Exit(m.Run())
}

// Every implementation does every kind of work that it can, in processes of its
// own, and gives figures that can be true.
func TestSmoke(t *testing.T) {
	lacks := map[string]string{ // work by implementation
		"net/rpc": "meta64-64 chat64-1 download64 upload64", "framed": "meta64-64 chat64-1 burn20-p1 fair-churn", "framed-go": "meta64-64",
		"ping-pong": "meta64-64 download64 upload64 burn20-p1 fair-churn", "kcp-go": "meta64-64 download64 upload64 burn20-p1 fair-churn",
		"udp": "meta64-64 chat64-1 download64 upload64 burn20-p1 fair-churn",
	}
	s := settings{Rounds: 1, WarmUp: 2 * time.Millisecond, Measure: 10 * time.Millisecond, Idle: 20}
	var list []cell
	for _, w := range workloads(s.Idle) {
		switch w.name {
		case "echo64-1", "meta64-64", "chat64-1", "download64", "upload64", "echo1m-1", "setup", "burn20-p1", "fair-churn", "idle":
		default:
			continue
		}
		for _, p := range pairs() {
			// Crossed, TLS and unix pairs differ from the others in how they connect.
			if (p.client == p.server && !p.tls && !p.unix || w.name == "echo64-1") && (w.name != "echo1m-1" || p.name != "udp") {
				list = append(list, cell{w, p})
			}
		}
	}
	b, err := newBench(s, list, progress{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if err := b.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range b.results.Cells {
		if strings.Contains(lacks[r.Pair], r.Work) {
			if r.Err != cannot {
				t.Errorf("%s %s: %q and %v, want that it cannot", r.Work, r.Pair, r.Err, r.Median)
			}
			continue
		}
		if r.Err != "" {
			t.Errorf("%s %s: %s", r.Work, r.Pair, r.Err)
			continue
		}
		want := []figure{rate, cpuClient, cpuServer}
		switch {
		case r.Work == "idle":
			want = []figure{memoryClient, memoryServer}
		case r.Work != "download64" && r.Work != "upload64":
			want = append(want, p50, p99)
		}
		for _, f := range want {
			if v := r.Median[f]; !(v > 0) && !(r.Work == "idle" && v == 0) {
				t.Errorf("%s %s: %s is %v", r.Work, r.Pair, f, v)
			}
		}
	}
}

// What is wrong with an implementation is in the table, and the rest goes on.
func TestFailure(t *testing.T) {
	w := workloads(1)[0]
	bad := pair{name: "none", client: "none", server: "none"}
	good := pairs()[len(pairs())-1]
	b, err := newBench(settings{Rounds: 2, WarmUp: time.Millisecond, Measure: 5 * time.Millisecond}, []cell{{w, bad}, {w, good}}, progress{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if err := b.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := b.results.Cells[0].Err; !strings.Contains(got, `no implementation "none"`) {
		t.Errorf("the error is %q", got)
	}
	if got := len(b.results.Cells[1].Rounds); got != 2 {
		t.Errorf("%d rounds of the other, want 2", got)
	}
	var out bytes.Buffer
	printResults(&out, b.results)
	if !strings.Contains(out.String(), "none FAILED: no implementation") {
		t.Errorf("the table does not tell:\n%s", out.String())
	}
}

// A run that is told to stop stops.
func TestStop(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b, err := newBench(settings{Rounds: 1, Measure: time.Hour}, cells(workloads(1), nil), progress{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	if err := b.run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("run returned %v", err)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{5, 1, 100}, 5}, {[]float64{4, 2, 1, 3}, 2.5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
	if !math.IsNaN(median(nil)) || !math.IsNaN(geomean(nil)) {
		t.Error("the median or the mean of nothing is a number")
	}
	if got := geomean([]float64{2, 8}); math.Abs(got-4) > 1e-9 {
		t.Errorf("geomean(2, 8) = %v, want 4", got)
	}
}

// Each round's figures go into the median figure by figure.
func TestSettle(t *testing.T) {
	c := cellResult{Rounds: []figures{{rate: 10, cpu: 1}, {rate: 30, cpu: 9}, {rate: 20, cpu: 2}}}
	c.settle()
	if c.Median[rate] != 20 || c.Median[cpu] != 2 {
		t.Errorf("medians %v", c.Median)
	}
}

// The figures are for each call, and both sides add up.
func TestFigures(t *testing.T) {
	f := figuresOf(load.Outcome{
		Calls: 1000, Elapsed: 2 * time.Second, P50: 5000, P99: 7000, P999: 9000,
		Usage: load.Usage{CPU: 4 * time.Millisecond, Mallocs: 3000, AllocBytes: 64000, Reads: 100, Writes: 50, Voluntary: 20, Involuntary: 5},
	}, load.Usage{CPU: 6 * time.Millisecond, Mallocs: 5000, Reads: 200})
	want := figures{rate: 500, p50: 5, p99: 7, p999: 9, cpuClient: 4, cpuServer: 6, cpu: 10, allocs: 8, allocsClient: 3, allocsServer: 5,
		bytesClient: 64, ioClient: 0.15, ioServer: 0.2, switchesClient: 0.025}
	for k, v := range want {
		if math.Abs(f[k]-v) > 1e-9 {
			t.Errorf("%s is %v, want %v", k, f[k], v)
		}
	}
	m := memoryOf(load.Outcome{Conns: 10, Memory: load.Memory{Resident: 1000, Heap: 300, Stack: 200}}, load.Memory{Resident: 500})
	if m[memory] != 150 || m[memoryClient] != 100 || m[heapClient] != 50 {
		t.Errorf("memory %v", m)
	}
}

// made returns results in which every figure of the named cells is v.
func made(cells map[[2]string]float64) *results {
	r := &results{}
	for k, v := range cells {
		c := &cellResult{Work: k[0], Pair: k[1], Median: figures{}}
		for _, f := range []figure{p50, p99, rate, cpu, cpuClient, cpuServer, allocs, allocsClient, allocsServer, ioClient, ioServer, memory} {
			c.Median[f] = v
		}
		r.Cells = append(r.Cells, c)
	}
	return r
}

func TestJudge(t *testing.T) {
	more := goal{name: "more", target: 5, least: 3, more: true, value: times("w", "peer", "ours", cpu)}
	fewer := goal{name: "fewer", target: 8, least: 12, value: plain("w", "ours", allocs)}
	noLeast := goal{name: "no least", target: 2, value: times("w", "ours", "peer", p99)}
	for _, c := range []struct {
		g           goal
		ours, peers float64
		want        string
	}{
		{more, 2, 10, met}, {more, 2.5, 10, least}, {more, 4, 10, missed}, {more, 0, 10, notMeasured},
		{fewer, 8, 0, met}, {fewer, 12, 0, least}, {fewer, 12.1, 0, missed},
		{noLeast, 2, 1, met}, {noLeast, 2.1, 1, missed},
	} {
		v := judge(made(map[[2]string]float64{{"w", "ours"}: c.ours, {"w", "peer"}: c.peers}), []goal{c.g})[0]
		if v.Verdict != c.want {
			t.Errorf("%s with ours %v and the peer's %v: %s (%v), want %s", c.g.name, c.ours, c.peers, v.Verdict, v.Value, c.want)
		}
	}
	if v := judge(&results{}, []goal{more})[0]; v.Verdict != notMeasured {
		t.Errorf("of nothing: %s", v.Verdict)
	}
}

// Each goal's workload and pairs are in the plan, so that a full run measures
// every goal; and each is worded so that a value past its goal is met.
func TestGoalsAreMeasured(t *testing.T) {
	full := map[[2]string]float64{}
	for _, c := range cells(workloads(1), nil) {
		full[[2]string{c.work.name, c.pair.name}] = 1
	}
	r := made(full)
	r.Codec = &codec.Results{}
	for _, m := range codec.MessageNames() {
		for _, by := range []string{codec.VTReused, codec.OursReused} {
			r.Codec.Results = append(r.Codec.Results, codec.Result{Message: m, Op: codec.Marshal, By: by, Nanos: 1})
		}
		for _, by := range []string{codec.VT, codec.Ours, codec.OursAliased} {
			r.Codec.Results = append(r.Codec.Results, codec.Result{Message: m, Op: codec.Unmarshal, By: by, Nanos: 1})
		}
	}
	for i, v := range judge(r, goals()) {
		if v.Verdict == notMeasured {
			t.Errorf("%q is not measured", v.Name)
		}
		if g := goals()[i]; g.least != 0 && (g.target > g.least) != g.more {
			t.Errorf("%q: goal %v and least %v are the wrong way round", g.name, g.target, g.least)
		}
	}
}

func TestOnly(t *testing.T) {
	list := cells(workloads(1), regexp.MustCompile(`^echo64-64 (lupine|grpc-go)$`))
	if len(list) != 2 || list[0].pair.name != "lupine" || list[1].pair.name != "grpc-go" {
		t.Errorf("got %d cells", len(list))
	}
	for _, c := range [][]string{{"extra"}, {"--only", "("}, {"--idle", "-1"}, {"--nonsense"}} {
		if _, err := parseOptions(c, false); err == nil {
			t.Errorf("%q is accepted", c)
		}
	}
}

// What is written can be read: JSON, SVG, and a table.
func TestOutput(t *testing.T) {
	r := made(map[[2]string]float64{{"echo64-64", "lupine"}: 2, {"echo64-64", "grpc-go"}: 20, {"echo64-64", "a<b"}: 1})
	r.Works = []workInfo{{"echo64-64", "unary <echo>"}}
	r.Goals = judge(r, goals())
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back results
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if v, ok := back.get("echo64-64", "lupine", cpu); !ok || v != 2 {
		t.Errorf("read back %v", v)
	}
	for d := xml.NewDecoder(bytes.NewReader(chart(r))); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Contains(chart(r), []byte(">10.0x<")) {
		t.Error("the chart lacks the ratio 10.0x")
	}
	var out bytes.Buffer
	printResults(&out, r)
	if _, metCount := printGoals(&out, r.Goals); metCount == 0 || !strings.Contains(out.String(), "10.0") {
		t.Errorf("%d goals met:\n%s", metCount, out.String())
	}
}

func TestStraceTotal(t *testing.T) {
	table := "% time     seconds  usecs/call     calls    errors syscall\n------ -- -- -- -- --\n 99.00    0.000100          10        10         1 read\n" +
		"------ -- -- -- -- --\n100.00    0.000103           9        11         1 total\n"
	if n, err := straceTotal(table); n != 11 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if _, err := straceTotal("nothing"); err == nil {
		t.Error("no error without a total")
	}
}
