"""What notebooks show: the same facts as HTML and as text, and hostile text stays text."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import sqlite3
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import sqlbench as sb
from sqlbench import html
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.evidence.crossvalidate import cross_validate
from sqlbench.evidence.offpolicy import Evaluation
from sqlbench.evidence.offpolicy_validation import Validation
from sqlbench.evidence.repair_table import RepairTable
from sqlbench.evidence.replay import replay
from sqlbench.grading.graded import Grade, Graded, GradedFiles
from sqlbench.grids.compare import Comparison, outcomes
from sqlbench.suites import Question, Suite, Task

EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>\"' & $x$"


class Tags(HTMLParser):
    """The tags and the text that a browser would make of it."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.attributes = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def hostile(tmp_path):
    """A suite whose names, values and questions are all hostile, and whose gold runs."""
    path = tmp_path / "evil.sqlite"
    table, column = '"<script>t</script>"', '"<b onclick=1>c"'
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE {table} ({column} TEXT)")
        connection.execute(f"INSERT INTO {table} VALUES (?)", (EVIL,))
    question = Question("q<i>1", EVIL, f"SELECT {column} FROM {table}", "d<b>", "simple_queries")
    return Suite(
        spec="<script>suite",
        tasks={"simple_queries": Task("simple_queries", "easy", (question,))},
        databases={"d<b>": SQLiteDatabase(path, "d<b>")},
        fingerprints={"d<b>": "x"},
        notes=(EVIL,),
    )


def shown(hostile):
    """Everything that has a card, made of hostile text."""
    env = sb.SQLAgentEnv(hostile, "simulated", "random")
    env.reset()
    sql = f"SELECT '{EVIL}' FROM \"<script>nowhere\""
    observation, _ = asyncio.run(env.step(sb.Action(custom_sql=sql)))
    run = asyncio.run(sb.run_experiment(hostile, "simulated", "random", episodes=2, progress=False))
    question = next(hostile.questions())
    schema = hostile.database(question).schema()
    return [hostile, question, schema, observation, env.episode, run, *results(run)]


def results(run):
    """Every result that is a table, of a run whose names are hostile."""
    evil = f"{EVIL} 2"
    both = [outcomes(run).assign(policy=p, seed=s) for p in (EVIL, evil) for s in (0, 1)]
    comparison = Comparison(pd.concat(both, ignore_index=True), run.config, EVIL)
    tables = [
        Graded(
            {"name": name, "suite": EVIL, "metric": "exact", "suite_hash": "x", "notes": [EVIL],
             "hardness_by": "x"},
            tuple(
                Grade(i, f"q{i}", EVIL, EVIL, i < right, "match" if i < right else EVIL, EVIL)
                for i in range(4)
            ),
        )
        for name, right in ((EVIL, 2), (evil, 3))
    ]  # fmt: skip
    n = 6
    table = RepairTable(
        name=EVIL, arms=(EVIL, evil), question_ids=tuple(map(str, range(n))),
        db_ids=(EVIL, evil) * 3, contexts=("other",) * n, features=np.ones((n, 1)),
        feature_names=("bias",), successes=np.arange(2 * n).reshape(n, 2, 1) % 3 == 0,
        rewards=np.ones((n, 2, 1)), model=EVIL, notes=(EVIL,),
    )  # fmt: skip
    policies = ["random", f"fixed:{evil}"]
    estimates = {EVIL: (0.5, 0.4, 0.6)}
    logs = {EVIL: np.array([(0.5, 0.4, 0.6), (0.4, 0.3, 0.45)])}
    return [
        comparison,
        tables[0],
        GradedFiles(tables),
        table,
        replay(table, policies, [0, 1], 3),
        cross_validate(table, policies, [0, 1]),
        Evaluation(estimates, 12.0, 40, 4, EVIL),
        Validation(0.5, logs),
    ]


def test_hostile_text_stays_text_in_every_card(hostile):
    cards = shown(hostile)
    assert [type(c).__name__ for c in cards] == [
        "Suite", "Question", "Schema", "Observation", "Episode", "Run", "Comparison", "Graded",
        "GradedFiles", "RepairTable", "Replay", "CrossValidation", "Evaluation", "Validation",
    ]  # fmt: skip
    for card in cards:
        page = Tags(card._repr_html_())
        assert not {"script", "img", "b onclick=1", "i"} & set(page.tags)
        assert page.attributes <= {"style", "class", "open"}
        assert "<script>" in page.text, f"{type(card).__name__} shows the hostile text as it is"


def test_the_plain_text_says_what_the_html_says(hostile):
    for card in shown(hostile):
        assert "".join(str(card).split()) == "".join(Tags(card._repr_html_()).text.split())


def test_a_notebook_takes_the_plain_text_too(hostile):
    from IPython.core.formatters import DisplayFormatter

    data, _ = DisplayFormatter().format(next(hostile.questions()))
    assert data["text/plain"].startswith("Question q<i>1")
    assert "&lt;script&gt;" in data["text/html"]


def test_colours_are_inherited_or_translucent(hostile):
    for card in shown(hostile):
        page = card._repr_html_()
        assert "color:black" not in page and "background:white" not in page
        assert page.count("background:") == page.count("background:rgba(")


@pytest.mark.parametrize(
    ("sql", "token", "marked"),
    [
        ("SELECT nme, names FROM t", "nme", ["nme"]),
        ("SELECT T.Nme FROM t", "t.nme", ["T.Nme"]),
        ("SELECT nme FROM t", "u.nme", ["nme"]),
        ("SELECT 1 )", ")", [")"]),
        ("SELECT a+b+a", "a", ["a", "a"]),
        ("SELECT 1", "gone", []),
        ("SELECT 1", None, []),
    ],
)
def test_the_offending_token_is_marked_where_it_stands_alone(sql, token, marked):
    page = html.code(sql, token)
    assert [part.partition("</mark>")[0].partition(">")[2] for part in page.split("<mark")[1:]] == (
        marked
    )
    assert Tags(page).text == sql


def test_a_diff_shows_old_and_new_lines():
    text = Tags(html.diff("SELECT a\nFROM t", "SELECT <b>\nFROM t")).text
    assert text.splitlines() == ["- SELECT a", "+ SELECT <b>", "  FROM t"]


def test_null_does_not_look_like_the_text_null():
    null, word = (html.table(["a"], [[value]]) for value in (None, "NULL"))
    assert Tags(null).text == Tags(word).text == "aNULL" and "italic" in null and null != word


def test_a_wide_table_scrolls_and_code_is_set_as_code():
    assert html.table(["a"], []).startswith('<div style="overflow-x:auto">')
    assert "font-family:var(--jp-code-font-family,monospace)" in html.code("SELECT 1")


def test_what_cannot_be_seen_is_shown_as_its_code():
    assert html.escape("a\x1b[31m\u202eb") == "a\\u001b[31m\\u202eb"


def test_what_a_simulated_model_feeds_says_so_in_its_card(hostile):
    run = shown(hostile)[5]
    comparison, *_, table = results(run)[:4]
    assert run.simulated and "(simulated model)" in comparison._repr_html_()
    simulated = dataclasses.replace(table, simulated=True)
    for card in (simulated, replay(simulated, ["random"], [0, 1], 3)):
        assert "(simulated model)" in str(card).splitlines()[0]


def test_no_file_graded_has_a_card_too():
    assert str(GradedFiles()) == "Graded: no file"


def test_a_run_without_episodes_has_a_card(tmp_path):
    run = asyncio.run(sb.run_experiment(episodes=1, progress=False))
    run.log.clear()
    assert "0 of 1" in str(run)
    assert "simulated" in run._repr_html_()


def test_an_interval_stays_on_one_line_and_text_in_brackets_is_text():
    page = html.table(["rate"], [["91.1% [82.7%, 98.1%]"], ["[-0.5, unknown]"], ["[a, <b>]"]])
    assert re.findall(r"nowrap\">([^<]*)<", page) == ["[82.7%, 98.1%]", "[-0.5, unknown]"]
    assert "[a, &lt;b&gt;]" in page


def test_one_thing_is_one_thing():
    assert [html.count(n, "row") for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]


def test_problems_and_tiles_are_text():
    for page in (html.problem("<b>"), html.tiles({"<b>": "<i>"})):
        assert "&lt;b&gt;" in page and "<b>" not in page and "<i>" not in page
