"""The policies for few data: against independent references, to 1e-9 over a thousand steps."""

from __future__ import annotations

import asyncio
import math

import numpy as np
import pytest

from sqlbench.episodes.context import Context, featurize
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS, KEEP
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.policies import make_policy
from sqlbench.policies.learning import learn
from sqlbench.policies.registry import split_specs
from sqlbench.policies.simple import OBVIOUS_ARM
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.run import Run

K = len(ARMS)


def steps(n, seed):
    rng = np.random.default_rng(seed)
    classes, previous = [*ErrorClass, None], [*ARMS, None]
    for _ in range(n):
        context = Context(
            classes[rng.integers(len(classes))],
            int(rng.integers(2, 6)),
            previous[rng.integers(len(previous))],
            bool(rng.integers(2)),
            int(rng.integers(1, 5)),
        )
        yield context, ARMS[rng.integers(K)], float(rng.normal()), bool(rng.integers(2))


class AlgorithmTwo:
    """Li et al. 2010, algorithm 2, line by line, with explicit inverses (λ = 1)."""

    def __init__(self, k, d):
        self.a0, self.b0 = np.eye(k), np.zeros(k)
        self.a = [np.eye(d) for _ in ARMS]
        self.bb = [np.zeros((d, k)) for _ in ARMS]
        self.b = [np.zeros(d) for _ in ARMS]

    def bounds(self, z, x, alpha):
        inv0 = np.linalg.inv(self.a0)
        beta, found = inv0 @ self.b0, []
        for arm in range(K):
            inv, bb = np.linalg.inv(self.a[arm]), self.bb[arm]
            theta = inv @ (self.b[arm] - bb @ beta)
            s = z[arm] @ inv0 @ z[arm] - 2 * z[arm] @ inv0 @ bb.T @ inv @ x + x @ inv @ x
            s += x @ inv @ bb @ inv0 @ bb.T @ inv @ x
            found.append(z[arm] @ beta + x @ theta + alpha * math.sqrt(s))
        return np.array(found)

    def update(self, arm, z, x, reward):
        inv, bb = np.linalg.inv(self.a[arm]), self.bb[arm]
        self.a0 += bb.T @ inv @ bb
        self.b0 += bb.T @ inv @ self.b[arm]
        self.a[arm] = self.a[arm] + np.outer(x, x)
        self.bb[arm] = bb = bb + np.outer(x, z)
        self.b[arm] = self.b[arm] + reward * x
        inv = np.linalg.inv(self.a[arm])
        self.a0 += np.outer(z, z) - bb.T @ inv @ bb
        self.b0 += reward * z - bb.T @ inv @ self.b[arm]


def hybrid_vectors(context):
    """z of each arm and x, written out by hand."""
    whole = featurize(context)
    own = np.concatenate([whole[:11], [1.0]])
    relations = [
        [
            float(OBVIOUS_ARM[context.error_class] == arm),
            float(context.previous_action == arm),
            float(context.previous_action == arm and not context.error_changed),
        ]
        for arm in ARMS
    ]
    return [np.concatenate([r, whole]) for r in relations], own


def test_hybrid_linucb_agrees_with_algorithm_two_over_1000_steps():
    policy, reference, alpha = (
        make_policy("hybrid?alpha=1.5&decay=0.995&ridge=1&shared=1"),
        AlgorithmTwo(26, 12),
        1.5,
    )
    for step, (context, arm, reward, ends) in enumerate(steps(1000, seed=1)):
        z, x = hybrid_vectors(context)
        if step % 4 == 0:
            expected = reference.bounds(z, x, alpha)
            np.testing.assert_allclose(policy.scores(context), expected, atol=1e-9)
        policy.update(context, arm, reward)
        reference.update(ARMS.index(arm), z[ARMS.index(arm)], x, reward)
        if ends:
            policy.end_episode()
            alpha = max(policy.min_alpha, alpha * 0.995)


def posterior(cells, seen, arms):
    """Empirical Bayes with loops and a linear system: the joint normal posterior of one arm."""
    rewards = [r for cell in cells.values() for r in cell]
    filled = {key: cell for key, cell in cells.items() if cell}
    within = sum(sum((r - np.mean(cell)) ** 2 for r in cell) for cell in filled.values())
    noise = (within + 4 * 0.25) / (len(rewards) - len(filled) + 4)
    overall = np.mean(rewards) if rewards else 0.0
    q = degrees = scale = 0.0
    for arm in arms:
        mine = [cell for (_, a), cell in filled.items() if a == arm]
        if not mine:
            continue
        n = np.array([len(c) for c in mine])
        centre = np.concatenate(mine).mean()
        q += sum(len(c) * (np.mean(c) - centre) ** 2 for c in mine)
        degrees += len(mine) - 1
        scale += n.sum() - (n**2).sum() / n.sum()
    spread = (max(q - degrees * noise, 0.0) + 4 * 0.05) / (scale + 4)
    found = []
    for arm in arms:
        # Unknowns: the arm's mean, then a mean for each class; precision form.
        classes = [*dict.fromkeys([seen, *(c for c, a in filled if a == arm)])]
        size = 1 + len(classes)
        h, v = np.zeros((size, size)), np.zeros(size)
        h[0, 0], v[0] = 1 / spread, overall / spread
        for i, c in enumerate(classes, start=1):
            cell = filled.get((c, arm), [])
            h[0, 0] += 1 / spread
            h[0, i] = h[i, 0] = -1 / spread
            h[i, i] = 1 / spread + len(cell) / noise
            v[i] = sum(cell) / noise
        covariance = np.linalg.inv(h)
        at = 1 + classes.index(seen)
        found.append(((covariance @ v)[at], covariance[at, at]))
    means, variances = np.array(found).T
    return means, variances


def test_the_pooled_table_agrees_with_the_joint_posterior_over_1000_steps():
    policy = make_policy("pooled?alpha=0.7")
    cells = {(c, arm): [] for c in [*ErrorClass, None] for arm in ARMS}
    for step, (context, arm, reward, _) in enumerate(steps(1000, seed=2)):
        if step % 7 == 0:
            means, variances = posterior(cells, context.error_class, ARMS)
            expected = means + 0.7 * np.sqrt(variances)
            np.testing.assert_allclose(policy.scores(context), expected, atol=1e-9)
        policy.update(context, arm, reward)
        cells[context.error_class, arm].append(reward)


def test_the_pooled_table_shrinks_where_classes_are_alike_and_not_where_they_differ():
    rng, contexts = np.random.default_rng(3), [Context(c, 2) for c in ErrorClass]
    alike, apart = make_policy("pooled?alpha=0"), make_policy("pooled?alpha=0")
    for _ in range(60):
        for i, context in enumerate(contexts[:-1]):
            noise = float(rng.normal(0, 0.3))
            alike.update(context, ARMS[0], 0.5 + noise)
            apart.update(context, ARMS[0], float(i % 2) + noise)
    # One bad draw in a class that was not seen before.
    for policy in (alike, apart):
        policy.update(contexts[-1], ARMS[0], -1.0)
    assert alike.scores(contexts[-1])[0] > 0.3 > apart.scores(contexts[-1])[0]


def test_sequential_halving_agrees_with_a_plain_loop_over_1000_steps():
    policy, rng = make_policy("halving?budget=300"), np.random.default_rng(4)
    left, rewards, target = list(range(K)), [[] for _ in ARMS], 300 // (8 * 3)
    context = Context(ErrorClass.OTHER, 2)
    for _ in range(1000):
        expected = [-len(rewards[a]) if a in left else -1e6 for a in range(K)]
        np.testing.assert_allclose(policy.scores(context), expected, atol=1e-9)
        decision = policy.select(context, rng)
        arm = ARMS.index(decision.action)
        assert arm in left and len(rewards[arm]) == min(len(rewards[a]) for a in left)
        reward = float(rng.normal(arm / 4, 1.0))
        policy.update(context, decision.action, reward)
        rewards[arm].append(reward)
        if len(left) > 1 and all(len(rewards[a]) >= target for a in left):
            left = sorted(left, key=lambda a: -np.mean(rewards[a]))[: math.ceil(len(left) / 2)]
            target += 300 // (len(left) * 3)
    assert left == [K - 1], "the best arm is found"
    assert sum(len(r) for r in rewards[:-1]) <= 300, "within the budget"


def test_cost_aware_linucb_is_linucb_on_the_reward_less_what_tokens_cost(tmp_path):
    run = asyncio.run(
        run_experiment(policy="cost-aware?price=0.2", episodes=80, out=tmp_path, progress=False)
    )
    plain = make_policy("linucb")
    for episode in Run.open(tmp_path).log:
        repairs = [s for s in episode.steps if s.context is not None]
        for t, step in enumerate(repairs, start=1):
            bonus = 0.3 * t / len(repairs) if episode.success and t < len(repairs) else 0.0
            tokens = step.prompt_tokens + step.completion_tokens
            assert tokens > 0
            plain.update(step.context, step.action, step.reward + bonus - 0.2 * tokens / 1000)
        if repairs:
            plain.end_episode()
    for name, array in run.policy.state().items():
        np.testing.assert_allclose(plain.state()[name], array, atol=1e-9)


def test_what_costs_more_is_left_alone_where_arms_mend_alike():
    costly, plain = make_policy("cost-aware?price=1"), make_policy("linucb")
    context = Context(ErrorClass.OTHER, 2)
    for policy in (costly, plain):
        for _ in range(200):
            for arm, tokens in ((ARMS[0], 600), (ARMS[1], 200)):
                price = getattr(policy, "price", 0.0)
                policy.update(context, arm, 0.5 - price * tokens / 1000)
    assert plain.scores(context)[0] == pytest.approx(plain.scores(context)[1])
    assert costly.scores(context)[0] < costly.scores(context)[1] - 0.3


@pytest.mark.parametrize("feedback", ["oracle", "always", "execution"])
def test_keep_calls_no_model_and_ends_the_episode_with_the_answer_that_is_there(feedback, tmp_path):
    run = asyncio.run(
        run_experiment(
            policy="linucb?arms=rewrite_full,keep",
            episodes=60,
            feedback=feedback,
            out=tmp_path,
            progress=False,
        )
    )
    kept = [e for e in run.log if e.steps[-1].action == KEEP]
    assert kept, "it was tried"
    for episode in kept:
        before, last = episode.steps[-2:]
        assert (last.sql, last.success, last.error_class) == (
            before.sql, before.success, before.error_class,
        )  # fmt: skip
        assert last.prompt_tokens == last.completion_tokens == 0
        assert last.context is not None and 0 < last.propensity <= 1
        assert episode.model_calls == len(episode.steps) - 1
    assert {s.action for e in run.log for s in e.steps} <= {"generate", "rewrite_full", KEEP}
    rebuilt = make_policy(run.config.policy)
    for episode in Run.open(tmp_path).log:
        learn(rebuilt, episode, run.config.hindsight)
    for name, array in run.policy.state().items():
        assert rebuilt.state()[name].tobytes() == array.tobytes()


def test_fixed_keep_repairs_nothing():
    run = asyncio.run(run_experiment(policy="fixed:keep", episodes=40, progress=False))
    assert all(e.model_calls == 1 for e in run.log)
    assert run.episodes["success"].sum() == sum(e.steps[0].success for e in run.log)


def test_arms_are_read_from_a_spec_and_from_a_list_of_specs():
    policy = make_policy("table?arms=fix_column,keep&epsilon=0.5")
    assert policy.choices == ("fix_column", "keep")
    assert policy.probabilities(Context(ErrorClass.OTHER, 2)).tolist() == [0.5, 0.5]
    specs = ["linucb?arms=fix_column,keep", "table", "hybrid?features=class,signals", "random"]
    assert split_specs(",".join(specs)) == specs
    specs = ["ucb1?arms=llm-exe,llm_plain", "fixed:keep", "halving?arms=a,b&budget=80", "oracle"]
    assert split_specs(",".join(specs)) == specs, "the arms of somebody else's table"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("linucb?arms=fix_column", "two or more"),
        ("linucb?arms=fix_column,fix_colum", "fix_colum"),
        ("linucb?arms=keep,keep", "each once"),
        ("rules?arms=fix_column,keep", "arms"),
        ("hybrid?shared=0", "shared"),
        ("pooled?alpha=-1", "-1"),
        ("halving?budget=0", "budget"),
        ("cost-aware?price=-1", "price"),
    ],
)
def test_a_wrong_spec_is_one_clear_sentence(spec, said):
    with pytest.raises((UnknownNameError, ConfigError)) as caught:
        make_policy(spec)
    assert said in str(caught.value)
