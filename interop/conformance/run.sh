#!/usr/bin/env bash
# The Connect conformance suite in gRPC mode: our server against its reference
# client, our client against its reference servers. Prints passed/total of each.
# With REFERENCE=1 the suite's own server and client are tested instead.
# Arguments go to the suite: run.sh --trace --run '**/unary/**'
set -euo pipefail
cd "$(dirname "$0")"
suite=$(../suites/tool connectrpc.com/conformance/cmd/connectconformance)
bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
if [ -n "${REFERENCE:-}" ]; then
  who=reference
  ln -s "$(../suites/tool connectrpc.com/conformance/cmd/referenceserver)" "$bin/server"
  ln -s "$(../suites/tool connectrpc.com/conformance/cmd/referenceclient)" "$bin/client"
else
  who=lupine
  go build -o "$bin/" ./server ./client
fi

failed=0
# run NAME CONFIG SIDE COUNT: COUNT is how many cases the pinned suite has, so that
# a suite which quietly runs fewer does not pass.
run() {
  local name=$1 config=$2 side=$3 count=$4 ok=1 line
  shift 4
  "$suite" --conf "$config" --mode "$side" "$@" -- "$bin/$side" >"$bin/log" 2>&1 || ok=0
  line=$(sed -nE 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$bin/log" | tail -1)
  local passed=${line% *} bad=${line#* }
  echo "Connect conformance, $name, $who $side: ${passed:-0}/$((${passed:-0} + ${bad:-0}))"
  if [ $ok = 0 ] || { [ $# = 0 ] && [ "${passed:-0}" != "$count" ]; }; then
    echo "not as it should be; $count cases must pass:"
    cat "$bin/log"
    failed=1
  fi
}
run gRPC grpc.yaml server 570 "$@"
run gRPC grpc.yaml client 646 "$@"
run "gRPC with zstd" zstd.yaml server 177 "$@"
run "gRPC with zstd" zstd.yaml client 211 "$@"
exit $failed
