"""The simulated model: no key, no network, deterministic, and always labelled as simulated.

It answers with the gold query, or with one of its `faults`: real SQL that fails on the real
database with the database's own message. It is stateless: an answer is a function of the request
and the profile. One uniform number decides whether an attempt is right, whatever the arm, so that
policies are compared on common random numbers.
"""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator

from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import GENERATE, RepairAction
from sqlbench.exceptions import ConfigError, ModelSetupError
from sqlbench.grading import InvalidGoldError
from sqlbench.models.base import Completion, ModelError, ModelRequest, Usage
from sqlbench.models.simulated.faults import Faults, NotVerified, QuestionFaults
from sqlbench.models.simulated.profile import difficulty, load_profile
from sqlbench.suites.base import Suite

# Streams of random numbers beside the one that shapes answers.
_FAILURE, _LATENCY = 1 << 64, 2 << 64
_CHARS_PER_TOKEN = 4


class SimulatedModel:
    """A model that knows the gold queries, and fails as its profile says.

    Parameters
    ----------
    suite : Suite
        Whose questions it answers; at least one must have a gold query.
    profile : str
        A built-in profile's name, or the path of a TOML file.
    latency : float or (float, float), optional
        Seconds that a call takes, or the range that they are drawn from. It never shapes an answer.
    failure_rate : float
        The share of calls that fail with `ModelError`. A call that fails fails whenever it is made.

    Attributes
    ----------
    profile : Profile
        What it behaves like; the policy `oracle` reads it.
    faults : Faults
        What it plants.

    Raises
    ------
    UnknownNameError, ConfigError
        If there is no such profile, or it is not valid.
    ModelSetupError
        If no question of the suite has a gold query.
    """

    simulated = True

    def __init__(
        self,
        suite: Suite,
        profile: str = "default",
        *,
        latency: float | tuple[float, float] | None = None,
        failure_rate: float = 0.0,
    ) -> None:
        if all(question.gold is None for question in suite):
            raise ModelSetupError(
                f"The simulated model answers from gold queries, and suite {suite.spec!r} has "
                f"none; use a real model."
            )
        if not 0.0 <= failure_rate <= 1.0:
            raise ConfigError(f"failure_rate is a share from 0 to 1, not {failure_rate!r}.")
        self.profile = load_profile(profile)
        self.spec = "simulated" if profile == "default" else f"simulated:{profile}"
        self.fingerprint = self.profile.hash
        self.failure_rate = failure_rate
        self._latency = (latency, latency) if isinstance(latency, int | float) else latency
        self._suite = suite
        self.faults = Faults(suite)
        self._known: dict[str, tuple[QuestionFaults, float]] = {}

    async def complete(self, request: ModelRequest) -> Completion:
        """Answer a request.

        Raises
        ------
        ModelError
            With ``failure_rate``; or if the question's gold query does not run.
        ModelSetupError
            If the question has no gold query.
        UnknownNameError
            If the suite has no such question.
        """
        started = time.perf_counter()
        if self._latency is not None:
            await asyncio.sleep(random.Random(request.seed + _LATENCY).uniform(*self._latency))
        if self.failure_rate and (
            random.Random(request.seed + _FAILURE).random() < self.failure_rate
        ):
            raise ModelError("The simulated model failed, as failure_rate asks.", kind="server")
        try:
            sql = self._answer(request, wait=False)
        except NotVerified:  # a fault has to be run first: not on the event loop
            sql = await asyncio.to_thread(self._answer, request, wait=True)
        text = f"```sql\n{sql}\n```"
        prompt = sum(len(message["content"]) for message in request.messages)
        usage = Usage(prompt // _CHARS_PER_TOKEN, len(text) // _CHARS_PER_TOKEN)
        return Completion(text, usage, time.perf_counter() - started, sql=sql)

    async def stream(self, request: ModelRequest) -> AsyncIterator[str | Completion]:
        """Yield the answer word by word, then the `Completion` (raises as `complete`)."""
        completion = await self.complete(request)
        for piece in re.findall(r"\s*\S+|\s+$", completion.text):
            yield piece
        yield completion

    async def aclose(self) -> None:
        """Nothing to free."""

    def _answer(self, request: ModelRequest, *, wait: bool) -> str:
        known = self._known.get(request.question_id)
        if known is None:
            if not wait:
                raise NotVerified
            known = self._known[request.question_id] = self._prepare(request.question_id)
        faults, p_success = known
        return self._draw(request, faults, p_success, wait)

    def _prepare(self, question_id: str) -> tuple[QuestionFaults, float]:
        try:
            faults = self.faults.get(self._suite.question(question_id))
        except InvalidGoldError as error:
            raise ModelError(str(error), kind="refused") from error
        return faults, self.profile.p_success(difficulty(question_id))

    def _draw(
        self, request: ModelRequest, faults: QuestionFaults, p_success: float, wait: bool
    ) -> str:
        """Return the SQL that answers a request.

        The numbers are drawn in a fixed order: is it right, does it keep the class, which variant,
        then the class.
        """
        rng = random.Random(request.seed)
        right, kept, variant = rng.random(), rng.random(), rng.random()
        context, failing = request.context, request.failing_sql
        last: ErrorClass | None = None
        if request.action == GENERATE or context is None:
            p = p_success
        elif context.error_class is None and failing and faults.is_right(failing, wait=wait):
            p = 1.0 - self.profile.break_rate
        else:
            last = context.error_class or ErrorClass.WRONG_RESULT
            p = self.profile.p_fixed(context, RepairAction(request.action), request.progress)
        if right < p:
            return faults.answer
        choices: tuple[str, ...] = ()
        if last is not None and kept < self.profile.keep_class:
            choices = faults.variants(last, wait=wait)
        choices = choices or self._other_class(faults, last, rng, wait)
        others = [sql for sql in choices if sql != failing] or choices
        return others[int(variant * len(others))]

    def _other_class(
        self, faults: QuestionFaults, last: ErrorClass | None, rng: random.Random, wait: bool
    ) -> tuple[str, ...]:
        """Draw a class by the profile's rates, and draw anew where it cannot be planted.

        That is a draw from the rates renormalised over the classes that can be planted, and only
        the classes that come up have to be verified.
        """
        weights = {c: w for c, w in self.profile.first_attempt.items() if w and c != last}
        while weights:
            drawn = rng.choices(tuple(weights), tuple(weights.values()))[0]
            if choices := faults.variants(drawn, wait=wait):
                return choices
            del weights[drawn]
        return faults.variants(ErrorClass.SYNTAX_ERROR, wait=wait)  # any query can have one
