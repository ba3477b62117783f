# Two commands do everything: `make run` (the main job) and `make test` (all checks).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Their committed outputs take minutes: tests/test_notebooks.py runs them with reduced parameters.
LONG := notebooks/02_compare_policies.ipynb notebooks/03_credit_and_hindsight.ipynb

.PHONY: run test lint install clean

run: install
	$(BIN)/sqlbench run --suite marketplace --model simulated --policy linucb --episodes 300 \
		--seed 0 --out results/first-run
	$(BIN)/sqlbench report results/first-run

test: lint
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest --nbval --nbval-sanitize-with tests/nbval_sanitize.cfg notebooks \
		$(addprefix --ignore=,$(LONG))

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

install: .venv/installed

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
