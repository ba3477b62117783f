"""Is a suite fit to be asked? Every gold query is run, and compared with itself."""

from __future__ import annotations

from dataclasses import dataclass

from sqlbench.databases.base import QueryError
from sqlbench.databases.memo import no_memo
from sqlbench.grading import Gold, compare
from sqlbench.suites.base import Question, Suite


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one question."""

    question: Question
    problem: str

    def __str__(self) -> str:
        return f"{self.question.id}: {self.problem}"


def check_suite(suite: Suite) -> list[Finding]:
    """Return all that is wrong with a suite's questions.

    Every gold query must run, return rows (all of them within the sandbox's caps), cut no tie with
    a LIMIT, and succeed when it is run again and compared with itself; ids must be unique. A
    question without a gold query must only have a database that can be read.

    Parameters
    ----------
    suite : Suite
        Any suite.

    Raises
    ------
    SuiteError
        If a database cannot be opened.
    """
    for database in suite.databases.values():
        database.schema()
    found, seen = [], set()
    for question in suite.questions():
        if question.id in seen:
            found.append(Finding(question, "another question has the same id"))
        seen.add(question.id)
        if question.gold is not None:
            found += [Finding(question, problem) for problem in _gold_problems(suite, question)]
    return found


def _gold_problems(suite: Suite, question: Question) -> list[str]:
    assert question.gold is not None
    database = suite.database(question)
    try:
        gold = Gold(question.gold, database.execute(question.gold), database)
        with no_memo():
            again = compare(gold, database.execute(question.gold))
    except QueryError as error:
        return [f"the gold query fails: {error.message}"]
    problems = []
    if not gold.result.rows:
        problems.append("the gold query returns no rows")
    if gold.result.truncated:
        problems.append("the gold query returns more rows than the sandbox fetches")
    if gold.tie is None:
        problems.append("it cannot be told whether the gold query's LIMIT cuts through a tie")
    elif gold.tie:
        problems.append("the gold query's LIMIT cuts through a tie: other rows would be as right")
    if not again.match:
        problems.append(f"the gold query, run again, does not agree with itself ({again.reason})")
    return problems
