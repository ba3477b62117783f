"""The table of docs/training.md: what four agents return by each reward.

Run: python tests/benchmarks/reward_table.py
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass

import sqlbench as sb
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.returns import REWARDS, paid
from sqlbench.episodes.reward import compute_reward


def near(gold: str) -> str:
    return f"SELECT * FROM ({gold}) UNION ALL SELECT * FROM (SELECT * FROM ({gold}) LIMIT 1)"


AGENTS = {
    "right at once": lambda gold: [gold],
    "two near misses, then right": lambda gold: [near(gold), near(gold), gold],
    "near misses only": lambda gold: [near(gold)] * 5,
    "`SELECT 1`": lambda gold: ["SELECT 1"] * 5,
}


@dataclass(frozen=True)
class Made:
    success: bool
    score: float
    reward: float


async def table() -> None:
    suite = sb.load_suite("marketplace")
    env = sb.SQLAgentEnv(suite, None)
    print("| agent | " + " | ".join(f"`{r}`" for r in REWARDS) + " |")
    print("| --- |" + " ---: |" * len(REWARDS))
    for name, queries in AGENTS.items():
        totals = dict.fromkeys(REWARDS, 0.0)
        for question in suite:
            env.reset_with_question(question.task_id, question.id)
            for sql in queries(question.gold.strip().rstrip(";")):
                _, info = await env.step(sql)
                for reward in REWARDS:
                    totals[reward] += paid(env.episode.steps, info.done, reward)
                if info.done:
                    break
        means = " | ".join(f"{totals[r] / len(suite):.2f}" for r in REWARDS)
        print(f"| {name} | {means} |")


def bounds() -> None:
    """By `shaped`: the most that is never right returns, and the least that is right."""
    found: dict[bool, list[float]] = {True: [], False: []}
    for length in range(1, 6):
        for classes in itertools.product(ErrorClass, repeat=length - 1):
            for last in (None, *ErrorClass):
                if last is not None and length < 5:
                    continue  # an episode that is never right has five attempts
                path = [*classes, last]
                total = sum(
                    compute_reward(c is None, t, c, path[t - 2] if t > 1 else None).reward
                    for t, c in enumerate(path, start=1)
                )
                found[last is None].append(total)
    print(f"shaped, all paths: never right at most {max(found[False]):.2f}, "
          f"right at least {min(found[True]):.2f}")  # fmt: skip


if __name__ == "__main__":
    asyncio.run(table())
    bounds()
