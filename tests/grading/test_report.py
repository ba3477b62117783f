import json
from pathlib import Path

import pytest
from small_spider import QUESTIONS, write

from sqlbench import load_suite
from sqlbench.grading.grade import grade
from sqlbench.grading.report import grade_text


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("```sql\n{sql}\n```", "100% of the predictions are syntax errors"),
        ("Here it is: {sql}", "100% of the predictions are syntax errors"),
        ("SELECT x FROM nobody", "100% of the predictions name tables"),
        ("{sql}", None),
    ],
)
def test_a_file_that_fails_as_a_whole_is_asked_why(tmp_path: Path, answer, said):
    write(tmp_path)
    path = tmp_path / "answers.jsonl"
    answers = [answer.format(sql=q[2]) for q in QUESTIONS]
    path.write_text(
        "".join(json.dumps({"index": i, "pred": a}) + "\n" for i, a in enumerate(answers))
    )
    text = grade_text(grade(load_suite(f"spider:{tmp_path}"), path, progress=False))
    assert ("Warning" in text) == (said is not None)
    assert said is None or said in text
