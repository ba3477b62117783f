"""A model of one's own, by its import path or a declared name: ``MODULE:NAME?key=value``."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from sqlbench.exceptions import ConfigError
from sqlbench.models.base import ChatModel
from sqlbench.models.calling.options import Calling
from sqlbench.plugins import entry_point, import_path, is_path

if TYPE_CHECKING:
    from sqlbench.suites.base import Suite

_NEEDED = ("complete", "stream", "aclose")


def own_model(spec: str, suite: Suite, calling: Calling | None) -> ChatModel | None:
    """Make a model that is not sqlbench's; None if the spec names none.

    The class or function is called with the parameters behind the question mark (numbers as
    numbers), and with ``suite`` and ``calling`` if it takes parameters of these names.

    Parameters
    ----------
    spec : str
        ``MODULE:NAME`` or a declared name, with ``?key=value&…`` behind it.
    suite : Suite
        The suite of the run.
    calling : Calling or None
        How it will be called.

    Raises
    ------
    ConfigError
        If it cannot be imported or made, or what comes of it is no `ChatModel`.
    """
    head, _, query = spec.partition("?")
    builder = entry_point("model", head)
    if builder is None:
        if not is_path(head):
            return None
        builder = import_path(head, "model")
    known = inspect.signature(builder).parameters
    given: dict[str, Any] = {"suite": suite, "calling": calling}
    values: dict[str, Any] = {n: v for n, v in given.items() if n in known}
    values |= {key: _value(text) for key, text in parse_qsl(query)}
    try:
        model = builder(**values)
    except TypeError as error:
        raise ConfigError(f"The model {spec!r} cannot be made: {error}.") from error
    lacking = [name for name in _NEEDED if not hasattr(model, name)]
    if lacking:
        raise ConfigError(
            f"The model {spec!r} is no sqlbench.models.ChatModel: it lacks {', '.join(lacking)}."
        )
    model.spec = spec  # by which the run is known, and made again elsewhere
    for name, default in (("simulated", False), ("fingerprint", "")):
        if not hasattr(model, name):
            setattr(model, name, default)
    return cast(ChatModel, model)


def _value(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
