"""Limits on time and memory: an answer comes on time, whatever the step under way is."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import hostile_sql
import pytest
from folders import HELPERS
from hostile_resources import RESOURCES
from sandboxed import COUNT, NUMBERS, WIDE, good_query_runs, singers_file

from sqlbench.databases import Limits, QueryError, SQLiteDatabase
from sqlbench.databases.sqlite_ctes import is_longer, written_out

_LEVELS = 12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return singers_file(tmp_path)


@pytest.mark.parametrize("sql", [COUNT, hostile_sql.ENDLESS[7], hostile_sql.ENDLESS[16]])
def test_the_same_query_stops_at_the_same_step_on_new_and_used_connections(
    path: Path, sql: str
) -> None:
    def stops(database: SQLiteDatabase) -> tuple[int, int]:
        reached = 0

        def count() -> int:
            nonlocal reached
            reached += 1
            return reached

        with pytest.raises(QueryError) as caught:
            database.execute(sql)
        assert caught.value.timeout and caught.value.reproducible
        (connection,) = database._idle
        # The callbacks until the stop, and how far a query came that counts its own rows.
        connection._connection.create_function("reach", 0, count)
        with pytest.raises(QueryError):
            database.execute(COUNT.replace("count(*)", "sum(reach())"))
        return connection.checks, reached

    seen = []
    for _ in range(2):
        with SQLiteDatabase(path, limits=Limits(vm_steps=200_000)) as database:
            seen.append(stops(database))
            for used in range(3):
                for sql_before in ["SELECT * FROM singer", f"SELECT {used}", "SELECT nope"]:
                    try:
                        database.execute(sql_before)
                    except QueryError:
                        assert sql_before == "SELECT nope"
                seen.append(stops(database))
    assert len(set(seen)) == 1
    assert seen[0][0] == 400 and seen[0][1] > 1_000


def test_a_query_needs_the_same_number_of_steps_each_time(path: Path) -> None:
    """The smallest budget with which a query ends, found afresh on a used connection."""
    sql = NUMBERS.format(3_000)

    def ends(steps: int) -> bool:
        with SQLiteDatabase(path, limits=Limits(vm_steps=steps)) as database:
            results = set()
            for _ in range(3):
                try:
                    results.add(len(database.execute(sql).rows))
                except QueryError:
                    results.add(-1)
            assert len(results) == 1
            return results == {3_000}

    budgets = [ends(steps) for steps in range(20_000, 100_000, 2_500)]
    assert budgets == sorted(budgets) and not budgets[0] and budgets[-1]


def test_the_clock_is_the_backstop_and_not_reproducible(path: Path) -> None:
    limits = Limits(vm_steps=10**12, wall_clock=0.05)
    with SQLiteDatabase(path, limits=limits) as database:
        started = time.monotonic()
        with pytest.raises(QueryError) as caught:
            database.execute(COUNT)
        assert time.monotonic() - started < 20
        assert caught.value.timeout and not caught.value.reproducible
        assert good_query_runs(database)


def test_rows_beyond_the_cap_are_cut_off(path: Path) -> None:
    with SQLiteDatabase(path, limits=Limits(max_rows=100)) as database:
        whole = database.execute(NUMBERS.format(100))
        assert len(whole.rows) == 100 and not whole.truncated
        cut = database.execute(NUMBERS.format(101))
        assert cut.rows == whole.rows and cut.truncated


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ("x", 64),
        ("hex(zeroblob(50))", 64 + 100),
        ("zeroblob(50)", 64 + 50),
        ("'ä💥'", 64 + 2 * 4),
        ("''", 64),
    ],
)
def test_a_result_is_weighed_by_the_memory_that_it_takes(path: Path, value: str, size: int) -> None:
    sql = NUMBERS.format(100).replace("SELECT x FROM", f"SELECT {value} FROM")
    with SQLiteDatabase(path, limits=Limits(max_bytes=100 * size)) as database:
        whole = database.execute(sql)
        assert len(whole.rows) == 100 and not whole.truncated
    with SQLiteDatabase(path, limits=Limits(max_bytes=10 * size)) as database:
        cut = database.execute(sql)
        assert cut.rows == whole.rows[:10] and cut.truncated


def test_a_query_that_takes_too_much_memory_is_stopped(path: Path) -> None:
    with SQLiteDatabase(path, limits=Limits(vm_steps=1_000_000)) as database:
        sql = NUMBERS.format(1_000) + " ORDER BY zeroblob(200000) || x"
        with pytest.raises(QueryError, match=r"^out of memory") as caught:
            database.execute(sql)
        assert caught.value.timeout and not caught.value.reproducible
        assert good_query_runs(database)


# ---- compiling


def test_expressions_that_multiply_when_written_out_are_refused_before_they_are(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Few enough to be harmless where nothing refuses them, and a limit below that.
    monkeypatch.setattr("sqlbench.databases.sqlite_sandbox._MAX_WORDS", 5_000)
    chain = ", ".join(
        f"t{i} AS (SELECT 1 FROM {{0}}t{i - 1}{{1}} a, T{i - 1} b)" for i in range(1, _LEVELS)
    )
    end = f" SELECT count(*) FROM t{_LEVELS - 1}"
    statements = [
        f"WITH t0 AS (SELECT 1), {chain.format('', '')}{end}",
        f"WITH t0 AS (SELECT 1), {chain.format('[', ']')}{end}",
        f"WITH t0(x) AS NOT MATERIALIZED (SELECT 1), {chain.format(chr(39), chr(39))}{end}",
        f"WITH/**/t0/* ( */AS--(\n(SELECT ')'), {chain.format('/**/', '')}{end}",
        f"WITH {', '.join(reversed(chain.format('', '').split('), ')))}), t0 AS (SELECT 1){end}",
        f"SELECT (WITH t0 AS (SELECT 1), {chain.format('', '')}{end})",
        f"WITH t0 AS (SELECT 1), {chain.format('', '')}{end}".replace(" AS (", " AS\ufeff("),
        _doubled("x💥{}", '"X💥{}"'),
        _doubled('"a""{}"', '[a"{}]'),
        _doubled("t\xa0{}", "t\xa0{}"),
        "WITH "
        + ", ".join(f"{b} AS (SELECT 1 FROM {', '.join([a] * 9)})" for a, b in ("ab", "bc", "cd"))
        + f", a AS (SELECT 1) SELECT 1 FROM {', '.join(['d'] * 9)}",
    ]
    with SQLiteDatabase(path) as database:
        for sql in statements:
            started = time.process_time()
            with pytest.raises(QueryError, match=r"^not authorized: with its WITH clauses"):
                database.execute(sql)
            assert time.process_time() - started < 0.5
        assert good_query_runs(database)


def _doubled(defined: str, named: str) -> str:
    parts = [f"{defined} AS (SELECT 1)".format(0)]
    for i in range(1, _LEVELS):
        before = named.format(i - 1)
        parts.append(f"{defined.format(i)} AS (SELECT 1 FROM {before} a, {before} b)")
    return f"WITH {', '.join(parts)} SELECT count(*) FROM {named.format(_LEVELS - 1)}"


def test_expressions_that_do_not_multiply_are_not_refused(path: Path) -> None:
    chain = ", ".join(f"t{i} AS (SELECT * FROM t{i - 1})" for i in range(1, 200))
    many = ", ".join(f"t{i} AS (SELECT t0.id, t0.name, t0.age FROM t0)" for i in range(1, 30))
    joined = " UNION ALL ".join(f"SELECT t{i}.id, t{i}.name FROM t{i}" for i in range(1, 30))
    with SQLiteDatabase(path) as database:
        for sql in (
            f"WITH t0 AS (SELECT * FROM singer), {chain} SELECT count(*) FROM t199",
            f"WITH t0 AS (SELECT * FROM singer), {many} {joined}",
            NUMBERS.format(9),
        ):
            assert database.execute(sql).rows


@pytest.mark.parametrize(
    "text", ["[", "'", '"', "`", "/*", "(", ")", "with ", "as (", "a as (", "--", "x,", "from a,"]
)
def test_the_length_of_any_text_is_found_in_linear_time(text: str) -> None:
    started = time.process_time()
    sql = "WITH " + text * (100_000 // len(text))
    assert written_out(sql) >= 0
    assert isinstance(is_longer(sql, 10), bool)
    assert time.process_time() - started < 5


def test_the_length_written_out_counts_each_copy() -> None:
    one = "WITH a AS (SELECT 1) SELECT * FROM a"
    two = "WITH a AS (SELECT 1) SELECT * FROM a, a"
    alone = len(["SELECT", "1", ")"])
    assert written_out(two) - written_out(one) == alone + len([",", "a"])
    assert not is_longer("SELECT 'with' FROM a", 0) or written_out("SELECT 'with' FROM a") == 4


# ---- memory

PEAK = """
import sys
sys.path.insert(0, {tests!r})
from sqlbench.databases import Limits, QueryError, SQLiteDatabase
def megabytes(name):
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(name)) // 1024
with SQLiteDatabase({path!r}) as database:
    database.execute("SELECT 1")
    before = megabytes("VmRSS")
    try:
        database.execute(sys.stdin.read())
    except QueryError:
        pass
    print(megabytes("VmHWM") - before, megabytes("VmRSS") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    "sql",
    [*WIDE.values(), RESOURCES["names"][1]],
    ids=[*WIDE, "compiling"],
)
def test_the_memory_that_a_result_takes_is_bounded_and_given_back(path: Path, sql: str) -> None:
    code = PEAK.format(tests=str(HELPERS), path=str(path))
    done = subprocess.run([sys.executable, "-c", code], input=sql, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    peak, after = map(int, done.stdout.split())
    assert peak <= 256
    assert after <= 64
