"""What all sessions of a server share: suite, model, prompts, gold results, and one learner."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sqlbench.environment.environment import SQLAgentEnv
from sqlbench.episodes.context import MAX_ATTEMPTS
from sqlbench.episodes.episode import Episode
from sqlbench.episodes.repair import Prompts
from sqlbench.episodes.returns import DEFAULT_REWARD, check_reward
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.grading import Golds, InvalidGoldError
from sqlbench.models import ChatModel, load_model
from sqlbench.models.predictions import with_repairs
from sqlbench.policies import Policy, make_policy
from sqlbench.policies.learning import learn
from sqlbench.runs.log import EpisodeLog
from sqlbench.seeds import Role, generator
from sqlbench.suites import Question, Suite, load_suite
from sqlbench.suites.splits import splits

_TRUTHS = {"1": True, "true": True, "0": False, "false": False}


@dataclass(frozen=True)
class ServerConfig:
    """What is served, to how many, and to whom.

    Attributes
    ----------
    suite, model : Suite, ChatModel, or the spec of one
        What is asked, and who answers.
    agent : bool
        For agents that bring their own model: nobody answers here, an action is SQL, and the
        schema is sent once an episode.
    repair_model : ChatModel, str or None
        Who makes every attempt after the first; None is the model itself.
    database : str or None
        Where the marketplace lies: ``duckdb``, a PostgreSQL URL or ``pg-embedded``; None is SQLite.
        A role that is a superuser is refused: agents' SQL comes from outside.
    policy : str
        The spec of the policy that chooses repairs for the action ``auto``, and learns.
    reward : {"gain", "final", "shaped", "score"}
        What OpenEnv's ``reward`` is, see `sqlbench.episodes.returns.paid`.
    max_sessions : int
        Sessions at a time; as many streamed episodes may run beside them.
    session_timeout : float
        Seconds without a step after which a session is closed; no step takes longer either.
    signals : bool
        Whether an observation tells how doubtful the answer is, why, and what the database holds
        instead: some milliseconds a step.
    log : str or None
        A run's folder, in which every finished episode is kept.
    token : str or None
        The secret that every request must carry. Without one, only this machine is answered.
    """

    suite: Suite | str = "marketplace"
    model: ChatModel | str = "simulated"
    agent: bool = False
    repair_model: ChatModel | str | None = None
    database: str | None = field(default=None, repr=False)  # a URL may hold a password
    policy: str = "linucb"
    reward: str = DEFAULT_REWARD
    max_sessions: int = 64
    session_timeout: float = 600.0
    signals: bool = False
    log: str | None = None
    token: str | None = field(default=None, repr=False)

    @classmethod
    def from_environment(cls) -> ServerConfig:
        """Read ``SQLBENCH_SUITE``, ``SQLBENCH_TOKEN`` and so on, as `sqlbench serve` does.

        Raises
        ------
        ConfigError
            If a value is no number where one is needed, or out of range.
        """
        given: dict[str, Any] = {
            f.name: os.environ[name]
            for f in fields(cls)
            if (name := f"SQLBENCH_{f.name.upper()}") in os.environ
        }
        for name, kind in (("max_sessions", int), ("session_timeout", float)):
            if name in given:
                try:
                    given[name] = kind(given[name])
                except ValueError:
                    raise ConfigError(
                        f"SQLBENCH_{name.upper()} is a number, not {given[name]!r}."
                    ) from None
        for name in ("agent", "signals"):
            if name in given:
                if given[name] not in _TRUTHS:
                    raise ConfigError(f"SQLBENCH_{name.upper()} is 1 or 0, not {given[name]!r}.")
                given[name] = _TRUTHS[given[name]]
        return cls(**given)

    def __post_init__(self) -> None:
        check_reward(self.reward)
        if self.agent and self.repair_model is not None:
            raise ConfigError("An agent makes every attempt itself: give no repair_model with it.")
        if isinstance(self.max_sessions, bool) or self.max_sessions < 1:
            raise ConfigError(f"max_sessions is at least 1, not {self.max_sessions!r}.")
        true = isinstance(self.session_timeout, bool)
        if true or not 0 < self.session_timeout < float("inf"):
            raise ConfigError(
                f"session_timeout is a number of seconds above 0, not {self.session_timeout!r}."
            )
        if self.token is not None and not (self.token.isascii() and self.token.strip()):
            raise ConfigError("The token must be ASCII text and not empty.")


class Workbench:
    """The shared half of every session.

    Episodes act on a snapshot of the learner, taken when they start. The learner learns from each
    episode that ends, in the order in which they end: here, and not in the environment, so that
    nothing is learned twice.

    Parameters
    ----------
    config : ServerConfig
        What is served.

    Raises
    ------
    SQLBenchError
        If a spec does not exist, or the model cannot be used.
    """

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        suite, model = config.suite, config.model
        self.model: ChatModel | None = None
        self._repairing: ChatModel | None = None
        self.suite = load_suite(suite, config.database) if isinstance(suite, str) else suite
        if not config.agent:
            first = load_model(model, self.suite) if isinstance(model, str) else model
            repairing = config.repair_model
            if isinstance(repairing, str):
                repairing = load_model(repairing, self.suite)
            self.model = with_repairs(first, repairing, MAX_ATTEMPTS)
            # Who repairs is whom a policy that knows its model (the oracle) must know.
            self._repairing = repairing or first
        self.learner = make_policy(config.policy, self._repairing)
        self.golds = Golds(self.suite)
        self._splits = splits(self.suite)
        self.prompts = Prompts.load()
        self.episodes_learned = 0
        self._log: EpisodeLog | None = None
        if config.log is not None:
            self._log = EpisodeLog(
                config.log, self.suite, model=self.model, policy=self.learner, golds=self.golds
            )
        self._prepared: set[str] = set()
        # A folder's path is the server's business: clients see the kind of suite.
        self.suite_name = Path(self.suite.spec.partition(":")[0]).name  # a file: no folder of it

    @property
    def simulated(self) -> bool:
        """Whether a simulated model answers."""
        return self.model is not None and self.model.simulated

    def close(self) -> None:
        """Finish the log, if there is one."""
        if self._log is not None:
            self._log.close()

    def environment(self) -> SQLAgentEnv:
        """Return an environment for one session."""
        return SQLAgentEnv(
            self.suite,
            self.model,
            self.learner.snapshot(),
            prompts=self.prompts,
            golds=self.golds,
            signals=self.config.signals,
        )

    def learn(self, episode: Episode) -> None:
        """Let the learner learn from an episode that is over, and keep it if asked to."""
        if self._log is not None:
            self._log.append(episode)
        learn(self.learner, episode)
        self.episodes_learned += 1

    def policy(self, spec: str | None) -> Policy:
        """Return a snapshot of the learner, or a fresh policy where a spec names one."""
        return self.learner.snapshot() if spec is None else make_policy(spec, self._repairing)

    async def prepare(self, question: Question) -> None:
        """Run a question's gold query and read its schema off the event loop, once.

        Raises
        ------
        ConfigError
            If the question cannot be asked. Why its gold query fails stays on this side.
        """
        if question.id in self._prepared:
            return
        try:
            await asyncio.to_thread(self._prepare, question)
        except InvalidGoldError:
            raise ConfigError(
                f"The question {question.id!r} cannot be asked: its gold query fails."
            ) from None

    def _prepare(self, question: Question) -> None:
        self.golds.get(question)
        self.suite.database(question).schema()
        self._prepared.add(question.id)

    def pick(
        self, task_id: str | None, question_id: str | None, seed: int | None = None
    ) -> Question:
        """Return the question that is asked for; without one, the task's first or a drawn one.

        Raises
        ------
        UnknownNameError
            If there is no such task or question.
        """
        if question_id is not None:
            return self.suite.question(question_id, task_id)
        task_id = task_id if task_id is not None else next(iter(self.suite.tasks))
        return self.draw(self.suite.task(task_id).questions, task_id, seed)

    def draw(self, questions: tuple[Question, ...], key: str, seed: int | None) -> Question:
        """Return the first of the questions, or one drawn by a seed, as `SQLAgentEnv.reset`."""
        if seed is None:
            return questions[0]
        return questions[int(generator(seed, Role.ORDER, key).integers(len(questions)))]

    def splits(self) -> dict[str, tuple[Question, ...]]:
        """Return the whole suite, each of its tasks, and train, dev and test, as named splits."""
        name = self.suite_name
        tasks = {f"{name}/{t.id}": t.questions for t in self.suite.tasks.values()}
        return {name: tuple(self.suite)} | tasks | {**self._splits}

    def split(self, name: str) -> tuple[Question, ...]:
        """Return a split's questions.

        Raises
        ------
        UnknownNameError
            If there is no such split.
        """
        splits = self.splits()
        if name not in splits:
            raise UnknownNameError("split", name, splits)
        return splits[name]

    def info(self) -> dict[str, Any]:
        """Return what is served, as JSON values: no path, no secret, no gold query."""
        import sqlbench

        return {
            "version": sqlbench.__version__,
            "suite": self.suite_name,
            "agent": self.config.agent,
            "model": _public(self.model.spec) if self.model else None,
            "repair_model": _public(self._repairing.spec) if self._repairing else None,
            "simulated": self.simulated,
            "without_gold": sum(q.gold is None for q in self.suite.questions()),
            "policy": self.learner.spec,
            "reward": self.config.reward,
            "max_sessions": self.config.max_sessions,
            "session_timeout": self.config.session_timeout,
            "episodes_learned": self.episodes_learned,
            "tasks": [
                {
                    "id": t.id,
                    "difficulty": t.difficulty,
                    "questions": [{"id": q.id, "text": q.text} for q in t.questions],
                }
                for t in self.suite.tasks.values()
            ],
        }


def _public(spec: str) -> str:
    """Return a spec without the folders of a path in it: where a file lies is not for clients."""
    kind, colon, argument = spec.partition(":")
    if kind == "openai":
        return spec
    return f"{kind}{colon}{Path(argument).name}"
