"""What an agent's step costs: in process, in 64 episodes at once, and over the WebSocket.

Run: python tests/benchmarks/bench_agents.py [--peer CHECKOUT]
CHECKOUT is another version of sqlbench: its server is measured in the same run, in turns. Ratios
are what counts: the steps a second are those of this machine in this minute.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count, repeat
from pathlib import Path

from light_clients import play

import sqlbench as sb

ROOT = Path(__file__).resolve().parents[2]
ROUNDS, EPISODES, ATTEMPTS, AT_ONCE = 9, 40, 5, 64
CLIENTS, PLAYED = 16, 10  # episodes a client and turn: a second or two
SQL = "SELECT name FROM customers WHERE customer_id = 3"


async def play_in_process(env: sb.SQLAgentEnv, episodes: int) -> None:
    for _ in range(episodes):
        env.reset()
        for _ in range(ATTEMPTS):
            await env.step(SQL)


async def in_process() -> None:
    """Take turns, so that both see the same machine."""
    suite = sb.load_suite("marketplace")
    first = sb.SQLAgentEnv(suite, None)
    many = [sb.SQLAgentEnv(suite, None, golds=first.golds) for _ in range(AT_ONCE)]
    await play_in_process(first, 4)
    alone, together, cpu = [], [], []
    for _ in range(ROUNDS):
        started, processor = time.perf_counter(), time.process_time()
        await play_in_process(first, EPISODES)
        alone.append(EPISODES * ATTEMPTS / (time.perf_counter() - started))
        cpu.append((time.process_time() - processor) / (EPISODES * ATTEMPTS))
        started = time.perf_counter()
        await asyncio.gather(*(play_in_process(env, 2) for env in many))
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


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def compare(
    here: tuple[str, int], there: tuple[str, int] | None, what: str, sqls: Iterator[str]
) -> None:
    """Take turns with another server; the clients' own processor time is told, too."""
    new, old = ({"sql": sql} for sql in sqls), ({"custom_sql": sql} for sql in sqls)
    rates: dict[str, list[float]] = {"here": [], "there": []}
    spent: dict[str, list[float]] = {"here": [], "there": []}
    sizes: dict[str, int] = {}
    clients = 0.0
    steps = CLIENTS * PLAYED * ATTEMPTS
    for number in range(ROUNDS + 1):  # the first warms up
        turns = {"here": (here, new)} | ({"there": (there, old)} if there else {})
        for name, ((url, pid), actions) in turns.items():
            before, own = processor_seconds(pid), time.process_time()
            rate, sizes[name] = play(
                url, actions, clients=CLIENTS, episodes=PLAYED, attempts=ATTEMPTS
            )
            if number:
                rates[name].append(rate)
                spent[name].append((processor_seconds(pid) - before) / steps)
                clients += (time.process_time() - own) / (steps * ROUNDS * len(turns))
    print(
        f"over the WebSocket, {CLIENTS} clients, {what}: {statistics.median(rates['here']):,.0f} "
        f"steps a second (best {max(rates['here']):,.0f}), {sizes['here']:,} bytes and "
        f"{statistics.median(spent['here']) * 1e6:,.0f} µs of the server's processor time a step, "
        f"and {clients * 1e6:,.0f} µs of the clients'"
    )
    if there:
        wall = [h / t for h, t in zip(rates["here"], rates["there"], strict=True)]
        work = [t / h for h, t in zip(spent["here"], spent["there"], strict=True)]
        print(
            f"the other checkout: {statistics.median(rates['there']):,.0f} (best "
            f"{max(rates['there']):,.0f}), {sizes['there']:,} bytes, "
            f"{statistics.median(spent['there']) * 1e6:,.0f} µs; here "
            f"{statistics.median(wall):.2f} times as many steps a second ({min(wall):.2f} to "
            f"{max(wall):.2f}), and {statistics.median(work):.2f} times as many a second of the "
            f"server's processor time ({min(work):.2f} to {max(work):.2f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, help="another checkout, whose server is compared")
    peer = parser.parse_args().peer
    asyncio.run(in_process())
    with contextlib.ExitStack() as stack:
        there = stack.enter_context(serving(peer)) if peer else None
        here = stack.enter_context(serving(ROOT, "--agent"))
        compare(here, there, "one statement", repeat(SQL))
        # What a process ran before it need not run again; here it never did.
        compare(here, there, "ever another", (f"{SQL} AND name <> '{n}'" for n in count()))


if __name__ == "__main__":
    main()
