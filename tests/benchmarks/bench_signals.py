"""The targets of the signals, measured on stored answers of real systems: one table.

    python tests/benchmarks/bench_signals.py ../shared/spider --bird ../shared/bird_superhero
    python tests/benchmarks/bench_signals.py ../shared/spider --systems OTHERS.jsonl.gz \\
        --candidates OTHER_CANDIDATES.jsonl.gz --bird OTHER_BIRD
    python tests/benchmarks/bench_signals.py ../shared/spider --speed 300

The folder is in Spider's layout (or ``--suite`` says what was asked) and holds
``systems.jsonl.gz``, which the weights are learned from: one record a distinct answer, with
``index`` or ``question_id``, ``pred``, ``official_exec`` or ``bird_ex``, and ``systems``, who gave
it. ``--systems FILE`` judges another file of that form, of the same or of other systems and
databases; ``--learn FILE`` learns from another. No answer is judged by weights that saw its
database or, in the lines that say so, its family of systems. ``--candidates`` judges further sets
of candidates beside the folder's own. ``--bird DIR`` judges ``predictions.jsonl.gz`` there by
weights of ``--learn`` alone, and audits ``chains.json``. ``--write`` writes the weights that were
learned from all of ``--learn`` into the package. Intervals are by database (by question where there
is one), with a seed. ``--cache DIR`` keeps the measured answers, which take some ten minutes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench_choice import audit_chains, choice_figures, choices_of
from bench_facts import Cases, facts_figures
from held_out_doubts import Stored, held_out
from measured_answers import Places, measure_all, rows_of, suite_of, verdict

from sqlbench.databases import QueryError
from sqlbench.databases.memo import no_memo
from sqlbench.exceptions import SQLBenchError
from sqlbench.signals import diagnose
from sqlbench.signals.doubt import DEFAULT, Weights, load_weights, save_weights
from sqlbench.signals.registry import NAMES
from sqlbench.signals.train import area, gather, inputs_of_answers, train
from sqlbench.words import markdown_table

Array = np.ndarray[Any, Any]
DRAWS = 300


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--suite", help="what was asked; default: spider:FOLDER")
    parser.add_argument("--systems", type=Path, help="the answers that are judged")
    parser.add_argument("--learn", type=Path, help="the answers that weights are learned from")
    parser.add_argument("--candidates", type=Path, nargs="*", default=[])
    parser.add_argument("--bird", type=Path)
    parser.add_argument("--no-hint", action="store_true", help="leave BIRD's evidence out")
    parser.add_argument("--no-families", action="store_true", help="hold out databases only")
    parser.add_argument(
        "--folds", type=int, default=0, help="hold out groups of databases, not each alone"
    )
    parser.add_argument("--weights", type=Path, help="judge --bird by these, and nothing else")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--speed", type=int, default=0, help="only time so many answers")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.suite = args.suite or f"spider:{args.folder}"
    args.learn = args.learn or args.folder / "systems.jsonl.gz"
    args.systems = args.systems or args.learn
    if args.weights and not args.bird:
        parser.error("--weights judges the answers of --bird DIR: name that folder too")
    lines = Lines()
    if args.speed:
        speed(lines, args)
    elif args.weights:
        of_bird(lines, load_weights(args.weights), args)
    else:
        of_systems(lines, args)
    print(lines.table())


class Lines:
    """The table: what is measured, what was aimed at, and whether it is reached."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str]] = []

    def add(self, name: str, value: float, text: str, aim: float, most: bool = False) -> None:
        """Add a line; ``most`` where the value may be no larger than what is aimed at."""
        reached = value <= aim if most else value >= aim
        said = "no figure" if np.isnan(value) else "reached" if reached else "MISSED"
        bound = "at most" if most else "at least"
        self.rows.append((name, text, f"{bound} {aim:g}", said))
        print(f"{name}: {text} ({bound} {aim:g}: {said})", flush=True)

    def table(self) -> str:
        """Return the table as text."""
        return "\n" + markdown_table(["target", "measured [95%]", "aim", ""], self.rows)


def of_systems(lines: Lines, args: argparse.Namespace) -> None:
    """Measure everything that the answers to the suite's questions tell."""
    own = args.folder / "candidates.jsonl.gz"
    files = [*([own] if own.exists() else []), *args.candidates]
    stored = Stored(
        args.suite, args.learn, args.systems, files, workers=args.workers, cache=args.cache
    )
    judged = stored.judged.sum(axis=1)
    print(
        f"judged: {int((judged > 0).sum())} distinct answers, given {judged.sum():.0f} times by "
        f"systems of {', '.join(stored.families)}; learned from: {len(stored.learning.wrong)}; "
        f"records of questions that the suite leaves out: {stored.lost}",
        flush=True,
    )
    families = not args.no_families
    inputs, logits, doubts = held_out(
        stored,
        families=families,
        folds=args.folds,
        seed=args.seed,
        workers=args.workers,
        cache=args.cache,
    )
    database, wrong = stored.answers.database, stored.answers.wrong
    of_doubts(
        lines, "databases held out", doubts[:, 0], wrong, judged, stored.with_rows, database,
        args.seed, logit=logits[:, 0],
    )  # fmt: skip
    if families:  # one row for each answer and family that gave it
        rows, columns = np.nonzero(stored.judged)
        of_doubts(
            lines, "databases and families held out", doubts[rows, columns + 1], wrong[rows],
            stored.judged[rows, columns], stored.with_rows[rows], database[rows], args.seed,
            logit=logits[rows, columns + 1],
        )  # fmt: skip
    for name, place, value, text in facts_figures(Cases(args.suite, [args.systems]).found):
        aim = {"columns": (0.9, 0.97), "tables": (0.95, None), "values": (None, 0.6)}
        aims = aim.get(name, (None, None))
        if (target := aims[place == "among three"]) is not None:
            lines.add(f"{name}, {place}", value, text, target)
    if stored.sets:
        taught = {str(r["source"]) for r in rows_of(own)} if own.exists() else set()
        choices = choices_of(stored, inputs, doubts[:, 0], taught)
        aim_of = {"chatgpt": 0.6, "gpt4": 0.5}
        for source, closed, text, over in choice_figures(stored.sets, choices):
            lines.add(
                f"choice, {source}, gap closed", closed, text, aim_of.get(source.lower(), 0.15)
            )
            lines.add(
                f"choice, {source}, points over agreement, lower end", 100 * over.low,
                over.points, 0.0,
            )  # fmt: skip
    if args.bird or args.write:
        weights = train(stored.learning, seed=args.seed, about={"suite": args.suite.split(":")[0]})
        if args.write:
            save_weights(weights, DEFAULT)
        if args.bird:
            of_bird(lines, weights, args)


def of_doubts(
    lines: Lines, title: str, doubt: Array, wrong: Array, weight: Array, rows: Array,
    group: Array, seed: int, aims: Sequence[float | None] = (0.87, 0.78, 0.78, 0.05, 0.45),
    logit: Array | None = None,
) -> None:  # fmt: skip
    """Add the lines of some doubts; an answer without weight is not looked at.

    Areas are of the logits where these are given (see `held_out`), and of the doubts beside them.
    """
    kept = weight > 0
    score = doubt if logit is None else logit
    doubt, wrong, weight, rows, group, score = (
        x[kept] for x in (doubt, wrong, weight, rows, group, score)
    )
    members = [np.flatnonzero(group == g) for g in sorted(set(group.tolist()))]
    rng = np.random.default_rng(seed)
    draws = [np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
             for _ in range(DRAWS)]  # fmt: skip
    everything = np.ones(len(doubt), bool)
    figures: list[tuple[str, Callable[..., float], Array, Array, float | None, bool]] = [
        ("AUC, all answers", area, score, everything, aims[0], False),
        ("AUC, answers with rows", area, score, rows, aims[1], False),
        ("calibration error", calibration_error, doubt, everything, aims[3], True),
        ("precision at 20% flagged", precision, doubt, everything, aims[4], False),
    ]
    if logit is not None:
        figures.insert(2, ("AUC of calibrated doubts, all answers", area, doubt, everything, None,
                           False))  # fmt: skip
    for name, figure, said, part, aim, most in figures:
        value = figure(wrong[part], said[part], weight[part])
        spread = [figure(wrong[d], said[d], weight[d]) for draw in draws
                  if len(d := draw[part[draw]])]  # fmt: skip
        low, high = np.nanpercentile(spread, [2.5, 97.5])
        text = f"{value:.3f} [{low:.3f}, {high:.3f}]"
        if aim is not None:
            lines.add(f"{name}, {title}", value, text, aim, most)
        else:
            print(f"{name}, {title}: {text}", flush=True)
    if aims[2] is not None and len(members) > 1:
        each = {str(group[m[0]]): area(wrong[k], doubt[k], weight[k]) for m in members
                if len(k := m[rows[m]])}  # fmt: skip
        middle = float(np.nanmedian(list(each.values())))
        lines.add(f"AUC with rows, median database, {title}", middle, f"{middle:.3f}", aims[2])
        print("  " + ", ".join(f"{d} {v:.2f}" for d, v in sorted(each.items(), key=lambda e: e[1])))


def of_bird(lines: Lines, weights: Weights, args: argparse.Namespace) -> None:
    """Judge the answers of a BIRD folder, and audit its chains, by weights of other data."""
    spec = f"bird:{args.bird}"
    places = Places(spec)
    records = [(r, q) for r in rows_of(args.bird / "predictions.jsonl.gz") if (q := places.of(r))]
    found = measure_all(
        spec, [(q, r["pred"]) for r, q in records], outcomes=True, hint=not args.no_hint,
        workers=args.workers, cache=args.cache,
    )  # fmt: skip
    answers = gather([m for m, _ in found], [1.0 - verdict(r) for r, _ in records])
    doubt = weights.probability(inputs_of_answers(answers, weights))
    raised, empty = (answers.values[:, NAMES.index(n)] == 0 for n in ("raised", "empty"))
    databases = sorted(set(answers.database.tolist()))
    questions = np.array([q for _, q in records])
    title = f"transfer to {', '.join(databases)}" + (", no hint" if args.no_hint else "")
    group = answers.database if len(databases) > 1 else questions
    of_doubts(
        lines, title, doubt, answers.wrong, answers.weight, raised & empty, group, args.seed,
        (0.83, 0.78, None, None, None),
    )  # fmt: skip
    chains = args.bird / "chains.json"
    if chains.is_file():
        answered = {(r["source"], q): (doubt[i], found[i][1], verdict(r))
                    for i, (r, q) in enumerate(records)}  # fmt: skip
        kept, worst = audit_chains(json.loads(chains.read_text()), answered)
        lines.add("audit, share of the good chains' gain that is kept", kept, f"{kept:.1%}", 0.8)
        lines.add("audit, worst chain's end less its first answers", worst, f"{worst:+d}", 0)


def calibration_error(wrong: Array, doubt: Array, weight: Array) -> float:
    """Return the expected calibration error over ten bins of equal width."""
    bins = np.minimum((doubt * 10).astype(int), 9)
    gaps = np.abs(np.bincount(bins, weight * wrong, 10) - np.bincount(bins, weight * doubt, 10))
    return float(gaps.sum() / weight.sum())


def precision(wrong: Array, doubt: Array, weight: Array, share: float = 0.2) -> float:
    """Return how many of the most doubtful answers are wrong, this share of all flagged."""
    order = np.argsort(-doubt, kind="stable")
    flagged = np.cumsum(weight[order]) <= share * weight.sum()
    if not flagged.any():
        return float("nan")
    return float(np.average(wrong[order][flagged], weights=weight[order][flagged]))


def speed(lines: Lines, args: argparse.Namespace) -> None:
    """Time diagnose beside the query, on a sample of answers, each database read before."""
    places = Places(args.suite)
    records = [(q, r["pred"]) for r in rows_of(args.systems) if (q := places.of(r))]
    rng = np.random.default_rng(args.seed)
    count = min(args.speed, len(records))
    sample = [records[i] for i in rng.choice(len(records), count, replace=False)]
    suite = suite_of(args.suite)
    took, queries = [], []
    for again in (False, True):
        for question_id, sql in sample:
            question = suite.question(question_id)
            database = suite.databases[question.db_id]
            start = time.perf_counter()
            try:
                outcome: Any = database.execute(sql)
            except QueryError as error:
                outcome = error
            middle, processor = time.perf_counter(), time.thread_time()
            with no_memo():  # else the second time is the memo's
                diagnose(question.text, sql, database, outcome)
            if again:
                took.append((time.thread_time() - processor) * 1000)
                queries.append((middle - start) * 1000)
    median, late = float(np.median(took)), float(np.percentile(took, 95))
    lines.add(
        f"diagnose, ms of processor time, median of {count}", median, f"{median:.2f}", 5, True
    )
    lines.add("diagnose, ms of processor time, 95th percentile", late, f"{late:.2f}", 25, True)
    ratio = median / float(np.median(queries))
    print(f"the query itself: median {np.median(queries):.2f} ms of the clock; ratio {ratio:.0f}")


if __name__ == "__main__":
    try:
        main()
    except SQLBenchError as error:
        raise SystemExit(f"bench_signals.py: {error}") from None
