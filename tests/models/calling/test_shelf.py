"""What lies beside stored answers: a run that is made again runs no SQL, and tells the same."""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import sqlite3

import pytest
from forgetful import forget
from served import answers_for, run_on, serve

import sqlbench as sb
from sqlbench.databases import memo
from sqlbench.databases.sqlite_sandbox import SandboxedConnection
from sqlbench.grading import worth
from sqlbench.models import Calling, extract
from sqlbench.models.calling import shelf as shelves
from sqlbench.models.calling.cache import ResponseStore
from sqlbench.models.calling.shelf import LARGEST, StoreShelf
from sqlbench.models.endpoint.openai import OpenAIModel
from sqlbench.runs.experiment import run_experiment
from sqlbench.signals import diagnose

FILES = ("episodes.jsonl", "policy.npz", "summary.json", "run.json")


@pytest.fixture
def work(monkeypatch):
    """Count what is run, compared, measured and read."""
    seen = {"run": 0, "compared": 0, "measured": 0, "read": 0}

    def count(where, name, what):
        real = getattr(where, name)

        def counted(*arguments, **options):
            seen[what] += 1
            return real(*arguments, **options)

        monkeypatch.setattr(where, name, counted)

    import sys

    count(SandboxedConnection, "execute", "run")
    monkeypatch.setattr(worth, "FEW_CELLS", -1)  # what is compared sooner than looked up
    count(worth, "compare", "compared")
    count(sys.modules[diagnose.__module__], "_measured", "measured")
    count(extract, "extract_sql", "read")
    return seen


def start(seen):
    """Begin as a fresh process does, with nothing counted."""
    forget()
    seen.update(dict.fromkeys(seen, 0))


def same(a, b):
    return all((a / name).read_bytes() == (b / name).read_bytes() for name in FILES)


def test_a_run_from_the_store_runs_compares_measures_and_reads_nothing(tmp_path, work, monkeypatch):
    store = tmp_path / "store.sqlite"
    with serve(tmp_path, answers_for(sb.load_suite("marketplace"))) as server:
        start(work)
        run_on(server, sb.load_suite("marketplace"), tmp_path / "a", cache=store)
        assert all(work.values())
        start(work)
        run_on(server, sb.load_suite("marketplace"), tmp_path / "b", cache=store)
        assert not any(work.values()), work
        assert same(tmp_path / "a", tmp_path / "b")
        assert {p.name for p in tmp_path.glob("store*")} == {"store.sqlite"}
        # A copy of the one file, read only, is enough; more episodes are measured as they come.
        copy = tmp_path / "copy.sqlite"
        shutil.copy(store, copy)
        copy.chmod(0o444)
        start(work)
        run_on(
            server, sb.load_suite("marketplace"), tmp_path / "c", cache=copy, cache_mode="replay"
        )
        assert not any(work.values()) and same(tmp_path / "a", tmp_path / "c")
        # For doubters everything is done again, and put nowhere.
        monkeypatch.setattr(memo, "_off", True)
        start(work)
        run_on(server, sb.load_suite("marketplace"), tmp_path / "d", cache=store)
        assert all(work.values()) and same(tmp_path / "a", tmp_path / "d")
        bare = tmp_path / "bare.sqlite"
        run_on(server, sb.load_suite("marketplace"), tmp_path / "e", cache=bare)
    assert tables(bare) == {"completions"} and tables(store) > {"completions"}
    assert same(tmp_path / "a", tmp_path / "e")


def tables(path):
    with sqlite3.connect(path) as db:
        return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}


def test_a_damaged_shelf_is_found_anew_and_mended(tmp_path, work):
    store = tmp_path / "store.sqlite"
    with serve(tmp_path, answers_for(sb.load_suite("marketplace"))) as server:
        start(work)
        run_on(server, sb.load_suite("marketplace"), tmp_path / "a", cache=store)
        with sqlite3.connect(store) as db:
            (count,) = db.execute("SELECT count(*) FROM shelf").fetchone()
            db.execute("UPDATE shelf SET value = substr(value, 1, 20) WHERE rowid % 2")
            db.execute("UPDATE shelf SET value = 'text' WHERE rowid % 4 = 0")
        db.close()
        start(work)
        run_on(server, sb.load_suite("marketplace"), tmp_path / "b", cache=store)
        assert work["run"] and same(tmp_path / "a", tmp_path / "b")
        start(work)
        run_on(server, sb.load_suite("marketplace"), tmp_path / "c", cache=store)
        assert not any(work.values()) and same(tmp_path / "a", tmp_path / "c")
    with sqlite3.connect(store) as db:
        assert db.execute("SELECT count(*) FROM shelf").fetchone() == (count,)


def test_a_changed_database_is_asked_anew(tmp_path, work):
    """The answers are the same, and what they are worth is not."""
    path, file = tmp_path / "shop.sqlite", tmp_path / "shop.yaml"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE item (name TEXT, price INTEGER)")
        db.execute("INSERT INTO item VALUES ('pen', 2), ('ink', 5)")
    db.close()
    file.write_text(
        "database: shop.sqlite\ntasks:\n- id: prices\n  difficulty: easy\n  questions:\n"
        "  - id: q\n    text: How many items are dear?\n"
        "    gold: SELECT count(*) FROM item WHERE price > 3\n"
    )
    answers = {"How many items are dear?": ["```sql\nSELECT 1\n```"]}
    store, found = tmp_path / "store.sqlite", []
    with serve(tmp_path, answers) as server:
        for name in ("a", "b"):
            start(work)
            suite = sb.load_suite(str(file))
            run = run_on(server, suite, tmp_path / name, episodes=1, cache=store)
            found.append(run.log[0].first)
            with sqlite3.connect(path) as db:
                db.execute("INSERT INTO item VALUES ('desk', 90)")
            db.close()
    assert found == [True, False] and work["run"]


def test_it_holds_no_more_than_its_bytes_and_lets_large_values_go(tmp_path):
    path = tmp_path / "store.sqlite"
    shelf = StoreShelf(path, max_bytes=2_000)
    for i in range(50):
        shelf.keep(bytes([i]) * 16, "x" * 100)
    shelf.keep(b"l" * 16, "x" * (LARGEST + 1))
    ResponseStore(path, shelf=shelf).close()
    again = StoreShelf(path)
    lies = [i for i in range(50) if again.find(bytes([i]) * 16) == "x" * 100]
    assert lies == list(range(18)) and again.find(b"l" * 16) is None
    again.close()
    assert again.find(bytes(16)) is None


def test_what_it_notes_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(shelves, "MOST_NOTED", 3)
    noted = StoreShelf(tmp_path / "store.sqlite").noted
    for i in range(10):
        noted.add(i)
        assert i in noted and len(noted) <= 3


def test_stores_are_merged_with_their_shelves(tmp_path):
    for name in ("a", "b"):
        shelf = StoreShelf(tmp_path / name)
        shelf.keep(name.encode() * 16, name)
        ResponseStore(tmp_path / name, shelf=shelf).close()
    bare = ResponseStore(tmp_path / "bare")
    for name in ("a", "b", "a"):
        bare.merge(tmp_path / name)
    bare.close()
    merged = StoreShelf(tmp_path / "bare", readonly=True)
    assert [merged.find(n.encode() * 16) for n in ("a", "b", "c")] == ["a", "b", None]
    merged.close()


def put(path, number):
    shelf = StoreShelf(path)
    store = ResponseStore(path, shelf=shelf)
    for i in range(100):
        shelf.keep(f"{i:16d}".encode(), i)  # the same of each process
        shelf.keep(f"{number}-{i:14d}".encode(), [number, i])
    store.close()


def test_several_processes_put_things_there_at_once(tmp_path):
    path = tmp_path / "store.sqlite"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=put, args=(path, n)) for n in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    shelf = StoreShelf(path, readonly=True)
    assert all(shelf.find(f"{i:16d}".encode()) == i for i in range(100))
    assert all(shelf.find(f"{n}-{i:14d}".encode()) == [n, i] for n in range(2) for i in range(100))
    shelf.close()
    with sqlite3.connect(path) as db:
        size, sum_of = db.execute(
            "SELECT bytes, (SELECT sum(length(value)) FROM shelf) FROM shelf_size"
        ).fetchone()
    assert size == sum_of


def test_a_run_that_fails_before_its_first_call_lets_the_file_go(tmp_path):
    """What is read before the store is opened is closed by whoever opened it."""
    store = tmp_path / "store.sqlite"
    with serve(tmp_path, answers_for(sb.load_suite("marketplace"))) as server:
        suite = sb.load_suite("marketplace")
        run_on(server, suite, tmp_path / "a", episodes=2, cache=store)
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "file").write_text("no run")
        options = Calling(cache=store)
        model = OpenAIModel("m", server.environ, options)
        with pytest.raises(sb.SQLBenchError, match="no run"):
            asyncio.run(
                run_experiment(
                    suite, model, out=tmp_path / "other", progress=False, calling=options
                )
            )
    assert {p.name for p in tmp_path.glob("store*")} == {"store.sqlite"}
