"""`sqlbench check`: doubt, evidence and facts of one answer, on both engines."""

from __future__ import annotations

import io
import json
import sys

import pytest
from plain_weights import write_plain_weights
from shop import SETUP, make_shop

from sqlbench.cli import main


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """Run the command with weights that a person can check."""
    weights = write_plain_weights(tmp_path / "weights.npz")
    shop = make_shop(tmp_path / "shop.sqlite")

    def run(*arguments, database=shop):
        line = ["sqlbench", "check", "--database", str(database), "--weights", str(weights)]
        monkeypatch.setattr(sys, "argv", [*line, *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


def test_a_sound_answer_is_printed_with_its_doubt_and_ends_with_0(check):
    code, out, _ = check("Which titles are there?", "SELECT title FROM products")
    assert code == 0
    assert out.startswith("Doubt: 0.12\n") and "Facts" not in out


def test_an_empty_answer_is_doubtful_and_says_what_empties_it(check):
    code, out, _ = check("Light products", "SELECT title FROM products WHERE category = 'light'")
    assert code == 1
    assert out.startswith("Doubt: 0.88\n")
    assert "- products.category does not hold 'light'; the nearest that it holds: 'Light'" in out
    assert "without it there are 3 rows." in out


@pytest.mark.parametrize(
    "sql", ["SELECT fullname FROM customers", "SELECT ((", "", "DROP TABLE products"]
)
def test_whatever_is_asked_gets_a_doubt(check, sql):
    code, out, err = check("", sql)
    assert (code, err) == (1, "") and out.startswith("Doubt: 0.88\n")


def test_the_limit_of_doubt_is_what_is_said(check):
    empty = "SELECT title FROM products WHERE category = 'light'"
    assert check("q", empty, "--max-doubt", "0.9")[0] == 0
    code, _, err = check("q", empty, "--max-doubt", "1.5")
    assert code == 2 and "max_doubt is a probability from 0 to 1, not 1.5." in err


def test_json_has_the_whole_diagnosis_and_sql_may_come_from_standard_input(check, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("SELECT fullname FROM customers"))
    code, out, _ = check("Names?", "-", "--json")
    found = json.loads(out)
    assert code == 1 and found["doubt"] == pytest.approx(0.880797)
    assert found["facts"]["names"][0]["nearest"][0] == "customers.full_name"


def test_a_server_is_asked_as_a_file_is(check, postgres):
    import psycopg

    with psycopg.connect(postgres.owner.url, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA checked")
        owner.execute("SET search_path = checked; " + SETUP)
        owner.execute("CREATE ROLE checker LOGIN; GRANT USAGE ON SCHEMA checked TO checker")
        owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA checked TO checker")
        owner.execute("ALTER ROLE checker SET search_path = checked")
        try:
            url = postgres.owner.url.replace("postgres@", "checker@")
            code, out, _ = check("Names?", "SELECT fullname FROM customers", database=url)
        finally:
            owner.execute("DROP SCHEMA checked CASCADE; DROP ROLE checker")
    assert code == 1
    assert "There is no column fullname; the nearest: customers.full_name" in out


def test_other_weights_are_refused(check, tmp_path):
    (tmp_path / "weights.npz").write_bytes(b"none")
    code, _, err = check("q", "SELECT 1")
    assert code == 2 and "holds no weights of signals" in err
