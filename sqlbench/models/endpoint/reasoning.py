"""Keep what a model thinks apart from what it says."""

from __future__ import annotations

import re

_BLOCK = re.compile(r"<think(?:ing)?>(.*?)(?:</think(?:ing)?>|\Z)", re.DOTALL | re.IGNORECASE)
# A chat template may have opened the block in the prompt: then only its end is in the answer.
_CLOSED_ONLY = re.compile(r"\A(.*)</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"</?think(?:ing)?>", re.IGNORECASE)
_TAGS = ("<think>", "<thinking>", "</think>", "</thinking>")


def split_reasoning(text: str) -> tuple[str, str]:
    """Return an answer without its ``<think>`` blocks, and what stood in them.

    Parameters
    ----------
    text : str
        The answer as the model gave it.
    """
    thoughts: list[str] = []

    def take(block: re.Match[str]) -> str:
        thoughts.append(block[1].strip())
        return ""

    text = _CLOSED_ONLY.sub(take, _BLOCK.sub(take, text))
    return text.strip() if thoughts else text, "\n\n".join(t for t in thoughts if t)


class SpokenPieces:
    """Lets the pieces of a stream through, but for what stands between ``<think>`` tags.

    A tag may be cut by the border of two pieces: what might be its beginning is held back.
    """

    def __init__(self) -> None:
        self._held = ""
        self._thinking = False

    def feed(self, piece: str) -> str:
        """Return what can be shown now."""
        text, shown = self._held + piece, []
        self._held = ""
        while tag := _TAG.search(text):
            if not self._thinking:
                shown.append(text[: tag.start()])
            self._thinking = not tag[0].startswith("</")
            text = text[tag.end() :]
        start = text.rfind("<")
        if start >= 0 and any(t.startswith(text[start:].lower()) for t in _TAGS):
            text, self._held = text[:start], text[start:]
        if not self._thinking:
            shown.append(text)
        return "".join(shown)

    def end(self) -> str:
        """Return what was held back and is no tag after all."""
        return "" if self._thinking else self._held
