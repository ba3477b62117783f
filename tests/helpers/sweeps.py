"""A sweep that several modules of tests look at, and the bytes of its cells."""

from __future__ import annotations

from pathlib import Path

GRID = """
suite: marketplace
model: simulated
policy: [linucb, random, rules]
seed: 0-1
episodes: 120
lag: 3
"""


def bytes_of(folder: Path) -> dict[str, list[bytes]]:
    names = ("episodes.jsonl", "policy.npz", "summary.json", "run.json")
    cells = sorted(p for p in (folder / "runs").iterdir() if p.is_dir())
    return {c.name: [(c / name).read_bytes() for name in names] for c in cells}
