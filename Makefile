# Everything a developer does, one word each. `make` alone lists the words.
# What is built or installed lies in .venv, target and dist; nothing is written outside the checkout
# (cargo and pip keep their usual caches). A second call does no work and asks no network.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
# The stamps live in the environment they speak of: whoever removes it removes them.
TOOLS := $(VENV)/.tools-installed
BUILT := $(VENV)/.engine-built

# The newest Python that is really there: a version manager's shim may exist and still refuse to run.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& { echo "$$python"; break; }; done)

# The page is one file, which the wheel takes along.
PAGE := python/loadgen/report/page.html
NPM := $(shell command -v npm)
NODE_MODULES := web/node_modules/.package-lock.json
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/dist -prune -o -type f -print)

RUST_SOURCES := Cargo.toml Cargo.lock $(shell find rust/engine rust/python rust/target -type f -print)

# pyo3 must see the same interpreter in every cargo call, or each call rebuilds what the last one built.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
# maturin asks pip for an editable install; an activated environment elsewhere must not catch it.
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
unexport PYTHONHOME PYTHONPATH CONDA_PREFIX
# Most tests wait most of the time, so several go at once. Those that time things have the machine to themselves.
BESIDE := $(BIN)/python -m pytest -m "not alone and not bench" --numprocesses 3 --dist loadfile
# What failed beside others is run once more by itself, and then it counts.
AGAIN := $(BIN)/python -m pytest -m "not alone and not bench" --last-failed --last-failed-no-failures none
ALONE := $(BIN)/python -m pytest -m "alone and not bench"
CARGO_TEST := cargo test --release --locked --package loadgen-engine --package loadgen-target

.PHONY: help
help: ## list these words
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## build, then run `loadgen blast --tps 5000` for ten seconds against the embedded target
	@$(BIN)/loadgen blast --tps 5000 --duration 10s

.PHONY: build
build: $(BUILT) $(if $(NPM),$(PAGE),page-missing) ## build the engine and the page, install loadgen into .venv, editable

.PHONY: page-missing
page-missing:
	@[[ -f $(PAGE) ]] || echo "make: npm not found, so loadgen is built without its page: no --page, no report.html." \
		"Install Node 18 or newer with npm" >&2

.PHONY: test
test: build ## set up what the tests need, then run them all; with CI set, then `make check` too
	$(CARGO_TEST)
	$(BESIDE) || $(AGAIN)
	$(ALONE)
	@[[ -z "$${CI:-}" ]] || $(MAKE) --no-print-directory check

.PHONY: test-rust
test-rust: cargo-present $(BIN)/python ## only the tests of the Rust crates
	$(CARGO_TEST)

.PHONY: test-python
test-python: build ## only the tests of the Python package; PYTEST_ARGS="-k name" chooses among them
	$(BIN)/python -m pytest $(PYTEST_ARGS)

.PHONY: check
check: build ## format, lints, types and the engine's stub: what CI refuses
	@for component in fmt clippy; do cargo $$component --version >/dev/null 2>&1 \
		|| { echo "make: cargo $$component is missing: rustup component add rustfmt clippy" >&2; exit 1; }; done
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- --deny warnings
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/stubtest loadgen._engine

.PHONY: format
format: $(TOOLS) cargo-present ## rewrite the sources the way `make check` wants them
	cargo fmt --all
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

.PHONY: mutants
mutants: build ## prove that the tests can fail: wrong ways to measure, each built and refused; about four minutes
	$(BIN)/python -m tests.mutants.run $(MUTANTS)

.PHONY: bench
bench: build ## loadgen beside other tools on one nginx, pacing, memory; takes about twenty minutes
	$(BIN)/python -m tests.bench.compare
	$(BIN)/python -m tests.bench.scenario
	$(BIN)/python -m tests.bench.wires
	$(BIN)/python -m tests.bench.openloop
	$(BIN)/python -m tests.bench.stall
	$(BIN)/python -m tests.bench.memory

# FUZZ=one of those below; FUZZ_SECONDS=600.
FUZZ ?= response
FUZZ_SECONDS ?= 60

.PHONY: fuzz
fuzz: cargo-present ## let a fuzzer loose on a parser: FUZZ=response|chunk|plan|http2|http3|tunnel|cookies|decode|template|events|redirect|challenge|ws_frames|ws_inflate, FUZZ_SECONDS=60
	rust/fuzz/run $(FUZZ) $(FUZZ_SECONDS)

EMPTY_VENV := target/empty-venv

.PHONY: wheel
wheel: $(TOOLS) cargo-present $(PAGE) ## build the wheel users install, and run it where there is no Rust
	rm -rf dist $(EMPTY_VENV)
	$(BIN)/maturin build --profile wheel --locked --interpreter $(BIN)/python --out dist
	$(BIN)/python -m venv $(EMPTY_VENV)
	env PATH="$(CURDIR)/$(EMPTY_VENV)/bin" pip install --quiet --only-binary :all: dist/loadgen-*.whl
	env PATH="$(CURDIR)/$(EMPTY_VENV)/bin" loadgen blast --tps 500 --duration 2s --out $(EMPTY_VENV)/run
	test -s $(EMPTY_VENV)/run/report.html

.PHONY: lock
lock: $(BIN)/python ## pin the newest allowed versions of the Python tools in requirements-dev.txt
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command 'make lock' --group tools pyproject.toml \
		--output-file requirements-dev.txt

.PHONY: clean
clean: ## remove everything that was built, the environment too; runs/ stays
	rm -rf $(VENV) target rust/fuzz/target dist python/loadgen/_engine.*.so $(PAGE) web/node_modules web/dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find python tests -name __pycache__ -prune -exec rm -rf {} +

.PHONY: cargo-present
cargo-present:
	@command -v cargo >/dev/null || { echo "make: cargo not found. Install Rust 1.88 or newer: https://rustup.rs" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "make: cc not found. Install a C compiler, such as the package gcc" >&2; exit 1; }

$(BIN)/python:
	@[[ -n "$(PYTHON)" ]] || { echo "make: no Python 3.11 or newer with venv found (on Debian: apt install python3-venv)." \
		"Name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)

$(TOOLS): $(BIN)/python requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.txt
	@touch $@

$(NODE_MODULES): web/package-lock.json
	@command -v npm >/dev/null || { echo "make: npm not found. The page needs Node 18 or newer with npm" >&2; exit 1; }
	cd web && npm ci --loglevel error --no-audit --no-fund
	@touch $@

$(PAGE): $(NODE_MODULES) $(WEB_SOURCES)
	cd web && npm run --silent build
	cp web/dist/index.html $@

$(BUILT): $(TOOLS) $(RUST_SOURCES) pyproject.toml README.md | cargo-present
	$(BIN)/maturin develop --release --locked
	@touch $@
