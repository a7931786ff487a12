# Everything runs in a virtual environment of its own; nothing is installed outside this folder.
# `make demo` and `make test` are all that a newcomer needs; `make help` lists the rest.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
RUST := $(shell find checker/native -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock
PACKAGES := checker workloads systems_under_test nemesis reports lineal
SEEDS ?= 500

.DEFAULT_GOAL := help

.PHONY: help
help:  ## This list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

.PHONY: demo
demo: $(VENV)/installed  ## Drive a five-node store, break it, judge it; then find its bug.
	$(BIN)/python -m lineal.cli.demo

# Coverage is measured where the checkers are tested; simulated stores take 2.7 times as long with it.
CHECKER_TESTS := tests/checker tests/workloads

.PHONY: test
test: $(VENV)/installed-dev  ## The tests that need no machine but this; branch coverage of `checker`.
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not soak and not live" $(CHECKER_TESTS) \
		--cov=checker --cov-branch --cov-report=term:skip-covered --cov-fail-under=90
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not soak and not live" tests \
		$(CHECKER_TESTS:%=--ignore=%)
	$(BIN)/python -m pytest -q -m "live and not soak and not docker and not ssh"

.PHONY: machines
machines: $(VENV)/installed-dev  ## Tests that make containers, or machines of network namespaces.
	$(BIN)/python -m pytest -q -rs -m "(docker or ssh) and not soak"

.PHONY: check
check: static test  ## What a change must pass.

.PHONY: static
static: format-check lint native-check types layers  ## What can be checked without running it.

.PHONY: format-check
format-check: $(VENV)/installed-dev
	$(BIN)/ruff format --check .
	cargo fmt --check

.PHONY: lint
lint: $(VENV)/installed-dev
	$(BIN)/ruff check .

.PHONY: native-check
native-check:
	cargo clippy --release --all-targets -- -D warnings
	cargo test --release --quiet

.PHONY: types
types: $(VENV)/installed-dev
	$(BIN)/mypy

.PHONY: layers
layers: $(VENV)/installed-dev
	$(BIN)/lint-imports

.PHONY: soak
soak: $(VENV)/installed-dev  ## Long tests: many seeds of every system, under every fault.
	LINEAL_SEEDS=$(SEEDS) $(BIN)/python -m pytest -q -rs -n 2 --dist loadgroup -m soak --timeout 3600

.PHONY: explore
explore: $(VENV)/installed-dev  ## Property tests on examples that no run had before.
	LINEAL_EXPLORE=1 $(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not soak and not live"

.PHONY: bench
bench: $(VENV)/installed-dev  ## Benchmarks; prints a table with the machine and the commit.
	$(BIN)/python -m tests.benchmarks

.PHONY: native
native:  ## The Rust core alone, into the checker package (for work on the core).
	cargo build --release --features extension-module --manifest-path checker/native/Cargo.toml
	install -m 755 target/release/lib_core.so checker/_core.abi3.so.new
	mv checker/_core.abi3.so.new checker/_core.abi3.so

.PHONY: format
format: $(VENV)/installed-dev  ## Format Python and Rust.
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .
	cargo fmt

.PHONY: lock
lock: $(VENV)/installed-dev  ## Write the lock files again from pyproject.toml.
	$(BIN)/pip-compile -q --extra dev $(LOCK_FLAGS) -o requirements/dev.txt pyproject.toml
	$(BIN)/pip-compile -q -c requirements/dev.txt $(LOCK_FLAGS) -o requirements/run.txt pyproject.toml
	grep -E '^maturin==' requirements/dev.txt | sed 's/ .*//' > requirements/build.txt

LOCK_FLAGS := --strip-extras --no-header --annotation-style line \
	--no-emit-index-url --no-emit-trusted-host --no-emit-find-links

$(VENV)/made:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/installed: $(VENV)/made requirements/run.txt requirements/build.txt pyproject.toml $(RUST)
	$(BIN)/pip install -q --disable-pip-version-check -r requirements/run.txt -r requirements/build.txt
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pip install -q --disable-pip-version-check \
		--no-build-isolation --no-deps -e .
	touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements/dev.txt
	$(BIN)/pip install -q --disable-pip-version-check -r requirements/dev.txt
	touch $@

.PHONY: clean
clean:  ## Remove what was built; runs are kept.
	rm -rf $(VENV) target checker/_core.abi3.so build dist
