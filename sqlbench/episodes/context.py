"""The bandit's state: what a policy sees before it chooses a repair.

A context is made from the attempts so far and from nothing else, so that a log alone is enough to
rebuild it, and nothing of the gold query can leak into it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import RepairAction
from sqlbench.exceptions import ConfigError

MAX_ATTEMPTS = 5

FEATURE_NAMES: tuple[str, ...] = (
    *(f"error={c}" for c in ErrorClass),
    "attempt",
    *(f"previous={a}" for a in RepairAction),
    "error_changed",
    "consecutive",
    "bias",
)
DIMENSION = len(FEATURE_NAMES)

# What an answer looks like without its gold (`sqlbench.signals`): its doubt, which kinds of signal
# speak, and of which kinds of thing the database holds another.
SIGNAL_FEATURES: tuple[str, ...] = (
    "doubt",
    *(
        f"speaks={kind}"
        for kind in (
            *("result", "values", "columns", "joins", "keys", "data"),
            *("request", "conditions", "structure"),
        )
    ),
    *(f"fact={kind}" for kind in ("names", "values", "paths", "emptied")),
)

BLOCKS: dict[str, tuple[str, ...]] = {"class": FEATURE_NAMES, "signals": SIGNAL_FEATURES}
"""The names of the features by block; a policy sees one or more, in this order."""

_ERROR_INDEX = {c: i for i, c in enumerate(ErrorClass)}
_ATTEMPT = len(ErrorClass)
_PREVIOUS_INDEX = {a: _ATTEMPT + 1 + i for i, a in enumerate(RepairAction)}
_CHANGED, _CONSECUTIVE, _BIAS = DIMENSION - 3, DIMENSION - 2, DIMENSION - 1


@dataclass(frozen=True, slots=True)
class Context:
    """What is known when the next attempt is about to be made.

    Attributes
    ----------
    error_class : ErrorClass or None
        How the last attempt failed. None if it ran and returned rows and nobody may say whether
        they are right (``feedback="always"``).
    attempt_number : int
        The attempt about to be made, 2 to 5.
    previous_action : RepairAction or None
        The arm of the last attempt; None after `generate` and after custom SQL.
    error_changed : bool
        Whether the last attempt failed otherwise than the one before it.
    consecutive_same_error : int
        How many attempts in a row, the last one included, failed in this class.
    signals : tuple of float or None
        The block ``signals``, where somebody asked for it.
    """

    error_class: ErrorClass | None
    attempt_number: int
    previous_action: RepairAction | None = None
    error_changed: bool = False
    consecutive_same_error: int = 1
    signals: tuple[float, ...] | None = None

    @classmethod
    def from_history(
        cls,
        history: Sequence[tuple[str, ErrorClass | None]],
        signals: tuple[float, ...] | None = None,
    ) -> Context:
        """Build the context of the next attempt from (action, error class) of each so far.

        ``signals`` is the block of that name, of the last attempt.

        Raises
        ------
        ValueError
            If there was no attempt yet: attempt 1 is `generate` and has no context.
        """
        if not history:
            raise ValueError("A context needs at least one attempt; attempt 1 has none.")
        action, last = history[-1]
        same = 0
        for _, error_class in reversed(history):
            if error_class != last:
                break
            same += 1
        return cls(
            error_class=last,
            attempt_number=len(history) + 1,
            previous_action=RepairAction(action) if action in _PREVIOUS_INDEX else None,
            error_changed=len(history) > 1 and history[-2][1] != last,
            consecutive_same_error=same,
            signals=signals,
        )


def parse_blocks(text: str, owner: str) -> tuple[str, ...]:
    """Read the blocks of ``features=class,signals``.

    Raises
    ------
    ConfigError
        If one does not exist or comes twice, or ``class`` is not among them: `owner` names who
        asks.
    """
    blocks = text.split(",")
    if "class" in blocks and len(set(blocks)) == len(blocks) and set(blocks) <= set(BLOCKS):
        return tuple(b for b in BLOCKS if b in blocks)
    raise ConfigError(
        f"The features of {owner} are blocks joined by commas, 'class' among them: "
        f"{', '.join(BLOCKS)}; not {text!r}."
    )


def feature_names(blocks: Sequence[str] = ("class",)) -> tuple[str, ...]:
    """Return the names of the features of some blocks, in order."""
    return tuple(name for block in blocks for name in BLOCKS[block])


def featurize(context: Context, blocks: Sequence[str] = ("class",)) -> NDArray[np.float64]:
    """Turn a context into the feature vector of the linear policies.

    Parameters
    ----------
    context : Context
        What is known.
    blocks : sequence of str
        Which of `BLOCKS`, in that order.

    Returns
    -------
    ndarray of shape (23,) or (37,)
        The error class one-hot (11), attempt/5 (1), the previous action one-hot (8), error_changed
        (1), min(consecutive, 5)/5 (1) and a bias (1), named by `FEATURE_NAMES`; then, where asked
        for, `SIGNAL_FEATURES` (14).

    Raises
    ------
    ValueError
        If the signals are asked for, and the context has none.
    """
    if "signals" in blocks and context.signals is None:
        raise ValueError("This context has no signals, and the policy's features ask for them.")
    x = np.zeros(DIMENSION)
    if context.error_class is not None:
        x[_ERROR_INDEX[context.error_class]] = 1.0
    x[_ATTEMPT] = context.attempt_number / MAX_ATTEMPTS
    if context.previous_action is not None:
        x[_PREVIOUS_INDEX[context.previous_action]] = 1.0
    x[_CHANGED] = float(context.error_changed)
    x[_CONSECUTIVE] = min(context.consecutive_same_error, MAX_ATTEMPTS) / MAX_ATTEMPTS
    x[_BIAS] = 1.0
    if "signals" in blocks:
        return np.concatenate([x, np.asarray(context.signals, dtype=np.float64)])
    return x
