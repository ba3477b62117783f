"""Time PostgreSQL's sandbox: `python tests/benchmarks/bench_postgres.py`.

For golds of each task, in turns within one run: the query on a bare psycopg connection, through
`PostgresDatabase.execute`, and as a step of an episode (`custom_sql`, graded and rewarded). Each
text is new, so that nothing is answered from a cache. What counts is what a step costs over the
query itself: by the clock (medians, and the fastest step less the fastest query, which is nearest
to what an idle machine shows), and in processor time of client and server together, which counts
twice what runs side by side.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg

from sqlbench.databases.postgres import PostgresDatabase
from sqlbench.databases.postgres_embedded import embedded_server
from sqlbench.environment.environment import Action, SQLAgentEnv
from sqlbench.policies import make_policy
from sqlbench.suites import load_suite
from sqlbench.suites.marketplace.postgres import schema_name

QUESTIONS = ("simple_02", "simple_17", "join_05", "join_20", "complex_03", "complex_16")
ROUNDS = 40


class Silent:
    """The episodes bring their own SQL: no model is ever asked."""

    spec, simulated = "silent", False


class Clock:
    """Times calls by the clock, and by the processor time of this process and some others."""

    def __init__(self, pids: Sequence[int]) -> None:
        self.files = [Path(f"/proc/{pid}/schedstat") for pid in pids]

    def cpu(self) -> float:
        servers = sum(int(f.read_text().split()[0]) for f in self.files)
        return time.process_time() * 1e3 + servers / 1e6

    def __call__(self, call: Callable[[], object]) -> tuple[float, float]:
        cpu, started = self.cpu(), time.perf_counter()
        call()
        return (time.perf_counter() - started) * 1e3, self.cpu() - cpu


def numbered(sql: str) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        yield f"{sql}\n-- {number}"


def main() -> None:
    suite = load_suite("marketplace", "pg-embedded")
    database = suite.databases["marketplace"]
    assert isinstance(database, PostgresDatabase)
    bare = psycopg.connect(embedded_server().reader.url, autocommit=True)
    bare.execute(f"SET search_path TO {schema_name()}")
    bare.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")  # the sandbox's plans
    # The signals of an answer are not part of a step's cost: docs/signals.md has theirs.
    env = SQLAgentEnv(suite, Silent(), make_policy("rules"), feedback="always", ground="off")  # type: ignore[arg-type]
    runner = asyncio.Runner()
    sessions = "SELECT pid FROM pg_stat_activity WHERE usename = current_user"
    database.execute("SELECT 1")
    clock = Clock([pid for (pid,) in bare.execute(sessions)])
    print("medians in ms          bare  execute     step   over bare: clock  fastest  processor")
    over: list[tuple[float, ...]] = []
    for question_id in QUESTIONS:
        question = suite.question(question_id)
        texts = numbered(str(question.gold))

        def on_bare(texts: Iterator[str] = texts) -> object:
            return bare.execute(next(texts)).fetchall()

        def in_sandbox(texts: Iterator[str] = texts) -> object:
            return database.execute(next(texts))

        def as_step(texts: Iterator[str] = texts) -> object:
            return runner.run(env.step(Action(custom_sql=next(texts))))

        times: dict[str, list[tuple[float, float]]] = {"bare": [], "execute": [], "step": []}
        for _ in range(ROUNDS):
            env.reset_with_question(question.task_id, question.id)
            times["bare"].append(clock(on_bare))
            times["execute"].append(clock(in_sandbox))
            times["step"].append(clock(as_step))
        medians = [statistics.median(c for c, _ in values) for values in times.values()]
        pairs = list(zip(times["step"], times["bare"], strict=True))
        over.append(
            (
                statistics.median(s[0] - b[0] for s, b in pairs),
                min(times["step"])[0] - min(times["bare"])[0],
                statistics.median(s[1] - b[1] for s, b in pairs),
            )
        )
        shown = "".join(f"{m:9.2f}" for m in medians)
        print(f"{question_id:16}{shown}{over[-1][0]:19.2f}{over[-1][1]:9.2f}{over[-1][2]:11.2f}")
    clocked, fastest, worked = (statistics.median(o[i] for o in over) for i in range(3))
    print(
        f"a step costs {clocked:.2f} ms over the query itself (fastest {fastest:.2f}), "
        f"{worked:.2f} of processor time"
    )
    runner.close()
    bare.close()
    suite.close()


if __name__ == "__main__":
    main()
