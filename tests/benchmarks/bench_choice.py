"""What the choice among several answers is worth on real ones, and its weights.

    python tests/benchmarks/bench_choice.py ../shared/spider \\
        [--candidates FILE …] [--cache FOLDER] [--write]

Doubt's weights are learned from ``systems.jsonl.gz`` with each database held out; the choice's
weights from the same answers and from the candidates of the other databases, in `FOLDS` folds. So
no answer is judged by weights that have seen its database, and one rule serves all sources.
Candidates given by ``--candidates`` beside the folder's own are judged, and nothing is learned from
them. ``--write`` learns from everything and writes the weights that the package brings. The audit
of real chains of repairs is measured by `bench_signals.py --bird`.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from held_out_doubts import Set, Stored, held_out
from measured_answers import rows_of

from sqlbench.signals.audit import audit_chain
from sqlbench.signals.choice import Candidate, repeats
from sqlbench.signals.choice_fit import Group, fit_choice
from sqlbench.signals.choice_weights import (
    DEFAULT,
    ChoiceWeights,
    place_features,
    save_choice_weights,
)
from sqlbench.signals.registry import NAMES
from sqlbench.stats import Interval, clustered_ratio, paired_difference

FOLDS = 6


def choices_of(
    stored: Stored, inputs: np.ndarray, doubts: np.ndarray, taught: Collection[str]
) -> list[int]:
    """Return the place that is chosen in each set, by weights that saw no set of its database.

    Parameters
    ----------
    stored : Stored
    inputs, doubts : array
        Of all answers, held out by database.
    taught : collection of str
        The sources that the weights of the choice learn from.
    """
    groups = groups_of(stored, inputs, doubts, taught)
    databases = sorted(set(stored.answers.database.tolist()))
    choices: dict[int, int] = {}
    for fold in (set(databases[k::FOLDS]) for k in range(FOLDS)):
        mine = [i for i, s in enumerate(stored.sets) if s.database in fold]
        if mine:
            weights = fit_choice([g for g in groups if g.database not in fold], NAMES)
        for i in mine:
            s = stored.sets[i]
            choices[i] = pick(s, group_of(s, inputs, doubts), weights)
    return [choices[i] for i in range(len(stored.sets))]


def groups_of(
    stored: Stored, inputs: np.ndarray, doubts: np.ndarray, taught: Collection[str]
) -> list[Group]:
    """Return what the choice learns from: systems' answers by question, and candidates."""
    answers = stored.answers
    by_question: dict[int, list[int]] = defaultdict(list)
    for place in np.flatnonzero(answers.weight > 0).tolist():
        by_question[int(answers.question[place])].append(place)
    groups = [
        Group(
            str(answers.databases[q]), inputs[p], doubts[p], answers.wrong[p] == 0,
            answers.weight[p],
        )
        for q, p in by_question.items()
    ]  # fmt: skip
    return groups + [group_of(s, inputs, doubts) for s in stored.sets if s.source in taught]


def group_of(s: Set, rows: np.ndarray, doubts: np.ndarray) -> Group:
    """Return a set of candidates as the choice learns from it."""
    ones = np.ones(len(s.rows))
    return Group(
        s.database, rows[s.rows], doubts[s.rows], s.right, ones, s.same, repeats(s.statements)
    )


def pick(s: Set, group: Group, weights: ChoiceWeights) -> int:
    """Return the place of the answer that the weights choose."""
    strength = weights.strength(group.rows, group.doubts, NAMES)
    scores = weights.scores(strength, group.same, group.repeated)  # type: ignore[arg-type]
    return int(np.argmax(np.where(s.ran, scores, -np.inf)))


def choice_figures(
    sets: Sequence[Set], choices: Sequence[int]
) -> Iterator[tuple[str, float, str, Interval]]:
    """Yield for each source what is closed of the gap, with its text, and the points gained.

    The points are of the chosen answers over those that most results agree with, in pairs.
    """
    by: dict[str, list[tuple[Set, int]]] = defaultdict(list)
    for s, chosen in zip(sets, choices, strict=True):
        by[s.source].append((s, chosen))
    for source, mine in by.items():
        voted = [int(np.argmax(np.where(s.ran, s.same.sum(axis=1), -1))) for s, _ in mine]
        hits = np.array(
            [(s.right[0], s.right[c], s.right.any(), s.right[v])
             for (s, c), v in zip(mine, voted, strict=True)], dtype=float,
        )  # fmt: skip
        databases = [s.database for s, _ in mine]
        closed, agreed = (
            clustered_ratio(hits[:, i] - hits[:, 0], hits[:, 2] - hits[:, 0], databases)
            for i in (1, 3)
        )  # fmt: skip
        over = paired_difference(hits[:, 1], hits[:, 3], databases)
        first, taken, some = hits[:, :3].mean(axis=0)
        print(
            f"{source}: right first {first:.3f}, chosen {taken:.3f}, any {some:.3f}; closed by "
            f"agreement {agreed}; chosen less agreement's {over.points}",
            flush=True,
        )
        yield source, closed.estimate, str(closed), over


Answered = Mapping[tuple[str, str], tuple[float, Any, bool]]
"""By source and question: the doubt, the outcome, whether it is right."""


def audit_chains(chains: Mapping[str, Sequence[str]], answered: Answered) -> tuple[float, int]:
    """Print each chain with and without the audit.

    Returns
    -------
    kept : float
        Of what the good chains gain, the share that is left.
    worst : int
        The least that an audited chain gains over its first answers.
    """
    gained = saved = 0
    nets = []
    for name, steps in chains.items():
        questions = sorted(q for source, q in answered if source == steps[0])
        counts = np.zeros(5, dtype=int)
        for question in questions:
            answers = [answered[step, question] for step in steps]
            chain = [Candidate("", outcome, float(doubt)) for doubt, outcome, _ in answers]
            right = [r for _, _, r in answers]
            taken = right[audit_chain(chain)]
            counts += (right[0], right[-1], taken, taken > right[0], taken < right[0])
        first, last, audited, fixed, broken = counts.tolist()
        gained += max(0, last - first)
        saved += audited - first if last > first else 0
        nets.append(audited - first)
        print(
            f"{name:18} first {first} last {last} audited {audited} of {len(questions)} "
            f"(fixed {fixed}, broken {broken}, net {fixed - broken:+d})"
        )
    return (saved / gained if gained else float("nan")), min(nets)


def main() -> None:
    """Print the choice's figures, and write its weights if wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--candidates", type=Path, nargs="*", default=[])
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folds", type=int, default=0, help="as for bench_signals.py")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    own, systems = (options.folder / f"{n}.jsonl.gz" for n in ("candidates", "systems"))
    stored = Stored(
        f"spider:{options.folder}", systems, systems, [own, *options.candidates],
        workers=options.workers, cache=options.cache,
    )  # fmt: skip
    taught = {str(s["source"]) for s in rows_of(own)}
    inputs, _, doubts = held_out(
        stored, families=False, folds=options.folds, seed=options.seed, workers=options.workers,
        cache=options.cache,
    )  # fmt: skip
    choices = choices_of(stored, inputs, doubts[:, 0], taught)
    for source, _, text, over in choice_figures(stored.sets, choices):
        print(f"{source}: of the gap {text}; points over agreement {over.points}")
    if options.write:
        groups = groups_of(stored, inputs, doubts[:, 0], taught)
        about = {
            "answers": sum(len(g.right) for g in groups),
            "groups": len(groups),
            "databases": len({g.database for g in groups}),
            "places": list(place_features(np.eye(2, dtype=bool), 0.0)),
        }
        save_choice_weights(fit_choice(groups, NAMES, about=about), DEFAULT)


if __name__ == "__main__":
    main()
