#!/usr/bin/env bash
# Holds Lupine against gRPC in other languages and against gRPC's tools, and prints
# passed/total of each pair. Installs what is missing: Debian's packages by name,
# npm's by package-lock.json, Go's by tools/go.mod, all pinned but Debian's.
# With --install it does no more than that. With REFERENCE=1 it is grpc-go that meets
# the other languages, and what fails is only told.
set -euo pipefail
cd "$(dirname "$0")"

need=(g++ make pkg-config libgrpc++-dev libprotobuf-dev protobuf-compiler protobuf-compiler-grpc nghttp2-client python3-grpcio python3-protobuf)
command -v node >/dev/null || need+=(nodejs)
command -v npm >/dev/null || need+=(npm)
missing=()
for p in "${need[@]}"; do
  dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
done
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# npm notes in node_modules what it has installed, and when.
if [ ! node/node_modules/.package-lock.json -nt node/package-lock.json ]; then
  (cd node && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
fi
make --silent -C cpp -j2
(
  export GOWORK=off
  cd tools
  go build -o ../bin/ github.com/fullstorydev/grpcurl/cmd/grpcurl github.com/grpc-ecosystem/grpc-health-probe
  cd ghz # its grpc-go is too old to be built with the others'
  go build -o ../../bin/ github.com/bojand/ghz/cmd/ghz
)
[ "${1:-}" = --install ] && exit

cd ..
exec go run ./peers
