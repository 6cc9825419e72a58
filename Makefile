# `make` alone lists the targets. PYTHON=python3.12 chooses the interpreter of the environment,
# LOCKED=1 installs the exact versions of requirements.lock, WORKERS=4 sets the test processes.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint notebooks environment test-environment clean

export PYTHON LOCKED
WORKERS ?= 2
PYTEST := .venv/bin/python -m pytest -n $(WORKERS) --timeout 900 \
	--cov landuse --cov image_functions --cov-report term

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

demo: environment ## make a sample, train on it, map its scene: all in demo/
	.venv/bin/python make_demo.py

test: lint ## check style and types, run the tests
	$(PYTEST) -m "not slow"

test-all: lint ## also the tests that take long, and examples never tried before
	HYPOTHESIS_EXAMPLES=new $(PYTEST)

lint: test-environment ## check style (ruff) and types (mypy)
	.venv/bin/ruff check .
	.venv/bin/mypy landuse image_functions.py

notebooks: test-environment ## make the notebooks from their sources and run them
	.venv/bin/python notebooks/build.py

environment: ## make or update .venv with what the steps need
	@./setup.sh

test-environment: # also what the tests need
	@./setup.sh test

clean: ## remove the demo and the caches; data, runs, maps and .venv stay
	rm -rf demo .pytest_cache .hypothesis .mypy_cache .ruff_cache .coverage htmlcov
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
