"""How near 64 calls in flight come to the ideal rate, and how long the event loop is ever blocked.

Run: .venv/bin/python tests/benchmarks/bench_calls.py [EPISODES]
Against the simulated model with a latency of 200 ms, against a real HTTP server in a process of
its own with the same latency, and from the response store. The ideal rate is 64 / 0.2 s.
The rate is that of the run's middle: at its end there is less to do than 64 calls at a time.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from served import answers_for, serve

import sqlbench as sb
from sqlbench.experiment import run_experiment
from sqlbench.models import Calling
from sqlbench.models.openai import OpenAIModel
from sqlbench.models.simulated import SimulatedModel

IN_FLIGHT, LAG, LATENCY = 64, 192, 0.2


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


async def watched(coroutine):
    """Run a coroutine, and return its seconds and the longest that one turn of the loop took.

    By the clock, and in processor time of the loop's own thread: where other processes or threads
    take the processor away, only the second is the loop's own doing.
    """
    longest = [0.0, 0.0]
    alive = True

    async def tick():
        last = time.perf_counter(), time.thread_time()
        while alive:
            await asyncio.sleep(0)
            now = time.perf_counter(), time.thread_time()
            for i in range(2):
                longest[i] = max(longest[i], now[i] - last[i])
            await asyncio.sleep(0.001)
            last = time.perf_counter(), time.thread_time()

    ticking = asyncio.create_task(tick())
    started, cpu = time.perf_counter(), time.process_time()
    await coroutine
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    alive = False
    await ticking
    return seconds, cpu, longest


async def main() -> None:
    episodes = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
    suite = sb.load_suite("marketplace")
    warm = SimulatedModel(suite)
    await run_experiment(suite, warm, episodes=800, progress=False)
    simulated = SimulatedModel(suite, latency=LATENCY)
    simulated.faults = warm.faults
    options = {
        "episodes": episodes, "lag": LAG, "concurrency": IN_FLIGHT, "policy": "linucb",
        "progress": False,
    }  # fmt: skip
    ideal = IN_FLIGHT / LATENCY
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = Counted(simulated)
        run = run_experiment(suite, model, out=folder / "simulated", **options)
        seconds, cpu, longest = await watched(run)
        report("simulated model", model, seconds, cpu, longest, ideal)
        with serve(folder, answers_for(suite), latency=LATENCY) as server:
            calling = Calling(cache=folder / "store.sqlite")
            for name in ("HTTP server", "from the store"):
                model = Counted(OpenAIModel("m", server.environ, calling))
                run = run_experiment(suite, model, out=folder / name, calling=calling, **options)
                seconds, cpu, longest = await watched(run)
                await model.aclose()
                if model.ends:
                    first = seconds
                    report(name, model, seconds, cpu, longest, ideal)
                else:
                    print(f"{name}: no call, {seconds / first:.1%} of the time ({seconds:.1f} s)")


def report(name, model, seconds, cpu, longest, ideal) -> None:
    share = model.rate() / ideal
    print(
        f"{name}: {len(model.ends)} calls in {seconds:.1f} s, {model.rate():.0f} a second, "
        f"{share:.0%} of the ideal {ideal:.0f}; {cpu / len(model.ends) * 1e3:.1f} ms of processor "
        f"a call; the longest turn of the loop {longest[0] * 1e3:.0f} ms by the clock, "
        f"{longest[1] * 1e3:.0f} ms of its own",
        flush=True,
    )


asyncio.run(main())
