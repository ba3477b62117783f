"""The runs of a folder: listed, tagged, and two of them set against each other."""

from __future__ import annotations

import json
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np

from sqlbench.exceptions import ConfigError, RunFolderError, SQLBenchError
from sqlbench.paths import located, shown
from sqlbench.runs.files import write_json
from sqlbench.runs.run import Run
from sqlbench.stats import paired_difference
from sqlbench.words import markdown_table

TAGS = "tags.json"
NAMED = 5
RATES = ("first", "field", "any")
# What of run.json says whether two runs can be compared, beside the configuration.
_FACTS = ("suite_hash", "prompts_hash", "model_fingerprint", "start_hash", "versions", "questions")


def find_runs(folder: str | Path) -> list[Path]:
    """Return the folders of runs in a folder, at any depth, by name.

    The copy of a ``run.json`` that MLflow keeps in a store of its own is no run.

    Raises
    ------
    RunFolderError
        If there is no such folder.
    """
    root = located(folder)
    if not root.is_dir():
        raise RunFolderError(f"There is no folder {shown(root)} to list.")
    found = (p.parent for p in root.rglob("run.json"))
    return sorted(path for path in found if not (path.parent / "meta.yaml").is_file())


def read_tags(run: Path) -> list[str]:
    """Return the tags of a run's folder."""
    path = run / TAGS
    try:
        tags = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{str(path)!r} cannot be read: {error}.") from error
    return [str(t) for t in tags]


def tag_run(run: Path, tags: list[str]) -> list[str]:
    """Add tags to a run's folder, and return all that it has; ``-TAG`` takes one away.

    Raises
    ------
    RunFolderError
        If the folder holds no run.
    """
    Run.open(run)
    kept = dict.fromkeys(read_tags(run))
    for tag in tags:
        if tag.startswith("-"):
            kept.pop(tag[1:], None)
        else:
            kept[tag] = None
    write_json(run / TAGS, list(kept))
    return list(kept)


def runs_text(folder: str | Path) -> str:
    """Return the runs of a folder as a table: what ran, how far, its rates, its tags."""
    root = located(folder)
    rows = []
    for path in find_runs(root):
        name = str(path.relative_to(root)) if path != root else path.name
        try:
            rows.append([name, *_line(Run.open(path)), ", ".join(read_tags(path))])
        except SQLBenchError as error:
            rows.append([name, f"cannot be read: {error}", *[""] * 8])
    if not rows:
        return f"There is no run in {str(root)!r}."
    header = [
        "run",
        "suite",
        "model",
        "policy",
        "seed",
        "episodes",
        "first",
        "field",
        "any",
        "tags",
    ]
    return markdown_table(header, rows)


def diff_text(first: Run, second: Run) -> str:
    """Return two runs side by side: what differs in their configuration, and their results.

    Rates are paired by question, episode by episode, where both asked the same ones.
    """
    names = tuple("?" if r.folder is None else r.folder.name for r in (first, second))
    parts = ["What differs:", _configuration(first, second, names), "Results:"]
    parts += [_results(first, second, names), *_questions(first, second, names)]
    return "\n\n".join(parts)


def _line(run: Run) -> list[object]:
    c, summary = run.config, run.summary
    rates = [summary["rates"][n]["rate"] for n in RATES]
    shown = ["—" if r is None else f"{r:.1%}" for r in rates]
    model = f"{c.model} + {c.repair_model}" if c.repair_model else c.model
    done = f"{summary['episodes']:,} of {c.episodes:,}"
    return [c.suite, model + run.mark, c.policy, c.seed, done, *shown]


def _configuration(first: Run, second: Run, names: tuple[str, ...]) -> str:
    pairs: list[tuple[str, Any, Any]] = [
        (n, getattr(first.config, n), getattr(second.config, n))
        for n in type(first.config).model_fields
    ]
    pairs += [(n, first.meta.get(n), second.meta.get(n)) for n in _FACTS]
    rows = [(n, _short(a), _short(b)) for n, a, b in pairs if a != b]
    if not rows:
        return "Nothing: the two have the same configuration."
    return markdown_table(["", *names], rows)


def _results(first: Run, second: Run, names: tuple[str, ...]) -> str:
    a, b = (r.episodes.set_index("episode") for r in (first, second))
    both = a.index.intersection(b.index)
    a, b = a.loc[both], b.loc[both]
    same = bool(len(both)) and bool((a["question_id"] == b["question_id"]).all())
    tables = first.summary["rates"], second.summary["rates"]
    rows = []
    for name in RATES:
        cells = [_rate(table[name]) for table in tables]
        if same:
            here, there = (f[name].to_numpy(dtype=float) for f in (a, b))
            cells.append(paired_difference(there, here, a["question_id"].tolist()).points)
        rows.append([name, *cells, *([] if same else ["—"])])
    for name in ("model_calls", "tokens_per_solved", "cost_per_solved"):
        values = [r.summary[name] for r in (first, second)]
        if any(v is not None for v in values):
            rows.append(
                [name.replace("_", " "), *("—" if v is None else f"{v:,.6g}" for v in values), ""]
            )
    note = "" if same else "\n\nThe two did not ask the same questions in the same order: no pairs."
    return markdown_table(["", *names, f"{names[1]} less {names[0]}, paired"], rows) + note


def _questions(first: Run, second: Run, names: tuple[str, ...]) -> list[str]:
    """Return the questions that only one of the two ever got, of those that both were asked."""
    asked = [{e.question_id for e in run.log} for run in (first, second)]
    solved = [{e.question_id for e in run.log if e.any} for run in (first, second)]
    both, lines = asked[0] & asked[1], []
    for i, name in enumerate(names):
        alone = sorted((solved[i] - solved[1 - i]) & both)
        listed = ", ".join(alone[:NAMED]) + (", …" if len(alone) > NAMED else "")
        lines.append(f"Only {name} gets {len(alone)} of {len(both)} questions" +
                     (f": {listed}." if alone else "."))  # fmt: skip
    return ["\n".join(lines)]


def _rate(values: dict[str, Any]) -> str:
    if values["rate"] is None or np.isnan(values["rate"]):
        return "—"
    return f"{values['rate']:.1%} [{values['low']:.1%}, {values['high']:.1%}]"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    text = str(value)
    return text[:12] if len(text) == 64 and " " not in text else text  # a hash is told by less


def pick_run(folder: Path, name: str) -> Path:
    """Return a run's folder by its name in a folder of runs, or by its path.

    Raises
    ------
    ConfigError
        If neither is a run.
    """
    for path in (folder / name, located(name)):
        if (path / "run.json").is_file():
            return path
    raise ConfigError(
        f"{name!r} is no run in {str(folder)!r}; list them with  sqlbench runs {quote(str(folder))}"
    )
