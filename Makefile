# chexp: from one YAML file to measured latencies on a reserved Raspberry Pi 5.
#
#   make demo     set up what is missing, build, and rehearse experiments/quickstart.yaml
#   make test     set up what is missing, build, and run every test
#   make build    bin/chexp
#   make agents   bin/chexp-agent-linux-{amd64,arm64}
#   make images   bin/images/debian-{amd64,arm64}.tar, the emulator's container images
#   make conformance  other people's clients (python-chi, Debian's) against the emulator; uses PyPI once
#   make test-acl chexp's ACL plugin under emulation, against the CPU provider (FULL=1: 200 inputs per model; takes hours)
#   make lint     gofmt, go vet, and golangci-lint where it is installed
#   make clean    remove bin/ (runs/ and the download cache stay)
#
# Set-up needs Debian 12 with Go, gcc, make and npm, and root or sudo for apt; without
# either it prints the one line to run. Downloads are pinned, checked and kept in
# ${CHEXP_CACHE:-~/.cache/chexp}. TESTFLAGS goes to `go test`.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test build agents images conformance test-acl lint clean deps test-deps

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export VERSION

# What the build and the emulator need, and what only the tests use.
PACKAGES := gcc libc6-dev libstdc++6 gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross libstdc++6-arm64-cross \
	bubblewrap util-linux qemu-user-static mmdebstrap
TEST_PACKAGES := openssh-server openssh-client python3-openstackclient python3-zunclient python3-blazarclient python3-keystone

help:
	@sed '/^$$/,$$d; s/^# \{0,1\}//' Makefile

demo: build agents images
	bin/chexp rehearse experiments/quickstart.yaml

test: test-deps lint build agents images
	.ci/go-test $(TESTFLAGS) ./...

build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION)" -o bin/chexp ./orchestrator/cmd/chexp

agents: deps
	agent/build.sh amd64
	agent/build.sh arm64

images: bin/images/debian-amd64.tar bin/images/debian-arm64.tar

bin/images/debian-%.tar: orchestrator/internal/emulator/images/build.sh | deps
	$< $* $@

conformance: build images
	@.ci/apt-install $(TEST_PACKAGES) python3-venv
	orchestrator/internal/emulator/conformance/run.sh

test-acl: agents
	@.ci/apt-install $(PACKAGES) libonnx-testdata qemu-user
	agent/acl/test.sh

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	go vet ./...
	@if command -v golangci-lint >/dev/null; then golangci-lint run; fi

clean:
	rm -rf bin

deps:
	@.ci/apt-install $(PACKAGES)

test-deps:
	@.ci/apt-install $(PACKAGES) $(TEST_PACKAGES)
