"""What a figure is asked to draw: one run, or several, each under a name of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from sqlbench.exceptions import ConfigError
from sqlbench.plots.look import Look, looks
from sqlbench.runs.run import Run

if TYPE_CHECKING:
    from typing import TypeAlias

Runs: TypeAlias = "Run | Sequence[Run] | Mapping[str, Run]"


class NamedRuns(dict[str, Run]):
    """Runs by name, with what a figure of them says and shows.

    Parameters
    ----------
    runs : Run, sequence of Run, or mapping of str to Run
        Without names a run is called by its policy, and by what else sets it apart from the
        others.

    Raises
    ------
    ConfigError
        If there is none, or something else among them.
    """

    def __init__(self, runs: Runs) -> None:
        given = runs if isinstance(runs, Iterable) else [runs]
        values = list(given.values() if isinstance(given, Mapping) else given)
        for value in values:
            if not isinstance(value, Run):
                raise ConfigError(
                    f"A figure draws a run, or a list or a dict of runs, and not {value!r}."
                )
        if not values:
            raise ConfigError("There is no run to draw: give one, or several.")
        names = list(given) if isinstance(given, Mapping) else _names(values)
        super().__init__(zip(map(str, names), values, strict=True))

    @property
    def looks(self) -> dict[str, Look]:
        """How each is drawn: in its policy's colour, whatever it is called."""
        policies = [run.config.policy for run in self.values()]
        keys = {
            name: policy if policies.count(policy) == 1 else f"{policy}, {name}"
            for name, policy in zip(self, policies, strict=True)
        }
        found = looks(keys.values())
        return {name: found[key] for name, key in keys.items()}

    @property
    def caveat(self) -> str:
        """What is to be said once for all of them: empty if that is not the same for each."""
        caveats = {run.caveat for run in self.values()}
        return caveats.pop() if len(caveats) == 1 else ""

    @property
    def labels(self) -> dict[str, str]:
        """Their names, with the caveat behind each where that is not the same for all."""
        alike = len({run.caveat for run in self.values()}) == 1
        return {name: name if alike else f"{name}{run.mark}" for name, run in self.items()}


def _names(runs: Sequence[Run]) -> list[str]:
    configs = [dict(run.config) for run in runs]
    if len({c["policy"] for c in configs}) == len(configs):
        return [c["policy"] for c in configs]
    differing = [k for k in configs[0] if k != "policy" and len({c[k] for c in configs}) > 1]
    names = [", ".join([c["policy"], *(f"{k} {c[k]}" for k in differing)]) for c in configs]
    return [
        f"{n} ({names[: i + 1].count(n)})" if names.count(n) > 1 else n for i, n in enumerate(names)
    ]
