# `make demo` and `make test` are all that a new user needs; each installs what it lacks into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder
DEMO ?= demo

.PHONY: demo test test-all lint bench gpu-check chaos install clean
.SILENT:

demo: install
	$(BIN)/defectsweep run --config experiments/demo.yaml --output $(DEMO)

test: $(VENV)/.installed-test
	$(PYTEST) -m "not slow"

test-all: $(VENV)/.installed-test
	$(PYTEST)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check --output-format concise .

bench: install
	$(BIN)/python benchmarks/sweep_efficiency.py

gpu-check: install
	$(BIN)/python benchmarks/gpu_check.py

chaos: install
	$(BIN)/python benchmarks/chaos.py

install: $(VENV)/.installed

# pip runs again only when pyproject.toml has changed.
$(VENV)/.installed: pyproject.toml | $(BIN)/pip
	echo "Installing defectsweep and what it needs into $(VENV) (several minutes the first time) ..."
	$(BIN)/pip install -qq --disable-pip-version-check --editable .
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	echo "Installing what the tests need ..."
	$(BIN)/pip install -qq --disable-pip-version-check --editable ".[test]"
	touch $@

$(BIN)/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "defectsweep needs Python 3.11 or newer; '$(PYTHON) --version' says: $$($(PYTHON) --version 2>&1 | tail -n 1)." \
	         "Name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) $(DEMO) build dist *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
