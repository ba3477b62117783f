"""Signals: what can be known of an answer without its gold.

A signal reads the question, the statement, the schema, the data or the result; it never sees a
gold and calls no model. `diagnose` runs them all and puts them together: how doubtful the answer
is (`Diagnosis.doubt`, a calibrated probability that it is wrong), why (`Diagnosis.evidence`), and
what the database holds instead (`Diagnosis.facts`).

The wing stands below `sqlbench.grading`, so that no gold can be reached from here.
"""

from sqlbench.databases.base import Outcome
from sqlbench.signals.base import (
    AbsentValue,
    Diagnosis,
    Emptying,
    Facts,
    JoinPath,
    NearNames,
    Signal,
)
from sqlbench.signals.diagnose import adiagnose, diagnose

__all__ = [
    "AbsentValue",
    "Diagnosis",
    "Emptying",
    "Facts",
    "JoinPath",
    "NearNames",
    "Outcome",
    "Signal",
    "adiagnose",
    "diagnose",
]
