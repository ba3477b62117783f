"""Make simulator profiles from stored records: ``python -m sqlbench.evidence.calibrate``.

Two kinds of numbers can be measured, and are. *First attempts*: every stored prediction of a model
on Spider dev runs in this project's sandbox and is judged by its classifier and by the metric
``exact``. *Repairs*: from stored pairs of queries before and after a repair come the fix rates by
class, the break rate and the decay over retries. What cannot be measured is said so in the profile:
nothing stored tells how much a prompt made for one error class gains over a generic one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlbench.databases.base import QueryError
from sqlbench.episodes.errors import ErrorClass, classify_error
from sqlbench.episodes.repair import RepairAction
from sqlbench.evidence.traces import SPIDER_REPAIRS, load_repairs
from sqlbench.exceptions import ConfigError, SQLBenchError
from sqlbench.grading import Gold, compare
from sqlbench.models import simulated
from sqlbench.stats import wilson
from sqlbench.suites import Suite, load_suite
from sqlbench.words import markdown_table

if TYPE_CHECKING:
    import pandas as pd

RIGHT = "right"
SILENT = (ErrorClass.EMPTY_RESULT, ErrorClass.WRONG_RESULT, ErrorClass.TIMEOUT)
# With fewer records a rate of its own says too little.
MIN_RECORDS = 15
FAMILY = ("gpt-3.5-turbo", "GPT-3.5-Turbo")
# The name of a profile, and the predictions that it is measured on.
FIRST_ATTEMPTS = {
    "chatgpt": ("chatgpt_zero_shot", "ChatGPT, zero-shot"),
    "gpt4-dail": ("dail_sql_gpt4", "GPT-4 with DAIL-SQL's prompts"),
    "graphix-t5": ("graphix_t5", "Graphix-T5, fine-tuned on Spider"),
}


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` of ``n``."""

    count: int
    n: int

    @property
    def rate(self) -> float:
        """The share; 0 of 0 is 0."""
        return self.count / self.n if self.n else 0.0

    def __str__(self) -> str:
        if not self.n:
            return "no record"
        low, high = wilson(self.count, self.n)
        return f"{self.count} of {self.n}, 95% [{low:.3f}, {high:.3f}]"


def first_attempts(verdicts: Path, suite: Suite) -> dict[str, Counter[str]]:
    """Run every stored prediction, and count outcomes by source.

    Parameters
    ----------
    verdicts : Path
        ``official_verdicts.jsonl``: source, db_id, gold and pred on every line.
    suite : Suite
        Brings the databases; every query runs in their sandbox.

    Returns
    -------
    dict of str to Counter
        By source: how many predictions are ``right``, or fail in each `ErrorClass`. A gold query
        that fails counts nowhere.
    """
    golds: dict[tuple[str, str], Gold | None] = {}
    counts: dict[str, Counter[str]] = {}
    for record in _records(verdicts):
        database = suite.databases.get(record["db_id"])
        if database is None:
            continue
        key = (record["db_id"], record["gold"])
        if key not in golds:
            try:
                golds[key] = Gold(record["gold"], database.execute(record["gold"]), database)
            except QueryError:
                golds[key] = None
        gold = golds[key]
        if gold is not None:
            counts.setdefault(record["source"], Counter())[_outcome(gold, record["pred"])] += 1
    return counts


def _outcome(gold: Gold, sql: str) -> str:
    try:
        result = gold.database.execute(sql)
    except QueryError as error:
        return str(classify_error(error))
    if compare(gold, result).match:
        return RIGHT
    return str(ErrorClass.WRONG_RESULT if result.rows else ErrorClass.EMPTY_RESULT)


@dataclass(frozen=True)
class Repairs:
    """What stored pairs say about repairs.

    Attributes
    ----------
    fixed : dict of ErrorClass to Share
        First repairs, by the class before; no look-up of the schema between.
    raised : Share
        The same over all raised errors together.
    same_class : Share
        Failing first repairs that keep their class.
    broke : Share
        Repairs of right answers, made always, that break them.
    first, second : Share
        First and second repairs of the same question: failures fixed.
    """

    fixed: dict[ErrorClass, Share]
    raised: Share
    same_class: Share
    broke: Share
    first: Share
    second: Share


def repairs(frame: pd.DataFrame) -> Repairs:
    """Measure repairs by GPT-3.5-Turbo that saw the schema, from `traces.load_repairs`.

    The decay takes InterCode's three models together: GPT-3.5 alone has too few second repairs.
    """
    seen = frame[frame["schema_shown"].astype(bool)]
    direct = seen[seen["lookups_between"] == 0]
    mine = direct[direct["model"].isin(FAMILY) & (direct["repair"] == 1)]
    failing = mine[mine["before_class"] != RIGHT]
    fixed = {c: _fixed(failing[failing["before_class"] == str(c)]) for c in ErrorClass}
    silent = [str(c) for c in SILENT]
    unmended = failing[failing["outcome"] != "fixed"]
    right = mine[mine["before_class"] == RIGHT]
    chains = seen[(seen["method"] == "intercode_try_again") & (seen["before_class"] != RIGHT)]
    return Repairs(
        fixed=fixed,
        raised=_fixed(failing[~failing["before_class"].isin(silent)]),
        same_class=Share(int((unmended["outcome"] == "same_class").sum()), len(unmended)),
        broke=Share(int((right["outcome"] == "broke").sum()), len(right)),
        first=_fixed(chains[chains["repair"] == 1]),
        second=_fixed(chains[chains["repair"] == 2]),
    )


def first_attempt_profile(source: str, who: str, counts: Mapping[str, int]) -> str:
    """Return the profile of a model whose first attempts were measured, as TOML."""
    n = sum(counts.values())
    failures = n - counts.get(RIGHT, 0)
    raised = sum(counts.get(str(c), 0) for c in ErrorClass if c not in SILENT)
    header = f"{who}: first attempts as measured on Spider dev; the repair matrix of `default`."
    origin = (
        f"first attempts: measured on {n:,} stored predictions ({source}) of Spider dev with "
        "sqlbench's sandbox, classifier and `exact`; everything else: assumption (`default`)"
    )
    lines = [
        "# Written by `python -m sqlbench.evidence.calibrate`: change that, and run it again.",
        f"description = {json.dumps(header)}",
        f"source = {json.dumps(origin)}",
        'base = "default"',
        "",
        f"# Of {failures} failing first answers {raised} raised an error; the others ran, and were "
        "empty or wrong.",
        "# A policy whose context is the error class meets little but these two classes.",
        *_value("success", Share(counts.get(RIGHT, 0), n)),
        "",
        *_first_attempt(counts),
    ]
    return "\n".join(lines) + "\n"


def measured_profile(source: str, who: str, counts: Mapping[str, int], found: Repairs) -> str:
    """Return the profile in which everything that can be measured is, as TOML."""
    n = sum(counts.values())
    decay = min(found.second.rate / found.first.rate, 1.0) if found.first.rate else 1.0
    header = (
        "GPT-3.5 as stored records show it: measured first attempts, fix rates by class, break "
        "rate and decay; every arm alike."
    )
    origin = (
        f"first attempts: {n:,} stored predictions ({source}) of Spider dev; repairs: "
        "spider_dev_repairs.jsonl.gz (InterCode, MIT, and the MapleRepair study), GPT-3.5-Turbo, "
        "schema shown, no look-up between; the gain of a prompt made for one class: not measured "
        "by anybody, and taken as none"
    )
    lines = [
        "# Written by `python -m sqlbench.evidence.calibrate`: change that, and run it again.",
        f"description = {json.dumps(header)}",
        f"source = {json.dumps(origin)}",
        "",
        *_value("success", Share(counts.get(RIGHT, 0), n)),
        "# Assumption: no record answers the same question anew.",
        "difficulty_spread = 1.2",
        "",
        "# Failing first repairs that keep their class.",
        *_value("keep_class", found.same_class),
        "# An arm tried again: no record compares it with another arm, so nothing is lost by it;",
        "# what a retry loses stands in `retry`.",
        "repeat_factor = 1.0",
        "# Right answers that a repair made always breaks.",
        *_value("break_rate", found.broke),
        "",
        "# P(fixed) at attempts 2, 3, 4 and 5 relative to attempt 2. First repairs fix "
        f"{found.first.count} of {found.first.n},",
        f"# second ones {found.second.count} of {found.second.n} (three models of InterCode, "
        "schema shown): harder questions",
        "# and weaker retries at once. Third and later ones: too few stored; like the second.",
        f"retry = [1.0, {decay:.4f}, {decay:.4f}, {decay:.4f}]",
        "",
        *_first_attempt(counts),
        "",
        "# P(fixed | error class), the same for every arm: no record tells arms apart. A class",
        f"# with fewer than {MIN_RECORDS} records takes that of all raised errors: {found.raised}.",
    ]
    for error_class in ErrorClass:
        share = found.fixed[error_class]
        enough = share.n >= MIN_RECORDS
        rate = share.rate if enough else found.raised.rate
        lines += ["", f"[repair.{error_class}] # {share}" + ("" if enough else "; all raised")]
        lines += [f"{arm} = {rate:.4f}" for arm in RepairAction]
    return "\n".join(lines) + "\n"


def _fixed(pairs: pd.DataFrame) -> Share:
    return Share(int((pairs["outcome"] == "fixed").sum()), len(pairs))


def _value(key: str, share: Share) -> list[str]:
    return [f"{key} = {share.rate:.4f} # {share}"]


def _first_attempt(counts: Mapping[str, int]) -> list[str]:
    failures = sum(v for k, v in counts.items() if k != RIGHT)
    lines = ["# How failing first answers fail.", "[first_attempt]"]
    for error_class in ErrorClass:
        share = Share(counts.get(str(error_class), 0), failures)
        lines.append(f"{error_class} = {share.rate:.4f} # {share.count} of {share.n}")
    return lines


def _records(path: Path) -> Iterable[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{str(path)!r} holds no stored predictions: {error}.") from error


def main(arguments: list[str] | None = None) -> None:
    """Measure, print the counts, and write the profiles."""
    parser = argparse.ArgumentParser(
        prog="python -m sqlbench.evidence.calibrate", description=__doc__
    )
    parser.add_argument("--spider", type=Path, default=Path("../shared/spider"))
    parser.add_argument("--traces", type=Path, default=Path("../shared/traces"))
    parser.add_argument("--out", type=Path, default=Path(simulated.__file__).parent / "profiles")
    options = parser.parse_args(arguments)
    suite = load_suite(f"spider:{options.spider}")
    counts = first_attempts(options.spider / "official_verdicts.jsonl", suite)
    columns = [RIGHT, *map(str, ErrorClass)]
    print(
        markdown_table(
            ["source", *columns], [[s, *(c.get(k, 0) for k in columns)] for s, c in counts.items()]
        )
    )
    found = repairs(load_repairs(options.traces / SPIDER_REPAIRS))
    options.out.mkdir(parents=True, exist_ok=True)
    texts = {
        name: first_attempt_profile(source, who, counts[source])
        for name, (source, who) in FIRST_ATTEMPTS.items()
    }
    source, who = FIRST_ATTEMPTS["chatgpt"]
    texts["measured"] = measured_profile(source, who, counts[source], found)
    for name, text in texts.items():
        (options.out / f"{name}.toml").write_text(text, encoding="utf-8")
        print(f"Written: {options.out / name}.toml")


if __name__ == "__main__":
    try:
        main()
    except SQLBenchError as error:
        sys.exit(f"sqlbench: {error}")
