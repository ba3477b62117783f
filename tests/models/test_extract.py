"""extract_sql on answers as models give them, and what holds for any answer."""

import pytest
import sqlglot
import yaml
from folders import DATA
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sqlbench.models import extract_sql
from sqlbench.suites import load_suite

ANSWERS = [
    answer
    for name in ("answers.yaml", "answers_real.yaml")
    for answer in yaml.safe_load((DATA / name).read_text("utf-8"))
]

# Random text holds no SQL: answers are put together from the pieces that decide something.
PIECES = st.sampled_from(
    [
        *("```", "````", "~~~", "`", "```sql\n", "```json\n", "```python\n"),
        *("<think>", "</think>", "<sql>", "</sql>", "<|im_end|>"),
        *("SELECT ", "select name\nFROM t", "WITH a AS (SELECT 1)", "VALUES (1)", "Select the "),
        *("DROP TABLE t", "EXPLAIN SELECT 1", "-- note\n", "/*", "*/", "'", '"', "(", ")", ";"),
        *("\n", "\n\n", " ", ". ", ":", "SQL: ", "This query ", "I'm sorry", "1", "*", ",", "\\"),
        *('{"sql": "', '"}', "[", "]", "{", "}", "\x00", "é", "\r\n", "FROM t ", "UNION "),
    ]
)
LIKELY = st.lists(PIECES | st.text(max_size=3), max_size=25).map("".join)


def test_the_table_has_as_many_shapes_as_promised():
    assert len(ANSWERS) >= 140
    assert len({a["name"] for a in ANSWERS}) == len(ANSWERS)


@pytest.mark.parametrize("case", ANSWERS, ids=lambda case: case["name"])
def test_an_answer_as_models_give_it(case):
    assert extract_sql(case["answer"]) == case["sql"]


@settings(deadline=None)  # a busy machine is no defect
@given(LIKELY | st.text())
@example("SELECT '```'")
@example("```sql\nSELECT '``` `")
@example("```\n```SELECT 1``````")
@example('{"sql": ' * 5000)
@example("[" * 5000)
@example("(" * 5000 + "SELECT 1")
def test_what_any_answer_gives_comes_back_whole_from_a_fence(answer):
    sql = extract_sql(answer)
    assert sql == sql.strip() and not sql.endswith(";")
    assert extract_sql(f"`````````sql\n{sql}\n`````````") == sql


@settings(deadline=None)  # a busy machine is no defect
@given(LIKELY)
def test_a_query_in_the_last_fence_counts_whatever_stands_before(prefix):
    before = prefix.replace("`", "").replace("~", "").replace("<", "")
    answer = f"{before}\n```sql\nSELECT name FROM singer\n```"
    assert extract_sql(answer) == "SELECT name FROM singer"


@settings(deadline=None)  # a busy machine is no defect
@given(st.text(alphabet=st.characters(exclude_characters="'`~<\r"), max_size=40))
def test_a_string_literal_is_kept_whatever_it_holds(text):
    query = f"SELECT name FROM t WHERE note = '{text}' AND x = 1"
    assert extract_sql(f"```sql\n{query};\n```\nThis is it; SELECT it.") == query
    assert extract_sql(f"{query}; This is it.") == query


def test_every_gold_comes_back_as_it_is_written(spider_dir):
    # Real queries, plain and laid out, with and without a fence.
    for suite in (load_suite("marketplace"), load_suite(f"spider:{spider_dir}")):
        for question in suite.questions():
            laid_out = sqlglot.parse_one(question.gold, read="sqlite").sql("sqlite", pretty=True)
            for query in (question.gold, laid_out):
                plain = query.strip().rstrip(";").strip()
                assert extract_sql(f"Here:\n```sql\n{query}\n```\nIt works.") == plain
                assert extract_sql(f"{query};\n\nIt works.") == plain
