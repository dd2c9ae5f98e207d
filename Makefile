# Every target works on a fresh checkout: it sets up `.venv` first where that is missing or out of date.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: install demo test fuzz chaos lint bench growth
.DEFAULT_GOAL := install

install: $(READY)

$(READY): pyproject.toml requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Parley needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

demo: $(READY)
	@$(BIN)/python -m bot demo

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Processes of the bot are started by the hundred: compiling it anew for each would cost minutes, and be measured.
test fuzz chaos bench growth: export PYTHONPYCACHEPREFIX := $(CURDIR)/.venv/pycache
test fuzz chaos bench growth: export PYTHONDONTWRITEBYTECODE :=

test: lint
	$(BIN)/pytest -n 6 --dist worksteal --cov --cov-report=term

# In all so many cases, new ones each time; prints how many ran of each kind.
CASES ?= 10000
fuzz: $(READY)
	PARLEY_FUZZ_CASES=$(CASES) $(BIN)/pytest tests/fuzz

bench: $(READY)
	$(BIN)/python -m benchmarks

# Takes hours: with KEPT=file.json it goes on from what an interrupted run had measured.
ANSWERS ?= 100000
growth: $(READY)
	$(BIN)/python -m benchmarks.growth --answers $(ANSWERS) $(if $(KEPT),--kept $(KEPT))

KILLS ?= 100
SEED ?= 1
LANES ?= 3

chaos: $(READY)
	$(BIN)/python -m tests.chaos --kills $(KILLS) --seed $(SEED) --lanes $(LANES) $(if $(filter 1000,$(KILLS)),--page docs/chaos.md)
