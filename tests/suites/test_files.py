"""Your own data: a YAML file beside a SQLite database, checked, asked and reported on."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

import sqlbench as sb
from sqlbench import analysis, plots
from sqlbench.exceptions import SuiteError
from sqlbench.grading.check import check_suite
from sqlbench.grading.grade import grade
from sqlbench.grading.report import grade_text
from sqlbench.models import Completion, Usage
from sqlbench.reports.transcript import repair_story, transcript
from sqlbench.suites.template import write_template

GOOD = """\
name: shop
database: shop.sqlite
tasks:
- id: simple_queries
  difficulty: easy
  questions:
  - id: q1
    text: How many products are there?
    gold: SELECT COUNT(*) FROM products;
  - id: 2
    text: >
      Which products cost
      more than 10?
    evidence: prices are in cents
"""


@pytest.fixture
def shop(tmp_path):
    with closing(sqlite3.connect(tmp_path / "shop.sqlite")) as connection:
        connection.executescript(
            """
            CREATE TABLE makers (maker_id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE products (product_id INTEGER PRIMARY KEY, title TEXT, price INTEGER,
              maker_id INTEGER REFERENCES makers (maker_id));
            CREATE TABLE "odd ""name" (x);
            INSERT INTO makers VALUES (1, 'Ada'), (2, 'Bo');
            INSERT INTO products VALUES (1, 'pen', 5, 1), (2, 'cup', 12, 1), (3, 'hat', 12, NULL);
            """
        )
    return tmp_path


def written(shop, text, name="shop.yaml"):
    path = shop / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def sqlbench(*arguments, cwd):
    return subprocess.run(
        [sys.executable, "-m", "sqlbench", *map(str, arguments)],
        capture_output=True, text=True, cwd=cwd, timeout=300, env=dict(os.environ),
    )  # fmt: skip


def test_a_file_gives_a_suite(shop):
    suite = sb.load_suite(written(shop, GOOD))
    first, second = suite.questions()
    assert (first.id, first.gold, first.db_id) == ("q1", "SELECT COUNT(*) FROM products", "shop")
    assert (second.id, second.gold) == ("2", None)
    assert second.text == "Which products cost more than 10?"
    assert second.evidence == "prices are in cents"
    assert suite.database(first).execute("SELECT title FROM products").rows[0] == ("pen",)
    assert "1 of 2 questions have no gold query" in suite.notes[0]


def test_a_question_without_gold_counts_in_a_run_and_is_left_out_of_grading(shop):
    (shop / "answers.txt").write_text("SELECT 3\nSELECT title FROM products\n")
    text = grade_text(grade(written(shop, GOOD), shop / "answers.txt", progress=False))
    assert "in a run success on them means that the query ran" in text
    assert "`sqlbench grade` leaves them out" in text
    assert "Invalid golds, left out: 1:\n  2: the question has no gold query" in text


def test_the_content_hash_follows_questions_and_data(shop):
    before = sb.load_suite(written(shop, GOOD)).content_hash
    assert sb.load_suite(written(shop, GOOD)).content_hash == before
    assert sb.load_suite(written(shop, GOOD.replace("there?", "here?"))).content_hash != before
    with closing(sqlite3.connect(shop / "shop.sqlite")) as connection:
        connection.execute("INSERT INTO makers VALUES (3, 'Cy')")
        connection.commit()
    assert sb.load_suite(written(shop, GOOD)).content_hash != before


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("    text: How", "    txet: How", "line 8: a question has no field 'txet', only id, text,"
         " gold, evidence; did you mean 'text'?"),
        ("name: shop\n", "nmae: shop\n", "line 1: a suite has no field 'nmae'"),
        ("  difficulty: easy", "  difficulty: simple", "line 5: difficulty is one of easy"),
        ("  - id: 2", "  - id: q1", "line 10: the question id 'q1' is taken by line 7"),
        ("  - id: 2", "  - id: [2]", "line 10: id must be a text"),
        ("  - id: 2\n", "  - id: 2\n    id: 3\n", "line 11: the field 'id' stands here"),
        ("    text: How many products are there?\n", "", "line 7: a question needs"),
        ("How many products are there?", "", "line 7: a question needs the field 'text'"),
        ("database: shop.sqlite\n", "", "line 1: a suite needs the field 'database'"),
        ("shop.sqlite", "gone.sqlite", "line 2: The database"),
        ("shop.sqlite", "gone.sqlite", "gone.sqlite does not exist"),
        ("shop.sqlite", "shop.yaml", "is not a SQLite file"),
        ("shop.sqlite", ".", "is a directory"),
        ("tasks:\n", "tasks: none\ndescription:\n", "line 3: tasks must be a list"),
        ("text: How many products are there?", "text: {a: b}", "line 8: text must be a text"),
        ("SELECT COUNT(*) FROM products;", "''", "line 9: gold is empty: leave it out"),
        ("SELECT COUNT(*) FROM products;", "[SELECT 1, SELECT 2]", "line 9: gold is one query;"),
        ("text: How", "text: 'How", "no valid YAML"),
        ("    text: >", "\ttext: >", "no valid YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_that_names_the_line(shop, old, new, sentence):
    assert old in GOOD
    path = written(shop, GOOD.replace(old, new, 1))
    with pytest.raises(SuiteError) as raised:
        sb.load_suite(path)
    message = str(raised.value)
    assert sentence in message and "shop.yaml" in message and "\n" not in message


@pytest.mark.parametrize("text", ["", "# nothing\n", "just text", "- 1\n", "[" * 3000, "a: \x01\n"])
def test_a_file_that_is_no_suite_is_refused(shop, text):
    with pytest.raises(SuiteError, match=r"shop\.yaml"):
        sb.load_suite(written(shop, text))


def test_a_missing_or_unreadable_file_is_refused(shop):
    with pytest.raises(SuiteError, match="does not exist"):
        sb.load_suite(str(shop / "nope.yaml"))
    (shop / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(SuiteError, match="cannot be read"):
        sb.load_suite(str(shop / "latin.yaml"))


@pytest.mark.parametrize(
    ("gold", "problem"),
    [
        ("SELECT nope FROM products", "fails: no such column: nope"),
        ("DELETE FROM products", "fails: not authorized"),
        ("SELECT 1 WHERE 0", "returns no rows"),
        ("SELECT title FROM products ORDER BY price DESC LIMIT 1", "cuts through a tie"),
    ],
)
def test_check_finds_a_gold_that_will_not_do(shop, gold, problem):
    path = written(shop, GOOD.replace("SELECT COUNT(*) FROM products;", gold))
    (finding,) = check_suite(sb.load_suite(path))
    assert finding.question.id == "q1" and problem in finding.problem
    result = sqlbench("suites", "check", path, cwd=shop)
    assert result.returncode == 1
    assert "q1" in result.stdout and problem in result.stdout


def test_check_passes_a_good_suite(shop):
    result = sqlbench("suites", "check", written(shop, GOOD), cwd=shop)
    assert result.returncode == 0 and "nothing is wrong" in result.stdout
    assert "| simple_queries | easy       | 2         | 1            | 0     |" in result.stdout


def test_check_notes_what_it_could_not_try_and_passes(shop):
    with closing(sqlite3.connect(shop / "shop.sqlite")) as connection:
        connection.create_collation("mine", lambda a, b: (a > b) - (a < b))
        connection.execute("CREATE TABLE own (a TEXT COLLATE mine)")
    result = sqlbench("suites", "check", written(shop, GOOD), cwd=shop)
    assert result.returncode == 0 and "nothing is wrong" in result.stdout
    assert "Note: shop: not tried with the rows of its tables in another order" in result.stdout


def test_every_marketplace_question_passes_the_check_but_for_golds_that_repeat_rows():
    """Names repeat in a list of names: that is said of a gold, and is no fault of it."""
    problems = {f.problem.partition(":")[0] for f in check_suite(sb.load_suite("marketplace"))}
    assert problems <= {"loose gold"}


def test_a_bad_file_exits_2(shop):
    result = sqlbench("suites", "check", written(shop, "tasks: 1\n"), cwd=shop)
    assert result.returncode == 2 and result.stderr.startswith("sqlbench: ")
    assert len(result.stderr.strip().splitlines()) == 1


def test_from_new_to_a_run(shop):
    for arguments in (
        ["suites", "new", "--database", "shop.sqlite"],
        ["suites", "check", "shop.yaml"],
        ["suites", "mutate", "shop.yaml"],
        ["run", "--suite", "shop.yaml", "--episodes", 6, "--out", "runs/first"],
        ["show", "runs/first", 0, "--prompt"],
    ):
        result = sqlbench(*arguments, cwd=shop)
        assert result.returncode == 0, (arguments, result.stderr)
    assert "CREATE TABLE products" in result.stdout
    golds = [q.gold for q in sb.load_suite(str(shop / "shop.yaml"))]
    assert golds == [
        "SELECT COUNT(*) FROM makers",
        "SELECT COUNT(*) FROM products",
        "SELECT COUNT(*) FROM products AS a JOIN makers AS b ON a.maker_id = b.maker_id",
    ]


def test_new_quotes_a_path_with_blanks_in_the_commands_that_come_next(shop):
    made = ("suites", "new", "--database", "shop.sqlite", "--out", "my shop.yaml")
    result = sqlbench(*made, cwd=shop)
    assert result.stdout.endswith("sqlbench suites check 'my shop.yaml'\n")
    assert "#   sqlbench suites check 'my shop.yaml'\n" in (shop / "my shop.yaml").read_text()
    result = sqlbench("run", "--suite", "my shop.yaml", "--episodes", 1, "--out", "a run", cwd=shop)
    assert result.stdout.endswith("Run folder: a run\nNext: sqlbench report 'a run'\n")


def test_new_finds_the_database_from_another_folder_and_overwrites_nothing(shop, monkeypatch):
    (shop / "suites").mkdir()
    target = write_template(shop / "shop.sqlite", shop / "suites" / "mine.yaml")
    assert 'database: "../shop.sqlite"' in target.read_text()
    assert check_suite(sb.load_suite(str(target))) == []
    with pytest.raises(SuiteError, match="exists; name another file"):
        write_template(shop / "shop.sqlite", target)
    with pytest.raises(SuiteError, match="does not exist"):
        write_template(shop / "gone.sqlite")
    sqlite3.connect(shop / "empty.sqlite").execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(SuiteError, match="no table with rows"):
        write_template(shop / "empty.sqlite", shop / "e.yaml")


class Scripted:
    """A model that gives its answers in turn, the last one for ever."""

    simulated = False
    spec = "scripted"
    fingerprint = ""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def complete(self, request):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Completion(answer, Usage(1, 1))

    async def aclose(self):
        pass


NO_GOLD = GOOD.replace("    gold: SELECT COUNT(*) FROM products;\n", "")


@pytest.fixture
def ungraded(shop):
    model = Scripted("SELECT nope", "SELECT 1 WHERE 0", "SELECT title FROM products")
    return asyncio.run(
        sb.run_experiment(
            written(shop, NO_GOLD), model, "rules", episodes=2, out=shop / "r", progress=False
        )
    )


def test_without_gold_success_is_a_query_that_ran_and_returned_rows(ungraded):
    assert [s.success for s in ungraded.log[0].steps] == [False, False, True]
    assert [s.reason for s in ungraded.log[0].steps] == ["pred_error", "no_gold", "no_gold"]
    assert ungraded.log[1].success


def test_every_report_of_a_run_without_gold_says_so(ungraded, shop):
    said = "no gold query"
    assert said in ungraded.caveat
    assert said in ungraded.summary["caveat"]
    for draw in (plots.rates, plots.learning_curve, plots.reward_breakdown, plots.arm_selection,
                 plots.error_arm_heatmap):  # fmt: skip
        assert said in draw(ungraded).get_title("left")
    suite = sb.load_suite(ungraded.config.suite)
    text = transcript(ungraded, 0, suite)
    assert said in text and "right" not in text.splitlines()[0]
    assert "ran, 3 rows" in text and "right, 3 rows" not in text
    assert said in analysis.run_table(ungraded)
    assert said in repair_story(ungraded, ungraded.log[0])
    assert sb.Run.open(shop / "r").caveat == ungraded.caveat


def test_a_run_with_all_golds_has_no_caveat_about_them(shop):
    text = GOOD[: GOOD.index("  - id: 2")]
    run = asyncio.run(
        sb.run_experiment(
            written(shop, text), Scripted("SELECT 3"), "rules", episodes=1, progress=False
        )
    )
    assert run.caveat == "" and run.log[0].success


def test_the_simulated_model_needs_golds(shop):
    result = sqlbench("run", "--suite", written(shop, NO_GOLD), "--episodes", 1, cwd=shop)
    assert result.returncode == 2 and "gold" in result.stderr
