"""A sweep: a grid over the fields of a run's configuration, a run a cell, and one table of all.

The grid is a YAML file whose keys are the fields of `RunConfig`, and whose values are one value or
a list; every combination is a cell. Cells are run by `sqlbench.grids.grid`, so a sweep that was cut
off goes on, and a finished cell is never run again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grids.cells import Cell, plan
from sqlbench.grids.grid import Workers, run_grid
from sqlbench.grids.sweep_status import Sweep
from sqlbench.models import Calling
from sqlbench.paths import located, shown
from sqlbench.runs.config import RunConfig, make_config, parse_seeds
from sqlbench.runs.missing import failure_lines, lost_note
from sqlbench.runs.run import Run
from sqlbench.runs.summary import rough_rates
from sqlbench.stats import interval_text
from sqlbench.words import counted

if TYPE_CHECKING:
    import pandas as pd

TABLE = "sweep.csv"
MERGED_STORE = "responses.sqlite"


def load_grid(path: str | Path) -> list[RunConfig]:
    """Read a grid's YAML file.

    Parameters
    ----------
    path : path
        For example ``policy: [linucb, random]`` and ``seed: 0-4`` on two lines.

    Raises
    ------
    ConfigError, UnknownNameError
        If the file cannot be read, or a field or value has the wrong form.
    """
    try:
        values = yaml.safe_load(located(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"The grid {shown(path)} cannot be read: {reason}") from None
    if not isinstance(values, dict) or not values:
        raise ConfigError(
            f"The grid {str(path)!r} is a YAML mapping of fields to values or lists of values, "
            "for example  policy: [linucb, random]"
        )
    return make_grid(values)


def make_grid(values: dict[str, Any]) -> list[RunConfig]:
    """Return a configuration for every combination of values, the last field varying fastest.

    A combination that the values give twice is one configuration: its run is one, too.

    Raises
    ------
    ConfigError, UnknownNameError
        If a field does not exist or a value has the wrong form.
    """
    fields = list(RunConfig.model_fields)
    for name in values:
        if name not in fields:
            raise UnknownNameError("field of a grid", name, fields)
    axes = [_axis(name, value) for name, value in values.items()]
    configs = (make_config(**dict(zip(values, c, strict=True))) for c in itertools.product(*axes))
    return list(dict.fromkeys(configs))


def _axis(name: str, value: Any) -> list[Any]:
    axis = value if isinstance(value, list) else [value]
    if name == "seed":
        parts = [parse_seeds(part) if isinstance(part, str) else [part] for part in axis]
        axis = list(itertools.chain.from_iterable(parts))
    if not axis:
        raise ConfigError(f"The grid's {name} is an empty list: it needs at least one value.")
    return axis


def run_sweep(
    configs: Sequence[RunConfig],
    out: str | Path,
    *,
    workers: Workers | None = None,
    calling: Calling | None = None,
    progress: bool = True,
    watch: Callable[[pd.DataFrame], None] | None = None,
) -> pd.DataFrame:
    """Run every cell that is still owed, and return the table of all.

    Parameters
    ----------
    configs : sequence of RunConfig
        The cells.
    out : path
        The sweep's folder: a folder a cell in ``runs``, and the table, ``sweep.csv``.
    workers : callable or None
        See `run_grid`; `sqlbench.grids.cluster.dask_workers` makes those of a Dask cluster.
    calling : Calling or None
        How the models are called. A budget or ``max_calls`` is the whole sweep's.
    progress : bool
        Whether to show a progress bar.
    watch : callable or None
        Is given `Sweep.status` about once a second, and at the end.

    Returns
    -------
    DataFrame
        A row a cell: the fields in which the cells differ, rates, calls, tokens, cost, folder.
        ``attrs["failed"]`` holds the notes of the episodes that were lost, as `Run.failed` does,
        ``attrs["rough"]`` what is said of the runs whose intervals are over few questions.
    """
    import pandas as pd

    cells = plan(configs, located(out) / "runs", calling)
    sweep = Sweep(cells, out)
    view = None if watch is None else (lambda: watch(sweep.status))
    with sweep.writing():
        try:
            rows = run_grid(
                configs, sweep.folder / "runs", cell_row, workers=workers, progress=progress,
                calling=calling, on_poll=view,
            )  # fmt: skip
        finally:
            if view is not None:
                view()
        varied = sweep.varied
        failed = [note for row in rows for note in row.pop("failed")]
        rough = [note for row in rows if (note := row.pop("rough")) is not None]
        table = pd.DataFrame(
            [
                {n: getattr(c.config, n) for n in varied} | row | {"folder": c.folder.name}
                for row, c in zip(rows, cells, strict=True)
            ]
        )
        table.attrs |= {"failed": failed, "rough": rough}
        table.to_csv(sweep.folder / TABLE, index=False)
        merge_stores(cells, sweep.folder / MERGED_STORE)
    return table


def cell_row(run: Run) -> dict[str, Any]:
    """Return what a sweep's table says of a run."""
    summary = run.summary
    rates = summary["rates"]
    return {
        **{
            f"{name}{end}": values[key]
            for name, values in rates.items()
            for end, key in (("", "rate"), ("_low", "low"), ("_high", "high"))
        },
        "episodes": summary["episodes"],
        "model_errors": summary["model_errors"],
        "model_calls": summary["model_calls"],
        "tokens": summary["prompt_tokens"] + summary["completion_tokens"],
        "cost": summary["cost"],
        "cost_per_solved": summary["cost_per_solved"],
        "simulated": run.simulated,
        "failed": run.failed,
        "rough": rough_rates(run),
    }


def merge_stores(cells: Sequence[Cell], target: Path) -> int:
    """Put the completions that cells keep in stores of their own into one store.

    Returns
    -------
    int
        How many were new there.
    """
    from sqlbench.models.calling.cache import ResponseStore
    from sqlbench.models.calling.caller import STORE_NAME

    paths = [c.folder / STORE_NAME for c in cells]
    paths = sorted({p for p in paths if p.exists()})
    if not paths:
        return 0
    store = ResponseStore(target)
    try:
        return sum(store.merge(path) for path in paths)
    finally:
        store.close()


def sweep_text(table: pd.DataFrame) -> str:
    """Return a sweep's table for the terminal, best first."""
    from sqlbench.words import markdown_table

    hidden = {"folder", "simulated"}
    costs = ("cost", "cost_per_solved", "model_errors")
    hidden |= {n for n in costs if not table[n].fillna(0).any()}
    hidden |= {n for n in table.columns if n.endswith(("_low", "_high"))}
    shown = [n for n in table.columns if n not in hidden]
    rates = [n for n in table.columns if f"{n}_low" in table]
    rows = []
    for row in table.sort_values("any", ascending=False, kind="stable").to_dict("records"):
        rows.append([_rate(row, str(n)) if n in rates else _shown(row[n]) for n in shown])
    mark = " (simulated model)" if table["simulated"].any() else ""
    head = f"{counted(len(table), 'run')}{mark}\n\n"
    rough = "".join(f"\n\n{note}" for note in dict.fromkeys(table.attrs.get("rough", ())))
    return head + markdown_table([str(n) for n in shown], rows) + rough + _lost(table)


def _lost(table: pd.DataFrame) -> str:
    """Say how many episodes the runs of a sweep have lost, and why."""
    failed = table.attrs.get("failed", ())
    if not failed:
        return ""
    lost, left = len(failed), int(table["episodes"].sum())
    note = lost_note(lost, left)
    said = "" if note is None else f"\n\n{note}"
    asked = counted(lost + left, "episode")
    said += f"\n\n{lost} of {asked} failed. Repeat the sweep to try again:"
    return "\n".join([said, *(f"  {line}" for line in failure_lines(failed))])


def _rate(row: Mapping[Any, Any], name: str) -> str:
    """Return a rate with its 95% interval."""
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return "—" if value is None or value != value else interval_text(value, low, high)


def _shown(value: Any) -> str:
    if value is None or value != value:
        return "—"
    return f"{value:,}" if isinstance(value, int) else str(value)
