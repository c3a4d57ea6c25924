# Two commands do everything on a fresh machine: `make demo` and `make test`. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help setup demo test lint format bench clean

help:
	@echo "make demo    the main job on real images, without hardware (installs what it needs)"
	@echo "make test    lint, types, import direction and all tests"
	@echo "make bench   the benchmark: times, sizes and arenas, printed as tables"
	@echo "make format  format the code"
	@echo "make clean   remove the virtual environment and what demo and bench wrote"

setup: $(STAMP)

$(STAMP): pyproject.toml tools/setup.sh
	@tools/setup.sh $(PYTHON) $(VENV)
	@touch $(STAMP)

demo: setup
	@$(BIN)/python tools/demo.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(BIN)/pytest -n 2 --dist loadfile

bench: setup
	@$(BIN)/python tools/bench.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
