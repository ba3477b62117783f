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
OPENERS = {opener.lower(): closer.lower() for opener, closer in PAIRS}
CLOSERS = frozenset(OPENERS.values())
MARK = re.compile(
    # Behind a quotation mark it is spoken of, or looked for (LIKE '%<think>%').
    "(?<![\"'`%])(?:" + "|".join(re.escape(mark) for pair in PAIRS for mark in pair) + ")",
    re.IGNORECASE,
)
# gpt-oss: a channel for thoughts and one for the answer, with its tokens or with what is left of
# them where a server drops special tokens.
_CHANNEL = re.compile(
    r"(?:<\|start\|>\w*)?<\|channel\|>\s*(\w+)[^<]*(?:<\|constrain\|>[^<]*)?<\|message\|>"
)
_BARE_ANALYSIS = re.compile(r"\s*(?:assistant)?analysis(?=[A-Z\s])(?!\s*[:=])")
_BARE_CHANNEL = re.compile(r"assistant(?:final|commentary(?: to=[\w.]+)?(?: ?code| ?json)?)")
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
    said: list[str] = []
    begin, waits = 0, ""
    for mark in MARK.finditer(text):
        name = mark[0].lower()
        if _is_quoted(text, mark):
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
    found = [t for thought in thoughts if (t := thought.strip())]
    spoken = "".join(said)
    return (spoken.strip() if thoughts else spoken), "\n\n".join(found)


def _channels(text: str) -> tuple[str, list[str]]:
    """Take the channels of gpt-oss apart."""
    marks = list(_CHANNEL.finditer(text))
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
    start = _BARE_ANALYSIS.match(text)
    if start is None:
        return text, []
    channels = list(_BARE_CHANNEL.finditer(text, start.end()))
    if channels:
        return text[channels[-1].end() :], [text[start.end() : channels[0].start()]]
    # One word is a column's or a heading's; glued to a sentence it is the channel's name.
    return ("", [text[start.end() :]]) if text[start.end()].isupper() else (text, [])


def _is_quoted(text: str, mark: re.Match[str]) -> bool:
    """Whether a mark stands within a pair of quotation marks, on its line."""
    before = text[max(text.rfind("\n", 0, mark.start()) + 1, mark.start() - 400) : mark.start()]
    if before.count("'") % 2 == 0 or not re.search(
        r"[=(,%]\s*'[^']*\Z|LIKE\s+'[^']*\Z", before, re.I
    ):
        return False
    return "'" in text[mark.end() : mark.end() + 400].partition("\n")[0]
