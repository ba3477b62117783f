"""What was known of an attempt without its gold, as its log keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Known:
    """What the signals said of an attempt.

    Attributes
    ----------
    doubt : float
        A calibrated probability that its answer is wrong.
    evidence : tuple of str
        Why, most telling first; a sentence each.
    facts : str
        What the database holds instead, as the next repair prompt tells it; empty where there is
        nothing to say.
    features : tuple of float
        What a policy's block ``signals`` sees, named by `sqlbench.episodes.context.BLOCKS`.
    """

    doubt: float
    evidence: tuple[str, ...] = ()
    facts: str = ""
    features: tuple[float, ...] = ()

    def record(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "doubt": self.doubt,
            "evidence": list(self.evidence),
            "facts": self.facts,
            "features": list(self.features),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Known:
        """Read what `record` wrote."""
        return cls(
            record["doubt"],
            tuple(record["evidence"]),
            record["facts"],
            tuple(record["features"]),
        )
