"""What a report says of questions, and of the episodes that failed."""

from __future__ import annotations

import asyncio

import pytest

from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.reports.questions import failures_text, questions_card, questions_text
from sqlbench.runs.experiment import run_experiment
from sqlbench.suites import load_suite

SUITE = load_suite("marketplace")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    model = SimulatedModel(SUITE, failure_rate=0.3)
    out = tmp_path_factory.mktemp("failed") / "run"
    return asyncio.run(run_experiment(SUITE, model, episodes=20, out=out, progress=False))


def test_a_question_whose_every_episode_failed_was_asked(run):
    answered = {e.question_id for e in run.log}
    lost = len({f["question_id"] for f in run.failed} - answered)
    assert lost > 1, "the seed gives something to say"
    card = questions_card(run).plain()
    assert f"{len(answered)} questions answered" in card
    assert f"{lost} questions more asked: every episode of theirs failed." in card
    assert f"{len(SUITE) - len(answered) - lost} questions not asked." in card
    asked = f"{len(answered) + lost} questions of {len(SUITE)} asked, {lost} of them in failed"
    assert asked in questions_text(run)


def test_what_a_failed_call_said_is_shown_to_its_end(run):
    said = f"http://a-provider.example/v1/of/some/length (model m) answered 500: {'why ' * 20}end"
    run.failed[0]["message"] = said
    assert said in failures_text(run)
