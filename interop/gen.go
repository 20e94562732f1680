// Package interop holds Lupine against programs that nobody here wrote: grpc-go,
// Python's grpcio, and raw HTTP/2 frames. It has tests only, and the service
// that they speak.
package interop

// The messages and grpc-go's stubs come from Google's generators, Lupine's stubs
// from its own, into a package of their own: one program uses both.
//
//go:generate protoc -I . --go_out=. --go_opt=paths=source_relative,Mgoogle/protobuf/any.proto=google.golang.org/protobuf/types/known/anypb --go-grpc_out=. --go-grpc_opt=paths=source_relative,Mgoogle/protobuf/any.proto=google.golang.org/protobuf/types/known/anypb peerpb/peer.proto
//go:generate go run ../cmd/lupine gen --quiet --stubs-only -I . -o . peerpb/peer.proto
