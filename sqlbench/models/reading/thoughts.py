"""The marks between which models think: what stands there is no answer."""

from __future__ import annotations

import re

_TAGS = (
    "think|thinking|thought|thoughts|reasoning|reason|analysis|scratchpad|scratch_pad|reflection"
    "|inner_monologue|internal_monologue|seed:think|longcat_think|mm:think|cot|chain_of_thought"
    "|rationale"
)
# In the order of the models' age: Magistral, Kimi, Sky-T1 and OpenThinker, Command A, Gemma,
# openPangu, Apertus.
PAIRS: tuple[tuple[str, str], ...] = (
    *((f"<{name}>", f"</{name}>") for name in re.split(r"\|", _TAGS)),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|think_start|>", "<|think_end|>"),
    ("<unused94>", "<unused95>"),
    ("[unused16]", "[unused17]"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
)
# How far from a mark the quotation marks around it may stand, in characters.
QUOTED = 400
OPENERS = {opener.lower(): closer.lower() for opener, closer in PAIRS}
CLOSERS = frozenset(OPENERS.values())
MARK = re.compile(
    # Behind a quotation mark it is spoken of, or looked for (LIKE '%<think>%').
    "(?<![\"'`%])(?:" + "|".join(re.escape(mark) for pair in PAIRS for mark in pair) + ")",
    re.IGNORECASE,
)
# gpt-oss: a channel for thoughts and one for the answer, with its tokens or with what is left of
# them where a server drops special tokens.
CHANNEL = re.compile(
    r"(?:<\|start\|>\w*)?<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
)
BARE_ANALYSIS = re.compile(r"\s*(?:assistant)?analysis(?=[A-Z\s])(?!\s*[:=])")
BARE_CHANNEL = re.compile(r"assistant(?:final|commentary(?: to=[\w.]+)?(?: ?code| ?json)?)")
# Granite says it in words.
_IN_WORDS = re.compile(
    r"\A\s*Here is my thought process:(?P<thought>.*?)(?:Here is my response:|\Z)",
    re.DOTALL | re.IGNORECASE,
)


def split_thoughts(text: str) -> tuple[str, str]:
    """Return an answer without what its model thought, and what it thought.

    A block that is never closed reaches to the end: the model ran out of tokens. Of one that is
    never opened (a chat template may have opened it in the prompt) everything before it counts.
    A mark in quotation marks is none.

    Parameters
    ----------
    text : str
        The answer as the model gave it.
    """
    text, thoughts = _channels(text)
    if in_words := _IN_WORDS.match(text):
        thoughts.append(in_words["thought"])
        text = text[in_words.end() :]
    spoken = split_marked(text, thoughts)
    found = [t for thought in thoughts if (t := thought.strip())]
    return (spoken.strip() if thoughts else spoken), "\n\n".join(found)


def split_marked(text: str, thoughts: list[str]) -> str:
    """Return a text without what stands between the marks of `PAIRS`, which joins the thoughts."""
    said: list[str] = []
    begin, waits = 0, ""
    for mark in MARK.finditer(text):
        name = mark[0].lower()
        if opens_literal(text, mark.start()) and closes_literal(text, mark.end()):
            continue
        if waits:
            if name == waits:
                thoughts.append(text[begin : mark.start()])
                begin, waits = mark.end(), ""
        elif name in CLOSERS:
            thoughts.append("".join(said) + text[begin : mark.start()])
            said, begin = [], mark.end()
        else:
            said.append(text[begin : mark.start()])
            begin, waits = mark.end(), OPENERS[name]
    (thoughts if waits else said).append(text[begin:])
    return "".join(said)


def _channels(text: str) -> tuple[str, list[str]]:
    """Take the channels of gpt-oss apart."""
    marks = list(CHANNEL.finditer(text))
    if marks:
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        parts = [
            (
                mark[1],
                re.sub(r"<\|(?:end|return|call)\|>.*", "", text[mark.end() : end], flags=re.S),
            )
            for mark, end in zip(marks, ends, strict=True)
        ]
        final = [part for name, part in parts if name == "final"]
        other = [part for name, part in parts if name not in ("final", "analysis")]
        spoken = final or other
        return "".join(spoken[-1:]), [part for name, part in parts if name == "analysis"]
    start = BARE_ANALYSIS.match(text)
    if start is None:
        return text, []
    channels = list(BARE_CHANNEL.finditer(text, start.end()))
    if channels:
        return text[channels[-1].end() :], [text[start.end() : channels[0].start()]]
    # One word is a column's or a heading's; glued to a sentence it is the channel's name.
    return ("", [text[start.end() :]]) if text[start.end()].isupper() else (text, [])


def opens_literal(text: str, start: int) -> bool:
    """Whether a mark stands behind a quotation mark of SQL, on its line."""
    before = text[max(text.rfind("\n", 0, start) + 1, start - QUOTED) : start]
    return before.count("'") % 2 == 1 and bool(
        re.search(r"[=(,%]\s*'[^']*\Z|LIKE\s+'[^']*\Z", before, re.I)
    )


def closes_literal(text: str, end: int) -> bool:
    """Whether a quotation mark stands behind a mark, on its line."""
    return "'" in text[end : end + QUOTED].partition("\n")[0]
