"""The environment, in OpenEnv's shape: reset, step, streamed step, state."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

from sqlbench.context import MAX_ATTEMPTS, Context
from sqlbench.databases.base import QueryError, QueryResult
from sqlbench.episode import Episode, Step, learn
from sqlbench.errors import ErrorClass, classify_error, extract_offending_token
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grading import Golds, Verdict, compare, failed, find_metric, task_score
from sqlbench.html import Card, Shown, Sql, Text
from sqlbench.models import Completion, ModelRequest, Usage, extract_sql, load_model
from sqlbench.models.base import ChatModel, Message, Restart
from sqlbench.policies import Decision, Policy, make_policy
from sqlbench.repair import ARMS, AUTO, GENERATE, FailedAttempt, Prompts, RepairAction
from sqlbench.reward import clamp_score, compute_reward
from sqlbench.seeds import Role, call_seed, generator
from sqlbench.suites import Suite, load_suite

Event = dict[str, Any]
Feedback = Literal["oracle", "execution", "always"]
FEEDBACKS: tuple[str, ...] = get_args(Feedback)
CUSTOM = "custom"
ACTIONS = (GENERATE, AUTO, *RepairAction)
SHOWN_ROWS = 5


class Action(BaseModel):
    """What to do next: `generate`, a repair action, or `auto`; custom SQL skips the model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    repair_action: str = AUTO
    custom_sql: str | None = None


class Observation(Shown, BaseModel):
    """What the agent sees. Nothing of the gold query or its rows is ever in it."""

    model_config = ConfigDict(frozen=True)

    question: str
    schema_info: str
    current_sql: str | None
    error_message: str | None
    error_class: str | None
    attempt_number: int
    max_attempts: int
    task_id: str
    task_difficulty: str

    def card(self) -> Card:
        """Return what a notebook shows of it."""
        token = extract_offending_token(self.error_message) if self.error_message else None
        tried = [Sql(self.current_sql, token)] if self.current_sql is not None else []
        told = [Text(f"{self.error_class or 'told'}: {self.error_message}")]
        return Card(
            f"Attempt {self.attempt_number} of {self.max_attempts} "
            f"({self.task_id}, {self.task_difficulty})",
            [Text(self.question), *tried, *(told if self.error_message else [])],
        )


class RewardInfo(BaseModel):
    """The clamped task score, whether the episode is over and right, and the details."""

    model_config = ConfigDict(frozen=True)

    value: float
    success: bool
    done: bool
    info: dict[str, Any]


class SQLAgentEnv:
    """Episodes of up to five attempts at a question, on a real database.

    Parameters
    ----------
    suite, model, policy : Suite, ChatModel, Policy, or the spec of one
        What is asked, who answers, and who chooses repairs for the action ``auto``.
    seed : int
        The experiment's seed; every decision derives its own from it.
    feedback : {"oracle", "execution", "always"}
        What ends an episode. ``oracle``: the right result. ``execution``: any result with rows,
        where an agent without an oracle stops. ``always``: exactly one repair, whatever happened.
    max_attempts : int
        1 to 5.
    metric : str
        How results are compared, see `sqlbench.grading.METRICS`.
    temperature : float
        For the model.
    prompts : Prompts or None
        None takes the package's.
    learn : bool
        Whether the policy learns when an episode ends. `run_experiment` learns itself.
    golds : Golds or None
        Gold results to share between environments of one metric.

    Raises
    ------
    UnknownNameError, ConfigError
        If a value does not exist or has the wrong form.
    """

    def __init__(
        self,
        suite: Suite | str = "marketplace",
        model: ChatModel | str = "simulated",
        policy: Policy | str = "linucb",
        *,
        seed: int = 0,
        feedback: Feedback = "oracle",
        max_attempts: int = MAX_ATTEMPTS,
        metric: str = "exact",
        temperature: float = 0.1,
        prompts: Prompts | None = None,
        learn: bool = False,
        golds: Golds | None = None,
    ) -> None:
        if feedback not in FEEDBACKS:
            raise UnknownNameError("feedback", feedback, FEEDBACKS)
        self._prepare = find_metric(metric).prepare
        if not 1 <= max_attempts <= MAX_ATTEMPTS:
            raise ConfigError(f"max_attempts is 1 to {MAX_ATTEMPTS}, not {max_attempts!r}.")
        self.suite = load_suite(suite) if isinstance(suite, str) else suite
        self.model = load_model(model, self.suite) if isinstance(model, str) else model
        self.policy = make_policy(policy, self.model) if isinstance(policy, str) else policy
        self.seed, self.feedback, self.max_attempts = seed, feedback, max_attempts
        self.metric, self.temperature, self.learn = metric, temperature, learn
        self.prompts = prompts or Prompts.load()
        self.golds = golds or Golds(self.suite, metric)
        self.episode: Episode | None = None
        self._repeats: dict[str, int] = {}

    def reset(self, task_id: str = "simple_queries", seed: int | None = None) -> Observation:
        """Start an episode: the task's first question, or one drawn by a seed.

        Raises
        ------
        UnknownNameError
            If there is no such task.
        """
        questions = self.suite.task(task_id).questions
        drawn = 0 if seed is None else generator(seed, Role.ORDER, task_id).integers(len(questions))
        return self.reset_with_question(task_id, questions[int(drawn)].id)

    def reset_with_question(
        self,
        task_id: str,
        question_id: str,
        *,
        index: int = 0,
        repeat: int | None = None,
        progress: float = 0.0,
    ) -> Observation:
        """Start an episode on a question. An open episode is closed as a failure.

        Parameters
        ----------
        task_id, question_id : str
            The question.
        index : int
            The episode's number in its experiment.
        repeat : int or None
            How often it was asked before; None counts in this environment.
        progress : float
            The share of the experiment that lies before this episode.

        Raises
        ------
        UnknownNameError
            If there is no such task or question.
        InvalidGoldError
            If the question's gold query fails.
        """
        question = self.suite.question(question_id, task_id)
        gold = self.golds.get(question)
        if self.episode is not None and not self.episode.done:
            self._close()
        if repeat is None:
            repeat = self._repeats.get(question.id, -1) + 1
            self._repeats[question.id] = repeat
        self.question, self._gold, self._progress = question, gold, progress
        self.episode = Episode(index, question.id, task_id, question.db_id, repeat)
        self._database = self.suite.database(question)
        self._schema = self.suite.schema_text(question)
        self._history: list[tuple[str, ErrorClass | None]] = []
        self._told: list[FailedAttempt] = []
        self._token: str | None = None
        self._next: Decision | None = None
        return self._observation()

    async def step(self, action: Action | str = AUTO) -> tuple[Observation, RewardInfo]:
        """Make one attempt.

        Raises
        ------
        RuntimeError
            Before a reset, or after the episode is over.
        ValueError
            If the action does not exist, or is a repair at attempt 1.
        ModelError
            If the model gives no usable answer: the attempt is not counted.
        """
        async for _ in self._attempt(action, streamed=False):
            pass
        return self.last_result()

    async def step_streaming(self, action: Action | str = AUTO) -> AsyncGenerator[Event, None]:
        """Make one attempt, and yield its events as they happen.

        The events are dicts with a ``type``: ``attempt_start``, ``sql_chunk``*, ``sql_complete``,
        ``executing``, on failure ``rl_action`` and ``error``, then ``rl_reward``, ``success`` if
        so, and ``rl_episode_end`` if the episode is over. A stream that is closed before
        ``executing`` leaves the attempt uncounted; raises what `step` raises.
        """
        events = self._attempt(action, streamed=True)
        try:
            async for event in events:
                yield event
        finally:
            await events.aclose()

    def last_result(self) -> tuple[Observation, RewardInfo]:
        """Return what the last attempt brought, as `step` did: for those who streamed it.

        Raises
        ------
        RuntimeError
            Before the episode's first attempt.
        """
        if self.episode is None or not self.episode.steps:
            raise RuntimeError("last_result() before an attempt: call step() first.")
        return self._observation(), self._reward_info()

    def state(self) -> dict[str, Any]:
        """Return where the episode stands, as a dict of JSON values."""
        if self.episode is None:
            return {"active": False}
        episode, last = self.episode, self.episode.steps[-1] if self.episode.steps else None
        scores = [clamp_score(s.score) for s in episode.steps]
        return {
            "active": not episode.done,
            "task_id": episode.task_id,
            "question_id": episode.question_id,
            "question": self.question.text,
            "attempt_number": len(episode.steps),
            "max_attempts": self.max_attempts,
            "current_sql": last.sql if last else None,
            "error_message": self._told[-1].message if self._failing() else None,
            "error_class": self._history[-1][1] if self._failing() else None,
            "done": episode.done,
            "success": episode.success,
            "step_rewards": scores,
            "total_reward": clamp_score(sum(scores) / len(scores) if scores else None),
        }

    @property
    def result(self) -> QueryResult | None:
        """All rows of the last attempt; None if it did not run, or there was none."""
        return self._result if self.episode is not None and self.episode.steps else None

    @property
    def next_action(self) -> str | None:
        """What ``auto`` would do next; None before attempt 1 and when the episode is over."""
        return str(self._next.action) if self.episode is not None and self._next else None

    @property
    def context(self) -> Context | None:
        """What the policy sees now; None before attempt 1 and when the episode is over."""
        if self.episode is None or self.episode.done or not self._history:
            return None
        return Context.from_history(self._history)

    @property
    def suggestion(self) -> Decision | None:
        """What `auto` would do next; None before attempt 1 and when the episode is over."""
        return self._next if self.episode is not None else None

    def messages(self, action: str) -> tuple[Message, ...]:
        """Return the messages that an action would send now."""
        facts = {
            "schema": self._schema,
            "dialect": self._database.dialect,
            "question": self.question.text,
            "evidence": self.question.evidence,
        }
        if action == GENERATE:
            return self.prompts.generate(**facts)
        return self.prompts.repair(
            RepairAction(action), attempts=self._told, token=self._token, **facts
        )

    async def _attempt(
        self, action: Action | str, *, streamed: bool
    ) -> AsyncGenerator[Event, None]:
        episode = self._open_episode()
        name, decision, custom = self._resolve(action)
        attempt = len(episode.steps) + 1
        yield {"type": "attempt_start", "attempt": attempt, "action": name}
        if custom is None:
            request = self.request(name, attempt)
            completion: Completion | None = None
            if streamed:
                async for piece in self.model.stream(request):
                    if isinstance(piece, Completion):
                        completion = piece
                    elif isinstance(piece, Restart):  # what was shown so far does not count
                        yield {"type": "sql_chunk", "chunk": "", "restart": True}
                    else:
                        yield {"type": "sql_chunk", "chunk": piece}
            else:
                completion = await self.model.complete(request)
            assert completion is not None, "a model's stream ends with its Completion"
            sql = extract_sql(completion.text) if completion.sql is None else completion.sql
        else:
            completion, sql = None, custom
        yield {"type": "sql_complete", "sql": sql}
        try:
            yield {"type": "executing", "sql": sql}
        finally:
            # Also where the caller closes the stream here: what is executing counts.
            step = await self._execute(attempt, name, decision, sql, completion)
        if not step.success:
            suggested = self._next
            yield {
                "type": "rl_action",
                "action": name,
                "suggested": suggested.action if suggested else None,
                "ucb_scores": suggested.scores if suggested else {},
            }
            yield {
                "type": "error",
                "error_class": self._history[-1][1],
                "error_message": self._told[-1].message,
                "offending_token": self._token,
            }
        yield {
            "type": "rl_reward",
            "value": clamp_score(step.score),
            "reward": step.reward,
            "breakdown": _breakdown(step),
        }
        if step.success:
            yield {"type": "success", "attempt": attempt, "row_count": step.row_count, "sql": sql}
        if episode.done:
            yield {
                "type": "rl_episode_end",
                "total_reward": episode.total_reward,
                "success": episode.success,
            }

    def _open_episode(self) -> Episode:
        if self.episode is None:
            raise RuntimeError("step() before reset(): call reset() first.")
        if self.episode.done:
            raise RuntimeError("step() after the episode is over: call reset() to start another.")
        return self.episode

    def _resolve(self, action: Action | str) -> tuple[str, Decision | None, str | None]:
        """Return the action's name, the policy's decision if it took one, and custom SQL."""
        wanted = action if isinstance(action, Action) else Action(repair_action=action)
        name = wanted.repair_action
        if name not in ACTIONS:
            raise UnknownNameError("action", name, ACTIONS)
        if wanted.custom_sql is not None:
            return CUSTOM, None, wanted.custom_sql
        if not self._history:
            if name not in (GENERATE, AUTO):
                raise ConfigError(
                    f"Attempt 1 is always 'generate' (or 'auto'): there is nothing yet for "
                    f"{name!r} to repair."
                )
            return GENERATE, None, None
        if name == AUTO:
            assert self._next is not None
            return str(self._next.action), self._next, None
        return name, None, None

    def request(self, name: str = GENERATE, attempt: int = 1) -> ModelRequest:
        """Return what an action would ask the model now."""
        assert self.episode is not None
        repair = name != GENERATE
        return ModelRequest(
            messages=self.messages(name),
            question_id=self.question.id,
            repeat=self.episode.repeat,
            attempt=attempt,
            action=name,
            seed=call_seed(self.seed, self.question.id, self.episode.repeat, attempt),
            temperature=self.temperature,
            context=self.context if repair else None,
            failing_sql=self._told[-1].sql if repair else None,
            progress=self._progress,
        )

    async def _execute(
        self,
        attempt: int,
        name: str,
        decision: Decision | None,
        sql: str,
        completion: Completion | None,
    ) -> Step:
        assert self.episode is not None
        result: QueryResult | None = None
        error: QueryError | None = None
        try:
            result = await self._database.run(self._prepare(sql))
        except QueryError as raised:
            error = raised
        verdict = self._judge(result, error)
        over = self._is_over(attempt, result, verdict)
        seen, message, error_class = self._outcome(result, error, verdict)
        before = self.episode.steps[-1].error_class if self.episode.steps else None
        usage = completion.usage if completion else Usage()
        step = Step(
            attempt=attempt,
            action=name,
            context=self.context if name in ARMS else None,
            propensity=decision.propensity if decision else None,
            scores=self._next.scores if self._next and name in ARMS else None,
            sql=sql,
            success=verdict.match,
            error_class=error_class,
            error_message=None if verdict.match and over else message,
            reason=verdict.reason,
            row_count=len(result.rows) if result else None,
            score=self._score(result, verdict),
            breakdown=compute_reward(verdict.match, attempt, error_class, before),
            reproducible=error is None or error.reproducible,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            latency=completion.latency if completion else 0.0,
            elapsed=result.elapsed if result else error.elapsed if error else 0.0,
        )
        self._result = result
        self.episode.steps.append(step)
        self._history.append((name, seen))
        self._told.append(FailedAttempt(name, sql, message))
        self._token = extract_offending_token(error) if error else None
        if over:
            self._close()
        else:
            context = Context.from_history(self._history)
            rng = generator(
                self.seed, Role.POLICY, self.question.id, self.episode.repeat, attempt + 1
            )
            self._next = self.policy.select(context, rng)
        return step

    def _judge(self, result: QueryResult | None, error: QueryError | None) -> Verdict:
        gold = self._gold
        if gold is None:  # nobody wrote a gold query: what runs and returns rows will do
            if result is None:
                return Verdict(False, "timeout" if error and error.timeout else "pred_error")
            return Verdict(bool(result.rows), "no_gold", pred_rows=len(result.rows))
        if result is None:
            assert error is not None
            return failed(gold, error)
        return compare(gold, result, self.metric)

    def _outcome(
        self, result: QueryResult | None, error: QueryError | None, verdict: Verdict
    ) -> tuple[ErrorClass | None, str, ErrorClass | None]:
        """Return the class that the agent sees, what it is told, and the class that is logged."""
        if error is not None:
            error_class = classify_error(error)
            return error_class, error.message, error_class
        assert result is not None
        if not result.rows:
            logged = None if verdict.match else ErrorClass.EMPTY_RESULT
            return ErrorClass.EMPTY_RESULT, "The query ran and returned no rows.", logged
        logged = None if verdict.match else ErrorClass.WRONG_RESULT
        if self.feedback == "oracle":
            return logged, "The query ran, but its rows do not answer the question.", logged
        return (
            None,
            f"The query ran and returned {len(result.rows)} rows. Nobody has said whether they "
            "answer the question: check, and give the same query again if it is right.",
            logged,
        )

    def _score(self, result: QueryResult | None, verdict: Verdict) -> float:
        if self._gold is None:
            return float(verdict.match)
        return task_score(self._gold.result, result, verdict.match)

    def _is_over(self, attempt: int, result: QueryResult | None, verdict: Verdict) -> bool:
        if attempt >= self.max_attempts:
            return True
        if self.feedback == "always":
            return attempt >= 2
        return verdict.match if self.feedback == "oracle" else bool(result and result.rows)

    def _close(self) -> None:
        assert self.episode is not None
        self.episode.done = True
        self._next = None
        if self.learn:
            learn(self.policy, self.episode)

    def _failing(self) -> bool:
        """Whether there is anything to tell the agent: only an oracle tells it that it is right."""
        assert self.episode is not None
        steps = self.episode.steps
        return bool(steps) and not (steps[-1].success and self.feedback == "oracle")

    def _observation(self) -> Observation:
        assert self.episode is not None
        last = self.episode.steps[-1] if self.episode.steps else None
        failing = self._failing()
        return Observation(
            question=self.question.text,
            schema_info=self._schema,
            current_sql=last.sql if last else None,
            error_message=self._told[-1].message if failing else None,
            error_class=self._history[-1][1] if failing else None,
            attempt_number=len(self.episode.steps),
            max_attempts=self.max_attempts,
            task_id=self.episode.task_id,
            task_difficulty=self.suite.task(self.episode.task_id).difficulty,
        )

    def _reward_info(self) -> RewardInfo:
        assert self.episode is not None
        step, result = self.episode.steps[-1], self._result
        return RewardInfo(
            value=clamp_score(step.score),
            success=step.success,
            done=self.episode.done,
            info={
                "task_score": step.score,
                "reward": step.reward,
                "breakdown": _breakdown(step),
                "attempt": step.attempt,
                "rows": result.rows[:SHOWN_ROWS] if result else [],
                "row_count": step.row_count,
                "sql": step.sql,
                "columns": list(result.columns) if result else [],
                "elapsed": step.elapsed,
            },
        )


def _breakdown(step: Step) -> dict[str, float]:
    b = step.breakdown
    return {
        "base": b.base,
        "attempt_penalty": b.attempt_penalty,
        "severity_bonus": b.severity_bonus,
        "change_bonus": b.change_bonus,
    }
