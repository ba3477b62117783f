"""A model and metrics that are not sqlbench's, in a module that other processes can import."""

from __future__ import annotations

from sqlbench.models import Completion, Usage


class Parrot:
    """Answers every question with the same query."""

    simulated = False
    fingerprint = ""
    spec = ""

    def __init__(self, suite, number=1, word="x"):
        self.suite, self.sql = suite, f"SELECT {number}, '{word}'"

    async def complete(self, request):
        return Completion(f"```sql\n{self.sql}\n```", Usage(3, 4))

    async def stream(self, request):
        yield await self.complete(request)

    async def aclose(self):
        pass


def lenient(gold, pred):
    return bool(pred.rows)


def strict(gold, pred):
    return "values"


def short(gold, pred):
    return "match" if len(pred.rows) < 9 else "row_count"


NOT_CALLABLE = 3
