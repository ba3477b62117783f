"""First answers of anybody's model: counted, turned into a profile, advised on."""

from __future__ import annotations

import json
import sys
import tomllib

import numpy as np
import pytest
from folders import DATA

from sqlbench.cli import main
from sqlbench.evidence.advice import Advice
from sqlbench.evidence.first_answers import difficulty_spread, measure_first_answers
from sqlbench.evidence.pays import BEST_FIXED, Paid
from sqlbench.evidence.profile_file import profile_text
from sqlbench.evidence.stored_answers import StoredAnswer
from sqlbench.evidence.systems import PROFILES, family_of, stored_predictions
from sqlbench.exceptions import ConfigError, UnknownNameError
from sqlbench.models.simulated.profile import load_profile
from sqlbench.suites import load_suite

SPIDER = DATA / "small_spider"


@pytest.fixture(scope="module")
def suite():
    return load_suite(f"spider:{SPIDER}")


@pytest.fixture
def answered(suite, tmp_path):
    """Write a prediction file: the golds, but for what is given by place."""
    golds = [suite.question(e.question_id).gold for e in suite.entries]

    def write(name: str, wrong: dict[int, str]):
        path = tmp_path / f"{name}.jsonl"
        lines = [
            json.dumps({"index": i, "pred": wrong.get(i, gold)}) for i, gold in enumerate(golds)
        ]
        path.write_text("\n".join(lines))
        return path

    return write


WRONG = {0: "SELECT nonsense FROM baker", 1: "SELECT max(price) FROM cake WHERE 0", 2: "SELEC 1"}


def test_failures_are_counted_by_class_and_their_signals_measured(suite, answered):
    found = measure_first_answers(suite, [answered("mine", WRONG)], signals=True)
    counts = found.counts()
    assert counts["no_such_column"] == counts["syntax_error"] == 1
    assert counts["right"] == len(found) - len(found.failures)
    assert found.raised.sum() == 2
    assert found.signals[found.right].any() == np.False_
    assert found.signals[found.failures][:, 0].min() > 0, "each has a doubt"


def test_a_profile_says_what_was_measured_and_the_simulator_takes_it(suite, answered, tmp_path):
    found = measure_first_answers(suite, [answered("mine", WRONG)])
    text = profile_text(found, "My model")
    path = tmp_path / "mine.toml"
    path.write_text(text)
    profile = load_profile(str(path))
    assert profile.success == pytest.approx(found.right.mean(), abs=1e-4)
    n = len(found.failures)
    assert profile.first_attempt["no_such_column"] == pytest.approx(1 / n, abs=1e-4)
    assert profile.repair == load_profile("default").repair
    assert "My model" in profile.source and "assumption" in profile.source
    assert f"# 1 of {n}" in text and "difficulty_spread: assumed" in text


def test_several_answers_a_question_tell_how_far_questions_lie_apart(suite, answered):
    files = [answered(f"draw{i}", {0: "SELECT 1 + 1", 2: "SELEC 1"}) for i in range(4)]
    data = tomllib.loads(profile_text(measure_first_answers(suite, files)))
    assert data["difficulty_spread"] > 2, "always right or always wrong"


@pytest.mark.parametrize("spread", [0.5, 1.5])
def test_the_spread_of_difficulty_is_found_again(spread):
    rng = np.random.default_rng(0)
    p = 1 / (1 + np.exp(-(0.5 + spread * rng.standard_normal(3000))))
    right = {str(i): (rng.random(5) < q).tolist() for i, q in enumerate(p)}
    assert difficulty_spread(right) == pytest.approx(spread, abs=0.12)
    assert difficulty_spread({"a": [True], "b": [False]}) is None


def test_a_model_that_is_always_right_has_no_profile(suite, answered):
    found = measure_first_answers(suite, [answered("perfect", {})])
    with pytest.raises(ConfigError, match="nothing tells how they fail"):
        profile_text(found)


def test_a_stored_system_is_read_as_a_prediction_file(suite):
    names = [e.question_id for e in suite.entries]
    stored = [
        StoredAnswer(0, "SELECT 1", False, ("one", "two")),
        StoredAnswer(1, "SELECT 2", False, ("two",)),
    ]
    assert stored_predictions(stored, suite, "one").sql[names[0]] == "SELECT 1"
    assert stored_predictions(stored, suite, "one").sql[names[1]] == ""
    with pytest.raises(UnknownNameError, match="three"):
        stored_predictions(stored, suite, "three")


def test_the_packages_profiles_are_spread_over_accuracy():
    right = [load_profile(name).success for name in PROFILES]
    assert len(right) == 12 and right == sorted(right)
    assert right[0] < 0.3 and right[-1] > 0.75
    families = {family_of(system) for system in PROFILES.values()}
    assert len(families) >= 5


@pytest.mark.slow
@pytest.mark.shared
def test_a_committed_profile_is_what_the_record_gives(spider_dir):
    from importlib import resources

    from sqlbench.evidence.stored_answers import SYSTEMS, read_systems

    suite = load_suite(f"spider:{spider_dir}")
    stored = read_systems(spider_dir / SYSTEMS)
    folder = resources.files("sqlbench.models.simulated") / "profiles"
    for name in ("llama3-8b", "resdsql-natsql-3b"):
        predictions = stored_predictions(stored, suite, PROFILES[name])
        text = profile_text(measure_first_answers(suite, [predictions]))
        assert text == (folder / f"{name}.toml").read_text(encoding="utf-8")


def call(monkeypatch, capsys, *arguments: object) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["sqlbench", *map(str, arguments)])
    try:
        main()
        code = 0
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_advise_says_what_is_wrong_what_would_pay_and_what_is_not_known(
    answered, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "page.md"
    code, text, _ = call(
        monkeypatch, capsys, "advise", answered("mine", WRONG), "--suite", f"spider:{SPIDER}",
        "--seeds", "0-2", "--failures", 60, "--out", out,
    )  # fmt: skip
    assert code == 0
    assert out.read_text().strip() in text
    for part in ("What is wrong", "(simulated)", "ahead of", "What follows", "cannot know"):
        assert part in text
    assert "`no_such_column`" in text and "too few" in text and "assumption" in text
    assert text.count("full, and the signals say which arm") >= 3


def test_one_failure_has_one_interval(answered, monkeypatch, capsys):
    code, text, _ = call(
        monkeypatch, capsys, "advise", answered("mine", {0: WRONG[0]}), "--suite",
        f"spider:{SPIDER}", "--seeds", "0-1", "--failures", 10,
    )  # fmt: skip
    assert code == 0
    share = "100.0% [5.1%, 100.0%] (1/1)"
    assert f"Of the failures {share} raised" in text
    assert any("`no_such_column`" in row and share in row for row in text.splitlines())


def test_profile_writes_a_file_that_a_run_takes(answered, tmp_path, monkeypatch, capsys):
    out = tmp_path / "mine.toml"
    code, text, _ = call(
        monkeypatch, capsys, "profile", answered("mine", WRONG), "--suite", f"spider:{SPIDER}",
        "--out", out, "--name", "Mine",
    )  # fmt: skip
    assert code == 0 and f"simulated:{out}" in text
    code, text, _ = call(
        monkeypatch, capsys, "run", "--model", f"simulated:{out}", "--episodes", 5, "--out",
        tmp_path / "run",
    )  # fmt: skip
    assert code == 0


@pytest.mark.parametrize("command", ["advise", "profile"])
def test_a_wrong_file_ends_in_one_sentence(command, answered, tmp_path, monkeypatch, capsys):
    broken, short = tmp_path / "broken.jsonl", tmp_path / "short.sql"
    broken.write_text('{"index": 0, "pred": "SELECT 1"\n')
    short.write_text("SELECT 1\n")
    extra = ["--out", tmp_path / "o.toml"] if command == "profile" else ["--seeds", "0-1"]
    suite = ["--suite", f"spider:{SPIDER}"]
    mistakes = [
        ([tmp_path / "absent.sql", *suite, *extra], "absent.sql"),
        ([broken, *suite, *extra], "broken.jsonl"),
        ([short, *suite, *extra], "expected"),
        ([answered("perfect", {}), *suite, *extra], "right"),
        ([answered("mine", WRONG), *suite, *extra, "--metric", "exakt"], "exakt"),
        ([answered("mine", WRONG), "--suite", "spider:nowhere", *extra], "nowhere"),
    ]
    if command == "advise":
        mistakes += [
            ([answered("mine", WRONG), *suite, "--seeds", "3"], "at least 2"),
            ([answered("mine", WRONG), *suite, "--failures", "0"], "failures"),
        ]
    else:
        mistakes += [([answered("mine", WRONG), *suite, "--out", tmp_path / "o.txt"], ".toml")]
    for arguments, said in mistakes:
        code, _, err = call(monkeypatch, capsys, command, *arguments)
        said_last = err.strip().splitlines()[-1]
        assert code == 2, arguments
        assert said_last.startswith("sqlbench: ") and said in said_last, err


@pytest.mark.parametrize(
    ("best_fixed", "said"),
    [(0.9, "clearly less than"), (0.45, "not clearly more than"), (0.1, "more than any fixed arm")],
)
def test_advice_says_on_which_side_of_the_best_fixed_arm_a_learner_is(
    suite, answered, best_fixed, said
):
    noise = np.linspace(-0.1, 0.1, 6)[:, None] * np.ones((6, 10))
    values = {"rules": 0.2 + 0 * noise, "linucb": 0.5 + 0.1 * noise}
    values[BEST_FIXED] = best_fixed + (noise if said.startswith("not") else 0 * noise)
    half = Paid("mine", "half", 0.5, values)
    answers = measure_first_answers(suite, [answered("mine", WRONG)])
    assert said in " ".join(Advice(answers, (half,)).follows())
