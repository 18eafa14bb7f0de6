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
VARIANTS := cpu cuda12 cuda13 rocm
VARIANT ?= cpu
CONTAINER_TOOLS := .venv-containers

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  make image-VARIANT    Build the container image of a variant: $(VARIANTS)'
	@echo '  make sif-VARIANT      Make an Apptainer image of it; containers/README.md tells the rest'

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

.PHONY: test-slurm
test-slurm: install ## Run whole grids through a real Slurm, started for the purpose (apt-get installs it, for root)
	time $(BIN)/pytest -m slurm tests/slurm

.PHONY: render
render: install ## Render the endpoint of SITE into endpoints/SITE; further options in RENDER
	@test -n "$(SITE)" || { echo "error: name a site: make render SITE=polaris RENDER='--account NAME'" >&2; exit 2; }
	$(BIN)/pyhf-endpoint render $(SITE) -o endpoints/$(SITE) $(RENDER)

.PHONY: render-all
render-all: install ## Render the endpoints of all active sites into endpoints/
	$(BIN)/pyhf-endpoint render --all -o endpoints $(RENDER)

.PHONY: golden
golden: install ## Write the golden endpoints of the tests again; review them by git diff
	$(BIN)/python -m tests.endpoint.golden

.PHONY: test-globus
test-globus: install ## Run grids through the real Globus Compute daemon, around a stand-in of its service (apt-get installs RabbitMQ, for root)
	time $(BIN)/pytest -m globus tests/globus

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

.PHONY: schema
schema: install ## Write the profiles' JSON schema and the table of their fields again
	$(BIN)/python -m pyhf_endpoint.profiles.handbook site_profiles

.PHONY: lock
lock: install ## Resolve the locks again, keeping its versions where they still fit
	containers/lock.sh

.PHONY: lock-upgrade
lock-upgrade: install ## Move the locks to the newest versions
	containers/lock.sh --upgrade

.PHONY: $(VARIANTS:%=image-%)
$(VARIANTS:%=image-%): image-%:
	containers/build.sh $*

.PHONY: $(VARIANTS:%=sif-%)
$(VARIANTS:%=sif-%): sif-%:
	containers/sif.sh $*

.PHONY: wheelhouse
wheelhouse: install ## Fill a folder for sites without a network: make wheelhouse VARIANT=cpu
	PYTHON=$(BIN)/python containers/wheelhouse.sh $(VARIANT)

.PHONY: push
push: ## Push the image: make push VARIANT=cpu REGISTRY=registry.example.org/analysis
	containers/push.sh $(VARIANT) $(REGISTRY)

.PHONY: sbom
sbom: ## Write the image's bill of materials: make sbom VARIANT=cpu
	containers/sbom.sh $(VARIANT)

.PHONY: audit
audit: $(CONTAINER_TOOLS)/.installed ## Look all locks up among the known vulnerabilities
	containers/audit.sh

.PHONY: test-containers
test-containers: install $(CONTAINER_TOOLS)/.installed ## Build and run the image for real; installs what it needs, as root on Debian
	tests/containers/install.sh
	$(BIN)/pytest -m containers tests/containers

$(CONTAINER_TOOLS)/.installed: containers/locks/tools.txt
	$(PYTHON) -m venv $(CONTAINER_TOOLS)
	$(CONTAINER_TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r $<
	@touch $@

.PHONY: clean
clean: ## Remove what make made
	rm -rf $(VENV) $(CONTAINER_TOOLS) demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
