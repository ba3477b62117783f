"""Start real servers for the tests and the benchmark, each in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from folders import ROOT
from websockets.sync.client import ClientConnection, connect


@dataclass
class Served:
    process: subprocess.Popen[str]
    url: str

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws"

    def connect(self, **options: Any) -> ClientConnection:
        return connect(self.ws_url, proxy=None, max_size=None, **options)

    def request(self, path: str, data: Any = None, **headers: str) -> tuple[int, str]:
        """Return the status and body of a GET, or of a POST of JSON or of raw bytes."""
        body = data if data is None or isinstance(data, bytes) else json.dumps(data).encode()
        headers = {"Content-Type": "application/json"} | headers
        request = urllib.request.Request(self.url + path, body, headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stream(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the events of `POST /stream`."""
        status, text = self.request("/stream", body)
        assert status == 200, text
        frames = [f for f in text.split("\n\n") if f]
        events = [json.loads(f.split("\ndata: ", 1)[1]) for f in frames]
        for frame, event in zip(frames, events, strict=True):
            assert frame.startswith(f"event: {event['type']}\n")
        return events


@contextlib.contextmanager
def running(command: list[str], stderr: IO[bytes] | None = None, **env: str) -> Iterator[Served]:
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("Serving"), f"the server said {line!r}"
            yield Served(process, line.split()[-1])
        finally:
            process.terminate()
            process.wait(timeout=30)


def serve(
    *options: str, stderr: IO[bytes] | None = None, **env: str
) -> contextlib.AbstractContextManager[Served]:
    """Run ``sqlbench serve`` on a free port."""
    command = [sys.executable, "-m", "sqlbench", "serve", "--port", "0", *options]
    return running(command, stderr, **env)


def serve_slow(
    latency: float, failure_rate: float = 0.0, **config: Any
) -> contextlib.AbstractContextManager[Served]:
    """Serve the simulated model with a latency and failures, which no spec asks for."""
    given = json.dumps([latency, failure_rate, config])
    return running([sys.executable, __file__, given])


def call(ws: ClientConnection, kind: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
    """Send a frame and return the answer."""
    frame: dict[str, Any] = {"type": kind} if data is None else {"type": kind, "data": data}
    ws.send(json.dumps(frame))
    answer: dict[str, Any] = json.loads(ws.recv(timeout=60))
    return answer


if __name__ == "__main__":
    from sqlbench.models.simulated.simulated import SimulatedModel
    from sqlbench.server import ServerConfig
    from sqlbench.server import serve as run_server
    from sqlbench.suites import load_suite

    seconds, rate, others = json.loads(sys.argv[1])
    suite = load_suite("marketplace")
    model = SimulatedModel(suite, latency=seconds, failure_rate=rate)
    run_server(ServerConfig(suite=suite, model=model, **others), port=0)
