"""Prompts are text files: what is sent, how a folder overrides it, and what a bad file says."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from importlib import resources

import pytest
from typer.testing import CliRunner

import sqlbench as sb
from sqlbench.cli import app
from sqlbench.episodes.repair import ARMS, FailedAttempt, Prompts, RepairAction
from sqlbench.exceptions import ConfigError

FACTS = {"schema": "CREATE TABLE t (x);", "dialect": "sqlite", "question": "How many?"}
FAILED = [FailedAttempt("generate", "SELECT nope", "no such column: nope")]


def repair(prompts, arm, question="How many?"):
    facts = FACTS | {"question": question}
    return prompts.repair(arm, evidence="", attempts=FAILED, token="nope", **facts)


def test_the_system_prompt_and_the_eight_repairs_are_files_of_the_package():
    names = {p.name for p in (resources.files("sqlbench.episodes") / "prompts").iterdir()}
    assert names == {f"{name}.txt" for name in ("system", "generate", "repair", "facts", *ARMS)}


@pytest.mark.parametrize("arm", ARMS)
def test_every_prompt_begins_with_the_same_text_up_to_the_end_of_the_schema(arm):
    # Servers keep what they have read of a common beginning; the schema is most of a prompt.
    prompts = Prompts.load()
    texts = [
        prompts.generate(**FACTS),
        prompts.generate(**FACTS | {"question": "Which?"}),
        repair(prompts, arm),
        repair(prompts, arm, "Which?"),
    ]
    first, *others = (messages[0]["content"] for messages in texts)
    common = first[: first.index(FACTS["schema"]) + len(FACTS["schema"])]
    assert "SQLite" in common and all(other.startswith(common) for other in others)


def test_a_repair_carries_schema_question_query_error_and_token():
    joined = "\n".join(m["content"] for m in repair(Prompts.load(), ARMS[1]))
    for text in (*FACTS.values(), "SELECT nope", "no such column: nope", "complains of: nope"):
        assert text == "sqlite" or text in joined


def test_a_grounded_repair_tells_facts_and_doubts_and_another_has_the_hash_of_ever(tmp_path):
    grounded, plain = Prompts.load(ground=True), Prompts.load()
    known = {"facts": ["There is no column nope; the nearest: t.x."], "signals": ["It raised."]}
    asked = {"evidence": "", "attempts": FAILED, "token": None, **FACTS, **known}
    told = grounded.repair(ARMS[1], **asked)[1]["content"]
    assert "- There is no column nope; the nearest: t.x.\n" in told + "\n"
    assert "- It raised." in told and told.endswith("Write a query that answers the question.")
    assert "nearest" not in plain.repair(ARMS[1], **asked)[1]["content"]
    assert grounded.hash != plain.hash and "facts" not in plain.texts
    nothing = asked | {"facts": [], "signals": []}
    assert grounded.repair(ARMS[1], **nothing) == plain.repair(ARMS[1], **nothing)
    # A text of one's own places them itself.
    (tmp_path / "repair.txt").write_text("$question $sql $error $signals|$facts|")
    own = Prompts.load(tmp_path, ground=True).repair(ARMS[1], **asked)[1]["content"]
    assert own.endswith("- It raised.\n|- There is no column nope; the nearest: t.x.\n|")


def test_a_folder_overrides_single_texts_and_the_hash_tells(tmp_path):
    (tmp_path / "fix_column.txt").write_text("Only columns, for $$5, in $dialect.\n")
    mine, package = Prompts.load(tmp_path), Prompts.load()
    assert repair(mine, ARMS[1])[0]["content"].endswith("\n\nOnly columns, for $5, in SQLite.")
    assert repair(mine, ARMS[2]) == repair(package, ARMS[2])
    assert mine.hash != package.hash == Prompts.load().hash


def test_a_run_records_the_hash_and_show_prints_what_was_sent(tmp_path):
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "system.txt").write_text("Be brief in $dialect.\n$schema")
    run = asyncio.run(
        sb.run_experiment(
            episodes=2, policy="rules", prompts=folder, out=tmp_path / "r", progress=False
        )
    )
    recorded = json.loads((tmp_path / "r" / "run.json").read_text())
    assert recorded["prompts_hash"] == Prompts.load(folder).hash != Prompts.load().hash
    (folder / "system.txt").write_text("Changed since.")
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "r"), "0", "--prompt"]).stdout
    question = sb.load_suite("marketplace").question(run.log[0].question_id)
    assert "Be brief in SQLite." in shown and question.text in shown
    assert "Changed since" not in shown and "You write" not in shown


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("fix_table.txt", " \n", "is empty"),
        ("fix_tabel.txt", "x", "has no use; a prompts folder may hold: system.txt"),
        ("fix_table.txt", "It costs $ 5", "stray '$'; write '$$'"),
        ("fix_table.txt", "Look at $gold", "uses $gold; it may use: $dialect, $dialect_notes"),
        ("note.md", "x", "holds no .txt file"),
    ],
)
def test_a_bad_prompt_file_is_one_sentence_that_names_it(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError) as raised:
        Prompts.load(tmp_path)
    message = str(raised.value)
    assert sentence in message and "\n" not in message
    assert (name if name.endswith(".txt") else str(tmp_path)) in message


def test_a_prompt_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "system.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"system\.txt"):
        Prompts.load(tmp_path)


@pytest.mark.parametrize(
    "call",
    [
        "LEFT(x, 1)", "RIGHT(x, 1)", "YEAR(x)", "MONTH(x)", "DATE_TRUNC('month', x)",
        "EXTRACT(YEAR FROM x)", "x ILIKE 'a'", "TOP 1 x", "x::text",
    ],
)  # fmt: skip
def test_what_the_note_on_sqlite_denies_is_not_there(call):
    note = repair(Prompts.load(), RepairAction.CHANGE_DIALECT)[0]["content"]
    assert re.search(r"\w+|::", call.removeprefix("x")).group() in note
    with pytest.raises(sqlite3.OperationalError):
        sqlite3.connect(":memory:").execute(f"SELECT {call} FROM (SELECT 'a' AS x)")


def test_what_the_note_on_sqlite_says_of_its_versions_is_so():
    note = repair(Prompts.load(), RepairAction.CHANGE_DIALECT)[0]["content"]
    assert "CONCAT() and STRING_AGG() only from 3.44 on" in note
    connection = sqlite3.connect(":memory:")
    for call in ("concat('a', 'b')", "string_agg('a', 'b')"):
        if sqlite3.sqlite_version_info >= (3, 44):
            connection.execute(f"SELECT {call}")
        else:
            with pytest.raises(sqlite3.OperationalError):
                connection.execute(f"SELECT {call}")
