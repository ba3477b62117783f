"""Where DuckDB's worker processes come from: one process that has imported what they need.

It has no thread and no database; each worker is a fork of it, and ready in a few milliseconds. It
gets none of the parent's environment, and ends with the parent.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import struct
import sys

_PID = struct.Struct("!q")
FORK, REAP = b"F", b"R"


def serve(orders: socket.socket) -> None:
    """Fork a worker for each socket that comes, and reap those that the parent has ended."""
    from sqlbench.databases import duckdb_worker

    gc.freeze()
    dead: set[int] = set()
    orders.sendall(b"!")
    while True:
        data, handles, _, _ = socket.recv_fds(orders, 1, 1)
        dead = {pid for pid in dead if not _reaped(pid)}
        if not data:
            return
        if data == REAP:
            dead.add(_PID.unpack(_exactly(orders, _PID.size))[0])
            continue
        pid = os.fork()
        if pid == 0:
            orders.close()
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            try:
                duckdb_worker.main(socket.socket(fileno=handles[0]))
            finally:
                os._exit(0)
        os.close(handles[0])
        orders.sendall(_PID.pack(pid))


def _reaped(pid: int) -> bool:
    """Whether a worker that was ended needs no more of us: it is gone, or another's."""
    try:
        return os.waitpid(pid, os.WNOHANG) != (0, 0)
    except ChildProcessError:  # of a nursery before this one
        return True


def _exactly(orders: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = orders.recv(count - len(data))
        if not part:
            sys.exit()
        data += part
    return data
