"""Forget what this process knows of statements and answers, as a fresh one would."""

from __future__ import annotations

from sqlbench.databases.memo import MEMO
from sqlbench.grading import worth
from sqlbench.models import extract
from sqlbench.signals import kept


def forget() -> None:
    """Empty every memo of the process."""
    for memo in (MEMO, worth._KEPT, kept._KEPT, extract._KEPT):
        memo.clear()
