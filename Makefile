# make demo   sets up, makes a rainy clip, cleans it, distils a tiny student; ends with demo_out/report.html
# make test   sets up, lints, checks types, runs the fast tests

PYTHON ?= python3
VENV ?= .venv
# Where the CPU build of PyTorch is; for CUDA: make setup TORCH_INDEX=https://download.pytorch.org/whl/cu128
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

BIN := $(VENV)/bin
STAMP := $(VENV)/.restill-setup
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
CODE := src demo tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint clean

help:
	@echo "make setup     a virtual environment in $(VENV) with everything, every version pinned"
	@echo "make demo      a rainy clip cleaned and a student distilled before your eyes; ends with demo_out/report.html"
	@echo "make test      lint, types and the fast tests"
	@echo "make test-all  the same with the slow tests"
	@echo "make lint      ruff and pyright alone"
	@echo "make clean     removes what was made here, the environment too"

setup: $(STAMP)

# PyTorch goes first and alone: on Linux the plain index has the CUDA build, ten times the size, and asking a second
# index about every other package would be slow. Where that index cannot be reached, pip takes what it is offered.
$(STAMP): pyproject.toml constraints.txt
	@echo "setting up $(VENV), a minute or two ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --retries 1 --timeout 30 --no-deps --extra-index-url $(TORCH_INDEX) torch
	@$(PIP) -e '.[train,openvino,dev]'
	@touch $@

demo: setup
	@$(BIN)/python -m demo

lint: setup
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check --quiet $(CODE)
	@$(BIN)/pyright src demo

# pytest is last: its closing line is the last line.
test: lint
	@$(BIN)/python -m pytest

test-all: lint
	@$(BIN)/python -m pytest -m ""

clean:
	rm -rf $(VENV) demo_out runs build dist .pytest_cache .ruff_cache .hypothesis
	find src tests demo benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
