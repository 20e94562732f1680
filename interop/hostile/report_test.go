package hostile

import (
	"fmt"
	"os"
	"sync"
	"text/tabwriter"
	"time"
)

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

// report prints a line for each attack, hostile server and honest client.
func report() {
	table.Lock()
	defer table.Unlock()
	if len(table.rows)+len(table.client)+len(table.fine) == 0 {
		return
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "rows\tattack\tclosed\tmemory, KB\tCPU\tp99 quiet\tp99 attacked")
	for _, r := range table.rows {
		fmt.Fprintf(out, "%s\t%s\t%s\t%d\t%v\t%v\t%v\n", r.Rows, r.Name, r.When, r.Memory, r.CPU, r.Quiet.P99, r.Busy.P99)
	}
	for _, r := range table.client {
		fmt.Fprintf(out, "%s\tserver: %s\t%s\t%d\t%v\t%v\t%v\n", r.rows, r.name, r.outcome, r.memory, r.cpu, r.quiet.P99, r.busy.P99)
	}
	for _, r := range table.fine {
		fmt.Fprintf(out, "17\thonest: %s\t%d of %d calls answered in %v\t\t\t\t\n", r.name, r.good, r.calls, r.took)
	}
	out.Flush()
}
