"""Versions are pinned in one place, and the page that tells what was run names these."""

from __future__ import annotations

import re
import tomllib

from folders import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PINNED = ("verifiers", "trl", "inspect")
AUDITORS = ("rlenv-audit", "falsepass")


def pins() -> dict[str, str]:
    """The one version of each package that has one, by its name."""
    extras, groups = PROJECT["project"]["optional-dependencies"], PROJECT["dependency-groups"]
    listed = [text for extra in PINNED for text in extras[extra]]
    listed += [text for auditor in AUDITORS for text in groups[auditor]]
    return dict(text.split("==") for text in listed)


def test_the_makefile_pins_no_trainer_and_no_auditor():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert set(pins()) == {"verifiers", "trl", "inspect-ai", *AUDITORS, "rewardlint"}
    assert not [name for name in pins() if f"{name}==" in makefile]


def test_the_page_of_training_names_the_pinned_versions():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    (trl,) = re.findall(r"\(TRL ([\d.]+), torch", page)
    assert trl == pins()["trl"]
    audits = dict(re.findall(r"\| `([\w-]+) (?:score|audit)` \| ([\d.]+) ", page))
    assert audits == {auditor: pins()[auditor] for auditor in AUDITORS}
