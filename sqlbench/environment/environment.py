"""The environment, in OpenEnv's shape: reset, step, streamed step, state."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from sqlbench.checks import check_has, check_whole
from sqlbench.databases.base import QueryError, QueryResult
from sqlbench.environment.agent import AgentSQL, agent_sql
from sqlbench.environment.attempt import make_step
from sqlbench.environment.exchange import (
    ACTIONS,
    CUSTOM,
    Action,
    Event,
    Observation,
    RewardInfo,
    episode_state,
    outcome_events,
    resolve_action,
    reward_info,
)
from sqlbench.environment.judging import Feedback, check_options, is_over, judge_aside
from sqlbench.environment.sampling import draw, judge_drawn, run_aside
from sqlbench.episodes.context import MAX_ATTEMPTS, Context
from sqlbench.episodes.episode import Episode
from sqlbench.episodes.errors import ErrorClass, extract_offending_token
from sqlbench.episodes.repair import (
    ARMS,
    AUTO,
    GENERATE,
    FailedAttempt,
    Message,
    Prompts,
    RepairAction,
)
from sqlbench.grading import Golds
from sqlbench.models import Completion, ModelRequest, load_model
from sqlbench.models.base import ChatModel, Restart
from sqlbench.models.extract import statement_of
from sqlbench.policies import Decision, Policy, make_policy
from sqlbench.policies.learning import learn
from sqlbench.seeds import Role, call_seed, generator
from sqlbench.suites import Suite, load_suite

__all__ = ["ACTIONS", "Action", "Event", "Feedback", "Observation", "RewardInfo", "SQLAgentEnv"]


class SQLAgentEnv:
    """Episodes of up to five attempts at a question, on a real database.

    Parameters
    ----------
    suite, model, policy : Suite, ChatModel, Policy, or the spec of one
        What is asked, who answers, and who chooses repairs for the action ``auto``. The model
        None is for agents that bring their own: an action is then SQL, `prompt` has the messages
        that a model would get, and a bad action is an attempt that failed, not an exception.
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
    samples : int
        How many first answers are drawn; attempt 1 is the first of them.

    Raises
    ------
    UnknownNameError, ConfigError
        If a value does not exist or has the wrong form.
    """

    def __init__(
        self,
        suite: Suite | str = "marketplace",
        model: ChatModel | str | None = "simulated",
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
        samples: int = 1,
    ) -> None:
        check_options(feedback, metric, seed, max_attempts, samples, temperature)
        self.suite = load_suite(suite) if isinstance(suite, str) else suite
        check_has("suite", self.suite, "tasks", "a spec like 'marketplace', or a Suite")
        self.model = load_model(model, self.suite) if isinstance(model, str) else model
        if self.model is not None:
            check_has("model", self.model, "spec", "a spec like 'simulated', or a ChatModel")
        self.policy = make_policy(policy, self.model) if isinstance(policy, str) else policy
        check_has("policy", self.policy, "select", "a spec like 'linucb', or a Policy")
        self.seed, self.feedback, self.max_attempts = seed, feedback, max_attempts
        self.metric, self.temperature, self.learn = metric, temperature, learn
        self.prompts = prompts or Prompts.load()
        self.golds, self.samples = golds or Golds(self.suite, metric), samples
        self.episode: Episode | None = None
        self._repeats: dict[str, int] = {}

    def reset(self, task_id: str = "simple_queries", seed: int | None = None) -> Observation:
        """Start an episode: the task's first question, or one drawn by a seed.

        Raises
        ------
        UnknownNameError
            If there is no such task.
        ConfigError
            If the seed is no whole number of at least 0.
        """
        questions = self.suite.task(task_id).questions
        if seed is not None:
            check_whole("seed", seed)
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
        self._context: Context | None = None
        self._next: Decision | None = None
        return self._observation()

    async def step(self, action: Action | AgentSQL | str = AUTO) -> tuple[Observation, RewardInfo]:
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

    async def step_streaming(
        self, action: Action | AgentSQL | str = AUTO
    ) -> AsyncGenerator[Event, None]:
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
        return episode_state(self.episode, self._observation())

    @property
    def result(self) -> QueryResult | None:
        """All rows of the last attempt; None if it did not run, or there was none."""
        return self._result if self.episode is not None and self.episode.steps else None

    @property
    def next_action(self) -> str | None:
        """What ``auto`` would do next; None before attempt 1 and when the episode is over."""
        return str(self.suggestion.action) if self.suggestion else None

    @property
    def context(self) -> Context | None:
        """What the policy sees now; None before attempt 1 and when the episode is over."""
        return self._context if self.episode is not None else None

    @property
    def suggestion(self) -> Decision | None:
        """What `auto` would do next; None before attempt 1 and when the episode is over."""
        if self.episode is None or self._context is None:
            return None
        if self._next is None:
            self._next = self._select(self._context)
        return self._next

    def prompt(self, action: str = AUTO) -> tuple[Message, ...]:
        """Return the messages that a model would get for its next attempt.

        Parameters
        ----------
        action : str
            From attempt 2 on the repair whose prompt it is; ``auto`` lets the policy choose.

        Raises
        ------
        RuntimeError
            Before a reset, or after the episode is over.
        """
        self._open_episode()
        if action == AUTO:
            action = str(self.suggestion.action) if self.suggestion else GENERATE
        return self.messages(action)

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
        self, action: Action | AgentSQL | str, *, streamed: bool
    ) -> AsyncGenerator[Event, None]:
        episode = self._open_episode()
        refusal: str | None = None
        custom: str | None
        if self.model is None:
            asked = agent_sql(action)
            name, decision, custom, refusal = CUSTOM, None, asked.sql, asked.refusal
        else:
            assert not isinstance(action, AgentSQL), "for environments without a model"
            name, decision, custom = resolve_action(action, self._next, first=not self._history)
        attempt = len(episode.steps) + 1
        yield {"type": "attempt_start", "attempt": attempt, "action": name}
        if custom is None:
            assert self.model is not None
            request = self.request(name, attempt)
            completion: Completion | None = None
            if attempt == 1 and self.samples > 1:
                completion = await self._sample()
                yield {"type": "sql_chunk", "chunk": completion.text}
            elif streamed:
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
            sql = await statement_of(completion)
        else:
            completion, sql = None, custom
        yield {"type": "sql_complete", "sql": sql}
        try:
            yield {"type": "executing", "sql": sql}
        finally:
            # Also where the caller closes the stream here: what is executing counts.
            await self._execute(attempt, name, decision, sql, completion, refusal)
        if not streamed:
            return
        failure = (self._history[-1][1], self._told[-1].message, self._token)
        for event in outcome_events(episode, failure, self._next):
            yield event

    def _open_episode(self) -> Episode:
        if self.episode is None:
            raise RuntimeError("step() before reset(): call reset() first.")
        if self.episode.done:
            raise RuntimeError("step() after the episode is over: call reset() to start another.")
        return self.episode

    async def _sample(self) -> Completion:
        """Draw the episode's first answers, keep them, and return the one that is attempt 1."""
        assert self.episode is not None and self.model is not None
        requests = [self.request(sample=i) for i in range(self.samples)]
        drawn = await draw(self.model, requests, self._database, self.metric)
        self.episode.samples = await judge_drawn(drawn, self._gold, self.metric, self.feedback)
        return drawn[self.episode.chosen].completion

    def request(self, name: str = GENERATE, attempt: int = 1, sample: int = 0) -> ModelRequest:
        """Return what an action would ask the model now; ``sample`` draws another answer to it."""
        assert self.episode is not None
        repair = name != GENERATE
        return ModelRequest(
            messages=self.messages(name),
            question_id=self.question.id,
            repeat=self.episode.repeat,
            attempt=attempt,
            action=name,
            seed=call_seed(self.seed, self.question.id, self.episode.repeat, attempt, sample),
            temperature=self.temperature,
            context=self._context if repair else None,
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
        refusal: str | None,
    ) -> None:
        assert self.episode is not None
        outcome: QueryResult | QueryError
        if refusal is None:
            outcome = await run_aside(self._database, sql, self.metric)
        else:
            outcome = QueryError(refusal)
        judged = await judge_aside(self._gold, outcome, self.metric, self.feedback)
        right, message = judged.verdict.match, judged.message
        over = is_over(attempt, self.max_attempts, self.feedback, outcome, right)
        chosen = name in ARMS
        step = make_step(
            attempt,
            name,
            self._context if chosen else None,
            decision.propensity if decision else None,
            self._next.scores if self._next and chosen else None,
            sql,
            completion,
            outcome,
            judged,
            told=None if right and over else message,
            before=self.episode.steps[-1].error_class if self.episode.steps else None,
        )
        self._result = outcome if isinstance(outcome, QueryResult) else None
        self.episode.steps.append(step)
        self._history.append((name, judged.seen))
        self._told.append(FailedAttempt(name, sql, message))
        failed = outcome if isinstance(outcome, QueryError) else None
        self._token = extract_offending_token(failed, sql) if failed else None
        if over:
            self._close()
        else:
            self._context = Context.from_history(self._history)
            # Without a model nobody may ever ask what the policy would do: then it is not asked.
            self._next = self._select(self._context) if self.model is not None else None

    def _select(self, context: Context) -> Decision:
        assert self.episode is not None
        key = (self.question.id, self.episode.repeat, context.attempt_number)
        decision = self.policy.select(context, generator(self.seed, Role.POLICY, *key))
        if unknown := [arm for arm, score in decision.scores.items() if score != score]:
            raise ValueError(
                f"The policy {type(self.policy).__name__} gave the score nan to "
                f"{', '.join(map(str, unknown))}: expected a number for each arm; look at what "
                "its scores are divided by."
            )
        return decision

    def _close(self) -> None:
        assert self.episode is not None
        self.episode.done = True
        self._context = self._next = None
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
        return reward_info(self.episode, self._result)
