# Needs Go >= 1.26. `make test` also needs Node 22 or 24 with npm (on Linux x86-64 npm alone: it
# brings Node 24), and `make e2e` Python >= 3.10.
SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -O inherit_errexit -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# A clone without its history, or owned by somebody else, builds too. The rest is how functions
# are built (infra/code.go): tests, linters and e2e share what was compiled for one of them.
GOFLAGS ?= -buildvcs=false -trimpath
export GOFLAGS
export CGO_ENABLED ?= 0

# The CDK and its Node come from the lock file.
NODE_MODULES := node_modules/.package-lock.json
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

FUNCTIONS := $(notdir $(wildcard functions/*))
FUZZTIME ?= 20s
TESTFLAGS ?=
# SEARCH=yes also searches all that the tests print for the secrets that they use.
SEARCH ?=
SEARCHED := $(if $(SEARCH),| go run -C $(CURDIR) ./internal/canary/listen)
# Of one package: the ten minutes that go test gives are too few for a slow machine.
TIMEOUT := 20m
e2e: TIMEOUT := 40m
GOTEST = go test -timeout $(TIMEOUT)
TEST = $(GOTEST) $(if $(SEARCH),-json) $(TESTFLAGS)
# What takes longest begins first, so that no processor waits for the last of it.
LONGEST := ./encryption ./rollout ./real ./deployed ./notifications
# Where goroutines meet.
RACES := ./internal/fanout/... ./internal/worker/... ./internal/clustercheck/... ./internal/secretsencryption/... ./functions/... ./internal/ledger/... ./internal/notify/... ./internal/awsfleet/... ./internal/kubeapi/... ./internal/sim/...
LINT_VERSION := $(shell awk '$$1 == "github.com/golangci/golangci-lint/v2" {print $$2}' tools/go.mod)
LINT := .cache/bin/golangci-lint-$(LINT_VERSION)

.PHONY: help demo test race lint fmt e2e bench fuzz build check-clean need-go need-npm need-python

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: need-go ## Watch the product work on a simulated fleet, on this machine alone
	go run ./cmd/steward demo

test: need-go $(NODE_MODULES) ## Run the tests of every package
	$(TEST) ./... $(SEARCHED)

race: need-go ## Run the tests of what is concurrent with the race detector
	@command -v "$$(go env CC)" >/dev/null || { echo "A C compiler is needed for the race detector, such as gcc" >&2; exit 1; }
	CGO_ENABLED=1 $(GOTEST) -race $(TESTFLAGS) $(RACES)

lint: need-go $(LINT) ## Check style, mistakes and who may import whom
	$(LINT) run ./...
	cd e2e && ../$(LINT) run --config ../.golangci.yml ./...
	cd e2e/cluster && ../../$(LINT) run --config ../../.golangci.yml ./...
	cd bench/metrics && ../../$(LINT) run --config ../../.golangci.yml ./...

fmt: need-go $(LINT) ## Format the code
	$(LINT) fmt ./...

e2e: need-go need-python $(NODE_MODULES) ## Run the tests against emulated AWS services
	cd e2e/cluster && go run ./components/build
	@(cd e2e/cluster && $(GOTEST) $(TESTFLAGS) ./...) & cluster=$$! failed=0; \
		(cd e2e && $(TEST) -p 4 $(LONGEST) ./... $(SEARCHED)) || failed=1; \
		wait $$cluster || failed=1; exit $$failed # side by side: each leaves a processor idle at times
	$(GOTEST) $(TESTFLAGS) ./functions/notify/... # outages and days of Slack, by a clock that can be moved

# The page of a real API server, where somebody has captured one.
PAGE := .cache/bench/metrics.txt

bench: need-go ## Measure size and start of each function, how fast a large /metrics is read, and a quarter of rollouts
	go run ./bench
	go run ./bench/throttle
	go run ./bench/rollout
	@[[ -e $(PAGE) ]] || echo "No page of a real API server: go -C e2e/cluster test -run TestCaptureMetrics -capture ../../$(PAGE)"
	go -C bench/metrics run . $(addprefix -page ../../,$(wildcard $(PAGE)))

# Two at a time with one worker each take half as long as one after the other. A fuzzer that
# its time runs out on in the middle of an input ends as if it had failed.
fuzz: need-go ## Run each fuzz target for FUZZTIME (20s)
	@grep -rE '^func Fuzz' --include='*_test.go' --exclude-dir=.cache --exclude-dir=node_modules . \
		| sed -E 's#^(.*)/[^/]*:func (Fuzz[A-Za-z0-9_]+).*$$#\1 \2#' \
		| xargs -P 2 -L 1 $(SHELL) -c 'out=$$(go -C "$$0" test -run "^$$" -fuzz "^$$1\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 50x -parallel 1 . 2>&1) \
			|| [[ $$out == *"    context deadline exceeded"* && $$out != *"Failing input"* ]] \
			&& printf "ok  \t%s %s\n" "$$0" "$$1" || { printf "%s %s\n%s\n" "$$0" "$$1" "$$out" >&2; exit 1; }'

build: need-go $(addprefix build/,$(addsuffix /bootstrap,$(FUNCTIONS))) ## Build the functions as Lambda runs them

# The flags are those that the deployment uses; bench measures the same.
build/%/bootstrap: FORCE
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 go build -buildvcs=false -tags lambda.norpc -trimpath -ldflags="-s -w -buildid=" -o $@ ./functions/$*
FORCE:

check-clean: ## Fail when a generated or formatted file differs from what is committed
	git diff --exit-code

$(NODE_MODULES): package-lock.json | need-npm
	npm ci --no-audit --no-fund
	@touch $@

$(LINT): | need-go
	cd tools && go build -trimpath -ldflags="-s -w" -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

need-go:
	@command -v go >/dev/null || { echo "Go >= 1.26 is needed: see https://go.dev/dl/" >&2; exit 1; }
	@go version | awk '{split(substr($$3, 3), v, "."); exit !(v[1] > 1 || v[2] >= 26)}' \
		|| { echo "Go >= 1.26 is needed, this is $$(go version): see https://go.dev/dl/" >&2; exit 1; }

need-npm:
	@command -v npm >/dev/null || { echo "Node 22 or 24 with npm is needed: see https://nodejs.org/" >&2; exit 1; }

need-python:
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null \
		|| { echo "Python >= 3.10 is needed as python3, with the venv module" >&2; exit 1; }
