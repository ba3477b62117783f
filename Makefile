# Two commands do everything: `make run` (the main job) and `make test` (all checks).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: run test lint install space clean

run: install
	$(BIN)/sqlbench run --suite marketplace --model simulated --policy linucb --episodes 300 \
		--seed 0 --out results/first-run
	$(BIN)/sqlbench report results/first-run

test: lint
	$(BIN)/python -m pytest
	$(BIN)/python -m pytest --nbval --nbval-sanitize-with tests/nbval_sanitize.cfg notebooks

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

# Complete the folder that an OpenEnv image is built from: see README, "Publish".
space: install
	rm -rf envs/sqlbench_env/wheels
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir envs/sqlbench_env/wheels .

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
