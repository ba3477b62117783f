"""How sharp must a repair matrix be before learning it pays? A sweep over the one assumption.

Nobody has measured how much a prompt made for one error class gains over a generic one, so the
simulator's matrix is an assumption. Here it is drawn towards its own row means: sharpness 0 makes
all arms alike in every class, 1 leaves the matrix as it is. All results are simulated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlbench.episodes.repair import ARMS
from sqlbench.evidence.replay import replay
from sqlbench.evidence.synthetic import synthetic_table
from sqlbench.exceptions import ConfigError
from sqlbench.models.simulated.profile import Profile
from sqlbench.seeds import Role, generator
from sqlbench.stats import seed_band

if TYPE_CHECKING:
    import pandas as pd


def sharpened(profile: Profile, sharpness: float) -> dict[str, dict[str, float]]:
    """Return a profile's P(fixed | class, arm), drawn towards the mean of each class.

    Parameters
    ----------
    profile : Profile
        Whose matrix it is.
    sharpness : float
        At least 0: 0 makes all arms of a class alike, 1 changes nothing, above 1 exaggerates.
    """
    if not (sharpness >= 0 and np.isfinite(sharpness)):
        raise ConfigError(f"sharpness is a number of at least 0, not {sharpness!r}.")
    matrix = {}
    for error_class, row in profile.repair.items():
        mean = sum(row.values()) / len(row)
        matrix[str(error_class)] = {
            str(a): float(np.clip(mean + sharpness * (row[a] - mean), 0.0, 1.0)) for a in ARMS
        }
    return matrix


def sweep(
    profile: Profile,
    shares: Mapping[str, float],
    *,
    sharpness: Sequence[float],
    policies: Sequence[str],
    seeds: Sequence[int],
    decisions: int,
    checkpoints: Sequence[int],
) -> pd.DataFrame:
    """Replay policies on tables drawn from matrices of different sharpness.

    Parameters
    ----------
    profile : Profile
        Whose matrix is sharpened.
    shares : mapping of error class to float
        How often each class comes among failing first answers.
    sharpness, policies, seeds : sequence
        What is compared. The first policy is compared with each of the others, seed by seed.
    decisions : int
        First repairs that each seed makes.
    checkpoints : sequence of int
        After how many of them the comparison is read, each at most ``decisions``.

    Returns
    -------
    DataFrame
        Columns: sharpness, decisions, policy, repaired (mean outcome over all decisions so far),
        and the first policy's difference from it with its 95% t interval over seeds (difference,
        low, high; 0 for itself, NaN where the seeds agree).
    """
    import pandas as pd

    if max(checkpoints) > decisions:
        raise ConfigError(f"A checkpoint of {max(checkpoints)} lies beyond {decisions} decisions.")
    rows: list[dict[str, Any]] = []
    for s in sharpness:
        rng = generator(0, Role.ANALYSIS, "sweep")
        table = synthetic_table(
            sharpened(profile, s), shares, decisions, rng, name=f"sharpness {s:g}"
        )
        found = replay(table, policies, seeds)
        sums = {p: np.cumsum(found.values(p), axis=1) for p in policies}
        for n in checkpoints:
            for policy in policies:
                difference = (sums[policies[0]][:, n - 1] - sums[policy][:, n - 1]) / n
                itself = policy == policies[0]  # from which it differs by nothing
                mean, low, high = (0.0, 0.0, 0.0) if itself else map(float, seed_band(difference))
                rows.append(
                    {
                        "sharpness": s,
                        "decisions": n,
                        "policy": policy,
                        "repaired": float(sums[policy][:, n - 1].mean()) / n,
                        "difference": mean,
                        "low": low,
                        "high": high,
                    }
                )
    return pd.DataFrame(rows)


def first_win(frame: pd.DataFrame, against: str) -> dict[float, int | None]:
    """Return, for each sharpness, the first checkpoint from which the first policy stays ahead.

    Ahead means that the whole 95% interval of the difference lies above 0, at this checkpoint and
    at all later ones; None if it never does.
    """
    wins: dict[float, int | None] = {}
    for s, part in frame[frame["policy"] == against].groupby("sharpness"):
        ahead = (part.sort_values("decisions")["low"] > 0).to_numpy()
        points = part.sort_values("decisions")["decisions"].to_numpy()
        since = len(ahead) - int(np.argmin(ahead[::-1])) if not ahead.all() else 0
        wins[float(str(s))] = int(points[since]) if since < len(ahead) else None
    return wins
