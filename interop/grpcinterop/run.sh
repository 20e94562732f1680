#!/usr/bin/env bash
# gRPC's interoperability tests: our client and server with each other and with
# grpc-go's, over plaintext and TLS. Prints passed/total of each pair.
# Arguments go to the matrix: run.sh -run orca_oob
set -euo pipefail
cd "$(dirname "$0")"
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
ln -s "$(../suites/tool google.golang.org/grpc/interop/client)" "$bin/grpc-go-client"
ln -s "$(../suites/tool google.golang.org/grpc/interop/server)" "$bin/grpc-go-server"
go build -o "$bin/lupine-client" ./client
go build -o "$bin/lupine-server" ./server
go build -o "$bin/matrix" ./matrix
"$bin/matrix" -bin "$bin" "$@"
