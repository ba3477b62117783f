"""When does a repair bandit pay? Policies in worlds of measured failures and assumed matrices.

Every policy meets the same failures and outcomes, seed by seed, so that all differences are
paired. Values are exact means of what was chosen; random choice, the best fixed arm and the oracle
need no replay. Always simulated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from sqlbench.evidence.replay import run_stacked, seeded_order
from sqlbench.evidence.stacked import stacked_policy
from sqlbench.evidence.worlds import Failures, make_world
from sqlbench.exceptions import ConfigError
from sqlbench.seeds import Role, generator
from sqlbench.stats import seed_band

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
POLICIES = ("hybrid", "linucb", "pooled", "table", "halving", "rules")
SEEING = ("hybrid", "linucb", "pooled", "table")
"""The policies that can see signals."""
RANDOM, BEST_FIXED, ORACLE = "random", "best fixed arm", "oracle"
SETTINGS: dict[str, tuple[float, bool]] = {
    "full": (1.0, False),
    "half": (0.5, False),
    "quarter": (0.25, False),
    "signals": (1.0, True),
}
"""By name: the matrix's sharpness, and whether the signals say which arm helps."""


@dataclass(frozen=True)
class Paid:
    """What policies reached in one world.

    Attributes
    ----------
    name, setting : str
        Whose failures, and one of `SETTINGS`.
    accuracy : float
        Of the first answers.
    values : dict of str to ndarray of shape (S, T)
        By policy, P(fixed) of what each seed chose at each failure.
    """

    name: str
    setting: str
    accuracy: float
    values: dict[str, Floats] = field(repr=False)

    def gap_closed(self, policy: str, late: float = 0.7) -> tuple[float, float, float]:
        """Return the share of the gap from random to the oracle, after this share of failures.

        With its 95% t interval over seeds, which is NaN where they agree.
        """
        start = int(late * self.values[policy].shape[1])
        mean = {p: v[:, start:].mean(axis=1) for p, v in self.values.items()}
        gap = mean[ORACLE] - mean[RANDOM]
        if not (gap > 1e-9).all():
            return (float("nan"),) * 3
        if policy in (RANDOM, ORACLE):  # they are the ends of the gap
            return (float(policy == ORACLE),) * 3
        return _band((mean[policy] - mean[RANDOM]) / gap)

    def gained(self, policy: str, over: str) -> tuple[float, float, float]:
        """Return the points by which a policy mends more than another, over all failures.

        With their paired 95% t interval over seeds.
        """
        if policy == over:
            return 0.0, 0.0, 0.0
        difference = self.values[policy].mean(axis=1) - self.values[over].mean(axis=1)
        low, middle, high = np.array(_band(difference))[[1, 0, 2]] * 100
        return float(middle), float(low), float(high)

    def crossing(
        self, policy: str, over: str, *, resamples: int = 500, seed: int = 0
    ) -> tuple[float, float, float]:
        """Return after how many failures a policy has mended more than another, and stays ahead.

        Read off the mean over seeds of what both have mended so far; infinite where it never does
        within the failures replayed. The 95% interval resamples seeds.
        """
        ahead = np.cumsum(self.values[policy] - self.values[over], axis=1)
        rng = np.random.default_rng(seed)
        drawn = rng.integers(len(ahead), size=(resamples, len(ahead)))
        found = [_since(ahead[rows].mean(axis=0)) for rows in drawn]
        low, high = np.quantile(found, [0.025, 0.975], method="nearest")
        return _since(ahead.mean(axis=0)), float(low), float(high)


def _band(values: Floats) -> tuple[float, float, float]:
    mean, low, high = map(float, seed_band(values))
    return mean, low, high


def _since(ahead: Floats) -> float:
    """Return from which decision on (from 1) a curve stays above 0."""
    behind = np.flatnonzero(ahead <= 1e-9)
    if not len(behind):
        return 1.0
    return float(behind[-1] + 2) if behind[-1] + 1 < len(ahead) else float("inf")


def play(
    failures: Failures,
    setting: str,
    policies: Sequence[str] = POLICIES,
    *,
    seeds: Sequence[int] = tuple(range(20)),
    decisions: int = 1000,
) -> Paid:
    """Replay policies in one world.

    Parameters
    ----------
    failures : Failures
        How first answers fail.
    setting : str
        One of `SETTINGS`. With signals the policies that can see them do, and ``NAME, class alone``
        is added for the first of them.
    policies : sequence of str
        Specs.
    seeds : sequence of int
        At least two.
    decisions : int
        Failures that each seed repairs once.

    Raises
    ------
    ConfigError
        If there is no such setting, or too few seeds.
    """
    if setting not in SETTINGS:
        raise ConfigError(f"The setting is one of {', '.join(SETTINGS)}, not {setting!r}.")
    if len(set(seeds)) < 2:
        raise ConfigError(f"Intervals are over seeds: at least 2 of them, not {len(seeds)}.")
    sharpness, signals = SETTINGS[setting]
    rng = generator(0, Role.ANALYSIS, f"pays {failures.name}")  # common to all settings
    table = make_world(
        failures, sharpness, rng, signals=signals, rows=decisions, samples=len(seeds)
    )
    rows, samples = seeded_order(np.arange(decisions), len(seeds), seeds, decisions)
    specs = {p: p for p in policies}
    if signals:
        specs = {p: _seeing(p) for p in policies}
        specs |= {f"{p}, class alone": p for p in policies[:1] if p in SEEING}
    values = {}
    for name, spec in specs.items():
        chosen = run_stacked(stacked_policy(spec, table, len(seeds)), rows, samples, seeds)
        values[name] = table.means[rows, chosen]
    values[RANDOM] = table.means.mean(axis=1)[rows]
    values[BEST_FIXED] = table.means[:, table.best_fixed()][rows]
    values[ORACLE] = table.optimum()[rows]
    return Paid(failures.name, setting, failures.accuracy, values)


def _seeing(spec: str) -> str:
    name = spec.partition("?")[0]
    if name not in SEEING:
        return spec
    return f"{spec}{'&' if '?' in spec else '?'}features=class,signals"


def play_all(
    models: Iterable[Failures],
    settings: Sequence[str] = tuple(SETTINGS),
    policies: Sequence[str] = POLICIES,
    *,
    seeds: Sequence[int] = tuple(range(20)),
    decisions: int = 1000,
    processes: int = 1,
    progress: bool = False,
) -> list[Paid]:
    """Replay policies in every world; models without signals skip the setting that needs them.

    Parameters
    ----------
    models : iterable of Failures
        Whose failures.
    settings, policies, seeds, decisions
        As for `play`.
    processes : int
        How many share the worlds; what comes out does not depend on it.
    progress : bool
        Whether to show a bar.
    """
    pairs = [
        (failures, setting)
        for failures in models
        for setting in settings
        if failures.signals is not None or not SETTINGS[setting][1]
    ]
    one = partial(_play, policies=policies, seeds=seeds, decisions=decisions)
    with tqdm(total=len(pairs), unit="world", disable=not progress, leave=False) as bar:
        if processes == 1 or len(pairs) < 2:
            return [_counted(one(pair), bar) for pair in pairs]
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            return [_counted(found, bar) for found in pool.map(one, pairs)]


def _play(
    pair: tuple[Failures, str], policies: Sequence[str], seeds: Sequence[int], decisions: int
) -> Paid:
    return play(*pair, policies, seeds=seeds, decisions=decisions)


def _counted(found: Paid, bar: Any) -> Paid:
    bar.update()
    return found


def paid_table(
    paid: Sequence[Paid], over: Mapping[str, str] | Sequence[str] = ("rules", "table", BEST_FIXED)
) -> pd.DataFrame:
    """Return a row a world and policy.

    Columns: name, setting, accuracy, policy, fixed (of all failures), gap_closed (last 30%) with
    gap_low and gap_high, and for each of ``over`` the points gained over it with their paired
    interval: NAME, NAME_low, NAME_high.
    """
    import pandas as pd

    rows = []
    for world in paid:
        for policy, values in world.values.items():
            closed, low, high = world.gap_closed(policy)
            row: dict[str, object] = {
                "name": world.name, "setting": world.setting, "accuracy": world.accuracy,
                "policy": policy, "fixed": values.mean(), "gap_closed": closed,
                "gap_low": low, "gap_high": high,
            }  # fmt: skip
            for other in over:
                row[other], row[f"{other}_low"], row[f"{other}_high"] = world.gained(policy, other)
            rows.append(row)
    return pd.DataFrame(rows)


def crossings(paid: Sequence[Paid], policy: str, over: Sequence[str]) -> pd.DataFrame:
    """Return a row a world and other policy: after how many failures the policy stays ahead.

    Columns: name, setting, accuracy, over, crossing, low, high; infinite where it never does.
    """
    import pandas as pd

    rows = []
    for world in paid:
        for other in over:
            found, low, high = world.crossing(policy, other)
            rows.append(
                {
                    "name": world.name, "setting": world.setting, "accuracy": world.accuracy,
                    "over": other, "crossing": found, "low": low, "high": high,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)
