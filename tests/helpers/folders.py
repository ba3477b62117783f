"""Where tests find what lies beside them."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
HELPERS = TESTS / "helpers"
DATA = TESTS / "data"
NOTEBOOKS = ROOT / "notebooks"
SHARED = ROOT.parent / "shared"
