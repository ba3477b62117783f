"""A model that plays a script, and a request for it."""

from __future__ import annotations

import asyncio
import time

from sqlbench.models import Completion, ModelRequest, Usage


def request(seed=7, **changes):
    message = {"role": "user", "content": "How many orders are there?"}
    return ModelRequest((message,), "q", 0, 1, "generate", seed, **changes)


class Scripted:
    """A model that plays a script: exceptions to raise, texts to answer."""

    spec, simulated, fingerprint = "scripted", False, ""

    def __init__(self, *script):
        self.script, self.calls = list(script), []

    async def complete(self, request):
        self.calls.append(time.monotonic())
        act = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        await asyncio.sleep(0)
        if isinstance(act, Exception):
            raise act
        return Completion(act, Usage(10, 5))

    async def stream(self, request):
        yield "SEL"
        completion = await self.complete(request)
        yield "ECT"
        yield completion

    async def aclose(self):
        pass
