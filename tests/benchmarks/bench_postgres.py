"""Time PostgreSQL's sandbox: `python tests/benchmarks/bench_postgres.py`.

For golds of each task, in turns within one run: the query on a bare psycopg connection, through
`PostgresDatabase.execute`, and as a step of an episode (`custom_sql`, graded and rewarded). Each
text is new, so that nothing is answered from a cache. What counts is the last column: what a step
costs over the query itself.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator

import psycopg

from sqlbench.databases.postgres import PostgresDatabase
from sqlbench.databases.postgres_embedded import embedded_server
from sqlbench.environment import Action, SQLAgentEnv
from sqlbench.policies import make_policy
from sqlbench.suites import load_suite
from sqlbench.suites.marketplace.postgres import schema_name

QUESTIONS = ("simple_02", "simple_17", "join_05", "join_20", "complex_03", "complex_16")
ROUNDS = 40


class Silent:
    """The episodes bring their own SQL: no model is ever asked."""

    spec, simulated = "silent", False


def millis(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return (time.perf_counter() - started) * 1e3


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
    env = SQLAgentEnv(suite, Silent(), make_policy("rules"), feedback="always")  # type: ignore[arg-type]
    runner = asyncio.Runner()
    print("medians in ms          bare  execute     step  step - bare")
    over: list[float] = []
    for question_id in QUESTIONS:
        question = suite.question(question_id)
        texts = numbered(str(question.gold))

        def on_bare(texts: Iterator[str] = texts) -> object:
            return bare.execute(next(texts)).fetchall()

        def in_sandbox(texts: Iterator[str] = texts) -> object:
            return database.execute(next(texts))

        def as_step(texts: Iterator[str] = texts) -> object:
            return runner.run(env.step(Action(custom_sql=next(texts))))

        times: dict[str, list[float]] = {"bare": [], "execute": [], "step": []}
        for _ in range(ROUNDS):
            env.reset_with_question(question.task_id, question.id)
            times["bare"].append(millis(on_bare))
            times["execute"].append(millis(in_sandbox))
            times["step"].append(millis(as_step))
        medians = {name: statistics.median(values) for name, values in times.items()}
        over.append(
            statistics.median(s - b for s, b in zip(times["step"], times["bare"], strict=True))
        )
        print(f"{question_id:16}" + "".join(f"{m:9.2f}" for m in medians.values()), end="")
        print(f"{over[-1]:13.2f}")
    print(f"a step costs {statistics.median(over):.2f} ms over the query itself (median)")
    runner.close()
    bare.close()
    suite.close()


if __name__ == "__main__":
    main()
