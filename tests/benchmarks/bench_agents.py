"""What an agent's step costs: in process, in 64 episodes at once, and over the WebSocket.

Run: python tests/benchmarks/bench_agents.py [--peer CHECKOUT]
CHECKOUT is another version of sqlbench: its server is measured in the same run, in turns. Ratios
are what counts: the steps a second are those of this machine in this minute.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect

import sqlbench as sb

ROOT = Path(__file__).resolve().parents[2]
ROUNDS, EPISODES, ATTEMPTS, AT_ONCE, CLIENTS = 5, 40, 5, 64, 16
SQL = "SELECT name FROM customers WHERE customer_id = 3"


async def play(env: sb.SQLAgentEnv, episodes: int) -> None:
    for _ in range(episodes):
        env.reset()
        for _ in range(ATTEMPTS):
            await env.step(SQL)


async def in_process() -> None:
    """Take turns, so that both see the same machine."""
    suite = sb.load_suite("marketplace")
    first = sb.SQLAgentEnv(suite, None)
    many = [sb.SQLAgentEnv(suite, None, golds=first.golds) for _ in range(AT_ONCE)]
    await play(first, 4)
    alone, together, cpu = [], [], []
    for _ in range(ROUNDS):
        started, processor = time.perf_counter(), time.process_time()
        await play(first, EPISODES)
        alone.append(EPISODES * ATTEMPTS / (time.perf_counter() - started))
        cpu.append((time.process_time() - processor) / (EPISODES * ATTEMPTS))
        started = time.perf_counter()
        await asyncio.gather(*(play(env, 2) for env in many))
        together.append(AT_ONCE * 2 * ATTEMPTS / (time.perf_counter() - started))
    one, all_ = statistics.median(alone), statistics.median(together)
    share = statistics.median(t / a for t, a in zip(together, alone, strict=True))
    print(
        f"in process: {one:,.0f} steps a second (best {max(alone):,.0f}), "
        f"{statistics.median(cpu) * 1e6:,.0f} µs of processor time a step; "
        f"{AT_ONCE} environments at once: {all_:,.0f}, {share:.2f} times one alone"
    )


@contextlib.contextmanager
def serving(root: Path, *options: str) -> Iterator[tuple[str, int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sqlbench", "serve", "--port", "0", *options],
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1].replace("http", "ws", 1) + "/ws"
        yield url, process.pid
    finally:
        process.terminate()
        process.wait()


async def client(url: str, action: dict[str, Any], episodes: int) -> int:
    size = 0
    async with connect(url, proxy=None, max_size=None, compression=None) as ws:
        for _ in range(episodes):
            for frame in [{"type": "reset", "data": {}}] + [
                {"type": "step", "data": action}
            ] * ATTEMPTS:
                await ws.send(json.dumps(frame))
                answer = await ws.recv()
                assert '"observation"' in answer[:40], answer
            size = len(answer)
    return size


async def over_the_wire(url: str, action: dict[str, Any], episodes: int) -> tuple[float, int]:
    started = time.perf_counter()
    sizes = await asyncio.gather(*(client(url, action, episodes) for _ in range(CLIENTS)))
    return CLIENTS * episodes * ATTEMPTS / (time.perf_counter() - started), sizes[0]


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def compare(here: tuple[str, int], there: tuple[str, int] | None) -> None:
    old, new = {"custom_sql": SQL}, {"sql": SQL}
    rates: dict[str, list[float]] = {"here": [], "there": []}
    sizes: dict[str, int] = {}
    spent = {"here": 0.0, "there": 0.0}
    for number in range(ROUNDS + 1):  # the first warms up
        turns = {"here": (here, new)} | ({"there": (there, old)} if there else {})
        for name, ((url, pid), action) in turns.items():
            before = processor_seconds(pid)
            rate, sizes[name] = await over_the_wire(url, action, 2)
            if number:
                rates[name].append(rate)
                spent[name] += processor_seconds(pid) - before
    steps = ROUNDS * CLIENTS * 2 * ATTEMPTS
    micro = {name: seconds / steps * 1e6 for name, seconds in spent.items()}
    print(
        f"over the WebSocket, {CLIENTS} clients: {statistics.median(rates['here']):,.0f} steps a "
        f"second, {sizes['here']:,} characters and {micro['here']:,.0f} µs of the server's "
        "processor time a step"
    )
    if there:
        ratios = [h / t for h, t in zip(rates["here"], rates["there"], strict=True)]
        print(
            f"the other checkout: {statistics.median(rates['there']):,.0f}, {sizes['there']:,} "
            f"characters, {micro['there']:,.0f} µs; {statistics.median(ratios):.2f} times as many "
            f"steps a second here ({min(ratios):.2f} to {max(ratios):.2f}), "
            f"{micro['there'] / micro['here']:.2f} times as many by processor time"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, help="another checkout, whose server is compared")
    peer = parser.parse_args().peer
    asyncio.run(in_process())
    with contextlib.ExitStack() as stack:
        there = stack.enter_context(serving(peer)) if peer else None
        here = stack.enter_context(serving(ROOT, "--agent"))
        asyncio.run(compare(here, there))


if __name__ == "__main__":
    main()
