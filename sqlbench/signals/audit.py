"""After a repair: keep the old answer or take the new one, by what the signals say of both.

Repairs break right answers. Nobody says which, but the doubts do: an answer that its repair makes
more doubtful is kept. What raised is never kept where the repair ran.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sqlbench.exceptions import ConfigError
from sqlbench.signals.choice import Candidate, agreement
from sqlbench.signals.choice_weights import log_odds

MARGIN = 0.2
"""By how much the log-odds of being right must rise for the new answer to be taken: the old one is
the model's first thought, and between two that are as likely nothing is gained by a change."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit says of a repair.

    Attributes
    ----------
    takes_new : bool
        Whether the repaired answer is the one to go on with.
    gain : float
        By how much the log-odds of being right rise; inf and −inf where one of the two raised.
    """

    takes_new: bool
    gain: float


def audit(old: Candidate, new: Candidate, *, margin: float = MARGIN) -> Audit:
    """Say whether a repair is to be taken.

    Parameters
    ----------
    old, new : Candidate
        The answer before and after the repair, with their doubts (`weigh`).
    margin : float
        By how much the log-odds of being right must rise.

    Raises
    ------
    ConfigError
        If an answer that ran has no doubt.
    """
    if new.raised:
        return Audit(old.raised, -np.inf if not old.raised else 0.0)
    if old.raised:
        return Audit(True, np.inf)
    if old.doubt is None or new.doubt is None:
        raise ConfigError("An audit needs the doubt of both answers: see `weigh`.")
    before, after = log_odds(np.array([old.doubt, new.doubt])).tolist()
    if agreement([old.outcome, new.outcome])[0, 1]:
        return Audit(False, after - before)
    return Audit(after - before > margin, after - before)


def takes_new(old: float | None, new: float | None, *, margin: float = MARGIN) -> bool:
    """Say the same from a log, by the two doubts alone; None stands for an answer that raised."""
    if new is None or old is None:
        return old is None
    before, after = log_odds(np.array([old, new])).tolist()
    return bool(after - before > margin)


def audit_chain(answers: Sequence[Candidate], *, margin: float = MARGIN) -> int:
    """Return the place of the answer that stands at the end of a chain of repairs.

    Parameters
    ----------
    answers : sequence of Candidate
        The first answer and its repairs, in order; at least one.
    margin : float
        As for `audit`: each repair is held against the answer that stood before it.
    """
    if not answers:
        raise ConfigError("There is no answer to audit.")
    kept = 0
    for place in range(1, len(answers)):
        if audit(answers[kept], answers[place], margin=margin).takes_new:
            kept = place
    return kept
