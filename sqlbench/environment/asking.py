"""What an action sends to the model."""

from __future__ import annotations

from collections.abc import Sequence

from sqlbench.episodes.known import Known
from sqlbench.episodes.repair import GENERATE, FailedAttempt, Message, Prompts, RepairAction
from sqlbench.suites import Question


def make_messages(
    prompts: Prompts,
    action: str,
    question: Question,
    schema: str,
    dialect: str,
    told: Sequence[FailedAttempt],
    token: str | None,
    known: Known | None,
) -> tuple[Message, ...]:
    """Return the messages of an action.

    Parameters
    ----------
    prompts : Prompts
        The texts.
    action : str
        ``generate`` or a repair.
    question : Question
        What is asked; its gold is not read.
    schema, dialect : str
        Of its database.
    told : sequence of FailedAttempt
        The attempts so far.
    token : str or None
        What the last error complains of.
    known : Known or None
        What the signals say of the last attempt.
    """
    asked = {
        "schema": schema,
        "dialect": dialect,
        "question": question.text,
        "evidence": question.evidence,
    }
    if action == GENERATE:
        return prompts.generate(**asked)
    return prompts.repair(
        RepairAction(action),
        attempts=told,
        token=token,
        facts=known.facts if known else (),
        signals=known.evidence if known else (),
        **asked,
    )
