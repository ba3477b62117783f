"""``sqlbench teach``: a policy that starts from a repair table, for ``sqlbench run``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer


def teach(
    table: Annotated[Path, typer.Argument(help="The folder that `sqlbench collect` filled.")],
    out: Annotated[Path, typer.Option(help="The policy's file, for example hybrid.npz.")],
    policy: Annotated[str, typer.Option(help="As for sqlbench run.")] = "hybrid",
) -> None:
    """Teach a policy every outcome of a repair table; a run starts from it with --start-from."""
    from sqlbench.evidence.table_files import load_table
    from sqlbench.evidence.taught import taught
    from sqlbench.exceptions import ConfigError
    from sqlbench.paths import located
    from sqlbench.policies import save_policy

    target = located(out)
    if target.suffix != ".npz":
        raise ConfigError(f"--out is the policy's file and ends in .npz, not {str(out)!r}.")
    known = load_table(table, signals="signals" in policy.partition("features=")[2])
    learned = taught(policy, known)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_policy(learned, target, simulated=known.simulated)
    print(f"{learned.spec}, taught {known.label}: {out}")
    for note in known.notes:
        print(f"Note: {note}")
    print(f"Next: sqlbench run --policy '{learned.spec}' --start-from {quote(str(out))}")
