#!/usr/bin/env bash
# h2spec against our server's port and against nghttpd, which Debian's
# nghttp2-server has. Prints passed/total of each.
# Arguments go to the runner: run.sh -section http2/5.1
set -euo pipefail
cd "$(dirname "$0")"
tool=$(../suites/tool github.com/summerwind/h2spec/cmd/h2spec)
go run . -h2spec "$tool" "$@"
