"""What a request carries beside its messages, and how a server is obeyed that refuses some of it.

A model may refuse ``max_tokens``, ``temperature`` or ``seed``. Its server says so, and often what
to send instead: the parameter is renamed or left out, from then on, for every request.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sqlbench.exceptions import ConfigError
from sqlbench.models.base import MAX_COMPLETION_TOKENS
from sqlbench.models.endpoint.reasons import is_too_long, reason_of, said_in, words_of

OMITTABLE = ("temperature", "seed", "max_tokens")
LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
# Refused, these go too: what a request without them gets is an answer all the same.
_TRANSPORT = ("stream", "stream_options")
_OPENAI_HOST = "api.openai.com"

_REFUSES = re.compile(
    r"un(supported|recogni[sz]ed|known|expected|permitted)|not (\w+ )?(supported|permitted|allowed"
    r"|recogni[sz]ed|available|accepted|valid)|does(n't| not) (support|accept|allow)"
    r"|cannot (be )?(set|specif|use)|can't be|extra_forbidden|additional propert|deprecated|removed"
    r"|only (the default|\d|be|when)|may only|must be verified|no longer|incompatible"
    r"|cannot find field|invalid (parameter|argument|field)|no (such )?(parameter|field|argument)",
    re.IGNORECASE,
)
# What a server lists for its own reasons names parameters that it does take.
_LISTS = re.compile(
    r"\b(expected one of|did you mean|must be one of|(supported|valid|allowed|accepted|known) "
    r"(parameter|field|argument|value)s?( are|:| include)).*",
    re.IGNORECASE | re.DOTALL,
)
_INSTEAD = re.compile(
    r"\b(?:use|try|replaced (?:by|with)|renamed to|in favou?r of|prefer)\W+(?:the\W+)?"
    r"(?:parameter\W+)?(\w+)",
    re.IGNORECASE,
)

_log = logging.getLogger("sqlbench")


class Parameters:
    """The parameters of a model's requests.

    Parameters
    ----------
    spec, query : str
        The model's spec, for sentences, and what stands behind its question mark:
        ``max_tokens=N`` and ``omit=seed,temperature``, joined by ``&``.
    base_url : str
        The endpoint: OpenAI's own takes the limit as ``max_completion_tokens``.
    budget : bool
        Whether there is one: it can only be kept while answers have a limit.

    Attributes
    ----------
    max_tokens : int
        The limit on an answer's length.
    changes : dict
        What the server made of parameters: their other name, or None where one is left out.

    Raises
    ------
    ConfigError
        If the query will not do.
    """

    def __init__(self, spec: str, query: str, base_url: str, *, budget: bool = False) -> None:
        self.max_tokens, self.omitted = _read_query(spec, query)
        self.spec, self._budget = spec, budget
        if budget and "max_tokens" in self.omitted:
            raise ConfigError(
                f"A budget needs a limit on answers: it cannot be kept with the model {spec!r}, "
                "which omits max_tokens."
            )
        self.changes: dict[str, str | None] = {}
        self._names = {}
        if urlsplit(base_url).hostname == _OPENAI_HOST:
            self._names["max_tokens"] = "max_completion_tokens"
        self._refused: set[str] = set()

    def asked(self, temperature: float, seed: int) -> dict[str, Any]:
        """Return what is asked for, by the names that most servers know."""
        values = {"temperature": temperature, "seed": seed, "max_tokens": self.max_tokens}
        for name in self.omitted:
            values.pop(name, None)
        return values

    def sent(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is sent for what is asked."""
        names = {name: name for name in asked} | self._names | self.changes
        if names.get("stream", "stream") is None:
            names["stream_options"] = None
        return {new: asked[old] for old, new in names.items() if old in asked and new is not None}

    def resume(self, changes: Mapping[str, str | None]) -> None:
        """Begin with what an earlier part of the run learned."""
        self.changes |= changes

    def learn(self, error: Any, asked: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
        """Obey a refusal, and return whether the request can be sent again, otherwise.

        Parameters
        ----------
        error : object
            The body of the refusal.
        asked, sent : mapping
            What was asked, and what was sent for it.
        """
        if self.sent(asked).keys() != sent.keys():
            return True  # another request has learned it meanwhile
        words = words_of(error)
        if is_too_long(words):
            return False
        learned = False
        names = {new: old for old, new in ({n: n for n in asked} | self._names).items()}
        names |= {new: old for old, new in self.changes.items() if new is not None}
        for name in refused_names(error, [n for n in sent if n in names]):
            old = names[name]
            if old not in (*OMITTABLE, *_TRANSPORT):
                continue
            self._refused.add(name)
            new = self._substitute(old, words)
            if new is None and old == "max_tokens" and self._budget:
                return False  # the refusal is what the user reads
            self.changes[old] = new
            learned = True
            self._say(old, name, reason_of(error))
        return learned

    def _substitute(self, old: str, words: str) -> str | None:
        """Return the other name of a parameter; None: leave it out."""
        named = [w for w in _INSTEAD.findall(words) if old in _kin(w)]
        # The limit on an answer has two names in the API itself: the other one is tried too.
        others = [*named, *(LIMIT_NAMES if old == "max_tokens" else ())]
        return next((n for n in others if n not in self._refused), None)

    def _say(self, old: str, name: str, reason: str) -> None:
        new = self.changes[old]
        done = f"it is sent as {new}" if new is not None else "it is left out"
        _log.warning("%s refuses %s, so %s from now on: %s", self.spec, name, done, reason)


def describe_changes(spec: str, changes: Mapping[str, str | None]) -> str:
    """Return one sentence on what a server made of a model's parameters."""
    parts = [
        f"{old} was left out" if new is None else f"{old} was sent as {new}"
        for old, new in sorted(changes.items())
    ]
    return f"{spec}: {', '.join(parts)}, because its server refuses it otherwise."


def refused_names(error: Any, names: list[str]) -> list[str]:
    """Return which of the parameters that were sent a refusal is about.

    Parameters
    ----------
    error : object
        The refusal, of any shape.
    names : list of str
        The parameters.
    """
    structured = _structured(error)
    words = words_of(error)
    if not _REFUSES.search(words):
        return []
    if found := [n for n in names if n in structured]:
        return found
    text = _INSTEAD.sub(" ", _LISTS.sub(" ", said_in(error)))
    return [n for n in names if re.search(rf"(?<![\w.]){re.escape(n)}(?!\w)", text)]


def _structured(error: Any) -> set[str]:
    """Return the names in an error's own fields: ``param`` of the API, ``loc`` of pydantic."""
    if isinstance(error, list):
        return {name for e in error for name in _structured(e)}
    if not isinstance(error, dict):
        return set()
    found = {error["param"]} if isinstance(error.get("param"), str) else set()
    if isinstance(error.get("loc"), list):
        found |= {p for p in error["loc"] if isinstance(p, str)}
    return found.union(*(_structured(v) for v in error.values()))


def _kin(name: str) -> tuple[str, ...]:
    """Return which parameters may be called so."""
    if name.startswith("max_") and name.endswith("tokens"):
        return ("max_tokens",)
    return ("seed",) if name.endswith("seed") else ()


def _read_query(spec: str, query: str) -> tuple[int, frozenset[str]]:
    limit, omitted = MAX_COMPLETION_TOKENS, frozenset[str]()
    seen: set[str] = set()
    for part in query.split("&") if query else ():
        key, _, value = part.partition("=")
        if key in seen:
            raise ConfigError(f"The model {spec!r} has the parameter {key!r} twice.")
        seen.add(key)
        if key == "max_tokens":
            if not value.isdecimal() or not int(value):
                raise ConfigError(
                    f"max_tokens of the model {spec!r} is a number from 1, not {value!r}."
                )
            limit = int(value)
        elif key == "omit":
            omitted = frozenset(value.split(","))
            if unknown := sorted(omitted - set(OMITTABLE)):
                raise ConfigError(
                    f"omit of the model {spec!r} is a list of {', '.join(OMITTABLE)}, without "
                    f"{unknown[0]!r}."
                )
        else:
            raise ConfigError(
                f"The model {spec!r} may have the parameters max_tokens=N and "
                f"omit={','.join(OMITTABLE)}, not {key!r}."
            )
    if "max_tokens" in omitted and "max_tokens" in seen:
        raise ConfigError(f"The model {spec!r} has a limit max_tokens that it omits: choose one.")
    return limit, omitted
