# Rollbook. `make demo` shows it on a practice cluster, `make test` checks everything; both need root for the cluster.
SHELL := /bin/bash
LAB := Tests/Lab/lab
RELEASE := .build/release/rollbook
STATE := $(CURDIR)/.rollbook
# C sources keep their file names for assertions: from this folder on, so that the program does not tell where it was built.
PLACELESS := -Xcc -ffile-prefix-map=$(CURDIR)/= -Xcxx -ffile-prefix-map=$(CURDIR)/=
DEMO := ROLLBOOK_STATE_DIR=$(STATE) $(RELEASE)

.PHONY: help build release test unit-test lab-test lint format demo deb deb-test editor-test bench endurance fuzz lab-up lab-down clean

help:
	@echo "make demo       install, build, boot the practice cluster, back it up, restore the backup into a scratch etcd"
	@echo "make test       install, build with warnings as errors, lint, unit tests, practice cluster tests"
	@echo "make release    the program with the Swift runtime inside: $(RELEASE)"
	@echo "make deb        a Debian package of it in .build; make deb-test tries it on a bare Debian (Docs/Install.md)"
	@echo "make editor-test  what a YAML language server says with the schemas (Docs/Tutorial.md)"
	@echo "make bench      speed beside other tools (Benchmarks/README.md)"
	@echo "make endurance  500 kills, 10,000 faulty runs, 100 silent links (Docs/Reliability.md)"
	@echo "make fuzz       every parser fuzzed, FUZZ_SECONDS=300 each (Fuzz/README.md)"
	@echo "make lab-up, make lab-down, make unit-test, make lab-test, make lint, make format, make clean"

build:
	@.ci/install packages
	swift build --build-tests

release:
	@.ci/install packages
	swift build -c release --static-swift-stdlib --disable-local-rpath -Xlinker -s $(PLACELESS) --product rollbook

deb: release
	@.ci/install deb-packages
	@rm -f .build/rollbook_*.deb
	@Packaging/build $(RELEASE) .build >.build/deb
	@cat .build/deb

# The package on a bare Debian, from apt-get install to purge.
deb-test: deb
	@.ci/install lab-packages
	@Packaging/try "$$(cat .build/deb)"

# Every runbook and inventory, and mistakes in them, in front of a real YAML language server with the schemas.
editor-test: build
	@.ci/install editor-packages
	Tests/Editor/check .build/debug/rollbook

lint:
	swift format lint --strict --parallel --recursive Package.swift Sources Tests Runbooks Benchmarks Fuzz

format:
	swift format --in-place --parallel --recursive Package.swift Sources Tests Runbooks Benchmarks Fuzz

unit-test: build
	swift test --skip-build --skip LabTests

lab-up:
	@.ci/install lab-packages
	@$(LAB) up

lab-down:
	@$(LAB) down

# The lab is booted once for the whole suite, and torn down in every outcome.
lab-test: build
	@.ci/install lab-packages
	@$(LAB) down >/dev/null 2>&1 || true
	@$(LAB) up
	@trap '$(LAB) down' EXIT; eval "$$($(LAB) env)" && ROLLBOOK_LAB=1 swift test --skip-build --filter LabTests

test: build lint unit-test lab-test

# The numbers of Docs/Reliability.md: every variant of every test, and hours of faults in an hour or two. `make test` takes one variant
# of each kind of the long tests of the practice cluster.
endurance: build
	@.ci/install lab-packages
	ROLLBOOK_RANDOM_RUNS=4000 ROLLBOOK_SILENT_LINKS=100 ROLLBOOK_INTERLEAVINGS=200 ROLLBOOK_QUOTED=1000000 ROLLBOOK_CANARIES=all swift test --skip-build --skip LabTests
	@$(LAB) up
	@trap '$(LAB) down' EXIT; eval "$$($(LAB) env)" && ROLLBOOK_LAB=1 ROLLBOOK_KILLS=500 ROLLBOOK_CALLS=16 \
		ROLLBOOK_ETCD_KILLS=30 ROLLBOOK_UPGRADE_KILLS=100 ROLLBOOK_LAB_ALL=1 swift test --skip-build --filter LabTests

demo: release lab-up
	@$(LAB) env > .build/lab-env
	@source .build/lab-env; set -e; \
	echo; echo "== rollbook plan nightly-backup"; $(DEMO) plan nightly-backup --quiet; \
	echo; echo "== rollbook run nightly-backup"; $(DEMO) run nightly-backup --yes; \
	echo; echo "== rollbook backups verify --level 3"; $(DEMO) backups verify --level 3; \
	echo; echo "== rollbook backups list"; $(DEMO) backups list; \
	echo; echo "== rollbook show"; $(DEMO) show; \
	echo; echo "The practice cluster stays up: $(LAB) status, $(LAB) fault help, make lab-down."; \
	echo 'Go on with:  eval "$$($(LAB) env)"; export ROLLBOOK_STATE_DIR=$(STATE) PATH=$$PWD/.build/release:$$PATH'

fuzz:
	@.ci/install packages
	@Fuzz/run

bench:
	@Benchmarks/run

clean:
	swift package clean
