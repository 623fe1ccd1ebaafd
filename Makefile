# Everything here runs on a fresh Debian machine with Go, Node and make.

GO        ?= go
BIN       := bin/concord
VERSION   ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
NPM_DIRS  := internal/testkit/stock/js/v1 internal/testkit/stock/js/v2 fuzz/oracle/js examples/invoice clients/js
NPM_DONE  := $(NPM_DIRS:%=%/node_modules/.package-lock.json)
FUZZTIME  ?= 60s
SUDO      := $(if $(filter 0,$(shell id -u)),,sudo)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: help run build audit clients test deps check format vet lint vulns race fuzz fuzz-short differential ledger api-fuzz crash soak bench bench-engine bench-peer clean
.DEFAULT_GOAL := help

help: ## say what each target does
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 22

run: build deps-demo ## start the server with a demo on 127.0.0.1:8080
	$(BIN) serve --dev

build: ## build bin/concord, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $(BIN) ./cmd/concord

audit: compiler ## re-check the documents of a data folder with automerge-go: make audit DATA=folder
	$(GO) build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/concord-audit ./cmd/concord-audit
	bin/concord-audit $(DATA)

clients: build browser clients/js/node_modules/.package-lock.json ## build the npm package clients/js and test it against the server
	npm --prefix clients/js run build
	npm --prefix clients/js test

deps: compiler browser $(NPM_DONE) ## install what the tests need: a C compiler and Chromium if there are none, npm packages

# For automerge-go, with which the tests compare; the server needs none.
.PHONY: compiler
compiler:
	@command -v $(firstword $(shell $(GO) env CC)) >/dev/null || { echo "installing a C compiler"; \
		$(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends gcc libc6-dev; }

# For /docs, and clients/js, whose hooks are tested in a page.
.PHONY: browser
browser:
	@command -v chromium >/dev/null || { echo "installing Chromium"; \
		$(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium; }

.PHONY: deps-demo
deps-demo: examples/invoice/node_modules/.package-lock.json

%/node_modules/.package-lock.json: %/package.json %/package-lock.json
	npm --prefix $* ci --no-audit --no-fund --loglevel=error
	@touch $@

test: deps ## run all tests: units, stock clients, hostile clients, crashes in short, the npm package
	$(GO) vet ./...
	$(GO) test -timeout 14m ./...
	$(MAKE) clients

check: format vet lint vulns race fuzz-short ## format, vet, staticcheck, govulncheck, race detector, short fuzz

format:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "not formatted; run gofmt -w:"; echo "$$files"; exit 1; fi

vet:
	$(GO) vet ./...

lint:
	$(GO) run $(STATICCHECK) ./...

# Only an unreachable database is let pass, with a word about it.
vulns:
	@mkdir -p bin; $(GO) run $(GOVULNCHECK) ./... >bin/vulns.log 2>&1; code=$$?; cat bin/vulns.log; \
	if [ $$code -ne 0 ] && grep -q 'fetching vulnerabilities:.*\(no such host\|connection refused\|timeout\)' bin/vulns.log; then \
		echo "NOT CHECKED for known vulnerabilities: this machine can't reach the database"; exit 0; \
	fi; exit $$code

race: deps ## run the packages, and stock clients against a server, with the race detector
	$(GO) test -race -timeout 20m $$($(GO) list ./... | grep -v /e2e)
	$(GO) build -race -o bin/concord-race ./cmd/concord
	CONCORD_BINARY=$(CURDIR)/bin/concord-race $(GO) test -count=1 -timeout 10m ./e2e

fuzz: ## run each fuzz target for FUZZTIME (60s)
	@GO="$(GO)" ./fuzz/run.sh $(FUZZTIME)

fuzz-short:
	@GO="$(GO)" ./fuzz/run.sh 3s

differential: export DIFFERENTIAL_CASES ?= 300000
differential: export HOSTILE_CASES ?= 10000
differential: export ROUNDTRIP_DOCUMENTS ?= 1000
differential: export DIFFERENTIAL_SEED ?= $(shell date +%s)
differential: deps ## compare crdt with automerge-js and automerge-go on 300,000 random histories
	$(GO) test -count=1 -timeout 12h -v ./fuzz/differential

ledger: export LEDGER_CONFLICTS ?= 100000
ledger: export LEDGER_KILLS ?= 100
ledger: export LEDGER_SEED ?= $(shell date +%s)
ledger: deps ## compare the conflict ledger with an oracle over automerge-js: 100,000 conflicts, 100 kills
	$(GO) test -count=1 -timeout 12h -v ./fuzz/ledger

api-fuzz: export API_FUZZ ?= 100000
api-fuzz: ## send 100,000 good and broken REST requests of all kinds of callers
	$(GO) test -count=1 -timeout 2h -v -run TestAPIFuzz ./internal/api

crash: ## kill the server 1,000 times under load, and 200 times amid each of snapshots, imports, deletions, backups, restores and events
	CRASH_CYCLES=1000 CRASH_SNAPSHOT_CYCLES=200 CRASH_IMPORT_CYCLES=200 CRASH_PURGE_CYCLES=200 \
	CRASH_BACKUP_CYCLES=200 CRASH_RESTORE_CYCLES=200 CRASH_EVENT_CYCLES=200 CRASH_DERIVE_CYCLES=200 $(GO) test -count=1 -timeout 2h -v -run TestCrash ./e2e/crash

soak: ## 500 connections of 20 companies in mixed traffic for 10 minutes: nothing is lost, mixed up or kept
	SOAK_CONNECTIONS=500 SOAK_COMPANIES=20 SOAK_SECONDS=600 $(GO) test -count=1 -timeout 30m -v -run TestSoak ./e2e/events

bench: build ## measure hot paths, fan-out, a closed loop and idle connections
	$(GO) test -run '^$$' -bench . -benchmem ./crdt ./sync/... ./store
	$(BIN) bench

bench-engine: deps ## measure crdt, automerge-js and automerge-go in one run on the same files
	$(GO) run ./fuzz/enginebench

bench-peer: build deps ## measure this server and the stock Node sync server in one run
	internal/bench/compare.sh

clean: ## remove what was built and installed
	rm -rf bin clients/js/dist $(NPM_DIRS:%=%/node_modules)
