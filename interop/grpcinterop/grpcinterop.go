// Package grpcinterop holds a client and a server for gRPC's interoperability
// tests. They take the flags of those of other languages, so that any client can
// be run against any server:
//
//	make grpc-interop
//
// What each case must do stands in gRPC's doc/interop-test-descriptions.md.
package grpcinterop

//go:generate go run ../../cmd/lupine gen --quiet -I . testpb/test.proto orcapb/report.proto orcapb/service.proto

// Metadata that the server sends back: the first as header, the second as
// trailer.
const (
	EchoInitial  = "x-grpc-test-echo-initial"
	EchoTrailing = "x-grpc-test-echo-trailing-bin"
)

// LoadReport is the trailer with the load of the backend that answered.
const LoadReport = "endpoint-load-metrics-bin"
