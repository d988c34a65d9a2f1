# Every target works from a fresh clone: what it needs is installed first. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
# One locale and time zone, so that output is the same everywhere.
export LC_ALL := C.UTF-8
export TZ := UTC

modules := node_modules/.package-lock.json
generated := src/gen/descriptors.binpb
sources := $(shell find src -name '*.ts' -not -path 'src/gen/*' -not -name '*.test.ts' 2>/dev/null)

.PHONY: help setup demo test check interop bench soak fuzz attack fault fault-full flood certs gen build acceptance docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

setup: $(modules) $(generated) dist/.built ## install what everything else needs

$(modules): package.json package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(generated): $(modules) buf.gen.yaml buf.yaml $(shell find proto -name '*.proto')
	buf generate
	buf build --as-file-descriptor-set --exclude-source-info -o $@

dist/.built: $(modules) $(generated) $(sources) tsconfig.build.json
	tsc -p tsconfig.build.json
	cp $(generated) dist/gen/
	@touch $@

gen: $(generated) ## generate code from proto/

build: dist/.built ## compile to dist/, for packaging and for `import 'mayfly'`

demo: setup ## the whole story in one run: issuer, person, entry, workload, SVIDs, judges, ledger
	node test/demo/demo.ts

test: setup ## unit, property and integration tests, with real sockets and processes
	vitest run

check: setup ## format, lint, types, unit tests, architecture
	biome check .
	tsc -p tsconfig.json
	vitest run src test/architecture.test.ts test/floors.test.ts test/security.test.ts test/seen-from-outside.test.ts
	node test/acceptance.ts

interop: setup ## other people's programs judge: go-spiffe, py-spiffe, openssl, zlint, Kubernetes, Ceph, the clouds' own clients
	node test/interop/run.ts

acceptance: setup ## every MUST of the SPIFFE acceptance table, with the test that proves it
	node test/acceptance.ts

bench: setup ## rates, latencies and memory beside their goals, as one table and as JSON (needs Go, h2load)
	node test/bench/run.ts

soak: setup ## half an hour of half load, after a quarter to settle: is memory flat? MINUTES=… and 1,000 rotations under handshakes, ROTATIONS=… (needs root, Go)
	node test/bench/soak.ts --minutes $(or $(MINUTES),30)
	node test/interop/marathon.ts --rotations $(or $(ROTATIONS),1000)

fuzz: setup ## hostile bytes into every parser, FUZZ_SECONDS=10 or FUZZ_INPUTS=… for each, and other verifiers as judges
	node test/fuzz/run.ts

attack: setup ## who is asking: reused pids, exchanged programs, connections handed on, debuggers, namespaces, hidden /proc (needs root)
	node test/attack/run.ts
	node test/attack/dying.ts 100000

fault: setup ## kill, cut the power, fill the disk, flip bits, set the clock: thousands of times, in FAULT_MINUTES, 8.5 if not said (needs root)
	node test/fault/run.ts

fault-full: setup ## the same for hours
	node test/fault/run.ts --full
	node test/fault/rotation-kills.ts --times 20

flood: setup ## what a caller can do to a server: every attack beside a neighbour that is measured (needs root)
	node test/flood/run.ts

certs: setup ## a throw-away authority and certificate in certs/, for local experiments
	node certs/make.ts

docs: setup ## generate docs/commands.md from the program itself, docs/security.md from its table
	node src/cli/reference.ts > docs/commands.md
	node test/security.ts > docs/security.md

clean: ## remove what was generated
	rm -rf dist src/gen coverage test/bench/go/bin test/fuzz/go/bin test/interop/go/bin test/interop/py/venv test/interop/aws-cli/venv test/interop/kubernetes/bin \
		test/interop/azure/node_modules test/interop/oauth/node_modules
