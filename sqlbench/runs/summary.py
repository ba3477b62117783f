"""What a run comes to: its rates with their intervals, its tokens and what they cost.

Episodes on the same question are not independent: intervals over episodes count
questions (`sqlbench.stats.intervals`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple
from typing import TYPE_CHECKING, Any

import numpy as np

from sqlbench.episodes.episode import Episode, Step
from sqlbench.episodes.repair import KEEP
from sqlbench.episodes.sample import Sample
from sqlbench.models.base import Usage
from sqlbench.models.endpoint.parameters import describe_changes
from sqlbench.policies.arms import ARM_NAMES
from sqlbench.runs.endpoints import endpoint_notes
from sqlbench.runs.missing import survivors_note
from sqlbench.runs.pass_at import pass_at_k
from sqlbench.signals.audit import takes_new
from sqlbench.stats import ROUGH, Rate, rate, rough_note
from sqlbench.words import carried, counted

if TYPE_CHECKING:
    from sqlbench.runs.run import Run


def rates(run: Run) -> dict[str, Rate]:
    """Return the rates that every report gives, clustered by question.

    ``first``: attempt 1 is right. ``field``: where an agent without an oracle stops. ``gated``:
    where one stops that goes by doubt, if the signals of every attempt were measured. ``any``: any
    attempt is right. ``repaired``: the episode succeeds, given that attempt 1 failed; of no episode
    where one attempt is all there is. With ``feedback="always"`` instead of that: ``fixed`` of the
    wrong first answers, ``broken`` of the right ones, and, where the signals were measured, both if
    an audit by the doubts decides which of the two answers is kept (`sqlbench.signals.audit`).
    """
    # From the log itself: a frame would cost each run the import of pandas.
    log, limit = sorted(run.log, key=lambda e: e.index), run.config.max_doubt
    result = {
        "first": _rate(log, [e.first for e in log]),
        "field": _rate(log, [e.field for e in log]),
        **({"gated": _rate(log, [bool(e.gated(limit)) for e in log])} if run.measured else {}),
        "any": _rate(log, [e.any for e in log]),
    }
    right, wrong = [e for e in log if e.first], [e for e in log if not e.first]
    failed = wrong if run.config.max_attempts > 1 else []
    repaired = _rate(failed, [e.success for e in failed])
    if run.config.feedback == "always":
        broken = _rate(right, [not e.success for e in right])
        return result | {"fixed": repaired, "broken": broken} | _audited(run)
    return result | {"repaired": repaired}


def _rate(episodes: Sequence[Episode], outcomes: Sequence[bool]) -> Rate:
    return rate(np.array(outcomes, dtype=bool), [carried(e.question_id) for e in episodes])


def _audited(run: Run) -> dict[str, Rate]:
    """Return what fixed and broken come to if the doubts decide which of both answers is kept."""
    if not run.measured:
        return {}
    found: dict[bool, tuple[list[bool], list[str]]] = {True: ([], []), False: ([], [])}
    for episode in run.log:
        old, new = episode.steps[0], episode.steps[-1]
        kept = new if takes_new(*(_doubt(s) for s in (old, new))) else old
        outcomes, questions = found[old.success]
        outcomes.append(kept.success != old.success)
        questions.append(episode.question_id)
    return {"audited_fixed": rate(*found[False]), "audited_broken": rate(*found[True])}


def _doubt(step: Step) -> float | None:
    """Return an attempt's doubt; None if it raised."""
    return None if step.row_count is None or step.known is None else step.known.doubt


def summarize(run: Run) -> dict[str, Any]:
    """Return what ``summary.json`` holds: rates, costs, and what was left out."""
    log, config = run.log, run.config
    arms = Counter(str(s.action) for e in log for s in e.steps)
    lost = sum(f["error_class"] == "database_error" for f in run.failed)
    return {
        "run": run.label,
        "simulated": run.simulated,
        "caveat": run.caveat,
        "feedback": config.feedback,
        "episodes": len(log),
        "questions": len({carried(e.question_id) for e in log}),
        "model_errors": len(run.failed) - lost,
        "database_errors": lost,
        "invalid_questions": len(run.meta["invalid_questions"]),
        **({"cut_answers": cut} if (cut := cut_answers(run)) else {}),
        "not_reproducible": sum(not s.reproducible for e in run.log for s in e.steps),
        "rates": {name: asdict(r) for name, r in rates(run).items()},
        "mean_attempts": _mean([len(e.steps) for e in log]),
        "mean_total_reward": _mean([e.total_reward for e in log]),
        "model_calls": sum(e.model_calls for e in log),
        **costs(run),
        "arms": {arm: arms[arm] for arm in ARM_NAMES if arm != KEEP or arm in arms},
        **_passed(run),
    }


def notes_of(run: Run) -> list[str]:
    """Return what a table of a run must say below its numbers."""
    found = run.changes.items()
    notes = [*run.meta["notes"], *run.meta["invalid_questions"].values()]
    notes += [describe_changes(spec, changes) for spec, changes in found]
    notes += endpoint_notes(run.meta)
    if cut := cut_answers(run):
        notes.append(
            f"{counted(cut, 'answer')} cut off at the limit of tokens: raise it with "
            "openai:NAME?max_tokens=N."
        )
    for note in (rough_rates(run), survivors_note(run)):
        notes += [] if note is None else [note]
    return notes


def rough_rates(run: Run) -> str | None:
    """Say which rates have a rough interval, if any has."""
    if not run.log:
        return None
    found = rates(run)
    names: dict[int, list[str]] = {}
    for name, estimate in sorted(found.items(), key=lambda item: item[1].clusters):
        if 0 < estimate.clusters < ROUGH:
            names.setdefault(estimate.clusters, []).append(name)
    if not names:
        return None
    if list(names.values()) == [list(found)]:
        return rough_note(*names)
    return rough_note(*names, of=[", ".join(some) for some in names.values()])


def cut_answers(run: Run) -> int:
    """Count the answers that the limit on their length cut off."""
    return sum(s.cut for e in run.log for s in e.steps)


def _passed(run: Run) -> dict[str, Any]:
    """Return pass@k of a run with several samples a question; others know no such field."""
    if run.config.samples == 1:
        return {}
    rows = pass_at_k(run).itertuples() if run.log else ()
    return {"pass_at": {str(r.Index): [_rounded(v) for v in (r.rate, r.low, r.high)] for r in rows}}


def costs(run: Run) -> dict[str, Any]:
    """Return a run's tokens, what they cost, and both for each solved question.

    They are those of the answers in the log, whether they were called for or came from a store; a
    solved question is one with an episode that ended right. Without a price costs are None.
    """
    first, later = usages(run.log)
    usage = Usage(*(a + b for a, b in zip(astuple(first), astuple(later), strict=True)))
    solved = len({e.question_id for e in run.log if e.success})
    cost = cost_of(run, first, later)
    tokens = usage.prompt_tokens + usage.completion_tokens
    return {
        **asdict(usage),
        "cost": None if cost is None else _rounded(cost),
        "questions_solved": solved,
        "tokens_per_solved": _rounded(tokens / solved) if solved else None,
        "cost_per_solved": _rounded(cost / solved) if solved and cost is not None else None,
    }


def usages(log: Iterable[Episode]) -> tuple[Usage, Usage]:
    """Return the tokens of first answers, and those of repairs: two models may have made them."""
    log = list(log)
    first: Iterable[Sequence[Step | Sample]] = ((*e.steps[:1], *e.others) for e in log)
    return _usage(first), _usage(e.steps[1:] for e in log)


def cost_of(run: Run, first: Usage, later: Usage) -> float | None:
    """Return what so many tokens of a run's models cost; None without a price for each."""
    prices, config = run.prices, run.config
    if not config.paid_models or not prices.keys() >= set(config.paid_models):
        return None
    who = (config.model, first), (config.repair_model or config.model, later)
    return sum(prices[model].cost(used) for model, used in who if model in prices)


def _usage(episodes: Iterable[Sequence[Step | Sample]]) -> Usage:
    steps = [s for steps in episodes for s in steps]
    return Usage(
        sum(s.prompt_tokens for s in steps),
        sum(s.completion_tokens for s in steps),
        sum(s.cached_tokens for s in steps),
        sum(s.reasoning_tokens for s in steps),
    )


def _mean(values: Sequence[float]) -> float | None:
    return _rounded(np.mean(values)) if values else None


def _rounded(value: Any) -> float:
    return round(float(value), 6)
