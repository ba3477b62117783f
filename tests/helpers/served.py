"""Start the fault server for a test, and point the OpenAI-compatible model at it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlbench.models import Calling
from sqlbench.models.endpoint.openai import OpenAIModel
from sqlbench.runs.experiment import run_experiment

SERVER = Path(__file__).parent / "fault_server.py"


class Served:
    """A running fault server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.environ = {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "secret"}

    @property
    def stats(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/stats") as answer:
            return json.load(answer)


def answers_for(suite: Any) -> dict[str, list[str]]:
    """Give every question its gold query and a few that fail, which the request's seed chooses."""
    answers = {}
    for question in suite:
        gold = question.gold.strip().rstrip(";")
        wrong = f"SELECT * FROM ({gold}) LIMIT 0"
        broken = gold.replace("FROM", "FORM", 1)
        answers[question.text] = [
            f"<think>A gold query? DROP TABLE orders;</think>```sql\n{gold}\n```",
            f"```sql\n{gold}\n```",
            f"Here it is:\n```sql\n{wrong}\n```",
            f"```sql\n{broken}\n```",
        ]
    return answers


@contextmanager
def serve(
    folder: Path, answers: dict[str, list[str]] | None = None, **options: Any
) -> Iterator[Served]:
    """Run a fault server; options are those of `fault_server.py`."""
    path = folder / "answers.json"
    path.write_text(json.dumps(answers or {}))
    command = [sys.executable, str(SERVER), str(path)]
    for name, value in options.items():
        text = json.dumps(value) if isinstance(value, dict) else str(value)
        command += [f"--{name.replace('_', '-')}", text]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield Served(process.stdout.readline().strip())
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def run_on(server, suite, folder=None, *, episodes=40, lag=31, concurrency=32, **calling):
    """Run an experiment against a server; the short time limits are for its hangs."""

    async def go():
        options = Calling(**({"answer_seconds": 4.0, "first_token_seconds": 3.0} | calling))
        model = OpenAIModel("m", server.environ, options)
        try:
            return await run_experiment(
                suite, model, "linucb", episodes=episodes, lag=lag, concurrency=concurrency,
                out=folder, progress=False, calling=options,
            )  # fmt: skip
        finally:
            await model.aclose()

    return asyncio.run(go())
