"""``sqlbench suites``: what can be asked, whether it is sound, and how sharply it asks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from sqlbench.words import counted

if TYPE_CHECKING:
    from sqlbench.grading.mutation import Mutation
    from sqlbench.grading.translating import SuiteTranslation
    from sqlbench.suites import Suite


class _ShowsSuites(TyperGroup):
    """Takes what is no command for a suite: ``sqlbench suites marketplace``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Put ``show`` before a suite's spec."""
        if args and args[0] not in self.commands:
            args = ["show", *args]
        return super().resolve_command(ctx, args)


suites = typer.Typer(
    cls=_ShowsSuites,
    help="List suites, look into one, check it, measure how well it discriminates, translate its "
    "golds, begin your own.",
    invoke_without_command=True,
)

Spec = Annotated[str, typer.Argument(help="marketplace, spider:DIR, bird:DIR or FILE.yaml.")]


@suites.callback()
def kinds(context: typer.Context) -> None:
    """List the kinds of suites."""
    if context.invoked_subcommand is None:
        list_kinds()


@suites.command("list")
def list_kinds() -> None:
    """List the kinds of suites."""
    from sqlbench.suites import SUITE_SPECS

    print("\n".join(SUITE_SPECS))
    print("\nLook into one: sqlbench suites SPEC")


@suites.command()
def show(
    spec: Spec,
    questions: Annotated[
        bool, typer.Option("--questions", help="List the questions too: id, task and text.")
    ] = False,
) -> None:
    """Show the tasks of a suite, with their questions counted, and its databases."""
    from sqlbench.suites import load_suite
    from sqlbench.words import markdown_table

    suite = load_suite(spec)
    rows = [[t.id, t.difficulty, len(t.questions)] for t in suite.tasks.values()]
    print(markdown_table(["task", "difficulty", "questions"], rows))
    if questions:
        asked = [[q.id, q.task_id, " ".join(q.text.split())] for q in suite]
        print("\n" + markdown_table(["id", "task", "question"], asked))
    print(f"\n{_size(suite)}")
    _print_notes(suite.notes)


@suites.command()
def check(spec: Spec) -> None:
    """Run every gold query and say what is wrong; exit 1 if anything is."""
    from sqlbench.grading.check import check_suite
    from sqlbench.suites import load_suite
    from sqlbench.words import markdown_table

    suite = load_suite(spec)
    notes: list[str] = []
    findings = check_suite(suite, say=notes.append)
    wrong = {(f.question.task_id, f.question.id) for f in findings if f.question is not None}
    rows = [
        [
            task.id,
            task.difficulty,
            len(task.questions),
            sum(q.gold is None for q in task.questions),
            sum(t == task.id for t, _ in wrong),
        ]
        for task in suite.tasks.values()
    ]
    print(markdown_table(["task", "difficulty", "questions", "without gold", "wrong"], rows))
    if findings:
        print()
        print(markdown_table(["question", "problem"], [[f.where, f.problem] for f in findings]))
    _print_notes([*suite.notes, *notes])
    if findings:
        raise typer.Exit(1)
    print(f"\n{_size(suite)}: nothing is wrong.")


@suites.command()
def mutate(
    spec: Spec,
    task: Annotated[str | None, typer.Option(help="Only this task's questions.")] = None,
    metric: Annotated[str, typer.Option(help="How results are compared.")] = "exact",
    survivors: Annotated[
        int, typer.Option(help="How many survivors to print with both queries; -1 prints all.")
    ] = -1,
    at_least: Annotated[
        float, typer.Option(min=0, max=1, help="Exit 1 if a smaller share is told apart.")
    ] = 0.0,
) -> None:
    """Change each gold query in small ways, and count the variants that are judged wrong."""
    from sqlbench.grading.mutation import mutate_suite
    from sqlbench.suites import load_suite

    mutation = mutate_suite(load_suite(spec), metric, task)
    print(mutation_text(mutation, survivors))
    if (mutation.rate.rate or 0.0) < at_least:
        raise typer.Exit(1)


@suites.command()
def translate(
    spec: Spec,
    to: Annotated[str, typer.Option(help="duckdb or postgres.")],
    database: Annotated[
        str,
        typer.Option(
            help="For postgres: pg-embedded, or the URL of a role that may create schemas (what is "
            "made there is dropped again)."
        ),
    ] = "pg-embedded",
    out: Annotated[
        Path | None, typer.Option(help="Write the golds that agree, a line of JSON each.")
    ] = None,
) -> None:
    """Translate each gold query to another engine, run it on both, and say what agrees.

    What gives other rows there is left out and named: no gold changes its result in silence.
    """
    from sqlbench.grading.translating import translate_suite
    from sqlbench.suites import load_suite

    found = translate_suite(load_suite(spec), to, server=database)
    print(translation_text(found))
    if out is not None:
        _write_golds(found, out)
        print(f"\nGolds: {out}")


@suites.command()
def new(
    database: Annotated[
        Path, typer.Option(help="A SQLite or DuckDB file, or a folder of Parquet files.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The file to write. Default: the database's name, .yaml.")
    ] = None,
) -> None:
    """Write a first suite for a database, with questions that it can answer."""
    from sqlbench.suites.template import write_template

    written = write_template(database, out)
    print(f"Suite: {written}")
    print(f"Next: put your questions in, then  sqlbench suites check {quote(str(written))}")


def translation_text(found: SuiteTranslation) -> str:
    """Return how many golds agree with each step, and what is left out and why."""
    from collections import Counter

    from sqlbench.words import markdown_table

    total = len(found.tried)
    steps = list(found.agreeing().items())
    rows = [[("" if i == 0 else "+ ") + step, f"{n}/{total}"] for i, (step, n) in enumerate(steps)]
    parts = [markdown_table([f"golds in {found.to}", "run and agree"], rows)]
    lucky = sum(t.tie for t in found.tried if t.sql is not None)
    if lucky:
        parts.append(f"{lucky} of them cut through a tie, and agree by luck.")
    if found.without_gold:
        parts.append(f"{counted(found.without_gold, 'question')} without a gold query that runs.")
    if found.left_out:
        why = Counter(t.why for t in found.left_out)
        counts = ", ".join(f"{n} {reason}" for reason, n in why.most_common())
        parts.append(f"Left out: {len(found.left_out)} ({counts}).")
        listed = [[t.question.id, t.why, t.detail[:100]] for t in found.left_out]
        parts.append(markdown_table(["question", "why", "message"], listed))
    return "\n\n".join(parts)


def _write_golds(found: SuiteTranslation, out: Path) -> None:
    import json

    from sqlbench.exceptions import SuiteError

    lines = [
        json.dumps({"question_id": t.question.id, "db_id": t.question.db_id, "sql": t.sql})
        for t in found.tried
        if t.sql is not None
    ]
    try:
        out.write_text("\n".join([*lines, ""]), encoding="utf-8")
    except OSError as error:
        raise SuiteError(f"{str(out)!r} cannot be written: {error.strerror}.") from error


def mutation_text(mutation: Mutation, survivors: int = -1) -> str:
    """Return the shares by kind and by question, and the survivors with both queries."""
    from sqlbench.words import markdown_table

    invalid = mutation.invalid()
    rows = [[kind, str(r), invalid[kind]] for kind, r in mutation.by(lambda m: m.kind).items()]
    rows.append(["all", str(mutation.rate), invalid.total()])
    head = "told apart [95% interval] (count/n)"
    parts = [markdown_table(["kind", head, "do not run"], rows)]
    questions = mutation.by(lambda m: m.question.id)
    weak = [[name, str(r)] for name, r in questions.items() if r.rate != 1]
    parts.append(f"{len(questions) - len(weak)} of {len(questions)} questions tell all apart.")
    if weak:
        parts.append(markdown_table(["question", head], weak))
    if mutation.skipped:
        why = "without a gold query that runs, and runs the same when it is written anew"
        parts.append(f"Left out, {why}: {', '.join(mutation.skipped)}")
    shown = mutation.survivors if survivors < 0 else mutation.survivors[:survivors]
    for number, mutant in enumerate(shown, start=1):
        parts.append(
            f"Survivor {number}, {mutant.question.id}, {mutant.kind}\n"
            f"gold:\n{mutant.question.gold}\nvariant:\n{mutant.sql}"
        )
    return "\n\n".join(parts)


def _size(suite: Suite) -> str:
    databases = len(suite.databases)
    return f"{counted(len(suite), 'question')} on {counted(databases, 'database')}"


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        print(f"Note: {note}")
