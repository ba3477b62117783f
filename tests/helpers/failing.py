"""A simulated model that fails in mid-run."""

from __future__ import annotations

from sqlbench.models import ModelError
from sqlbench.models.simulated.simulated import SimulatedModel


class Failing(SimulatedModel):
    """Fails after so many answers."""

    def __init__(self, suite, after=0, kind="timeout"):
        super().__init__(suite)
        self.left, self.kind = after, kind

    async def complete(self, request):
        self.left -= 1
        if self.left < 0:
            raise ModelError("The model <b>took</b> too long.", self.kind)
        return await super().complete(request)

    async def stream(self, request):
        yield await self.complete(request)
