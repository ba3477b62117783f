"""What is shown of a stream, and what is thought: the same marks as in a whole answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlbench.models.reading.spoken import SpokenPieces
from sqlbench.models.reading.thoughts import PAIRS, split_thoughts

FINAL = "<|end|><|start|>assistant<|channel|>final<|message|>"
TEXTS = ["We count.", "SELECT 1 < 2 ", "x = '<think>' AND y = '", "'", "<thi", "<|", "\n", " "]
FAMILIES = [
    [mark for pair in PAIRS[:2] + PAIRS[-8:] for mark in pair],
    ["<|channel|>analysis<|message|>", FINAL, "<|return|>", "<|channel|>commentary<|message|>"],
    ["analysis", "assistantfinal", "assistantcommentary code"],
    ["Here is my thought process:", "Here is my response:"],
]
MIXED = st.lists(st.sampled_from([*TEXTS, *(m for family in FAMILIES for m in family)]), max_size=9)
ONE_FAMILY = st.sampled_from(FAMILIES).flatmap(
    lambda marks: st.lists(st.sampled_from([*TEXTS, *marks]), max_size=9)
)


def shown(pieces) -> str:
    stream = SpokenPieces()
    return "".join([stream.feed(piece) for piece in pieces]) + stream.end()


def cut(text: str, rng) -> list[str]:
    cuts = sorted(rng.sample(range(len(text) + 1), min(6, len(text) + 1)))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@settings(deadline=None, max_examples=200)  # a busy machine is no defect
@given(MIXED, st.randoms(use_true_random=False))
def test_however_a_stream_is_cut_the_same_is_shown(parts, rng):
    text = "".join(parts)
    assert shown(cut(text, rng)) == shown([text]) == shown(text)


@settings(deadline=None, max_examples=200)
@given(ONE_FAMILY, st.randoms(use_true_random=False))
def test_the_answer_stands_at_the_end_of_what_a_stream_shows(parts, rng):
    """All of it, unless a mark showed too late that it had been a thought."""
    text = "".join(parts)
    assert shown(cut(text, rng)).strip().endswith(split_thoughts(text)[0].strip())


@pytest.mark.parametrize(
    ("opens", "closes"),
    [
        *PAIRS,
        ("<|channel|>analysis<|message|>", FINAL),
        ("<|start|>assistant<|channel|>analysis<|message|>", FINAL),
        ("analysisWe count. ", "assistantfinal"),
        ("analysis ", "assistantcommentary to=sql code"),
        ("Here is my thought process: ", "\nHere is my response: "),
    ],
)
def test_no_thought_is_shown_in_any_of_the_marks(opens, closes):
    text = f"{opens}DROP TABLE orders, or SELECT 2?{closes}\nSELECT 1 < 2"
    assert split_thoughts(text)[0] == shown([text]) == shown(text) == "SELECT 1 < 2"
    unclosed = f"{opens}DROP TABLE orders"
    if opens != "analysis ":  # a word like any other, if no channel follows
        assert split_thoughts(unclosed)[0] == shown(unclosed) == ""


@pytest.mark.parametrize(
    "text",
    [
        "SELECT x FROM t WHERE y = '<think> so' AND z = '</think> so'",
        "SELECT x FROM t WHERE y LIKE '%<think>%'",
        "analysis\n--------\n12",
        "SELECT a < b, c<|d FROM t -- <thin",
        "Here is my",
    ],
)
def test_what_is_no_mark_is_shown_whole(text):
    assert shown([text]) == shown(text) == text


@pytest.mark.parametrize(
    ("text", "answer", "thought"),
    [
        ("SELECT 1", "SELECT 1", ""),
        ("<think>hm</think> SELECT 1", "SELECT 1", "hm"),
        ("hm\n</think>\nSELECT 1", "SELECT 1", "hm"),
        ("<thinking>a</thinking>SELECT 1<think>b", "SELECT 1", "a\n\nb"),
        ("<reasoning>a</reasoning><answer>SELECT 1</answer>", "<answer>SELECT 1</answer>", "a"),
    ],
)
def test_thoughts_are_split_off(text, answer, thought):
    assert split_thoughts(text) == (answer, thought)
