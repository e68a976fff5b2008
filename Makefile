# Needs Go, git, make, bash and, for the race detector, a C compiler.
SHELL := bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

# For each fuzz target: the short run of make check and make fuzz, and the long one of make soak.
FUZZTIME ?= 5s
SOAK_FUZZTIME ?= 30s
# Per cent of the root package's statements.
COVER_MIN ?= 90
# Runs of each benchmark.
BENCH_COUNT ?= 6

# Each module is tested with what its own go.mod says.
export GOWORK := off

step = ./tools/check.sh
# The linter is pinned in tools/go.mod and built once for each version of it and of Go.
linter := bin/golangci-lint-$(shell awk '$$1 == "github.com/golangci/golangci-lint/v2" { print $$2 }' tools/go.mod)-$(shell go env GOVERSION)

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

.PHONY: check
check: gofmt imports tidy vet lint race fuzz cover ## everything that a change must pass
	@echo '== check: passed'

.PHONY: test
test: ## the tests, as the README says
	go test ./...

.PHONY: fmt
fmt: ## format all Go files
	gofmt -w .

.PHONY: gofmt
gofmt:
	@echo '== gofmt'
	@$(step) gofmt

.PHONY: imports
imports:
	@echo '== imports and requirements of the root module'
	@$(step) imports

.PHONY: tidy
tidy:
	@echo '== go mod tidy -diff'
	@$(step) tidy

.PHONY: vet
vet:
	@echo '== go vet'
	@$(step) each go vet ./...

.PHONY: lint
lint: $(linter) ## golangci-lint in every module
	@echo '== golangci-lint'
	@$(step) each "$(CURDIR)/$(linter)" run --config "$(CURDIR)/.golangci.yml" ./...

$(linter): tools/go.mod
	@echo '== building the linter (about a minute, once)'
	@rm -f bin/golangci-lint-*
	@go build -C tools -o ../$@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@touch $@

.PHONY: race
race:
	@echo '== tests with the race detector, shuffled'
	@$(step) each go test -race -shuffle=on ./...

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME
	@echo '== fuzz targets, $(FUZZTIME) each'
	@$(step) fuzz $(FUZZTIME)

.PHONY: cover
cover: ## coverage of the root package, at least COVER_MIN per cent
	@echo '== coverage of the root package'
	@$(step) cover $(COVER_MIN)

.PHONY: soak
soak: ## the tests at full counts, long fuzzing, and a line for each promise
	@echo '== soak'
	@$(step) soak $(SOAK_FUZZTIME)

.PHONY: bench
bench: ## benchmarks, BENCH_COUNT runs each
	go test -run '^$$' -bench . -benchmem -count $(BENCH_COUNT) ./...
	$(if $(wildcard bench/go.mod),go test -C bench -run '^$$' -bench . -benchmem -count $(BENCH_COUNT) ./...)
