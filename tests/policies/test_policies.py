"""Policies: against independent reference computations, to 1e-9 over a thousand steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, stats

from sqlbench.environment.environment import SQLAgentEnv
from sqlbench.episodes.context import DIMENSION, Context, featurize
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS, RepairAction
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.policies import POLICY_NAMES, load_policy, make_policy, save_policy
from sqlbench.policies.base import choose
from sqlbench.policies.discounted import DiscountedArms
from sqlbench.policies.learning import learn
from sqlbench.policies.linear import LinearArms
from sqlbench.policies.lints import LinTSPolicy, p_highest
from sqlbench.seeds import Role, generator

K = len(ARMS)
LEARNING = (
    *("linucb", "linucb?gamma=0.97", "lints", "epsilon-greedy", "ucb1", "table"),
    *(
        "hybrid",
        "pooled",
        "halving?budget=40",
        "cost-aware",
    ),
)


def random_context(rng) -> Context:
    classes = [*ErrorClass, None]
    previous = [*ARMS, None]
    return Context(
        classes[rng.integers(len(classes))],
        int(rng.integers(2, 6)),
        previous[rng.integers(len(previous))],
        bool(rng.integers(2)),
        int(rng.integers(1, 5)),
    )


class Reference:
    """Ridge regression for each arm with explicit inverses: numpy, and nothing of the package."""

    def __init__(self, ridge=1.0):
        self.a = [np.eye(DIMENSION) * ridge for _ in range(K)]
        self.b = [np.zeros(DIMENSION) for _ in range(K)]

    def update(self, arm, x, reward):
        self.a[arm] = self.a[arm] + np.outer(x, x)
        self.b[arm] = self.b[arm] + reward * x

    def means_and_widths(self, x):
        inverses = [np.linalg.inv(a) for a in self.a]
        means = [x @ inv @ b for inv, b in zip(inverses, self.b, strict=True)]
        return np.array(means), np.array([math.sqrt(x @ inv @ x) for inv in inverses])


def steps(n, seed):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        yield random_context(rng), ARMS[rng.integers(K)], float(rng.normal()), bool(rng.integers(2))


def test_linucb_agrees_with_explicit_inverses_over_1000_steps():
    policy, reference, alpha = make_policy("linucb?ridge=0.7"), Reference(0.7), 1.5
    for context, arm, reward, ends in steps(1000, seed=1):
        x = featurize(context)
        means, widths = reference.means_and_widths(x)
        np.testing.assert_allclose(policy.scores(context), means + alpha * widths, atol=1e-9)
        policy.update(context, arm, reward)
        reference.update(ARMS.index(arm), x, reward)
        if ends:
            policy.end_episode()
            alpha = max(0.3, alpha * 0.995)


def test_thompson_sampling_agrees_with_explicit_inverses_over_1000_steps():
    policy, reference = make_policy("lints?v=0.4"), Reference()
    for i, (context, arm, reward, _) in enumerate(steps(1000, seed=2)):
        x = featurize(context)
        means, widths = reference.means_and_widths(x)
        drawn = means + 0.4 * widths * np.random.default_rng(i).standard_normal(K)
        decision = policy.select(context, np.random.default_rng(i))
        np.testing.assert_allclose(list(decision.scores.values()), drawn, atol=1e-9)
        assert decision.action == ARMS[int(np.argmax(drawn))]
        policy.update(context, arm, reward)
        reference.update(ARMS.index(arm), x, reward)


def test_ucb1_agrees_with_the_formula_over_1000_steps():
    policy, rewards = make_policy("ucb1"), [[] for _ in ARMS]
    rng = np.random.default_rng(3)
    for t, (context, _, reward, _) in enumerate(steps(1000, seed=3)):
        decision = policy.select(context, rng)
        if t >= K:
            expected = [np.mean(r) + math.sqrt(2 * math.log(t) / len(r)) for r in rewards]
            np.testing.assert_allclose(list(decision.scores.values()), expected, atol=1e-9)
        policy.update(context, decision.action, reward)
        rewards[ARMS.index(decision.action)].append(reward)
        if t == K - 1:
            assert [len(r) for r in rewards] == [1] * K, "every arm is tried once first"


def test_table_keeps_the_mean_of_each_class_and_arm_with_one_optimistic_observation():
    policy, seen = make_policy("table?optimism=0.8"), {}
    for context, arm, reward, _ in steps(500, seed=5):
        expected = [np.mean([0.8, *seen.get((context.error_class, other), [])]) for other in ARMS]
        np.testing.assert_allclose(policy.scores(context), expected, atol=1e-9)
        policy.update(context, arm, reward)
        seen.setdefault((context.error_class, arm), []).append(reward)


@pytest.mark.parametrize("ridge", [0.1, 1.0, 10.0])
def test_an_arm_that_was_never_pulled_has_width_norm_over_root_lambda(ridge):
    policy = make_policy(f"linucb?alpha=2&ridge={ridge}")
    for context, _, reward, _ in steps(50, seed=6):
        policy.update(context, ARMS[0], reward)
    context = Context(ErrorClass.OTHER, 3, ARMS[2], True, 2)
    expected = 2.0 * np.linalg.norm(featurize(context)) / math.sqrt(ridge)
    np.testing.assert_allclose(policy.scores(context)[1:], expected, rtol=1e-12)


def test_the_inverse_does_not_drift_over_100000_updates():
    arms, rng = LinearArms(2, DIMENSION), np.random.default_rng(7)
    exact = np.eye(DIMENSION)
    for _ in range(100_000):
        x = featurize(random_context(rng)) if rng.random() < 0.02 else rng.random(DIMENSION)
        arms.update(0, x, 1.0)
        exact += np.outer(x, x)
    assert np.abs(arms.a_inv[0] - np.linalg.inv(exact)).max() < 1e-8
    np.testing.assert_allclose(arms.a_inv[0], arms.a_inv[0].T, atol=1e-15)
    assert (arms.a_inv[1] == np.eye(DIMENSION)).all(), "the other arm is untouched"


@pytest.mark.parametrize("tied", [range(K), (1, 4, 6)])
def test_ties_are_uniform_over_arms(tied):
    scores = [1.0 if i in tied else 0.0 for i in range(K)]
    rng, counts = np.random.default_rng(0), np.zeros(K)
    for _ in range(8000):
        chosen, propensity = choose(scores, 0.0, rng.random())
        counts[chosen] += 1
        assert propensity == pytest.approx(1 / len(tied))
    assert counts.sum() == counts[list(tied)].sum()
    assert stats.chisquare(counts[list(tied)]).pvalue > 0.01


@pytest.mark.parametrize("spec", [f"{n}?epsilon=0.3" for n in POLICY_NAMES if n != "oracle"])
def test_propensities_are_the_shares_in_which_a_policy_chooses(spec):
    policy, context = make_policy(spec), Context(ErrorClass.EMPTY_RESULT, 3, ARMS[1], False, 2)
    for other, arm, reward, _ in steps(40, seed=9):
        policy.update(other, arm, reward)
    counts, stated = {}, {}
    for i in range(4000):
        decision = policy.select(context, generator(i, Role.POLICY, "q"))
        counts[decision.action] = counts.get(decision.action, 0) + 1
        stated[decision.action] = decision.propensity
    assert sum(stated.values()) == pytest.approx(1.0, abs=1e-6), "every action came up"
    observed = [counts[a] for a in stated]
    expected = [4000 * p for p in stated.values()]
    assert stats.chisquare(observed, expected, sum_check=False).pvalue > 0.001


def test_the_oracle_takes_epsilon():
    env = SQLAgentEnv(policy="oracle?epsilon=0.4")
    decision = env.policy.select(Context(ErrorClass.OTHER, 2), np.random.default_rng(0))
    assert decision.propensity in (pytest.approx(0.65), pytest.approx(0.05))


@pytest.mark.parametrize("narrow", [1.0, 0.1, 0.02])
def test_thompson_propensities_agree_with_adaptive_quadrature(narrow):
    rng = np.random.default_rng(10)
    for _ in range(20):
        means, deviations = rng.normal(0, 0.3, K), rng.uniform(0.2, 1.0, K)
        deviations[rng.integers(K, size=3)] *= narrow
        found = [p_highest(i, means, deviations) for i in range(K)]
        assert sum(found) == pytest.approx(1.0, abs=1e-8)

        def integrand(s, i=0, means=means, deviations=deviations):
            z = (s - means) / deviations
            others = np.arange(K) != i
            return stats.norm.pdf(z[i]) / deviations[i] * stats.norm.cdf(z[others]).prod()

        i = int(np.argmax(found))
        reach = 9 * deviations[i]
        exact, _ = integrate.quad(
            integrand, means[i] - reach, means[i] + reach, (i,),
            points=sorted(m for m in means if abs(m - means[i]) < reach), limit=400, epsabs=1e-11,
        )  # fmt: skip
        assert found[i] == pytest.approx(exact, abs=1e-8)


@pytest.mark.parametrize("n", [1000, 3000])
def test_thompson_propensities_of_a_policy_that_has_learned_long_are_exact_to_1e_5(n, monkeypatch):
    """Arms that are alike and far ahead: their joint maximum is narrower than each of them."""
    rng, policy = np.random.default_rng(0), LinTSPolicy()
    contexts = [Context(e, 2) for e in ErrorClass]
    for _ in range(n):
        policy.update(contexts[rng.integers(3)], ARMS[rng.integers(4)], float(rng.random()))
    found = np.array([policy.probabilities(c) for c in contexts])
    for limit in ("_MIN_POINTS", "_MAX_POINTS"):
        monkeypatch.setattr(f"sqlbench.policies.lints.{limit}", 65536)
    finer = np.array([policy.probabilities(c) for c in contexts])
    assert np.abs(finer.sum(axis=1) - 1).max() < 1e-12
    assert np.abs(found - finer).max() < 1e-5


@pytest.mark.parametrize("spec", LEARNING)
def test_a_policy_rebuilt_from_a_log_equals_the_live_one_to_the_byte(spec, tmp_path):
    import asyncio

    from sqlbench.runs.experiment import run_experiment
    from sqlbench.runs.run import Run

    run = asyncio.run(run_experiment(policy=spec, episodes=60, out=tmp_path, progress=False, lag=3))
    rebuilt, saved = make_policy(spec), load_policy(tmp_path / "policy.npz")
    for episode in Run.open(tmp_path).log:
        learn(rebuilt, episode, run.config.hindsight)
    for name, array in run.policy.state().items():
        assert rebuilt.state()[name].tobytes() == array.tobytes()
        assert saved.state()[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("spec", LEARNING)
def test_a_snapshot_does_not_learn_with_its_policy(spec):
    policy = make_policy(spec)
    twin = policy.snapshot()
    before = {k: v.copy() for k, v in twin.state().items()}
    for context, arm, reward, _ in steps(5, seed=11):
        policy.update(context, arm, reward)
    assert all((twin.state()[k] == v).all() for k, v in before.items())
    assert any((policy.state()[k] != v).any() for k, v in before.items())


@pytest.mark.parametrize("spec", LEARNING)
@pytest.mark.parametrize("reward", [math.nan, math.inf])
def test_a_reward_that_is_not_finite_is_refused_and_changes_nothing(spec, reward):
    policy = make_policy(spec)
    before = policy.state()
    with pytest.raises(ValueError, match="finite"):
        policy.update(Context(ErrorClass.OTHER, 2), RepairAction.FIX_TABLE, reward)
    assert all((policy.state()[k] == v).all() for k, v in before.items())


@pytest.mark.filterwarnings("ignore:invalid value")
def test_features_that_are_not_finite_are_refused_and_change_nothing():
    for arms in (LinearArms(K, 3), DiscountedArms(K, 3, 1.0, 0.9)):
        before = arms.state()
        with pytest.raises(ValueError, match="Features"):
            arms.update(0, np.array([0.0, math.inf, 1.0]), 1.0)
        assert all((arms.state()[k] == v).all() for k, v in before.items())


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("linUCB", "linucb"),
        ("lints?v=-1", "-1"),
        ("lints?u=1", "v, ridge, epsilon"),
        ("ucb1?c=x", "'x'"),
        ("table?optimism=nan", "nan"),
        ("linucb?gamma=0", "gamma"),
        ("linucb?gamma=1.5", "1.5"),
        ("resample:fix_table", "resample:fix_table"),
        ("fixed", "fixed:fix_column"),
        ("random?epsilon=2", "2.0"),
        ("linucb?alpha=1&alpha=2", "gives the parameter alpha twice"),
    ],
)
def test_a_wrong_spec_is_one_clear_sentence(spec, said):
    with pytest.raises((UnknownNameError, ConfigError)) as caught:
        make_policy(spec)
    assert said in str(caught.value)


def test_a_state_of_another_policy_is_refused(tmp_path):
    save_policy(make_policy("ucb1"), tmp_path / "p.npz")
    with np.load(tmp_path / "p.npz") as file:
        arrays = {k: v for k, v in file.items() if not k.startswith("_")}
    with pytest.raises(ConfigError, match="shape"):
        make_policy("table").load_state(arrays)
    with pytest.raises(ConfigError, match="expected"):
        make_policy("linucb").load_state(arrays)


async def test_resample_asks_anew_shows_no_error_and_has_no_arm():
    env = SQLAgentEnv(policy="resample", seed=3)
    asked = []
    complete = env.model.complete

    async def note(request):
        asked.append(request)
        return await complete(request)

    env.model.complete = note
    for question in list(env.suite.questions())[:12]:
        env.reset_with_question(question.task_id, question.id)
        while not env.episode.done:
            await env.step()
        for step in env.episode.steps:
            assert step.action == "generate"
            assert step.context is None
    assert max(r.attempt for r in asked) > 1
    assert all(r.failing_sql is None and r.context is None for r in asked)
    by_question = {r.question_id: r.messages for r in asked}
    assert all(by_question[r.question_id] == r.messages for r in asked), "the first prompt, again"
