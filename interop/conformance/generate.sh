#!/usr/bin/env bash
# Compiles the suite's messages and service with our own compiler. The .proto
# files come from the suite's Go module, as suites/go.mod pins it.
set -euo pipefail
cd "$(dirname "$0")"
suites() { (cd ../suites && GOWORK=off go "$@"); }
suites mod download connectrpc.com/conformance
protos=$(suites list -m -f '{{.Dir}}' connectrpc.com/conformance)/proto
v1=connectrpc/conformance/v1
go run ../../cmd/lupine gen --quiet -I "$protos" -o . \
  "$protos/$v1"/{config,service,client_compat,server_compat}.proto
