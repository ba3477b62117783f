"""First answers from a prediction file, repairs from another model.

A benchmark's prediction file holds a real model's real first answers. As attempt 1 of an episode
they are errors as they really occur, which any model can then be asked to repair.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlbench.exceptions import ModelSetupError
from sqlbench.grading.predictions import read_predictions
from sqlbench.models.base import ChatModel, Completion, ModelError, ModelRequest, Usage
from sqlbench.suites.base import Suite


class PredictionsModel:
    """Answers attempt 1 from a prediction file, and nothing else.

    Parameters
    ----------
    path : str
        The file, in any form that `sqlbench grade` reads.
    suite : Suite
        Whose questions it answers.

    Raises
    ------
    PredictionFileError
        If the file is broken or does not belong to the suite.
    """

    simulated = False
    free = True

    def __init__(self, path: str, suite: Suite) -> None:
        self.spec = f"predictions:{path}"
        predictions = read_predictions(path, suite)
        self.fingerprint = predictions.hash
        self._sql = predictions.sql

    async def complete(self, request: ModelRequest) -> Completion:
        """Return the file's answer; raises `ModelError` after attempt 1."""
        if request.attempt > 1:
            raise ModelError(f"{self.spec} holds first answers only.", "setup")
        sql = self._sql[request.question_id]
        return Completion(f"```sql\n{sql}\n```", Usage(), sql=sql)

    async def stream(self, request: ModelRequest) -> AsyncIterator[str | Completion]:
        """Yield the answer at once, then the `Completion`."""
        completion = await self.complete(request)
        yield completion.text
        yield completion

    async def aclose(self) -> None:
        """Do nothing: nothing is open."""


class TwoModels:
    """One model for attempt 1, another for every later attempt.

    Parameters
    ----------
    first, repair : ChatModel
        Who answers, and who repairs.
    """

    def __init__(self, first: ChatModel, repair: ChatModel) -> None:
        self.first, self.repair = first, repair
        self.spec = first.spec
        self.simulated = first.simulated or repair.simulated
        self.fingerprint = f"{first.fingerprint}+{repair.fingerprint}"

    async def complete(self, request: ModelRequest) -> Completion:
        """Answer a request."""
        return await self.answering(request).complete(request)

    def stream(self, request: ModelRequest) -> AsyncIterator[str | Completion]:
        """Yield the answer's pieces as they come, then the `Completion`."""
        return self.answering(request).stream(request)

    async def aclose(self) -> None:
        """Close both."""
        await self.first.aclose()
        await self.repair.aclose()

    @property
    def address(self) -> str:
        """The URL of the model that is called; an AttributeError if neither is behind one."""
        for model in (self.repair, self.first):
            if hasattr(model, "address"):
                return str(model.address)
        raise AttributeError("address")

    def answering(self, request: ModelRequest) -> ChatModel:
        """Return the model that answers a request."""
        return self.first if request.attempt == 1 else self.repair


def with_repairs(model: ChatModel, repair: ChatModel | None, max_attempts: int) -> ChatModel:
    """Return who answers and repairs.

    Raises
    ------
    ModelSetupError
        If repairs are to be made, the model has first answers only, and no other one is named.
    """
    if repair is not None:
        return TwoModels(model, repair)
    if isinstance(model, PredictionsModel) and max_attempts > 1:
        raise ModelSetupError(
            f"{model.spec} holds first answers only: name a model for the repairs "
            "(--repair-model), or make one attempt (--max-attempts 1)."
        )
    return model


def check_samples(model: ChatModel, samples: int) -> None:
    """Refuse several first answers of a model that has one for each question.

    Raises
    ------
    ModelSetupError
        If first answers come from a prediction file, and more than one is asked for.
    """
    first = model.first if isinstance(model, TwoModels) else model
    if isinstance(first, PredictionsModel) and samples > 1:
        raise ModelSetupError(
            f"{first.spec} holds one answer a question: {samples} samples need a model that can "
            "be asked again."
        )
