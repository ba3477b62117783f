"""Make the pictures of the README's gallery, from runs of the simulated model.

Run: python docs/figures/gallery.py  (500 episodes of four policies; about ten seconds)
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from PIL import Image

import sqlbench as sb
from sqlbench import plots
from sqlbench.plots.painter import png

FOLDER = Path(__file__).parent
POLICIES = ("linucb", "table", "rules", "random")


def save(figure, name):
    """Keep a figure."""
    figure.savefig(FOLDER / f"{name}.png", dpi=90, bbox_inches="tight")
    shrink(FOLDER / f"{name}.png")


def shrink(path):
    """Rewrite a picture with a palette."""
    # A palette is a quarter of the bytes, and the figures have few colours.
    Image.open(path).convert("RGB").quantize(128).save(path, optimize=True)


def main():
    """Make the runs and their pictures."""
    suite = sb.load_suite("marketplace")
    runs = [
        asyncio.run(sb.run_experiment(suite, "simulated", policy, episodes=500, progress=False))
        for policy in POLICIES
    ]
    save(plots.rates(runs).figure, "gallery_rates")
    save(plots.learning_curve(runs).figure, "gallery_learning")
    save(plots.arm_selection(runs[:3]).figure, "gallery_arms")
    save(plots.reward_breakdown(runs[0]).figure, "gallery_reward")
    save(plots.error_arm_heatmap(runs[0]).figure, "gallery_repairs")
    save(plots.arm_estimates(runs[0]), "gallery_estimates")
    (FOLDER / "gallery_monitor.png").write_bytes(png(runs[0]))
    shrink(FOLDER / "gallery_monitor.png")


if __name__ == "__main__":
    main()
