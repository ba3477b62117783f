"""Is a match luck? It is if it fails on a neighbour database on which the gold still answers.

A neighbour does not count for a question whose gold fails there, is empty (or all NULL), cuts a
tie, or does not fix its own answer. A difference does not count that another reading of the gold
would lack: an order of rows that its ORDER BY leaves open, the other rows of a tie that look the
same, or the dust of floats.
"""

from __future__ import annotations

from sqlbench.databases.base import Database, QueryError
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.databases.sqlite_limits import Limits
from sqlbench.exceptions import ConfigError
from sqlbench.grading.clauses import limits_rows
from sqlbench.grading.compare import compare
from sqlbench.grading.determined import has_open_columns, leaves_order_open
from sqlbench.grading.gold import Gold, run_gold
from sqlbench.grading.neighbour_rows import Kind, kind_of
from sqlbench.grading.neighbours import neighbours
from sqlbench.suites.base import Question, Suite


class Neighbourhood:
    """The neighbours of a suite's databases, made when first asked for.

    Parameters
    ----------
    suite : Suite
        Whose gold queries bring the literals.
    metric : str
        Of the verdicts.
    count, seed : int
        How many neighbours a database has, and their seed.
    limits : Limits
        What one statement may cost.
    """

    def __init__(self, suite: Suite, metric: str, count: int, seed: int, limits: Limits) -> None:
        self._suite, self._metric = suite, metric
        self._count, self._seed, self._limits = count, seed, limits
        self._golds: dict[str, list[str]] = {}
        for question in suite:
            if question.gold is not None:
                self._golds.setdefault(question.db_id, []).append(question.gold)
        self._opened: dict[str, list[Database]] = {}
        self._usable: tuple[str, list[tuple[str, Gold]]] | None = None

    def check(self, question: Question, gold: Gold, sql: str) -> tuple[bool | None, str | None]:
        """Return whether a match is luck, and the neighbour that shows it.

        Parameters
        ----------
        question : Question
            The question.
        gold : Gold
            Its gold on the original.
        sql : str
            The prediction as the metric runs it, which matches the gold there.

        Returns
        -------
        (bool or None, str or None)
            None if no neighbour can tell. The name begins with the mildest kind that shows it.
        """
        usable = self._usable_golds(question, gold)
        for name, neighbour in usable:
            if self._fails(neighbour, sql):
                return True, name
        return (False, None) if usable else (None, None)

    def databases(self, db_id: str) -> list[Database]:
        """Return a database's neighbours.

        Raises
        ------
        ConfigError
            If the database is not SQLite's.
        """
        if db_id not in self._opened:
            original = self._suite.databases[db_id]
            if not isinstance(original, SQLiteDatabase):
                raise ConfigError(
                    f"Neighbours are made of SQLite files only, and {db_id!r} is "
                    f"{original.dialect}: leave out --neighbours."
                )
            fingerprint = self._suite.fingerprints[db_id]
            paths = neighbours(
                original, self._golds.get(db_id, []), self._count, self._seed, fingerprint
            )
            self._opened[db_id] = [
                SQLiteDatabase(path, db_id, limits=self._limits) for path in paths
            ]
        return self._opened[db_id]

    def close(self) -> None:
        """Close every neighbour."""
        for opened in self._opened.values():
            for database in opened:
                database.close()

    def _usable_golds(self, question: Question, gold: Gold) -> list[tuple[str, Gold]]:
        """Return the golds on the neighbours that count; kept for the question at hand only."""
        if self._usable is None or self._usable[0] != question.id:
            found = []
            opened = self.databases(question.db_id)
            # The mildest kind first, so that the one which is named weighs most.
            kinds = list(Kind)
            for number in sorted(range(len(opened)), key=lambda n: kinds.index(kind_of(n))):
                database = opened[number]
                try:
                    there = run_gold(gold.sql, database)
                except QueryError:
                    continue
                answers = any(cell is not None for row in there.result.rows for cell in row)
                if answers and there.tie is False and _is_fixed(gold.sql, database):
                    found.append((f"{kind_of(number)} {number + 1}", there))
            self._usable = question.id, found
        return self._usable[1]

    def _fails(self, gold: Gold, sql: str) -> bool:
        try:
            result = gold.database.execute(sql)
        except QueryError as error:
            return not error.timeout
        verdict = compare(gold, result, self._metric)
        if verdict.match or verdict.reason == "truncated":
            return False
        if verdict.reason == "duplicates" and limits_rows(gold.sql):
            return False  # a tie of rows that look alike
        if verdict.reason == "order":
            width = len(gold.result.columns)
            return gold.ordered and leaves_order_open(gold.sql, gold.database, width) is False
        if verdict.reason == "values":
            return not compare(gold, result, "exact").match
        return True


def _is_fixed(sql: str, database: Database) -> bool:
    """Whether it is known that a query's groups fix all that it selects."""
    return has_open_columns(sql, database) is False
