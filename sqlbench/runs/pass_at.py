"""pass@k: the chance that one of k independent first answers is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sqlbench.exceptions import ConfigError
from sqlbench.stats import share

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.runs.run import Run


def pass_at_k(run: Run) -> pd.DataFrame:
    """Return pass@k for every k up to the number of samples, clustered by question.

    The share of episodes of which one of k samples is right, averaged over all choices of k of the
    n that were drawn: 1 − C(n − c, k) / C(n, k) of an episode with c right ones, which is unbiased
    where counting the first k is only so on average.

    Returns
    -------
    DataFrame
        Index: k from 1. Columns: rate, low, high (95%, by question), episodes.

    Raises
    ------
    ConfigError
        If the run drew one sample a question.

    References
    ----------
    M. Chen et al.: Evaluating Large Language Models Trained on Code, 2021, equation 1.
    """
    import pandas as pd

    n = run.config.samples
    if n == 1:
        raise ConfigError("The run has one first answer a question: pass@k needs --samples K.")
    right = np.array([sum(s.success for s in e.samples) for e in run.log], dtype=int)
    questions = [e.question_id for e in run.log]
    rows = []
    for k in range(1, n + 1):
        passed = _chance(right, n, k)
        found = share(passed, questions)
        rows.append((found.estimate, found.low, found.high, len(passed)))
    index = pd.RangeIndex(1, n + 1, name="k")
    return pd.DataFrame(rows, index=index, columns=["rate", "low", "high", "episodes"])


def _chance(right: NDArray[np.int_], n: int, k: int) -> NDArray[np.float64]:
    """Return 1 − C(n − c, k) / C(n, k) for each c, as a product that cannot overflow."""
    places = np.arange(k)
    left = np.maximum(n - right[:, None] - places, 0) / (n - places)
    chance: NDArray[np.float64] = 1.0 - left.prod(axis=1)
    return chance
