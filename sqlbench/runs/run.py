"""A run on disk: append-only, resumable, and read back as DataFrames.

``run.json`` holds what the results depend on, ``episodes.jsonl`` a line an episode,
``failures.jsonl`` those that their model failed, ``timings.jsonl`` the wall-clock facts,
``prompts.json`` the texts that were sent, ``policy.npz`` what was learned (``start.npz`` what was
known before), ``summary.json`` the rates. A line counts once it ends in a newline: a torn last one
is owed again. Beside what the results depend on: ``calls.jsonl``, a line a request that was sent,
and ``price.json``, what a million tokens of each model cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlbench.episodes.episode import Episode
from sqlbench.episodes.repair import Prompts
from sqlbench.exceptions import ConfigError, RunFolderError
from sqlbench.html import Card, Grid, Shown, Text, facts
from sqlbench.paths import located
from sqlbench.runs.collector import no_collection
from sqlbench.runs.config import make_config
from sqlbench.runs.files import read_json, read_lines, read_log
from sqlbench.runs.frames import EPISODE_COLUMNS, step_frame
from sqlbench.words import carried, counted

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.models import ChatModel
    from sqlbench.models.calling.budget import Price
    from sqlbench.policies import Policy
    from sqlbench.runs.start import Start
    from sqlbench.suites import Suite

SCHEMA_VERSION = 1
START = "start.npz"
# What every reader of ``run.json`` relies on.
_META = {
    "config": dict,
    "simulated": bool,
    "suite_hash": str,
    "notes": list,
    "questions": int,
    "without_gold": int,
    "invalid_questions": dict,
}


class Run(Shown):
    """A run, in memory or in a folder.

    Parameters
    ----------
    meta : dict
        What ``run.json`` holds.
    folder : Path or None
        Where it lives; None keeps it in memory only.

    Attributes
    ----------
    config : RunConfig
        The configuration.
    """

    def __init__(self, meta: dict[str, Any], folder: Path | None = None) -> None:
        if meta.get("schema_version") != SCHEMA_VERSION:
            raise RunFolderError(
                f"The run in {str(folder)!r} has schema version {meta.get('schema_version')!r}; "
                f"this sqlbench reads version {SCHEMA_VERSION}. Use that which wrote it, or later."
            )
        for name, kind in _META.items():
            if not isinstance(meta.get(name), kind):
                raise RunFolderError(
                    f"The run.json in {str(folder)!r} is damaged: its {name} is {meta.get(name)!r}."
                )
        self.meta, self.folder = meta, folder
        try:
            self.config = make_config(**meta["config"])
        except ConfigError as error:
            raise RunFolderError(
                f"The run.json in {str(folder)!r} is damaged, or from a newer sqlbench: {error}"
            ) from None
        self._log: list[Episode] | None = [] if folder is None else None
        self._failed: list[dict[str, Any]] | None = None
        self._policy: Policy | None = None
        self.start: Start | None = None
        self._suite: Suite | None = None

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Open a run's folder for reading.

        Raises
        ------
        RunFolderError
            If it is no run's folder. A log that is damaged before its last line raises when it is
            first read, which may be now or with the first use of what is in it.
        """
        path = located(folder)
        return cls(read_json(path / "run.json"), path)

    @property
    def log(self) -> list[Episode]:
        """The finished episodes, in the order in which the policy learned from them.

        It is read when it is first asked for: a frame of a large run needs no objects.
        """
        if self._log is None:
            assert self.folder is not None
            with no_collection():
                self._log = list(read_log(self.folder / "episodes.jsonl", _episode))
        return self._log

    @property
    def failed(self) -> list[dict[str, Any]]:
        """The notes of the episodes that their model failed, and that are still owed."""
        if self._failed is None:
            failed: dict[int, dict[str, Any]] = {}
            if self.folder is not None:
                notes = read_log(self.folder / "failures.jsonl", lambda r: (r["episode"], r))
                failed = dict(notes)
            finished = {e.index for e in self.log} if failed else set()
            self._failed = [r for i, r in sorted(failed.items()) if i not in finished]
        return self._failed

    def _records(self) -> Iterator[dict[str, Any]]:
        """Yield the episodes' records, from the log's lines unless it is in memory already."""
        if self._log is None and self.folder is not None:
            yield from read_lines(self.folder / "episodes.jsonl")
        else:
            for episode in self.log:
                yield episode.record()

    @property
    def simulated(self) -> bool:
        """Whether its model is simulated: every figure and table of it says so."""
        return bool(self.meta["simulated"])

    @property
    def changes(self) -> dict[str, dict[str, str | None]]:
        """What servers made of models' parameters, by spec: another name, or None for left out.

        Raises
        ------
        RunFolderError
            If the record is damaged.
        """
        found = self.meta.get("parameters", {})
        models = found.values() if isinstance(found, dict) else [None]
        if not all(
            isinstance(m, dict) and all(isinstance(n, str | None) for n in m.values())
            for m in models
        ):
            raise RunFolderError(
                f"The run.json in {str(self.folder)!r} is damaged: its parameters are {found!r}."
            )
        return dict(found)

    @property
    def without_gold(self) -> int:
        """How many of the questions that could be asked have no gold query."""
        return int(self.meta["without_gold"])

    @property
    def caveat(self) -> str:
        """What every figure and table of it must say beside the numbers; mostly nothing."""
        parts = ["simulated model"] if self.simulated else []
        if not parts and self.meta.get("start_simulated"):
            parts = ["its policy began with what it learned from a simulated model"]
        if self.without_gold:
            asked = self.meta["questions"]
            which = "" if self.without_gold == asked else f" on {self.without_gold} of {asked}"
            parts.append(f"no gold query{which}: success means it ran and returned rows")
        return "; ".join(parts)

    @property
    def mark(self) -> str:
        """The caveat in parentheses, to stand behind a name."""
        return f" ({self.caveat})" if self.caveat else ""

    @property
    def finished(self) -> bool:
        """Whether every episode is in the log."""
        return len(self.log) >= self.config.episodes

    @property
    def label(self) -> str:
        """Return one line that says what ran."""
        c = self.config
        suite = f"{c.suite} on {c.database}" if c.database else c.suite
        model = f"{c.model} + {c.repair_model}" if c.repair_model else c.model
        return f"{suite} · {model} · {c.policy} · seed {c.seed}"

    def card(self) -> Card:
        """Return what a notebook shows of it: its rates and costs."""
        from sqlbench.runs.summary import notes_of, rates

        c, found = self.config, self.summary
        about = facts(
            {
                "episodes": f"{len(self.log)} of {c.episodes}, "
                f"{counted(found['questions'], 'question')}",
                "feedback": c.feedback,
                "mean total reward": f"{found['mean_total_reward']:+.3f}" if self.log else None,
                "model calls": f"{found['model_calls']:,}",
                "failed": len(self.failed) or None,
                "folder": self.folder,
            }
        )
        rows = [(name, str(r)) for name, r in rates(self).items()] if self.log else []
        header = ("", "rate [95% interval, by question] (count/n)")
        return Card(
            f"Run {self.label}{self.mark}",
            [Grid(header, rows), about, *(Text(f"Note: {n}") for n in notes_of(self))],
        )

    @cached_property
    def prices(self) -> dict[str, Price]:
        """What a million tokens of its models cost, by spec, where that is known."""
        from sqlbench.models.calling.budget import load_prices, make_price

        paid = self.config.paid_models
        if self.folder is not None and (self.folder / "price.json").exists():
            found = read_json(self.folder / "price.json")
            if "prompt" in found:  # as runs of one model were written first
                found = dict.fromkeys(paid, found)
            return {m: make_price(v, "The run's price.json") for m, v in found.items()}
        return load_prices(paid)

    def calls(self) -> Iterator[dict[str, Any]]:
        """Yield the records of the requests that were sent, in the order of their answers."""
        if self.folder is not None:
            yield from read_log(self.folder / "calls.jsonl", _call)

    @cached_property
    def prompts(self) -> Prompts:
        """The texts that were sent."""
        if self.folder is None:
            return Prompts(self.meta["prompts"])
        texts = read_json(self.folder / "prompts.json")
        for name in Prompts.load().texts:
            if not isinstance(texts.get(name), str):
                raise RunFolderError(
                    f"The prompts.json in {str(self.folder)!r} is damaged: its {name!r} is "
                    f"{texts.get(name)!r}, not a text."
                )
        return Prompts(texts)

    @property
    def measured(self) -> bool:
        """Whether the signals of every attempt are in the log."""
        return bool(self.log) and all(s.known is not None for e in self.log for s in e.steps)

    @property
    def episodes(self) -> pd.DataFrame:
        """A row an episode, in order of its number."""
        import pandas as pd

        rows = [
            {
                "episode": e.index,
                "question_id": carried(e.question_id),
                "task_id": carried(e.task_id),
                "db_id": carried(e.db_id),
                "success": e.success,
                "attempts": len(e.steps),
                "first": e.first,
                "field": e.field,
                "gated": e.gated(self.config.max_doubt),
                "any": e.any,
                "total_reward": e.total_reward,
                "model_calls": e.model_calls,
                "prompt_tokens": e.tokens("prompt"),
                "completion_tokens": e.tokens("completion"),
                "simulated": self.simulated,
            }
            for e in self.log
        ]
        columns = list(EPISODE_COLUMNS)
        if self.measured:
            columns.insert(columns.index("any"), "gated")
        frame = pd.DataFrame(rows, columns=columns)
        return frame.sort_values("episode", kind="stable", ignore_index=True)

    @property
    def suite(self) -> Suite:
        """What was asked: the suite that it ran on, or its spec loaded anew.

        Raises
        ------
        UnknownNameError, SuiteError, DatabaseFailure
            If the suite cannot be loaded any more.
        RunFolderError
            If it has changed since the run.
        """
        if self._suite is None:
            from sqlbench.suites import load_suite

            suite = load_suite(self.config.suite, self.config.database)
            if suite.content_hash != self.meta["suite_hash"]:
                raise RunFolderError(
                    f"The suite {self.config.suite!r} has changed since the run: its questions, "
                    "golds or databases are others now."
                )
            self._suite = suite
        return self._suite

    @property
    def questions(self) -> pd.DataFrame:
        """A row a question: how often it was asked, how it went, the last answer and the gold.

        The columns are those of `sqlbench.runs.questions.question_frame`; raises what `suite`
        raises. Gold queries are for reading: nothing of it reaches a prompt.
        """
        from sqlbench.runs.questions import question_frame

        return question_frame(self, self.suite)

    @property
    def steps(self) -> pd.DataFrame:
        """A row an attempt, in order of its episode's number."""
        try:
            return step_frame(self._records())
        except (KeyError, TypeError, ValueError):
            self.log  # noqa: B018  names the line that is damaged
            raise

    @property
    def summary(self) -> dict[str, Any]:
        """The rates with their intervals, the costs and what was left out."""
        from sqlbench.runs.summary import summarize

        return summarize(self)

    def untaught(self) -> Policy:
        """Return the policy as it was before the first episode: new, or what the run started from.

        Raises
        ------
        RunFolderError
            If the file of what it started from is gone.
        """
        from sqlbench.policies import make_policy
        from sqlbench.policies.registry import load_policy

        if self.config.start_from is None:
            return make_policy(self.config.policy, self._oracles_model())
        if self.start is not None:
            return self.start.fresh(self._oracles_model())
        assert self.folder is not None
        if not (self.folder / START).is_file():
            raise RunFolderError(
                f"The run in {str(self.folder)!r} started from a policy, and its {START} is "
                "missing."
            )
        return load_policy(self.folder / START, self._oracles_model())

    @property
    def policy(self) -> Policy:
        """What was learned.

        Raises
        ------
        RunFolderError
            If the run has not finished.
        """
        if self._policy is not None:
            return self._policy
        if self.folder is None or not (self.folder / "policy.npz").exists():
            raise RunFolderError("The run has no policy yet: let it finish first.")
        from sqlbench.policies.registry import load_policy

        self._policy = load_policy(self.folder / "policy.npz", self._oracles_model())
        return self._policy

    def _oracles_model(self) -> ChatModel | None:
        """Return the model whose matrix the policy reads, if it does."""
        c = self.config
        if not c.policy.startswith("oracle"):
            return None
        from sqlbench.models import load_model
        from sqlbench.suites import load_suite

        return load_model(c.repairing, load_suite(c.suite, c.database))


def _episode(record: dict[str, Any]) -> Episode:
    episode = Episode.from_record(record)
    if not isinstance(episode.index, int) or not isinstance(episode.question_id, str):
        raise TypeError(f"episode {episode.index!r} on question {episode.question_id!r}")
    return episode


def _call(record: dict[str, Any]) -> dict[str, Any]:
    if isinstance(record["cost"], int | float):
        return record
    raise TypeError(f"its cost is {record['cost']!r}")
