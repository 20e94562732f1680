package inproc_test

import (
	"testing"

	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/rpctest"
	"github.com/lupine-rpc/lupine/wire/inproc"
)

func TestWire(t *testing.T) {
	rpctest.Run(t, rpctest.Wire{
		Name: "inproc",
		New: func(testing.TB) (lupine.Listener, func() lupine.Target) {
			n := inproc.New()
			return n.Listen(), n.To
		},
	})
}
