# make build    bin/varve, one static binary
# make test     all tests, with the tools of the system that they need
# make check    everything else a change must pass: format, vet, staticcheck, floors, the tests once more under the race detector,
#               with fewer points of the matrices that kill and fault everywhere, and short fuzzing
# make bench    varve beside rsync and others; BENCHFLAGS='-scale 0.1 -sets A' makes it quick, '-far 0,20ms' goes over ssh,
#               -h lists the rest
# make clean    removes what was built

GO ?= go
FUZZTIME ?= 3s
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS := -s -w $(if $(VERSION),-X main.version=$(VERSION))

.PHONY: build test check format vet staticcheck floors race fuzz bench clean

build:
	CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/varve ./cmd/varve

test:
	@scripts/test-tools
	$(GO) test -timeout 10m ./...

# One after the other, the quick ones first, also under make -j.
check:
	@scripts/test-tools race
	@$(MAKE) --no-print-directory format
	@$(MAKE) --no-print-directory vet
	@$(MAKE) --no-print-directory staticcheck
	@$(MAKE) --no-print-directory floors
	@$(MAKE) --no-print-directory race
	@$(MAKE) --no-print-directory fuzz

format:
	@echo 'gofmt -l .'
	@files=$$(gofmt -l .) && if [ -n "$$files" ]; then echo "not formatted:"; echo "$$files"; exit 1; fi

vet:
	$(GO) vet ./...

staticcheck:
	$(GO) tool staticcheck ./...

floors:
	$(GO) test ./internal/floors

race:
	CGO_ENABLED=1 $(GO) test -race -short -timeout 15m ./...

fuzz:
	@GO='$(GO)' scripts/fuzz $(FUZZTIME)

bench: build
	$(GO) run ./bench $(BENCHFLAGS)

clean:
	rm -rf bin
