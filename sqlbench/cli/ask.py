"""``sqlbench ask``: one question to a database of your own, or to a suite's."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from sqlbench.words import counted

if TYPE_CHECKING:
    from sqlbench.databases import QueryResult
    from sqlbench.environment.environment import SQLAgentEnv
    from sqlbench.suites import Question, Suite

_MAX_CELL = 60


def ask(
    question: Annotated[str, typer.Argument(help="The question; with --suite, also an id of it.")],
    database: Annotated[
        str | None,
        typer.Option(
            help="A SQLite or DuckDB file, a folder or pattern of Parquet and CSV files, "
            "postgresql://USER:PASSWORD@HOST/DATABASE, or pg-embedded."
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help="Ask a question that this suite knows (by its text or id); its gold query then "
            "says whether the answer is right."
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(help="As for run; simulated answers only what a suite knows.")
    ] = "openai",
    repair_model: Annotated[
        str | None,
        typer.Option(help="Who makes every attempt after the first. Default: the model itself."),
    ] = None,
    policy: Annotated[str, typer.Option(help="Who chooses repairs, as for run.")] = "rules",
    max_attempts: Annotated[int, typer.Option(help="Attempts, 1 to 5.")] = 5,
    seed: Annotated[int, typer.Option(help="All randomness derives from it.")] = 0,
    temperature: Annotated[float, typer.Option(help="The model's sampling temperature.")] = 0.1,
    max_doubt: Annotated[
        float | None,
        typer.Option(
            help="Go on repairing while the answer's doubt is at least this. Default: stop at the "
            "first rows."
        ),
    ] = None,
    ground: Annotated[
        str | None,
        typer.Option(
            help="on or off: whether repair prompts tell what the database holds instead. Default: "
            "on, unless the model is simulated."
        ),
    ] = None,
    rows: Annotated[int, typer.Option(help="Rows to show.")] = 20,
    prompt: Annotated[
        bool, typer.Option("--prompt", help="Print exactly what is sent at each attempt.")
    ] = False,
    allow_superuser: Annotated[
        bool, typer.Option(help="Let SQL from a model run as a PostgreSQL superuser.")
    ] = False,
) -> None:
    """Ask a question: its SQL is repaired until it runs and returns rows (else exit code 1).

    With the answer comes how doubtful it is, and why. Nothing in the database can be changed.
    """
    from sqlbench.environment.environment import SQLAgentEnv
    from sqlbench.episodes.known import MAX_DOUBT
    from sqlbench.exceptions import ConfigError
    from sqlbench.models import load_model
    from sqlbench.models.predictions import with_repairs
    from sqlbench.policies import make_policy
    from sqlbench.runs.config import make_config

    if rows < 0:
        raise ConfigError(f"rows is at least 0, not {rows!r}.")
    make_config(policy=policy, seed=seed, temperature=temperature, max_attempts=max_attempts)
    loaded, asked = _find(question, database, suite, allow_superuser)
    try:
        first = load_model(model, loaded)
        repairing = load_model(repair_model, loaded) if repair_model else None
        env = SQLAgentEnv(
            loaded,
            with_repairs(first, repairing, max_attempts),
            make_policy(policy, repairing or first),
            seed=seed,
            feedback="execution" if max_doubt is None else "signals",
            max_attempts=max_attempts,
            temperature=temperature,
            ground=ground,  # type: ignore[arg-type]
            max_doubt=MAX_DOUBT if max_doubt is None else max_doubt,
            signals=True,
        )
        answered = asyncio.run(_answer(env, asked, prompts=prompt))
        if answered and env.result is not None:
            print("\n" + result_table(env.result, rows))
            print(f"\n{_verdict(env, asked)}")
    finally:
        loaded.close()
    if not answered:
        print(f"\nNo query returned rows in {counted(max_attempts, 'attempt')}.", file=sys.stderr)
        raise typer.Exit(1)


def result_table(result: QueryResult, limit: int) -> str:
    """Return rows as a table; what is left out is counted below it."""
    from sqlbench.words import markdown_table

    shown = [[_cell(v) for v in row] for row in result.rows[:limit]]
    table = markdown_table([_cell(c) for c in result.columns], shown)
    more = len(result.rows) - len(shown)
    left_out = counted(more, "more row") if more > 0 else ""
    if result.truncated:
        left_out = f"{left_out}, and then some: the result was cut off".removeprefix(", and then ")
    return f"{table}\n({left_out})" if left_out else table


def _find(
    question: str, database: str | None, suite: str | None, allow_superuser: bool
) -> tuple[Suite, Question]:
    from sqlbench.exceptions import ConfigError, UnknownNameError
    from sqlbench.suites import load_suite
    from sqlbench.suites.adhoc import adhoc_suite

    if suite is None:
        if database is None:
            raise ConfigError("Name what to ask: --database PATH|URL, or --suite SUITE.")
        loaded = adhoc_suite(database, [question], allow_superuser=allow_superuser)
        return loaded, loaded.question("q1")
    loaded = load_suite(suite, database, allow_superuser=allow_superuser)
    wanted = " ".join(question.split()).casefold()
    for known in loaded:
        if wanted in (known.id.casefold(), " ".join(known.text.split()).casefold()):
            return loaded, known
    raise UnknownNameError("question", question, [q.id for q in loaded])


async def _answer(env: SQLAgentEnv, asked: Question, *, prompts: bool) -> bool:
    """Run one episode, and print its attempts as they come; return whether there are rows."""
    from sqlbench.episodes.repair import GENERATE
    from sqlbench.exceptions import ModelSetupError
    from sqlbench.models import ModelError
    from sqlbench.reports.transcript import step_text

    model = env.model
    assert model is not None
    env.reset_with_question(asked.task_id, asked.id)
    mark = " (simulated)" if model.simulated else ""
    print(f"Question: {asked.text}\nDatabase: {asked.db_id}\nModel: {model.spec}{mark}")
    episode = env.episode
    assert episode is not None
    try:
        while not episode.done:
            action = env.next_action or GENERATE
            sent = env.messages(action) if prompts else ()
            await env.step()
            print("\n" + plain(step_text(episode.steps[-1], sent, reward=False)))
    except ModelError as error:
        raise ModelSetupError(f"The model {model.spec!r} gave no answer: {error}") from None
    finally:
        await model.aclose()
    return bool(env.result and env.result.rows)


def _verdict(env: SQLAgentEnv, asked: Question) -> str:
    assert env.result is not None and env.episode is not None
    count = counted(len(env.result.rows), "row")
    if asked.gold is None:
        answers = "it answers" if len(env.result.rows) == 1 else "they answer"
        return f"{count}. Nobody has checked whether {answers} the question.\n{_doubt(env)}"
    same = "the same" if env.episode.success else "not the same"
    return f"{count}, {same} as the gold query's.\n{_doubt(env)}"


def _doubt(env: SQLAgentEnv) -> str:
    """Return how doubtful the last answer is, and why."""
    assert env.episode is not None
    known = env.episode.steps[-1].known
    assert known is not None
    why = "".join(f"\n- {plain(line)}" for line in (*known.evidence, *known.facts))
    return f"Doubt {known.doubt:.0%} (the chance that it is wrong, by its signals){why}"


def _cell(value: object) -> str:
    text = "NULL" if value is None else plain(" ".join(str(value).split()))
    return text if len(text) <= _MAX_CELL else text[: _MAX_CELL - 1] + "…"


def plain(text: str) -> str:
    """Take out what could steer a terminal: the text comes from a model or a database."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text)
