"""Keeps an experiment's episodes in flight, and learns from them in order.

Episode i acts on the policy as it stood after it had learned from episodes 0 … i − lag − 1, and
keeps that snapshot to its end. Nothing is learned from an episode that was lost; gone on with, a
run tries it again once the others are done, on the snapshot that it had: so the log and the
episode's number say what it acts on, wherever the run was killed and whatever it had lost.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlbench.environment.environment import SQLAgentEnv
from sqlbench.episodes.episode import Episode
from sqlbench.exceptions import BudgetReachedError, DatabaseFailure, ModelSetupError
from sqlbench.models import ModelError
from sqlbench.models.calling.budget import Meter
from sqlbench.policies import Policy
from sqlbench.runs.ablation import get_learner
from sqlbench.runs.collector import CollectorRest
from sqlbench.runs.config import RunConfig
from sqlbench.runs.plan import Slot
from sqlbench.runs.run import Run
from sqlbench.runs.to_its_end import to_its_end
from sqlbench.runs.writer import RunWriter

# What is a wrong address or a wrong request, if nothing was ever answered.
HOPELESS = ("connection", "bad_request", "not_api")
# After so many episodes in a row that the database failed, it is down: what is left would only wait
# for it. What was finished is kept, and the run goes on when it is started again.
MAX_LOST = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """An episode that its model or its database failed: neither says anything about its SQL."""

    error: ModelError | DatabaseFailure
    attempt: int

    def record(self, slot: Slot) -> dict[str, Any]:
        """Return what ``failures.jsonl`` keeps of it."""
        model = isinstance(self.error, ModelError)
        return {
            "episode": slot.index,
            "question_id": slot.question.id,
            "attempt": self.attempt,
            "error_class": "model_error" if model else "database_error",
            "kind": self.error.kind if isinstance(self.error, ModelError) else "connection",
            "message": str(self.error),
        }


class Driver:
    """Keeps episodes in flight, and learns from them in order."""

    def __init__(
        self,
        make_env: Callable[[Policy], SQLAgentEnv],
        learner: Policy,
        writer: RunWriter,
        config: RunConfig,
        bar: Any,
        meter: Meter,
    ) -> None:
        self.make_env, self.learner, self.writer, self.config = make_env, learner, writer, config
        self.bar, self.meter = bar, meter
        self.learn = get_learner(config.learner)
        self.collector = CollectorRest()
        self.on_episode: Callable[[Run], Awaitable[object]] | None = None
        self.changes: Callable[[], dict[str, dict[str, str | None]]] = dict
        self.endpoints: dict[str, str] = {}
        self.answered = False
        self.lost = 0  # episodes in a row that the database failed
        self.successes = sum(e.success for e in writer.run.log)
        # The first episode behind all that are in the log, and the snapshots of those before it.
        self.reached = max((e.index + 1 for e in writer.run.log), default=0)
        self.known: dict[int, Policy] = {}

    async def drive(self, todo: Sequence[Slot], most: int) -> None:
        """Run the episodes that are owed, at most so many at once."""
        # The lost ones last (the sort is stable): the others are what they are without them.
        todo = sorted(todo, key=lambda slot: slot.index < self.reached)
        ready = await asyncio.to_thread(self._replay, todo)  # a long log takes seconds
        running: set[asyncio.Task[tuple[int, Episode | Failure]]] = set()
        finished: set[asyncio.Task[tuple[int, Episode | Failure]]] = set()
        results: dict[int, Episode | Failure] = {}
        stopped: BudgetReachedError | None = None
        learned = 0
        syncing: asyncio.Future[None] | None = None
        loop = asyncio.get_running_loop()
        try:
            while learned < len(todo):
                while ready and len(running) < most and stopped is None:
                    place, snapshot = ready.popleft()
                    running.add(asyncio.create_task(self._run(place, todo[place], snapshot)))
                    if len(running) % 8 == 0:
                        await asyncio.sleep(0)  # many begin together: not all in one turn
                if stopped is not None and not running:
                    raise stopped
                finished, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in finished:
                    try:
                        place, result = task.result()
                    except BudgetReachedError as error:
                        stopped = error  # what is in flight is paid for: it may land
                        continue
                    results[place] = result
                while learned in results:
                    self._take(todo[learned], results.pop(learned))
                    learned += 1
                    place = learned + self.config.lag
                    if place < len(todo):
                        ready.append((place, self._known(todo[place])))
                    if learned % 8 == 0:
                        await asyncio.sleep(0)  # many may have waited for one: not all in one turn
                if self.on_episode is not None:
                    await self.on_episode(self.writer.run)
                if self.writer.folder is not None and (syncing is None or syncing.done()):
                    if syncing is not None:
                        syncing.result()
                    syncing = loop.run_in_executor(None, self.writer.sync)
        finally:
            for task in running:
                task.cancel()
            await to_its_end(asyncio.gather(*running, *finished, return_exceptions=True))
            if syncing is not None:
                await to_its_end(syncing)

    def _replay(self, todo: Sequence[Slot]) -> deque[tuple[int, Policy]]:
        """Relearn the log, and return the snapshots of the first episodes that are still owed."""
        log, lag = self.writer.run.log, self.config.lag
        waiting = deque(sorted(todo, key=lambda slot: slot.index))

        def keep(reached: int) -> None:
            while waiting and waiting[0].index - lag <= reached:
                slot = waiting.popleft()
                self.known[slot.index] = self._snapshot(slot)

        for episode in log:
            keep(episode.index)  # what may not know of this episode, nor of those behind it
            self.learn(self.learner, episode, self.config.hindsight)
        keep(self.reached)
        first = range(min(lag + 1, len(todo)))
        return deque((place, self._known(todo[place])) for place in first)

    def _known(self, slot: Slot) -> Policy:
        """Return an episode's snapshot: what the log says, or what is learned by now."""
        known = self.known.pop(slot.index, None)
        return self._snapshot(slot) if known is None else known

    def _snapshot(self, slot: Slot) -> Policy:
        return self.learner.snapshot(slot.index / self.config.episodes)

    async def _run(self, place: int, slot: Slot, policy: Policy) -> tuple[int, Episode | Failure]:
        env = self.make_env(policy)
        env.begin(
            slot.question.task_id,
            slot.question.id,
            index=slot.index,
            repeat=slot.repeat,
            progress=slot.index / self.config.episodes,
        )
        episode = env.episode
        assert episode is not None
        try:
            while not episode.done:
                await env.attempt()
                self.answered = True
        except ModelError as error:
            # Nothing was ever answered, or nothing will be: that is the user's to mend, now.
            # A refused request is not, in a run that was answered before it was gone on with.
            known = self.answered or (error.kind == "bad_request" and bool(self.writer.run.log))
            hopeless = error.kind in HOPELESS and not known
            if error.kind == "setup" or hopeless:
                raise ModelSetupError(error.message) from error
            return place, Failure(error, len(episode.steps) + 1)
        except DatabaseFailure as error:
            return place, Failure(error, len(episode.steps) + 1)
        return place, episode

    def _take(self, slot: Slot, result: Episode | Failure) -> None:
        self.writer.keep_parameters(self.changes())
        self.writer.keep_endpoints(self.endpoints)
        if isinstance(result, Failure):
            self.writer.fail(result.record(slot))
            self.lost += isinstance(result.error, DatabaseFailure)
            if self.lost >= MAX_LOST:
                raise result.error
        else:
            self.lost = 0
            self.learn(self.learner, result, self.config.hindsight)
            self.writer.append(result)
            self.successes += result.success
            self.collector.kept()
        finished = len(self.writer.run.log)
        if finished:
            spent = f", cost {self.meter.spent:.4f}" if self.meter.spent else ""
            text = f"success {self.successes / finished:.1%}{spent}"
            self.bar.set_postfix_str(text, refresh=False)
        self.bar.update()
