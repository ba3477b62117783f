"""Databases as they are: virtual tables, any name, any bytes, files beside them."""

import contextlib
import sqlite3

import pytest

from sqlbench.databases.base import QueryError
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.databases.sqlite_sandbox import Limits
from sqlbench.exceptions import SuiteError
from sqlbench.suites import load_suite
from sqlbench.suites.template import write_template

OTHER_BYTES = "CAST(x'416c62617272616380c34e' AS TEXT)"


def make(path, script):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return SQLiteDatabase(path)


def own_rows(path, sql):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.text_factory = lambda data: data.decode("utf-8", "replace")
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT COUNT(*) FROM captions",
        "SELECT image_key FROM captions WHERE captions MATCH 'red' ORDER BY rank",
        "SELECT highlight(captions, 0, '<', '>') FROM captions WHERE caption MATCH 'boat'",
        "SELECT subject FROM mail WHERE mail MATCH 'hello'",
        "SELECT id FROM places WHERE low > 1.5",
    ],
)
def test_virtual_tables_of_the_user_answer_as_in_sqlite(tmp_path, query):
    path = tmp_path / "docs.sqlite"
    with make(
        path,
        """CREATE VIRTUAL TABLE captions USING fts5(caption, image_key UNINDEXED);
        INSERT INTO captions VALUES ('a red boat', 'k1'), ('a blue boat', 'k2'), ('red car', 'k3');
        CREATE VIRTUAL TABLE mail USING fts4(subject, body);
        INSERT INTO mail VALUES ('hello there', 'x'), ('bye', 'y');
        CREATE VIRTUAL TABLE places USING rtree(id, low, high);
        INSERT INTO places VALUES (1, 1, 2), (2, 2, 3);
        CREATE TABLE captions_notes(note TEXT);""",
    ) as database:
        for _ in range(2):  # FTS5 looks again whether the file has changed
            assert database.execute(query).rows == own_rows(path, query)
        names = {table.name for table in database.schema().tables}
        assert names == {"captions", "mail", "places", "captions_notes"}
        with pytest.raises(QueryError, match="PRAGMA is not allowed"):
            database.execute("/* so */ PRAGMA data_version")


NAMES = [
    *("completion", "csv", "bytecode", "tables_used", "dbstat", "zipfile", "pragma_notes"),
    *("pragma_table_info", "sqlite3_stmt", "order", "group by", 'a "quoted" name', "[brackets]"),
    *("it's", "two\nlines", "semi;colon", "-- no", "naïve 名", "json_each", "1st", " "),
]


def test_tables_of_any_name_are_read(tmp_path):
    quoted = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in NAMES]
    script = ";".join(
        f'CREATE TABLE {q}(id INTEGER, "{i} it\'s" TEXT)' for i, q in enumerate(quoted)
    )
    script += ";" + ";".join(f"INSERT INTO {q} VALUES (1, 'a'), (2, 'b')" for q in quoted)
    with make(tmp_path / "names.sqlite", script) as database:
        for name, q in zip(NAMES, quoted, strict=True):
            assert database.execute(f"SELECT COUNT(*) FROM {q}").rows == [(2,)], name
        assert [table.name for table in database.schema().tables] == NAMES
        assert all(table.row_count == 2 for table in database.schema().tables)


def test_a_common_table_expression_may_bear_a_modules_name_and_a_pragma_may_not_be_read(tmp_path):
    with make(tmp_path / "x.sqlite", "CREATE TABLE t(a)") as database:
        query = "WITH csv AS (SELECT 1 AS x) SELECT COUNT(*) FROM csv"
        assert database.execute(query).rows == [(1,)]
        with pytest.raises(QueryError, match="may not be"):
            database.execute("SELECT * FROM pragma_table_info('t')")


def test_odd_tables_have_their_columns_and_counts(tmp_path):
    script = """CREATE TABLE w(k TEXT PRIMARY KEY, n INT) WITHOUT ROWID;
    INSERT INTO w VALUES ('a', 1);
    CREATE TABLE g(a INT, twice INT GENERATED ALWAYS AS (a * 2), kept INT AS (a + 1) STORED);
    INSERT INTO g(a) VALUES (3);
    CREATE VIEW v AS SELECT k FROM w; CREATE VIEW broken AS SELECT x FROM gone;"""
    with make(tmp_path / "odd.sqlite", script) as database:
        found = {table.name: [c.name for c in table.columns] for table in database.schema().tables}
        assert found == {"w": ["k", "n"], "g": ["a", "twice", "kept"], "v": ["k"]}
        assert database.execute("SELECT twice, kept FROM g").rows == [(6, 4)]


@pytest.mark.parametrize(
    "expression",
    [
        "instr(last, 'Alb')",
        "instr(last, 'N')",
        "replace(last, 'A', 'a')",
        "replace('x', 'x', last)",
        "trim(last, '.')",
        "ltrim(last, 'Al')",
        "rtrim(last, 'N')",
        "trim('AxA', last)",
        "printf('%s!', last)",
        "printf('%5d|%.3s', id, last)",
        "format('%s', last)",
        "last LIKE 'Alb%'",
        "last GLOB 'Alb*'",
        "upper(last) || length(last) || substr(last, 2, 3)",
        "group_concat(replace(last, 'A', ''))",
        "json_quote(last) <> ''",
    ],
)
def test_text_that_is_not_utf8_is_as_in_sqlite_in_every_function(tmp_path, expression):
    path = tmp_path / "wta.sqlite"
    script = (
        f"CREATE TABLE p(id INT, last TEXT); INSERT INTO p VALUES (1,'Smith'),(2,{OTHER_BYTES})"
    )
    with make(path, script) as database:
        if expression.startswith("format") and sqlite3.sqlite_version_info < (3, 38):
            pytest.skip("no format() in this SQLite")
        query = f"SELECT {expression} FROM p"
        assert database.execute(query).rows == own_rows(path, query)
        assert database.execute("SELECT replace('aa', 'a', 'b')").rows == [("bb",)]


def test_the_walls_hold_beside_text_that_is_not_utf8(tmp_path):
    script = f"CREATE TABLE p(last TEXT, n INT); INSERT INTO p VALUES ({OTHER_BYTES}, 300000)"
    with make(tmp_path / "wta.sqlite", script) as database:
        for query in (
            "SELECT printf('%.*c', n, last) FROM p",
            "SELECT printf('%300000s', last) FROM p",
            "SELECT printf('%s' || '%300000d', last, 1) FROM p",
            "SELECT \"printf\"('%s', last), printf('%.*c', n, 'x') FROM p",
        ):
            with pytest.raises(QueryError, match="not UTF-8 only with a format"):
                database.execute(query)
        with pytest.raises(QueryError, match="DELETE"):
            database.execute("DELETE FROM p")


def test_a_cell_that_is_too_long_says_whose_limit_it_is_and_what_moves_it(tmp_path):
    script = "CREATE TABLE t(a TEXT); INSERT INTO t VALUES (hex(zeroblob(300000)))"
    said = r"at most 262144 bytes .*Limits\.max_value_bytes"
    with (
        make(tmp_path / "long.sqlite", script) as database,
        pytest.raises(QueryError, match=said),
    ):
        database.execute("SELECT a FROM t")
    with SQLiteDatabase(tmp_path / "long.sqlite", limits=Limits(max_value_bytes=2**20)) as larger:
        assert len(larger.execute("SELECT a FROM t").rows[0][0]) == 600_000


def test_a_new_suite_holds_no_question_that_fails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make(
        tmp_path / "r.sqlite",
        """CREATE TABLE RESTAURANT (ID int primary key, NAME text);
        CREATE TABLE LOCATION (RESTAURANT_ID int, GONE int REFERENCES nowhere(id),
            foreign key (RESTAURANT_ID) references RESTAURANT(RESTAURANT_ID));
        CREATE VIRTUAL TABLE notes USING fts5(note); INSERT INTO notes VALUES ('x');
        INSERT INTO RESTAURANT VALUES (1,'A'); INSERT INTO LOCATION VALUES (1, 2);""",
    ).close()
    suite = load_suite(str(write_template("r.sqlite")))
    golds = [question.gold for question in suite.questions()]
    assert len(golds) == 2
    for question in suite.questions():
        assert suite.databases[question.db_id].execute(question.gold).rows


@pytest.mark.parametrize(
    ("made", "row"),
    [("fts5(note)", "('x')"), ("fts4(note)", "('x')"), ("rtree(id, low, high)", "(1, 2, 3)")],
)
def test_a_new_suite_asks_for_virtual_tables_and_not_for_what_they_keep(tmp_path, made, row):
    """Their shadow tables come first by name, hold rows, and are nobody's to ask for."""
    path = tmp_path / "v.sqlite"
    script = f"CREATE VIRTUAL TABLE places USING {made}; INSERT INTO places VALUES {row};"
    with make(path, script + "CREATE TABLE zoo(a); INSERT INTO zoo VALUES (1);"):
        suite = load_suite(str(write_template(path, tmp_path / "v.yaml")))
    golds = [question.gold for question in suite.questions()]
    assert len(golds) == 2 and "places_" not in (tmp_path / "v.yaml").read_text()
    assert {name for gold in golds for name in ("places", "zoo") if name in gold} == {
        "places", "zoo",
    }  # fmt: skip
    for question in suite.questions():
        assert suite.databases[question.db_id].execute(question.gold).rows == [(1,)]


def test_a_database_in_the_middle_of_a_change_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "busy.sqlite"
    make(path, "CREATE TABLE t(a); INSERT INTO t VALUES (1);").close()
    journal = tmp_path / "busy.sqlite-journal"
    journal.write_bytes(bytes(512))  # a finished one
    with SQLiteDatabase(path) as database:
        assert database.execute("SELECT a FROM t").rows == [(1,)]
    journal.write_bytes(bytes.fromhex("d9d505f920a163d7") + bytes(504))
    with (
        SQLiteDatabase(path) as database,
        pytest.raises(SuiteError, match=r"left in the middle of a change \(busy.sqlite-journal"),
    ):
        database.execute("SELECT a + 1 FROM t")
