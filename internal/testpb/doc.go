// Package testpb is the service that the tests of every wire call: an echo in
// all four kinds, and messages with a field of every type.
package testpb

//go:generate go run github.com/lupine-rpc/lupine/cmd/lupine gen -q -I ../.. test.proto
