"""A small suite in exactly BIRD's layout."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

RECORDS = [
    {
        "question_id": 0,
        "db_id": "schools",
        "question": "How many charter schools are there?",
        "evidence": "charter refers to Charter = 1",
        "SQL": "SELECT COUNT(*) FROM frpm WHERE `Charter School (Y/N)` = 1",
        "difficulty": "simple",
    },
    {
        "question_id": 1,
        "db_id": "schools",
        "question": "List the counties of schools with a rate above 0.5.",
        "evidence": "",
        "SQL": "SELECT T1.County FROM schools AS T1 INNER JOIN frpm AS T2 "
        "ON T1.CDSCode = T2.CDSCode "
        "WHERE T2.Rate > 0.5",
        "difficulty": "moderate",
    },
    {
        "question_id": 7,
        "db_id": "schools",
        "question": "Which county has the highest average rate?",
        "evidence": "",
        "SQL": "SELECT T1.County FROM schools AS T1 INNER JOIN frpm AS T2 "
        "ON T1.CDSCode = T2.CDSCode "
        "GROUP BY T1.County ORDER BY AVG(T2.Rate) DESC LIMIT 1",
        "difficulty": "challenging",
    },
    {
        "question_id": 9,
        "db_id": "schools",
        "question": "What is broken?",
        "evidence": "",
        "SQL": "SELECT broken FROM schools",
        "difficulty": "simple",
    },
]


def write(folder: Path, questions: str = "dev.json") -> None:
    """Write the suite; BIRD's descriptions mix UTF-8 with a byte order mark and Windows-1252."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / questions).write_text(json.dumps(RECORDS, indent=4), encoding="utf-8")
    home = folder / "dev_databases" / "schools"
    (home / "database_description").mkdir(parents=True)
    with closing(sqlite3.connect(home / "schools.sqlite")) as connection:
        connection.executescript(
            """
            CREATE TABLE schools (CDSCode TEXT PRIMARY KEY, County TEXT);
            CREATE TABLE frpm (CDSCode TEXT PRIMARY KEY REFERENCES schools (CDSCode),
                `Charter School (Y/N)` INTEGER, Rate REAL);
            INSERT INTO schools VALUES ('01', 'Alameda'), ('02', 'Fresno'), ('03', 'Fresno');
            INSERT INTO frpm VALUES ('01', 1, 0.25), ('02', 0, 0.75), ('03', 1, 0.6);
            """
        )
    header = "original_column_name,column_name,column_description,data_format,value_description\n"
    (home / "database_description" / "frpm.csv").write_bytes(
        (
            "\ufeff" + header + "CDSCode,CDSCode,CDSCode,integer,\n"
            'Charter School (Y/N),,Charter School (Y/N),integer,"0: N;\n1: Y"\n'
            "Rate ,rate,share of pupils,real,commonsense evidence: Rate = Count / Enrollment\n"
        ).encode("utf-8")
    )
    (home / "database_description" / "Schools.csv").write_bytes(
        (header + "County,county,the school\u2019s county,text,\n").encode("cp1252")
    )
