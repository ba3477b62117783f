"""How much of the gap random → oracle learners close: for tuning, and for what bounds a learner.

A run on the simulated model is a function of what its SQL does, and there are few different
statements: each is run once, and 1,000 episodes then take a tenth of a second. Rates are those of
real runs to the digit (the script compares one). Tune on seeds that no reported figure uses.

Run: python tests/benchmarks/bench_learning.py [--seeds 1000-1199] [--bounds] [SPEC …]
A spec is a policy's; a trailing ``@H`` sets hindsight (default 0.3): 'linucb?decay=0.998@0'.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sqlbench.cli.compare import parse_seeds
from sqlbench.environment.environment import Action, SQLAgentEnv
from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import ARMS, RepairAction
from sqlbench.episodes.reward import compute_reward
from sqlbench.grading import Golds
from sqlbench.grids.compare import Comparison
from sqlbench.models import load_model
from sqlbench.models.base import ModelRequest
from sqlbench.policies import make_policy
from sqlbench.policies.base import Decision
from sqlbench.runs.config import RunConfig
from sqlbench.runs.experiment import run_experiment
from sqlbench.runs.plan import askable, make_slots
from sqlbench.seeds import Role, call_seed, generator
from sqlbench.suites import load_suite
from sqlbench.words import markdown_table

EPISODES = 1000


class Replica:
    """Runs of the simulated model without running any statement twice."""

    def __init__(self, model: str) -> None:
        self.suite = load_suite("marketplace")
        self.model = load_model(model, self.suite)
        self.questions, _ = askable(self.suite, Golds(self.suite, "exact"), None)
        self.env = SQLAgentEnv(self.suite, self.model, make_policy("random"))
        self.known: dict[tuple[str, str], tuple[bool, ErrorClass | None]] = {}

    async def outcome(self, question: Any, sql: str) -> tuple[bool, ErrorClass | None]:
        key = question.id, sql
        if key not in self.known:
            self.env.reset_with_question(question.task_id, question.id)
            await self.env.step(Action(repair_action="generate", custom_sql=sql))
            step = self.env.episode.steps[-1]
            self.known[key] = step.success, step.error_class
        return self.known[key]

    async def run(self, policy: Any, seed: int, hindsight: float) -> pd.DataFrame:
        """Return question, first and success of each episode."""
        rows = []
        for slot in make_slots(RunConfig(episodes=EPISODES, seed=seed), self.questions):
            question, progress = slot.question, slot.index / EPISODES
            key = question.id, slot.repeat
            acting = policy.snapshot(progress)
            context, sql, action, history, repairs = None, None, "generate", [], []
            for attempt in range(1, 6):
                request = ModelRequest(
                    (), *key, attempt, str(action), call_seed(seed, *key, attempt),
                    context=context, failing_sql=sql, progress=progress,
                )  # fmt: skip
                sql = (await self.model.complete(request)).sql
                success, error = await self.outcome(question, sql)
                if context is not None:
                    reward = compute_reward(success, attempt, error, history[-1][1]).reward
                    repairs.append((context, RepairAction(action), reward))
                history.append((str(action), error))
                if success or attempt == 5:
                    break
                context = Context.from_history(history)
                rng = generator(seed, Role.POLICY, *key, attempt + 1)
                action = acting.select(context, rng).action
            n = len(repairs)
            for t, (before, arm, reward) in enumerate(repairs, start=1):
                bonus = hindsight * t / n if success and t < n else 0.0
                policy.update(before, arm, reward + bonus)
            if repairs:
                policy.end_episode()
            rows.append((seed, slot.index, question.id, len(history) == 1 and success, success))
        columns = ["seed", "episode", "question_id", "first", "success"]
        return pd.DataFrame(rows, columns=columns)


class ToldTheRule:
    """What a learner might reach that is told more: a table which knows the simulator's rules.

    It sees whether a repair mended, not the shaped reward, and knows that an arm which has just
    failed on the same class helps half as much. Bound: posterior mean + 1.5 deviations of a Beta
    with prior (1, 3).
    """

    def __init__(self) -> None:
        self.wins = {c: np.full(len(ARMS), 1.0) for c in ErrorClass}
        self.losses = {c: np.full(len(ARMS), 3.0) for c in ErrorClass}

    def snapshot(self, progress: float) -> ToldTheRule:
        return self  # it learns when the episode is over

    def select(self, context: Context, rng: np.random.Generator) -> Decision:
        a, b = self.wins[context.error_class], self.losses[context.error_class]
        mean = a / (a + b)
        bound = mean + 1.5 * np.sqrt(mean * (1 - mean) / (a + b + 1))
        bound *= [0.5 if self._again(context, arm) else 1.0 for arm in ARMS]
        return Decision(ARMS[int(np.argmax(bound + 1e-9 * rng.random(len(ARMS))))], {}, 1.0)

    def update(self, context: Context, action: RepairAction, reward: float) -> None:
        i = ARMS.index(action)
        if reward >= 1.0 - 0.1 * (context.attempt_number - 1) - 1e-9:
            self.wins[context.error_class][i] += 1
        else:
            self.losses[context.error_class][i] += 0.5 if self._again(context, action) else 1.0

    def end_episode(self) -> None:
        pass

    @staticmethod
    def _again(context: Context, arm: RepairAction) -> bool:
        return context.previous_action == arm and not context.error_changed


class Settled:
    """A policy that was taught before, and explores and learns no more: what its model can hold."""

    def __init__(self, policy: Any) -> None:
        self.policy = policy
        policy.alpha = 0.0

    def snapshot(self, progress: float) -> Any:
        return self.policy

    def update(self, *_: Any) -> None:
        pass

    def end_episode(self) -> None:
        pass


async def main() -> None:
    """Print the share of the gap that each closes in episodes 701 to 1000."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("specs", nargs="*", default=["linucb"], metavar="SPEC")
    parser.add_argument("--seeds", default="1000-1039")
    parser.add_argument("--model", default="simulated")
    parser.add_argument("--bounds", action="store_true", help="add learners that are told more")
    given = parser.parse_args()
    replica = Replica(given.model)

    def maker(spec: str) -> Callable[[], Any]:
        return lambda: make_policy(spec, replica.model)

    makers: dict[str, tuple[Callable[[], Any], float]] = {}
    for text in dict.fromkeys([*given.specs, "random", "oracle"]):
        spec, _, hindsight = text.partition("@")
        makers[text] = maker(spec), float(hindsight or 0.3)
    if given.bounds:
        taught = make_policy("linucb")
        for seed in range(5000, 5030):
            await replica.run(taught, seed, 0.3)
        makers["linucb, taught for 30,000 episodes before"] = (lambda: Settled(taught)), 0.3
        makers["a table that is told the simulator's rules"] = ToldTheRule, 0.0

    frames = []
    for name, (make, hindsight) in makers.items():
        for seed in parse_seeds(given.seeds):
            frames.append((await replica.run(make(), seed, hindsight)).assign(policy=name))
    real = await run_experiment(
        "marketplace", given.model, "linucb", episodes=EPISODES, seed=1, progress=False
    )
    mine = await replica.run(make_policy("linucb"), 1, 0.3)
    assert mine["success"].tolist() == real.episodes["success"].tolist(), "no run, but a replica"

    config = RunConfig(model=given.model, episodes=EPISODES)
    found = Comparison(pd.concat(frames, ignore_index=True), config, given.specs[0])
    late = range(round(0.7 * EPISODES), EPISODES)
    rows = [
        [
            name,
            str(found.gap_closed(name)),
            str(found.difference(name, found.baseline, episodes=late)),
            str(found.difference(name, found.baseline)),
        ]
        for name in makers
    ]
    header = ["learner", "gap closed", f"late, against {found.baseline}", "whole run"]
    print(f"simulated model {given.model!r}, seeds {given.seeds}, repair rates, 95% by question\n")
    print(markdown_table(header, rows))


if __name__ == "__main__":
    asyncio.run(main())
