"""The simulated model: a function of the request, with the rates that its profile states."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import mean

import numpy as np
import pytest

from sqlbench.databases.base import QueryError
from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.episodes.repair import ARMS, RepairAction
from sqlbench.exceptions import ConfigError, ModelSetupError, UnknownNameError
from sqlbench.models import Completion, Message, ModelError, ModelRequest, load_model
from sqlbench.models.simulated.profile import difficulty, load_profile
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.policies.simple import OBVIOUS_ARM
from sqlbench.suites import Question, Suite, Task, load_suite

MESSAGES: tuple[Message, ...] = ({"role": "user", "content": "How many orders are there?"},)
A = RepairAction


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite("marketplace")


@pytest.fixture(scope="module")
def model(suite: Suite) -> SimulatedModel:
    return SimulatedModel(suite)


@pytest.fixture(scope="module")
def classes(suite: Suite, model: SimulatedModel) -> dict[tuple[str, str], ErrorClass | None]:
    """What every answer of the model is: its class, None if right, by question and SQL."""
    found: dict[tuple[str, str], ErrorClass | None] = {}
    for question in suite:
        faults = model.faults.get(question)
        found[question.id, faults.answer] = None
        for error_class in ErrorClass:
            for sql in faults.variants(error_class):
                found[question.id, sql] = error_class
    return found


def first(question_id: str, seed: int, attempt: int = 1) -> ModelRequest:
    return ModelRequest(MESSAGES, question_id, 0, attempt, "generate", seed)


def repair(
    question_id: str,
    seed: int,
    error_class: ErrorClass | None,
    arm: str,
    *,
    failing: str = "SELECT",
    previous: RepairAction | None = None,
    changed: bool = False,
    progress: float = 0.0,
) -> ModelRequest:
    context = Context(error_class, 3 if previous else 2, previous, changed)
    return ModelRequest(
        MESSAGES,
        question_id,
        0,
        context.attempt_number,
        arm,
        seed,
        context=context,
        failing_sql=failing,
        progress=progress,
    )


def answer(model: SimulatedModel, *requests: ModelRequest) -> list[str]:
    async def ask() -> list[str]:
        return [str((await model.complete(r)).sql) for r in requests]

    return asyncio.run(ask())


def outcomes(
    model: SimulatedModel,
    classes: dict[tuple[str, str], ErrorClass | None],
    requests: Iterator[ModelRequest],
) -> list[ErrorClass | None]:
    asked = list(requests)
    texts = answer(model, *asked)
    return [classes[r.question_id, t] for r, t in zip(asked, texts, strict=True)]


def best_arm(row: Mapping[RepairAction, float]) -> RepairAction:
    return max(ARMS, key=lambda arm: row[arm])


def fixed_share(
    model: SimulatedModel,
    classes: dict[tuple[str, str], ErrorClass | None],
    error_class: ErrorClass,
    arm: str,
    **kw: object,
) -> float:
    ids = sorted({question_id for question_id, _ in classes})
    requests = (
        repair(ids[i % len(ids)], i, error_class, arm, **kw)  # type: ignore[arg-type]
        for i in range(3_000)
    )
    return mean(o is None for o in outcomes(model, classes, requests))


def test_an_answer_is_a_function_of_the_request(suite: Suite, model: SimulatedModel) -> None:
    ids = [q.id for q in suite][::6]
    requests = [first(i, seed) for i in ids for seed in range(5)]
    requests += [repair(i, seed, c, A.FIX_COLUMN) for i in ids for seed, c in enumerate(ErrorClass)]
    texts = answer(model, *requests)
    assert answer(model, *requests) == texts
    assert answer(model, *reversed(requests)) == texts[::-1]
    assert answer(SimulatedModel(suite), *requests[::-3]) == texts[::-3]


async def test_a_stream_gives_the_text_of_complete(suite: Suite, model: SimulatedModel) -> None:
    for question in list(suite)[::10]:
        request = first(question.id, 7)
        *pieces, last = [piece async for piece in model.stream(request)]
        whole = await model.complete(request)
        assert isinstance(last, Completion)
        assert "".join(map(str, pieces)) == last.text == whole.text
        assert len(pieces) > 3
        assert last.usage == whole.usage
        assert last.usage.completion_tokens == len(last.text) // 4


def test_answers_come_in_a_fence(suite: Suite, model: SimulatedModel) -> None:
    completion = asyncio.run(model.complete(first(next(iter(suite)).id, 1)))
    assert completion.text == f"```sql\n{completion.sql}\n```"


def test_concurrent_requests_get_the_same_answers(suite: Suite, model: SimulatedModel) -> None:
    requests = [first(q.id, seed) for q in list(suite)[::10] for seed in range(4)]
    slow = SimulatedModel(suite, latency=(0.0, 0.01))

    async def at_once() -> list[str]:
        return [str(c.sql) for c in await asyncio.gather(*map(slow.complete, requests))]

    assert asyncio.run(at_once()) == answer(model, *requests)


def test_first_answers_succeed_and_fail_at_the_profiles_rates(
    suite: Suite, model: SimulatedModel, classes: dict[tuple[str, str], ErrorClass | None]
) -> None:
    ids = [q.id for q in suite]
    got = Counter(
        outcomes(
            model, classes, (first(i, 1_000 * k + s) for k, i in enumerate(ids) for s in range(200))
        )
    )
    n = got.total()
    profile = model.profile
    chances = {i: profile.p_success(difficulty(i)) for i in ids}
    assert got[None] / n == pytest.approx(mean(chances.values()), abs=0.015)
    assert got[None] / n == pytest.approx(profile.success, abs=0.07)  # 60 questions' difficulties
    expected = dict.fromkeys(ErrorClass, 0.0)
    for question in suite:
        plantable = model.faults.get(question).plantable
        total = sum(profile.first_attempt[c] for c in plantable)
        for c in plantable:
            share = profile.first_attempt[c] / total
            expected[c] += (1 - chances[question.id]) * share / len(ids)
    for c in ErrorClass:
        assert got[c] / n == pytest.approx(expected[c], abs=0.012), c


def test_new_answers_from_scratch_are_correlated(
    suite: Suite, model: SimulatedModel, classes: dict[tuple[str, str], ErrorClass | None]
) -> None:
    ids = [q.id for q in suite]
    shares = []
    for i in ids:
        asked = (first(i, seed, attempt=1 + seed % 2) for seed in range(200))
        shares.append(mean(o is None for o in outcomes(model, classes, asked)))
    expected = [model.profile.p_success(difficulty(i)) for i in ids]
    assert np.corrcoef(shares, expected)[0, 1] > 0.95
    assert np.std(shares) > 0.15  # 0.035 if all questions were alike


def test_success_averages_to_the_profiles_rate_over_many_questions() -> None:
    profile = load_profile("default")
    many = [profile.p_success(difficulty(f"question {i}")) for i in range(4_000)]
    assert mean(many) == pytest.approx(profile.success, abs=0.015)


@pytest.mark.parametrize(
    ("error_class", "arm"),
    [
        (ErrorClass.NO_SUCH_COLUMN, A.FIX_COLUMN),
        (ErrorClass.NO_SUCH_TABLE, A.FIX_TABLE),
        (ErrorClass.EMPTY_RESULT, A.ADD_GROUPBY),
        (ErrorClass.TIMEOUT, A.REWRITE_CTE),
    ],
)
def test_repairs_succeed_at_the_matrix_rate(
    model: SimulatedModel,
    classes: dict[tuple[str, str], ErrorClass | None],
    error_class: ErrorClass,
    arm: RepairAction,
) -> None:
    share = fixed_share(model, classes, error_class, arm)
    assert share == pytest.approx(model.profile.repair[error_class][arm], abs=0.03)


def test_an_arm_that_has_just_failed_on_the_class_helps_half_as_much(
    model: SimulatedModel, classes: dict[tuple[str, str], ErrorClass | None]
) -> None:
    c, arm = ErrorClass.SYNTAX_ERROR, A.FIX_SYNTAX
    p = model.profile.repair[c][arm]
    repeated = fixed_share(model, classes, c, arm, previous=arm)
    assert repeated == pytest.approx(p / 2, abs=0.03)
    other_class = fixed_share(model, classes, c, arm, previous=arm, changed=True)
    assert other_class == pytest.approx(p, abs=0.03)
    other_arm = fixed_share(model, classes, c, arm, previous=A.FIX_COLUMN)
    assert other_arm == pytest.approx(p, abs=0.03)


def test_a_failed_repair_mostly_keeps_its_class_with_other_sql(
    suite: Suite, model: SimulatedModel, classes: dict[tuple[str, str], ErrorClass | None]
) -> None:
    c = ErrorClass.NO_SUCH_FUNCTION
    failing = {q.id: model.faults.get(q).variants(c)[0] for q in suite}
    requests = [
        repair(i, 1_000 * k + seed, c, A.RELAX_FILTER, failing=sql)
        for k, (i, sql) in enumerate(failing.items())
        for seed in range(40)
    ]
    texts = answer(model, *requests)
    got = [classes[r.question_id, t] for r, t in zip(requests, texts, strict=True)]
    failed = [o for o in got if o is not None]
    kept = mean(o == c for o in failed)
    assert kept == pytest.approx(model.profile.keep_class, abs=0.03)
    assert all(t != r.failing_sql for r, t in zip(requests, texts, strict=True))


def test_sql_that_it_did_not_plant_is_repaired_by_its_class(
    suite: Suite, model: SimulatedModel
) -> None:
    question = next(iter(suite))
    database = suite.database(question)
    own = "SELECT shoe_size FROM orders"
    with pytest.raises(QueryError) as caught:
        database.execute(own)
    c = classify_error(caught.value)
    requests = [repair(question.id, s, c, A.FIX_COLUMN, failing=own) for s in range(400)]
    right = model.faults.get(question).answer
    share = mean(t == right for t in answer(model, *requests))
    assert share == pytest.approx(model.profile.repair[c][A.FIX_COLUMN], abs=0.08)


def test_a_repair_of_a_right_answer_seldom_breaks_it(
    suite: Suite, model: SimulatedModel, classes: dict[tuple[str, str], ErrorClass | None]
) -> None:
    requests = [
        repair(q.id, 1_000 * k + seed, None, A.REWRITE_FULL, failing=sql)
        for k, q in enumerate(suite)
        for sql in (model.faults.get(q).answer, q.gold or "")
        for seed in range(40)
    ]
    broken = mean(o is not None for o in outcomes(model, classes, iter(requests)))
    assert broken == pytest.approx(model.profile.break_rate, abs=0.015)


def test_the_best_arm_drifts_at_half_time(
    suite: Suite, model: SimulatedModel, classes: dict[tuple[str, str], ErrorClass | None]
) -> None:
    drift = load_profile("drift")
    early = {c: drift.row(c, 0.49) for c in ErrorClass}
    late = {c: drift.row(c, 0.5) for c in ErrorClass}
    assert early == dict(model.profile.repair)
    assert sum(best_arm(early[c]) != best_arm(late[c]) for c in ErrorClass) == 3
    drifting = SimulatedModel(suite, "drift")
    drifting.faults = model.faults  # verified already
    assert drifting.spec == "simulated:drift"
    c, arm = ErrorClass.NO_SUCH_COLUMN, A.FIX_COLUMN
    before = fixed_share(drifting, classes, c, arm, progress=0.49)
    after = fixed_share(drifting, classes, c, arm, progress=0.5)
    assert before == pytest.approx(model.profile.repair[c][arm], abs=0.03)
    assert after == pytest.approx(drift.drift_repair[c][arm], abs=0.03)


def test_the_obvious_arm_is_best_for_most_classes_but_not_for_all() -> None:
    profile = load_profile("default")
    assert sum(best_arm(profile.row(c)) != OBVIOUS_ARM[c] for c in ErrorClass) == 3


def test_asked_for_failures_come_at_their_rate_and_stay(suite: Suite) -> None:
    flaky = SimulatedModel(suite, failure_rate=0.2)
    ids = [q.id for q in suite]

    def fails(seed: int) -> bool:
        try:
            answer(flaky, first(ids[0], seed))
        except ModelError as error:
            assert error.kind == "server"
            return True
        return False

    failed = [fails(seed) for seed in range(300)]
    assert mean(failed) == pytest.approx(0.2, abs=0.06)
    assert [fails(seed) for seed in range(0, 300, 7)] == failed[::7]


def test_a_suite_without_gold_queries_is_refused_at_once(suite: Suite) -> None:
    question = Question("own-1", "How many?", None, "marketplace", "own")
    own = Suite("own", {"own": Task("own", "easy", (question,))}, suite.databases, {})
    with pytest.raises(ModelSetupError, match="suite 'own' has none; use a real model"):
        SimulatedModel(own)


def test_a_bad_setting_is_refused(suite: Suite, model: SimulatedModel) -> None:
    with pytest.raises(ConfigError, match="failure_rate is a share from 0 to 1, not 2"):
        SimulatedModel(suite, failure_rate=2)
    with pytest.raises(UnknownNameError, match="Unknown question 'nowhere'"):
        answer(model, first("nowhere", 1))
    with pytest.raises(UnknownNameError, match=r"default, drift, .* Did you mean 'drift'"):
        load_model("simulated:drfit", suite)
    with pytest.raises(ValueError, match="'guess'"):
        answer(model, repair(next(iter(suite)).id, 1, ErrorClass.OTHER, "guess"))
