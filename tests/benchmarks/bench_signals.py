"""How well doubt tells wrong answers from right ones, on databases and systems that it never saw.

    python tests/benchmarks/bench_signals.py ../shared/spider
    python tests/benchmarks/bench_signals.py ../shared/spider --bird ../shared/bird_superhero
    python tests/benchmarks/bench_signals.py ../shared/spider --speed 300

The first argument is a folder in Spider's layout with ``systems.jsonl.gz`` (or ``--systems FILE``:
one record a distinct answer, with ``index``, ``pred``, ``official_exec`` and ``systems``). Each
database is held out in turn, and with ``--families`` each family of systems as well: then an
answer is judged by weights that saw neither. ``--bird DIR`` judges the predictions there
(``predictions.jsonl.gz``) by weights of the first folder alone, and audits its ``chains.json``.
Intervals are bootstrapped over databases (or questions, where there is one), with a seed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import time
from collections.abc import Iterable
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np

from sqlbench.databases import QueryError
from sqlbench.signals import diagnose
from sqlbench.signals.doubt import load_weights
from sqlbench.signals.train import (
    Answers,
    area,
    gather,
    inputs_of_answers,
    measure_answer,
    train,
)
from sqlbench.suites import load_suite

_FAMILIES = ("resdsql", "codellama", "deepseek", "llama3", "graphix")
_SUITES: dict[str, Any] = {}
_PLACES: dict[str, dict[str, str]] = {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("spider", type=Path)
    parser.add_argument("--systems", type=Path)
    parser.add_argument("--bird", type=Path)
    parser.add_argument("--no-hint", action="store_true", help="leave BIRD's evidence out")
    parser.add_argument("--families", action="store_true", help="hold out families of systems too")
    parser.add_argument("--weights", type=Path, help="judge --bird by these and do not train")
    parser.add_argument("--cache", type=Path, help="keep the measured answers in this file")
    parser.add_argument("--speed", type=int, default=0, help="time diagnose on so many answers")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    systems = args.systems or args.spider / "systems.jsonl.gz"
    if args.speed:
        speed(args.spider, systems, args.speed, args.seed)
        return
    records = list(read(systems))
    spec = f"spider:{args.spider}"
    answers = measured(
        [(spec, str(r["index"]), r["pred"], False) for r in records],
        [1 - r["official_exec"] for r in records],
        [len(r["systems"]) for r in records],
        args,
        "spider",
    )
    if not args.weights:
        judge_held_out(answers, records, args)
    if args.bird:
        weights = load_weights(args.weights) if args.weights else train(answers, seed=args.seed)
        judge_bird(weights, args)


def read(path: Path) -> Iterable[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _suite(spec: str) -> Any:
    if spec not in _SUITES:
        _SUITES[spec] = load_suite(spec)
    return _SUITES[spec]


def _question(spec: str, number: str) -> Any:
    """Return the question that has this number in the benchmark's own order."""
    if spec not in _PLACES:
        _PLACES[spec] = {str(e.number): e.question_id for e in _suite(spec).entries}
    return _suite(spec).question(_PLACES[spec][number])


def _measure(job: tuple[str, str, str, bool]) -> Any:
    spec, number, sql, hint = job
    question = _question(spec, number)
    suite = _suite(spec)
    database = suite.databases[question.db_id]
    try:
        outcome: Any = database.execute(sql)
    except QueryError as error:
        outcome = error
    text = f"{question.text}\n{question.evidence}" if hint and question.evidence else question.text
    return measure_answer(text, sql, database, outcome, key=number)


def measured(
    jobs: list[tuple[str, str, str, bool]],
    wrong: list[int],
    weight: list[int],
    args: argparse.Namespace,
    name: str,
) -> Answers:
    kept = args.cache.with_name(f"{args.cache.stem}_{name}.npz") if args.cache else None
    if kept is not None and kept.exists():
        with np.load(kept, allow_pickle=False) as f:
            words = [tuple(w.split(" ")) for w in f["words"].tolist()]
            return Answers(f["values"], f["skeletons"], f["wrong"], f["weight"], f["question"],
                           words, f["databases"])  # fmt: skip
    with Pool(args.workers) as pool:
        found = gather(pool.imap(_measure, jobs, chunksize=200), wrong, weight)
    if kept is not None:
        np.savez_compressed(
            kept, values=found.values, skeletons=found.skeletons, wrong=found.wrong,
            weight=found.weight, question=found.question, databases=found.databases,
            words=np.array([" ".join(w) for w in found.words]),
        )  # fmt: skip
    return found


def family(system: str) -> str:
    return next((f for f in _FAMILIES if f in system.lower()), "pipelines of large models")


def judge_held_out(
    answers: Answers, records: list[dict[str, Any]], args: argparse.Namespace
) -> None:
    names = sorted({family(s) for r in records for s in r["systems"]}) if args.families else ["all"]
    given = np.array(
        [[sum(n in ("all", family(s)) for s in r["systems"]) for n in names] for r in records],
        dtype=float,
    )
    database = answers.database
    doubts = np.zeros((len(records), len(names)))
    for held in sorted(set(database.tolist())):
        test = database == held
        for j in range(len(names)):
            left = answers.weight - given[:, j] if args.families else answers.weight
            kept = ~test & (left > 0)
            weights = train(answers.take(kept, left[kept]), seed=args.seed)
            part = answers.take(test)
            doubts[test, j] = weights.probability(inputs_of_answers(part, weights))
        print(f"held out {held}", file=sys.stderr, flush=True)
    # One row for each answer and family that gave it.
    rows, columns = np.nonzero(given)
    report(
        "databases held out" + (" and families of systems" if args.families else ""),
        doubts[rows, columns], answers.wrong[rows], given[rows, columns], returned(answers)[rows],
        database[rows], args.seed,
    )  # fmt: skip


def returned(answers: Answers) -> Any:
    """Return which answers ran and gave rows."""
    from sqlbench.signals.registry import NAMES

    values = answers.values
    return (values[:, NAMES.index("raised")] == 0) & (values[:, NAMES.index("empty")] == 0)


def judge_bird(weights: Any, args: argparse.Namespace) -> None:
    spec, hint = f"bird:{args.bird}", not args.no_hint
    records = list(read(args.bird / "predictions.jsonl.gz"))
    answers = measured(
        [(spec, str(r["question_id"]), r["pred"], hint) for r in records],
        [1 - r["bird_ex"] for r in records], [1] * len(records), args,
        "bird" if hint else "bird_no_hint",
    )  # fmt: skip
    doubt = weights.probability(inputs_of_answers(answers, weights))
    question = np.array([str(r["question_id"]) for r in records])
    title = "BIRD, weights of Spider alone" + ("" if hint else ", without the hint")
    report(title, doubt, answers.wrong, answers.weight, returned(answers), question, args.seed)
    chains = args.bird / "chains.json"
    if chains.is_file():
        audit(json.loads(chains.read_text()), records, doubt)


def audit(chains: dict[str, list[str]], records: list[dict[str, Any]], doubt: Any) -> None:
    """Keep the old answer or take the new one by their doubts, step by step."""
    place = {(r["source"], r["question_id"]): i for i, r in enumerate(records)}
    questions = sorted({r["question_id"] for r in records})
    right = np.array([r["bird_ex"] for r in records])
    gained = kept = 0
    print("\naudit of repair chains: right first, last, and by doubt")
    for name, sources in chains.items():
        now = [place[sources[0], q] for q in questions]
        for source in sources[1:]:
            new = [place[source, q] for q in questions]
            now = [n if doubt[n] <= doubt[o] else o for o, n in zip(now, new, strict=True)]
        first = int(sum(right[place[sources[0], q]] for q in questions))
        last = int(sum(right[place[sources[-1], q]] for q in questions))
        by_doubt = int(sum(right[i] for i in now))
        print(f"  {name:18} {first:4} {last:4} {by_doubt:4}")
        if last > first:
            gained, kept = gained + last - first, kept + by_doubt - first
    print(f"  of the {gained} that the good chains gain, {kept} are kept ({kept / gained:.0%})")


def calibration_error(wrong: Any, doubt: Any, weight: Any) -> float:
    """Return the expected calibration error over ten bins of equal width."""
    bins = np.minimum((doubt * 10).astype(int), 9)
    gaps = np.abs(np.bincount(bins, weight * wrong, 10) - np.bincount(bins, weight * doubt, 10))
    return float(gaps.sum() / weight.sum())


def precision(wrong: Any, doubt: Any, weight: Any, share: float = 0.2) -> float:
    """Return how many of the most doubtful answers are wrong, this share of all flagged."""
    order = np.argsort(-doubt, kind="stable")
    flagged = np.cumsum(weight[order]) <= share * weight.sum()
    return float(np.average(wrong[order][flagged], weights=weight[order][flagged]))


def report(
    title: str, doubt: Any, wrong: Any, weight: Any, rows: Any, group: Any, seed: int
) -> None:
    everything = np.ones(len(doubt), bool)
    figures = [
        ("AUC, all answers", area, everything), ("AUC, answers with rows", area, rows),
        ("calibration error", calibration_error, everything),
        ("precision at 20% flagged", precision, everything),
        ("precision at 20%, with rows", precision, rows),
    ]  # fmt: skip
    print(f"\n{title}: {len(doubt)} answers, given {weight.sum():.0f} times")
    members = [np.flatnonzero(group == g) for g in sorted(set(group.tolist()))]
    rng = np.random.default_rng(seed)
    draws = [np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
             for _ in range(200)]  # fmt: skip
    for name, figure, kept in figures:
        value = figure(wrong[kept], doubt[kept], weight[kept])
        spread = [figure(wrong[d], doubt[d], weight[d]) for draw in draws
                  if len(d := draw[kept[draw]])]  # fmt: skip
        low, high = np.nanpercentile(spread, [2.5, 97.5])
        print(f"  {name:30} {value:.3f} [{low:.3f}, {high:.3f}]")
    if len(members) <= 50:
        each = {str(group[m[0]]): area(wrong[k], doubt[k], weight[k]) for m in members
                if len(k := m[rows[m]])}  # fmt: skip
        print(f"  {'median over databases, rows':30} {np.nanmedian(list(each.values())):.3f}")
        print("  " + ", ".join(f"{d} {v:.2f}" for d, v in sorted(each.items(), key=lambda e: e[1])))


def speed(folder: Path, systems: Path, count: int, seed: int) -> None:
    """Time diagnose beside the query, on a sample of answers, each database read before."""
    records = list(read(systems))
    rng = np.random.default_rng(seed)
    sample = [records[i] for i in rng.choice(len(records), count, replace=False)]
    suite = _suite(f"spider:{folder}")
    took, queries = [], []
    for again in (False, True):
        for r in sample:
            question = _question(f"spider:{folder}", str(r["index"]))
            database = suite.databases[question.db_id]
            start = time.perf_counter()
            try:
                outcome: Any = database.execute(r["pred"])
            except QueryError as error:
                outcome = error
            middle, cpu = time.perf_counter(), time.thread_time()
            diagnose(question.text, r["pred"], database, outcome)
            if again:
                took.append((time.thread_time() - cpu) * 1000)
                queries.append((middle - start) * 1000)
    print(f"diagnose, ms of processor time on {count} answers: median {np.median(took):.2f}, "
          f"95th percentile {np.percentile(took, 95):.2f}; the query itself: median "
          f"{np.median(queries):.2f} ms of the clock; ratio "
          f"{np.median(took) / np.median(queries):.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
