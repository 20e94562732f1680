package rudp

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/lupine-rpc/lupine"
)

// route is a method that is served, with what is known of its handler.
type route struct {
	*lupine.Route
	took  atomic.Int64
	sizes sizeHint // of unary replies
}

const (
	// quickTime is how long a handler may take on average for the reader to run it:
	// longer than handing it to another goroutine costs.
	quickTime = 5 * time.Microsecond
	// slowStart is what a handler is taken for until it has been measured.
	slowStart = 20 * time.Microsecond
	// blockedTime is what a handler is taken for that kept the reader.
	blockedTime = time.Second
	// timedRuns is how many runs there are to one that is timed: reading the clock
	// costs as much as a quick handler.
	timedRuns = 8
)

// quick reports whether the reader may run the handler itself.
func (r *route) quick() bool { return r.Direct() && time.Duration(r.took.Load()) < quickTime }

// ran notes how long the handler took. It is a running average; a lost update does no harm.
func (r *route) ran(d time.Duration) {
	old := r.took.Load()
	r.took.Store(old + (int64(d)-old)/16)
}

// blocked notes that the handler kept the reader.
func (r *route) blocked() { r.took.Store(int64(blockedTime)) }

// routes finds routes by path for all sessions of a listener.
type routes struct {
	mu sync.RWMutex
	m  map[*lupine.Route]*route
}

// maxRoutes bounds routes: registered ones are few, but a handler of unknown methods
// gets a new one for every path.
const maxRoutes = 4096

func (rs *routes) of(r *lupine.Route) *route {
	rs.mu.RLock()
	got := rs.m[r]
	rs.mu.RUnlock()
	if got != nil {
		return got
	}
	got = &route{Route: r}
	got.took.Store(int64(slowStart))
	if _, raw := r.Method.Codec.(lupine.RawCodec); raw {
		return got
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if old := rs.m[r]; old != nil {
		return old
	}
	if rs.m == nil {
		rs.m = make(map[*lupine.Route]*route)
	}
	if len(rs.m) < maxRoutes {
		rs.m[r] = got
	}
	return got
}
