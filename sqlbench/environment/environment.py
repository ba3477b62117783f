"""The environment, in OpenEnv's shape: reset, step, streamed step, state."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from sqlbench.checks import check_has, check_whole
from sqlbench.databases.base import QueryError, QueryResult
from sqlbench.environment.agent import AgentSQL, agent_sql
from sqlbench.environment.attempt import make_step, next_context
from sqlbench.environment.doubting import Ground, check_doubting, is_grounded, is_measured, know
from sqlbench.environment.exchange import (
    ACTIONS,
    CUSTOM,
    Action,
    Event,
    Observation,
    RewardInfo,
    chunk_event,
    outcome_events,
    resolve_action,
)
from sqlbench.environment.judging import Feedback, check_options, is_over, judge_aside
from sqlbench.environment.sampling import draw, judge_drawn, pick, run_aside
from sqlbench.environment.under_way import UnderWay
from sqlbench.episodes.context import MAX_ATTEMPTS, Context
from sqlbench.episodes.episode import Episode
from sqlbench.episodes.errors import ErrorClass, extract_offending_token
from sqlbench.episodes.known import MAX_DOUBT, Known
from sqlbench.episodes.repair import AUTO, KEEP, FailedAttempt, Prompts
from sqlbench.grading import Golds
from sqlbench.models import Completion, load_model
from sqlbench.models.base import ChatModel
from sqlbench.models.extract import statement_of
from sqlbench.policies import Decision, Policy, make_policy
from sqlbench.policies.arms import ARM_NAMES
from sqlbench.policies.learning import learn
from sqlbench.seeds import Role, generator
from sqlbench.signals.choice import Rule, check_rule
from sqlbench.suites import Suite, load_suite

__all__ = ["ACTIONS", "Action", "Event", "Feedback", "Observation", "RewardInfo", "SQLAgentEnv"]


class SQLAgentEnv(UnderWay):
    """Episodes of up to five attempts at a question, on a real database.

    Parameters
    ----------
    suite, model, policy : Suite, ChatModel, Policy, or the spec of one
        What is asked, who answers, and who chooses repairs for the action ``auto``. The model
        None is for agents that bring their own: an action is then SQL, `prompt` has the messages
        that a model would get, and a bad action is an attempt that failed, not an exception.
    seed : int
        The experiment's seed; every decision derives its own from it.
    feedback : {"oracle", "execution", "always", "signals"}
        What ends an episode. ``oracle``: the right result. ``execution``: any result with rows,
        where an agent without an oracle stops. ``always``: exactly one repair, whatever happened.
        ``signals``: a result that is doubted less than ``max_doubt``.
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
        How many first answers are drawn; attempt 1 is one of them.
    choose : {"first", "agreement", "doubt"}
        Which one: the first, the one whose result most of them have, or the one that agreement,
        doubt and order together speak for (`sqlbench.signals.choice`).
    ground : {"on", "off"} or None
        Whether repair prompts tell what the signals found. None: unless the model is simulated,
        which reads no prompt. ``prompts``, where given, say it themselves (`Prompts.grounded`).
    max_doubt : float
        For ``feedback="signals"``: the doubt from which on an answer is repaired.
    signals : bool
        Whether to measure every attempt's signals, though nothing here needs them.

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
        choose: Rule = "first",
        ground: Ground | None = None,
        max_doubt: float = MAX_DOUBT,
        signals: bool = False,
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
        check_doubting(ground, max_doubt)
        check_rule(choose)
        self.max_doubt, self.samples, self.choose = max_doubt, samples, choose
        self.prompts = prompts or Prompts.load(ground=is_grounded(ground, self.model))
        self._measured = is_measured(self.prompts.grounded, feedback, self.policy, signals)
        self.golds = golds or Golds(self.suite, metric)
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
        self.begin(task_id, question_id, index=index, repeat=repeat, progress=progress)
        return self.observation

    def begin(
        self,
        task_id: str,
        question_id: str,
        *,
        index: int = 0,
        repeat: int | None = None,
        progress: float = 0.0,
    ) -> None:
        """Do as `reset_with_question` for those who read no observation."""
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
        self._known: Known | None = None
        self._context: Context | None = None
        self._next: Decision | None = None

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
        await self.attempt(action)
        return self.last_result()

    async def attempt(self, action: Action | AgentSQL | str = AUTO) -> None:
        """Do as `step`, for those who read the episode itself or ask for `last_result`."""
        async for _ in self._attempt(action, streamed=False):
            pass

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
        if name == KEEP:
            custom = self._told[-1].sql
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
                    else:
                        yield chunk_event(piece)
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

    async def _sample(self) -> Completion:
        """Draw the episode's first answers, keep them, and return the one that is attempt 1."""
        assert self.episode is not None and self.model is not None
        requests = [self.request(sample=i) for i in range(self.samples)]
        drawn = await draw(self.model, requests, self._database, self.metric)
        self.episode.chosen = await pick(drawn, self.question, self._database, self.choose)
        self.episode.samples = await judge_drawn(drawn, self._gold, self.metric, self.feedback)
        return drawn[self.episode.chosen].completion

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
        ran: str | None
        if refusal is None:
            ran, outcome = await run_aside(self._database, sql, self.metric)
        else:
            ran, outcome = None, QueryError(refusal)
        judged = await judge_aside(self._gold, outcome, self.metric, self.feedback, ran)
        right, message = judged.verdict.match, judged.message
        known = None
        if self._measured:
            known = await know(self.question, sql, self._database, outcome)
        trusted = known is not None and known.doubt < self.max_doubt
        over = is_over(attempt, self.max_attempts, self.feedback, outcome, right, trusted=trusted)
        over = over or name == KEEP
        chosen = name in ARM_NAMES
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
            known=known,
        )
        self._result = outcome if isinstance(outcome, QueryResult) else None
        self._known = known
        self.episode.steps.append(step)
        self._history.append((name, judged.seen))
        self._told.append(FailedAttempt(name, sql, message))
        failed = outcome if isinstance(outcome, QueryError) else None
        self._token = extract_offending_token(failed, sql) if failed else None
        if over:
            self._close()
        elif self.model is not None:
            self._context = next_context(self.policy, self._history, known)
            self._next = self._select(self._context)
        else:  # nobody may ever ask what the policy sees, and would do
            self._context = self._next = None

    def _close(self) -> None:
        assert self.episode is not None
        self.episode.done = True
        self._context = self._next = None
        if self.learn:
            learn(self.policy, self.episode)
