# The front door. `make help` lists the targets.

IMPORT_CHECK := --explicit-target-dependency-import-check error
# Whole modules at a time and no debug information: the first build takes a third less time. INCREMENTAL=1 is for days
# of editing: it builds changed files only, with debug information. Changing over builds everything once.
SWIFT_FLAGS  := $(IMPORT_CHECK)
ifndef INCREMENTAL
SWIFT_FLAGS  += -debug-info-format none -Xswiftc -whole-module-optimization -Xswiftc -disable-batch-mode \
	-Xswiftc -no-emit-module-separately-wmo -Xswiftc -num-threads -Xswiftc $(shell getconf _NPROCESSORS_ONLN)
endif
BUILD_FLAGS  := -c release --product sluice $(IMPORT_CHECK) --disable-index-store
# Linked in, Swift's libraries start 3 ms faster and need 4 MB less; macOS has them in the system.
ifeq ($(shell uname),Linux)
BUILD_FLAGS  += --static-swift-stdlib
endif
SWIFT_FOLDERS := Package.swift Sources Tests Tools Examples/Package.swift Examples/Sources
SHELL_FILES  := .ci/run $(wildcard scripts/*.sh Compat/*.sh Compat/*/*.sh Examples/*.sh)
DB           ?= sqlite
SOAK_ROUNDS  ?= 50
# The demo shares the tests' debug build: the first row moves four minutes sooner than with the optimiser.
CONFIGURATION ?= debug

# Python clients may live in a virtual environment (scripts/install-deps.sh makes it where pip may not write).
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help build demo demo-services test test-long tests-build test-examples soak crash chaos soak-sink test-connector-template \
	crash-services fuzz compat bench bench-client \
	format lint deps clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build .build/release/sluice
	@scripts/install-deps.sh build
	swift build $(BUILD_FLAGS)

demo: ## Watch a row travel from table to topic to table (DB=mariadb, DB=postgresql: not SQLite; CONFIGURATION=release: optimised)
	@scripts/install-deps.sh build demo-$(DB)
	@echo 'Building sluice; the first time takes about three minutes on two cores.'
	swift build $(if $(filter release,$(CONFIGURATION)),$(BUILD_FLAGS),--product sluice $(SWIFT_FLAGS))
	@SLUICE=.build/$(CONFIGURATION)/sluice scripts/demo.sh $(DB)

examples-build:
	@scripts/install-deps.sh build demo-services
	swift build --product sluice $(SWIFT_FLAGS)
	@echo 'Building the example services; the first time takes about four minutes on two cores.'
	swift build --package-path Examples $(SWIFT_FLAGS) --disable-index-store

demo-services: examples-build ## Watch three instances of a service keep one database exact while one is killed
	@scripts/install-deps.sh demo-services $(if $(filter mariadb,$(DB)),test-examples)
	python3 scripts/demo_services.py $(if $(filter mariadb,$(DB)),--database mariadb)

test: tests-build ## Install what is missing, build everything, run the tests (not those of test-long)
	SWIFT_TEST_FLAGS='$(SWIFT_FLAGS)' scripts/test.sh short

test-long: tests-build ## Run the tests that take a minute each: accidents under load, kills, a database away, fuzzing
	SWIFT_TEST_FLAGS='$(SWIFT_FLAGS)' scripts/test.sh long

tests-build:
	@scripts/install-deps.sh build test
	swift build --build-tests $(SWIFT_FLAGS)

chaos: ## Three Connect workers, forty tasks, accidents (CHAOS_SECONDS=300 SEED=1 DELIVERY=exactly-once)
	swift build --product sluice $(SWIFT_FLAGS)
	python3 Tests/IntegrationTests/Support/connect_chaos.py .build/debug/sluice $(or $(CHAOS_SECONDS),300) $(or $(SEED),1) \
		$(or $(DELIVERY),exactly-once)

crash: tests-build ## Kill the broker 200 times under idempotent and transactional clients (ROUNDS=200)
	SLUICE_KILL_ROUNDS=$(or $(ROUNDS),200) swift test --skip-build $(SWIFT_FLAGS) --filter "DurabilityTests|ClientTransactionTests"

soak: ## Random histories of power cuts and kills, many seeds (SEEDS=20000 FIRST=0)
	swift build --build-tests $(SWIFT_FLAGS)
	SLUICE_SOAK_SEEDS=$(or $(SEEDS),20000) SLUICE_SOAK_FIRST=$(or $(FIRST),0) swift test --skip-build $(SWIFT_FLAGS) \
		--filter CrashHistoryTests

test-examples: examples-build ## Test the example services over HTTP, on SQLite and MariaDB
	@scripts/install-deps.sh test-examples
	python3 -m unittest discover --start-directory Tests/ExampleTests --verbose

test-connector-template: ## Build and test the package that a third party's connector begins with
	@scripts/install-deps.sh build
	swift test --package-path Examples/connector-template $(SWIFT_FLAGS) --disable-index-store

crash-services: tests-build ## Kill the outbox's and the inbox's processes at each step, 100 rounds (ROUNDS=n)
	SLUICE_CRASH_ROUNDS=$(or $(ROUNDS),100) swift test --skip-build $(SWIFT_FLAGS) --filter OutboxCrashTests

bench: ## Print start times, memory, row latency and broker load (docs/benchmarks.md explains them)
	@scripts/install-deps.sh build bench
	swift build $(BUILD_FLAGS)
	swift build $(subst --product sluice,--product ServiceProbe,$(BUILD_FLAGS))
	python3 Benchmarks/bench.py

fuzz: ## Send damaged requests to the broker for ten minutes (SLUICE_FUZZ_SECONDS, SLUICE_FUZZ_SEED)
	swift build --build-tests $(SWIFT_FLAGS)
	SLUICE_FUZZ_SECONDS=$${SLUICE_FUZZ_SECONDS:-600} swift test --skip-build $(SWIFT_FLAGS) --filter FuzzTests

compat: ## Run other people's clients against the broker, Java's too (fetches 200 MB once)
	@scripts/install-deps.sh build test
	scripts/java-clients.sh > /dev/null
	swift build --build-tests $(SWIFT_FLAGS)
	swift test --skip-build $(SWIFT_FLAGS) --filter ForeignClientTests

soak-sink: tests-build ## Kill the exactly-once sink SOAK_ROUNDS times (default 50): no duplicate, no gap
	SLUICE_KILL_ROUNDS=$(SOAK_ROUNDS) swift test --skip-build $(SWIFT_FLAGS) --filter ExactlyOnceTests

.PHONY: database-away
database-away: tests-build ## Take the database away for a minute under a source and a sink (AWAY_SECONDS=60)
	SLUICE_AWAY_SECONDS=$(or $(AWAY_SECONDS),60) swift test --skip-build $(SWIFT_FLAGS) --filter DatabaseAwayTests

bench-client: ## Print our producer and consumer beside librdkafka's, on the same broker in turn
	@scripts/install-deps.sh build bench
	swift build $(BUILD_FLAGS)
	python3 Benchmarks/bench.py client

format: ## Rewrite the sources in the house format
	swift format --in-place --parallel --recursive $(SWIFT_FOLDERS)

lint: ## Check format, documentation rules and shell scripts
	swift format lint --strict --parallel --recursive $(SWIFT_FOLDERS)
	for file in $(SHELL_FILES); do bash -n "$$file" || exit 1; done
	@scripts/install-deps.sh lint
	shellcheck -x $(SHELL_FILES)

deps: ## Install everything that build, tests, demo and benchmarks need
	@scripts/install-deps.sh build test demo-mariadb demo-postgresql bench lint

clean: ## Remove everything that was built
	rm -rf .build .venv Examples/.build
