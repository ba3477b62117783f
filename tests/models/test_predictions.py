"""First answers from a file, repairs from another model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from small_spider import QUESTIONS, write

from sqlbench import Run, load_suite, run_experiment
from sqlbench.exceptions import ModelSetupError
from sqlbench.grading.grade import grade
from sqlbench.models import Completion, ModelRequest, Usage
from sqlbench.models.predictions import PredictionsModel


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    write(folder)
    return folder


class Gold:
    """Repairs with the gold query, and remembers what it was asked to repair."""

    spec, simulated, fingerprint = "gold", False, "gold"

    def __init__(self) -> None:
        self.asked: dict[str, str | None] = {}

    async def complete(self, request: ModelRequest) -> Completion:
        self.asked[request.question_id] = request.failing_sql
        return Completion(QUESTIONS[int(request.question_id[-4:])][2], Usage(1, 1))


def test_real_first_answers_are_repaired_by_the_other_model(folder: Path) -> None:
    repair = Gold()
    run = asyncio.run(
        run_experiment(
            f"spider:{folder}",
            f"predictions:{folder / 'hasty.jsonl'}",
            "random",
            repair_model=repair,  # type: ignore[arg-type]
            episodes=20,
            progress=False,
        )
    )
    graded = grade(f"spider:{folder}", folder / "hasty.jsonl", progress=False)
    wrong = {g.question_id for g in graded.grades if not g.correct}
    assert 0 < len(wrong) < 20
    assert {e.question_id for e in run.log if not e.first} == wrong == set(repair.asked)
    assert all(e.success and len(e.steps) == 1 + (not e.first) for e in run.log)
    hasty = {f"dev_{i:04d}": q[4] for i, q in enumerate(QUESTIONS)}
    assert all(repair.asked[i] == hasty[i] for i in wrong)


def test_a_run_records_the_file_it_answered_from(folder: Path, tmp_path: Path) -> None:
    file = folder / "hasty.jsonl"

    def experiment(out: Path) -> Run:
        return asyncio.run(
            run_experiment(
                f"spider:{folder}",
                f"predictions:{file}",
                "random",
                repair_model="simulated",
                episodes=20,
                out=out,
                progress=False,
            )
        )

    run = experiment(tmp_path / "a")
    assert run.simulated, "a simulated model makes the repairs"
    assert run.config.repair_model == "simulated"
    first = PredictionsModel(str(file), load_suite(f"spider:{folder}"))
    assert run.meta["model_fingerprint"].startswith(first.fingerprint)
    experiment(tmp_path / "b")
    log = [(tmp_path / x / "episodes.jsonl").read_bytes() for x in "ab"]
    assert log[0] == log[1] != b""


def test_without_a_repair_model_only_first_attempts_can_be_made(folder: Path) -> None:
    spec = (f"spider:{folder}", f"predictions:{folder / 'careful.txt'}", "random")
    with pytest.raises(ModelSetupError, match=r"holds first answers only.*--repair-model"):
        asyncio.run(run_experiment(*spec, episodes=5, progress=False))
    run = asyncio.run(run_experiment(*spec, episodes=20, max_attempts=1, progress=False))
    assert len(run.log) == 20
    assert not run.simulated


def test_a_query_is_taken_as_it_is(folder: Path, tmp_path: Path) -> None:
    odd = ["SELECT 'a;b', ' SELECT'", "", "DROP TABLE baker", "-- a\tb"]
    sqls = odd + [q[2] for q in QUESTIONS[len(odd) :]]
    (tmp_path / "odd.txt").write_text("\n".join(sqls))
    run = asyncio.run(
        run_experiment(
            f"spider:{folder}",
            f"predictions:{tmp_path / 'odd.txt'}",
            "random",
            episodes=20,
            max_attempts=1,
            progress=False,
        )
    )
    ran = {e.question_id: e.steps[0].sql for e in run.log}
    assert [ran[f"dev_{i:04d}"] for i in range(4)] == odd
