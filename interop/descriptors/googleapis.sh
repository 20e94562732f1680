#!/usr/bin/env bash
# Builds the Go code of every googleapis package: messages as protoc-gen-go makes
# them, our codec and our stubs. Prints how many packages build, of those that
# build with protoc-gen-go alone, and how many message files are protoc-gen-go's
# to the byte. Takes an hour of processor time and 10 GB of disk; arguments are
# folders to restrict it to, such as google/pubsub.
set -euo pipefail
cd "$(dirname "$0")"
. ../protoconf/fetch.sh

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] && command -v dpkg-deb >/dev/null || skip "protoc comes from Debian's packages for x86-64"
debian_packages bookworm protoc-bookworm protobuf-compiler libprotobuf-dev || skip "cannot fetch Debian's protobuf-compiler"
# shellcheck disable=SC2206 # two words and a path
protoc=($(loader "$unpacked") "$unpacked/usr/bin/protoc")
npm_package google-proto-files 5.0.3 73a90e656be2ef3ba03fabc82bbb3b5213d29bd4ceb41e25364250d25606200c
source=$package
root=$(cd ../.. && pwd)
work=$(mktemp -d "$cache/googleapis.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A module of all packages: their paths move below gapi.test. The files of
# google/protobuf have their Go packages in google.golang.org/protobuf.
mkdir "$work/protos" "$work/bin" "$work/theirs" "$work/ours"
(cd "$source" && find . -name '*.proto' -exec cp --parents -t "$work/protos" {} +)
cd "$work/protos"
find . -path ./google/protobuf -prune -o -name '*.proto' -exec sed -i -E 's#^(option go_package *= *")#\1gapi.test/#' {} +
find "${@:-.}" -path ./google/protobuf -prune -o -name '*.proto' -print | sed 's#^\./##' |
  sort >"$work/all"
# protoc-gen-go takes no file without go_package, nor one that imports such a
# file, however far away.
xargs grep -LE '^option go_package' <"$work/all" >"$work/out" || true
cp "$work/out" "$work/next"
while [ -s "$work/next" ]; do
  sed 's/.*/import "&";/' "$work/next" | xargs -d '\n' -I{} grep -rlF --include=*.proto '{}' . | sed 's#^\./##' |
    sort -u | grep -vxFf "$work/out" >"$work/new" || true
  cat "$work/new" >>"$work/out"
  mv "$work/new" "$work/next"
done
grep -vxFf "$work/out" "$work/all" >"$work/files"
sed 's/^/left out, for want of a go_package: /' "$work/out"

go build -C "$root" -o "$work/bin/protoc-gen-lupine" ./cmd/lupine
go build -C "$root/compiler" -o "$work/bin/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go
PATH=$work/bin:$PATH
generate() { # PLUGIN FOLDER
  "${protoc[@]}" -I . "--$1_out=$2" "--$1_opt=module=gapi.test" $(cat "$work/files") 2>&1 | { grep -v warning: || true; }
}
generate go "$work/theirs"
generate lupine "$work/ours"

# Go drops files for other systems and processors by their names.
cd "$work/ours"
same=0 all=0
while read -r f; do
  all=$((all + 1))
  if cmp -s "$f" "$work/theirs/$f"; then same=$((same + 1)); else echo "not protoc-gen-go's: $f"; fi
done < <(find . -name '*.pb.go')
for f in $(go tool dist list | tr / '\n' | sort -u); do
  find . -name "*_$f.pb.go" -exec sh -c 'mv "$1" "${1%.pb.go}_.pb.go"' sh {} \;
done

cat >go.mod <<MOD
module gapi.test

go 1.26.0

require (
	github.com/lupine-rpc/lupine v0.0.0
	google.golang.org/protobuf $(cd "$root/compiler" && go list -m -f '{{.Version}}' google.golang.org/protobuf)
)

replace github.com/lupine-rpc/lupine => $root
MOD
cp "$root/compiler/go.sum" .
export GOWORK=off GOPROXY=off GOFLAGS=-mod=mod GOCACHE=$work/gocache
packages() { go list -e -f '{{.ImportPath}}' ./... | sort; }
# build: prints the packages that do not build. Go says "# package" before what
# is wrong with one; a failure that names none is not about packages.
build() {
  nice go build ./... >"$work/log" 2>&1 && return
  sed -nE 's/^# (gapi\.test[^ ]*).*/\1/p' "$work/log" | sort -u | grep . || { cat "$work/log" >&2; return 1; }
}
total=$(packages | wc -l)
build >"$work/failed"
cp "$work/log" "$work/log-ours"
# What fails may fail without us: protoc-gen-go's files are left alone.
if [ -s "$work/failed" ]; then
  find . -name '*_lupine.go' -delete
  build >"$work/failed-theirs"
else
  : >"$work/failed-theirs"
fi
bad=$(comm -23 "$work/failed" "$work/failed-theirs" | wc -l)
buildable=$((total - $(wc -l <"$work/failed-theirs")))
echo "files of messages as protoc-gen-go's: $same/$all"
echo "googleapis packages that build: $((buildable - bad))/$buildable ($total with those that protoc-gen-go alone does not build)"
if [ "$bad" -gt 0 ]; then
  comm -23 "$work/failed" "$work/failed-theirs"
  cat "$work/log-ours"
  exit 1
fi
[ "$same" = "$all" ]
