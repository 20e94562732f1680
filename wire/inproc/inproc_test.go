package inproc_test

import (
	"sync"
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest"
	"github.com/lupine-rpc/lupine/wire/inproc"
)

func TestWire(t *testing.T) {
	var networks sync.Map // by listener
	listen := func(n *inproc.Network) lupine.Listener {
		l := n.Listen()
		networks.Store(l, n)
		return l
	}
	rpctest.Run(t, rpctest.Wire{
		Name: "inproc",
		New: func(testing.TB) (lupine.Listener, func() lupine.Target) {
			n := inproc.New()
			return listen(n), n.To
		},
		Again: func(_ testing.TB, l lupine.Listener) lupine.Listener {
			n, _ := networks.Load(l)
			return listen(n.(*inproc.Network))
		},
	})
}
