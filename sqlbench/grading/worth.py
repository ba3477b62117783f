"""What a result is worth by its gold: the verdict and the partial score, each found once.

The same statement on the same content has the same result, and the same result the same worth. One
memo a process holds it, and the shelf of a run's stored answers, where there is one: a run that is
made again compares nothing that takes longer than to look it up.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from typing import Any

from sqlbench.databases.base import Outcome, QueryError
from sqlbench.databases.memo import Memo, asks_for_the_time, may_be_kept
from sqlbench.databases.outcomes import is_lasting
from sqlbench.databases.revision import revision_of
from sqlbench.databases.shelf import Shelf, may_lie_there, shelf_in_use, shelf_key
from sqlbench.grading.compare import Verdict, compare, failed
from sqlbench.grading.gold import Gold, content_of
from sqlbench.grading.metrics import METRICS
from sqlbench.grading.score import task_score

# A result of so few cells is compared sooner than looked up, unless the gold has many more.
FEW_CELLS, MORE = 60, 10
_SIZE = 512  # bytes that Python needs for one, beside the texts of its key


@dataclass(frozen=True, slots=True)
class Worth:
    """A verdict, and the task score before clamping."""

    verdict: Verdict
    score: float


_KEPT = Memo[Worth](16 * 2**20).of_process()


def find_worth(gold: Gold, sql: str, outcome: Outcome, metric: str) -> Worth | None:
    """Return what is known of the outcome of a statement, without any comparison.

    Parameters
    ----------
    gold : Gold
        The gold query, run.
    sql : str
        The statement, as it ran on the gold's database.
    outcome : QueryResult or QueryError
        What it gave.
    metric : str
        How results are compared; of one that is not the package's own nothing is known.
    """
    key = _key(gold, sql, outcome, metric)
    return None if key is None else _find(key, gold, sql, metric)


def _find(key: Hashable, gold: Gold, sql: str, metric: str) -> Worth | None:
    found, shelf = _KEPT.get(key), shelf_in_use()
    if shelf is None or hash(key) in shelf.noted:
        return found
    place = _place(gold, sql, metric)
    if place is None:
        return found
    if found is not None:
        _put(shelf, key, place, found)
    elif (found := _read(shelf.find(place))) is not None:
        shelf.noted.add(hash(key))
        _KEPT.put(key, found, _SIZE + len(gold.sql) + len(sql))
    return found


def worth_of(gold: Gold, sql: str | None, outcome: Outcome, metric: str) -> Worth:
    """Return what is known of an outcome, or compare it with the gold and keep what that shows.

    Parameters
    ----------
    gold, outcome, metric
        See `find_worth`.
    sql : str or None
        The statement; None where none ran.
    """
    if sql is None or _is_soon_compared(gold, outcome):
        return _compared(gold, outcome, metric)
    key = _key(gold, sql, outcome, metric)
    if key is None:
        return _compared(gold, outcome, metric)
    found = _find(key, gold, sql, metric)
    if found is None:
        found = _compared(gold, outcome, metric)
        _KEPT.put(key, found, _SIZE + len(gold.sql) + len(sql))
        shelf = shelf_in_use()
        if shelf is not None and (place := _place(gold, sql, metric)) is not None:
            _put(shelf, key, place, found)
    return found


def _compared(gold: Gold, outcome: Outcome, metric: str) -> Worth:
    if isinstance(outcome, QueryError):
        return Worth(failed(gold, outcome), 0.0)
    verdict = compare(gold, outcome, metric)
    near = 1.0 if verdict.match else task_score(gold.result, outcome, False, gold.bag)
    return Worth(verdict, near)


def _is_soon_compared(gold: Gold, outcome: Outcome) -> bool:
    if isinstance(outcome, QueryError):
        return True
    if len(outcome.rows) * len(outcome.columns) > FEW_CELLS:
        return False
    return len(gold.result.rows) * len(gold.result.columns) <= MORE * FEW_CELLS


def _key(gold: Gold, sql: str, outcome: Outcome, metric: str) -> Hashable | None:
    """Return the key in this process; None where another worth might come of the same."""
    if gold.content is None or metric not in METRICS or not is_lasting(outcome):
        return None
    if asks_for_the_time(gold.sql) or not may_be_kept(sql):
        return None
    content: Hashable = gold.content
    return None if content_of(gold.database) != content else (content, gold.sql, sql, metric)


def _place(gold: Gold, sql: str, metric: str) -> bytes | None:
    """Return the key on a shelf; None where it is for none."""
    lasting = getattr(gold.database, "lasting_content", lambda: None)()
    if lasting is None or not may_lie_there(sql) or not may_lie_there(gold.sql):
        return None
    code = revision_of("databases", "grading", packages=("sqlglot",))
    return shelf_key("worth", code, lasting, gold.sql, sql, metric)


def _put(shelf: Shelf, key: Hashable, place: bytes, found: Worth) -> None:
    shelf.keep(place, {"verdict": asdict(found.verdict), "score": found.score})
    shelf.noted.add(hash(key))


def _read(value: Any) -> Worth | None:
    try:
        return None if value is None else Worth(Verdict(**value["verdict"]), float(value["score"]))
    except (KeyError, TypeError, ValueError):
        return None
