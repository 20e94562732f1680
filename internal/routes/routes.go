// Package routes is what servers of a wire know of the methods that they serve: above
// all, how long their handlers take.
package routes

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/internal/buffers"
)

// Route is a method that is served, with what is known of its handler. Its methods may be
// called by many goroutines at once.
type Route struct {
	*lupine.Route
	// Raw: it takes any codec.
	Raw bool
	// Sizes is how large unary replies are.
	Sizes buffers.SizeHint
	took  atomic.Int64
}

const (
	// quickTime is how long a handler may take on average for the reader to run it:
	// longer than handing it to another goroutine costs.
	quickTime = 5 * time.Microsecond
	// slowStart is what a handler is taken for until it has been measured.
	slowStart = 20 * time.Microsecond
	// blockedTime is what a handler is taken for that kept the reader: it takes
	// some hundred quick runs to be trusted again.
	blockedTime = time.Second
)

// TimedRuns is how many runs of handlers on the reader's goroutine there are to one that
// is timed: reading the clock costs as much as a quick handler.
const TimedRuns = 8

// Quick reports whether the reader may run the handler itself.
func (r *Route) Quick() bool { return r.Direct() && time.Duration(r.took.Load()) < quickTime }

// Ran notes how long the handler took. It is a running average; a lost update
// does no harm.
func (r *Route) Ran(d time.Duration) {
	old := r.took.Load()
	r.took.Store(old + (int64(d)-old)/16)
}

// Blocked notes that the handler kept the reader.
func (r *Route) Blocked() { r.took.Store(int64(blockedTime)) }

// Table has the Routes of a listener. The zero value is ready for use, by many goroutines
// at once.
type Table struct {
	mu sync.RWMutex
	m  map[*lupine.Route]*Route
}

// maxRoutes bounds a Table: registered routes are few, but a handler of unknown
// methods gets a new one for every path.
const maxRoutes = 4096

// Of returns the Route of r, the same one each time while r takes one codec and the Table
// is not full.
func (t *Table) Of(r *lupine.Route) *Route {
	t.mu.RLock()
	got := t.m[r]
	t.mu.RUnlock()
	if got != nil {
		return got
	}
	got = &Route{Route: r}
	_, got.Raw = r.Method.Codec.(lupine.RawCodec)
	got.took.Store(int64(slowStart))
	if got.Raw {
		return got
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if old := t.m[r]; old != nil {
		return old
	}
	if t.m == nil {
		t.m = make(map[*lupine.Route]*Route)
	}
	if len(t.m) < maxRoutes {
		t.m[r] = got
	}
	return got
}
