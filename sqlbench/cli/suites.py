"""``sqlbench suites``: what can be asked."""

from __future__ import annotations

from typing import Annotated

import typer


def suites(
    spec: Annotated[
        str | None, typer.Argument(help="A suite's spec; without it, the kinds of suites.")
    ] = None,
) -> None:
    """List the suites, or the tasks, questions and databases of one."""
    from sqlbench.analysis import markdown_table
    from sqlbench.suites import SUITE_SPECS, load_suite

    if spec is None:
        print("\n".join(SUITE_SPECS))
        print("\nLook into one: sqlbench suites SPEC")
        return
    suite = load_suite(spec)
    rows = [[t.id, t.difficulty, len(t.questions)] for t in suite.tasks.values()]
    print(markdown_table(["task", "difficulty", "questions"], rows))
    print(f"\n{len(suite)} questions on {len(suite.databases)} databases")
    for note in suite.notes:
        print(f"Note: {note}")
