"""Verifiers 0.4's door: a task set, the environment that plays it, and a harness of one call.

The environment asks, runs what is answered and tells what came of it, up to five times. The reward
is the episode's value, and is worked out from the transcript alone: a stored trace scores the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlbench.doors.desk import DeskEpisode, desk, replayed
from sqlbench.doors.extras import need
from sqlbench.episodes.context import MAX_ATTEMPTS

vf: Any = need("verifiers.v1", "verifiers")


class SQLConfig(vf.TasksetConfig):  # type: ignore[misc]
    """What is asked: ``--env.taskset.suite``, ``--env.taskset.split``."""

    suite: str = "marketplace"
    split: str | None = None


class SQLData(vf.TaskData):  # type: ignore[misc]
    """A question. Its gold query stays where the suite is."""

    suite: str
    question_id: str


class SQLTask(vf.Task[SQLData]):  # type: ignore[misc]
    """Scores a transcript by running its SQL again."""

    @property
    def key(self) -> str:
        """The question's own id."""
        return f"{self.data.suite}/{self.data.question_id}"

    @vf.reward  # type: ignore[untyped-decorator]
    async def value(self, trace: Any) -> float:
        """1 − 0.1·(t − 1) if attempt t is right; else two thirds of the best task score."""
        return (await self._played(trace)).value

    @vf.metric  # type: ignore[untyped-decorator]
    async def success(self, trace: Any) -> float:
        """1 if the question was answered."""
        return float((await self._played(trace)).success)

    @vf.metric  # type: ignore[untyped-decorator]
    async def attempts(self, trace: Any) -> float:
        """How many queries were run."""
        return float(len((await self._played(trace)).steps))

    async def validate(self, runtime: Any) -> bool:
        """Say whether the gold query scores 1."""
        shared = desk(self.data.suite)
        gold = shared.suite.question(self.data.question_id).gold
        return gold is not None and (await replayed(shared, self.data.question_id, [gold])).success

    async def _played(self, trace: Any) -> DeskEpisode:
        replies = [
            m.content if isinstance(m.content, str) else str(m.content or "")
            for m in (trace.branches[-1].messages if trace.branches else [])
            if m.role == "assistant"
        ]
        return await replayed(desk(self.data.suite), self.data.question_id, replies)


class SQLTaskset(vf.Taskset[SQLTask, SQLConfig]):  # type: ignore[misc]
    """The questions of a suite, or of one of its splits."""

    def load(self) -> Iterator[SQLTask]:
        """Yield a task for each question."""
        shared = desk(self.config.suite)
        for question in shared.questions(self.config.split):
            system, user = shared.begin(question.id).messages
            data = SQLData(
                id=question.id,
                name=question.id,
                system_prompt=system["content"],
                prompt=user["content"],
                suite=self.config.suite,
                question_id=question.id,
            )
            yield SQLTask(data, self.config.task)


class SQLEnvConfig(vf.EnvConfig):  # type: ignore[misc]
    """Who writes the SQL (``--env.agent.*``), and where its episodes are kept (``--env.log``)."""

    # Its program is a call in this process: it needs no sandbox, which verifiers would rent.
    agent: vf.AgentConfig = vf.AgentConfig(runtime={"type": "subprocess"})
    log: str | None = None
    max_attempts: int = MAX_ATTEMPTS


class SQLEnv(vf.Env[SQLEnvConfig]):  # type: ignore[misc]
    """Plays a question: the database answers the agent, in the user's place."""

    async def run(self, task: Any, agents: Any) -> None:
        """Play one episode."""
        shared = desk(task.data.suite, self.config.log)
        episode = shared.begin(task.data.question_id, max_attempts=self.config.max_attempts)
        try:
            async with agents.agent.interaction(task) as interaction:
                segment = await interaction.turn()
                while not segment.terminated:
                    feedback = await episode.reply(segment.last_reply)
                    if episode.done:
                        break
                    segment = await interaction.turn(feedback)
        finally:
            episode.finish()


class ChatHarness(vf.Harness[vf.HarnessConfig]):  # type: ignore[misc]
    """Asks the model once a turn, in this process: it needs no tools and no program."""

    APPENDS_SYSTEM_PROMPT = True
    SUPPORTS_RESUME = True
    EXECUTES_CODE = False
    NEEDS_CONTAINER = False

    async def launch(
        self,
        ctx: Any,
        trace: Any,
        runtime: Any,
        endpoint: str,
        secret: str,
        mcp_urls: dict[str, str],
        data: Any,
    ) -> Any:
        """Send the conversation so far; the endpoint writes the answer into the trace."""
        from openai import AsyncOpenAI
        from verifiers.v1.dialects.chat import message_to_wire

        system, prompt = self.resolve_prompt(data)
        messages: list[Any] = [{"role": "system", "content": system}] if system else []
        if isinstance(prompt, str):
            messages.append({"role": "user", "content": prompt})
        else:
            messages += [message_to_wire(m) for m in prompt or []]
        async with AsyncOpenAI(base_url=endpoint, api_key=secret, max_retries=0) as client:
            await client.chat.completions.create(model=ctx.model, messages=messages)
        return vf.ProgramResult(0, "", "")
