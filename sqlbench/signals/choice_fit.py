"""Learn the weights of a choice from graded answers: two conditional logits (McFadden 1974).

The first learns from all answers to each question what tells right from wrong among them; the
second what the model's order and agreement add, on questions of databases that the first has not
seen. Both maximise the probability that a right answer is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sqlbench.exceptions import ConfigError
from sqlbench.signals.choice_weights import (
    FIT_NAMES,
    ChoiceWeights,
    Floats,
    log_odds,
    place_features,
    scaled,
)

_RIDGE = 30.0  # on the weights of inputs, in their units
_RIDGE_PLACES = 0.3
_VARIES = 1e-4  # a smaller variance inside questions is none
_FOLDS = 6


@dataclass(frozen=True, eq=False)
class Group:
    """Graded answers to one question that a choice is made of.

    Attributes
    ----------
    database : str
        Which groups are held out together.
    rows : array, shape (answers, inputs)
        The signals and the skeleton's fit, as `inputs_of` gives them.
    doubts : array, shape (answers,)
        By weights that have not seen the database.
    right : array of bool, shape (answers,)
    count : array, shape (answers,)
        How often each answer was given.
    same : array of bool, shape (answers, answers), or None
        Which have the same result; None where the answers have no order, as those of many systems.
    repeated : float
        How much the statements repeat themselves.
    """

    database: str
    rows: Floats
    doubts: Floats
    right: NDArray[np.bool_]
    count: Floats
    same: NDArray[np.bool_] | None = None
    repeated: float = 1.0

    @property
    def tells(self) -> bool:
        """Whether there is something to choose: right answers and wrong ones."""
        return bool(self.right.any() and not self.right.all())


def fit_choice(
    groups: Sequence[Group], signals: Sequence[str], *, about: dict[str, Any] | None = None
) -> ChoiceWeights:
    """Learn the weights of a choice.

    Parameters
    ----------
    groups : sequence of Group
        Of several databases; those with ``same`` teach what the order says.
    signals : sequence of str
        The names of the signals in the rows.
    about : dict, optional
        What the file is to say of its data.

    Raises
    ------
    ConfigError
        If no group has right and wrong answers in an order.
    """
    useful = [g for g in groups if g.tells]
    ordered = [g for g in useful if g.same is not None]
    if not ordered:
        raise ConfigError(
            "A choice is learned from questions that have right and wrong answers in an order; "
            f"none of these {len(groups)} is one."
        )
    names = (*signals, *FIT_NAMES)
    databases = sorted({g.database for g in useful})
    strengths: dict[int, Floats] = {}
    for fold in range(min(_FOLDS, len(databases))):
        held = set(databases[fold::_FOLDS])
        model = _fit_strength([g for g in useful if g.database not in held], names)
        for g in ordered:
            if g.database in held:
                strengths[id(g)] = model.strength(g.rows, g.doubts, signals)
    places = _fit_places(ordered, strengths)
    final = _fit_strength(useful, names)
    return ChoiceWeights(
        final.inputs, final.scale, final.weight, final.logit, places, dict(about or {})
    )


def _fit_strength(groups: Sequence[Group], names: Sequence[str]) -> ChoiceWeights:
    rows = np.nan_to_num(np.vstack([g.rows for g in groups]))
    place = np.repeat(np.arange(len(groups)), [len(g.right) for g in groups])
    scale = np.maximum(rows.std(axis=0), 1e-9)
    inputs = scaled(rows, scale)
    means = np.zeros((len(groups), inputs.shape[1]))
    np.add.at(means, place, inputs)
    means /= np.bincount(place)[:, None]
    kept = np.flatnonzero(((inputs - means[place]) ** 2).mean(axis=0) > _VARIES)
    odds = log_odds(np.concatenate([g.doubts for g in groups]))
    design = np.column_stack([inputs[:, kept], odds])
    ridge = np.append(np.full(len(kept), _RIDGE), 0.1)
    start = np.append(np.zeros(len(kept)), 0.5)
    right = np.concatenate([g.right for g in groups])
    count = np.concatenate([g.count for g in groups])
    found = _logit(design, place, right, np.sqrt(count), ridge, start)
    return ChoiceWeights(
        tuple(names[int(i)] for i in kept),
        tuple(round(float(s), 6) for s in scale[kept]),
        tuple(round(float(w), 5) for w in found[:-1]),
        round(float(found[-1]), 5),
        {},
    )


def _fit_places(groups: Sequence[Group], strengths: dict[int, Floats]) -> dict[str, float]:
    parts, names = [], ["strength"]
    for g in groups:
        assert g.same is not None
        features = place_features(g.same, g.repeated)
        names = ["strength", *features]
        parts.append(np.column_stack([strengths[id(g)], *features.values()]))
    place = np.repeat(np.arange(len(groups)), [len(p) for p in parts])
    right = np.concatenate([g.right for g in groups])
    ridge = np.full(len(names), _RIDGE_PLACES)
    design = np.vstack(parts)
    found = _logit(design, place, right, np.ones(len(right)), ridge, np.zeros(len(names)))
    return {name: round(float(w), 4) for name, w in zip(names, found, strict=True)}


def _logit(
    design: Floats,
    place: NDArray[np.intp],
    right: NDArray[np.bool_],
    count: Floats,
    ridge: Floats,
    start: Floats,
) -> Floats:
    """Return the weights under which a right answer of each group is likeliest to be chosen."""
    n = int(place.max()) + 1

    def loss(w: Floats) -> tuple[float, Floats]:
        z = design @ w
        top = np.full(n, -np.inf)
        np.maximum.at(top, place, z)
        e = count * np.exp(z - top[place])
        total = np.bincount(place, e, n)
        good = np.bincount(place, e * right, n) + 1e-12
        pull = e * right / good[place] - e / total[place]
        value = -float(np.log(good / total).sum() + -(ridge * w) @ w)
        return value, -(design.T @ pull) + 2 * ridge * w

    objective: Callable[..., Any] = loss
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    result: Floats = found.x
    return result
