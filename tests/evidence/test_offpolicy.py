"""Off-policy estimates against the exact value, and the logs that are refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS
from sqlbench.evidence.offpolicy import (
    ESTIMATORS,
    LoggedDecisions,
    OffPolicyError,
    evaluate,
    evaluate_policies,
    exact_value,
    target_probabilities,
)
from sqlbench.evidence.offpolicy_validation import simulated_log, table_contexts, validate
from sqlbench.evidence.repair_table import RepairTable
from sqlbench.evidence.sensitivity import sharpened
from sqlbench.evidence.synthetic import synthetic_table
from sqlbench.models.simulated.profile import load_profile
from sqlbench.policies import make_policy
from sqlbench.runs.experiment import run_experiment
from sqlbench.stats import clustered_ratio


@pytest.fixture(scope="module")
def table() -> RepairTable:
    """A population of 800 rows whose stored samples, and nothing else, are the truth."""
    profile = load_profile("default")
    shares = {str(c): v for c, v in profile.first_attempt.items()}
    rng = np.random.default_rng(0)
    made = synthetic_table(sharpened(profile, 1.0), shares, 800, rng, samples=4)
    return replace(made, expected=None)


def probabilities(table: RepairTable, spec: str) -> np.ndarray:
    return target_probabilities(make_policy(spec), table_contexts(table))


def logged_by_hand(n: int = 12, propensity: float = 0.5) -> LoggedDecisions:
    rng = np.random.default_rng(0)
    return LoggedDecisions(
        name="by hand",
        questions=tuple(f"q{i // 2}" for i in range(n)),
        contexts=(Context(ErrorClass.SYNTAX_ERROR, 2),) * n,
        actions=rng.integers(2, size=n),
        outcomes=rng.integers(2, size=n).astype(float),
        propensities=np.full(n, propensity),
    )


def test_ips_and_snips_are_the_textbook_formulas():
    logged = logged_by_hand()
    target = np.zeros((12, 8))
    target[:, :2] = 0.3, 0.7
    w = target[np.arange(12), logged.actions] / 0.5
    found = evaluate(logged, target)
    assert found.estimates["ips"][0] == pytest.approx((w * logged.outcomes).mean())
    assert found.estimates["snips"][0] == pytest.approx((w * logged.outcomes).sum() / w.sum())
    assert found.effective_sample_size == pytest.approx(w.sum() ** 2 / (w**2).sum())
    assert "effective sample size" in found.warning


def test_estimates_that_weigh_shares_are_shares():
    """SNIPS and the direct method average outcomes, and so do their ends; IPS and DR do not."""
    logged = logged_by_hand(8, propensity=0.2)
    target = np.zeros((8, 8))
    target[:, :2] = 0.9, 0.1
    found = evaluate(replace(logged, outcomes=np.array([0.0] * 7 + [1.0])), target).estimates
    for name in ("snips", "dm"):
        value, low, high = found[name]
        assert 0 <= low <= value <= high <= 1
    free = evaluate(replace(logged, outcomes=np.array([0.0] * 7 + [9.0])), target).estimates
    assert free["dm"][2] > 1, "a reward is not held to a share's range"


def test_the_direct_method_agrees_with_an_explicit_ridge(table):
    """The refits work in the dual; here each arm is solved in the primal, with numpy only."""
    from sqlbench.episodes.context import featurize
    from sqlbench.evidence.offpolicy import RIDGE

    target = probabilities(table, "rules")
    logged, rows = simulated_log(
        table, np.full((len(table), 8), 1 / 8), 150, 2, np.random.default_rng(3)
    )
    x = np.stack([featurize(c) for c in logged.contexts])
    mean = logged.outcomes.mean()
    value = 0.0
    for arm in range(8):
        mine = logged.actions == arm
        gram = x[mine].T @ x[mine] + RIDGE * np.eye(x.shape[1])
        beta = np.linalg.inv(gram) @ x[mine].T @ (logged.outcomes[mine] - mean)
        value += (target[rows][:, arm] * (mean + x @ beta)).mean()
    found = evaluate(logged, target[rows]).estimates
    assert found["dm"][0] == pytest.approx(value, abs=1e-9)
    assert tuple(found) == ESTIMATORS, "the order in which tables have them"


@pytest.mark.filterwarnings("error")
def test_a_log_that_never_did_what_the_target_would_says_so_by_what_is_unknown(table):
    """Both arms were tried on the class, and each row's own never: every weight is 0."""
    logged, _ = simulated_log(
        table, np.full((len(table), 8), 1 / 8), 6, 2, np.random.default_rng(0)
    )
    actions = np.tile([0, 1], 6)
    target = np.eye(8)[1 - actions]
    found = evaluate(replace(logged, actions=actions, contexts=[logged.contexts[0]] * 12), target)
    assert found.effective_sample_size == 0 and "effective sample size" in found.warning
    assert np.isnan(found.estimates["snips"]).all()
    assert found.estimates["ips"][0] == 0 and np.isnan(found.estimates["ips"][1:]).all()


@pytest.mark.slow
def test_the_direct_methods_interval_reaches_as_far_as_its_bias(table):
    """With few decisions its ridge draws every arm to the mean; without that it holds 57%."""
    behaviour, target = (probabilities(table, p) for p in ("random", "rules"))
    truth, held = exact_value(table, target), []
    for log in range(60):
        rng = np.random.default_rng([3, 50, 1, 1, log])
        logged, rows = simulated_log(table, behaviour, 50, 1, rng)
        try:
            _, low, high = evaluate(logged, target[rows], seed=log).estimates["dm"]
        except OffPolicyError:
            continue
        held.append(low <= truth <= high)
    assert len(held) > 40 and np.mean(held) > 0.8


def test_means_of_weighted_outcomes_have_the_interval_of_any_mean(table):
    behaviour = np.full((len(table), 8), 1 / 8)
    logged, rows = simulated_log(table, behaviour, 80, 3, np.random.default_rng(5))
    target = probabilities(table, "rules")[rows]
    w = target[np.arange(240), logged.actions] * 8
    asked = list(logged.questions)
    plain = clustered_ratio(w * logged.outcomes, np.ones(240), asked)
    assert evaluate(logged, target).estimates["ips"] == pytest.approx(
        (plain.estimate, plain.low, plain.high)
    )


def test_an_evaluation_of_the_logging_policy_itself_is_the_mean_outcome(table):
    behaviour = np.full((len(table), 8), 1 / 8)
    logged, rows = simulated_log(table, behaviour, 100, 2, np.random.default_rng(1))
    found = evaluate(logged, behaviour[rows])
    assert found.estimates["ips"][0] == pytest.approx(logged.outcomes.mean())
    assert found.effective_sample_size == pytest.approx(200)


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["random", "rules?epsilon=0.5"])
def test_intervals_cover_the_exact_value_and_ips_and_dr_are_unbiased(table, behaviour):
    """The bar in a reduced form: 100 logs instead of 200, so its limits are a little wider."""
    target = np.zeros((len(table), 8))
    target[np.arange(len(table)), table.best_in_context()] = 1.0
    found = validate(
        table, probabilities(table, behaviour), target, logs=100, questions=300, seed=5
    )
    assert found.truth == pytest.approx(exact_value(table, target))
    for estimator in ("ips", "snips", "dr"):
        assert 0.87 <= found.coverage(estimator) <= 1.0, estimator
    for estimator in ("ips", "dr"):
        bias, error = found.bias(estimator)
        assert abs(bias) < 2.5 * error, estimator
    assert found.spread("dr") < found.spread("ips")


def test_a_biased_propensity_shows_as_bias(table):
    """The validation can fail: propensities that are wrong by half move IPS by far."""
    behaviour = np.full((len(table), 8), 1 / 8)
    errors = []
    target = probabilities(table, "rules")
    for i in range(10):
        logged, rows = simulated_log(table, behaviour, 200, 2, np.random.default_rng(i))
        wrong = replace(logged, propensities=logged.propensities / 2)
        errors.append(
            evaluate(wrong, target[rows]).estimates["ips"][0] - exact_value(table, target)
        )
    assert np.mean(errors) > 0.3


def test_the_bootstrap_resamples_questions_and_not_decisions():
    """Decisions that repeat their question's outcome add nothing: the interval must not shrink."""
    once = logged_by_hand(40)
    once = replace(once, questions=tuple(f"q{i}" for i in range(40)))
    often = LoggedDecisions(
        name="often",
        questions=once.questions * 5,
        contexts=once.contexts * 5,
        actions=np.tile(once.actions, 5),
        outcomes=np.tile(once.outcomes, 5),
        propensities=np.tile(once.propensities, 5),
    )
    target = np.zeros((40, 8))
    target[:, :2] = 0.5
    _, low, high = evaluate(once, target).estimates["ips"]
    _, low5, high5 = evaluate(often, np.tile(target, (5, 1))).estimates["ips"]
    assert high5 - low5 == pytest.approx(high - low, rel=0.15)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"propensities": np.full(12, np.nan)}, "no propensity"),
        ({"propensities": np.full(12, 0.0)}, "propensity 0"),
        ({"propensities": np.full(12, 1.0)}, "propensity 1"),
        ({"propensities": np.full(12, 1.5)}, "propensity 1.5"),
        ({"outcomes": np.full(12, np.nan)}, "not finite"),
        ({"questions": (), "propensities": np.ones(0)}, "no first repair"),
    ],
)
def test_logs_that_cannot_answer_are_refused(change, said):
    with pytest.raises(OffPolicyError, match=said):
        replace(logged_by_hand(), **change)


def test_a_target_that_was_never_tried_is_refused_by_arm_and_class():
    target = np.zeros((12, 8))
    target[:, 7] = 1.0
    with pytest.raises(OffPolicyError, match=r"overlap is missing.*relax_filter.*syntax_error"):
        evaluate(logged_by_hand(), target)


def test_one_question_alone_has_no_interval():
    logged = replace(logged_by_hand(), questions=("q",) * 12)
    with pytest.raises(OffPolicyError, match="one question alone"):
        evaluate(logged, np.eye(8)[logged.actions])


def test_an_evaluation_on_a_few_questions_says_that_it_is_rough():
    few = replace(logged_by_hand(), questions=tuple("abcd" * 3))
    assert "fewer than 5 questions, here 4" in evaluate(few, np.eye(8)[few.actions]).warning
    more = replace(logged_by_hand(), questions=tuple("abcdef" * 2))
    assert "Rough" not in evaluate(more, np.eye(8)[more.actions]).warning


def test_resample_is_no_arm():
    with pytest.raises(OffPolicyError, match="resample"):
        target_probabilities(make_policy("resample"), [Context(ErrorClass.OTHER, 2)])


@pytest.fixture(scope="module")
def explored():
    return asyncio.run(
        run_experiment(
            policy="linucb?epsilon=0.4", episodes=240, max_attempts=3, progress=False, seed=2
        )
    )


def test_an_ordinary_log_gives_its_first_repairs(explored):
    logged = LoggedDecisions.from_runs([explored])
    failing = [e for e in explored.log if not e.first]
    assert len(logged.questions) == len(failing)
    assert logged.outcomes.sum() == sum(e.steps[1].success for e in failing)
    assert logged.simulated
    assert (logged.propensities >= 0.4 / len(ARMS) - 1e-12).all()
    rewards = LoggedDecisions.from_runs([explored], "reward")
    assert rewards.outcomes.sum() == pytest.approx(sum(e.steps[1].reward for e in failing))


def test_several_policies_are_evaluated_on_one_log(explored):
    logged = LoggedDecisions.from_runs([explored])
    frame, _ = evaluate_policies(logged, explored, ["learned", "random", "oracle"])
    assert len(frame) == 3 * len(ESTIMATORS)
    assert (frame["low"] <= frame["high"]).all()
    value = frame[frame["estimator"] == "dm"].set_index("policy")["value"]
    assert value["oracle"] > value["random"]
    assert explored.policy.epsilon == 0.4, "the run's own policy stays as it is"


def test_the_oracle_reads_the_matrix_of_the_model_that_repairs():
    """The first model's, where all arms are alike, would make it choose at random."""
    run = asyncio.run(
        run_experiment(
            model="simulated:measured", repair_model="simulated", policy="random",
            episodes=240, max_attempts=2, progress=False,
        )
    )  # fmt: skip
    frame, _ = evaluate_policies(LoggedDecisions.from_runs([run]), run, ["random", "oracle"])
    value = frame[frame["estimator"] == "dm"].set_index("policy")["value"]
    assert value["oracle"] > value["random"] + 0.1


def test_a_log_of_a_policy_that_was_certain_is_refused():
    run = asyncio.run(run_experiment(policy="rules", episodes=30, progress=False))
    with pytest.raises(OffPolicyError, match=r"propensity 1 .*epsilon=0\.2"):
        LoggedDecisions.from_runs([run])


def test_a_log_that_is_given_twice_is_refused(explored):
    with pytest.raises(OffPolicyError, match="given twice"):
        LoggedDecisions.from_runs([explored, explored])


@pytest.mark.parametrize("policy", ["resample", "resample?epsilon=0.3"])
def test_a_log_with_new_answers_from_scratch_is_refused(policy):
    """An arm's propensity is then ε/8, and IPS over the arms alone would be 1/ε times too high."""
    run = asyncio.run(run_experiment(policy=policy, episodes=60, progress=False))
    with pytest.raises(OffPolicyError, match=r"from scratch in \d+ of \d+ second attempts"):
        LoggedDecisions.from_runs([run])
