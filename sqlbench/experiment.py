"""Many episodes: concurrent, resumable, and a function of their configuration alone.

Episode i acts on the policy as it stood after it had learned from episodes 0 … i − lag − 1, and
keeps that snapshot to its end; learning takes episodes in order. So `lag` shapes the results, and
`concurrency`, which only limits how many requests are in flight, never does.
"""

from __future__ import annotations

import asyncio
import platform
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from tqdm.auto import tqdm

import sqlbench
from sqlbench.ablation import get_learner
from sqlbench.context import MAX_ATTEMPTS
from sqlbench.environment import Feedback, SQLAgentEnv
from sqlbench.episode import DEFAULT_HINDSIGHT, Episode
from sqlbench.exceptions import (
    BudgetReachedError,
    ConfigError,
    DatabaseFailure,
    ModelSetupError,
    SuiteError,
)
from sqlbench.grading import Golds, InvalidGoldError
from sqlbench.models import Calling, ChatModel, ModelError, load_model
from sqlbench.models.budget import Meter
from sqlbench.models.caller import Caller
from sqlbench.models.predictions import with_repairs
from sqlbench.policies import Policy, make_policy
from sqlbench.repair import Prompts
from sqlbench.run_config import RunConfig
from sqlbench.run_writer import RunWriter
from sqlbench.runs import SCHEMA_VERSION, Run
from sqlbench.seeds import Role, generator
from sqlbench.suites import Question, Suite, load_suite

# What is a wrong address or a wrong request, if nothing was ever answered.
HOPELESS = ("connection", "bad_request", "not_api")
# While some episodes run their SQL, others ask: so the requests in flight reach their limit.
EPISODES_PER_REQUEST = 2
# After so many episodes in a row that the database failed, it is down: what is left would only wait
# for it. What was finished is kept, and the run goes on when it is started again.
MAX_LOST = 5


@dataclass(frozen=True, slots=True)
class Slot:
    """One episode to run: its number, its question, and how often that was asked before."""

    index: int
    question: Question
    repeat: int


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


async def run_experiment(
    suite: Suite | str = "marketplace",
    model: ChatModel | str = "simulated",
    policy: str = "linucb",
    *,
    repair_model: ChatModel | str | None = None,
    episodes: int = 300,
    task: str | None = None,
    database: str | None = None,
    seed: int = 0,
    lag: int = 0,
    concurrency: int = 1,
    feedback: Feedback = "oracle",
    max_attempts: int = MAX_ATTEMPTS,
    metric: str = "exact",
    temperature: float = 0.1,
    hindsight: float = DEFAULT_HINDSIGHT,
    learner: str = "standard",
    prompts: str | Path | None = None,
    out: str | Path | None = None,
    progress: bool = True,
    calling: Calling | None = None,
    on_episode: Callable[[Run], Awaitable[object]] | None = None,
) -> Run:
    """Run an experiment, or go on with it.

    Parameters
    ----------
    suite, model : Suite, ChatModel, or the spec of one
        What is asked, and who answers.
    policy : str
        The spec of the policy that chooses repairs.
    repair_model : ChatModel, its spec, or None
        Who makes every attempt after the first; None is the model itself.
    episodes : int
        How many. The questions come in a fresh seeded order on every pass over them.
    task : str or None
        Ask only this task's questions.
    database : str or None
        Put the marketplace on PostgreSQL, see `load_suite`. The run keeps it without its password.
    seed : int
        All randomness derives from it.
    lag : int
        How many episodes the policy's knowledge lies behind; 0 is strictly one after another.
    concurrency : int
        How many requests may be in flight; more than ``lag + 1`` cannot be.
    feedback, max_attempts, metric, temperature
        See `SQLAgentEnv`.
    hindsight : float
        The bonus of hindsight relabelling; 0 switches it off.
    learner : str
        How the policy learns from an episode; others than ``standard`` are for ablations
        (`sqlbench.ablation`).
    prompts : path or None
        A folder whose texts override the package's.
    out : path or None
        The run's folder. A run of the same configuration there is gone on with. None keeps the
        run in memory.
    progress : bool
        Whether to show a progress bar.
    calling : Calling or None
        How the model is called: response store, limits, retries, budget. It changes no result.
    on_episode : callable or None
        Awaited with the run so far whenever episodes were learned from. What it awaits holds the
        run up, and changes no result.

    Returns
    -------
    Run
        The finished run; episodes whose model or database failed are in `Run.failed`.

    Raises
    ------
    UnknownNameError, ConfigError, SuiteError
        If a value does not exist or has the wrong form.
    ModelSetupError
        If the model cannot be used. What was finished is kept.
    DatabaseFailure
        If the database cannot be reached. What was finished is kept.
    RunFolderError
        If the folder holds another configuration, or cannot be written.
    BudgetReachedError
        If the next call might pass the budget. The run goes on when it is called with a larger one.
    UnseenRequestError
        In replay, if a request was never stored.
    """
    calling = calling or Calling()
    loaded = load_suite(suite, database) if isinstance(suite, str) else suite
    first = load_model(model, loaded, calling) if isinstance(model, str) else model
    repairing = repair_model
    if isinstance(repairing, str):
        repairing = load_model(repairing, loaded, calling)
    answering = with_repairs(first, repairing, max_attempts)
    taught = make_policy(policy, repairing or first)
    if concurrency < 1:
        raise ConfigError(f"concurrency is at least 1, not {concurrency!r}.")
    config = make_config(
        suite=loaded.spec,
        task=task,
        database=loaded.server,
        model=first.spec,
        repair_model=repairing.spec if repairing is not None else None,
        policy=policy,
        episodes=episodes,
        seed=seed,
        lag=lag,
        feedback=feedback,
        max_attempts=max_attempts,
        metric=metric,
        temperature=temperature,
        hindsight=hindsight,
        learner=learner,
    )
    texts = Prompts.load(prompts)
    golds = Golds(loaded, metric)
    questions, invalid = await asyncio.to_thread(askable, loaded, golds, task)
    writer = await asyncio.to_thread(
        RunWriter,
        _meta(config, loaded, answering, texts, questions, invalid),
        texts,
        Path(out) if out is not None else None,
    )
    try:
        caller = Caller.prepare(answering, calling, concurrency, writer)
    except BaseException:
        writer.close()
        raise
    env = _EnvFactory(loaded, caller.model, config, texts, golds)
    try:
        done = {e.index for e in writer.run.log}
        todo = [s for s in make_slots(config, questions) if s.index not in done]
        with tqdm(
            total=config.episodes,
            initial=len(done),
            desc=f"{config.policy} on {config.suite}",
            unit="ep",
            disable=not progress,
        ) as bar:
            driver = _Driver(env, taught, writer, config, bar, caller.meter)
            driver.on_episode = on_episode
            await driver.drive(todo, EPISODES_PER_REQUEST * concurrency)
        await asyncio.to_thread(writer.finish, taught)
    finally:
        try:
            # Calls that are still out are paid for: they are stored before the store is closed.
            await caller.aclose()
            if isinstance(model, str):
                await first.aclose()
            if isinstance(repair_model, str) and repairing is not None:
                await repairing.aclose()
        finally:
            writer.close()
    return writer.run


class _EnvFactory:
    """Makes an environment for one episode from what all of them share."""

    def __init__(
        self, suite: Suite, model: ChatModel, config: RunConfig, prompts: Prompts, golds: Golds
    ) -> None:
        self.suite, self.model, self.config = suite, model, config
        self.prompts, self.golds = prompts, golds

    def make(self, policy: Policy) -> SQLAgentEnv:
        return SQLAgentEnv(
            self.suite,
            self.model,
            policy,
            seed=self.config.seed,
            feedback=self.config.feedback,
            max_attempts=self.config.max_attempts,
            metric=self.config.metric,
            temperature=self.config.temperature,
            prompts=self.prompts,
            golds=self.golds,
        )


class _Driver:
    """Keeps episodes in flight, and learns from them in order."""

    def __init__(
        self,
        env: _EnvFactory,
        learner: Policy,
        writer: RunWriter,
        config: RunConfig,
        bar: Any,
        meter: Meter,
    ) -> None:
        self.env, self.learner, self.writer, self.config = env, learner, writer, config
        self.bar, self.meter = bar, meter
        self.learn = get_learner(config.learner)
        self.on_episode: Callable[[Run], Awaitable[object]] | None = None
        self.answered = False
        self.lost = 0  # episodes in a row that the database failed
        self.successes = sum(e.success for e in writer.run.log)

    async def drive(self, todo: Sequence[Slot], most: int) -> None:
        """Run the episodes that are owed, at most so many at once."""
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
                        ready.append((place, self._snapshot(todo[place])))
                if self.on_episode is not None:
                    await self.on_episode(self.writer.run)
                if syncing is None or syncing.done():
                    if syncing is not None:
                        syncing.result()
                    syncing = loop.run_in_executor(None, self.writer.sync)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, *finished, return_exceptions=True)
            if syncing is not None:
                await syncing

    def _replay(self, todo: Sequence[Slot]) -> deque[tuple[int, Policy]]:
        """Relearn the log, and return the snapshots of the first episodes that are still owed."""
        log, lag = self.writer.run.log, self.config.lag
        ready: deque[tuple[int, Policy]] = deque()
        for learned in range(len(log) + 1):
            # After `learned` episodes, the episode `lag` places further on gets its snapshot.
            place = learned + lag - len(log)
            if learned == 0:
                ready.extend((p, self._snapshot(todo[p])) for p in range(min(place, len(todo))))
            if 0 <= place < len(todo):
                ready.append((place, self._snapshot(todo[place])))
            if learned < len(log):
                self.learn(self.learner, log[learned], self.config.hindsight)
        return ready

    def _snapshot(self, slot: Slot) -> Policy:
        return self.learner.snapshot(slot.index / self.config.episodes)

    async def _run(self, place: int, slot: Slot, policy: Policy) -> tuple[int, Episode | Failure]:
        env = self.env.make(policy)
        env.reset_with_question(
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
                await env.step()
                self.answered = True
        except ModelError as error:
            # Nothing was ever answered, or nothing will be: that is the user's to mend, now.
            hopeless = error.kind in HOPELESS and not self.answered
            if error.kind == "setup" or hopeless:
                raise ModelSetupError(error.message) from error
            return place, Failure(error, len(episode.steps) + 1)
        except DatabaseFailure as error:
            return place, Failure(error, len(episode.steps) + 1)
        return place, episode

    def _take(self, slot: Slot, result: Episode | Failure) -> None:
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
        finished = len(self.writer.run.log)
        if finished:
            spent = f", cost {self.meter.spent:.2f}" if self.meter.spent else ""
            text = f"success {self.successes / finished:.1%}{spent}"
            self.bar.set_postfix_str(text, refresh=False)
        self.bar.update()


def make_config(**values: Any) -> RunConfig:
    """Make a run's configuration.

    Raises
    ------
    ConfigError
        If a value has the wrong form: one sentence that names it.
    """
    try:
        return RunConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(p) for p in first["loc"])
        raise ConfigError(
            f"{name}={first['input']!r} will not do: {first['msg'][0].lower()}{first['msg'][1:]}."
        ) from None


def askable(suite: Suite, golds: Golds, task: str | None) -> tuple[list[Question], dict[str, str]]:
    """Return the questions whose gold runs, and the others with what is wrong with them."""
    questions, invalid = [], {}
    for question in suite.questions([task] if task is not None else None):
        try:
            golds.get(question)
            questions.append(question)
        except InvalidGoldError as error:
            invalid[question.id] = str(error)
    if not questions:
        raise SuiteError(f"The suite {suite.spec!r} has no question that can be asked.")
    return questions, invalid


def make_slots(config: RunConfig, questions: Sequence[Question]) -> list[Slot]:
    """Return a run's episodes in order: every pass over the questions in a fresh seeded one."""

    @cache
    def order(repeat: int) -> list[int]:
        rng = generator(config.seed, Role.ORDER, repeat=repeat)
        return [int(i) for i in rng.permutation(len(questions))]

    slots = []
    for index in range(config.episodes):
        repeat, place = divmod(index, len(questions))
        slots.append(Slot(index, questions[order(repeat)[place]], repeat))
    return slots


def _servers(suite: Suite) -> dict[str, str]:
    """Return the version of the PostgreSQL server that a suite runs on, if any."""
    versions = {getattr(d, "server_version", None) for d in suite.databases.values()} - {None}
    return {"postgres": ", ".join(sorted(map(str, versions)))} if versions else {}


def _meta(
    config: RunConfig,
    suite: Suite,
    model: ChatModel,
    prompts: Prompts,
    questions: Sequence[Question],
    invalid: dict[str, str],
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "config": config.model_dump(),
        "simulated": model.simulated,
        "suite_hash": suite.content_hash,
        "prompts_hash": prompts.hash,
        "model_fingerprint": model.fingerprint,
        "versions": {
            "sqlbench": sqlbench.__version__,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
            "sqlglot": version("sqlglot"),
            **_servers(suite),
        },
        "notes": list(suite.notes),
        "questions": len(questions),
        "without_gold": sum(q.gold is None for q in questions),
        "invalid_questions": invalid,
    }
