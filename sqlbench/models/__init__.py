"""Language models: one async door, whoever is behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlbench.episodes.repair import Message
from sqlbench.exceptions import UnknownNameError
from sqlbench.models.base import ChatModel, Completion, ModelError, ModelRequest, Usage
from sqlbench.models.calling.options import Calling
from sqlbench.models.extract import extract_sql

if TYPE_CHECKING:
    from sqlbench.suites.base import Suite

MODEL_SPECS = (
    "simulated",
    "simulated:PROFILE",
    "openai",
    "openai:NAME",
    "predictions:FILE",
    "MODULE:NAME",
)

__all__ = [
    "MODEL_SPECS",
    "Calling",
    "ChatModel",
    "Completion",
    "Message",
    "ModelError",
    "ModelRequest",
    "Usage",
    "extract_sql",
    "load_model",
]


def load_model(spec: str, suite: Suite, calling: Calling | None = None) -> ChatModel:
    """Load a model by its spec.

    Parameters
    ----------
    spec : str
        ``simulated``, ``simulated:PROFILE``, ``openai:NAME`` (any OpenAI-compatible endpoint;
        ``openai:NAME?max_tokens=N`` limits the length of an answer) or
        ``predictions:FILE`` (first answers of a prediction file); or one of your own, see
        `sqlbench.models.own`.
    suite : Suite
        The simulated model answers from its gold queries.
    calling : Calling or None
        Time limits for a model behind an endpoint.

    Raises
    ------
    UnknownNameError
        If there is no such model or profile.
    ModelSetupError
        If the model cannot be used: a missing key, a suite without gold queries.
    PredictionFileError
        If a prediction file is broken or does not belong to the suite.
    """
    kind, colon, argument = spec.partition(":")
    if colon and not argument:
        raise UnknownNameError("model", spec, MODEL_SPECS)
    if kind == "simulated":
        from sqlbench.models.simulated.simulated import SimulatedModel

        return SimulatedModel(suite, argument or "default")
    if kind == "openai":
        from sqlbench.models.endpoint.openai import OpenAIModel

        return OpenAIModel(argument or None, calling=calling)
    if kind == "predictions" and argument:
        from sqlbench.models.predictions import PredictionsModel

        return PredictionsModel(argument, suite)
    from sqlbench.models.own import own_model

    if (model := own_model(spec, suite, calling)) is not None:
        return model
    raise UnknownNameError("model", spec, MODEL_SPECS)
