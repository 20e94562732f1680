// Package benchpb is the service that every implementation of the benchmark
// serves.
package benchpb

//go:generate go run github.com/lupine-rpc/lupine/cmd/lupine gen --quiet -I ../.. -o ../.. bench.proto
