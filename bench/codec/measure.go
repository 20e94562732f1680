package codec

import (
	"context"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// Result is what one contender needed for one operation on one message.
type Result struct {
	Message string  `json:"message"`
	Op      Op      `json:"op"`
	By      string  `json:"by"`
	Nanos   float64 `json:"ns_per_op"` // the median of the rounds
	Allocs  float64 `json:"allocs_per_op"`
	Bytes   float64 `json:"bytes_per_op"`
}

// Results is what a run of the codec benchmark gave.
type Results struct {
	Sizes   map[string]int `json:"sizes"` // encoded bytes of each message
	Results []Result       `json:"results"`
}

// Get returns what by needed; ok is false if it was not measured.
func (r *Results) Get(message string, op Op, by string) (Result, bool) {
	i := slices.IndexFunc(r.Results, func(x Result) bool { return x.Message == message && x.Op == op && x.By == by })
	if i < 0 {
		return Result{}, false
	}
	return r.Results[i], true
}

// Plan is how to measure.
type Plan struct {
	Rounds int           // at least 1
	Sample time.Duration // how long each contender runs in each round
	// Step, unless nil, is told what comes next.
	Step func(what string)
}

// Steps is how many times a run of p calls Step.
func (p Plan) Steps() int { return p.Rounds * len(MessageNames()) }

// entry is one contender with one message.
type entry struct {
	result Result
	run    func(n int) error
	n      int // how many make a sample
	nanos  []float64
}

// Run measures everything in rounds, contenders side by side, and returns the
// medians.
func Run(ctx context.Context, p Plan) (*Results, error) {
	list, err := shapes()
	if err != nil {
		return nil, err
	}
	out := &Results{Sizes: map[string]int{}}
	var entries []*entry
	for _, s := range list {
		out.Sizes[s.name] = len(s.bytes)
		for _, c := range contenders() {
			if run := c.make(s); run != nil {
				entries = append(entries, &entry{result: Result{Message: s.name, Op: c.op, By: c.name}, run: run})
			}
		}
	}
	for round := range p.Rounds {
		message := ""
		for _, e := range entries {
			if e.result.Message != message {
				message = e.result.Message
				if p.Step != nil {
					p.Step(fmt.Sprintf("codec  round %d of %d  %s", round+1, p.Rounds, message))
				}
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err := e.sample(p.Sample); err != nil {
				return nil, fmt.Errorf("%s %s by %s: %w", e.result.Op, e.result.Message, e.result.By, err)
			}
		}
	}
	for _, e := range entries {
		slices.Sort(e.nanos)
		e.result.Nanos = e.nanos[len(e.nanos)/2]
		out.Results = append(out.Results, e.result)
	}
	return out, nil
}

// sample adds a round, of about d.
func (e *entry) sample(d time.Duration) error {
	if e.n == 0 {
		if err := e.calibrate(d); err != nil {
			return err
		}
	}
	runtime.GC() // what went before shall not be collected on this one's time
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := e.run(e.n)
	elapsed := time.Since(start)
	runtime.ReadMemStats(&after)
	e.nanos = append(e.nanos, float64(elapsed)/float64(e.n))
	e.result.Allocs = float64(after.Mallocs-before.Mallocs) / float64(e.n)
	e.result.Bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(e.n)
	return err
}

// calibrate finds how many operations take about d.
func (e *entry) calibrate(d time.Duration) error {
	for n := 1; ; n *= 4 {
		start := time.Now()
		if err := e.run(n); err != nil {
			return err
		}
		if took := time.Since(start); took > d/16 || n > 1<<28 {
			e.n = max(1, int(float64(n)*float64(d)/float64(max(took, 1))))
			return nil
		}
	}
}

// Print writes the results as tables, with ratios to vtprotobuf and geometric
// means.
func (r *Results) Print(w io.Writer) {
	for _, op := range []Op{Marshal, Unmarshal, Size} {
		fmt.Fprintf(w, "\nCodec: %s, ns (allocations), and how many times as fast as %s\n", op, base(op))
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprint(t, "\t")
		for _, m := range MessageNames() {
			fmt.Fprintf(t, "%s %d B\t\t\t", m, r.Sizes[m])
		}
		fmt.Fprintln(t, "geomean\t")
		for _, by := range r.contenders(op) {
			fmt.Fprintf(t, "%s\t", by)
			logs, n := 0.0, 0
			for _, m := range MessageNames() {
				x, ok := r.Get(m, op, by)
				b, okBase := r.Get(m, op, base(op))
				if !ok || !okBase {
					fmt.Fprint(t, "-\t\t\t")
					continue
				}
				fmt.Fprintf(t, "%.0f\t(%.0f)\t%.2fx\t", x.Nanos, x.Allocs, b.Nanos/x.Nanos)
				logs += math.Log(b.Nanos / x.Nanos)
				n++
			}
			if n == len(MessageNames()) {
				fmt.Fprintf(t, "%.2fx\t", math.Exp(logs/float64(n)))
			}
			fmt.Fprintln(t)
		}
		t.Flush()
	}
	fmt.Fprintln(w, "\nvtprotobuf does not check that strings are UTF-8; the others do. hyperpb's messages are read through reflection. "+
		"Lupine writes in one pass and has no operation for the size; vtprotobuf's is part of its marshalling.")
}

// base is what the others are compared with.
func base(op Op) string {
	if op == Marshal {
		return VTReused
	}
	return VT
}

// contenders returns who was measured at op, in order.
func (r *Results) contenders(op Op) []string {
	var list []string
	for _, x := range r.Results {
		if x.Op == op && !slices.Contains(list, x.By) {
			list = append(list, x.By)
		}
	}
	return list
}
