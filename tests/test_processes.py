"""Fresh processes end with what started them."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor

import pytest

from sqlbench.exceptions import SQLBenchError
from sqlbench.grading.predictions import PredictionFileError, read_predictions
from sqlbench.processes import Processes

# Its worker holds the other end of the script's output: it closes when both are gone.
_STARTS = """
import os, time
from sqlbench.processes import Processes

if __name__ == "__main__":
    pool = Processes(1, time.time)
    pool.submit(time.sleep, 600)
    print("started", flush=True)
    time.sleep(600)
"""


def test_a_worker_ends_with_the_process_that_started_it(tmp_path) -> None:
    script = tmp_path / "starts.py"
    script.write_text(_STARTS)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(0.5)
    process.kill()
    rest, _ = process.communicate(timeout=60)  # waits for the worker, too
    assert process.returncode == -9
    assert rest == ""


def test_a_worker_that_is_not_needed_any_more_leaves_what_it_does() -> None:
    pool = Processes(1, time.time)
    asleep = pool.submit(time.sleep, 600)
    while not asleep.running():
        time.sleep(0.01)
    pool.stop()
    pool.shutdown()
    with pytest.raises(BrokenExecutor):
        asleep.result()


def test_an_error_that_cannot_be_unpickled_comes_home_with_its_sentence(tmp_path) -> None:
    # Not by pickle itself, which dask changes for all exceptions once it is imported.
    kind, arguments, *_ = PredictionFileError(tmp_path, 1, "x").__reduce__()
    with pytest.raises(TypeError):
        kind(*arguments)
    pool = Processes(1, time.time)
    try:
        with pytest.raises(SQLBenchError, match="No such file"):
            pool.submit(read_predictions, tmp_path / "none", None).result()  # type: ignore[arg-type]
    finally:
        pool.shutdown()
