"""A budget that several runs share: a SQLite file in which their processes count together.

Each run has a row: its calls, what they cost, and what its calls in flight may still cost. Who
starts the runs makes the file anew from their logs (`Ledger.start`), so that a killed process
leaves nothing set aside.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlbench.exceptions import BudgetReachedError, StoreError
from sqlbench.models.calling.totals import Totals

LOCK_SECONDS = 60.0
POLL_SECONDS = 0.2
# What is set aside and does not move for so long belongs to a process that was lost.
STALE_SECONDS = 600.0

_SUM = "SELECT total(calls), total(spent), total(reserved) FROM runs"


class Ledger:
    """One run's hand in the shared count.

    It works on a thread of its own: waiting for another process blocks no event loop.

    Parameters
    ----------
    path : path
        The file, made by `start`.
    run : str
        The run's row.

    Raises
    ------
    StoreError
        If the file cannot be used.
    """

    def __init__(self, path: str | Path, run: str) -> None:
        self.path, self.run = Path(path), run
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._db: sqlite3.Connection | None = None
        try:
            self._thread.submit(self._open).result()
        except sqlite3.Error as error:
            self._thread.shutdown()
            raise self._explained(error) from error

    @staticmethod
    def start(path: str | Path, runs: Mapping[str, Totals]) -> None:
        """Make the file anew, with what each run has called and spent.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            for leftover in (path, Path(f"{path}-journal")):
                leftover.unlink(missing_ok=True)
            db = sqlite3.connect(path)
            try:
                with db:
                    db.execute(
                        "CREATE TABLE runs (run TEXT PRIMARY KEY, calls INTEGER NOT NULL, "
                        "spent REAL NOT NULL, reserved REAL NOT NULL)"
                    )
                    rows = [(run, t.calls, t.spent) for run, t in runs.items()]
                    db.executemany("INSERT INTO runs VALUES (?, ?, ?, 0)", rows)
            finally:
                db.close()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"The ledger {str(path)!r} cannot be written: {error}.") from error

    def resume(self, before: Totals) -> None:
        """Write down what the run has called and spent so far; nothing of it is in flight."""
        self._thread.submit(
            self._write,
            "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, 0)",
            (self.run, before.calls, before.spent),
        ).result()

    async def reserve(self, most: float, budget: float | None, max_calls: int | None) -> None:
        """Set aside the most that a call can cost; wait for others' calls if that is too much.

        Raises
        ------
        BudgetReachedError
            If a limit would be passed.
        """
        loop = asyncio.get_running_loop()
        seen, since = None, time.monotonic()
        while True:
            job = loop.run_in_executor(self._thread, self._try, most, budget, max_calls)
            try:
                fitted, totals = await job
            except sqlite3.Error as error:
                raise self._explained(error) from error
            if fitted:
                return
            now = time.monotonic()
            if totals != seen:
                seen, since = totals, now
            elif now - since > STALE_SECONDS:
                state = f"{totals.spent:.4f} is spent and {totals.reserved:.4f} set aside"
                raise BudgetReachedError(state, "budget")
            await asyncio.sleep(POLL_SECONDS)

    def settle(self, reserved: float, cost: float) -> None:
        """Say what a call cost; does not wait until it is written."""
        sql = "UPDATE runs SET reserved = max(0, reserved - ?), spent = spent + ? WHERE run = ?"
        self._thread.submit(self._write, sql, (reserved, cost, self.run))

    def close(self) -> None:
        """Write what is left to write, and close the file."""
        if self._db is not None:
            self._thread.submit(self._db.close).result()
            self._db = None
        self._thread.shutdown()

    def _open(self) -> None:
        # A rollback journal and not a log beside it: this works on a disk that machines share.
        self._db = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False,
        )  # fmt: skip
        # Made anew from the runs' logs at every start: it need not outlive a power cut.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.execute(_SUM)

    def _try(self, most: float, budget: float | None, max_calls: int | None) -> tuple[bool, Totals]:
        assert self._db is not None
        self._db.execute("BEGIN IMMEDIATE")
        try:
            calls, spent, reserved = self._db.execute(_SUM).fetchone()
            totals = Totals(int(calls), spent, reserved)
            fits = totals.fits(most, budget, max_calls)
            if fits:
                sql = "UPDATE runs SET calls = calls + 1, reserved = reserved + ? WHERE run = ?"
                self._db.execute(sql, (most, self.run))
            return fits, totals
        finally:
            self._db.execute("COMMIT")

    def _write(self, sql: str, values: tuple[object, ...]) -> None:
        assert self._db is not None
        self._db.execute(sql, values)

    def _explained(self, error: sqlite3.Error) -> StoreError:
        return StoreError(f"The ledger {str(self.path)!r} cannot be used: {error}.")
