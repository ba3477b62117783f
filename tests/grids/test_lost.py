"""Sweeps and comparisons that lost episodes say why, compare what is left, and try them again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from answering import answering, whole
from typer.testing import CliRunner

import sqlbench as sb
from sqlbench.cli import app
from sqlbench.exceptions import NothingLeftError
from sqlbench.grids.compare import compare
from sqlbench.grids.comparison import comparison_table
from sqlbench.grids.sweep import make_grid, run_sweep, sweep_text
from sqlbench.grids.variants import make_variants
from sqlbench.runs.config import RunConfig

FIELDS = {"policy": "random", "episodes": 6, "max_attempts": 1}


@pytest.fixture
def server(monkeypatch):
    """A server whose model `bad` only thinks about what `is_lost` says, of a prompt."""
    texts = [q.text for q in sb.load_suite("marketplace").questions()]

    def reply(request):
        said = request["messages"][-1]["content"]
        number = next(i for i, text in enumerate(texts) if text in said)
        if request["model"] == "bad" and endpoint.is_lost(number):
            return 200, whole("", reasoning="Hm.")
        return 200, whole(f"SELECT {number}")

    with answering(reply) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        endpoint.is_lost = lambda number: True
        yield endpoint


def threads():
    return ThreadPoolExecutor(1)


def test_a_sweep_says_what_it_lost_and_tries_it_again(server, tmp_path):
    grid = make_grid({"model": ["openai:good", "openai:bad"], **FIELDS})
    table = run_sweep(grid, tmp_path, workers=threads, progress=False)
    assert table["model_errors"].tolist() == [0, 6] and table["episodes"].tolist() == [6, 0]
    text = sweep_text(table)
    assert "6 of 12 episodes failed. Repeat the sweep" in text and "those of survivors" in text
    assert "  6 × The model only thought, and gave no answer (stop)." in text
    asked = len(server.requests)
    server.is_lost = lambda number: False
    table = run_sweep(grid, tmp_path, workers=threads, progress=False)
    assert len(server.requests) == asked + 6, "what was finished is not asked again"
    assert table["episodes"].tolist() == [6, 6] and "failed" not in sweep_text(table)


def test_variants_are_compared_on_the_episodes_that_none_has_lost(server, tmp_path):
    variants = make_variants(RunConfig(**FIELDS), {"model": ["openai:good", "openai:bad"]})
    server.is_lost = lambda number: number % 2 == 0
    found = compare(variants, [0], tmp_path, workers=threads, progress=False)
    assert 0 < found.left_out < 6 and len(found.failed) == found.left_out
    pairs = found.episodes.groupby(["seed", "episode"])["policy"].nunique()
    assert (pairs == 2).all() and len(pairs) == 6 - found.left_out
    text = comparison_table(found)
    assert f"{found.left_out} of 6 episodes of a variant were lost" in text
    assert f"  {found.left_out} × The model only thought" in text
    assert "survivors" in repr(found.card())
    server.is_lost = lambda number: False
    again = compare(variants, [0], tmp_path, workers=threads, progress=False)
    assert again.left_out == 0 and "lost" not in comparison_table(again)
    assert "regret" not in text, "nobody knows what other repairs would have brought"


def test_what_every_variant_has_lost_is_counted_and_explained(server, tmp_path):
    fields = FIELDS | {"model": "openai:bad"}
    variants = make_variants(RunConfig(**fields), {"policy": ["random", "rules"]})
    lost = None

    def is_lost(number):  # the first question that is asked, whoever asks it
        nonlocal lost
        lost = number if lost is None else lost
        return number == lost

    server.is_lost = is_lost
    found = compare(variants, [0, 1], tmp_path, workers=threads, progress=False)
    kept = found.episodes[["seed", "episode"]].drop_duplicates()
    assert found.left_out == 12 - len(kept) > 0
    text = comparison_table(found)
    assert f"{found.left_out} of 12 episodes of a variant were lost" in text
    assert f"  {len(found.failed)} × The model only thought" in text
    assert len(found.failed) == 2 * found.left_out, "each of the two lost the same ones"


@pytest.mark.parametrize(("episodes", "rough"), [(3, True), (6, False)])
def test_intervals_over_few_questions_are_called_rough_in_both_tables(
    server, tmp_path, episodes, rough
):
    said = "Rough: with fewer than 5 questions, here 3"
    fields = FIELDS | {"episodes": episodes}
    grid = make_grid({"model": ["openai:good", "openai:other"], **fields})
    table = run_sweep(grid, tmp_path / "sweep", workers=threads, progress=False)
    assert sweep_text(table).count(said) == rough
    variants = make_variants(RunConfig(**fields), {"model": ["openai:good", "openai:other"]})
    found = compare(variants, [0], tmp_path / "compare", workers=threads, progress=False)
    assert comparison_table(found).count(said) == rough


def test_a_comparison_that_lost_everything_says_why(server, tmp_path):
    variants = make_variants(RunConfig(**FIELDS), {"model": ["openai:good", "openai:bad"]})
    with pytest.raises(NothingLeftError, match=r"(?s)Nothing is left.* 6 × The model only thought"):
        compare(variants, [0], tmp_path, workers=threads, progress=False)


def test_a_sweep_of_which_nothing_is_left_ends_with_an_exit_code(server, tmp_path):
    (tmp_path / "grid.yaml").write_text("model: openai:bad\npolicy: random\nepisodes: 2\n")
    done = CliRunner().invoke(
        app, ["sweep", str(tmp_path / "grid.yaml"), "--out", str(tmp_path / "o"), "--workers", "1"]
    )
    assert done.exit_code == 1 and "2 × The model only thought" in done.output
