"""From signals to a probability that the answer is wrong, by weights that were learned before.

The weights are arrays: phrases to skeletons (a linear model, `sqlbench.signals.skeleton`), then
small trees over the signals (gradient boosting, Friedman 2001) and beside them a line
(`sqlbench.signals.line`), whose logits are added up, then a calibration (Platt 1999). NumPy
applies them; scikit-learn is needed to learn them only (`sqlbench.signals.train`).
"""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sqlbench.exceptions import ConfigError
from sqlbench.paths import located
from sqlbench.signals.line import Line
from sqlbench.signals.skeleton import ELEMENTS, phrases

WEIGHTS_VERSION = 2
FITS = 3  # of `fit_of`: how well the whole skeleton fits
DEFAULT = Path(__file__).with_name("weights.npz")

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weights:
    """What was learned.

    Attributes
    ----------
    signals : tuple of str
        The signals that the trees read, in order.
    phrases : dict of str to int
        The phrases that the skeleton's model knows, with their rows of ``table``.
    table : array of int8, shape (phrases + 1, elements)
        Log-odds of each element; the last row is what every question starts from.
    scale : array, shape (elements,)
        What one unit of ``table`` is.
    feature, threshold, missing_left : arrays, shape (trees, inner nodes)
        Complete trees, a node's children at 2i + 1 and 2i + 2; left where the value is at most
        the threshold.
    leaf : array, shape (trees, leaves)
        What each leaf adds to the logit.
    line : Line
        What is added beside the trees.
    start, slope, offset : float
        The logit before any tree; the calibration, slope · logit + offset.
    about : dict
        Hash of the data, counts and cross-validated figures.
    """

    signals: tuple[str, ...]
    phrases: dict[str, int]
    table: NDArray[np.int8]
    scale: NDArray[np.float32]
    feature: NDArray[np.int16]
    threshold: NDArray[np.float32]
    missing_left: NDArray[np.bool_]
    leaf: NDArray[np.float32]
    line: Line
    start: float
    slope: float
    offset: float
    about: dict[str, Any]

    def expected(self, words: Sequence[str]) -> Floats:
        """Return how likely each of `ELEMENTS` is in an answer to a question.

        Parameters
        ----------
        words : sequence of str
            The question's words, with names and values masked (`Links.masked`).

        Returns
        -------
        array, shape (elements,)
        """
        rows = [i for p in phrases(words) if (i := self.phrases.get(p)) is not None]
        rows.append(len(self.phrases))
        logits = self.table[rows].sum(axis=0, dtype=np.float64) * self.scale
        return _sigmoid(logits)

    def probability(self, inputs: Floats) -> Floats:
        """Return the probability that an answer is wrong.

        Parameters
        ----------
        inputs : array, shape (answers, inputs)
            The signals, NaN where unknown, then what `fit_of` gives.

        Returns
        -------
        array, shape (answers,)
        """
        trees = np.arange(len(self.feature))
        node = np.zeros((len(inputs), len(trees)), dtype=np.intp)
        inner = self.feature.shape[1]
        while inner:
            feature = self.feature[trees, node]
            value = np.take_along_axis(inputs, feature.astype(np.intp), axis=1)
            left = np.where(
                np.isnan(value),
                self.missing_left[trees, node],
                value <= self.threshold[trees, node],
            )
            node = 2 * node + np.where(left, 1, 2)
            inner //= 2
        leaf = self.leaf[trees, node - self.feature.shape[1]]
        logit = self.start + leaf.sum(axis=1, dtype=np.float64) + self.line.logit(inputs)
        return _sigmoid(self.slope * logit + self.offset)


def fit_of(expected: Floats, elements: Sequence[bool] | None) -> Floats:
    """Return how a statement's skeleton fits what is expected, as the trees read it.

    Parameters
    ----------
    expected : array, shape (elements,)
        How likely each element is.
    elements : sequence of bool or None
        Which the statement has; None if it does not parse.

    Returns
    -------
    array, shape (elements + 3,)
        Each element less what was expected; the sum of their surprises −log p, the largest, and
        the largest of an element that is there.
    """
    if elements is None:
        return np.full(len(ELEMENTS) + FITS, np.nan)
    has = np.asarray(elements, dtype=bool)
    likely = np.clip(np.where(has, expected, 1 - expected), 1e-3, 1.0)
    surprise = -np.log(likely)
    there = surprise[has].max(initial=0.0)
    return np.concatenate([has - expected, [surprise.sum(), surprise.max(), there]])


def load_weights(path: str | Path | None = None) -> Weights:
    """Read a file of weights.

    Parameters
    ----------
    path : path-like, optional
        By default the weights that come with the package.

    Raises
    ------
    ConfigError
        If the file is none, or was written by another version.
    """
    return _load(located(path) if path is not None else DEFAULT)


@functools.cache
def _load(path: Path) -> Weights:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays.pop("about")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConfigError(
            f"{str(path)!r} holds no weights of signals: {error}. Expected a file that "
            "`sqlbench signals train` wrote."
        ) from None
    if about.get("version") != WEIGHTS_VERSION:
        raise ConfigError(
            f"{str(path)!r} holds weights of version {about.get('version')!r}, and this sqlbench "
            f"reads version {WEIGHTS_VERSION}: train them again by `sqlbench signals train`."
        )
    line = Line(*(arrays.pop(f"line_{name}") for name in Line._fields))
    return Weights(
        line=line,
        signals=tuple(about["signals"]),
        phrases={p: i for i, p in enumerate(about["phrases"])},
        start=about["start"],
        slope=about["slope"],
        offset=about["offset"],
        about={k: v for k, v in about.items() if k not in ("signals", "phrases")},
        **arrays,
    )


def save_weights(weights: Weights, path: str | Path) -> None:
    """Write weights to one file, the same bytes for the same weights."""
    about = dict(weights.about, version=WEIGHTS_VERSION, signals=list(weights.signals))
    about |= {"phrases": list(weights.phrases), "start": weights.start}
    about |= {"slope": weights.slope, "offset": weights.offset}
    names = ("table", "scale", "feature", "threshold", "missing_left", "leaf")
    arrays: dict[str, Any] = {name: getattr(weights, name) for name in names}
    arrays |= {f"line_{name}": array for name, array in weights.line._asdict().items()}
    arrays["about"] = np.array(json.dumps(about, sort_keys=True))
    # As `np.savez_compressed`, but for the time of writing, which that puts into the file.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for name, array in sorted(arrays.items()):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            file.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue(), zipfile.ZIP_DEFLATED)


def _sigmoid(logit: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(logit, -30, 30)))
