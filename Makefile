# The logic lives in pyproject.toml, the package and .ci/; here are only the names.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := containers/locks/dev.txt
INSTALLED := $(VENV)/.installed

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: install
install: $(INSTALLED) ## Make .venv with everything that developing and running needs

$(INSTALLED): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: $(PYTHON) is older than Python 3.11; name a newer one: make install PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' || { \
	  echo "error: $(PYTHON) has no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: demo
demo: install ## Run the main job end to end: example, fits, table and plots in demo/
	$(BIN)/pyhf-endpoint example demo --overwrite
	$(BIN)/pyhf-endpoint hypotest demo/BkgOnly.json demo/patchset.json -o demo/results.jsonl --overwrite
	$(BIN)/pyhf-endpoint results show demo/results.jsonl
	$(BIN)/pyhf-endpoint plot contour demo/results.jsonl -o demo/contour.png

.PHONY: test
test: install ## Run the tests
	$(BIN)/pytest -n auto

.PHONY: bench
bench: install ## Measure; on 1Lbb where PYHF_ENDPOINT_DATA names the folder, else on the example
	$(BIN)/python benchmarks/bench.py

.PHONY: lint
lint: install ## Check style and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

.PHONY: format
format: install ## Put the code into its standard form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: readme
readme: install ## Write the README's table of sites again
	$(BIN)/python -m pyhf_endpoint.profiles.overview README.md

.PHONY: lock
lock: install ## Resolve the locks again, keeping its versions where they still fit
	containers/lock.sh

.PHONY: lock-upgrade
lock-upgrade: install ## Move the locks to the newest versions
	containers/lock.sh --upgrade

.PHONY: clean
clean: ## Remove what make made
	rm -rf $(VENV) demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
