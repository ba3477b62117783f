"""Whether a line, or what follows a dot, is prose: a look ahead by the coarse grammar."""

from __future__ import annotations

import re

from sqlbench.models.reading.grammar import Flow
from sqlbench.models.reading.tokens import BLANKS, TAG, Token, after_blanks, token_at
from sqlbench.models.reading.words import GOES_ON, NEUTRAL

# So many tokens are looked at: a sentence betrays itself earlier.
AHEAD = 40
# Within so many characters a name's second mention is looked for.
NEAR = 4_000

# A heading, bold text, a table's row, a rule, a closing tag, a fence: no line of SQL.
_MARKUP = re.compile(
    r"#{1,6}[ \t]|\*\*[^\s*].*\*\*|__[^\s_].*__|\|.*\|[ \t\r]*$|\[/?[A-Z]+\]|</?[A-Za-z]\w*>"
    r"|<\||```|~~~|(?:\*{3,}|={3,}|_{3,})[ \t\r]*$"
    # A quotation, and no comparison that begins a line: "> This query", not "> Age AND".
    r"|>[ \t]+[A-Z][a-z'’]*[ \t]+(?!(?:and|or|group|order|limit|having|union|then)\b)[a-z]",
    re.MULTILINE,
)
_RULE = re.compile(r"-{3,}[ \t\r]*(?:\n|\Z)")
_LABEL = re.compile(r"[ \t]*(?:[*_#>-]+[ \t]*)?\w[\w '’/()-]{0,40}(?:\*\*|__)?[ \t]*[:：](?![:=])")
_BULLET = re.compile(r"(?:[-*+•][ \t]+|\d+[.)][ \t]+)(?=[^\W\d])")
# No name that a person would give a column, with a capital.
_SAYS = re.compile(
    r"(?:This|These|That|Those|The|Here|It|Its|Note|You|We|I|They|There|If|Please|Both|Each|Only|"
    r"Dies|Diese[rs]?|Die|Der|Das|Es|Wir|Hier|Hinweis|Ce|Cette|Ces|La|Le|Les|El|Esta|Este|Los)"
    r"(?=[ \t'’])"
)
_IDENTIFIER = re.compile(r"[\"`\[]?(?=\w*[_\d])[^\W\d]\w*")
_SENTENCE = re.compile(r"[.!?。:]['\"*)]*[ \t\r]*(?:\n|\Z)")


def is_prose(text: str, i: int, flow: Flow, start: int, gap: int, block: bool) -> bool:
    """Whether the line at a place no longer belongs to the statement in front of it.

    Parameters
    ----------
    text : str
        The text.
    i : int
        The place of the line's first character that is no white space.
    flow : Flow
        The statement so far; it is not changed.
    start : int
        Where the statement begins.
    gap : int
        How many line breaks stand in front of the line.
    block : bool
        Whether the text is a code block, in which a line is prose only beyond doubt.
    """
    if block:
        return _is_explanation(text, i, flow, gap)
    while rule := _RULE.match(text, i):
        i = after_blanks(text, rule.end())
        if i >= len(text):
            return True
    if i >= len(text) or (_MARKUP.match(text, i) and not _is_bracketed(text, i, flow, start)):
        return True
    i = after_blanks(text, i)
    if i >= len(text):
        return False
    first = token_at(text, i)
    if first.text in (",", ")", ";"):
        return False
    wants = flow.waits
    if _continues(text, first, start):
        return False
    bullet = _BULLET.match(text, i)
    if _SAYS.match(text, bullet.end() if bullet else i) and not wants:
        return _failure(text, i, flow) is not None or bullet is not None or gap > 1
    failure = _failure(text, i, flow)
    if failure is not None:
        return not (wants and gap == 1 and first.kind != "word") and not _says_sql(text, i, failure)
    return not wants and _is_lone_word(text, first, start)


def _is_bracketed(text: str, i: int, flow: Flow, start: int) -> bool:
    """Whether what looks like a tag ("[SQL]") is a name: "[S].a", "[S] WHERE", or waited for."""
    name = token_at(text, i)
    if name.kind != "name":
        return False
    following = after_blanks(text, name.end)
    if flow.waits or following >= len(text):
        return flow.waits
    token = token_at(text, following)
    return token.text == "." or _continues(text, token, start)


def _continues(text: str, token: Token, start: int) -> bool:
    """Whether a keyword goes on with the statement, and is written as its first word is."""
    if token.kind != "word" or token.text.upper() not in GOES_ON:
        return False
    written = _first_word(text, start)
    return token.text.isupper() == written.isupper() and token.text.islower() == written.islower()


def _first_word(text: str, start: int) -> str:
    match = re.compile(r"[(\s]*(\w+)").match(text, start)
    return match[1] if match else ""


def _failure(text: str, i: int, flow: Flow, limit: int = AHEAD) -> Token | None:
    """Return the first token of a line that cannot stand where it does."""
    flow, dot = flow.copy(), i - 1
    for _ in range(limit):
        if i >= len(text):
            break
        token = token_at(text, i)
        if token.kind == "line" or token.text == ";" or TAG.match(text, i):
            break
        if not flow.feed(token):
            return token
        if token.text == ".":
            dot = i
        i = token.end
    else:
        return None
    if not flow.last.dotted or flow.last.kind == "cast" or _is_alias(text, dot):
        return None
    if text[dot] == "." and _is_identifier(text, after_blanks(text, dot + 1)):
        return None
    return token_at(text, i - 1)


def _says_sql(text: str, i: int, failure: Token) -> bool:
    """Whether what stands before a token that fails is SQL all the same, only faulty."""
    line = text[i : failure.start]
    return re.search(r"[\w)\]\"'](?:\s*(?:[=<>]|\|\|)|\()|[(,]\s*SELECT\b", line) is not None


def _is_lone_word(text: str, first: Token, start: int) -> bool:
    """Whether a line of one word is a remark ("Done") and no alias."""
    end = text.find("\n", first.end)
    line = text[first.start : end if end >= 0 else len(text)].strip()
    if first.kind != "word" or first.text.upper() in GOES_ON or line.rstrip(";") != first.text:
        return False
    if re.compile(rf"\b{re.escape(first.text)}\s*\.", re.IGNORECASE).search(
        text, start, start + NEAR
    ):
        return False
    following = after_blanks(text, end if end >= 0 else len(text))
    if following < len(text):
        token = token_at(text, following)
        return not (token.text in ",);" or token.text.upper() in GOES_ON)
    return not line.endswith(";") and first.text[:1].isupper() and first.text.isalpha()


def _is_explanation(text: str, i: int, flow: Flow, gap: int) -> bool:
    """Whether a line in a code block is a sentence or a label beyond doubt."""
    first = token_at(text, i)
    if first.kind not in ("word", "operator") or first.text.upper() in GOES_ON:
        return False
    if flow.waits or len(flow.frames) > 1 or flow.frames[-1].clause == "other":
        return False
    failure = _failure(text, i, flow)
    if failure is None or _says_sql(text, i, failure):
        return False
    if _LABEL.match(text, i):
        return True
    end = text.find("\n", i)
    sentence = _SENTENCE.search(text, i)
    return gap > 1 and sentence is not None and (end < 0 or sentence.start() < end)


def goes_on_behind_dot(text: str, dot: Token, flow: Flow, start: int) -> bool:
    """Whether a statement goes on behind a dot that white space follows.

    Parameters
    ----------
    text : str
        The text.
    dot : Token
        The dot, or the number that ends with one.
    flow : Flow
        The statement up to the dot; it is not changed.
    start : int
        Where the statement begins.
    """
    ahead = flow.copy()
    if not ahead.feed(dot):
        return False
    i, seen, last_dot = dot.end, 0, dot.start
    sql = names = sole = False
    keyword = _first_word(text, start)
    while i < len(text) and (seen < AHEAD or ahead.last.dotted):
        token = token_at(text, i)
        waits = ahead.last.dotted and sql
        waits = waits and (
            _is_identifier(text, after_blanks(text, i)) or _is_named(text, start, last_dot)
        )
        if token.text == ";":
            break
        if token.kind == "line" and names and not waits:
            if _begins_with_operator(text, i):
                return True
            break
        if token.text == ".":
            last_dot = i
        if not ahead.feed(token):
            if sql or seen != 1 or token.kind == "word":
                return sql
            break  # a mark of quotation behind a name
        if token.kind not in BLANKS:
            seen += 1
            # One such word on its own is no sentence.
            sole = seen == 1 and _is_identifier(text, i)
            names = True
            upper = token.text.upper()
            if token.kind == "word" and upper in GOES_ON | NEUTRAL and seen > (dot.kind == "mark"):
                # A sentence begins with a capital, unless the statement is written so, too.
                sql = sql or not token.text.istitle() or keyword.istitle()
            elif token.kind == "operator" or token.text in ("(", ")"):
                sql = True
        i = token.end
    if ahead.last.dotted or sql:
        return not ahead.last.dotted
    if sole and dot.kind == "mark":
        return True
    if dot.kind == "number":
        return not names  # a name behind a number would be its alias
    if text[dot.start - 1].isspace() or (flow.frames[-1].clause == "list" and not flow.reached):
        return True
    return flow.frames[-1].clause != "from" and _is_named(text, start, dot.start)


def _is_identifier(text: str, i: int) -> bool:
    """Whether a word stands at a place that no language writes (order_id, t1)."""
    return _IDENTIFIER.match(text, i) is not None


def _begins_with_operator(text: str, i: int) -> bool:
    """Whether the next line with anything on it goes on with a comparison or a sum."""
    i = after_blanks(text, i)
    if i >= len(text) or _MARKUP.match(text, i) or _BULLET.match(text, i) or _RULE.match(text, i):
        return False
    return token_at(text, i).kind == "operator"


def _is_alias(text: str, dot: int) -> bool:
    """Whether AS stands in front of the name before a dot, somewhere near."""
    name = re.compile(r"(\w+)\Z").search(text, max(0, dot - 128), dot)
    if name is None:
        return False
    given = re.compile(rf"\bAS\s+{re.escape(name[1])}\b", re.IGNORECASE)
    return given.search(text, max(0, dot - NEAR), dot) is not None


def _is_named(text: str, start: int, dot: int) -> bool:
    """Whether the name before a dot stands elsewhere in the statement."""
    name = re.compile(r"(\w+)[\"`\]]?\Z").search(text, max(start, dot - 128), dot)
    if name is None:
        return False
    again = re.compile(rf"\b{re.escape(name[1])}\b", re.IGNORECASE)
    return (
        again.search(text, max(start, dot - NEAR), name.start()) is not None
        or again.search(text, dot, dot + NEAR) is not None
    )
