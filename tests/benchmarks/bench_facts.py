"""What the facts are worth on real answers: nearest names, tables and values.

    python tests/benchmarks/bench_facts.py ../shared/spider [--fit] [--sources FILE …] [--speed N]

Golds are used here to tell what was meant, and nowhere in `sqlbench.signals`.

**Columns.** A case is a question and a name that a real answer uses and no table has, with the
answer that most systems gave. What was meant is known in two ways: *renamed*, a gold's column that
the answer does not use otherwise, and with which in the name's place its rows are the gold's; or,
where there is none, *elsewhere*, a gold's column that the answer does not use and that has the
name's very words in another table. Any such column counts.
**Tables.** A case is a question and an unknown table; meant is a gold's table that the answer does
not name, and with which in its place the rows are the gold's.
**Values.** A case is a wrong answer's text that its column does not hold, where the gold has texts
that the answer lacks and the database holds; any of those counts.

Shares are of distinct cases, with 95% intervals by database. ``--fit`` fits the columns' weights on
one half of the databases (every second by name) and reports the other half, and the reverse.
``--speed N`` times the facts of N answers that have something to mend, beside their diagnosis.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measured_answers import Places, rows_of, suite_of, verdict
from scipy.optimize import minimize
from sqlglot import exp
from sqlglot.errors import SqlglotError

from sqlbench.databases.base import Database, QueryError
from sqlbench.databases.memo import switch_off
from sqlbench.signals import diagnose
from sqlbench.signals.catalogue import Catalogue, catalogue_of
from sqlbench.signals.choice import agreement
from sqlbench.signals.facts import gather_facts
from sqlbench.signals.likeness import words_of
from sqlbench.signals.names import COLUMNS, column_features, near_columns, near_tables
from sqlbench.signals.statement import Statement
from sqlbench.signals.unknown import unknown_columns, unknown_name
from sqlbench.signals.values import compared, near_values
from sqlbench.stats import clustered_ratio
from sqlbench.suites.base import Question

SOURCES = ("systems.jsonl.gz", "official_verdicts.jsonl", "../traces/spider_dev_repairs.jsonl.gz")


@dataclass
class Case:
    """Something that a real answer names and that is not there, with what was meant."""

    kind: str
    spec: str
    question: Question
    catalogue: Catalogue
    statement: Statement
    name: Any
    meant: set[Any]

    def ranked(self) -> list[Any]:
        """Return what is suggested, best first."""
        text = self.question.text
        if self.kind == "tables":
            near = near_tables(self.name, self.statement, self.catalogue, text)
            return [n.table.lower() for n in near]
        if self.kind == "values":
            return [n.value for n in near_values(self.name, self.statement, self.catalogue, text)]
        columns = near_columns(self.name, self.statement, self.catalogue, text)
        return [(n.table.lower(), n.column.lower()) for n in columns]


def answers(spec: str, files: Sequence[Path]) -> Iterator[tuple[str, str, int, bool | None]]:
    """Yield each distinct answer: the question's id, SQL, how many gave it, whether it is right."""
    places = Places(spec)
    found: dict[tuple[str, str], list[Any]] = {}
    for path in files:
        for row in rows_of(path):
            if "pred" in row:
                question, pairs = places.of(row), [(row["pred"], verdict(row))]
            elif row.get("schema_shown"):  # a hidden schema makes every name a guess
                question = places.of({"index": row["question_index"]})
                pairs = [(row[key], None) for key in ("before_sql", "after_sql")]
            else:
                continue
            for sql, right in pairs:
                if isinstance(sql, str) and question is not None:
                    kept = found.setdefault((question, sql), [0, right])
                    kept[0] += len(row.get("systems", (1,)))
    for (question, sql), (count, right) in found.items():
        yield question, sql, count, right


class Cases:
    """Collects the cases among real answers."""

    def __init__(self, spec: str, files: Sequence[Path]) -> None:
        self.spec, self.suite = spec, suite_of(spec)
        self.golds: dict[str, tuple[Statement, Any]] = {}
        best: dict[Any, tuple[Any, Case]] = {}
        for question_id, sql, count, right in answers(spec, files):
            question = self.suite.question(question_id)
            if right or question.gold is None:
                continue
            for key, order, case in self.of(question, sql):
                rank = (order, -count, sql)
                if key not in best or rank < best[key][0]:
                    best[key] = rank, case
        self.found = [case for _, case in best.values()]

    def of(self, question: Question, sql: str) -> Iterator[tuple[Any, int, Case]]:
        """Yield the cases of one answer, each with what it is one of and how well it is known."""
        database = self.suite.databases[question.db_id]
        known = catalogue_of(database)
        try:
            statement = Statement(sql, known)
        except (SqlglotError, RecursionError):
            return
        gold, rows = self.gold(question, database, known)
        if rows is None:
            return
        used = {(c.table, c.name) for c in statement.columns if c.known and c.table}
        wanted = {(c.table, c.name) for c in gold.columns if c.known and c.table} - used
        for uses in unknown_columns(statement):
            name = uses[0].name
            nodes = [u.node for u in uses]
            meant = {c for c in wanted if _right(_renamed(statement, nodes, c), database, rows)}
            kind = "columns, renamed"
            if not meant:
                meant = {c for c in wanted if words_of(c[1]) == words_of(name)}
                kind = "columns, elsewhere"
            if meant:
                case = Case(kind, self.spec, question, known, statement, uses, meant)
                yield ("column", question.id, name), int("else" in kind), case
        for name in dict.fromkeys(statement.unknown_tables):
            tables = set(gold.tables) - set(statement.tables)
            meant_tables = {
                t for t in tables if _right(_retabled(statement, name, t), database, rows)
            }
            if meant_tables:
                case = Case("tables", self.spec, question, known, statement, name, meant_tables)
                yield ("table", question.id, name.lower()), 0, case
        said = {literal.text for literal in statement.literals}
        texts = {x.text for x in gold.literals if not x.number and x.operator != "like"}
        for literal in compared(statement):
            column = literal.column
            assert column is not None
            if known.holds(column.table, column.name, literal.text) is not False:
                continue
            there = {
                text
                for text in texts - (said - {literal.text})
                if any(place.exact for place in known.where(text).found)
            }
            if there:
                case = Case("values", self.spec, question, known, statement, literal, there)
                yield ("value", question.id, column.full, literal.text), 0, case

    def gold(
        self, question: Question, database: Database, known: Catalogue
    ) -> tuple[Statement, Any]:
        """Return a question's gold and its result, None if that is empty."""
        if question.id not in self.golds:
            assert question.gold is not None
            result = database.execute(question.gold)
            parsed = Statement(question.gold, known)
            self.golds[question.id] = parsed, result if result.rows else None
        return self.golds[question.id]


def _right(sql: str | None, database: Database, gold: Any) -> bool:
    if sql is None:
        return False
    try:
        return bool(agreement([database.execute(sql), gold])[0, 1])
    except QueryError:
        return False


def _renamed(statement: Statement, nodes: list[Any], column: tuple[str, str]) -> str | None:
    """Return the statement with another column in the place of some nodes."""
    tree = statement.tree.copy()
    places = {id(node) for node in nodes}
    pairs = zip(statement.tree.find_all(exp.Column), tree.find_all(exp.Column), strict=True)
    aliases = [
        t.alias_or_name for t in tree.find_all(exp.Table) if t.name.lower() == column[0].lower()
    ]
    if not aliases:
        return None
    for old, new in list(pairs):
        if id(old) in places:
            select = new.find_ancestor(exp.Select) or tree
            near = [t.alias_or_name for t in select.find_all(exp.Table)
                    if t.name.lower() == column[0]]  # fmt: skip
            owner = old.table if old.table in near else (near or aliases)[0]
            new.replace(exp.column(column[1], table=owner, quoted=True))
    return str(tree.sql(dialect="sqlite"))


def _retabled(statement: Statement, name: str, table: str) -> str:
    tree = statement.tree.copy()
    for node in list(tree.find_all(exp.Table)):
        if node.name.lower() == name.lower():
            if not node.alias:
                node.set("alias", exp.TableAlias(this=exp.to_identifier(node.name)))
            node.set("this", exp.to_identifier(table, quoted=True))
    return str(tree.sql(dialect="sqlite"))


Ranking = Callable[[Case], list[Any]]


def facts_figures(
    cases: Sequence[Case], ranked: Ranking = Case.ranked
) -> Iterator[tuple[str, str, float, str]]:
    """Yield for each kind its name, "first" and "among three", with the share as value and text."""
    kinds: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        kinds[case.kind].append(case)
        if case.kind.startswith("columns"):
            kinds["columns"].append(case)
    for kind, mine in sorted(kinds.items()):
        found = [ranked(case)[:3] for case in mine]
        databases = [case.question.db_id for case in mine]
        ones = np.ones(len(mine))
        first = [bool(f) and f[0] in c.meant for f, c in zip(found, mine, strict=True)]
        three = [any(x in c.meant for x in f) for f, c in zip(found, mine, strict=True)]
        for name, hits in (("first", first), ("among three", three)):
            share = clustered_ratio(hits, ones, databases)
            yield kind, name, share.estimate, f"{share} of {len(mine)}"


def table(cases: Sequence[Case], ranked: Ranking = Case.ranked) -> None:
    """Print the shares of each kind, first and among three."""
    for kind, name, _, text in facts_figures(cases, ranked):
        print(f"{kind:20} {name:12} {text}", flush=True)


def speed(cases: Sequence[Case], count: int, seed: int) -> None:
    """Time the facts of some answers, and the signals and the doubt that are measured before."""
    switch_off()  # a diagnosis that is said again is not measured again
    rng = np.random.default_rng(seed)
    few = [cases[i] for i in rng.choice(len(cases), min(count, len(cases)), replace=False)]
    took: dict[str, list[float]] = {"facts": [], "whole diagnosis": []}
    for again in (False, True):
        for case in few:
            database = suite_of(case.spec).databases[case.question.db_id]
            try:
                outcome: Any = database.execute(case.statement.sql)
            except QueryError as error:
                outcome = error
            start = time.thread_time()
            gather_facts(case.statement, case.catalogue, case.question.text, outcome)
            middle = time.thread_time()
            diagnose(case.question.text, case.statement.sql, database, outcome)
            if again:
                took["facts"].append(1000 * (middle - start))
                took["whole diagnosis"].append(1000 * (time.thread_time() - middle))
    for name, times in took.items():
        print(
            f"{name}, ms of processor time on {len(few)} answers that name what is not there: "
            f"median {np.median(times):.2f}, 95th percentile {np.percentile(times, 95):.2f}"
        )
    ratio = np.median(took["facts"]) / np.median(took["whole diagnosis"])
    print(f"ratio of the medians: {ratio:.2f}")


def fitted(cases: Sequence[Case]) -> dict[str, float]:
    """Return weights of columns' features by a conditional logit, with a small ridge."""
    names, parts, hits = list(COLUMNS), [], []
    for case in cases:
        unknown = unknown_name(case.name, case.statement)
        found = column_features(unknown, case.catalogue, case.question.text)
        parts.append(np.array([[f[n] for n in names] for f in found.values()]))
        hits.append(np.array([(t.lower(), c.lower()) in case.meant for t, c in found]))
    design, right = np.vstack(parts), np.concatenate(hits)
    place = np.repeat(np.arange(len(parts)), [len(p) for p in parts])

    def loss(w: Any) -> tuple[float, Any]:
        z = design @ w
        top = np.full(len(parts), -np.inf)
        np.maximum.at(top, place, z)
        e = np.exp(z - top[place])
        total, good = np.bincount(place, e), np.bincount(place, e * right) + 1e-12
        pull = e * right / good[place] - e / total[place]
        return -np.log(good / total).sum() + 0.3 * w @ w, -(design.T @ pull) + 0.6 * w

    found = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B").x
    return dict(zip(names, found.round(2).tolist(), strict=True))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--suite", help="what was asked; default: spider:FOLDER")
    parser.add_argument("--sources", nargs="+", type=Path)
    parser.add_argument("--fit", action="store_true")
    parser.add_argument("--speed", type=int, default=0, help="only time so many answers")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    files = options.sources or [f for s in SOURCES if (f := options.folder / s).exists()]
    cases = Cases(options.suite or f"spider:{options.folder}", files).found
    if options.speed:
        speed(cases, options.speed, options.seed)
        return
    print("as shipped")
    table(cases)
    if options.fit:
        columns = [c for c in cases if c.kind.startswith("columns")]
        half = set(sorted({c.question.db_id for c in columns})[::2])
        for inside in (True, False):
            weights = fitted([c for c in columns if (c.question.db_id in half) is inside])
            print(f"fitted on {'one' if inside else 'the other'} half, reported on the rest")

            def ranked(case: Case, weights: dict[str, float] = weights) -> list[Any]:
                near = near_columns(
                    case.name, case.statement, case.catalogue, case.question.text, weights
                )
                return [(n.table.lower(), n.column.lower()) for n in near]

            table([c for c in columns if (c.question.db_id in half) is not inside], ranked)


if __name__ == "__main__":
    main()
