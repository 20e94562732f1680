package rudp_test

import (
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest"
	"github.com/lupine-rpc/lupine/wire/rudp"
)

// TestWire runs the suite of behaviours.
func TestWire(t *testing.T) {
	plain := rudp.Config{Plain: true}
	single := rudp.Config{Plain: true, NoBatches: true}
	way := func(name string, light bool, server, client rudp.Config) rpctest.Wire {
		return rpctest.Wire{Name: name, Light: light, New: func(testing.TB) (lupine.Listener, func() lupine.Target) {
			l := rudp.Listen("127.0.0.1:0", server)
			return l, func() lupine.Target { return rudp.To(l.Addr(), client) }
		}, Again: func(_ testing.TB, l lupine.Listener) lupine.Listener { return rudp.Listen(l.Addr(), server) }}
	}
	rpctest.Run(t, way("plain", false, plain, plain))
	few := way("no batches", true, single, single)
	few.Only = []string{"Calls", "Cancel", "Sizes/huge", "Load/mixedKinds", "Leaks"}
	rpctest.Run(t, few)
	server, client := rudp.TestTLS(t)
	rpctest.Run(t, way("tls", true, rudp.Config{TLS: server}, rudp.Config{TLS: client}))
}
