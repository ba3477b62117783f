"""Profiles from stored records hold what the records say."""

from __future__ import annotations

import tomllib
from collections import Counter
from importlib import resources

import pytest

from sqlbench.episodes.context import Context
from sqlbench.episodes.errors import ErrorClass
from sqlbench.episodes.repair import RepairAction
from sqlbench.evidence import calibrate
from sqlbench.evidence.traces import SPIDER_REPAIRS, load_repairs
from sqlbench.exceptions import ConfigError
from sqlbench.models.simulated.profile import load_profile
from sqlbench.suites import load_suite

PROFILES = resources.files("sqlbench.models.simulated") / "profiles"


@pytest.fixture(scope="module")
def counts(spider_dir):
    suite = load_suite(f"spider:{spider_dir}")
    return calibrate.first_attempts(spider_dir / "official_verdicts.jsonl", suite)


@pytest.mark.slow
@pytest.mark.shared
def test_the_committed_profiles_are_what_the_records_give(counts, traces_dir):
    found = calibrate.repairs(load_repairs(traces_dir / SPIDER_REPAIRS))
    for name, (source, who) in calibrate.FIRST_ATTEMPTS.items():
        text = (PROFILES / f"{name}.toml").read_text(encoding="utf-8")
        assert text == calibrate.first_attempt_profile(source, who, counts[source])
    source, who = calibrate.FIRST_ATTEMPTS["chatgpt"]
    text = (PROFILES / "measured.toml").read_text(encoding="utf-8")
    assert text == calibrate.measured_profile(source, who, counts[source], found)


@pytest.mark.slow
@pytest.mark.shared
def test_most_real_failures_run_and_few_raise(counts):
    total: Counter[str] = sum(counts.values(), Counter())
    failures = total.total() - total[calibrate.RIGHT]
    silent = total["wrong_result"] + total["empty_result"]
    assert all(c.total() == 972 for c in counts.values())
    assert silent / failures > 0.9


@pytest.mark.shared
def test_repairs_are_counted_from_first_direct_ones_that_saw_the_schema(traces_dir):
    frame = load_repairs(traces_dir / SPIDER_REPAIRS)
    found = calibrate.repairs(frame)
    mine = frame[
        frame["model"].isin(calibrate.FAMILY)
        & frame["schema_shown"].astype(bool)
        & (frame["lookups_between"] == 0)
        & (frame["repair"] == 1)
        & (frame["before_class"] == "no_such_column")
    ]
    share = found.fixed[ErrorClass.NO_SUCH_COLUMN]
    assert (share.count, share.n) == (int((mine["outcome"] == "fixed").sum()), len(mine))
    assert 0.2 <= share.rate <= 0.5
    assert found.second.rate < found.first.rate


def test_the_measured_profile_assumes_no_gain_of_a_fitting_prompt():
    profile = load_profile("measured")
    for row in profile.repair.values():
        assert len(set(row.values())) == 1
    first = profile.p_fixed(Context(ErrorClass.WRONG_RESULT, 2), RepairAction.FIX_TABLE)
    again = profile.p_fixed(Context(ErrorClass.WRONG_RESULT, 3), RepairAction.REWRITE_CTE)
    assert again == pytest.approx(first * profile.retry[1])
    assert "not measured" in profile.source


@pytest.mark.parametrize("name", [*calibrate.FIRST_ATTEMPTS, "measured"])
def test_every_measured_rate_stands_with_its_count(name):
    text = (PROFILES / f"{name}.toml").read_text(encoding="utf-8")
    shares = tomllib.loads(text)["first_attempt"]
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-3)
    for key, value in shares.items():
        line = next(row for row in text.splitlines() if row.startswith(f"{key} = "))
        count, _, n = line.split("#")[1].split()
        assert int(count) / int(n) == pytest.approx(value, abs=1e-4)


def test_a_retry_list_of_another_length_is_refused(tmp_path):
    path = tmp_path / "profile.toml"
    path.write_text(
        'description = "x"\nsource = "x"\nbase = "default"\nretry = [1.0]\n', encoding="utf-8"
    )
    with pytest.raises(ConfigError, match=r"retry .*attempts 2 to 5"):
        load_profile(str(path))


def test_a_file_that_is_no_record_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no stored predictions"):
        list(calibrate._records(tmp_path / "none.jsonl"))
