"""Answers around a statement, as models give them, and changes that leave a statement valid."""

import contextlib
import gzip
import json
import random
import re
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import sqlglot
from sqlglot.errors import SqlglotError

from sqlbench.models import extract_sql
from sqlbench.models.reading.tokens import BLANKS, Token, after_blanks, token_at
from sqlbench.suites import load_suite

DRAFT = (
    "Draft:\n```sql\nSELECT draft FROM thoughts\n```\nNo. SELECT draft FROM thoughts lists them."
)


def fenced(
    language: str = "sql", mark: str = "```", after: str = "\nIt works."
) -> Callable[[str], str]:
    return lambda sql: f"Here it is:\n\n{mark}{language}\n{sql}\n{mark}\n{after}"


def under(key: str) -> Callable[[str], str]:
    said = "SELECT draft would not do; this counts the rows."
    return lambda sql: json.dumps({"explanation": said, key: sql})


def followed(text: str, gap: str = "\n") -> Callable[[str], str]:
    return lambda sql: sql + gap + text


def thought(opens: str, closes: str) -> Callable[[str], str]:
    return lambda sql: f"{opens}{DRAFT}{closes}{sql}"


KEYS = (
    *("sql", "query", "sql_query", "sqlQuery", "SQL", "generated_sql", "final_sql_query", "code"),
    *("statement", "answer", "output", "response", "result", "sqlite_query", "predicted_sql"),
)

BLOCKS: dict[str, Callable[[str], str]] = {
    "fence with sql": fenced(),
    "fence with sqlite": fenced("sqlite"),
    "fence with SQL and attributes": fenced('SQL title="query"'),
    "fence without language": fenced(""),
    "fence of tildes": fenced("sql", "~~~"),
    "fence of four": fenced("sql", "````"),
    "fence with a semicolon": lambda sql: f"```sql\n{sql};\n```\nDone.",
    "fence never closed": lambda sql: f"Sure:\n```sql\n{sql}",
    "fence with Windows' line ends": lambda sql: f"```sql\r\n{sql}\r\n```\r\n",
    "fence in a quotation": lambda sql: "\n".join(
        f"> {line}" for line in ("```sql", *sql.split("\n"), "```")
    ),
    **{f"JSON under {key}": under(key) for key in KEYS},
    "JSON in a fence": lambda sql: f"```json\n{json.dumps({'sql': sql}, indent=1)}\n```",
    "JSON with a comma too many": lambda sql: f'{{\n  "sql": {json.dumps(sql)},\n}}',
    "JSON in a text": lambda sql: json.dumps(
        {"name": "run_sql", "arguments": json.dumps({"query": sql})}
    ),
    "a tool's call": lambda sql: (
        f'<tool_call>\n{{"name": "sql", "arguments": {json.dumps({"query": sql})}}}\n</tool_call>'
    ),
    "calls of tools": lambda sql: (
        f'[TOOL_CALLS][{{"name": "q", "arguments": {json.dumps({"sql": sql})}}}]'
    ),
    "JSON with prose around": lambda sql: f"The answer:\n{json.dumps({'sql': sql})}\nIt counts.",
}

BARE: dict[str, Callable[[str], str]] = {
    "bare": lambda sql: sql,
    "bare with a semicolon": lambda sql: f"{sql};\n",
    "in quotation marks": json.dumps,
    "SQLQuery with SQLResult": lambda sql: f"SQLQuery: {sql}\nSQLResult: 4\nAnswer: There are 4.",
    "SQLQuery as a JSON text": lambda sql: f"SQLQuery: {json.dumps(sql)}\nSQLResult: [(4,)]",
    "SQL in bold": lambda sql: f"**SQL:**\n{sql}\n\n**Explanation:**\n- It counts the rows.",
    "tags": lambda sql: f"<sql>{sql}</sql>",
    "an answer's tags": lambda sql: f"<reasoning>{DRAFT}</reasoning>\n<answer>\n{sql}\n</answer>",
    "brackets": lambda sql: f"[SQL]\n{sql}\n[/SQL]",
    "a template's last token": lambda sql: f"{sql}<|im_end|>",
    "DeepSeek's last token": lambda sql: f"{sql}<｜end▁of▁sentence｜>",
    "a bold heading after": followed("**Explanation:** it counts.", "\n\n"),
    "a heading after": followed("### Explanation\nIt counts.", "\n\n"),
    "bullets after": followed("- It keeps singers.\n- It counts them.", "\n\n"),
    "a numbered list after": followed("1. It keeps singers.\n2. It counts them.", "\n\n"),
    "a rule after": followed("---\nIt counts the singers.", "\n\n"),
    "English after": followed("This query counts all singers."),
    "English with With after": followed("With this query you get the singers above 40.", "\n\n"),
    "English with From after": followed("From this you get the singers.", "\n\n"),
    "English with Returns after": followed("Returns the singers above 40."),
    "English with All after": followed("All singers above 40 are returned.", "\n\n"),
    "a note after": followed("Note: names are unique.", "\n\n"),
    "German after": followed("Diese Abfrage liefert alle Namen."),
    "French after": followed("Cette requête renvoie tous les noms."),
    "Spanish after": followed("Esta consulta devuelve todos los nombres."),
    "Chinese after": followed("说明：该查询返回所有歌手。"),
    "Japanese after": followed("このクエリは、すべての歌手を返します。"),
    "Russian after": followed("Этот запрос возвращает всех певцов."),
    **{
        f"thoughts in {opens}": thought(opens, closes)
        for opens, closes in (
            ("<think>", "</think>\n"),
            ("<thinking>", "</thinking>"),
            ("<reasoning>", "</reasoning>\n"),
            ("[THINK]", "[/THINK]"),
            ("◁think▷", "◁/think▷"),
            ("<|begin_of_thought|>", "<|end_of_thought|>\n"),
            ("<seed:think>", "</seed:think>"),
            ("", "</think>"),
            ("analysisWe count. ", "assistantfinal"),
            (
                "<|channel|>analysis<|message|>",
                "<|end|><|start|>assistant<|channel|>final<|message|>",
            ),
        )
    },
}
WRAPPINGS = BLOCKS | BARE


def as_taken(sql: str) -> str:
    """Return what is to come out: without empty lines, the semicolon, and comments in front."""
    pieces: list[str] = []
    i = 0
    while i < len(sql):
        token = token_at(sql, i)
        i = token.end
        if token.kind == "line":
            gap = re.compile(r"\s*").match(sql, i)
            assert gap is not None
            pieces.append("\n" + gap[0].rpartition("\n")[2])
            i = gap.end()
        elif pieces or token.kind not in ("line", "space", "comment"):
            pieces.append(token.text)
    return "".join(pieces).strip().rstrip(";").strip()


QUOTES = ('"{}"', "[{}]", "`{}`")


def mutated(sql: str, rng: random.Random) -> str:
    """Return a statement with comments, line breaks, other case, quoted names, spaced dots."""
    pieces: list[str] = []
    before: list[Token] = []  # what is no blank; of each open bracket, what stands in front of it
    opened: list[str] = []
    i = 0
    while i < len(sql):
        token = token_at(sql, i)
        i = token.end
        text, draw = token.text, rng.random()
        if token.kind == "space" and draw < 0.3:
            text = rng.choice(
                ("\n", "\n\n", "\n  ", " /* a; note's */ ", " -- so.\n", "\n-- so\n\n")
            )
        elif token.kind == "word" and draw < 0.1:
            text = rng.choice((text.lower(), text.upper()))
        elif draw < 0.4 and _is_name(token, before, opened, sql):
            text = rng.choice(QUOTES).format(text)
        elif text == "." and token.kind == "mark" and draw < 0.3:
            text = rng.choice((" . ", ". ", " ."))
        elif token.kind == "number" and text.isdigit() and draw < 0.3 and i < len(sql):
            # At the very end of a bare answer it would be a full stop.
            text += "."
        pieces.append(text)
        if token.text == "(":
            opened.append(before[-1].text.lower() if before else "")
        elif token.text == ")" and opened:
            opened.pop()
        if token.kind not in BLANKS:
            before.append(token)
    return "".join(pieces)


def _is_name(token: Token, before: list[Token], opened: list[str], sql: str) -> bool:
    """Whether a word is a name beyond doubt: beside a dot, or behind AS where no type stands."""
    behind = sql[after_blanks(sql, token.end) :][:1]
    if token.kind != "word" or not before or behind == "(":  # a function, or columns of a CTE
        return False
    last = before[-1]
    if last.text == ".":
        return len(before) > 1 and before[-2].kind in ("word", "name")
    if last.kind == "word" and last.text.lower() == "as":
        typed = bool(opened) and opened[-1] in ("cast", "try_cast")
        return not typed and token.text.lower() not in ("not", "materialized")
    return behind == "." and last.kind != "number"


@dataclass
class Taken:
    """How many statements were wrapped, and what did not come out whole."""

    answers: int = 0
    left_out: int = 0  # what SQLite takes for no statement, or not to its end
    failures: list[tuple[str, str, str]] = field(default_factory=list)  # wrapping, answer, taken


def parses(sql: str) -> bool:
    """Whether SQLite's own parser takes each statement of a text, in an empty database."""
    try:
        ends = [t.start for t in sqlglot.tokenize(sql, read="sqlite") if t.text == ";"]
    except SqlglotError:  # what follows a semicolon is not told from SQL
        return ";" not in sql.rstrip("; \n") and _parses(sql)
    parts = [sql[a:b] for a, b in pairwise([0, *(end + 1 for end in ends), len(sql)])]
    return all(_parses(part) for part in parts if part.strip())


def _parses(sql: str) -> bool:
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        try:
            connection.execute(f"EXPLAIN {sql}")
        except (sqlite3.Error, sqlite3.Warning) as error:
            # It parses first: a table that is missing was read as far as the last word.
            said = ("syntax error", "incomplete input", "unrecognized token", "one statement")
            said += ("parser stack overflow",)  # it has not read to the end
            return not any(words in str(error) for words in said)
    return True


def take_all(
    statements: Iterable[str],
    rng: random.Random,
    changes: int = 1,
    wrappings: int = len(WRAPPINGS),
) -> Taken:
    """Take each statement, and changed copies of it, out of so many drawn wrappings.

    A text that is no SQL (predictions are, sometimes) is what an answer in running text cannot
    show the end of: it is left out, and counted.
    """
    taken = Taken()
    for statement in statements:
        if not parses(statement):
            taken.left_out += 1
            continue
        for sql in (statement, *(mutated(statement, rng) for _ in range(changes))):
            expected = as_taken(sql)
            for name, wrap in rng.sample(list(WRAPPINGS.items()), wrappings):
                taken.answers += 1
                found = extract_sql(answer := wrap(sql))
                if found.replace("\r", "") != expected:
                    taken.failures.append((name, answer, found))
    return taken


def real_statements(spider: Path) -> tuple[list[str], list[str]]:
    """Return the golds of marketplace and of Spider's dev set, and 88 systems' predictions."""
    golds = [q.gold for s in ("marketplace", f"spider:{spider}") for q in load_suite(s).questions()]
    with gzip.open(spider / "systems.jsonl.gz", "rt", encoding="utf-8") as file:
        return golds, [json.loads(line)["pred"] for line in file]
