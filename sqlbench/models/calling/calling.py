"""Call a model well: so many at once, so many a minute, again where it failed in passing.

None of this changes a result: a call is a function of its request, whenever it is made.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator

from sqlbench.models.base import (
    MAX_COMPLETION_TOKENS,
    ChatModel,
    Completion,
    ModelError,
    ModelRequest,
    Restart,
    Usage,
)
from sqlbench.models.calling.budget import Meter, estimate_tokens
from sqlbench.models.calling.keys import answering
from sqlbench.models.calling.options import Calling
from sqlbench.models.calling.pacing import Gate, Window, pause_before

# An endpoint that asks for more patience than this has failed.
LONGEST_RETRY_AFTER = 300.0


class PoliteModel:
    """A model whose calls are limited, metered and repeated; implements `ChatModel`.

    Parameters
    ----------
    model : ChatModel
        Who answers.
    calling : Calling
        The limits.
    concurrency : int
        The most calls in flight.
    meter : Meter or None
        Counts, and stops the run before its budget is passed.
    answered : bool
        Whether it has answered before: then a refused request does not mean that all will be.
    """

    def __init__(
        self,
        model: ChatModel,
        calling: Calling,
        concurrency: int,
        meter: Meter | None = None,
        *,
        answered: bool = False,
    ) -> None:
        self.model, self.calling = model, calling
        self.spec, self.simulated, self.fingerprint = model.spec, model.simulated, model.fingerprint
        self.gate = Gate(concurrency)
        self.meter = meter or Meter()
        self._answered, self._known = False, answered
        self._hopeless: ModelError | None = None
        requests, tokens = calling.max_requests_per_minute, calling.max_tokens_per_minute
        self._requests = Window(requests) if requests else None
        self._tokens = Window(tokens) if tokens else None

    async def complete(self, request: ModelRequest) -> Completion:
        """Answer a request, in as many calls as it takes and the limits allow."""
        if getattr(answering(self.model, request), "free", False):
            return await self.model.complete(request)  # read from a file: no call
        rng, retry = None, 0  # seeded when it is needed: most calls succeed
        while True:
            try:
                call = self._call(request)
                async with self.gate.pass_through(request.progress):
                    await call.begin()
                    with call:
                        return call.done(await self.model.complete(request))
            except ModelError as error:
                retry += 1
                rng = rng or random.Random(request.seed)
                await self._pause(error, retry, rng)

    async def stream(self, request: ModelRequest) -> AsyncIterator[str | Completion]:
        """Yield the answer's pieces; a `Restart` where it broke off and is asked for again."""
        rng, retry, shown = random.Random(request.seed), 0, False
        while True:
            try:
                call = self._call(request)
                async with self.gate.pass_through(request.progress):
                    await call.begin()
                    with call:
                        async for piece in self.model.stream(request):
                            if isinstance(piece, Completion):
                                yield call.done(piece)
                                return
                            shown = True
                            yield piece
                        raise ModelError("The stream had no end.", "broken", transient=True)
            except ModelError as error:
                retry += 1
                await self._pause(error, retry, rng)
                if shown:
                    shown = False
                    yield Restart()

    async def aclose(self) -> None:
        """Close the model."""
        await self.model.aclose()

    def _call(self, request: ModelRequest) -> _Call:
        return _Call(self, request)

    async def _pause(self, error: ModelError, retry: int, rng: random.Random) -> None:
        """Wait before the next try, or raise if there is none."""
        patience = error.retry_after is None or error.retry_after <= LONGEST_RETRY_AFTER
        retries = self.calling.retries
        if error.kind in ("connection", "not_api") and not self._answered:
            retries = min(2, retries)  # a wrong address, most likely: say so soon
        if not error.transient or retry > retries or not patience:
            raise error
        await asyncio.sleep(pause_before(retry, error.retry_after, rng))


class _Call:
    """One request on the wire, from its reservation to its settlement."""

    def __init__(self, owner: PoliteModel, request: ModelRequest) -> None:
        self.owner, self.request = owner, request
        self._since = self._reserved = 0.0
        self._entry: list[float] | None = None
        self._usage: Usage | None = None
        self._model = ""

    async def begin(self) -> None:
        """Wait for the limits per minute, and set aside what the call may cost."""
        owner = self.owner
        if owner._hopeless is not None:
            raise owner._hopeless  # the run is about to stop: nothing more goes out
        model = answering(owner.model, self.request)
        limit = getattr(model, "max_tokens", MAX_COMPLETION_TOKENS)
        if owner._requests is not None:
            await owner._requests.take(1)
        if owner._tokens is not None:
            most = estimate_tokens(self.request) + limit
            self._entry = await owner._tokens.take(most)
        self._model = model.spec
        self._reserved = await owner.meter.reserve(self.request, self._model, limit)
        self._since = time.monotonic()

    def __enter__(self) -> None:
        pass

    def done(self, completion: Completion) -> Completion:
        """Note what the answer used."""
        self._usage = completion.usage
        self.owner._answered = True
        return completion

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        owner = self.owner
        failure = None
        if isinstance(error, ModelError):
            failure, self._usage = error.kind, error.usage
            if error.kind == "rate_limit":
                owner.gate.was_limited(self._since)
            if error.kind == "setup" or (
                error.kind == "bad_request" and not (owner._answered or owner._known)
            ):
                owner._hopeless = error
        elif error is not None and self._usage is None:
            failure = "cancelled"
        else:
            owner.gate.went_well()
        if self._usage is not None and self._entry is not None and owner._tokens is not None:
            used = self._usage.prompt_tokens + self._usage.completion_tokens
            owner._tokens.correct(self._entry, used)
        owner.meter.settle(self.request, self._model, self._reserved, self._usage, failure)
