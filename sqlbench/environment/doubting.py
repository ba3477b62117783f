"""What the signals say of an attempt, and when they are asked."""

from __future__ import annotations

from typing import Literal, get_args

from sqlbench.databases.base import Database, QueryError, QueryResult
from sqlbench.environment.judging import Feedback
from sqlbench.episodes.context import SIGNAL_FEATURES
from sqlbench.episodes.known import Known
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.models.base import ChatModel
from sqlbench.policies import Policy
from sqlbench.policies.registry import blocks_of
from sqlbench.signals import Diagnosis, adiagnose
from sqlbench.signals.facts import sentences
from sqlbench.signals.registry import SIGNALS
from sqlbench.suites import Question

Ground = Literal["on", "off"]
GROUNDS: tuple[str, ...] = get_args(Ground)
_SENTENCES = 5  # of each kind that a prompt tells and a log keeps
_MOST = 1_024
# Of diagnoses that are said again and again, by their id: each is kept with it, and so is its id.
_KNOWN: dict[int, tuple[Diagnosis, Known]] = {}
_READS = {definition.name: definition.reads for definition in SIGNALS}
# Each feature, with the kind of signal that it tells of, if it does.
_FEATURE_KINDS = [
    (n, n.partition("=")[2] if n.startswith("speaks=") else None) for n in SIGNAL_FEATURES
]


def check_doubting(ground: Ground | None, max_doubt: float) -> None:
    """Refuse what is no way to ground, and no probability.

    Raises
    ------
    UnknownNameError, ConfigError
        If one of them will not do.
    """
    if ground is not None and ground not in GROUNDS:
        raise UnknownNameError("ground", ground, GROUNDS)
    if not 0 <= max_doubt <= 1:
        raise ConfigError(f"max_doubt is a probability from 0 to 1, not {max_doubt!r}.")


def is_grounded(ground: Ground | None, model: ChatModel | None) -> bool:
    """Whether repair prompts tell what the signals found.

    By default they do where a real model reads them: a simulated one reads no prompt, and an agent
    with a model of its own asks for signals where it wants them.
    """
    return ground == "on" or (ground is None and model is not None and not model.simulated)


def is_measured(grounded: bool, feedback: Feedback, policy: Policy, wanted: bool) -> bool:
    """Whether a prompt, the gate, the policy's context or the caller asks for the signals."""
    return grounded or wanted or feedback == "signals" or "signals" in blocks_of(policy)


async def know(
    question: Question, sql: str, database: Database, outcome: QueryResult | QueryError
) -> Known:
    """Ask the signals about an attempt; no gold is in their reach."""
    found = await adiagnose(question.asked, sql, database, outcome)
    before = _KNOWN.get(id(found))
    if before is not None and before[0] is found:
        return before[1]
    known = known_of(found)
    if len(_KNOWN) >= _MOST:
        _KNOWN.clear()
    _KNOWN[id(found)] = found, known
    return known


def known_of(found: Diagnosis) -> Known:
    """Return what a log keeps of a diagnosis."""
    return Known(
        doubt=round(found.doubt, 4),
        evidence=found.evidence[:_SENTENCES],
        facts=sentences(found.facts)[:_SENTENCES],
        features=context_features(found),
    )


def context_features(found: Diagnosis) -> tuple[float, ...]:
    """Return a policy's block ``signals``, in the order of `SIGNAL_FEATURES`."""
    speaking = {_READS[s.name] for s in found.signals if s.evidence}
    facts = found.facts
    values = {
        "doubt": round(found.doubt, 4),
        "fact=names": float(bool(facts.names)),
        "fact=values": float(bool(facts.values)),
        "fact=paths": float(bool(facts.paths)),
        "fact=emptied": float(bool(facts.emptied)),
    }
    return tuple(
        [values[name] if kind is None else float(kind in speaking) for name, kind in _FEATURE_KINDS]
    )
