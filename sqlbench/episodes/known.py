"""What was known of an attempt without its gold, as its log keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

MAX_DOUBT = 0.5
"""The doubt from which on the gate repairs, where nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the signals said of an attempt.

    Attributes
    ----------
    doubt : float
        A calibrated probability that its answer is wrong.
    evidence : tuple of str
        Why, most telling first; a sentence each.
    facts : tuple of str
        What the database holds instead; a sentence each.
    features : tuple of float
        What a policy's block ``signals`` sees, named by `sqlbench.episodes.context.BLOCKS`.
    """

    doubt: float
    evidence: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    features: tuple[float, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "doubt": self.doubt,
            "evidence": list(self.evidence),
            "facts": list(self.facts),
            "features": list(self.features),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Known:
        """Read what `record` wrote."""
        return cls(
            record["doubt"],
            tuple(record["evidence"]),
            tuple(record["facts"]),
            tuple(record["features"]),
        )
