"""A worker process as its parent sees it: started, asked, killed, and replaced."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from typing import Any

import orjson

from sqlbench.databases.duckdb_nursery import FORK, REAP
from sqlbench.exceptions import ConfigError, DatabaseFailure, MissingExtraError

_LENGTH, _PID = struct.Struct("!I"), struct.Struct("!q")
_START = 60.0  # seconds that a process gets for its start, on a machine that is busy
_KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_PROGRAM = (
    "import sys; sys.path[:] = {path!r}; import socket; "
    "from sqlbench.databases.duckdb_nursery import serve; serve(socket.socket(fileno={handle}))"
)


class ProcessEnded(Exception):
    """Raised where a worker is gone before it has answered."""


class OutOfTime(Exception):
    """Raised where a worker has not answered in time."""


class Nursery:
    """The one process of this one that forks workers; it starts with the first of them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a process may be let go while another is forked
        self._orders: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def fork(self, handle: int) -> int:
        """Start a worker on the other end of a socket; return its process id."""
        with self._lock:
            for _ in range(2):
                orders = self._started()
                try:
                    socket.send_fds(orders, [FORK], [handle])
                    return int(_PID.unpack(_exactly(orders, _PID.size, None))[0])
                except (OSError, ProcessEnded):
                    self._orders = None  # it was killed from outside: once more
                except BaseException:
                    # Ctrl-C: the answer that is still to come would be taken for the next one's.
                    # It ends with its orders, and the next worker gets another.
                    orders.close()
                    self._orders = None
                    raise
        raise DatabaseFailure("The process that starts DuckDB's workers was ended, twice.")

    def reap(self, pid: int) -> None:
        """Let a worker that is killed go."""
        with self._lock, contextlib.suppress(OSError):
            if self._orders is not None:
                self._orders.sendall(REAP + _PID.pack(pid))

    def _started(self) -> socket.socket:
        if self._orders is not None:
            return self._orders
        if not hasattr(os, "fork"):
            raise ConfigError("DuckDB needs processes that fork: use Linux or macOS, or SQLite.")
        mine, other = socket.socketpair()
        program = _PROGRAM.format(path=[p or os.getcwd() for p in sys.path], handle=other.fileno())
        with other:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", program],
                pass_fds=[other.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                start_new_session=True,  # Ctrl-C is for the parent
            )
        mine.settimeout(_START)
        try:
            _exactly(mine, 1, None)
        except (OSError, ProcessEnded):
            raise DatabaseFailure(
                "The process that runs DuckDB does not start; try  "
                f"{sys.executable} -c 'import duckdb, orjson'  to see why."
            ) from None
        mine.settimeout(None)
        self._orders = mine
        return mine


NURSERY = Nursery()
if hasattr(os, "register_at_fork"):
    # A fork has a nursery of its own: the answers of one that is shared would be mixed.
    os.register_at_fork(after_in_child=NURSERY.__init__)  # type: ignore[misc]


class DuckDBProcess:
    """One worker process with one database open; used by one thread at a time.

    Parameters
    ----------
    setup : dict
        What `sqlbench.databases.duckdb_worker.Session` is to open.
    stamp : object
        What stands for the content of the database when it was opened.
    """

    def __init__(self, setup: dict[str, Any], stamp: object) -> None:
        self.stamp, self.owner = stamp, os.getpid()
        self._ready, self._killing = False, threading.Lock()
        self._connection, other = socket.socketpair()
        with other:
            self.pid: int | None = NURSERY.fork(other.fileno())
        self._send(setup)

    def wait_until_ready(self) -> dict[str, Any] | None:
        """Wait until the database is open; return what the process says of itself, once.

        Raises
        ------
        OpenFailure
            If DuckDB cannot open it.
        DatabaseFailure
            If the process ends or does not start.
        """
        if self._ready:
            return None
        try:
            answer = self._receive(time.monotonic() + _START)
        except (ProcessEnded, OutOfTime):
            self.kill()
            raise DatabaseFailure("DuckDB's process ended while it opened the database.") from None
        if "error" in answer:
            self.kill()
            raise OpenFailure(answer["error"], answer["message"])
        self._ready = True
        found: dict[str, Any] = answer
        return found

    def ask(self, request: dict[str, Any]) -> None:
        """Send a request; `answer` waits for what comes of it.

        Raises
        ------
        ProcessEnded
            If the process is gone.
        """
        self._send(request)

    def begins_to_answer(self, deadline: float) -> bool:
        """Wait for the first of an answer; False if none has come by then."""
        found = select.poll()
        found.register(self._connection, select.POLLIN)
        return bool(found.poll(max(0.0, deadline - time.monotonic()) * 1000))

    def answer(self, deadline: float) -> dict[str, Any]:
        """Wait for an answer.

        Raises
        ------
        OutOfTime
            If it is not there, whole, at the deadline.
        ProcessEnded
            If there will be none.
        """
        found: dict[str, Any] = self._receive(deadline)
        return found

    def kill(self) -> None:
        """End the process, from any thread."""
        with self._killing:
            pid, self.pid = self.pid, None
        if pid is None or self.owner != os.getpid():
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)  # whoever waits for it is told at once
        NURSERY.reap(pid)

    def close(self) -> None:
        """End the process and let its socket go."""
        self.kill()
        self._connection.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # at the interpreter's end anything may be gone
            self.kill()

    @property
    def ready(self) -> bool:
        """Whether it has opened the database, or has said that it cannot."""
        return self._ready or self.begins_to_answer(time.monotonic())

    @property
    def alive(self) -> bool:
        """Whether it may be asked."""
        return self.pid is not None and self.owner == os.getpid()

    def _send(self, message: dict[str, Any]) -> None:
        data = orjson.dumps(message)
        try:
            self._connection.settimeout(_START)
            self._connection.sendall(_LENGTH.pack(len(data)) + data)
        except OSError:
            raise ProcessEnded from None

    def _receive(self, deadline: float) -> Any:
        (length,) = _LENGTH.unpack(_exactly(self._connection, _LENGTH.size, deadline))
        return orjson.loads(_exactly(self._connection, length, deadline))


class OpenFailure(Exception):
    """Raised where DuckDB cannot open a database: its exception's type, and its message."""


def check_installed() -> None:
    """Check that DuckDB is there, without importing it: it is for other processes.

    Raises
    ------
    MissingExtraError
        If it is not.
    """
    try:
        found = find_spec("duckdb")
    except ValueError:  # somebody has switched it off
        found = None
    if found is None:
        raise MissingExtraError("DuckDB", "duckdb")


def _exactly(connection: socket.socket, count: int, deadline: float | None) -> bytes:
    parts: list[bytes] = []
    while count:
        try:
            if deadline is not None:
                connection.settimeout(max(deadline - time.monotonic(), 1e-6))
            part = connection.recv(min(count, 2**20))
        except TimeoutError:
            raise OutOfTime from None
        except OSError:
            raise ProcessEnded from None
        if not part:
            raise ProcessEnded
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
