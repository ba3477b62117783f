"""The weights of a choice: what speaks for an answer among answers to the same question.

Doubt says how likely an answer is wrong, and much of that is how hard its question is. Here only
what differs between answers to one question counts: a straight line over the doubt's log-odds, the
signals and the fit of the skeleton (a conditional logit, McFadden 1974), and then over the model's
order and the agreement of results.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.exceptions import ConfigError
from sqlbench.paths import located
from sqlbench.signals.skeleton import ELEMENTS

CHOICE_VERSION = 1
DEFAULT = Path(__file__).with_name("choice.json")
_FARTHEST = 5.0  # standard deviations that one input may count

Floats = NDArray[np.float64]

FIT_NAMES = tuple(f"skeleton:{e}" for e in (*ELEMENTS, "surprise", "most", "most_there"))
"""The names of what follows the signals in `inputs_of`."""


@dataclass(frozen=True)
class ChoiceWeights:
    """What was learned.

    Attributes
    ----------
    inputs : tuple of str
        The signals and parts of the skeleton's fit that count.
    scale, weight : tuple of float
        For each input: what one unit is, and what a unit adds.
    logit : float
        What the log-odds of being right add.
    places : dict of str to float
        What a place adds: see `place_features`; ``strength`` is what the strength counts there.
    about : dict
        Hash of the data, counts and figures.
    """

    inputs: tuple[str, ...]
    scale: tuple[float, ...]
    weight: tuple[float, ...]
    logit: float
    places: dict[str, float]
    about: dict[str, Any] = field(default_factory=dict)

    def strength(self, rows: Floats, doubts: Floats, signals: Sequence[str]) -> Floats:
        """Return what speaks for answers, shape (answers,).

        Parameters
        ----------
        rows : array, shape (answers, inputs)
            As `inputs_of` gives them: the signals, then the skeleton's fit. Unknown counts as 0.
        doubts : array, shape (answers,)
            The probabilities that they are wrong.
        signals : sequence of str
            The names of the signals in ``rows``.

        Raises
        ------
        ConfigError
            If the weights read a signal that is not there: they are of another version.
        """
        names = {name: i for i, name in enumerate((*signals, *FIT_NAMES))}
        lost = [name for name in self.inputs if name not in names]
        if lost:
            raise ConfigError(
                f"The weights of the choice read {lost[0]!r}, which is no signal here: train them "
                "again with this version."
            )
        inputs = scaled(rows[:, [names[n] for n in self.inputs]], np.array(self.scale))
        found: Floats = inputs @ np.array(self.weight) + self.logit * log_odds(doubts)
        return found

    def scores(self, strength: Floats, same: NDArray[np.bool_], repeated: float) -> Floats:
        """Return the score of each answer of one question, shape (answers,).

        Parameters
        ----------
        strength : array, shape (answers,)
        same : array of bool, shape (answers, answers)
            Which have the same result.
        repeated : float
            How much the statements repeat themselves, 0 to 1.
        """
        features = place_features(same, repeated)
        total = self.places["strength"] * strength
        for name, values in features.items():
            total = total + self.places[name] * values
        found: Floats = total
        return found


def place_features(same: NDArray[np.bool_], repeated: float) -> dict[str, Floats]:
    """Return what an answer's place among the others says of it, by name.

    ``agreeing`` is the share of answers with its result; ``order`` is −log(1 + place), once for
    statements that repeat themselves and once for those that do not; ``first`` marks the first of
    statements that do not.
    """
    n = len(same)
    order = -np.log1p(np.arange(n, dtype=np.float64))
    first = (np.arange(n) == 0).astype(np.float64)
    return {
        "agreeing": same.sum(axis=1) / n * repeated,
        "order_repeated": order * repeated,
        "order_distinct": order * (1 - repeated),
        "first_distinct": first * (1 - repeated),
    }


def log_odds(doubts: Floats) -> Floats:
    """Return the log-odds of being right."""
    clipped = np.clip(doubts, 1e-6, 1 - 1e-6)
    found: Floats = np.log((1 - clipped) / clipped)
    return found


def scaled(rows: Floats, scale: Floats) -> Floats:
    """Return inputs in their units, unknown ones as 0 and none farther than 5."""
    found: Floats = np.clip(np.nan_to_num(rows) / scale, -_FARTHEST, _FARTHEST)
    return found


def load_choice_weights(path: str | Path | None = None) -> ChoiceWeights:
    """Read a file of weights, by default the package's; raises as `load_weights` of the doubt."""
    return _load(located(path) if path is not None else DEFAULT)


@functools.cache
def _load(path: Path) -> ChoiceWeights:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        version = data.pop("version")
        if version != CHOICE_VERSION:
            raise ConfigError(
                f"{str(path)!r} holds weights of version {version!r}, and this sqlbench reads "
                f"version {CHOICE_VERSION}: train them again."
            )
        inputs, scale, weight = (tuple(data[name]) for name in ("inputs", "scale", "weight"))
        return ChoiceWeights(inputs, scale, weight, data["logit"], data["places"], data["about"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{str(path)!r} holds no weights of a choice: {error}.") from None


def save_choice_weights(weights: ChoiceWeights, path: str | Path) -> None:
    """Write weights to a file, the same bytes for the same weights."""
    data = {"version": CHOICE_VERSION, **asdict(weights)}
    text = json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False)
    located(path).write_text(text + "\n", encoding="utf-8")
