module github.com/lupine-rpc/lupine/interop

go 1.26.0

replace github.com/lupine-rpc/lupine => ../

require (
	github.com/klauspost/compress v1.20.3
	github.com/lupine-rpc/lupine v0.0.0-00010101000000-000000000000
	github.com/lupine-rpc/lupine/grpccompat v0.0.0-00010101000000-000000000000
	golang.org/x/net v0.62.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/lupine-rpc/lupine/grpccompat => ../grpccompat
