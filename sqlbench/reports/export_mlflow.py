"""A run in MLflow's tracking store, by its own client: parameters, metrics, the report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlbench.exceptions import MissingExtraError
from sqlbench.runs.run import Run

_ARTIFACTS = ("run.json", "summary.json", "report.html")
_SUMS = ("mean_attempts", "mean_total_reward", "model_calls", "prompt_tokens", "completion_tokens",
         "cost", "tokens_per_solved", "cost_per_solved", "model_errors")  # fmt: skip
_LONGEST = 6000  # characters of a parameter that MLflow takes


def write_mlflow(run: Run, folder: Path) -> Path:
    """Log a run to the store that ``MLFLOW_TRACKING_URI`` names; by default one in a folder.

    Parameters
    ----------
    run : Run
        The run. Its experiment is called by its suite.
    folder : Path
        Where the store is put if no address is set.

    Returns
    -------
    Path
        A text file that says which run of MLflow's it became.

    Raises
    ------
    MissingExtraError
        If ``mlflow`` is not installed.
    """
    try:
        import mlflow
    except ImportError:
        raise MissingExtraError("A run in MLflow", "mlflow") from None
    address = os.environ.get("MLFLOW_TRACKING_URI")
    if not address:
        # A folder needs no database; newer versions of MLflow have to be told that it may be one.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
        address = (folder / "mlruns").resolve().as_uri()
    client: Any = mlflow.MlflowClient(tracking_uri=address)
    name = f"sqlbench {run.config.suite}"
    known = client.get_experiment_by_name(name)
    experiment = client.create_experiment(name) if known is None else known.experiment_id
    title = run.folder.name if run.folder is not None else run.label
    tags = {"simulated": str(run.simulated), "caveat": run.caveat, "label": run.label}
    made = client.create_run(experiment, run_name=title, tags=tags)
    run_id = made.info.run_id
    for key, value in run.config:
        client.log_param(run_id, key, str(value)[:_LONGEST])
    summary = run.summary
    for key, rate in summary["rates"].items():
        for end, part in (("", "rate"), ("_low", "low"), ("_high", "high")):
            if rate[part] is not None:
                client.log_metric(run_id, f"{key}{end}", rate[part])
    for key in _SUMS:
        if summary.get(key) is not None:
            client.log_metric(run_id, key, float(summary[key]))
    for k, (value, _, _) in summary.get("pass_at", {}).items():
        client.log_metric(run_id, f"pass_at_{k}", value)
    if run.folder is not None:
        for artifact in _ARTIFACTS:
            if (run.folder / artifact).is_file():
                client.log_artifact(run_id, str(run.folder / artifact))
    client.set_terminated(run_id, "FINISHED" if run.finished else "KILLED")
    note = folder / f"mlflow-{title}.txt"
    note.write_text(f"{address} experiment {experiment} run {run_id}\n", encoding="utf-8")
    return note
