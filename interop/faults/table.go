package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// row is what one fault did to one pair.
type row struct {
	fault *fault
	matchup
	account
}

// noticed is the most that a caller at Lupine's may wait to be told that a link
// is dead or a peer stopped, on a busy machine: 3 s by design.
const noticed = 4 * time.Second

var columns = []string{"fault", "client", "server", "calls", "failed", "told not run", "failed, had run", "ran twice", "caller knows after", "calls succeed after", "longest pause"}

func (r *row) cells() []string {
	notRun := fmt.Sprint(r.NotRun)
	if r.client != ours {
		notRun = "does not say"
	}
	failed := fmt.Sprint(r.Failed)
	if r.Pending > 0 {
		failed += fmt.Sprintf(" (%d still waiting)", r.Pending)
	}
	return []string{
		r.fault.title, r.client, r.server, fmt.Sprint(r.Made), failed, notRun, fmt.Sprint(r.Ran), fmt.Sprint(r.Twice),
		times(r.Knows, "-"), times(r.Again, "not within the test"), short(r.Pause),
	}
}

// times is the median and the longest of some times, where there are several.
func times(all []time.Duration, none string) string {
	var known []time.Duration
	for _, d := range all {
		if d >= 0 {
			known = append(known, d)
		}
	}
	slices.Sort(known)
	switch n := len(known); {
	case n == 0:
		return none
	case len(all) == 1:
		return short(known[0])
	default:
		return short(known[n/2]) + ", at most " + short(known[n-1])
	}
}

func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}

// print writes the table for a terminal, and what calls failed with.
func print(w io.Writer, rows []row) {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, strings.Join(columns, "\t"))
	for _, r := range rows {
		fmt.Fprintln(out, strings.Join(r.cells(), "\t"))
	}
	out.Flush()
	for _, r := range rows {
		for _, text := range commonest(r.Errors, 3) {
			fmt.Fprintf(w, "%s, %s to %s: %d x %s\n", r.fault.name, r.client, r.server, r.Errors[text], text)
		}
	}
}

// commonest returns the n errors that came most often.
func commonest(errors map[string]int, n int) (all []string) {
	for text := range errors {
		all = append(all, text)
	}
	slices.SortFunc(all, func(a, b string) int {
		if d := errors[b] - errors[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return all[:min(n, len(all))]
}

// markdown is the table for a document.
func markdown(rows []row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Lupine and grpc-go %s, printed by `make faults FAULTS=-write`.\n\n", version())
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, r := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(r.cells(), " | "))
	}
	return b.String()
}

// verdict holds Lupine's rows against what is promised.
func verdict(rows []row) error {
	var wrong []error
	for _, r := range rows {
		fail := func(format string, args ...any) {
			wrong = append(wrong, fmt.Errorf("%s, %s to %s: "+format, append([]any{r.fault.name, r.client, r.server}, args...)...))
		}
		if r.Lost > 0 {
			fail("%d calls were answered that no handler ran", r.Lost)
		}
		if r.client != ours {
			continue
		}
		if r.Lies > 0 {
			fail("%d callers were told that their call did not run, and it had", r.Lies)
		}
		if r.Twice > 0 {
			fail("%d calls ran twice", r.Twice)
		}
		if r.server != ours {
			continue
		}
		if r.fault.inherited && r.Failed > 0 {
			fail("%d calls failed though every server was drained", r.Failed)
		}
		if !r.fault.together {
			continue
		}
		for _, d := range append(r.Knows, r.Again...) {
			if d < 0 || d > noticed {
				fail("callers knew after %s and were answered after %s, want at most %v", times(r.Knows, "-"), times(r.Again, "-"), noticed)
				break
			}
		}
	}
	return errors.Join(wrong...)
}
