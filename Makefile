# make demo   set up, make a rainy clip, restore it, distill a tiny student, and write demo_out/report.html
# make test   set up, lint, check types, and run the fast tests

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
STAMP := $(VENV)/.restill-setup
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
CODE := src demo tests benchmarks docs/tools

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all faults docs lint clean

help:
	@echo "make setup     create a virtual environment in $(VENV), with every version pinned"
	@echo "make demo      restore a rainy clip and distill a student; writes demo_out/report.html"
	@echo "make test      run the linter, the type checker, and the fast tests"
	@echo "make test-all  run the slow tests too"
	@echo "make faults    kill dozens of jobs at random points and resume them; takes some minutes"
	@echo "make docs      build the site of the documentation in site/; open site/index.html"
	@echo "make lint      run ruff and pyright only"
	@echo "make clean     remove everything that these commands made, including the environment"

setup: $(STAMP)

# On Linux, PyPI has PyTorch's CUDA build, which is ten times as large as the CPU build. To install the CPU build, set
# PIP_EXTRA_INDEX_URL to PyTorch's index of CPU builds.
$(STAMP): pyproject.toml constraints.txt
	@echo "setting up $(VENV); this takes a minute or two ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) -e '.[train,dev]'
	@touch $@

demo: setup
	@$(BIN)/python -m demo

lint: setup
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check --quiet $(CODE)
	@$(BIN)/pyright src demo

# pytest runs last, so its summary is the last line.
test: lint
	@$(BIN)/python -m pytest -n logical --dist worksteal

test-all: lint
	@$(BIN)/python -m pytest -n logical --dist worksteal -m ""

faults: setup
	@$(BIN)/python tests/faults/harness.py

docs: setup
	@$(PIP) -e '.[docs]'
	@$(BIN)/python -m docs.tools

clean:
	rm -rf $(VENV) demo_out runs build dist site .cache .pytest_cache .ruff_cache .hypothesis
	find src tests demo benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
