"""Full information: call every repair for every failing first answer, and keep what came of it.

A table is a folder: ``table.json`` says what was asked, ``calls.jsonl`` has a line for each
finished call, ``failures.jsonl`` one for each call that its model failed (owed again),
``requests.jsonl`` one for each request that was sent. A line counts once it ends in a newline, so a
killed collection goes on where it was, and pays for no call twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from sqlbench.databases.file_hash import read_hashes
from sqlbench.environment.environment import Action, SQLAgentEnv
from sqlbench.episodes.episode import Step
from sqlbench.episodes.repair import ARMS, GENERATE, Prompts
from sqlbench.evidence.collect_files import (
    CALLS,
    FAILURES,
    CollectionBooks,
    append,
    take_folder,
)
from sqlbench.evidence.repair_table import RESAMPLE, RepairTable
from sqlbench.evidence.table_files import TABLE_VERSION, load_table, read_calls
from sqlbench.exceptions import ConfigError, ModelSetupError
from sqlbench.grading import Golds
from sqlbench.models import Calling, ChatModel, ModelError, load_model
from sqlbench.models.calling.budget import Meter
from sqlbench.models.calling.caller import Caller, beside_answers
from sqlbench.paths import located
from sqlbench.policies import make_policy
from sqlbench.runs.config import make_config
from sqlbench.runs.plan import askable
from sqlbench.runs.to_its_end import to_its_end
from sqlbench.suites import Suite, load_suite

_CHARS_PER_TOKEN = 4
# The plan is a list in memory: a slip of the keyboard shall not fill it.
MAX_ANSWERS = 10_000
# What an answer is long, for the estimate of the cost before any call was made.
_ANSWER_TOKENS = 80


@dataclass(frozen=True, slots=True)
class Call:
    """One call that is owed: a first answer, or a repair of one."""

    question_id: str
    answer: int
    arm: str
    sample: int = 0


@dataclass
class Cost:
    """Calls and tokens, made and still owed."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failures: int = 0
    owed: int = 0

    def add(self, step: Step) -> None:
        """Count a finished call."""
        self.calls += 1
        self.prompt_tokens += step.prompt_tokens
        self.completion_tokens += step.completion_tokens

    def __str__(self) -> str:
        return (
            f"{self.calls:,} calls, {self.prompt_tokens:,} tokens in, "
            f"{self.completion_tokens:,} out"
        )


@dataclass
class _Collector:
    """Makes calls and writes what came of them."""

    suite: Suite
    model: ChatModel
    config: dict[str, Any]
    prompts: Prompts
    golds: Golds
    folder: Path
    meter: Meter
    cost: Cost = field(default_factory=Cost)

    async def first_answer(self, call: Call) -> Step:
        return await _step(self.env(call.question_id, call.answer), GENERATE)

    async def repair(self, call: Call, sql: str) -> Step:
        """Repair a stored first answer, with the seeds that an ordinary run would use."""
        repeat = call.answer + call.sample * int(self.config["answers"])
        env = self.env(call.question_id, repeat)
        await _step(env, Action(custom_sql=sql))
        return await _step(env, GENERATE if call.arm == RESAMPLE else call.arm)

    def env(self, question_id: str, repeat: int) -> SQLAgentEnv:
        env = SQLAgentEnv(
            self.suite,
            self.model,
            make_policy("random"),
            seed=self.config["seed"],
            metric=self.config["metric"],
            temperature=self.config["temperature"],
            prompts=self.prompts,
            golds=self.golds,
        )
        question = self.suite.question(question_id)
        env.reset_with_question(question.task_id, question.id, repeat=repeat)
        return env


async def _step(env: SQLAgentEnv, action: Action | str) -> Step:
    await env.step(action)
    assert env.episode is not None
    return env.episode.steps[-1]


async def collect(
    suite: Suite | str,
    model: ChatModel | str,
    out: str | Path,
    *,
    samples: int = 1,
    answers: int = 1,
    task: str | None = None,
    seed: int = 0,
    metric: str = "exact",
    temperature: float = 0.1,
    prompts: str | Path | None = None,
    concurrency: int = 1,
    say: Callable[[str], None] | None = None,
    progress: bool = True,
    calling: Calling | None = None,
) -> RepairTable:
    """Collect a repair table, or go on with one.

    Parameters
    ----------
    suite, model : Suite, ChatModel, or the spec of one
        What is asked, and who answers.
    out : path
        The table's folder.
    samples : int
        How often each repair (and `resample`) of a failing first answer is called.
    answers : int
        How many first answers each question gets; every failing one is a row of the table.
    task : str or None
        Ask only this task's questions.
    seed, metric, temperature, prompts
        As for `sqlbench.runs.experiment.run_experiment`.
    concurrency : int
        Calls in flight; never changes a result.
    say : callable or None
        Told what the collection will cost, before it starts and when the first answers are in.
    progress : bool
        Whether to show a progress bar with the cost so far.
    calling : Calling or None
        How the model is called: response store, limits, retries, budget. It changes no result.

    Raises
    ------
    UnknownNameError, ConfigError, SuiteError
        If a value does not exist or has the wrong form.
    TableError
        If the folder holds a table of another suite or configuration.
    ModelSetupError
        If the model cannot be used. What was finished is kept.
    BudgetReachedError
        If the next call might pass the budget. The collection goes on with a larger one.
    """
    calling = calling or Calling()
    for name, value in (("samples", samples), ("answers", answers), ("concurrency", concurrency)):
        if not 1 <= value <= MAX_ANSWERS:
            raise ConfigError(f"{name} is 1 to {MAX_ANSWERS:,}, not {value!r}.")
    make_config(seed=seed, temperature=temperature)  # refuses what a run would refuse
    loaded = load_suite(suite) if isinstance(suite, str) else suite
    answering = load_model(model, loaded, calling) if isinstance(model, str) else model
    texts, golds, folder = Prompts.load(prompts), Golds(loaded, metric), located(out)
    with beside_answers(answering, calling, folder) as shelf:
        if shelf is not None:
            await asyncio.to_thread(read_hashes, loaded.databases.values())
        questions, invalid = await asyncio.to_thread(askable, loaded, golds, task)
        for question in questions:
            if question.gold is None:
                raise ConfigError(
                    "A repair table holds right and wrong outcomes, and question "
                    f"{question.id!r} of {loaded.spec!r} has no gold query to judge by."
                )
        arms = (*(str(a) for a in ARMS), RESAMPLE)
        config: dict[str, Any] = {
            "suite": loaded.spec,
            "task": task,
            "model": answering.spec,
            "samples": samples,
            "answers": answers,
            "seed": seed,
            "metric": metric,
            "temperature": temperature,
            "arms": list(arms),
        }
        meta = {
            "table_version": TABLE_VERSION,
            "config": config,
            "simulated": answering.simulated,
            "suite_hash": loaded.content_hash,
            "prompts_hash": texts.hash,
            "model_fingerprint": answering.fingerprint,
            "questions": [q.id for q in questions],
            "invalid_questions": invalid,
        }
        lock = take_folder(folder, meta)
        caller: Caller | None = None

        async def close() -> None:
            try:
                # Calls that are still out are paid for: they are stored before the store is closed.
                if caller is not None:
                    await caller.aclose()
                if isinstance(model, str):
                    await answering.aclose()
            finally:
                lock.close()

        try:
            caller = Caller.prepare(
                answering, calling, concurrency, CollectionBooks(folder, answering), shelf
            )
            collector = _Collector(loaded, caller.model, config, texts, golds, folder, caller.meter)
            await _collect(collector, [q.id for q in questions], concurrency, say, progress)
        finally:
            await to_its_end(close())
        return load_table(folder)


async def _collect(
    collector: _Collector,
    questions: Sequence[str],
    concurrency: int,
    say: Callable[[str], None] | None,
    progress: bool,
) -> None:
    """Make the calls that are owed: first answers, then the repairs of those that failed."""
    config, folder = collector.config, collector.folder
    arms, samples, answers = config["arms"], int(config["samples"]), int(config["answers"])
    done = {_key(c): c for c in read_calls(folder)}
    firsts = [Call(q, a, GENERATE) for a in range(answers) for q in questions]
    owed = [c for c in firsts if c not in done]
    tell = say or (lambda text: None)
    tell(_estimate(collector, questions[0], len(firsts), len(owed), len(arms) * samples, len(done)))
    with tqdm(desc="first answers", total=len(owed), unit="call", disable=not progress) as bar:
        await _make(collector, owed, {}, done, concurrency, bar)
    answered = [c for c in firsts if c in done]
    failing = [c for c in answered if not done[c]["success"]]
    sql = {(c.question_id, c.answer): str(done[c]["sql"]) for c in failing}
    wanted = [
        Call(c.question_id, c.answer, arm, s)
        for c in failing
        for arm in arms
        for s in range(samples)
    ]
    owed = [c for c in wanted if c not in done]
    tell(
        f"{len(failing)} of {len(answered)} first answers failed: {len(wanted):,} repairs, "
        f"{len(owed):,} of them still to be called"
        + (f", about {_tokens(done, len(owed))} tokens." if owed else ".")
    )
    with tqdm(desc="repairs", total=len(owed), unit="call", disable=not progress) as bar:
        await _make(collector, owed, sql, done, concurrency, bar)
    tell(f"Called now: {collector.cost}; {collector.cost.failures} calls failed and are owed.")


async def _make(
    collector: _Collector,
    owed: Sequence[Call],
    sql: dict[tuple[str, int], str],
    done: dict[Call, dict[str, Any]],
    concurrency: int,
    bar: Any,
) -> None:
    """Make calls, a few at a time; keep the finished ones in the order of ``owed``."""
    async for call, step in _results(collector, owed, sql, concurrency):
        if isinstance(step, ModelError):
            collector.cost.failures += 1
            append(collector.folder / FAILURES, _failure(call, step))
        else:
            collector.cost.add(step)
            done[call] = _record(call, step, collector.suite.question(call.question_id).db_id)
            append(collector.folder / CALLS, done[call])
        spent = f", cost {collector.meter.spent:.4f}" if collector.meter.spent else ""
        bar.set_postfix_str(f"{collector.cost}{spent}", refresh=False)
        bar.update()


async def _results(
    collector: _Collector,
    owed: Sequence[Call],
    sql: dict[tuple[str, int], str],
    concurrency: int,
) -> AsyncIterator[tuple[Call, Step | ModelError]]:
    async def one(call: Call) -> Step | ModelError:
        try:
            if call.arm == GENERATE:
                return await collector.first_answer(call)
            return await collector.repair(call, sql[call.question_id, call.answer])
        except ModelError as error:
            nothing_yet = collector.cost.calls == 0
            if error.kind == "setup" or (error.kind == "connection" and nothing_yet):
                raise ModelSetupError(error.message) from error
            return error

    tasks: list[asyncio.Task[Step | ModelError]] = []
    try:
        for place, call in enumerate(owed):
            while len(tasks) < min(place + concurrency, len(owed)):
                tasks.append(asyncio.create_task(one(owed[len(tasks)])))
            yield call, await tasks[place]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _key(record: dict[str, Any]) -> Call:
    return Call(record["question_id"], record["answer"], record["arm"], record["sample"])


def _record(call: Call, step: Step, db_id: str) -> dict[str, Any]:
    return {
        "question_id": call.question_id,
        "db_id": db_id,
        "answer": call.answer,
        "arm": call.arm,
        "sample": call.sample,
        "sql": step.sql,
        "success": step.success,
        "error_class": step.error_class,
        "error_message": step.error_message,
        "reward": step.reward,
        "score": step.score,
        "prompt_tokens": step.prompt_tokens,
        "completion_tokens": step.completion_tokens,
    }


def _failure(call: Call, error: ModelError) -> dict[str, Any]:
    return {
        "question_id": call.question_id,
        "answer": call.answer,
        "arm": call.arm,
        "sample": call.sample,
        "kind": error.kind,
        "message": error.message,
    }


def _estimate(
    collector: _Collector, question_id: str, firsts: int, owed: int, repairs: int, done: int
) -> str:
    """Return what it will cost at most, from the length of one question's prompt."""
    env = collector.env(question_id, 0)
    length = sum(len(m["content"]) for m in env.messages(GENERATE))
    tokens = length // _CHARS_PER_TOKEN + _ANSWER_TOKENS
    most = owed + firsts * repairs
    return (
        f"{firsts} first answers ({done:,} calls of this table are there already), then {repairs} "
        f"repairs for each that fails: at most {most:,} calls, about {most * tokens:,} tokens "
        "(an estimate by the length of the prompt)."
    )


def _tokens(done: dict[Call, dict[str, Any]], calls: int) -> str:
    used = [c["prompt_tokens"] + c["completion_tokens"] for c in done.values()]
    # A repair's prompt holds the first answer and its error beside what the first prompt held.
    return f"{int(1.3 * calls * sum(used) / max(len(used), 1)):,}"
