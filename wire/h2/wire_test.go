package h2_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest"
	"github.com/lupine-rpc/lupine/wire/h2"
)

// impatient gives a peer up soon, so that tests of patience do not take long.
var impatient = h2.Config{StallTimeout: 400 * time.Millisecond, KeepAlive: 100 * time.Millisecond, KeepAliveTimeout: 2 * time.Second}

// TestWire runs the suite of behaviours over each carrier.
func TestWire(t *testing.T) {
	server, client := h2.TestTLS(t)
	again := func(c h2.Config) func(testing.TB, lupine.Listener) lupine.Listener {
		return func(_ testing.TB, l lupine.Listener) lupine.Listener { return h2.Listen(l.Addr(), c) }
	}
	wires := []rpctest.Wire{
		{Name: "tcp", New: func(testing.TB) (lupine.Listener, func() lupine.Target) {
			l := h2.Listen("127.0.0.1:0", h2.Config{})
			return l, func() lupine.Target { return h2.To(l.Addr()) }
		}, Again: again(h2.Config{})},
		{Name: "tls", Light: true, New: func(testing.TB) (lupine.Listener, func() lupine.Target) {
			l := h2.Listen("127.0.0.1:0", h2.Config{TLS: server})
			return l, func() lupine.Target { return h2.To(l.Addr(), h2.Config{TLS: client}) }
		}, Again: again(h2.Config{TLS: server})},
		{Name: "unix", Light: true, New: func(t testing.TB) (lupine.Listener, func() lupine.Target) {
			l := h2.Listen("unix://"+socketPath(t), h2.Config{})
			return l, func() lupine.Target { return h2.To(l.Addr()) }
		}, Again: again(h2.Config{})},
		{Name: "impatient", Only: []string{"Load/rareReaders"}, Stall: impatient.StallTimeout, New: func(testing.TB) (lupine.Listener, func() lupine.Target) {
			l := h2.Listen("127.0.0.1:0", impatient)
			return l, func() lupine.Target { return h2.To(l.Addr(), impatient) }
		}},
	}
	for _, w := range wires {
		rpctest.Run(t, w)
	}
}

// socketPath is a path for a unix socket, short enough for the kernel.
func socketPath(t testing.TB) string {
	dir, err := os.MkdirTemp("", "h2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}
