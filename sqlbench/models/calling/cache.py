"""The response store: every completion that was paid for, kept in one SQLite file.

A completion is kept under a hash of all that it can depend on: model, endpoint, messages,
parameters, and which sample it is. Several processes may share a store (it is in WAL mode), and
the first answer to a request is the one that all of them get. Failures are not stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from sqlbench.exceptions import StoreError, UnseenRequestError
from sqlbench.models.base import ChatModel, Completion, ModelRequest, Usage
from sqlbench.models.calling.keys import answering, request_key
from sqlbench.models.calling.options import CacheMode
from sqlbench.models.calling.shelf import StoreShelf, merge_shelves, store_uri
from sqlbench.paths import located, shown

T = TypeVar("T")
VERSION = 1
LOCK_SECONDS = 60.0
# How long calls that are already paid for are waited for when a run is stopped.
GRACE_SECONDS = 10.0

_TABLE = """
CREATE TABLE IF NOT EXISTS completions (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, endpoint TEXT NOT NULL, question_id TEXT NOT NULL,
    repeat INTEGER NOT NULL, attempt INTEGER NOT NULL, completion TEXT NOT NULL
) WITHOUT ROWID
"""
_COLUMNS = "key, model, endpoint, question_id, repeat, attempt, completion"


class ResponseStore:
    """Completions in a SQLite file, read and written on a thread of its own.

    Parameters
    ----------
    path : path
        The file, made if it does not exist.
    readonly : bool
        Whether it must exist, and is only read.
    shelf : StoreShelf or None
        What is to be put beside the completions; it is closed with the store.

    Raises
    ------
    StoreError
        If the file is missing, cannot be written, or is no response store.
    """

    def __init__(
        self, path: str | Path, *, readonly: bool = False, shelf: StoreShelf | None = None
    ) -> None:
        self.path, self.readonly, self._shelf = located(path), readonly, shelf
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="response-store")
        self._connection: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._done(self._thread.submit(self._open).result)
        if shelf is not None and not readonly:
            shelf.attach(self._db(), self._thread.submit)

    async def get(self, key: str) -> Completion | None:
        """Return a stored completion, or None."""
        try:
            # It is found in some twenty microseconds; a thread would take ten times that.
            return self._look_up(self._reader, key)
        except sqlite3.Error:  # it is being recovered, say: waited for, or explained, in the thread
            return await self._run(lambda: self._get(key))

    async def put(
        self, key: str, model: ChatModel, request: ModelRequest, completion: Completion
    ) -> Completion:
        """Store a completion, and return what is stored: the first one, if there was one before."""
        row = self._row(key, model, request, completion)
        return await self._run(lambda: self._put(row, "IGNORE"))

    async def overwrite(
        self, key: str, model: ChatModel, request: ModelRequest, completion: Completion
    ) -> Completion:
        """Store a completion in place of the one that may be there."""
        row = self._row(key, model, request, completion)
        return await self._run(lambda: self._put(row, "REPLACE"))

    def __len__(self) -> int:
        """Return how many completions are stored."""
        (count,) = self._sync(
            lambda: self._db().execute("SELECT count(*) FROM completions").fetchone()
        )
        return int(count)

    def __contains__(self, key: object) -> bool:
        """Whether a request was stored."""
        return self._sync(lambda: self._get(str(key))) is not None

    def models(self) -> list[str]:
        """Return which models at which endpoints are stored."""
        sql = "SELECT DISTINCT model, endpoint FROM completions ORDER BY 1, 2 LIMIT 10"
        rows = self._sync(lambda: self._db().execute(sql).fetchall())
        return [f"{model} at {endpoint}" if endpoint else str(model) for model, endpoint in rows]

    def merge(self, other: str | Path) -> int:
        """Take over what another store holds and this one does not, its shelf included.

        Returns
        -------
        int
            How many completions were new.
        """
        source = ResponseStore(other, readonly=True)
        try:
            sql = f"SELECT {_COLUMNS} FROM completions ORDER BY key"
            rows = source._sync(lambda: source._db().execute(sql).fetchall())

            def insert() -> int:
                with self._db() as db:
                    before = db.total_changes
                    db.executemany(
                        f"INSERT OR IGNORE INTO completions ({_COLUMNS}) VALUES (?,?,?,?,?,?,?)",
                        rows,
                    )
                    new = db.total_changes - before
                    merge_shelves(source._db(), db)
                    return new

            return self._sync(insert)
        finally:
            source.close()

    def close(self) -> None:
        """Write everything into the one file, so that it can be copied, and close it."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            if self._reader is not None:
                self._reader.close()
            if self._shelf is not None:
                self._shelf.close()
            self._thread.submit(_close, connection, self.readonly).result()
        self._thread.shutdown()

    def _open(self) -> None:
        if self.readonly:
            if not self.path.is_file():
                raise StoreError(f"There is no response store at {shown(self.path)}.")
        else:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        uri = store_uri(self.path, readonly=self.readonly)
        db = sqlite3.connect(
            uri, uri=True, timeout=LOCK_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._connection = db
        if not self.readonly:
            _use_wal(db)
            # A killed process loses nothing; only a machine that loses power may lose the last
            # completions, and pays for those again.
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("BEGIN IMMEDIATE")
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                db.execute(_TABLE)
                db.execute(f"PRAGMA user_version = {VERSION}")
            db.execute("COMMIT")
        found = db.execute("PRAGMA user_version").fetchone()[0]
        if found != VERSION:
            raise StoreError(
                f"{str(self.path)!r} is no response store of this version (its version is {found}, "
                f"and {VERSION} is read here)."
            )

        # A second connection, so that no look-up waits for what the thread is writing.
        self._reader = sqlite3.connect(
            uri, uri=True, timeout=0.0, isolation_level=None, check_same_thread=False
        )

    def _db(self) -> sqlite3.Connection:
        return self._opened(self._connection)

    def _opened(self, connection: sqlite3.Connection | None) -> sqlite3.Connection:
        if self._connection is None or connection is None:
            raise RuntimeError(f"The response store {str(self.path)!r} is closed.")
        return connection

    def _get(self, key: str) -> Completion | None:
        return self._look_up(self._connection, key)

    def _look_up(self, connection: sqlite3.Connection | None, key: str) -> Completion | None:
        sql = "SELECT completion FROM completions WHERE key = ?"
        row = self._opened(connection).execute(sql, (key,)).fetchone()
        return None if row is None else _completion(row[0])

    def _put(self, row: tuple[Any, ...], otherwise: str) -> Completion:
        db = self._db()
        db.execute(
            f"INSERT OR {otherwise} INTO completions ({_COLUMNS}) VALUES (?,?,?,?,?,?,?)", row
        )
        stored = self._get(row[0])
        assert stored is not None
        return stored

    def _row(
        self, key: str, model: ChatModel, request: ModelRequest, completion: Completion
    ) -> tuple[Any, ...]:
        kept = asdict(completion)
        del kept["latency"]
        model = answering(model, request)
        where = getattr(model, "address", "")
        asked = request.question_id, request.repeat, request.attempt
        return key, model.spec, where, *asked, json.dumps(kept)

    async def _run(self, job: Callable[[], T]) -> T:
        future = asyncio.get_running_loop().run_in_executor(self._thread, job)
        try:
            return await future
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _sync(self, job: Callable[[], T]) -> T:
        return self._done(self._thread.submit(job).result)

    def _done(self, wait: Callable[[], T]) -> T:
        try:
            return wait()
        except (sqlite3.Error, OSError) as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> StoreError:
        return StoreError(f"The response store {str(self.path)!r} cannot be used: {error}.")


class CachedModel:
    """A model behind a response store; implements `ChatModel`.

    Parameters
    ----------
    model : ChatModel
        Whose answers are kept: the hash is made of it.
    caller : ChatModel
        Who is called for what is not stored; the model itself, or what limits its calls.
    store : ResponseStore
        Where.
    mode : {"auto", "replay", "record"}
        See `sqlbench.models.calling.options.Calling`.

    Attributes
    ----------
    hits, misses : int
        Requests that were answered from the store, and those that were not.
    """

    def __init__(
        self, model: ChatModel, caller: ChatModel, store: ResponseStore, mode: CacheMode = "auto"
    ) -> None:
        self.model, self.caller, self.store, self.mode = model, caller, store, mode
        self.spec, self.simulated, self.fingerprint = model.spec, model.simulated, model.fingerprint
        self.hits = self.misses = 0
        self._flying: dict[str, asyncio.Task[Completion]] = {}

    async def complete(self, request: ModelRequest) -> Completion:
        """Answer a request from the store, or call out and store the answer.

        A caller that is cancelled does not take the call with it: it is paid for.

        Raises
        ------
        UnseenRequestError
            In replay, if the request was never stored.
        """
        key = request_key(self.model, request)
        if (stored := await self._stored(key, request)) is not None:
            return stored
        task = self._flying.get(key)
        if task is None:
            task = asyncio.create_task(self._call(key, request))
            self._flying[key] = task
            task.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(task)

    async def stream(self, request: ModelRequest) -> AsyncIterator[str | Completion]:
        """Yield a stored answer in one piece, or the pieces of a call, then the `Completion`."""
        key = request_key(self.model, request)
        if (stored := await self._stored(key, request)) is not None:
            yield stored.text
            yield stored
            return
        async for piece in self.caller.stream(request):
            yield await self._keep(key, request, piece) if isinstance(piece, Completion) else piece

    async def aclose(self) -> None:
        """Wait a little for the calls that are still out, then close the store; not the model."""
        if self._flying:
            _, late = await asyncio.wait(self._flying.values(), timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await asyncio.to_thread(self.store.close)

    async def _stored(self, key: str, request: ModelRequest) -> Completion | None:
        stored = None if self.mode == "record" else await self.store.get(key)
        if stored is not None:
            self.hits += 1
        elif self.mode == "replay":
            again = f" (repeat {request.repeat})" if request.repeat else ""
            raise UnseenRequestError(
                f"The store {str(self.store.path)!r} has no answer to attempt {request.attempt} "
                f"({request.action}) at question {request.question_id!r}{again}, by {self.spec} at "
                f"{getattr(self.model, 'address', '') or 'no endpoint'}; it holds answers of "
                f"{', '.join(self.store.models()) or 'no model'}. Replay the very configuration "
                "that was recorded, or use cache mode auto to call out, as for an episode that the "
                "recorded run lost."
            )
        return stored

    async def _call(self, key: str, request: ModelRequest) -> Completion:
        return await self._keep(key, request, await self.caller.complete(request))

    async def _keep(self, key: str, request: ModelRequest, completion: Completion) -> Completion:
        self.misses += 1
        keep = self.store.overwrite if self.mode == "record" else self.store.put
        kept = await keep(key, self.model, request, completion)
        return replace(kept, latency=completion.latency)

    def _landed(self, key: str, task: asyncio.Task[Completion]) -> None:
        del self._flying[key]
        if not task.cancelled():
            task.exception()  # whoever asked may be gone: then nobody else looks at it


def _completion(text: str) -> Completion:
    values = json.loads(text)
    return Completion(**(values | {"usage": Usage(**values["usage"])}))


def _use_wal(db: sqlite3.Connection) -> None:
    """Switch to WAL; two processes that do it at once do not wait for each other by themselves."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _close(connection: sqlite3.Connection, readonly: bool) -> None:
    if not readonly:
        # Whoever else has it open still needs the log; the last one to close clears it away.
        connection.execute("PRAGMA busy_timeout = 0")
        with contextlib.suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
