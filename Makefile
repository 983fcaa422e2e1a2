.DEFAULT_GOAL := help
.PHONY: help demo test test-slow check docs bench bench-methods clean
SHELL := /bin/bash

BIN := .venv/bin
# Where there is no display, windows open on a virtual one.
X := $(if $(DISPLAY)$(WAYLAND_DISPLAY),,xvfb-run -a -s "-screen 0 1600x1000x24")
# Files of tests that run at the same time: a viewer draws with more than one thread already.
WORKERS ?= 2
# Each has a core to itself: more threads than cores wait for each other, and spin while they do. Set here, before anything is imported: a
# worker whose NumPy has other threads than its children gives maps that differ in the last digit.
TESTS = $(X) env OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# The processes that tests start read the package's bytecode; where the environment keeps Python from writing it, each would compile anew.
BYTECODE = @$(BIN)/python -m compileall -q src
SETUP := pyproject.toml constraints.txt tools/setup.sh

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: .venv/.ready-all ## Set up and show a sample scan with its anomaly map (files under out/ when there is no display)
ifeq ($(X),)
	$(BIN)/brain-uad demo --window
else
	$(X) $(BIN)/brain-uad demo --out out --screenshot
endif

test: .venv/.ready-dev ## Set up and run the tests but the slow ones, two files at a time; ARGS="-k name" passes on to pytest
	$(BYTECODE)
	$(TESTS) -m "not slow" $(ARGS)

test-slow: .venv/.ready-dev ## Set up and run the tests that take long by nature: soak, tutorials, interruptions, registrations, real lesions
	$(BYTECODE)
	$(TESTS) -m slow $(ARGS)

check: .venv/.ready-dev ## Lint, format, types, import rules, manifest
	@failed=; for step in "ruff check ." "ruff format --check ." mypy "lint-imports --no-logo" "npe2 validate --imports napari-brain-uad"; do \
	    echo "== $$step"; $(BIN)/$$step || failed=1; \
	done; test -z "$$failed"

docs: .venv/.ready-docs ## Set up and build the documentation's site (docs/_build/html); a warning fails it
	$(BIN)/python -m sphinx -E -W --keep-going -q -c docs -d docs/_build/doctrees . docs/_build/html
	@echo "docs/_build/html/index.html"

bench: .venv/.ready-dev ## Run the benchmarks, one after the other (not those that train for long: methods, br35h)
	@set -e; for file in benchmarks/[a-z]*.py; do \
	    name=$$(basename $$file .py); test $$name != methods -a $$name != br35h || continue; echo "== $$name"; $(X) $(BIN)/python -m benchmarks.$$name; \
	done

bench-methods: .venv/.ready-dev ## Make the table of all methods on the shared scans (benchmarks/results); ARGS passes options on
	$(BIN)/python -m benchmarks.methods $(ARGS)

clean: ## Remove everything that was made, .venv included
	rm -rf .venv out dist build docs/_build docs/generated .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps are newer than what decides about the set-up, so a second run starts at once.
.venv/.ready-all: $(SETUP)
	tools/setup.sh all
	touch $@

.venv/.ready-dev: $(SETUP)
	tools/setup.sh all,dev
	touch .venv/.ready-all $@

.venv/.ready-docs: $(SETUP)
	tools/setup.sh all,docs
	touch .venv/.ready-all $@
