"""What is kept of an episode."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass, extract_offending_token
from sqlbench.episodes.known import Known
from sqlbench.episodes.repair import KEEP, RepairAction
from sqlbench.episodes.reward import RewardBreakdown, compute_episode_reward
from sqlbench.episodes.sample import Sample
from sqlbench.html import Card, Shown, Sql, Text
from sqlbench.words import counted


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt.

    Attributes
    ----------
    attempt : int
        From 1.
    action : str
        ``generate``, a repair action, ``keep``, or ``custom``.
    context : Context or None
        What the policy saw before it chose; None where no arm was chosen (`generate`, custom SQL).
    propensity : float or None
        The probability with which the policy chose the action; None if the caller chose it.
    scores : dict or None
        The policy's scores of all arms when the action was chosen.
    sql : str
        What ran.
    success : bool
        Whether its result is right.
    error_class, error_message : ErrorClass or None, str or None
        How it failed (None on success), and what the agent was told (None if it was right and
        the episode over).
    reason : str
        The verdict's reason.
    row_count : int or None
        Rows returned; None if it did not run.
    score : float
        The task score in [0, 1], before clamping.
    breakdown : RewardBreakdown
        The four components of the reward.
    reproducible : bool
        False if the wall-clock backstop or the memory limit stopped the query: on another machine
        the same query may end otherwise.
    prompt_tokens, completion_tokens, cached_tokens, reasoning_tokens : int
        Of the model call; 0 for `keep` and custom SQL. See `sqlbench.models.Usage`.
    answer : str or None
        The model's answer where no SQL was found in it; None wherever there was some.
    cut : bool
        Whether the limit on its length cut the model's answer off.
    known : Known or None
        What the signals said of it, where they were measured.
    latency, elapsed : float
        Wall-clock seconds of the model call and of the query. They are in no record: see
        `timings`.
    """

    attempt: int
    action: str
    context: Context | None
    propensity: float | None
    scores: dict[str, float] | None
    sql: str
    success: bool
    error_class: ErrorClass | None
    error_message: str | None
    reason: str
    row_count: int | None
    score: float
    breakdown: RewardBreakdown
    reproducible: bool = True
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    answer: str | None = None
    cut: bool = False
    known: Known | None = None
    latency: float = field(default=0.0, compare=False)
    elapsed: float = field(default=0.0, compare=False)

    @property
    def reward(self) -> float:
        """The sum of the breakdown."""
        return self.breakdown.reward

    @property
    def offending_token(self) -> str | None:
        """What the error's message names in the SQL; None if it ran, or names nothing."""
        if self.row_count is not None or self.error_message is None:
            return None
        return extract_offending_token(self.error_message, self.sql)

    @property
    def outcome(self) -> str:
        """One line on what came of it."""
        if not self.success:
            return f"{self.error_class}: {self.error_message}"
        # Without a gold query nobody knows that it is right.
        verdict = "ran" if self.reason == "no_gold" else "right"
        return f"{verdict}, {counted(self.row_count, 'row')}"

    def record(self) -> dict[str, Any]:
        """Return the step as JSON values, without wall-clock facts."""
        c, b = self.context, self.breakdown
        # Only where there is one: a log in which all answers held SQL knows no such field.
        answer: dict[str, Any] = {} if self.answer is None else {"answer": self.answer}
        if self.cut:
            answer["cut"] = True
        known = {} if self.known is None else {"known": self.known.record()}
        return {
            "attempt": self.attempt,
            "action": self.action,
            "context": None
            if c is None
            else [
                c.error_class,
                c.attempt_number,
                c.previous_action,
                c.error_changed,
                c.consecutive_same_error,
                *([] if c.signals is None else [list(c.signals)]),
            ],
            "propensity": self.propensity,
            "scores": self.scores,
            "sql": self.sql,
            "success": self.success,
            "error_class": self.error_class,
            "error_message": self.error_message,
            "reason": self.reason,
            "row_count": self.row_count,
            "score": self.score,
            "breakdown": [b.base, b.attempt_penalty, b.severity_bonus, b.change_bonus],
            "reproducible": self.reproducible,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "cached_tokens": self.cached_tokens,
            "reasoning_tokens": self.reasoning_tokens,
            **answer,
            **known,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Step:
        """Read what `record` wrote."""
        values = dict(record)
        context = values["context"]
        if context is not None:
            error, attempt, previous, changed, same, *signals = context
            values["context"] = Context(
                ErrorClass(error) if error else None,
                attempt,
                RepairAction(previous) if previous else None,
                changed,
                same,
                tuple(signals[0]) if signals else None,
            )
        if values["error_class"] is not None:
            values["error_class"] = ErrorClass(values["error_class"])
        if "known" in values:
            values["known"] = Known.from_record(values["known"])
        values["breakdown"] = RewardBreakdown(*values["breakdown"])
        return cls(**values)


@dataclass(slots=True)
class Episode(Shown):
    """Up to five attempts at one question.

    Attributes
    ----------
    index : int
        Its number in the experiment.
    question_id, task_id, db_id : str
        What was asked.
    repeat : int
        How often the experiment had asked it before.
    steps : list of Step
        The attempts so far.
    done : bool
        Whether it is over.
    samples : list of Sample
        Where several first answers were drawn: all of them, attempt 1 included. Else empty.
    chosen : int
        Which of the samples is attempt 1, from 0.
    """

    index: int
    question_id: str
    task_id: str
    db_id: str
    repeat: int = 0
    steps: list[Step] = field(default_factory=list)
    done: bool = False
    samples: list[Sample] = field(default_factory=list)
    chosen: int = 0

    @property
    def success(self) -> bool:
        """Whether its last attempt is right."""
        return bool(self.steps) and self.steps[-1].success

    @property
    def first(self) -> bool:
        """Whether attempt 1 is right."""
        return bool(self.steps) and self.steps[0].success

    @property
    def field(self) -> bool:
        """Whether an agent without an oracle ends right.

        It stops at the first attempt that ran and returned rows, or, if none did, stays with the
        first that ran.
        """
        ran = [s for s in self.steps if s.row_count is not None]
        return next((s.success for s in ran if s.row_count), bool(ran) and ran[0].success)

    def gated(self, max_doubt: float) -> bool | None:
        """Whether an agent that goes by doubt ends right; None where no doubt was measured.

        It stops at the first attempt that ran and is doubted less than ``max_doubt``, or else with
        the last one.
        """
        if not self.steps or None in [s.known for s in self.steps]:
            return None
        trusted = (
            s.success
            for s in self.steps
            if s.row_count is not None and s.known is not None and s.known.doubt < max_doubt
        )
        return next(trusted, self.steps[-1].success)

    @property
    def any(self) -> bool:
        """Whether any attempt, or any other sample of the first answer, is right."""
        return any(s.success for s in self.steps) or any(s.success for s in self.samples)

    @property
    def mended(self) -> tuple[Step, Step] | None:
        """Its last wrong attempt and the one that mended it; None unless a wrong start ends right.

        Where attempts go on after a right one, these two are not the last two.
        """
        if self.first or not self.success:
            return None
        last_wrong = max(i for i, s in enumerate(self.steps) if not s.success)
        return self.steps[last_wrong], self.steps[last_wrong + 1]

    @property
    def others(self) -> list[Sample]:
        """The samples that are not attempt 1."""
        return [s for i, s in enumerate(self.samples) if i != self.chosen]

    @property
    def total_reward(self) -> float:
        """The attempts' rewards, and ±0.5 for the outcome."""
        return compute_episode_reward((s.reward for s in self.steps), self.success)

    @property
    def model_calls(self) -> int:
        """How many answers a model wrote: attempts, and samples that are none."""
        return sum(s.action not in ("custom", KEEP) for s in self.steps) + len(self.others)

    def tokens(self, kind: str) -> int:
        """Return the tokens of all its calls.

        Parameters
        ----------
        kind : {"prompt", "completion", "cached", "reasoning"}
            Which ones.
        """
        calls = (*self.steps, *self.others)
        return sum(getattr(call, f"{kind}_tokens") for call in calls)

    def card(self) -> Card:
        """Return what a notebook shows of it: each attempt, and what came of it."""
        parts: list[Text | Sql] = []
        for step in self.steps:
            parts += [
                Text(f"Attempt {step.attempt}: {step.action}"),
                Sql(step.sql, step.offending_token),
                *([Text(f"No SQL in the answer: {step.answer}")] if step.answer else []),
                *([Text("The answer was cut off at its limit of tokens.")] if step.cut else []),
                Text(f"→ {step.outcome.removesuffix('.')}; reward {step.reward:+.2f}"),
                *([Text(f"Doubt {step.known.doubt:.0%}")] if step.known else []),
                *([Text(f"· {line}") for line in step.known.evidence] if step.known else []),
            ]
        ended = ("success" if self.success else "failure") if self.done else "not over"
        return Card(
            f"Episode {self.index}, question {self.question_id} ({self.task_id}, {self.db_id}): "
            f"{ended}, total reward {self.total_reward:+.2f}",
            parts,
        )

    def record(self) -> dict[str, Any]:
        """Return the episode as JSON values, without wall-clock facts."""
        return {
            "episode": self.index,
            "question_id": self.question_id,
            "task_id": self.task_id,
            "db_id": self.db_id,
            "repeat": self.repeat,
            "success": self.success,
            "total_reward": self.total_reward,
            "steps": [s.record() for s in self.steps],
            **self._sampled(),
        }

    def _sampled(self) -> dict[str, Any]:
        """Return the samples as JSON values; a log without samples knows no such field."""
        if not self.samples:
            return {}
        return {"samples": [s.record() for s in self.samples], "chosen": self.chosen}

    def timings(self) -> dict[str, Any]:
        """Return the wall-clock facts that `record` leaves out."""
        drawn = {
            f"sample_{name}": [round(getattr(s, name), 6) for s in self.samples]
            for name in ("latency", "elapsed")
            if self.samples
        }
        return {
            "episode": self.index,
            "latency": [round(s.latency, 6) for s in self.steps],
            "elapsed": [round(s.elapsed, 6) for s in self.steps],
            **drawn,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Episode:
        """Read what `record` wrote."""
        return cls(
            index=record["episode"],
            question_id=record["question_id"],
            task_id=record["task_id"],
            db_id=record["db_id"],
            repeat=record["repeat"],
            steps=[Step.from_record(s) for s in record["steps"]],
            done=True,
            samples=[Sample.from_record(s) for s in record.get("samples", ())],
            chosen=record.get("chosen", 0),
        )
