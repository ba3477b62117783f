"""The run explorer: filter and sort episodes, open one as a transcript."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ipywidgets as w

from sqlbench import html
from sqlbench.checks import check_has
from sqlbench.episodes.episode import Episode
from sqlbench.episodes.errors import ErrorClass
from sqlbench.exceptions import SQLBenchError
from sqlbench.policies.arms import ARM_NAMES
from sqlbench.reports.gold import beside_gold
from sqlbench.reports.transcript import sent_messages
from sqlbench.runs.run import Run
from sqlbench.suites import Suite
from sqlbench.widgets.attempts import attempt, gold_beside

ALL = "all"
PAGE = 100
_LOOK = (
    "<style>.sqlbench-list select{font-family:var(--jp-code-font-family,monospace)}"
    ".sqlbench-list option{overflow:hidden;text-overflow:ellipsis}</style>"
)


@dataclass(frozen=True, slots=True)
class Line:
    """What the list shows of an episode, and what it is filtered by."""

    episode: Episode
    outcome: str
    errors: frozenset[str]
    arms: frozenset[str]
    reasons: frozenset[str]
    reward: float

    @classmethod
    def of(cls, episode: Episode) -> Line:
        """Read an episode."""
        repaired = "repaired" if episode.success and not episode.first else None
        ended = repaired or ("right at once" if episode.success else "failed")
        errors = frozenset(str(s.error_class) for s in episode.steps if s.error_class)
        arms = frozenset(s.action for s in episode.steps if s.context is not None)
        reasons = frozenset(s.reason for s in episode.steps)
        return cls(episode, ended, errors, arms, reasons, episode.total_reward)

    @property
    def text(self) -> str:
        """One line of the list."""
        e = self.episode
        story = " → ".join(f"{s.action}: {s.error_class or '✓'}" for s in e.steps)
        return (
            f"{e.index:>6}  {self.outcome:<13} {self.reward:+6.2f}  {e.question_id:<14.40} {story}"
        )


SORTS: dict[str, Callable[[Line], Any]] = {
    "episode": lambda line: line.episode.index,
    "attempts": lambda line: len(line.episode.steps),
    "total reward": lambda line: line.reward,
    "question": lambda line: line.episode.question_id,
}
OUTCOMES = ("right at once", "repaired", "failed")


class Explorer(w.VBox):  # type: ignore[misc]
    """The run explorer; made by `explore`.

    Parameters
    ----------
    run : Run
        The run.
    suite : Suite or None
        Its suite; None loads it by its spec when an episode is opened.
    """

    def __init__(self, run: Run, suite: Suite | None = None) -> None:
        check_has("run", run, "log", "a Run, as sb.Run.open(FOLDER) gives it")
        self.run, self._given = run, suite
        self.lines = [Line.of(e) for e in sorted(run.log, key=lambda e: e.index)]
        self.question = w.Text(
            description="Question", placeholder="id, or a word of its text or SQL",
            continuous_update=False, layout={"width": "330px"},
            style={"description_width": "65px"},
        )  # fmt: skip
        self.task = _choice("Task", sorted({e.task_id for e in run.log}))
        self.difficulty = _choice("Difficulty", self._difficulties())
        self.database = _choice("Database", sorted({e.db_id for e in run.log}))
        self.reason = _choice("Reason", sorted({r for line in self.lines for r in line.reasons}))
        self.outcome = _choice("Outcome", OUTCOMES)
        seen = {error for line in self.lines for error in line.errors}
        self.error = _choice("Error", [str(c) for c in ErrorClass if str(c) in seen])
        used = {arm for line in self.lines for arm in line.arms}
        self.arm = _choice("Arm", [a for a in ARM_NAMES if a in used])
        self.sort = _choice("Sort by", SORTS, every=False)
        self.descending = w.ToggleButton(description="descending", icon="sort-amount-desc")
        self.earlier = w.Button(icon="chevron-left", tooltip="earlier", layout={"width": "40px"})
        self.later = w.Button(icon="chevron-right", tooltip="later", layout={"width": "40px"})
        self.count = w.Label()
        self.list = w.Select(rows=12, layout={"width": "auto"})
        self.list.add_class("sqlbench-list")
        # The way in by keyboard: JupyterLab takes the arrow keys away from a list.
        last = self.lines[-1].episode.index if self.lines else 0
        self.number = w.BoundedIntText(
            min=0, max=last, description="Episode", layout={"width": "160px"}
        )
        self.gold = w.Checkbox(description="gold beside a wrong answer", indent=False)
        self.sent = w.Checkbox(description="what was sent", indent=False)
        self.sent.layout.margin = "2px 2px 2px 24px"
        self.transcript = w.HTML()
        self._page, self.found = 0, list(self.lines)
        self._shown: int | None = None
        for control in (
            self.question, self.task, self.difficulty, self.database, self.outcome, self.error,
            self.reason, self.arm, self.sort, self.descending,
        ):  # fmt: skip
            control.observe(lambda _: self._filter(), "value")
        self.earlier.on_click(lambda _: self._turn(-1))
        self.later.on_click(lambda _: self._turn(1))
        self.list.observe(lambda _: self._choose(self.list.value), "value")
        self.number.observe(lambda _: self._choose(self.number.value), "value")
        self.sent.observe(lambda _: self._open(self._shown), "value")
        self.gold.observe(lambda _: self._open(self._shown), "value")
        title = w.HTML(_LOOK + html.frame(f"<b>{html.escape(run.label + run.mark)}</b>"))
        row = {"flex_flow": "row wrap"}
        filters = w.HBox(
            [
                self.question, self.task, self.difficulty, self.database, self.outcome, self.error,
                self.reason, self.arm, self.sort, self.descending,
            ],
            layout=row,
        )  # fmt: skip
        pages = w.HBox(
            [self.earlier, self.later, self.count, self.number, self.sent, self.gold], layout=row
        )
        super().__init__([title, filters, pages, self.list, self.transcript])
        self._filter()

    @cached_property
    def suite(self) -> Suite:
        """The run's suite."""
        return self._given or self.run.suite

    def show(self, index: int) -> None:
        """Show an episode, whether the filters let it through or not.

        Raises
        ------
        UnknownNameError
            If the run has no such episode.
        """
        from sqlbench.reports.transcript import find_episode

        self._show(find_episode(self.run, index))

    def _filter(self) -> None:
        chosen: dict[Any, Callable[[Line], Collection[str]]] = {
            self.task: lambda line: {line.episode.task_id},
            self.difficulty: lambda line: {self._difficulty_of(line.episode.task_id)},
            self.database: lambda line: {line.episode.db_id},
            self.outcome: lambda line: {line.outcome},
            self.error: lambda line: line.errors,
            self.reason: lambda line: line.reasons,
            self.arm: lambda line: line.arms,
        }
        wanted = [(c.value, of) for c, of in chosen.items() if c.value != ALL]
        word = self.question.value.strip().lower()
        self.found = [
            line
            for line in self.lines
            if all(value in of(line) for value, of in wanted)
            and (not word or word in self._words(line.episode))
        ]
        self.found.sort(key=SORTS[self.sort.value], reverse=self.descending.value)
        self._page = 0
        self._turn(0)

    def _difficulties(self) -> list[str]:
        found = {self._difficulty_of(e.task_id): None for e in self.run.log}
        return [d for d in found if d]

    def _difficulty_of(self, task_id: str) -> str:
        suite = self._known_suite
        return suite.task(task_id).difficulty if suite is not None else ""

    @cached_property
    def _known_suite(self) -> Suite | None:
        """The suite, or None where its files are gone: the log is still worth reading."""
        try:
            return self.suite
        except (SQLBenchError, OSError):
            return None

    def _words(self, episode: Episode) -> str:
        """Return what a word is looked for in: the question's id and text, and the SQL."""
        parts = [episode.question_id, *(s.sql for s in episode.steps)]
        if self._known_suite is not None:
            parts.append(self._known_suite.question(episode.question_id).text)
        return "\n".join(parts).lower()

    def _turn(self, by: int) -> None:
        last = max(0, (len(self.found) - 1) // PAGE)
        self._page = min(max(0, self._page + by), last)
        start = self._page * PAGE
        shown = self.found[start : start + PAGE]
        self.list.value = None  # first, or the new list's first line would be opened
        self.list.options = [(line.text, line.episode.index) for line in shown]
        self.earlier.disabled, self.later.disabled = self._page == 0, self._page == last
        span = f"{start + 1:,}–{start + len(shown):,} of " if shown else ""
        self.count.value = span + html.count(len(self.found), "episode")

    def _choose(self, index: int | None) -> None:
        if index != self._shown:
            self._open(index)

    def _open(self, index: int | None) -> None:
        if index is None:
            return
        try:
            self.show(index)
        except SQLBenchError as error:  # its model failed: the log has none of that number
            self._shown = self.list.value = None
            self.transcript.value = html.problem(error)

    def _show(self, episode: Episode) -> None:
        self._shown = episode.index
        parts = [
            f"<div><b>{html.escape(f'Episode {episode.index}')}</b>, "
            f"{html.escape(f'{episode.question_id} ({episode.task_id}, {episode.db_id})')}</div>"
        ]
        try:
            parts.append(html.note(self.suite.question(episode.question_id).text))
        except SQLBenchError as error:  # the suite's files are gone: the log is still worth reading
            parts.append(html.note(f"The question's text is missing: {error}"))
        before = None
        for step in episode.steps:
            parts += [attempt(step, before), self._messages(episode, step)]
            before = step
        parts.append(self._beside(episode))
        ended = "success" if episode.success else "failure"
        parts.append(html.note(f"{ended}, total reward {episode.total_reward:+.2f}"))
        self.transcript.value = html.frame("".join(parts))
        self.number.value = episode.index
        listed = any(index == episode.index for _, index in self.list.options)
        self.list.value = episode.index if listed else None

    def _beside(self, episode: Episode) -> str:
        """Return the gold query and both results beside a wrong answer, if that is asked for."""
        if not self.gold.value:
            return ""
        try:
            beside = beside_gold(self.run, episode, self.suite)
        except SQLBenchError as error:
            return html.note(f"The gold cannot be shown: {error}")
        return "" if beside is None else gold_beside(beside)

    def _messages(self, episode: Episode, step: Any) -> str:
        if not self.sent.value:
            return ""
        try:
            sent = sent_messages(self.run, self.suite, episode, step)
        except SQLBenchError as error:
            return html.note(f"What was sent cannot be shown: {error}")
        return "".join(html.fold(m["role"], html.code(m["content"])) for m in sent)


def explore(run: Run, suite: Suite | None = None) -> Explorer:
    """Explore a run: filter its episodes, sort them, open one with its gold beside a wrong answer.

    Parameters
    ----------
    run : Run
        The run.
    suite : Suite or None
        Its suite; None loads it by its spec when an episode is opened.

    Examples
    --------
    >>> sb.widgets.explore(sb.Run.open("results/first-run"))  # doctest: +SKIP
    """
    return Explorer(run, suite)


def _choice(name: str, values: Any, *, every: bool = True) -> Any:
    options = [*([ALL] if every else []), *values]
    return w.Dropdown(
        options=options,
        value=options[0],
        description=name,
        layout={"width": "230px"},
        style={"description_width": "65px"},
    )
