"""Policies for many seeds at once: one array operation decides for all of them.

Each is the policy of the same name in `sqlbench.policies`, with the same parameters and the same
use of random numbers, over any table's arms and features (a test compares their choices). What a
linear policy sees is rotated onto the span of the table's features: a ridge regression does not
change under rotation, and a table with nine kinds of context needs nine dimensions and not 23.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.policies.base import TIE_TOLERANCE
from sqlbench.policies.registry import _parameters
from sqlbench.repair_table import RESAMPLE, RepairTable, TableError, static_choice

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


class StackedPolicy:
    """A policy in S copies, a copy a seed, over the choices of one table.

    Parameters
    ----------
    table : RepairTable
        Whose rows are decided on.
    seeds : int
        S.
    epsilon : float
        The share of uniform choice that is mixed in.
    """

    needs_normals = False

    def __init__(self, table: RepairTable, seeds: int, epsilon: float = 0.0) -> None:
        if not 0.0 <= epsilon <= 1.0:
            raise ConfigError(f"epsilon is a probability from 0 to 1, not {epsilon!r}.")
        self.table, self.seeds, self.epsilon = table, seeds, epsilon
        self.columns = np.array([table.arms.index(a) for a in table.choices])
        self.n_arms = len(self.columns)
        self._all = np.arange(seeds)

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return the score of each choice for one row a seed, shape (S, K)."""
        raise NotImplementedError

    def estimates(self, rows: Ints) -> Floats:
        """Return what the policy would go by if it explored no more, shape (S, K)."""
        return self.scores(rows)

    def select(self, rows: Ints, uniforms: Floats, normals: Floats | None = None) -> Ints:
        """Choose for one row a seed: columns of the table, shape (S,). Ties are uniform."""
        scores = self.scores(rows, normals)
        best = scores >= scores.max(axis=1, keepdims=True) - TIE_TOLERANCE
        counts = best.sum(axis=1)
        place = np.zeros(self.seeds, dtype=np.intp)
        if self.epsilon < 1:
            share = np.maximum(uniforms - self.epsilon, 0.0) / (1 - self.epsilon)
            place = np.minimum((share * counts).astype(np.intp), counts - 1)
        chosen = np.argmax(np.cumsum(best, axis=1) > place[:, None], axis=1)
        if self.epsilon:
            anyhow = np.minimum(uniforms / self.epsilon * self.n_arms, self.n_arms - 1)
            chosen = np.where(uniforms < self.epsilon, anyhow.astype(np.intp), chosen)
        return self.columns[chosen]

    def settled(self, rows: Ints) -> Floats:
        """Return the probability of each of the table's arms without exploration, (S, arms)."""
        scores = self.estimates(rows)
        best = (scores >= scores.max(axis=1, keepdims=True) - TIE_TOLERANCE).astype(float)
        full = np.zeros((self.seeds, len(self.table.arms)))
        full[:, self.columns] = best / best.sum(axis=1, keepdims=True)
        return full

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Learn one outcome a seed; ``chosen`` are columns of the table."""


class StackedStatic(StackedPolicy):
    """Chooses by a fixed matrix of scores: `random`, `rules`, `fixed:ARM`, `resample`, `oracle`.

    Parameters
    ----------
    table, seeds, epsilon
        See `StackedPolicy`.
    matrix : ndarray of shape (n, arms)
        A score for each row and arm of the table.
    """

    def __init__(
        self, table: RepairTable, seeds: int, matrix: Floats, epsilon: float = 0.0
    ) -> None:
        super().__init__(table, seeds, epsilon)
        if RESAMPLE in table.arms and matrix[:, table.arms.index(RESAMPLE)].any():
            self.columns = np.arange(len(table.arms))
            self.n_arms = len(table.arms)
        self.matrix = matrix[:, self.columns]

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return the rows' scores."""
        scores: Floats = self.matrix[rows]
        return scores


class StackedUCB1(StackedPolicy):
    """`sqlbench.policies.ucb1` for many seeds.

    Parameters
    ----------
    table, seeds, epsilon
        See `StackedPolicy`.
    c : float
        The range of the rewards that the bound is meant for.
    """

    def __init__(
        self, table: RepairTable, seeds: int, c: float = 1.0, epsilon: float = 0.0
    ) -> None:
        super().__init__(table, seeds, epsilon)
        if not (c >= 0 and np.isfinite(c)):
            raise ConfigError(f"c is a number of at least 0, not {c!r}.")
        self.c = c
        self.counts = np.zeros((seeds, len(table.arms)))
        self.sums = np.zeros((seeds, len(table.arms)))

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return mean + c·√(2 ln t / n), whatever the row."""
        counts, sums = self.counts[:, self.columns], self.sums[:, self.columns]
        tried = counts > 0
        n = np.where(tried, counts, 1.0)
        spread = 2 * np.log(np.maximum(counts.sum(axis=1, keepdims=True), 1.0))
        return np.where(tried, sums / n + self.c * np.sqrt(spread / n), 1e6)

    def estimates(self, rows: Ints) -> Floats:
        """Return the mean of each arm so far."""
        counts, sums = self.counts[:, self.columns], self.sums[:, self.columns]
        means: Floats = sums / np.maximum(counts, 1.0)
        return means

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Count."""
        self.counts[self._all, chosen] += 1
        self.sums[self._all, chosen] += rewards


class StackedTable(StackedPolicy):
    """`sqlbench.policies.table` for many seeds: a mean for each (context, arm).

    Parameters
    ----------
    table, seeds, epsilon
        See `StackedPolicy`.
    optimism : float
        The imagined first reward of every cell.
    """

    def __init__(
        self, table: RepairTable, seeds: int, optimism: float = 1.0, epsilon: float = 0.0
    ) -> None:
        super().__init__(table, seeds, epsilon)
        if not np.isfinite(optimism):
            raise ConfigError(f"optimism is a finite number, not {optimism!r}.")
        labels, self._codes = table.groups
        self.optimism = optimism
        self.counts = np.zeros((seeds, len(labels), len(table.arms)))
        self.sums = np.zeros_like(self.counts)

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return the optimistic mean of each arm in the rows' contexts."""
        codes = self._codes[rows]
        sums, counts = self.sums[self._all, codes], self.counts[self._all, codes]
        scores: Floats = ((sums + self.optimism) / (counts + 1))[:, self.columns]
        return scores

    def estimates(self, rows: Ints) -> Floats:
        """Return the mean of each arm in the rows' contexts, drawn to its mean over all contexts.

        A context that was never seen has no mean of its own: there the arm's mean decides.
        """
        codes = self._codes[rows]
        sums, counts = self.sums[self._all, codes], self.counts[self._all, codes]
        overall = self.sums.sum(axis=1) / np.maximum(self.counts.sum(axis=1), 1.0)
        means: Floats = ((sums + overall) / (counts + 1))[:, self.columns]
        return means

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Count."""
        codes = self._codes[rows]
        self.counts[self._all, codes, chosen] += 1
        self.sums[self._all, codes, chosen] += rewards


class StackedLinear(StackedPolicy):
    """The core of the linear policies for many seeds: A⁻¹ and θ of each arm, (S, K, d, d).

    Parameters
    ----------
    table, seeds, epsilon
        See `StackedPolicy`.
    ridge : float
        λ: A⁻¹ starts as I/λ.
    """

    def __init__(
        self, table: RepairTable, seeds: int, ridge: float = 1.0, epsilon: float = 0.0
    ) -> None:
        super().__init__(table, seeds, epsilon)
        if not (ridge > 0 and np.isfinite(ridge)):
            raise ConfigError(f"ridge (λ) is a number above 0, not {ridge!r}.")
        self.inputs = rotated(table.features)
        d = self.inputs.shape[1]
        self.a_inv = np.tile(np.eye(d) / ridge, (seeds, self.n_arms, 1, 1))
        self.theta = np.zeros((seeds, self.n_arms, d))
        self._index = np.full(len(table.arms), -1)
        self._index[self.columns] = np.arange(self.n_arms)
        self._rows: Ints | None = None

    def means(self, x: Floats) -> Floats:
        """Return θᵀx of each arm, shape (S, K)."""
        means: Floats = np.matmul(self.theta, x[:, :, None])[:, :, 0]
        return means

    def widths(self, rows: Ints, x: Floats) -> Floats:
        """Return √(xᵀA⁻¹x) of each arm, shape (S, K); keeps A⁻¹x for `learn`."""
        s, d = x.shape
        flat = np.matmul(self.a_inv.reshape(s, -1, d), x[:, :, None])
        self._projected = flat.reshape(s, self.n_arms, d)
        self._rows = rows
        variances = np.matmul(self._projected, x[:, :, None])[:, :, 0]
        return np.sqrt(np.maximum(variances, 0.0))

    def estimates(self, rows: Ints) -> Floats:
        """Return θᵀx."""
        return self.means(self.inputs[rows])

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Add one observation to the chosen arm of each seed (Sherman and Morrison, 1950)."""
        arms = self._index[chosen]
        x = self.inputs[rows]
        if self._rows is rows:
            projected = self._projected[self._all, arms]
        else:
            projected = np.matmul(self.a_inv[self._all, arms], x[:, :, None])[:, :, 0]
        denominator = 1.0 + np.einsum("sd,sd->s", x, projected)
        theta = self.theta[self._all, arms]
        surprise = rewards - np.einsum("sd,sd->s", x, theta)
        self.theta[self._all, arms] = theta + projected * (surprise / denominator)[:, None]
        half = projected / np.sqrt(denominator)[:, None]
        self.a_inv[self._all, arms] -= half[:, :, None] * half[:, None, :]
        self._rows = None


class StackedLinUCB(StackedLinear):
    """`sqlbench.policies.linucb` for many seeds; every decision counts as an episode.

    Parameters
    ----------
    table, seeds, ridge, epsilon
        See `StackedLinear`.
    alpha, decay, min_alpha
        The width of the bound, what it is multiplied by after each decision, and its floor.
    """

    def __init__(
        self,
        table: RepairTable,
        seeds: int,
        alpha: float = 1.5,
        decay: float = 0.995,
        min_alpha: float = 0.3,
        ridge: float = 1.0,
        epsilon: float = 0.0,
    ) -> None:
        super().__init__(table, seeds, ridge, epsilon)
        if not (alpha >= 0 and np.isfinite(alpha)):
            raise ConfigError(f"alpha is a number of at least 0, not {alpha!r}.")
        if not 0 < decay <= 1:
            raise ConfigError(f"decay is a factor above 0 and at most 1, not {decay!r}.")
        if not (min_alpha >= 0 and np.isfinite(min_alpha)):
            raise ConfigError(f"min_alpha is a number of at least 0, not {min_alpha!r}.")
        self.alpha, self.decay, self.min_alpha = alpha, decay, min(min_alpha, alpha)

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return θᵀx + α·√(xᵀA⁻¹x)."""
        x = self.inputs[rows]
        return self.means(x) + self.alpha * self.widths(rows, x)

    def learn(self, rows: Ints, chosen: Ints, rewards: Floats) -> None:
        """Add one observation to each seed, and let α decay."""
        super().learn(rows, chosen, rewards)
        self.alpha = max(self.min_alpha, self.alpha * self.decay)


class StackedLinTS(StackedLinear):
    """`sqlbench.policies.lints` for many seeds: scores drawn from each arm's posterior.

    Parameters
    ----------
    table, seeds, ridge, epsilon
        See `StackedLinear`.
    v : float
        How wide the posterior is drawn.
    """

    needs_normals = True

    def __init__(
        self,
        table: RepairTable,
        seeds: int,
        v: float = 0.3,
        ridge: float = 1.0,
        epsilon: float = 0.0,
    ) -> None:
        super().__init__(table, seeds, ridge, epsilon)
        if not (v >= 0 and np.isfinite(v)):
            raise ConfigError(f"v is a number of at least 0, not {v!r}.")
        self.v = v

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return θᵀx + v·√(xᵀA⁻¹x)·z with the standard normal numbers z."""
        assert normals is not None
        x = self.inputs[rows]
        return self.means(x) + self.v * self.widths(rows, x) * normals


class StackedEpsilonGreedy(StackedLinear):
    """`sqlbench.policies.epsilon_greedy` for many seeds.

    Parameters
    ----------
    table, seeds, ridge, epsilon
        See `StackedLinear`.
    """

    def __init__(
        self, table: RepairTable, seeds: int, epsilon: float = 0.1, ridge: float = 1.0
    ) -> None:
        super().__init__(table, seeds, ridge, epsilon)

    def scores(self, rows: Ints, normals: Floats | None = None) -> Floats:
        """Return θᵀx."""
        return self.estimates(rows)


def rotated(features: Floats) -> Floats:
    """Return the features in an orthonormal basis of their span: all inner products stay."""
    _, values, basis = np.linalg.svd(features, full_matrices=False)
    rank = int((values > values[0] * 1e-12).sum())
    turned: Floats = np.ascontiguousarray(features @ basis[:rank].T)
    return turned


def stacked_policy(
    spec: str, table: RepairTable, seeds: int, profile: str | None = None
) -> StackedPolicy:
    """Make a policy for a table, in S copies.

    Parameters
    ----------
    spec : str
        As for `sqlbench.policies.make_policy`; ``fixed:ARM`` takes any arm of the table.
    table : RepairTable
        Whose rows are decided on.
    seeds : int
        S.
    profile : str or None
        The simulated model's profile for `oracle`; None takes it from the table's model.

    Raises
    ------
    UnknownNameError, ConfigError
        If there is no such policy or parameter.
    TableError
        If the table lacks what the policy asks for.
    """
    head, _, query = spec.partition("?")
    name, _, argument = head.partition(":")
    if name not in (*_LEARNERS, *_STATIC) or (name == "fixed") != bool(argument):
        raise UnknownNameError("policy", spec, REPLAYABLE)
    parameters = _parameters(spec, query)
    builder: Any = _LEARNERS.get(name, StackedStatic)
    known = [
        p
        for p in inspect.signature(builder).parameters
        if p not in ("table", "seeds", "matrix")
    ]
    for parameter in parameters:
        if parameter not in known:
            raise UnknownNameError(f"parameter of policy {name!r}", parameter, known)
    if name in _LEARNERS:
        learner: StackedPolicy = builder(table, seeds, **parameters)
        return learner
    matrix = np.zeros((len(table), len(table.arms)))
    if name == "fixed":
        matrix[:, table.arm(argument, spec)] = 1.0
    elif name == RESAMPLE:
        matrix[:, table.arm(RESAMPLE, spec)] = 1.0
    elif name == "rules":
        matrix[np.arange(len(table)), static_choice(table, spec)] = 1.0
    elif name == "oracle":
        matrix = _oracle_scores(table, spec, profile)
    return StackedStatic(table, seeds, matrix, **parameters)


def _oracle_scores(table: RepairTable, spec: str, profile: str | None) -> Floats:
    from sqlbench.context import Context
    from sqlbench.errors import ErrorClass
    from sqlbench.models.profile import load_profile
    from sqlbench.repair import ARMS

    if table.expected is not None:
        return table.expected
    kind, _, named = table.model.partition(":")
    if kind != "simulated" and profile is None:
        raise TableError(
            f"The policy {spec!r} asks for a simulated model's matrix, which the repair table "
            f"{table.name!r} lacks: its model is {table.model or 'real'!r}."
        )
    matrix = load_profile(profile or named or "default")
    scores = np.zeros((len(table), len(table.arms)))
    for i, context in enumerate(table.contexts):
        for arm in ARMS:
            p = matrix.p_fixed(Context(ErrorClass(context), 2), arm)
            scores[i, table.arm(str(arm), spec)] = p
    return scores


_LEARNERS: dict[str, type[StackedPolicy]] = {
    "linucb": StackedLinUCB,
    "lints": StackedLinTS,
    "epsilon-greedy": StackedEpsilonGreedy,
    "ucb1": StackedUCB1,
    "table": StackedTable,
}
_STATIC = ("rules", "random", "resample", "fixed", "oracle")
REPLAYABLE = (*_LEARNERS, "rules", "random", "resample", "fixed:ARM", "oracle")
