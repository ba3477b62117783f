"""What a transcript says was sent is what was sent."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest

import sqlbench as sb
from sqlbench.episodes.repair import Prompts, RepairAction
from sqlbench.exceptions import ConfigError
from sqlbench.models import Completion, Usage
from sqlbench.models.simulated.simulated import SimulatedModel
from sqlbench.reports.transcript import repair_story, sent_messages, transcript
from sqlbench.runs.experiment import run_experiment


class Recording(SimulatedModel):
    """The simulated model, with a memory."""

    def __init__(self, suite):
        super().__init__(suite)
        self.sent = {}

    async def complete(self, request):
        key = (request.question_id, request.repeat, request.attempt)
        self.sent[key] = request.messages
        return await super().complete(request)


@pytest.mark.parametrize("feedback", ["oracle", "always"])
def test_the_prompts_are_made_again_from_the_log_word_for_word(feedback, tmp_path):
    suite = sb.load_suite("marketplace")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "fix_syntax.txt").write_text("Mend the syntax for $$5 in $dialect.")
    model = Recording(suite)
    asyncio.run(
        run_experiment(
            suite, model, "random", episodes=60, feedback=feedback, out=tmp_path / "r",
            prompts=tmp_path / "prompts", progress=False,
        )
    )  # fmt: skip
    run = sb.Run.open(tmp_path / "r")
    compared, overridden = 0, 0
    for episode in run.log:
        for step in episode.steps:
            sent = model.sent[episode.question_id, episode.repeat, step.attempt]
            assert sent_messages(run, suite, episode, step) == sent
            compared += 1
            overridden += "Mend the syntax for $5 in SQLite." in sent[0]["content"]
    assert compared > 80 and overridden > 0
    text = transcript(run, run.log[0].index, suite, prompts=True)
    assert "CREATE TABLE" in text and "simulated" in text


def test_hostile_text_stays_text_in_a_story():
    suite = sb.load_suite("marketplace")
    run = asyncio.run(run_experiment(suite, "simulated", "rules", episodes=30, progress=False))
    episode = sb.analysis.repaired_episodes(run, 1)[0]
    before = episode.steps[-2]
    evil = "SELECT 1 -- ```\n<script>alert(1)</script>"
    episode.steps[-2] = replace(before, sql=evil, error_message="`</code><script>`")
    story = repair_story(run, episode)
    assert "````sql\n" + evil + "\n````" in story
    assert "`` `</code><script>` ``" in story


def test_a_story_counts_one_row_and_ends_each_sentence_once():
    running = run_experiment("marketplace", "simulated", "rules", episodes=30, progress=False)
    run = asyncio.run(running)
    episode = sb.analysis.repaired_episodes(run, 1)[0]
    before, after = episode.steps[-2:]
    message = "The query ran and returned no rows."
    episode.steps[-2:] = [replace(before, error_message=message), replace(after, row_count=1)]
    story = repair_story(run, episode)
    assert "no rows `. `" in story
    assert story.endswith("(1 row).")
    assert "right, 1 row\n" in transcript(run, episode.index, sb.load_suite("marketplace"))


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("fix_everything.txt", "do", "has no use"),
        ("fix_table.txt", "  \n", "is empty"),
        ("fix_table.txt", "use $schema", r"uses \$schema"),
        ("generate.txt", "costs $5", "stray"),
    ],
)
def test_a_bad_prompt_file_is_named(tmp_path, name, text, sentence):
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=sentence) as caught:
        Prompts.load(tmp_path)
    assert name in str(caught.value)


def test_every_action_has_a_prompt_of_its_own():
    prompts = Prompts.load()
    assert len({prompts.texts[a] for a in RepairAction}) == 8
    assert Prompts.load().hash == prompts.hash


class Talkative:
    """Says what it thinks of the question, and writes SQL only when it is asked again."""

    spec, simulated, fingerprint = "talkative", True, ""
    said = "I cannot tell.\nWhich orders do you mean?"

    async def complete(self, request):
        text = self.said if request.attempt == 1 else "```sql\nSELECT 1\n```"
        return Completion(text, Usage(10, 5))

    async def aclose(self):
        pass


def test_an_answer_without_sql_is_in_the_log_and_shown(tmp_path):
    suite = sb.load_suite("marketplace")
    asyncio.run(
        run_experiment(
            suite, Talkative(), "rules", episodes=2, out=tmp_path / "r", progress=False
        )
    )  # fmt: skip
    run = sb.Run.open(tmp_path / "r")
    first, second = run.log[0].steps[:2]
    assert first.sql == "" and first.answer == Talkative.said
    assert second.sql == "SELECT 1" and second.answer is None
    lines = [json.loads(line) for line in (tmp_path / "r" / "episodes.jsonl").open()]
    assert ["answer" in step for step in lines[0]["steps"]][:2] == [True, False]
    text = transcript(run, run.log[0].index, suite)
    assert "(no SQL in the answer)" in text and "    Which orders do you mean?" in text
    assert "Which orders do you mean?" in run.log[0]._repr_html_()
