package rpctest

import (
	"github.com/lupine-rpc/lupine"
	"github.com/lupine-rpc/lupine/codec/protobuf"
)

// rawRequest is m as the bytes that a proxy would see.
func rawRequest(e *env, m any) *lupine.Raw {
	e.Helper()
	b, err := protobuf.Codec{}.Append(nil, m)
	e.ok(err, "encoding a request")
	return &lupine.Raw{Bytes: b}
}
