"""The tables of docs/concepts.md say what the code says, and their examples are run."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from folders import ROOT

import sqlbench as sb
from sqlbench.databases.base import QueryError
from sqlbench.environment.judging import FEEDBACKS, judge
from sqlbench.episodes.context import DIMENSION
from sqlbench.episodes.errors import ErrorClass, classify_error, severity
from sqlbench.episodes.repair import ARMS
from sqlbench.episodes.reward import compute_episode_reward, compute_reward
from sqlbench.grading import Golds
from sqlbench.policies import POLICY_NAMES

PAGE = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")


def table(first: str) -> list[list[str]]:
    """Return the rows of the table whose header begins with a cell; code marks are dropped."""
    lines = iter(PAGE.splitlines())
    for line in lines:
        if line.startswith(f"| {first} |"):
            break
    assert next(lines).startswith("| ---"), f"concepts.md has no table of {first!r}"
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line[1:-1].split(" |")])
    return rows


@pytest.fixture(scope="module")
def question():
    (found,) = (
        q
        for task in sb.load_suite("marketplace").tasks.values()
        for q in task.questions
        if q.text.startswith(re.search(r"^> (.*)\?$", PAGE, re.MULTILINE)[1])
    )
    return found


@pytest.fixture(scope="module")
def suite():
    return sb.load_suite("marketplace")


@pytest.fixture
def run(suite, question):
    gold = Golds(suite, "exact").get(question)

    def run(sql: str):
        try:
            outcome = suite.database(question).execute(sql)
        except QueryError as error:
            outcome = error
        return outcome, judge(gold, outcome, "exact", "oracle")

    return run


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def error_class(text: str) -> ErrorClass | None:
    return None if text in ("", "right") else ErrorClass(text)


def test_every_error_class_is_listed_with_its_severity():
    rows = table("error class")
    assert [(name, int(level)) for name, level, *_ in rows] == [
        (str(c), severity(c)) for c in ErrorClass
    ]


@pytest.mark.parametrize("row", table("error class"), ids=lambda row: row[0])
def test_the_example_of_an_error_class_fails_in_it(row, run):
    name, _, sql, said = row
    outcome, judged = run(sql)
    assert judged.error_class == name
    if isinstance(outcome, QueryError):
        assert classify_error(outcome) == name
    if name == "timeout":
        assert '"timeout"' in said and judged.message.startswith("timeout")
    else:
        assert judged.message == said


def test_every_repair_is_listed():
    assert [row[0] for row in table("repair")] == [str(arm) for arm in ARMS]


@pytest.mark.parametrize("row", table("repair"), ids=lambda row: row[0])
def test_the_example_of_a_repair_mends_a_query_that_failed(row, run):
    _, _, failing, mended = row
    before, judged = run(failing)
    assert isinstance(before, QueryError) or judged.error_class == ErrorClass.EMPTY_RESULT
    after, _ = run(mended)
    assert after.rows


@pytest.mark.parametrize(
    "row", table("attempt | error class before"), ids=lambda row: "-".join(row)
)
def test_the_rewards_are_those_of_the_code(row):
    attempt, before, now, *components, reward = row
    made = compute_reward(now == "right", int(attempt), error_class(now), error_class(before))
    assert [number(c) for c in components] == [
        made.base,
        made.attempt_penalty,
        made.severity_bonus,
        made.change_bonus,
    ]
    assert number(reward) == made.reward


def test_the_components_of_the_reward_are_listed():
    names = [row[0] for row in table("component")]
    assert names == list(compute_reward(True, 1).__dataclass_fields__)


def test_the_episode_goes_as_it_is_told(run):
    rows = table("attempt | action")
    assert rows[0][1] == "generate"
    classes = []
    for _, _, sql, said, told, _ in rows:
        outcome, judged = run(sql)
        classes.append(judged.error_class)
        assert judged.error_class == error_class(told)
        assert judged.message == said or not isinstance(outcome, QueryError)
    assert judged.verdict.match
    rewards = [
        compute_reward(now is None, attempt, now, before).reward
        for attempt, (before, now) in enumerate(pairwise([None, *classes]), start=1)
    ]
    assert [number(row[5]) for row in rows] == rewards
    assert f"= {compute_episode_reward(rewards, True)} (" in PAGE


def test_what_ends_an_episode_is_listed():
    assert sorted(row[0] for row in table("`--feedback`")) == sorted(FEEDBACKS)


def test_every_policy_is_named():
    told = PAGE.split("The policies by name:")[1].split("\n\n")[0]
    named = re.findall(r"`([a-z0-9-]+)(?::ARM)?`", told)
    assert sorted(named) == sorted({name.partition(":")[0] for name in POLICY_NAMES})


def test_the_count_of_features_is_that_of_the_code():
    assert f"as {DIMENSION} **features**" in PAGE


TERMS = (
    "arm lag hindsight propensity feedback first field any repaired policy context gold suite task "
    "sandbox verdict regret store cell resume episode attempt action learning simulated"
)


def test_every_term_is_explained():
    """In bold where it is: `**arm**`, `**Gap closed**:`."""
    bold = {word.lower() for word in re.findall(r"\*\*([^*]+)\*\*", PAGE)}
    wanted = {*TERMS.split(), "gap closed", "pass@k", "error class", "repair actions"}
    assert wanted <= bold


def test_every_reason_of_a_verdict_is_told():
    told = re.search(r"right or not, with a reason \((.*?)\)\.", PAGE, re.DOTALL)[1]
    known = {"match", "pred_error", "timeout", "truncated", "no_gold"}
    for metric in ("exact.py", "official.py"):
        source = (ROOT / "sqlbench" / "grading" / metric).read_text(encoding="utf-8")
        known |= {*re.findall(r'\b(?:return|else) "(\w+)"', source)}
    assert {*re.findall(r"`(\w+)`", told)} == known
