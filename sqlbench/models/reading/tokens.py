"""The tokens of SQL, as far as quotes, comments, brackets and dots go: any dialect, any text."""

from __future__ import annotations

import re
from typing import NamedTuple

# What is no SQL outside quotes in any dialect, and ends a statement in running text. Any other
# sign beyond ASCII can be a name's: SQLite takes it.
STOPS = "。，；：！？、（）「」『』《》“”„‘’«»…—–→⇒✅▁"

# Each alternative takes at least one character and none backtracks: any text is read in one pass.
_TOKEN = re.compile(
    rf"""
    (?P<line>\n)
  | (?P<space>[^\S\n]++)
  | (?P<comment>--[^\n]*+|/\*(?s:.*?)(?:\*/|\Z))
  | (?P<string>(?:[eEbBxXnN]|[uU]&)?'(?:[^']++|'')*+'
      |\$(?P<tag>(?:[A-Za-z_]\w*)?)\$(?s:.{{0,2000}}?)\$(?P=tag)\$)
  | (?P<name>"(?:[^"]++|"")*+"
      |`(?!``)(?:[^`]++|``)*+`|(?<![\w\])])\[(?!/)[^\[\]\n]++\])
  | (?P<number>0[xX][0-9a-fA-F]++
      |(?:[0-9][0-9_]*+(?:\.(?!\.)[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?)
  | (?P<word>(?:[^\W\d]|[^\x00-\x7f\s{STOPS}])(?:[\w$]|[^\x00-\x7f\s{STOPS}])*+)
  | (?P<param>[:@$][^\W\d]\w*+|[?$][0-9]*+)
  | (?P<cast>::)
  | (?P<operator>->>|->|\|\||<=>|<=|>=|<>|!=|==|<<|>>|@>|<@
      |!~~?\*?|~~?\*?|\#>>?|\*\*|//|[-+*/%=<>&|^])
  | (?P<mark>[(),;.\[\]{{}}])
  | (?P<junk>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# A chat template's token, or a closing tag: no SQL in any dialect.
TAG = re.compile(
    r"<[|｜][\w▁ ]{1,40}[|｜]>|</[A-Za-z]|\[/[A-Za-z]|</?s>|<(?:eos|end_of_turn|start_of_turn)>"
    r"|\\end\{|\\\]"
)
BLANKS = frozenset(("line", "space", "comment"))
_BLANK = re.compile(r"(?:\s++|--[^\n]*+|/\*(?s:.*?)(?:\*/|\Z))*+")


class Token(NamedTuple):
    """A piece of a text: what it is, where it begins, and what it says."""

    kind: str
    start: int
    text: str

    @property
    def end(self) -> int:
        """Where the next token begins."""
        return self.start + len(self.text)


def token_at(text: str, i: int) -> Token:
    """Return the token that begins at a place before the text's end."""
    match = _TOKEN.match(text, i)
    assert match is not None and match.lastgroup is not None
    return Token(match.lastgroup if match.lastgroup != "tag" else "string", i, match[0])


def after_blanks(text: str, i: int) -> int:
    """Return the place behind the white space and comments that begin at a place."""
    match = _BLANK.match(text, i)
    return match.end() if match else i
