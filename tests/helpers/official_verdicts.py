"""The stored verdicts of the official evaluators on what 88 real systems answered."""

import gzip
import json
import random
from pathlib import Path

from sqlbench.databases.base import QueryError
from sqlbench.databases.sqlite import SQLiteDatabase
from sqlbench.grading.compare import compare, failed
from sqlbench.grading.gold import run_gold
from sqlbench.grading.grader import GRADING_LIMITS
from sqlbench.grading.metrics import find_metric
from sqlbench.suites import load_suite

OFFICIAL = {
    "spider": "official_exec",
    "spider-keep-distinct": "official_keep_distinct",
    "bird": "bird_ex",
}


def read_systems(spider: Path, share: float = 1.0, seed: int = 0) -> list[dict]:
    """Return a seeded share of the records, one a distinct prediction of a question."""
    rng = random.Random(seed)
    with gzip.open(spider / "systems.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file if rng.random() < share]


def differences(spider: Path, records: list[dict]) -> list[tuple[str, int, str, str]]:
    """Return where a verdict is not the stored one: metric, question, prediction, reason."""
    suite = load_suite(f"spider:{spider}")
    questions = {e.number: suite.question(e.question_id) for e in suite.entries if e.question_id}
    databases = {
        db_id: SQLiteDatabase(database.path, db_id, limits=GRADING_LIMITS)
        for db_id, database in suite.databases.items()
    }
    golds, results, found = {}, {}, []
    for record in records:
        question = questions[record["index"]]
        database = databases[question.db_id]
        for metric, field in OFFICIAL.items():
            rule = find_metric(metric)
            gold_key = question.db_id, rule.prepare_gold(question.gold)
            if gold_key not in golds:
                golds[gold_key] = run_gold(gold_key[1], database)
            gold = golds[gold_key]
            key = question.db_id, rule.prepare(record["pred"])
            if key not in results:
                try:
                    results[key] = database.execute(key[1])
                except QueryError as error:
                    results[key] = error
            if isinstance(results[key], QueryError):
                verdict = failed(gold, results[key])
            else:
                verdict = compare(gold, results[key], metric)
            if verdict.match != bool(record[field]):
                found.append((metric, record["index"], record["pred"], verdict.reason))
        if len(results) > 2_000:  # what is kept is only for the metrics of one record
            results.clear()
    for database in databases.values():
        database.close()
    return found
