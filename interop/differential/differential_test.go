package differential

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/lupine-rpc/lupine"
)

var (
	seed  = flag.Uint64("seed", 1, "seed of the generated scenarios")
	count = flag.Int("scenarios", 400, "how many scenarios to generate")
)

// world is both servers with both clients.
type world struct {
	pairs []pair
}

// pair is one client with one server.
type pair struct {
	name   string
	client client
	st     *stages
}

// newWorld starts everything. The first pair is grpc-go with itself: what it does
// is what gRPC does.
func newWorld(t *testing.T) *world {
	t.Helper()
	theirs, theirStages := startGRPC(t)
	ours, ourStages := startLupine(t)
	return &world{[]pair{
		{"grpc-go to grpc-go", dialGRPC(t, theirs), theirStages},
		{"grpc-go to Lupine", dialGRPC(t, ours), ourStages},
		{"Lupine to grpc-go", dialLupine(t, theirs), theirStages},
		{"Lupine to Lupine", dialLupine(t, ours), ourStages},
	}}
}

// compared and alike count how often a pair's results were held against those of
// grpc-go with itself, and were the same.
var compared, alike int

// TestMain prints the figure of docs/CONFORMANCE.md.
func TestMain(m *testing.M) {
	code := m.Run()
	if compared > 0 {
		fmt.Printf("differential, scenarios times pairs held against grpc-go with itself: %d/%d\n", alike, compared)
	}
	os.Exit(code)
}

// same runs s in every pair and wants the same from all of them.
func (w *world) same(t *testing.T, s *scenario) {
	t.Helper()
	var want []string
	for i, p := range w.pairs {
		got, err := run(t, p.client, p.st, s)
		p.executed(t, s, err)
		if i == 0 {
			want = got
			continue
		}
		compared++
		if slices.Equal(got, want) {
			alike++
		} else {
			t.Errorf("%s %s: %s differs:\n%s", s.kind, s.name, p.name, diff(want, got))
		}
	}
}

// executed checks what only Lupine's client says: whether the call ran.
func (p pair) executed(t *testing.T, s *scenario, err error) {
	t.Helper()
	var e *lupine.Error
	if !errors.As(err, &e) || s.handler == nil {
		return // theirs, or a handler that is not reached
	}
	switch {
	case e.Executed == lupine.No:
		t.Errorf("%s %s: %s: the handler ran, and the caller is told %v", s.kind, s.name, p.name, e)
	case !s.ownText && p.name == "Lupine to Lupine" && e.Executed != lupine.Yes:
		t.Errorf("%s %s: the handler returned %v, and its caller is told: executed %v", s.kind, s.name, e, e.Executed)
	case p.name == "Lupine to grpc-go" && e.Executed != lupine.Maybe:
		t.Errorf("%s %s: grpc-go does not say whether a call ran, and the caller is told: executed %v: %v", s.kind, s.name, e.Executed, e)
	}
}

// diff lists two logs side by side from where they part.
func diff(want, got []string) string {
	var b strings.Builder
	for i := range max(len(want), len(got)) {
		var l, r string
		if i < len(want) {
			l = want[i]
		}
		if i < len(got) {
			r = got[i]
		}
		if l == r {
			fmt.Fprintf(&b, "       both: %.200s\n", l)
		} else {
			fmt.Fprintf(&b, "    grpc-go: %.300s\n      Lupine: %.300s\n", l, r)
		}
	}
	return b.String()
}

// TestTable runs the scenarios made by hand.
func TestTable(t *testing.T) {
	w := newWorld(t)
	for _, s := range table() {
		t.Run(s.kind.String()+"/"+s.name, func(t *testing.T) { w.same(t, s) })
	}
}

// TestRandom runs the scenarios that a seed gives.
func TestRandom(t *testing.T) {
	w := newWorld(t)
	n := *count
	if testing.Short() {
		n /= 4
	}
	for i := range n {
		w.same(t, generate(*seed, uint64(i)))
		if t.Failed() {
			t.Fatalf("scenario %d of seed %d: go test -run TestRandom -seed %d -scenarios %d", i, *seed, *seed, i+1)
		}
	}
	t.Logf("%d scenarios of seed %d, each in 4 pairs", n, *seed)
}
