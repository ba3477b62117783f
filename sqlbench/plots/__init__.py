"""Figures: a function draws one question on an Axes, from runs or from what was computed of them.

`runs` draws one run or several (its functions are `sqlbench.plots`' own); `compare`, `evidence` and
`grading` draw what those wings made; `look` holds the colours. Uses everything below; nothing but
`widgets`, `cli` and notebooks use it. Begin with `runs`.
"""

from sqlbench.plots.look import shown
from sqlbench.plots.runs import (
    arm_estimate,
    arm_estimates,
    arm_selection,
    error_arm_heatmap,
    learning_curve,
    overview,
    rates,
    reward_breakdown,
)

__all__ = [
    "arm_estimate",
    "arm_estimates",
    "arm_selection",
    "error_arm_heatmap",
    "learning_curve",
    "overview",
    "rates",
    "reward_breakdown",
    "shown",
]
