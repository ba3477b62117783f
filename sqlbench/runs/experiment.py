"""Many episodes: concurrent, resumable, and a function of their configuration alone.

Episode i acts on the policy as it stood after it had learned from episodes 0 … i − lag − 1, and
keeps that snapshot to its end; learning takes episodes in order. So `lag` shapes the results, and
`concurrency`, which only limits how many requests are in flight, never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from tqdm.auto import tqdm

from sqlbench.checks import as_path, check_has, check_kind, check_whole
from sqlbench.databases.file_hash import read_hashes
from sqlbench.environment.doubting import Ground, is_grounded
from sqlbench.environment.environment import Feedback, SQLAgentEnv
from sqlbench.episodes.context import MAX_ATTEMPTS
from sqlbench.episodes.known import MAX_DOUBT
from sqlbench.episodes.repair import Prompts
from sqlbench.grading import Golds
from sqlbench.models import Calling, ChatModel, load_model
from sqlbench.models.calling.budget import check_prices, load_prices
from sqlbench.models.calling.caller import Caller, beside_answers
from sqlbench.models.endpoint.openai import OpenAIModel
from sqlbench.models.predictions import check_samples, with_repairs
from sqlbench.paths import located
from sqlbench.policies import Policy, make_policy
from sqlbench.policies.learning import DEFAULT_HINDSIGHT
from sqlbench.runs.config import make_config
from sqlbench.runs.driver import MAX_LOST, Driver
from sqlbench.runs.plan import askable, make_meta, make_slots, read_schemas, why_bound
from sqlbench.runs.run import Run
from sqlbench.runs.start import IN_MEMORY, Start, is_policy
from sqlbench.runs.to_its_end import made_in_thread, to_its_end
from sqlbench.runs.writer import RunWriter
from sqlbench.signals.choice import Rule
from sqlbench.suites import Suite, load_suite

__all__ = ["MAX_LOST", "askable", "make_config", "make_slots", "run_experiment"]

# While some episodes run their SQL, others ask: so the requests in flight reach their limit.
EPISODES_PER_REQUEST = 2


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
    samples: int = 1,
    choose: Rule = "first",
    prompts: str | Path | None = None,
    start_from: Policy | str | Path | None = None,
    ground: Ground | None = None,
    max_doubt: float = MAX_DOUBT,
    signals: bool = False,
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
        The spec of the policy that chooses repairs; `register_policy` gives one of your own a name.
    repair_model : ChatModel, its spec, or None
        Who makes every attempt after the first; None is the model itself.
    episodes : int
        How many. The questions come in a fresh seeded order on every pass over them.
    task : str or None
        Ask only this task's questions.
    database : str or None
        Put the marketplace on another engine, see `load_suite`. The run keeps it without its
        password.
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
        (`sqlbench.runs.ablation`).
    samples : int
        How many independent first answers a question gets; one of them is attempt 1, the others
        are graded beside it (`sqlbench.analysis.pass_at_k`).
    choose : {"first", "agreement", "doubt"}
        Which of the samples is attempt 1, see `SQLAgentEnv`.
    prompts : path or None
        A folder whose texts override the package's.
    start_from : Policy, path or None
        A finished run's ``run.policy``, its folder, or its ``policy.npz``: the policy starts with
        what was learned there, and the run keeps a copy of it.
    ground, max_doubt, signals
        See `SQLAgentEnv`.
    out : path or None
        The run's folder. A run of the same configuration there is gone on with, and extended by a
        larger number of episodes; one without a finished episode binds nothing. None keeps the
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
    calling = Calling() if calling is None else calling
    check_kind("calling", calling, Calling, "a Calling, or None")
    check_kind(
        "policy",
        policy,
        str,
        "a spec like 'linucb' (sqlbench.register_policy gives a class of your own one)",
    )
    check_kind("progress", progress, bool, "True or False")
    check_kind("database", database, (str, type(None)), "a URL, pg-embedded, or None")
    as_path("out", out)  # before anything takes long
    prompts = as_path("prompts", prompts)
    source = IN_MEMORY if is_policy(start_from) else as_path("start_from", start_from)
    # What may take more than a moment is done in a thread: the loop may have other work.
    loaded = suite
    if isinstance(loaded, str):
        loaded = await asyncio.to_thread(load_suite, loaded, database)
    check_has("suite", loaded, "tasks", "a spec like 'marketplace', or a Suite")
    first = load_model(model, loaded, calling) if isinstance(model, str) else model
    check_has("model", first, "spec", "a spec like 'simulated', or a ChatModel")
    repairing = repair_model
    if isinstance(repairing, str):
        repairing = load_model(repairing, loaded, calling)
    if repairing is not None:
        check_has("repair_model", repairing, "fingerprint", "a spec, a ChatModel, or None")
    answering = with_repairs(first, repairing, max_attempts)
    taught = await asyncio.to_thread(make_policy, policy, repairing or first)
    check_whole("concurrency", concurrency, 1)
    start = None
    if is_policy(start_from):
        start = Start.of(start_from, taught)
    elif source is not None:
        start = await asyncio.to_thread(Start.read, source, taught, repairing or first)
    taught = taught if start is None else start.fresh(repairing or first)
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
        samples=samples,
        choose=choose,
        prompts=None if prompts is None else str(prompts),
        start_from=None if source is None else str(source),
        ground=ground,
        max_doubt=max_doubt,
        signals=signals,
    )
    check_samples(answering, samples)
    texts = Prompts.load(prompts, ground=is_grounded(ground, repairing or first))
    there = as_path("out", out)
    folder = None if there is None else located(there)
    # What will not do is said before there is a run; one that goes on knows its own prices.
    prices = load_prices(config.paid_models, calling.prices)
    if calling.budget is not None and (folder is None or not (folder / "price.json").exists()):
        check_prices(config.paid_models, prices)
    with beside_answers(answering, calling, folder) as shelf:
        golds = Golds(loaded, metric)
        if shelf is not None:
            await asyncio.to_thread(read_hashes, loaded.databases.values())
        questions, invalid = await asyncio.to_thread(askable, loaded, golds, task)
        meta = make_meta(config, loaded, answering, texts, questions, invalid, start)
        bound = why_bound((first, repairing), taught)
        writer = await made_in_thread(
            lambda: RunWriter(meta, texts, folder, start, bound),
            lambda made: asyncio.to_thread(made.close),
        )
        behind = [m for m in (first, repairing) if isinstance(m, OpenAIModel)]
        parameters = {m.spec: m.parameters for m in behind}
        writer.run._suite = loaded
        try:
            for spec, changes in writer.run.changes.items():
                if spec in parameters:
                    parameters[spec].resume(changes)
            caller = await made_in_thread(
                lambda: Caller.prepare(answering, calling, concurrency, writer, shelf),
                Caller.aclose,
            )
        except BaseException:
            writer.close()
            raise

        async def close() -> None:
            try:
                # Calls that are still out are paid for: they are stored before the store is closed.
                await caller.aclose()
                if isinstance(model, str):
                    await first.aclose()
                if isinstance(repair_model, str) and repairing is not None:
                    await repairing.aclose()
            finally:
                writer.close()

        def make_env(policy: Policy) -> SQLAgentEnv:
            """Make an environment for one episode from what all of them share."""
            return SQLAgentEnv(
                loaded,
                caller.model,
                policy,
                seed=config.seed,
                feedback=config.feedback,
                max_attempts=config.max_attempts,
                metric=config.metric,
                temperature=config.temperature,
                prompts=texts,
                golds=golds,
                samples=config.samples,
                choose=config.choose,
                max_doubt=config.max_doubt,
                signals=config.signals,
            )

        try:
            done = {e.index for e in writer.run.log}
            slots = await asyncio.to_thread(make_slots, config, questions)
            todo = [slot for slot in slots if slot.index not in done]
            await asyncio.to_thread(read_schemas, loaded, todo)
            with tqdm(
                total=config.episodes,
                initial=len(done),
                desc=f"{config.policy} on {config.suite}",
                unit="ep",
                disable=not progress,
            ) as bar:
                driver = Driver(make_env, taught, writer, config, bar, caller.meter)
                driver.on_episode = on_episode
                driver.changes = lambda: {s: p.changes for s, p in parameters.items() if p.changes}
                driver.endpoints = {m.spec: m.address for m in behind}
                with driver.collector:
                    await driver.drive(todo, EPISODES_PER_REQUEST * concurrency)
            await to_its_end(asyncio.to_thread(writer.finish, taught))
        finally:
            await to_its_end(close())
        return writer.run
