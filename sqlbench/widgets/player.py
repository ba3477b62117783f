"""The episode player: step through a question by repairs of one's own choice or the policy's."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import ipywidgets as w

from sqlbench import html
from sqlbench.checks import check_has
from sqlbench.environment.environment import Action, SQLAgentEnv
from sqlbench.episodes.repair import ARMS, AUTO, GENERATE, KEEP
from sqlbench.exceptions import SQLBenchError
from sqlbench.models import ModelError
from sqlbench.widgets.attempts import attempt, rows_beside, scores
from sqlbench.widgets.background import Background

OWN = "own SQL"
DOUBLE_CLICK = 0.5  # seconds within which a second click belongs to the first
REDRAW = 0.1  # seconds between two drawings of SQL that streams in


class Player(w.VBox):  # type: ignore[misc]
    """The episode player; made by `play`.

    Parameters
    ----------
    env : SQLAgentEnv
        The environment; an episode that is open is closed.
    """

    def __init__(self, env: SQLAgentEnv) -> None:
        check_has("env", env, "step_streaming", "an SQLAgentEnv")
        self.env, self._background = env, Background()
        self._busy = self._held = False
        # A select is as wide as its longest question, unless told that it need not be.
        wide = {"width": "auto", "flex": "1 1 320px", "min_width": "0", "max_width": "100%"}
        self.task = w.Dropdown(options=list(env.suite.tasks), description="Task")
        self.question = w.Dropdown(description="Question", layout=wide)
        self.restart = w.Button(description="Start again", icon="refresh")
        self.action = w.Dropdown(description="Action")
        self.sql = w.Textarea(placeholder="SELECT …", layout=wide)
        self.step_button = w.Button(description="Step", icon="step-forward", button_style="primary")
        self.gold = w.Checkbox(description="show gold before the end", indent=False)
        self.message = w.HTML()
        self.about, self.history, self.live, self.outlook = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self.task.observe(lambda _: self._choose_task(), "value")
        self.question.observe(lambda _: self.reset(), "value")
        self.action.observe(lambda _: self._show_sql(), "value")
        self.gold.observe(lambda _: self._draw(), "value")
        self.restart.on_click(lambda _: self.reset())
        self.step_button.on_click(lambda _: self._click())
        row = {"flex_flow": "row wrap"}
        super().__init__(
            [
                w.HBox([self.task, self.question, self.restart], layout=row),
                self.about,
                self.history,
                self.live,
                self.outlook,
                w.HBox([self.action, self.sql, self.step_button, self.gold], layout=row),
                self.message,
            ]
        )
        self._choose_task()

    def reset(self) -> None:
        """Begin the chosen question from the start."""
        if self._busy or self.question.value is None:
            return
        self._say("")
        try:
            self.env.reset_with_question(self.task.value, self.question.value)
        except SQLBenchError as error:
            self._say(error)
            self.about.value = self.history.value = self.outlook.value = ""
            self.step_button.disabled = True
            return
        self._draw()

    def _click(self) -> None:
        """Make an attempt; the second click of a double one is none."""
        if self._busy or self._held:
            return
        self._held = True
        self.step_button.disabled = True  # at once: the work begins when the loop comes to it
        self._background.spawn(self._step_of_click)

    async def _step_of_click(self) -> None:
        """Make an attempt; the button comes back when a double click is over, too."""
        began = time.monotonic()
        try:
            await self.step()
            await asyncio.sleep(began + DOUBLE_CLICK - time.monotonic())
        finally:
            self._held = False
            self._offer_step()

    async def step(self) -> None:
        """Make the chosen attempt, showing the SQL as it is written; an error is shown."""
        if self._busy:
            return
        self._set_busy(True)
        self._say("")
        custom = self.sql.value if self.action.value == OWN else None
        if custom is not None and not custom.strip():
            self._set_busy(False)
            self._say("Write a query first: nothing was run, and no attempt was counted.")
            self._offer_actions()
            return
        name = AUTO if custom is not None else self.action.value
        try:
            await self._stream(Action(repair_action=name, custom_sql=custom))
        except (ModelError, SQLBenchError, ValueError, RuntimeError) as error:
            self._say(f"{error} The attempt was not counted; try again.")
        finally:
            self.live.value = ""
            self._set_busy(False)
            self._draw()

    async def settled(self) -> None:
        """Wait until a step that a click started is over."""
        await self._background.settled()

    async def _stream(self, action: Action) -> None:
        text, drawn, title = "", 0.0, ""
        async for event in self.env.step_streaming(action):
            if event["type"] == "attempt_start":
                title = f"Attempt {event['attempt']}: {event['action']} is being written …"
            elif event["type"] == "sql_chunk":
                if event.get("restart"):
                    text, drawn = "", 0.0
                text += event["chunk"]
            elif event["type"] == "sql_complete":
                text, title, drawn = event["sql"], title.replace("being written", "running"), 0.0
            now = time.monotonic()
            if now - drawn >= REDRAW:
                self.live.value = html.frame(html.note(title) + html.code(text))
                drawn = now if text else 0.0  # the first piece is shown at once

    def _choose_task(self) -> None:
        questions = self.env.suite.task(self.task.value).questions
        self.question.options = [(f"{q.id}: {q.text}"[:160], q.id) for q in questions]
        if self.question.value is None:  # later the first is chosen by itself; either way it resets
            self.question.value = questions[0].id

    def _draw(self) -> None:
        env, episode = self.env, self.env.episode
        if episode is None or self._busy:
            return
        schema = env.suite.database(env.question).schema()
        self.about.value = html.frame(
            f"<b>{html.escape(env.question.text)}</b>"
            + (html.note(f"Evidence: {env.question.evidence}") if env.question.evidence else "")
            + (
                html.note("simulated model")
                if env.model is not None and env.model.simulated
                else ""
            )
            + html.fold(f"Schema of {env.question.db_id}", schema.card().html())
        )
        before, parts = None, []
        for step in episode.steps:
            parts.append(attempt(step, before))
            before = step
        if episode.done:
            ended = "Success" if episode.success else "Failure"
            total = f"{ended} after {html.count(len(episode.steps), 'attempt')}"
            total += f", total reward {episode.total_reward:+.2f}"
            parts.append(f"<b>{html.escape(total)}</b>")
        self.history.value = html.frame("".join(parts)) if parts else ""
        outlook = self._scores() + self._rows()
        self.outlook.value = html.frame(outlook) if outlook else ""
        self._offer_actions()

    def _scores(self) -> str:
        decision, context = self.env.suggestion, self.env.context
        if decision is None or context is None:
            return ""
        says = f"{self.env.policy.spec} would take {decision.action} (context: "
        says += f"{context.error_class or 'no error seen'}, attempt {context.attempt_number})"
        table = scores(decision.scores, self.env.policy, context)
        return html.note(says) + (table if decision.scores else "")

    def _rows(self) -> str:
        episode = self.env.episode
        if episode is None or not (episode.done or self.gold.value):
            return ""
        gold = self.env.golds.get(self.env.question)
        if gold is None:
            return html.note("Nobody wrote a gold query for this question.")
        return rows_beside(self.env.result, gold.result) + html.fold("Gold query", self._gold_sql())

    def _gold_sql(self) -> str:
        return html.code(self.env.question.gold or "")

    def _offer_actions(self) -> None:
        episode, suggested = self.env.episode, self.env.next_action
        assert episode is not None
        chosen = "the episode is over" if episode.done else f"policy's choice: {suggested}"
        if not episode.steps:
            options = [("generate (attempt 1)", GENERATE), (OWN, OWN)]
        else:
            options = [
                (chosen, AUTO),
                *((str(a), str(a)) for a in ARMS),
                ("keep (stop here)", KEEP),
                ("generate (a new answer)", GENERATE),
                (OWN, OWN),
            ]
        kept = self.action.value
        if self.action.options != tuple(options):
            self.action.options = options
            values = [value for _, value in options]
            self.action.value = OWN if kept == OWN and OWN in values else values[0]
        self._offer_step()
        self._show_sql()

    def _offer_step(self) -> None:
        episode = self.env.episode
        over = episode is None or episode.done
        self.step_button.disabled = self._busy or self._held or over

    def _show_sql(self) -> None:
        own = self.action.value == OWN
        self.sql.layout.display = "" if own else "none"

    def _set_busy(self, busy: bool) -> None:
        self._busy = busy
        for control in (self.task, self.question, self.restart, self.action):
            control.disabled = busy
        self._offer_step()

    def _say(self, problem: Any) -> None:
        self.message.value = html.problem(problem) if problem else ""


def play(env: SQLAgentEnv) -> Player:
    """Play episodes: choose a question, step by your own repairs or the policy's.

    The SQL streams in as it is written. Each attempt shows its error with the offending token
    marked, what changed, and where the reward came from; below are the policy's scores of all arms
    for what it sees now, and, once the episode is over, the rows beside the gold's.

    Parameters
    ----------
    env : SQLAgentEnv
        With ``learn=True`` its policy learns from the episodes that are played.

    Examples
    --------
    >>> sb.widgets.play(sb.SQLAgentEnv("marketplace", "simulated", "linucb"))  # doctest: +SKIP
    """
    return Player(env)
