"""What the text of a gold query tells of it: hardness, Spider's tier, SQL features.

All are read off one tree. Parsing is most of what a command on a benchmark does before it begins,
so what was found lies in the cache folder, in a file that is named after the queries, sqlglot's
version and the code that reads them: none is ever out of date, and a damaged one is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlbench.databases.revision import revision_of
from sqlbench.databases.trees import parse_one
from sqlbench.paths import cache_folder

TIERS = ("easy", "medium", "hard", "extra")
FEATURES = ("joins", "nesting", "set_operations", "grouping", "ordering")
_CODE = ("suites/hardness.py", "suites/shapes.py", "suites/tiers.py")
_KNOWN: dict[tuple[str, str], Shape] = {}


class Shape(NamedTuple):
    """What is read off a query's tree; of what does not parse, the hardest and no feature.

    Attributes
    ----------
    hardness : str
        See `sqlbench.suites.hardness`.
    tier : str
        One of `TIERS`, Spider's own: see `sqlbench.suites.tiers`.
    features : frozenset of str
        Which of `FEATURES` it has, anywhere in it.
    """

    hardness: str
    tier: str
    features: frozenset[str]


def read_shapes(queries: Iterable[tuple[str, str]]) -> list[Shape]:
    """Return the shapes of queries, each with sqlglot's name of its dialect.

    Parameters
    ----------
    queries : iterable of (str, str)
        SQL and dialect; of all of them together a file is kept.
    """
    wanted = list(queries)
    missing = [query for query in wanted if query not in _KNOWN]
    if missing:
        path = cache_folder() / "shapes" / f"{_name(missing)}.json"
        found = _read(path, len(missing))
        if found is None:
            found = [_shape(*query) for query in missing]
            _write(path, found)
        _KNOWN.update(zip(missing, found, strict=True))
    return [_KNOWN[query] for query in wanted]


def _shape(sql: str, dialect: str) -> Shape:
    from sqlglot.errors import SqlglotError

    from sqlbench.suites.hardness import hardness
    from sqlbench.suites.tiers import features, spider_tier

    try:
        tree = parse_one(sql, dialect)
    except (SqlglotError, RecursionError):
        return Shape("hard", "extra", frozenset())
    return Shape(hardness(tree), spider_tier(tree), features(tree))


def _name(queries: Sequence[tuple[str, str]]) -> str:
    code = revision_of(*_CODE, packages=("sqlglot",))
    return hashlib.sha256(json.dumps([code, queries]).encode()).hexdigest()[:32]


def _read(path: Path, count: int) -> list[Shape] | None:
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        found = [Shape(str(h), str(t), frozenset(map(str, f))) for h, t, f in rows]
    except (OSError, ValueError, TypeError):
        return None
    return found if len(found) == count else None


def _write(path: Path, shapes: Sequence[Shape]) -> None:
    """Write a file in one go; where that cannot be done the shapes are read again next time."""
    text = json.dumps([(s.hardness, s.tier, sorted(s.features)) for s in shapes])
    part = path.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
