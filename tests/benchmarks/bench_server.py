"""What the wire costs, what sessions share, and what they leave behind.

Run: .venv/bin/python tests/benchmarks/bench_server.py
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

import sqlbench as sb
from sqlbench.models.simulated.simulated import SimulatedModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))
from serving import Served, serve, serve_slow

ROUNDS, EPISODES, ATTEMPTS = 7, 20, 5
SESSIONS, STEPS, LATENCY = 32, 5, 0.1
SQL = "SELECT name FROM customers WHERE customer_id = 3"


async def ask(ws: ClientConnection, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    await ws.send(json.dumps({"type": kind, "data": data}))
    answer = json.loads(await ws.recv())
    assert answer["type"] == "observation", answer
    return answer["data"]


async def steps_over_the_wire(ws: ClientConnection) -> list[float]:
    times = []
    for _ in range(EPISODES):
        await ask(ws, "reset", {})
        for _ in range(ATTEMPTS):
            started = time.perf_counter()
            await ask(ws, "step", {"custom_sql": SQL})
            times.append(time.perf_counter() - started)
    return times


async def steps_in_process(env: sb.SQLAgentEnv) -> list[float]:
    times = []
    for _ in range(EPISODES):
        env.reset()
        for _ in range(ATTEMPTS):
            started = time.perf_counter()
            await env.step(sb.Action(custom_sql=SQL))
            times.append(time.perf_counter() - started)
    return times


async def wire_cost(served: Served) -> None:
    """Take turns, so that both see the same machine."""
    env, wire, here = sb.SQLAgentEnv(), [], []
    async with connect(served.ws_url, proxy=None) as ws:
        for _ in range(ROUNDS):
            here.append(statistics.median(await steps_in_process(env)) * 1e3)
            wire.append(statistics.median(await steps_over_the_wire(ws)) * 1e3)
    costs = [w - h for w, h in zip(wire, here, strict=True)]
    shown = ", ".join(f"{c:.2f}" for c in costs)
    print(
        f"a step with custom_sql: {statistics.median(here):.2f} ms in process, "
        f"{statistics.median(wire):.2f} ms over the WebSocket; the difference, "
        f"{ROUNDS} rounds: {shown}; median {statistics.median(costs):.2f} ms (at most 2)"
    )


async def one_session(served: Served, number: int, go: asyncio.Event) -> None:
    async with connect(served.ws_url, proxy=None) as ws:
        done = True
        await go.wait()
        for _ in range(STEPS):
            if done:
                await ask(ws, "reset", {"task_id": "join_queries", "seed": number})
            done = (await ask(ws, "step", {"repair_action": "auto"}))["done"]


async def all_sessions(served: Served) -> float:
    go = asyncio.Event()
    sessions = [asyncio.create_task(one_session(served, i, go)) for i in range(SESSIONS)]
    await asyncio.sleep(2)  # all of them are connected
    started = time.perf_counter()
    go.set()
    await asyncio.gather(*sessions)
    return time.perf_counter() - started


async def all_in_process(suite: sb.suites.Suite, model: SimulatedModel) -> float:
    """The same episodes without a server: what the machine leaves of the ideal."""

    async def one(number: int) -> None:
        env = sb.SQLAgentEnv(suite, model)
        done = True
        for _ in range(STEPS):
            if done:
                env.reset("join_queries", seed=number)
            done = (await env.step())[1].done

    started = time.perf_counter()
    await asyncio.gather(*(one(i) for i in range(SESSIONS)))
    return time.perf_counter() - started


async def throughput(served: Served) -> None:
    """Take turns, so that both see the same machine; the first round prepares the faults."""
    ideal = STEPS * LATENCY
    suite = sb.load_suite("marketplace")
    model = SimulatedModel(suite, latency=LATENCY)
    rounds = [
        (await all_sessions(served) / ideal, await all_in_process(suite, model) / ideal)
        for _ in range(ROUNDS + 1)
    ][1:]
    wire, here = zip(*rounds, strict=True)
    print(
        f"{SESSIONS} sessions × {STEPS} steps, {LATENCY * 1e3:.0f} ms a model call, as multiples "
        f"of the ideal {ideal:.1f} s (at most 1.5):"
    )
    for name, times in (("over the WebSocket", wire), ("in process", here)):
        shown = ", ".join(f"{t:.2f}" for t in times)
        print(f"  {name}: {shown}; median {statistics.median(times):.2f}, best {min(times):.2f}")


def footprint(served: Served) -> tuple[float, int, int]:
    process = Path(f"/proc/{served.process.pid}")
    pages = int((process / "statm").read_text().split()[1])
    threads, handles = os.listdir(process / "task"), os.listdir(process / "fd")
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(handles), len(threads)


async def leftovers(served: Served) -> None:
    async def sessions(count: int) -> float:
        started = time.perf_counter()
        for _ in range(count):
            async with connect(served.ws_url, proxy=None) as ws:
                await ask(ws, "reset", {})
                await ask(ws, "step", {"custom_sql": SQL})
        return (time.perf_counter() - started) / count * 1e3

    await sessions(200)
    before = footprint(served)
    milliseconds = await sessions(1000)
    await asyncio.sleep(1)
    after = footprint(served)
    print(
        f"1000 sessions one after another, {milliseconds:.1f} ms each: "
        f"memory {before[0]:.1f} -> {after[0]:.1f} MiB, file handles {before[1]} -> {after[1]}, "
        f"threads {before[2]} -> {after[2]}"
    )


def main() -> None:
    with serve() as served:
        asyncio.run(wire_cost(served))
        asyncio.run(leftovers(served))
    with serve_slow(LATENCY) as served:
        asyncio.run(throughput(served))


if __name__ == "__main__":
    main()
