"""Both cores for grading: other processes begin with the last questions, this one with the first.

Where they meet, all is graded. What comes out is in the order of the questions, and the same
whoever graded it.
"""

from __future__ import annotations

import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import closing, contextmanager
from itertools import groupby

from sqlbench.grading.graded import Grade
from sqlbench.grading.grader import Grader
from sqlbench.processes import Processes
from sqlbench.suites.base import Question

Work = tuple[int, Question, list[str]]
"""A question's place, the question, and the predictions for it."""
_PART = 12  # questions that are handed over at once: at the end one process waits for another's
_ENOUGH = 3000  # pairs that make up for the start of another process


def grade_all(make: Callable[[], Grader], work: Sequence[Work], workers: int) -> Iterator[_Made]:
    """Grade the predictions for each question, in several processes where it is worth it.

    Parameters
    ----------
    make : callable
        Makes a grader; another process must be able to import and call it.
    work : sequence of (int, Question, list of str)
        What is to be graded.
    workers : int
        How many processes may grade, this one among them.

    Yields
    ------
    list of Grade
        For each question in turn, a verdict for each of its predictions.
    """
    parts = list(_parts(work))
    others = min(workers, len(parts), 1 + sum(len(sqls) for *_, sqls in work) // _ENOUGH) - 1
    with closing(make()) as grader, _shared(make, parts, others) as shared:
        for number, part in enumerate(parts):
            there = shared.take(number)
            if there is not None:
                try:
                    yield from there.result()
                    continue
                except BrokenExecutor:
                    warnings.warn(
                        "A process that graded was ended from outside (is memory short?): what it "
                        "had is graded by those that are left.",
                        stacklevel=2,
                    )
            for one in part:
                yield grader.grade(*one)


_Made = list[Grade]
_grader: Grader | None = None  # of a process that was started to grade


def _begin(make: Callable[[], Grader]) -> None:
    global _grader
    _grader = make()


def _grade(part: list[Work]) -> list[_Made]:
    assert _grader is not None
    return [_grader.grade(*one) for one in part]


class _Shared:
    """Parts that this process takes from the front, and others from the back."""

    def __init__(self, parts: Sequence[list[Work]], pool: Executor | None) -> None:
        self._parts, self._pool = parts, pool
        self._left = deque(range(len(parts)))
        self._handed: dict[int, Future[list[_Made]]] = {}
        self._lock = threading.Lock()

    def take(self, number: int) -> Future[list[_Made]] | None:
        """Take the next part; return what becomes of it where another process has it."""
        with self._lock:
            if number not in self._handed:
                self._left.remove(number)
            return self._handed.get(number)

    def hand_over(self, before: Future[list[_Made]] | None = None) -> None:
        """Hand over the last part, where the one before went well."""
        if before is not None and (before.cancelled() or before.exception() is not None):
            return
        with self._lock:
            if not self._left or self._pool is None:
                return
            try:
                handed = self._pool.submit(_grade, self._parts[self._left[-1]])
            except RuntimeError:  # the pool is closed, or broken
                return
            self._handed[self._left.pop()] = handed
        # Not in the lock: what is done already is called back at once.
        handed.add_done_callback(self.hand_over)


@contextmanager
def _shared(
    make: Callable[[], Grader], parts: Sequence[list[Work]], others: int
) -> Iterator[_Shared]:
    if others < 1:
        yield _Shared(parts, None)
        return
    pool = Processes(others, _begin, make)
    try:
        shared = _Shared(parts, pool)
        for _ in range(others):
            shared.hand_over()
        yield shared
    except BaseException:  # nobody waits for what is at work
        pool.stop()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _parts(work: Sequence[Work]) -> Iterator[list[Work]]:
    """Yield a few questions of one database at a time."""
    for _, of_one in groupby(work, key=lambda one: one[1].db_id):
        questions = list(of_one)
        for start in range(0, len(questions), _PART):
            yield questions[start : start + _PART]
