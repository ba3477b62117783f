"""What a model's first answers do wrong, and whether a repair bandit is likely to pay for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sqlbench.episodes.context import SIGNAL_FEATURES
from sqlbench.episodes.errors import ErrorClass
from sqlbench.evidence.first_answers import FirstAnswers
from sqlbench.evidence.pays import (
    BEST_FIXED,
    ORACLE,
    POLICIES,
    SETTINGS,
    Paid,
    crossings,
    paid_table,
    play_all,
)
from sqlbench.evidence.worlds import POINTS_AT, Failures, shares_of
from sqlbench.stats import points_text, rate
from sqlbench.words import markdown_table

_FEW = 100
_WORLDS = {
    "full": "full",
    "half": "half",
    "quarter": "a quarter",
    "signals": "full, and the signals say which arm",
}


@dataclass(frozen=True)
class Advice:
    """What is known of a model, and what was simulated for it.

    Attributes
    ----------
    answers : FirstAnswers
        Its graded first answers.
    paid : tuple of Paid
        What policies reached on its failures under each assumption.
    """

    answers: FirstAnswers
    paid: tuple[Paid, ...]

    def text(self) -> str:
        """Return the page, as Markdown."""
        return "\n\n".join(
            [*_wrong(self.answers), *self._brings(), *self._crossings(), *self._says(), _UNKNOWN]
        )

    def _brings(self) -> list[str]:
        frame = paid_table(self.paid)
        wrong = 1.0 - float(self.answers.right.mean())
        rows = []
        for world in self.paid:
            best = _best(world)
            mine = frame[(frame["setting"] == world.setting) & (frame["policy"] == best)].iloc[0]
            gains = [
                points_text(*(mine[f"{o}{end}"] / 100 for end in ("", "_low", "_high")))
                for o in ("rules", "table", BEST_FIXED)
            ]
            fixed = float(mine["fixed"])
            name, points = f"`{best}`", f"{100 * fixed * wrong:+.1f}"
            rows.append([_WORLDS[world.setting], name, f"{fixed:.1%}", points, *gains])
        n = next(iter(self.paid[0].values.values())).shape
        return [
            "## What the best learning policy brings (simulated)",
            f"One repair of each of {n[1]:,} failures like these, {n[0]} seeds; points with their "
            "paired 95% intervals over seeds. How sharp the matrix is (how much a prompt made for "
            "an error gains over others) is an **assumption**; nobody has measured it.",
            markdown_table(
                ["sharpness (assumed)", "best learner", "failures mended", "points of accuracy",
                 "over `rules`", "over `table`", "over the best fixed arm"],
                rows,
            ),
        ]  # fmt: skip

    def _crossings(self) -> list[str]:
        n = self.paid[0].values[ORACLE].shape[1]
        wrong = 1.0 - float(self.answers.right.mean())
        rows = []
        for policy in ("linucb", "hybrid"):
            for r in crossings(self.paid, policy, ["rules", "table"]).to_dict("records"):
                found, low, high = (float(r[k]) for k in ("crossing", "low", "high"))
                ends = f"{count_text(found)} [{count_text(low)}, {count_text(high)}]"
                asked = "—" if np.isinf(found) else f"{found / wrong:,.0f}"
                rows.append([f"`{policy}`", _WORLDS[r["setting"]], f"`{r['over']}`", ends, asked])
        return [
            "## After how many failures a bandit is ahead (simulated)",
            "From there on it has mended more, all in all, and stays ahead; never: not within "
            f"{n:,} failures.",
            markdown_table(
                ["policy", "sharpness (assumed)", "ahead of", "failures [95%]", "questions"], rows
            ),
        ]

    def _says(self) -> list[str]:
        return ["## What follows", "\n".join(f"- {line}" for line in self.follows())]

    def follows(self) -> list[str]:
        """Return what can be done about it, a sentence each."""
        failures = Failures.of_answers("these", self.answers)
        shares = shares_of(failures)
        first, share = next(iter(shares.items()))
        lines = [
            f"{failures.raised:.0%} of the failures raise an error; {share:.0%} are `{first}`. "
            + (
                "An error class tells most of them apart: a policy that learns by class can pay."
                if failures.raised >= 0.3
                else "An error class tells few of them apart: look at the signals "
                "(`sqlbench check`) or at more samples before a bandit."
            )
        ]
        if len(self.answers.failures) < _FEW:
            lines.append(
                f"There are {len(self.answers.failures)} failures: too few for shares by class "
                "that can be relied on; grade more answers."
            )
        half = next(p for p in self.paid if p.setting == "half")
        best = _best(half)
        gain, low, high = half.gained(best, "rules")
        over_fixed = half.gained(best, BEST_FIXED)
        if low > 0 and over_fixed[1] > 0:
            lines.append(
                f"At half the assumed sharpness `{best}` mends {gain:+.1f} points [{low:+.1f}, "
                f"{high:+.1f}] more of the failures than `rules`, and more than any fixed arm: "
                f"worth a run, `sqlbench run --policy {best}`."
            )
        elif low > 0:
            beside = "clearly less" if over_fixed[2] < 0 else "not clearly more"
            lines.append(
                f"At half the assumed sharpness `{best}` mends {gain:+.1f} points [{low:+.1f}, "
                f"{high:+.1f}] more than `rules`, but {beside} than the best fixed arm: "
                "find that arm first, with `sqlbench run --policy halving`."
            )
        else:
            lines.append(
                f"At half the assumed sharpness no learner mends clearly more than `rules` within "
                f"{half.values[best].shape[1]:,} failures ({gain:+.1f} points [{low:+.1f}, "
                f"{high:+.1f}]): stay with `--policy rules`."
            )
        lines.append(
            "Compare with as many samples as repairs: `sqlbench run --samples 5 --choose "
            "agreement --max-attempts 1`."
        )
        return lines


_UNKNOWN = """## What this cannot know

- Which prompt mends which error in *your* model: the matrix is assumed. `sqlbench collect`
  measures it.
- How often a repair breaks a right answer (`--feedback always` measures it), and whether you can
  tell a wrong answer from a right one without a gold (`sqlbench check`).
- Later repairs of the same question: each failure is repaired once here.
- Other questions and databases than those that were graded."""


def advise(
    answers: FirstAnswers,
    *,
    policies: Sequence[str] = POLICIES,
    seeds: Sequence[int] = tuple(range(20)),
    decisions: int = 1000,
) -> Advice:
    """Simulate what policies would make of a model's failures under each assumption.

    Parameters
    ----------
    answers : FirstAnswers
        The graded first answers; where their signals were measured, these are a context too.
    policies : sequence of str
        Which.
    seeds : sequence of int
        At least two.
    decisions : int
        Failures repaired by each.

    Raises
    ------
    ConfigError
        If no answer is wrong.
    """
    failures = Failures.of_answers(", ".join(answers.names), answers)
    paid = play_all([failures], tuple(SETTINGS), policies, seeds=seeds, decisions=decisions)
    return Advice(answers, tuple(paid))


def count_text(failures: float) -> str:
    """Return a number of failures, or that it is never reached."""
    return "never" if np.isinf(failures) else f"{failures:,.0f}"


def _best(world: Paid) -> str:
    """Return the learning policy that mends most."""
    learners = [p for p in world.values if p in POLICIES and p != "rules"]
    return max(learners, key=lambda p: float(world.values[p].mean()))


def _wrong(answers: FirstAnswers) -> list[str]:
    n = len(answers)
    right = rate(answers.right, answers.question_ids)
    counts = answers.counts()
    wrong = answers.failures
    of = [answers.question_ids[i] for i in wrong]
    classes = np.array([str(answers.classes[i]) for i in wrong])
    raised = rate(answers.raised[wrong], of)
    rows = [
        [f"`{c}`", rate(classes == c, of)]
        for c in sorted(map(str, ErrorClass), key=lambda c: -counts[c])
        if counts[c]
    ]
    parts = [
        f"# Would a repair bandit pay for {', '.join(answers.names)}?",
        f"{n:,} answers to {len(set(answers.question_ids)):,} questions of `{answers.suite}`, by "
        f"`{answers.metric}`. Right: {right}. Of the failures {raised} raised an error.",
        "## What is wrong",
        markdown_table(["class", "of the failures [95%]"], rows),
    ]
    if answers.signals is not None:
        silent = [
            i
            for i in answers.failures
            if answers.classes[i] in (ErrorClass.WRONG_RESULT, ErrorClass.EMPTY_RESULT)
        ]
        block = answers.signals[silent]
        rows = []
        for kind, arm in POINTS_AT.items():
            count = int(block[:, SIGNAL_FEATURES.index(f"speaks={kind}")].sum())
            share = f"{count / max(len(silent), 1):.1%}"
            rows.append([kind, count, share, f"`{arm}`"])
        doubted = float((block[:, 0] >= 0.5).mean()) if len(silent) else 0.0
        parts += [
            f"Signals that speak of the {len(silent):,} failures that raised nothing; doubt is 0.5 "
            f"or more for {doubted:.0%} of them:",
            markdown_table(["signal", "failures", "share", "points at (assumed)"], rows),
        ]
    return parts
