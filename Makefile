# make demo   sets up, makes a rainy clip, cleans it, distils a tiny student; ends with demo_out/report.html
# make test   sets up, lints, checks types, runs the fast tests

PYTHON ?= python3
VENV ?= .venv

BIN := $(VENV)/bin
STAMP := $(VENV)/.restill-setup
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
CODE := src demo tests benchmarks

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all faults lint clean

help:
	@echo "make setup     a virtual environment in $(VENV) with everything, every version pinned"
	@echo "make demo      a rainy clip cleaned and a student distilled before your eyes; ends with demo_out/report.html"
	@echo "make test      lint, types and the fast tests"
	@echo "make test-all  the same with the slow tests"
	@echo "make faults    jobs killed at random points, by the dozen; some minutes"
	@echo "make lint      ruff and pyright alone"
	@echo "make clean     removes what was made here, the environment too"

setup: $(STAMP)

# On Linux pip's own index has PyTorch's CUDA build, ten times the size of the one for CPUs; PIP_EXTRA_INDEX_URL, which
# pip reads, is where to point at PyTorch's index of CPU builds.
$(STAMP): pyproject.toml constraints.txt
	@echo "setting up $(VENV), a minute or two ..."
	@$(PYTHON) -m venv $(VENV)
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
	@$(BIN)/python -m pytest -n logical --dist loadfile

test-all: lint
	@$(BIN)/python -m pytest -n logical --dist loadfile -m ""

faults: setup
	@$(BIN)/python tests/faults/harness.py

clean:
	rm -rf $(VENV) demo_out runs build dist .pytest_cache .ruff_cache .hypothesis
	find src tests demo benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
