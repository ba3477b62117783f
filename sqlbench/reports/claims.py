"""What a run's report claims: each claim is checked where its condition holds, and said where not.

A claim that does not hold stops the report: then the run, or this program, is broken.
"""

from __future__ import annotations

from sqlbench.analysis import COMPONENTS, halves
from sqlbench.runs.run import Run
from sqlbench.runs.summary import rates
from sqlbench.words import counted


def check_claims(run: Run) -> list[str]:
    """Check what a report claims, and return a sentence for each claim.

    Raises
    ------
    AssertionError
        If a claim does not hold whose condition does.
    """
    return [_all_kept(run), _in_order(run), _adds_up(run), _are_probabilities(run), _learned(run)]


def _all_kept(run: Run) -> str:
    done, failed, total = len(run.log), len(run.failed), run.config.episodes
    assert len({e.index for e in run.log}) == done, "no episode is logged twice"
    if done + failed < total:
        return (
            "Not claimed: that every episode is accounted for. The run stopped after "
            f"{done + failed} of {total}, and goes on when its command is repeated."
        )
    assert done + failed == total, "every episode is logged or counted as failed"
    return f"Every episode is logged ({done}) or counted as failed ({failed})."


def _in_order(run: Run) -> str:
    found = rates(run)
    assert found["first"].count <= found["any"].count, "a right first answer counts for any"
    assert found["field"].count <= found["any"].count, "a right answer in the field counts for any"
    return "No rate is above the one that contains it: first ≤ any, field ≤ any."


def _adds_up(run: Run) -> str:
    steps = run.steps
    if not len(steps):
        return "Not claimed: that rewards add up. There is no attempt."
    gap = (steps[list(COMPONENTS)].sum(axis=1) - steps["reward"]).abs().max()
    assert gap < 1e-9, "the four components sum to the reward"
    return "In every attempt the four components sum to the reward."


def _are_probabilities(run: Run) -> str:
    steps = run.steps
    repairs = steps[steps["context_error_class"].notna()]
    if not len(repairs):
        return "Not claimed: that propensities are probabilities. No repair was chosen."
    assert repairs["propensity"].dropna().between(0, 1).all(), "propensities are probabilities"
    assert steps.loc[steps["attempt"] == 1, "propensity"].isna().all(), "attempt 1 has no arm"
    return "Every logged propensity is a probability, and attempt 1 has none."


def _learned(run: Run) -> str:
    c = run.config
    if c.max_attempts == 1:
        return "Not claimed: that the policy learned. With one attempt nothing is repaired."
    learned = halves(run)
    if learned is None:
        return (
            "Not claimed: that the policy learned. A half of the episodes has no failure to repair."
        )
    half = "half" if run.finished else f"half of {counted(len(run.log), 'episode')}"
    seen = (
        f"{learned.early:.0%} of {counted(learned.early_failures, 'failure')} in the first {half}, "
        f"{learned.late:.0%} of {learned.late_failures} later"
    )
    # Of the run that the notebook shows it is known; of another nobody promised it.
    shown = (c.suite, c.model, c.policy, c.feedback, c.learner) == (
        "marketplace", "simulated", "linucb", "oracle", "standard",
    )  # fmt: skip
    plain = c.task is None and c.repair_model is None and c.start_from is None and c.seed == 0
    if shown and plain and c.max_attempts == 5 and c.episodes >= 300 and run.finished:
        assert learned.late > learned.early, "the bandit repairs more in the second half"
        return f"The bandit repairs more in the second half: {seen}."
    return (
        "Not claimed of this run: that the policy repairs more with time, which is checked of the "
        f"notebook's own experiment alone. It repaired {seen}."
    )
