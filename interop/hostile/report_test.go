package hostile

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/lupine-rpc/lupine/interop/internal/section"
)

// docVariable names a document whose section "attacks" gets the tables.
const docVariable = "LUPINE_HOSTILE_DOC"

var table struct {
	sync.Mutex
	rows   []row
	fine   []fineRow
	client []clientRow
}

// fineRow is what is printed of an honest client.
type fineRow struct {
	name        string
	calls, good int
	took        time.Duration
	failed      bool
}

// clientRow is what is printed of a hostile server.
type clientRow struct {
	rows, name, outcome string
	memory              int
	cpu                 time.Duration
	quiet, busy         calls
	failed              bool
}

func add(r row) {
	table.Lock()
	defer table.Unlock()
	table.rows = append(table.rows, r)
}

func addFine(r fineRow) {
	table.Lock()
	defer table.Unlock()
	table.fine = append(table.fine, r)
}

func addClient(r clientRow) {
	table.Lock()
	defer table.Unlock()
	table.client = append(table.client, r)
}

var (
	attackColumns = []string{"list", "attack", "what became of it", "memory, MB", "CPU, ms", "p99 quiet, ms", "p99 attacked, ms"}
	fineColumns   = []string{"honest client", "calls", "answered", "time"}
)

// cells are the rows of both tables.
func cells() (attacks, fine [][]string) {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
	line := func(rows, name, outcome string, memory int, cpu time.Duration, quiet, busy calls) {
		attacks = append(attacks, []string{rows, name, outcome, fmt.Sprintf("%.1f", float64(memory)/1e6), ms(cpu), ms(quiet.P99), ms(busy.P99)})
	}
	for _, r := range table.rows {
		line(r.Rows, r.Name, r.When, r.Memory, r.CPU, r.Quiet, r.Busy)
	}
	for _, r := range table.client {
		line(r.rows, "server: "+r.name, r.outcome, r.memory, r.cpu, r.quiet, r.busy)
	}
	for _, r := range table.fine {
		fine = append(fine, []string{r.name, fmt.Sprint(r.calls), fmt.Sprint(r.good), short(r.took)})
	}
	return attacks, fine
}

// report prints the tables, and puts them into a document if one is named.
func report() error {
	table.Lock()
	defer table.Unlock()
	attacks, fine := cells()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	var doc strings.Builder
	for _, t := range []struct {
		columns []string
		rows    [][]string
	}{{attackColumns, attacks}, {fineColumns, fine}} {
		if len(t.rows) == 0 {
			continue
		}
		fmt.Fprintln(out, strings.Join(t.columns, "\t"))
		fmt.Fprintf(&doc, "\n| %s |\n|%s\n", strings.Join(t.columns, " | "), strings.Repeat("---|", len(t.columns)))
		for _, r := range t.rows {
			fmt.Fprintln(out, strings.Join(r, "\t"))
			fmt.Fprintf(&doc, "| %s |\n", strings.Join(r, " | "))
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	if file := os.Getenv(docVariable); file != "" {
		return section.Replace(file, "attacks", strings.TrimPrefix(doc.String(), "\n"))
	}
	return nil
}
