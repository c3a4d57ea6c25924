# Two commands do everything on a fresh machine: `make demo` and `make test`. Both set up what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TARGET_STAMP := $(VENV)/.target-installed
C_FILES = $(shell find firmware tests -path tests/golden -prune -o \( -name '*.[ch]' -o -name '*.cc' -o -name '*.cpp' \) -print)
C_FORMAT = $(BIN)/clang-format --style=file:firmware/.clang-format

SECONDS = 60

.PHONY: help setup setup-target demo test prove fuzz lint format bench calibrate count-instructions code-sizes clean

help:
	@echo "make demo    the main job on real images, without hardware (installs what it needs)"
	@echo "make test    lint, types, import direction and all tests, also on emulated microcontrollers"
	@echo "make prove   the aot engine's networks against the reference, 1000 inputs each, and memory plans in TFLite Micro (an hour)"
	@echo "make fuzz    random bytes to the firmware under sanitizers, for SECONDS=60; goes on from what was found before"
	@echo "make bench   the benchmark: times, sizes and arenas, printed as tables"
	@echo "make format  format the code"
	@echo "make calibrate   fit the latency model anew, after a change to tools/latency"
	@echo "make count-instructions  count the aot engine's instructions anew, which make calibrate uses"
	@echo "make code-sizes  measure the aot engine's code anew, after a change to firmware/engine/aot"
	@echo "make clean   remove the virtual environment and what demo, bench and fuzz wrote"

setup: $(STAMP)

$(STAMP): pyproject.toml tools/setup.sh
	@tools/setup.sh $(PYTHON) $(VENV)
	@touch $(STAMP)

setup-target: $(TARGET_STAMP)

$(TARGET_STAMP): tools/setup_target.sh | $(STAMP)
	@tools/setup_target.sh
	@touch $(TARGET_STAMP)

demo: setup
	@$(BIN)/python tools/demo.py

lint: setup setup-target
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(C_FORMAT) --dry-run -Werror $(C_FILES)
	tools/lint_c.sh

# Two at a time, each file in one process; libraries of numbers with one thread each, and files in their order: short ones
# come last, so that both processes end at about the same time.
test: lint
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

prove: setup setup-target
	EDGEKIT_AOT_INPUTS=1000 $(BIN)/pytest -n 2 tests/integration/test_aot_equality.py -k "trained or corners or relatives"
	EDGEKIT_PLAN_INPUTS=50 EDGEKIT_PLAN_GRAPHS=200 EDGEKIT_PLAN_GRID=paper $(BIN)/pytest -n 2 tests/integration/test_plan_equality.py

fuzz: setup setup-target
	@$(BIN)/python tests/fuzzing.py --seconds $(SECONDS)

bench: setup setup-target
	@$(BIN)/python tools/bench.py

count-instructions: setup setup-target
	@$(BIN)/python tools/latency_count.py

calibrate: setup
	@$(BIN)/python tools/calibrate.py

code-sizes: setup setup-target
	@$(BIN)/python tools/code_sizes.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(C_FORMAT) -i $(C_FILES)

clean:
	rm -rf $(VENV) demo dist fuzz .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
