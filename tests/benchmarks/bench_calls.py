"""How near calls come to the ideal rate, how long the loop is ever blocked, what a rerun takes.

Run: .venv/bin/python tests/benchmarks/bench_calls.py [client] [rate] [rerun]

client: processor time a call of the endpoint's client, beside the openai package's own call over
    its default transport (httpx). Server and client are two processes.
rate: 64 calls in flight (lag 192) that take 200 ms each. The ideal rate is 64 / 0.2 s = 320 calls
    a second: that of a machine that needs no time at all. It is measured from the first fifth of
    the calls to the last, for at its end a run has less to do than 64 calls at a time. With the
    simulated model, which only waits, and over HTTP.
    The event loop's longest turn is that of the whole run, from `run_experiment` to its end.
rerun: the same configuration again, into another folder, from the response store, with a suite
    loaded afresh: its share of the first run's time, where a call takes 200 ms. Once in the first
    run's process, which knows all that it found, and once in a fresh one, which finds it beside the
    answers; of that the time from its start to its end is told, too. Neither runs a statement.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))

from served import answers_for

import sqlbench as sb
from sqlbench.models import Calling, ModelRequest
from sqlbench.models.endpoint.openai import OpenAIModel
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.runs.experiment import run_experiment

IN_FLIGHT, LAG, LATENCY, EPISODES = 64, 192, 0.2, 1500
# Of a rerun: calls in flight, lag and episodes. The third is the README's command.
RERUNS = [(1, 0, 30), (8, 15, 300), (16, 15, 300), (IN_FLIGHT, LAG, EPISODES)]


class QuickServer:
    """The quick server, in a process of its own."""

    def __init__(self, folder: Path, suite, latency: float) -> None:
        path = folder / "answers.json"
        path.write_text(json.dumps(answers_for(suite)))
        command = [sys.executable, str(Path(__file__).with_name("quick_server.py"))]
        self.process = subprocess.Popen(
            [*command, str(path), str(latency)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        url = self.process.stdout.readline().strip()
        self.environ = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "secret"}

    def end(self) -> str:
        """Stop it, and say what it took itself."""
        self.process.stdin.close()
        calls, seconds = self.process.stdout.readline().split()
        self.process.wait()
        self.process.stdout.close()
        return f"the server itself took {float(seconds) / int(calls) * 1e3:.2f} ms a call"


@contextmanager
def quick_server(suite, latency: float = LATENCY):
    with tempfile.TemporaryDirectory() as scratch:
        server = QuickServer(Path(scratch), suite, latency)
        try:
            yield server
        finally:
            print(f"    ({server.end()})")


class Counted:
    """A model whose calls are timed at their ends."""

    def __init__(self, model):
        self.model, self.ends = model, []
        self.spec, self.simulated, self.fingerprint = model.spec, model.simulated, model.fingerprint
        for name in ("address", "sent", "profile"):
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))

    async def complete(self, request):
        completion = await self.model.complete(request)
        self.ends.append(time.perf_counter())
        return completion

    async def aclose(self):
        await self.model.aclose()

    def rate(self) -> float:
        """Calls a second from the first fifth of the calls to the last."""
        a, b = len(self.ends) // 5, len(self.ends) * 4 // 5
        return (b - a) / (self.ends[b] - self.ends[a])


class Watch:
    """Measures the turns of the running event loop, and sees what the longest was at.

    By the clock, and in processor time of the loop's own thread: where other processes or threads
    take the processor away, only the second is the loop's own doing.
    """

    def __init__(self) -> None:
        self.clock = self.own = 0.0
        self._since: float | None = None  # the loop's processor time when its turn began
        self.where, self._seen = "", 0.0
        self.alive = True
        self.thread = threading.get_ident()

    async def __aenter__(self):
        self.ticking = asyncio.create_task(self._tick())
        self.looking = threading.Thread(target=self._look)
        self.looking.start()
        return self

    async def __aexit__(self, *_):
        self.alive = False
        await self.ticking
        await asyncio.to_thread(self.looking.join)

    async def _tick(self) -> None:
        while self.alive:
            clock, self._since = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0)
            self.clock = max(self.clock, time.perf_counter() - clock)
            self.own = max(self.own, time.thread_time() - self._since)
            self._since = None
            await asyncio.sleep(0.001)

    def _look(self) -> None:
        clock = time.pthread_getcpuclockid(self.thread)
        while self.alive:
            time.sleep(0.02)
            since = self._since
            late = 0.0 if since is None else time.clock_gettime(clock) - since
            if late > max(0.02, self._seen):
                frame = sys._current_frames()[self.thread]
                stack = traceback.extract_stack(frame)
                ours = [f for f in stack if "sqlbench" in f.filename] or stack
                self._seen = late
                self.where = f", at {Path(ours[-1].filename).name}:{ours[-1].lineno}"


def options(in_flight: int, lag: int, episodes: int) -> dict[str, object]:
    return {"episodes": episodes, "lag": lag, "concurrency": in_flight, "progress": False}


async def timed(name: str, model: Counted, run) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    async with Watch() as watch:
        await run
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    calls, ideal = len(model.ends), IN_FLIGHT / LATENCY
    print(
        f"{name}: {calls} calls in {seconds:.1f} s, {model.rate():.0f} a second, "
        f"{model.rate() / ideal:.0%} of the ideal {ideal:.0f}; {cpu / calls * 1e3:.1f} ms of "
        f"processor a call, all in all; the loop's longest turn {watch.clock * 1e3:.0f} ms by the "
        f"clock, {watch.own * 1e3:.0f} ms of its own{watch.where}",
        flush=True,
    )


async def rate() -> None:
    suite = sb.load_suite("marketplace")
    warm = SimulatedModel(suite)  # what it plants has to be run once, which no model's call is
    await run_experiment(suite, warm, episodes=800, progress=False)
    simulated = SimulatedModel(suite, latency=LATENCY)
    simulated.faults = warm.faults
    with tempfile.TemporaryDirectory() as scratch:
        folder, run = Path(scratch), options(IN_FLIGHT, LAG, EPISODES)
        model = Counted(simulated)
        work = run_experiment(sb.load_suite("marketplace"), model, out=folder / "a", **run)
        await timed("simulated model", model, work)
        with quick_server(suite) as server:
            calling = Calling(cache=folder / "store.sqlite")
            model = Counted(OpenAIModel("m", server.environ, calling))
            fresh = sb.load_suite("marketplace")
            work = run_experiment(fresh, model, out=folder / "b", calling=calling, **run)
            await timed("over HTTP, with a response store", model, work)
            await model.aclose()


AGAIN = """
import asyncio, json, sys, time
from pathlib import Path
import sqlbench as sb
from sqlbench.models import Calling
from sqlbench.models.endpoint.openai import OpenAIModel
from sqlbench.runs.experiment import run_experiment
folder, environ, run = (json.loads(text) for text in sys.argv[1:])
calling = Calling(cache=Path(folder) / "store.sqlite")
suite, model = sb.load_suite("marketplace"), OpenAIModel("m", environ, calling)
started = time.perf_counter()
out = Path(folder) / "fresh"
asyncio.run(run_experiment(suite, model, out=out, calling=calling, **run))
print(time.perf_counter() - started)
"""


def in_fresh_process(folder: Path, environ: dict[str, str], run: dict[str, object]) -> list[float]:
    """Return how long a run takes in a process of its own, without and with its start."""
    texts = (json.dumps(v) for v in (str(folder), environ, run))
    command = [sys.executable, "-c", AGAIN, *texts]
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(done.stdout.split()[0]), time.perf_counter() - started]


async def rerun() -> None:
    for in_flight, lag, episodes in RERUNS:
        with (
            tempfile.TemporaryDirectory() as scratch,
            quick_server(sb.load_suite("marketplace")) as server,
        ):
            folder, took, calls = Path(scratch), [], []
            calling = Calling(cache=folder / "store.sqlite")
            for name in ("first", "second"):
                suite = sb.load_suite("marketplace")
                model = Counted(OpenAIModel("m", server.environ, calling))
                run = options(in_flight, lag, episodes) | {"calling": calling}
                started = time.perf_counter()
                await run_experiment(suite, model, out=folder / name, **run)
                took.append(time.perf_counter() - started)
                calls.append(len(model.ends))
                await model.aclose()
            run = options(in_flight, lag, episodes)
            took += await asyncio.to_thread(in_fresh_process, folder, server.environ, run)
            names = ("first", "second", "fresh")
            logs = [(folder / n / "episodes.jsonl").read_bytes() for n in names]
            assert logs[0] == logs[1] == logs[2] and calls[1] == 0
            first, second, fresh, whole = took
            print(
                f"{in_flight} in flight, lag {lag}, {episodes} episodes: {calls[0]} calls in "
                f"{first:.1f} s; from the store none, in {second:.2f} s: {second / first:.1%} of "
                f"the time; in a fresh process {fresh:.2f} s: {fresh / first:.1%}, with its start "
                f"{whole:.2f} s: {whole / first:.1%}",
                flush=True,
            )


async def client() -> None:
    import openai

    suite = sb.load_suite("marketplace")
    env = sb.SQLAgentEnv(suite)
    env.reset()
    request: ModelRequest = env.request()

    async def cost(call) -> float:
        """Return the loop's milliseconds a call, of 640 calls with 64 in flight."""
        await asyncio.gather(*(call() for _ in range(IN_FLIGHT)))
        started = time.thread_time()
        for _ in range(10):
            await asyncio.gather(*(call() for _ in range(IN_FLIGHT)))
        return (time.thread_time() - started) / (10 * IN_FLIGHT) * 1e3

    with quick_server(suite, latency=0.0) as server:
        ours = OpenAIModel("m", server.environ)
        url, key = server.environ["OPENAI_BASE_URL"], server.environ["OPENAI_API_KEY"]
        peer = openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0)
        found = []
        for _ in range(3):  # in turns: the machine may be busy
            a = await cost(lambda: ours.complete(request))
            b = await cost(lambda: peer.chat.completions.create(**ours.sent(request)))
            found.append((a / b, a, b))
        await ours.aclose()
        await peer.close()
    ratio, a, b = sorted(found)[1]
    print(f"client: {a:.2f} ms a call; the package's own call {b:.2f} ms; × {ratio:.2f}")


async def main() -> None:
    jobs = {"client": client, "rate": rate, "rerun": rerun}
    for name in sys.argv[1:] or jobs:
        await jobs[name]()


asyncio.run(main())
