// Package rpctest holds the behaviours that every wire must show. A wire package
// runs them all with one call from its tests:
//
//	func TestWire(t *testing.T) {
//		rpctest.Run(t, rpctest.Wire{
//			Name: "inproc",
//			New: func(testing.TB) (lupine.Listener, func() lupine.Target) {
//				n := inproc.New()
//				return n.Listen(), n.To
//			},
//		})
//	}
//
// A behaviour is a subtest named after what it shows, such as "Cancel/midStream".
// Those that need what the wire's capability table does not have are left out;
// the others run against a real listener and a real session, each with a server of
// its own. Each ends with a look for goroutines and descriptors that were left behind.
package rpctest

import (
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/lupine-rpc/lupine"
)

// Wire is what a suite runs on.
type Wire struct {
	// Name is the subtest that everything runs under, such as "tcp" or "tls".
	Name string
	// New returns a listener at a fresh address that nobody uses, and a function
	// that returns the target that leads there, called once the listener is bound.
	// It may register cleanups with t, and is safe for concurrent use.
	New func(t testing.TB) (lupine.Listener, func() lupine.Target)
	// Again returns a listener, not bound yet, at the address of l, which has been
	// closed. Nil leaves out the group Restart.
	Again func(t testing.TB, l lupine.Listener) lupine.Listener
	// Light runs the heaviest behaviours smaller, as -short does: for a second Wire
	// of a package whose first runs them whole.
	Light bool
	// Skip names behaviours that this way of serving cannot show, such as
	// "Drain/tellsHandlers", each with the reason, which is printed. A name
	// without a slash leaves out a whole group.
	Skip map[string]string
	// Only, if not empty, names the behaviours to run, as Skip does: for a further
	// Wire of a package that is set up differently.
	Only []string
	// Stall is how long the wire lets a peer take nothing of what waits for it before
	// it gives the peer up. Zero leaves out Load/rareReaders, which takes several
	// times as long.
	Stall time.Duration
}

// behaviour is one thing that every wire must do.
type behaviour struct {
	name  string
	needs lupine.Capabilities
	run   func(e *env)
}

// group is behaviours that belong together.
type group struct {
	name string
	all  []behaviour
}

// groups returns the whole suite.
func groups() []group {
	return []group{
		{"Calls", callBehaviours()},
		{"Sizes", sizeBehaviours()},
		{"Metadata", metadataBehaviours()},
		{"Errors", errorBehaviours()},
		{"Limits", limitBehaviours()},
		{"Deadline", deadlineBehaviours()},
		{"Cancel", cancelBehaviours()},
		{"Recv", recvBehaviours()},
		{"Options", optionBehaviours()},
		{"Credentials", credentialBehaviours()},
		{"Conn", connBehaviours()},
		{"Drain", drainBehaviours()},
		{"Restart", restartBehaviours()},
		{"Ends", endBehaviours()},
		{"Interceptors", interceptorBehaviours()},
		{"Hooks", hookBehaviours()},
		{"Async", asyncBehaviours()},
		{"Blocked", blockedBehaviours()},
		{"Load", loadBehaviours()},
		{"Leaks", leakBehaviours()},
		{"Proxy", proxyBehaviours()},
		{"PeerCalls", append(peerCallBehaviours(), noPeerCallBehaviours()...)},
	}
}

// Run checks every behaviour that the wire's capabilities call for.
func Run(t *testing.T, w Wire) {
	t.Run(w.Name, func(t *testing.T) {
		all := groups()
		for name := range w.Skip {
			if !known(all, name) {
				t.Errorf("Wire.Skip names %q, which is no behaviour", name)
			}
		}
		for _, name := range w.Only {
			if !known(all, name) {
				t.Errorf("Wire.Only names %q, which is no behaviour", name)
			}
		}
		for _, g := range all {
			t.Run(g.name, func(t *testing.T) {
				if why, ok := w.Skip[g.name]; ok {
					t.Skip(why)
				}
				for _, b := range g.all {
					name := g.name + "/" + b.name
					if len(w.Only) == 0 || slices.Contains(w.Only, g.name) || slices.Contains(w.Only, name) {
						t.Run(b.name, func(t *testing.T) { runOne(t, w, name, b) })
					}
				}
			})
		}
	})
}

func known(all []group, name string) bool {
	for _, g := range all {
		if g.name == name {
			return true
		}
		for _, b := range g.all {
			if g.name+"/"+b.name == name {
				return true
			}
		}
	}
	return false
}

func runOne(t *testing.T, w Wire, name string, b behaviour) {
	if why, ok := w.Skip[name]; ok {
		t.Skip(why)
	}
	l, _ := w.New(t)
	info := l.Info()
	if no := info.Capabilities.Lacks(b.needs); no != "" {
		t.Skipf("wire %s has no %s", info.Name, no)
	}
	before, open := goleak.IgnoreCurrent(), descriptors()
	// Cleanups run last in, first out: this one after the server's and the conn's.
	t.Cleanup(func() {
		if !t.Failed() {
			goleak.VerifyNone(t, before)
			sameDescriptors(t, open)
		}
	})
	b.run(newEnv(t, w, info))
}
