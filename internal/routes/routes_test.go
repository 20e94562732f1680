package routes

import (
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
)

type codec struct{ lupine.RawCodec }

func route(c lupine.Codec) *lupine.Route {
	return &lupine.Route{Method: &lupine.Method{Path: "/a.B/C", Codec: c}}
}

// TestTable: a Route is kept for each method, but not for those of which there is a new
// one for each path, and for no more than maxRoutes.
func TestTable(t *testing.T) {
	var table Table
	r := route(codec{})
	if first := table.Of(r); table.Of(r) != first {
		t.Error("two Routes of one method")
	}
	raw := route(lupine.RawCodec{})
	if got := table.Of(raw); !got.Raw || got == table.Of(raw) {
		t.Error("a raw method's Route is kept")
	}
	for range 2 * maxRoutes {
		table.Of(route(codec{}))
	}
	if len(table.m) != maxRoutes {
		t.Errorf("%d are kept", len(table.m))
	}
}

// TestTook: a handler is quick once it has shown so, and not after it has blocked.
func TestTook(t *testing.T) {
	var table Table
	r := table.Of(route(codec{}))
	quick := func() bool { return time.Duration(r.took.Load()) < quickTime }
	if quick() {
		t.Error("quick before it has run")
	}
	for range 100 {
		r.Ran(time.Microsecond)
	}
	if !quick() {
		t.Error("not quick after a hundred quick runs")
	}
	r.Blocked()
	r.Ran(time.Microsecond)
	if quick() {
		t.Error("quick right after it has blocked")
	}
}
