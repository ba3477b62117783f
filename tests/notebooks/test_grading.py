"""Notebook 05 on real prediction files, and the small suite that it is committed with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from folders import ROOT
from pictures import check_pictures
from small_spider import write


def test_the_committed_small_suite_is_what_the_tests_write(tmp_path: Path) -> None:
    import sqlite3

    write(tmp_path)
    committed = ROOT / "tests" / "data" / "small_spider"
    for name in ("dev.json", "careful.txt", "hasty.jsonl"):
        assert (tmp_path / name).read_text() == (committed / name).read_text()
    for file in sorted(tmp_path.rglob("*.sqlite")):
        dumps = []
        for path in (file, committed / file.relative_to(tmp_path)):
            connection = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
            dumps.append(list(connection.iterdump()))
            connection.close()
        assert dumps[0] == dumps[1]


@pytest.mark.slow
@pytest.mark.shared
def test_the_notebook_runs_on_two_real_files(spider_dir: Path, tmp_path: Path) -> None:
    import papermill

    files = []
    records = [
        json.loads(line) for line in (spider_dir / "official_verdicts.jsonl").open(encoding="utf-8")
    ]
    for source in ("dail_sql_gpt4", "chatgpt_zero_shot"):
        files.append(str(tmp_path / f"{source}.jsonl"))
        kept = ({"index": r["index"], "pred": r["pred"]} for r in records if r["source"] == source)
        Path(files[-1]).write_text("\n".join(map(json.dumps, kept)))
    executed = papermill.execute_notebook(
        str(ROOT / "notebooks" / "05_grade_predictions.ipynb"),
        str(tmp_path / "out.ipynb"),
        parameters={"suite": f"spider:{spider_dir}", "predictions": files, "neighbours": 2},
        progress_bar=False,
    )
    check_pictures(tmp_path / "out.ipynb", least=1)
    text = json.dumps(executed.cells)
    assert "83.2% [80.8%, 85.4%] (809/972)" in text
    assert "71.6% [68.7%, 74.4%] (696/972)" in text
    assert "All claims hold." in text
