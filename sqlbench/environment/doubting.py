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
    return known_of(await adiagnose(question.asked, sql, database, outcome))


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
    reads = {definition.name: definition.reads for definition in SIGNALS}
    speaking = {reads[s.name] for s in found.signals if s.evidence}
    facts = {
        "names": found.facts.names,
        "values": found.facts.values,
        "paths": found.facts.paths,
        "emptied": found.facts.emptied,
    }
    values = {"doubt": round(found.doubt, 4)}
    values |= {f"speaks={kind}": float(kind in speaking) for kind in _kinds()}
    values |= {f"fact={kind}": float(bool(held)) for kind, held in facts.items()}
    return tuple(values[name] for name in SIGNAL_FEATURES)


def _kinds() -> list[str]:
    return [n.partition("=")[2] for n in SIGNAL_FEATURES if n.startswith("speaks=")]
