"""Runs as tables for other tools: questions, episodes and steps, with all that a paper needs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlbench.episodes.episode import Episode, Step
from sqlbench.episodes.repair import ARMS, GENERATE, KEEP
from sqlbench.exceptions import ConfigError, MissingExtraError, SQLBenchError, UnknownNameError
from sqlbench.paths import located
from sqlbench.reports.run_list import find_runs
from sqlbench.runs.files import read_lines
from sqlbench.runs.questions import question_frame
from sqlbench.runs.run import Run
from sqlbench.runs.summary import cost_of, rates, usages
from sqlbench.stats import Rate

if TYPE_CHECKING:
    import pandas as pd

FORMATS = ("csv", "parquet", "latex", "mlflow", "inspect")
RATES = ("first", "field", "gated", "any", "repaired", "fixed", "broken",
         "audited_fixed", "audited_broken")  # fmt: skip
_SCORED = (*ARMS, KEEP)


def open_runs(folder: str | Path) -> list[Run]:
    """Open a run, or all runs of a sweep's or comparison's folder.

    Raises
    ------
    ConfigError
        If there is none.
    """
    found = [Run.open(path) for path in find_runs(folder)]
    if not found:
        raise ConfigError(f"There is no run in {str(folder)!r} to export.")
    return found


def export(folder: str | Path, form: str, out: str | Path | None = None) -> list[Path]:
    """Write a run, or all runs of a folder, in another tool's format.

    Parameters
    ----------
    folder : path
        Of a run, a sweep or a comparison.
    form : {"csv", "parquet", "latex", "mlflow", "inspect"}
        ``csv`` and ``parquet``: the tables of `tables`. ``latex``: the rates with their intervals.
        ``mlflow``: a run each, in the tracking store that MLflow's own settings name. ``inspect``:
        a log each, in the format of Inspect.
    out : path or None
        Where to; by default ``export`` in the folder.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UnknownNameError
        If there is no such format.
    MissingExtraError
        If the format needs a package that is not installed.
    """
    if form not in FORMATS:
        raise UnknownNameError("format", form, FORMATS)
    runs = open_runs(folder)
    target = located(folder) / "export" if out is None else located(out)
    there = target.exists()
    target.mkdir(parents=True, exist_ok=True)
    try:
        return _write(runs, form, target)
    except MissingExtraError:
        if not there:  # what is refused leaves nothing behind
            target.rmdir()
        raise


def _write(runs: Sequence[Run], form: str, target: Path) -> list[Path]:
    if form == "mlflow":
        from sqlbench.reports.export_mlflow import write_mlflow

        return [write_mlflow(run, target) for run in runs]
    if form == "inspect":
        from sqlbench.reports.export_inspect import write_inspect

        return [write_inspect(run, target) for run in runs]
    if form == "latex":
        path = target / "rates.tex"
        path.write_text(latex_table(runs), encoding="utf-8")
        return [path]
    written = []
    for name, frame in tables(runs).items():
        path = target / f"{name}.{form}"
        if form == "csv":
            frame.to_csv(path, index=False)
        else:
            try:
                frame.to_parquet(path, index=False)
            except ImportError:
                raise MissingExtraError("Parquet", "parquet") from None
        written.append(path)
    return written


def tables(runs: Sequence[Run]) -> dict[str, pd.DataFrame]:
    """Return questions, episodes and steps of runs, each row with its run, model, policy and seed.

    Questions have their texts, difficulties and golds where the suite can still be loaded; steps
    have tokens, seconds, cost (where a price is known), doubt (where it was measured), and the
    policy's scores a column an arm.
    """
    import pandas as pd

    parts: dict[str, list[pd.DataFrame]] = {"questions": [], "episodes": [], "steps": []}
    for run in runs:
        try:
            questions = question_frame(run, run.suite)
        except (SQLBenchError, OSError):
            questions = question_frame(run, None)
        about = questions.set_index("question_id")[["text", "difficulty"]]
        episodes = run.episodes.join(about, on="question_id")
        episodes["cost"] = episodes["episode"].map(
            {e.index: cost_of(run, *usages([e])) for e in run.log}
        )
        steps = _steps(run).join(about, on="question_id")
        for name, frame in (("questions", questions), ("episodes", episodes), ("steps", steps)):
            parts[name].append(_labelled(run, frame))
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def latex_table(runs: Sequence[Run]) -> str:
    """Return the rates of runs with their 95% intervals as a LaTeX table (booktabs).

    Beside suite, model, policy and seed a row has each other setting in which the runs differ, so
    that no two rows of different runs are alike. Pandas' Styler writes it, with every special sign
    escaped.
    """
    import pandas as pd

    settings = [dict(run.config) for run in runs]
    always = ("suite", "model", "policy", "seed")
    differing = [
        name
        for name in settings[0]
        if name not in always and len({str(s[name]) for s in settings}) > 1
    ]
    rows = []
    for run, setting in zip(runs, settings, strict=True):
        found = rates(run)
        row = {name: setting[name] for name in always} | {"model": run.config.model + run.mark}
        row |= {n.replace("_", " "): "--" if setting[n] is None else setting[n] for n in differing}
        row |= {} if run.finished else {"episodes": f"{len(run.log)} of {run.config.episodes}"}
        rows.append(row | {n.replace("_", " "): _cell(found[n]) for n in RATES if n in found})
    frame = pd.DataFrame(rows)
    shown_rates = [n.replace("_", " ") for n in RATES if n.replace("_", " ") in frame]
    # Where a run lacks a rate that a later one has, pandas would put that at the end.
    frame = frame[[n for n in frame if n not in shown_rates] + shown_rates]
    shown = frame.style.hide(axis="index").format(escape="latex", na_rep="--")
    return shown.to_latex(
        hrules=True,
        caption="Rates in per cent, with 95\\% intervals clustered by question.",
        label="tab:sqlbench",
        position="ht",
    )


def _cell(found: Rate) -> str:
    if found.rate is None or found.low is None or found.high is None:
        return "--"
    return f"{100 * found.rate:.1f} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def _labelled(run: Run, frame: pd.DataFrame) -> pd.DataFrame:
    c = run.config
    name = run.folder.name if run.folder is not None else run.label
    labels: dict[str, Any] = {
        "run": name, "suite": c.suite, "model": c.model, "repair_model": c.repair_model,
        "policy": c.policy, "seed": c.seed, "simulated": run.simulated,
    }  # fmt: skip
    rest = frame.drop(columns=[n for n in labels if n in frame])
    for place, (label, value) in enumerate(labels.items()):
        rest.insert(place, label, value)
    return rest


def _steps(run: Run) -> pd.DataFrame:
    import pandas as pd

    clocks: dict[int, dict[str, Any]] = {}
    if run.folder is not None:
        clocks = {r["episode"]: r for r in read_lines(run.folder / "timings.jsonl")}
    rows = []
    for episode in sorted(run.log, key=lambda e: e.index):
        times = clocks.get(episode.index, {})
        for i, step in enumerate(episode.steps):
            rows.append(_step(run, episode, step) | {
                "model_seconds": _at(times.get("latency"), i, step.latency),
                "query_seconds": _at(times.get("elapsed"), i, step.elapsed),
            })  # fmt: skip
    return pd.DataFrame(rows, columns=[*_step_columns(), "model_seconds", "query_seconds"])


def _step_columns() -> list[str]:
    return [
        "episode", "question_id", "task_id", "db_id", "attempt", "action", "error_before",
        "propensity", "sql", "success", "error_class", "reason", "error_message", "row_count",
        "score", "doubt", "base", "attempt_penalty", "severity_bonus", "change_bonus", "reward",
        "prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens", "cost",
        *(f"score_{arm}" for arm in _SCORED),
    ]  # fmt: skip


def _step(run: Run, episode: Episode, step: Step) -> dict[str, Any]:
    b, scores = step.breakdown, step.scores or {}
    alone = Episode(0, "", "", "", steps=[step])
    first, later = usages([alone])
    used = (first, later) if step.action == GENERATE and step.attempt == 1 else (later, first)
    values = (
        episode.index, episode.question_id, episode.task_id, episode.db_id, step.attempt,
        step.action, step.context.error_class if step.context else None, step.propensity, step.sql,
        step.success, step.error_class, step.reason, step.error_message, step.row_count, step.score,
        step.known.doubt if step.known else None, b.base, b.attempt_penalty,
        b.severity_bonus, b.change_bonus, step.reward,
        step.prompt_tokens, step.completion_tokens, step.cached_tokens, step.reasoning_tokens,
        cost_of(run, *used), *(scores.get(str(arm)) for arm in _SCORED),
    )  # fmt: skip
    return dict(zip(_step_columns(), values, strict=True))


def _at(values: Sequence[float] | None, place: int, otherwise: float) -> float:
    return values[place] if values is not None and place < len(values) else otherwise
