"""What the text of a gold tells of it, and what is kept of that on disk."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from sqlbench.suites import load_suite, shapes
from sqlbench.suites.shapes import TIERS, read_shapes

GOLDS = [("SELECT a FROM t", "sqlite"), ("SELECT a, b FROM t JOIN u ON t.i = u.i", "sqlite")]


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Begin as a fresh process does, with an empty cache; return where the files lie."""
    monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(shapes, "_KNOWN", {})
    return tmp_path / "shapes"


@pytest.fixture
def parsed(monkeypatch):
    """Collect the queries that are parsed."""
    seen = []
    real = shapes._shape
    monkeypatch.setattr(shapes, "_shape", lambda *query: seen.append(query) or real(*query))
    return seen


def test_all_dev_golds_fall_into_the_official_tiers(spider_dir):
    """The counts that Spider's own script gives, on all golds and on those with a database here."""
    records = json.loads((spider_dir / "dev.json").read_text())
    found = Counter(s.tier for s in read_shapes((r["query"], "sqlite") for r in records))
    assert [found[t] for t in TIERS] == [248, 446, 174, 166]
    suite = load_suite(f"spider:{spider_dir}")
    here = Counter(s.tier for s in read_shapes((q.gold, "sqlite") for q in suite))
    assert len(suite) == 972 and [here[t] for t in TIERS] == [232, 416, 160, 164]


@pytest.mark.parametrize(
    ("sql", "tier", "found"),
    [
        ("SELECT count(*) FROM singer", "easy", set()),
        ("SELECT a FROM t ORDER BY a", "easy", {"ordering"}),
        ("SELECT a, b FROM t JOIN u ON t.i = u.i", "medium", {"joins"}),
        ("SELECT a FROM t WHERE b > (SELECT avg(b) FROM t)", "hard", {"nesting"}),
        ("SELECT a FROM t UNION SELECT a FROM u", "hard", {"set_operations"}),
        ("SELECT a FROM t WHERE b NOT IN (SELECT b FROM u) AND c LIKE '%x%'", "extra", {"nesting"}),
        ("SELECT FROM WHERE", "extra", set()),
    ],
)
def test_tiers_and_features_of_single_queries(sql, tier, found):
    (shape,) = read_shapes([(sql, "sqlite")])
    assert (shape.tier, shape.features) == (tier, found)


def test_a_fresh_process_reads_what_another_found(kept, parsed, monkeypatch):
    first = read_shapes(GOLDS)
    assert parsed == GOLDS and len(list(kept.iterdir())) == 1
    monkeypatch.setattr(shapes, "_KNOWN", {})
    assert read_shapes(GOLDS) == first and parsed == GOLDS
    assert [s.hardness for s in first] == ["easy", "medium"]


@pytest.mark.parametrize("damage", ["", "[[", "[]", '[["easy", "easy"]]', '["ab", "cd"]', "{}"])
def test_a_damaged_file_is_made_anew(kept, parsed, monkeypatch, damage):
    first = read_shapes(GOLDS)
    (file,) = kept.iterdir()
    whole = file.read_text()
    file.write_text(damage)
    monkeypatch.setattr(shapes, "_KNOWN", {})
    assert read_shapes(GOLDS) == first and parsed == [*GOLDS, *GOLDS]
    assert file.read_text() == whole


def test_other_queries_and_another_sqlglot_have_files_of_their_own(kept, monkeypatch):
    read_shapes(GOLDS)
    monkeypatch.setattr(shapes, "_KNOWN", {})
    read_shapes(GOLDS[:1])
    monkeypatch.setattr(shapes, "_KNOWN", {})
    monkeypatch.setattr(shapes, "revision_of", lambda *_, **__: "another")
    read_shapes(GOLDS)
    assert len(list(kept.iterdir())) == 3


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SQLBENCH_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(shapes, "_KNOWN", {})
    assert len(read_shapes(GOLDS)) == 2
