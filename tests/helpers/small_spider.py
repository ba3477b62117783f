"""A small suite in Spider's layout, with two prediction files.

Run: python tests/helpers/small_spider.py DIR

The copy in ``tests/data/small_spider`` is what notebook 05 is committed with; a test checks that
it is what this file writes. The predictions are hand-made, by nobody's model: `careful` errs as
careful models do, `hasty` is right by luck more often.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

BAKERY = """
CREATE TABLE baker (baker_id INTEGER PRIMARY KEY, name TEXT NOT NULL, town TEXT, born INTEGER);
CREATE TABLE cake (cake_id INTEGER PRIMARY KEY, title TEXT NOT NULL, price REAL, kind TEXT,
    baker_id INTEGER NOT NULL REFERENCES baker (baker_id));
CREATE TABLE sale (sale_id INTEGER PRIMARY KEY, cake_id INTEGER NOT NULL REFERENCES cake (cake_id),
    day TEXT NOT NULL, pieces INTEGER NOT NULL);
"""
CLUB = """
CREATE TABLE member (member_id INTEGER PRIMARY KEY, name TEXT NOT NULL, level TEXT, joined TEXT);
CREATE TABLE game (game_id INTEGER PRIMARY KEY, white INTEGER REFERENCES member (member_id),
    black INTEGER REFERENCES member (member_id), winner TEXT, moves INTEGER);
"""
NAMES = "Ada Ben Cleo Dora Emil Finn Gus Hana Ida Jon Kai Lea Mia Nils Ole Pia".split()  # noqa: SIM905

# db_id, question, gold, careful's prediction, hasty's prediction.
QUESTIONS = [
    ("bakery", "How many bakers are there?", "SELECT count(*) FROM baker", None, None),
    (
        "bakery",
        "What is the highest price of a cake?",
        "SELECT max(price) FROM cake",
        None,
        "SELECT 9.5",
    ),
    (
        "bakery",
        "In how many towns are there bakers?",
        "SELECT count(DISTINCT town) FROM baker",
        None,
        "SELECT count(town) FROM baker",
    ),
    (
        "bakery",
        "Which cakes of kind tart cost less than 20?",
        "SELECT title FROM cake WHERE kind = 'tart' AND price < 20",
        None,
        "SELECT title FROM cake WHERE kind = 'tart'",
    ),
    (
        "bakery",
        "List the names of bakers from Oslo.",
        "SELECT name FROM baker WHERE town = 'Oslo'",
        "SELECT name, town FROM baker WHERE town = 'Oslo'",
        "SELECT name FROM baker WHERE town LIKE 'Os%'",
    ),
    (
        "bakery",
        "What is the average price of cakes by kind?",
        "SELECT kind, avg(price) FROM cake GROUP BY kind",
        "SELECT avg(price), kind FROM cake GROUP BY kind",
        "SELECT kind, price FROM cake GROUP BY kind",
    ),
    (
        "bakery",
        "Which bakers made a cake that was never sold?",
        "SELECT DISTINCT b.name FROM baker b JOIN cake c ON c.baker_id = b.baker_id "
        "WHERE c.cake_id NOT IN (SELECT cake_id FROM sale)",
        "SELECT b.name FROM baker b JOIN cake c ON c.baker_id = b.baker_id "
        "WHERE NOT EXISTS (SELECT 1 FROM sale s WHERE s.cake_id = c.cake_id)",
        "SELECT name FROM baker WHERE baker_id NOT IN (SELECT cake_id FROM sale)",
    ),
    (
        "bakery",
        "Titles of cakes from dear to cheap.",
        "SELECT title FROM cake ORDER BY price DESC, title",
        None,
        "SELECT title FROM cake",
    ),
    (
        "bakery",
        "Who baked the dearest cake?",
        "SELECT b.name FROM baker b JOIN cake c ON c.baker_id = b.baker_id "
        "ORDER BY c.price DESC LIMIT 1",
        "SELECT b.name FROM baker b JOIN cake c ON c.baker_id = b.baker_id "
        "WHERE c.price = (SELECT max(price) FROM cake)",
        "SELECT name FROM baker JOIN cake ORDER BY price DESC LIMIT 1",
    ),
    (
        "bakery",
        "How many pieces were sold of each cake?",
        "SELECT c.title, sum(s.pieces) FROM cake c JOIN sale s ON s.cake_id = c.cake_id "
        "GROUP BY c.cake_id",
        "SELECT c.title, sum(s.pieces) FROM cake c JOIN sale s USING (cake_id) GROUP BY c.cake_id",
        "SELECT title, sum(pieces) FROM cakes JOIN sale GROUP BY title",
    ),
    (
        "bakery",
        "On which days were more than 3 pieces sold at once?",
        "SELECT DISTINCT day FROM sale WHERE pieces > 3",
        "SELECT day FROM sale WHERE pieces > 3",
        "SELECT day FROM sale WHERE pieces >= 3",
    ),
    (
        "bakery",
        "Which cakes cost more than 100?",
        "SELECT title FROM cake WHERE price > 100",
        "SELECT title FROM cake WHERE price > 100",
        "SELECT name FROM baker WHERE born > 2100",
    ),
    ("club", "How many members are there?", "SELECT count(*) FROM member", None, None),
    (
        "club",
        "Names of members of level gold.",
        "SELECT name FROM member WHERE level = 'gold'",
        "SELECT name FROM member WHERE level = 'Gold'",
        "SELECT name FROM member WHERE level != 'silver' AND level != 'bronze'",
    ),
    (
        "club",
        "How many games did each member win as white?",
        "SELECT m.name, count(*) FROM member m JOIN game g ON g.white = m.member_id "
        "WHERE g.winner = 'white' GROUP BY m.member_id",
        None,
        "SELECT m.name, count(*) FROM member m JOIN game g ON g.white = m.member_id "
        "GROUP BY m.member_id",
    ),
    (
        "club",
        "What is the longest game?",
        "SELECT max(moves) FROM game",
        "SELECT moves FROM game ORDER BY moves DESC LIMIT 1",
        "SELECT moves FROM game WHERE game_id = 7",
    ),
    (
        "club",
        "Which members never played black?",
        "SELECT name FROM member WHERE member_id NOT IN (SELECT black FROM game)",
        "SELECT m.name FROM member m LEFT JOIN game g ON g.black = m.member_id "
        "WHERE g.game_id IS NULL",
        "SELECT name FROM member EXCEPT SELECT name FROM member, game WHERE black = member_id",
    ),
    (
        "club",
        "How many games had a draw?",
        "SELECT count(*) FROM game WHERE winner = 'draw'",
        None,
        "SELECT count(*) FROM game WHERE winner NOT IN ('white', 'black')",
    ),
    (
        "club",
        "Levels by number of members, largest first.",
        "SELECT level, count(*) FROM member GROUP BY level ORDER BY count(*) DESC, level",
        "SELECT level, count(*) AS n FROM member GROUP BY level ORDER BY n DESC, level",
        "SELECT level FROM member GROUP BY level ORDER BY count(*) DESC",
    ),
    (
        "club",
        "Who joined first?",
        "SELECT name FROM member ORDER BY joined, member_id LIMIT 1",
        "SELECT name FROM member ORDER BY joined LIMIT 1",
        "SELECT name FROM member WHERE member_id = 1",
    ),
]


def write(folder: Path) -> None:
    """Write the suite and its prediction files."""
    rng = random.Random(5)
    records = [
        {"db_id": db_id, "question": text, "query": gold} for db_id, text, gold, _, _ in QUESTIONS
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dev.json").write_text(json.dumps(records, indent=1) + "\n")
    _database(folder / "database", "bakery", BAKERY, _bakery_rows(rng))
    _database(folder / "database", "club", CLUB, _club_rows(rng))
    careful = [pred or gold for _, _, gold, pred, _ in QUESTIONS]
    hasty = [pred or gold for _, _, gold, _, pred in QUESTIONS]
    lines = (f"{sql}\t{q[0]}\n" for sql, q in zip(careful, QUESTIONS, strict=True))
    (folder / "careful.txt").write_text("".join(lines))
    jsonl = (json.dumps({"index": i, "pred": sql}) + "\n" for i, sql in enumerate(hasty))
    (folder / "hasty.jsonl").write_text("".join(jsonl))


def _database(
    folder: Path, name: str, schema: str, rows: dict[str, list[tuple[object, ...]]]
) -> None:
    path = folder / name / f"{name}.sqlite"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(schema)
        for table, values in rows.items():
            marks = ", ".join("?" * len(values[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)
        connection.commit()


def _bakery_rows(rng: random.Random) -> dict[str, list[tuple[object, ...]]]:
    towns = ["Oslo", "Rome", "Bern", "Graz", "Lyon", None]
    # As many towns as bakers with a town: count(town) is right by luck.
    bakers = [(i, NAMES[i - 1], towns[i - 1], 1960 + 5 * i) for i in range(1, 7)]
    kinds, prices = ["tart", "bread", "roll"], [9.5, 7.25, 3.0, 1.75, 8.0, 2.5, 4.75, 6.0]
    cakes = [
        (i, f"{NAMES[-i]}'s {kinds[i % 3]}", prices[i - 1], kinds[i % 3], i % 6 + 1)
        for i in range(1, 9)
    ]
    sales = [
        (i, rng.randint(1, 6), f"2024-03-{rng.randint(1, 20):02d}", rng.choice([1, 2, 4, 5]))
        for i in range(1, 31)
    ]
    return {"baker": bakers, "cake": cakes, "sale": sales}


def _club_rows(rng: random.Random) -> dict[str, list[tuple[object, ...]]]:
    levels = ["gold", "silver", "bronze"]
    members = [
        (i, NAMES[i + 3], levels[i % 3] if i < 9 else "silver", f"20{10 + i}-0{i % 9 + 1}-15")
        for i in range(1, 12)
    ]
    games = []
    for i in range(1, 31):
        white, black = rng.sample(range(1, 9), 2)
        winner = rng.choice(["white", "black", "draw"])
        games.append((i, white, black, winner, 20 + i % 13 if i != 7 else 61))
    return {"member": members, "game": games}


if __name__ == "__main__":
    write(Path(sys.argv[1]))
