# Inscape: what a person types. `make help` prints this file's targets.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help env demo test test-studies check check-kernels agreements format stubs docs notebooks screenshots bench real torture clean

help: ## print this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

env: $(STAMP) ## make the environment in .venv (once)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

demo: env ## read a map of the world out of a language model; ends with the report's path
	$(BIN)/inscape run space-time-neurons --preset small

# compiled files are kept, whatever the environment says: each worker would compile package and tests anew
export PYTHONDONTWRITEBYTECODE :=

WORKERS := -n auto --dist loadfile --no-loadscope-reorder

test: env ## the default test suite (no network), one worker a core
	$(BIN)/python -m pytest $(WORKERS) --ignore=tests/studies --ignore=tests/recipes --ignore=tests/worlds --ignore=tests/docs

test-studies: env ## every study's tiny preset against the verdicts that its card expects, and the networks and worlds that studies train
	$(BIN)/python -m pytest $(WORKERS) tests/studies tests/recipes tests/worlds

real: env ## tests on the embedded default model (fetched once)
	$(BIN)/python -m pytest -m real

check: env ## style, import layers, no cycles
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/lint-imports --no-logo

check-kernels: env ## the tests that compute, under other CPU kernels and numbers of threads (SETTINGS, FOLDERS)
	PYTHON=$(BIN)/python FOLDERS="$(FOLDERS)" .ci/kernels $(SETTINGS)

format: env ## put the code in the house's format
	$(BIN)/ruff check --fix -q src tests benchmarks
	$(BIN)/ruff format -q src tests benchmarks

stubs: env ## type stubs of what loads on first use, after a public name came or went
	$(BIN)/python -m scripts.make_stubs

docs: env ## the documentation as a site in build/site, which opens and searches offline, and its tests: links, pages and notebooks whose code runs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build -q
	SITE=build/site $(BIN)/python -m pytest $(WORKERS) tests/docs
	@echo "build/site/index.html"

notebooks: env ## open the notebooks of examples/ (installs JupyterLab the first time)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e '.[notebooks]' -c constraints.txt
	$(BIN)/python -m jupyter lab examples

screenshots: env ## pictures of views and reports at 390 and 1,280 px, light and dark, in docs/images
	$(BIN)/python -m scripts.screenshots

families: env ## certify a tiny network of every architecture, written to docs/families.md
	$(BIN)/python -m benchmarks.families

calibration: env ## p-values and intervals on simulated data, MINUTES=10, written to docs/calibration.md
	$(BIN)/python -m benchmarks.calibration $(or $(MINUTES),10)

agreements: env ## measures beside those of other libraries, written to docs/agreements.md
	$(BIN)/python -m benchmarks.agreements

bench: env ## ratios measured in one run, written to docs/benchmarks.md
	$(BIN)/python -m benchmarks

MINUTES ?= 10
torture: env ## hostile inputs and sudden kills for MINUTES=10, written to docs/reliability.md
	$(BIN)/python -m benchmarks.torture $(MINUTES)

clean: ## remove the environment and caches
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache
