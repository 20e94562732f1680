package main

import (
	"math"
	"slices"
	"time"

	"github.com/lupine-rpc/lupine/bench/codec"
	"github.com/lupine-rpc/lupine/bench/internal/load"
)

// figure names something that was measured. "call" means message for one-way
// streams and connection for set-up.
type figure string

const (
	p50            figure = "p50_us"
	p99            figure = "p99_us"
	p999           figure = "p999_us"
	rate           figure = "per_second"
	cpu            figure = "cpu_us"             // a call, both sides
	spread         figure = "cpu_spread_percent" // of the rounds around the median
	cpuClient      figure = "cpu_client_us"
	cpuServer      figure = "cpu_server_us"
	allocs         figure = "allocs" // a call, both sides
	allocsClient   figure = "allocs_client"
	allocsServer   figure = "allocs_server"
	bytesClient    figure = "alloc_bytes_client" // a call
	bytesServer    figure = "alloc_bytes_server"
	ioClient       figure = "reads_writes_client" // a call
	ioServer       figure = "reads_writes_server"
	switchesClient figure = "switches_client" // a call
	switchesServer figure = "switches_server"
	syscallsClient figure = "syscalls_client" // a call, all kinds
	syscallsServer figure = "syscalls_server"
	memory         figure = "memory_bytes" // a connection, both sides, resident
	memoryClient   figure = "memory_client_bytes"
	memoryServer   figure = "memory_server_bytes"
	heapClient     figure = "heap_stack_client_bytes" // a connection: live objects and stacks
	heapServer     figure = "heap_stack_server_bytes"
)

// figures is what one round gave, or the median of several.
type figures map[figure]float64

// figuresOf returns what a run measured, for each call.
func figuresOf(o load.Outcome, server load.Usage) figures {
	n := float64(o.Calls)
	us := func(d time.Duration) float64 { return float64(d) / n / float64(time.Microsecond) }
	f := figures{
		rate:      n / o.Elapsed.Seconds(),
		cpuClient: us(o.Usage.CPU), cpuServer: us(server.CPU), cpu: us(o.Usage.CPU + server.CPU),
		allocsClient: float64(o.Usage.Mallocs) / n, allocsServer: float64(server.Mallocs) / n,
		allocs:      float64(o.Usage.Mallocs+server.Mallocs) / n,
		bytesClient: float64(o.Usage.AllocBytes) / n, bytesServer: float64(server.AllocBytes) / n,
		ioClient: float64(o.Usage.Reads+o.Usage.Writes) / n, ioServer: float64(server.Reads+server.Writes) / n,
		switchesClient: float64(o.Usage.Voluntary+o.Usage.Involuntary) / n,
		switchesServer: float64(server.Voluntary+server.Involuntary) / n,
	}
	if o.P50 > 0 {
		f[p50], f[p99], f[p999] = o.P50/1e3, o.P99/1e3, o.P999/1e3
	}
	if o.Usage.CPU == 0 && server.CPU == 0 { // not counted on this system
		for _, k := range []figure{cpu, cpuClient, cpuServer, ioClient, ioServer, switchesClient, switchesServer} {
			delete(f, k)
		}
	}
	return f
}

// memoryOf returns what idle connections hold, for each.
func memoryOf(o load.Outcome, server load.Memory) figures {
	n := float64(o.Conns)
	return figures{
		memoryClient: float64(o.Memory.Resident) / n, memoryServer: float64(server.Resident) / n,
		memory:     float64(o.Memory.Resident+server.Resident) / n,
		heapClient: float64(o.Memory.Heap+o.Memory.Stack) / n, heapServer: float64(server.Heap+server.Stack) / n,
	}
}

// cellResult is what one cell gave.
type cellResult struct {
	Work   string    `json:"work"`
	Pair   string    `json:"pair"`
	Rounds []figures `json:"rounds,omitempty"`
	Median figures   `json:"median,omitempty"`
	Err    string    `json:"error,omitempty"` // or cannot
}

// cannot is the error of a cell whose implementation has no such calls.
const cannot = "cannot"

// settle computes the medians, figure by figure.
func (c *cellResult) settle() {
	c.Median = figures{}
	values := map[figure][]float64{}
	for _, r := range c.Rounds {
		for k, v := range r {
			values[k] = append(values[k], v)
		}
	}
	for k, v := range values {
		c.Median[k] = median(v)
	}
	if v := values[cpu]; len(v) > 1 {
		c.Median[spread] = 50 * (slices.Max(v) - slices.Min(v)) / c.Median[cpu]
	}
}

// median returns the middle of values, or the mean of the two in the middle, or
// NaN of none. It does not change values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	mid := len(s) / 2
	if len(s)%2 == 1 {
		return s[mid]
	}
	return (s[mid-1] + s[mid]) / 2
}

// geomean returns the geometric mean of values, which must be positive, or NaN
// of none.
func geomean(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, v := range values {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(values)))
}

// results is everything that a run of the benchmark gave: what --json writes.
type results struct {
	Machine  machine        `json:"machine"`
	Settings settings       `json:"settings"`
	Notes    []string       `json:"notes"`
	Pairs    []pairInfo     `json:"pairs,omitempty"`
	Works    []workInfo     `json:"works,omitempty"`
	Cells    []*cellResult  `json:"cells,omitempty"`
	Codec    *codec.Results `json:"codec,omitempty"`
	Goals    []verdict      `json:"goals,omitempty"`
}

// settings is how the run was made.
type settings struct {
	Rounds  int           `json:"rounds"`
	Measure time.Duration `json:"measure_ns"`
	WarmUp  time.Duration `json:"warm_up_ns"`
	Idle    int           `json:"idle_connections"`
	Heated  bool          `json:"heated"` // lone callers were measured beside SCHED_IDLE threads
}

type pairInfo struct {
	Name  string `json:"name"`
	About string `json:"about"`
}

type workInfo struct {
	Name  string `json:"name"`
	Title string `json:"title"`
}

// failures returns how many cells went wrong.
func (r *results) failures() int {
	n := 0
	for _, c := range r.Cells {
		if c.Err != "" && c.Err != cannot {
			n++
		}
	}
	return n
}

// get returns a figure of a cell; ok is false if it was not measured, or if any
// round of the cell went wrong.
func (r *results) get(work, pair string, f figure) (v float64, ok bool) {
	if c := r.cell(work, pair); c != nil && c.Err == "" {
		v, ok = c.Median[f]
	}
	return v, ok
}

func (r *results) cell(work, pair string) *cellResult {
	for _, c := range r.Cells {
		if c.Work == work && c.Pair == pair {
			return c
		}
	}
	return nil
}
