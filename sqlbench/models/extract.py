"""Take the SQL statement out of a model's answer."""

from __future__ import annotations

import asyncio

from sqlbench.databases.memo import Memo, is_switched_off
from sqlbench.databases.revision import revision_of
from sqlbench.databases.shelf import shelf_in_use, shelf_key
from sqlbench.models.base import Completion
from sqlbench.models.reading.candidates import best_of
from sqlbench.models.reading.thoughts import split_thoughts

# A longer one takes more than a moment to read.
LONG_ANSWER = 20_000
_KEPT = Memo[str](16 * 2**20).of_process()
_SIZE = 256  # bytes that Python needs for one, beside its letters
_CODE = ("models/reading", "models/extract.py")


def extract_sql(text: str) -> str:
    r"""Return the statement of an answer, or an empty string if it holds none.

    What a model thinks aloud is dropped, in any of the marks of `sqlbench.models.reading.thoughts`.
    Of several code blocks the last that holds a query counts, for models correct themselves
    downwards; one that holds another statement (CREATE TABLE, say) counts only where none holds a
    query. Then come the fields of a JSON answer, those first whose key speaks of SQL or a query;
    then the text itself, where a statement begins a line or follows a label or a mark of
    quotation; code spans; and last a ``SELECT … FROM …`` in capitals within a sentence.

    In a code block or a JSON text a statement ends with its semicolon, or where a line beyond
    doubt explains it. In running text it ends where prose begins: SQL is read by its tokens
    (quotes, comments, brackets, numbers, dots), and three names in a row are none. So valid SQL is
    never cut. Several statements in a row stay together: the database refuses them, and says so.
    The trailing semicolon, the comments in front, and empty lines outside strings are dropped.

    The function never raises, and takes a time that grows with the length of the answer alone.

    Parameters
    ----------
    text : str
        The answer as the model gave it.

    Examples
    --------
    >>> extract_sql("Sure! Here it is: SELECT count(*) FROM singer; This counts the singers.")
    'SELECT count(*) FROM singer'
    >>> extract_sql("SELECT name FROM singer\nDiese Abfrage liefert alle Namen.")
    'SELECT name FROM singer'
    """
    spoken, _ = split_thoughts(text)
    found = best_of(spoken)
    return found.sql if found is not None else ""


async def statement_of(completion: Completion) -> str:
    """Return the statement of a completion, which is read once.

    A long one is read in a thread, beside the loop. Reading takes longer than most queries: what
    was found is kept in the process, and on the shelf of a run's stored answers.
    """
    if completion.sql is not None:
        return completion.sql
    text = completion.text
    if is_switched_off():
        return await _read(text)
    found, shelf = _KEPT.get(text), shelf_in_use()
    if found is not None and (shelf is None or hash(text) in shelf.noted):
        return found
    place = None if shelf is None else shelf_key("statement", revision_of(*_CODE), text)
    lying = None
    if shelf is not None and place is not None and found is None:
        lying = shelf.find(place)
    sql = lying if isinstance(lying, str) else found
    if sql is None:
        sql = await _read(text)
    if sql != lying and shelf is not None and place is not None:
        shelf.keep(place, sql)
    if shelf is not None:
        shelf.noted.add(hash(text))
    _KEPT.put(text, sql, _SIZE + len(text) + len(sql))
    return sql


async def _read(text: str) -> str:
    if len(text) <= LONG_ANSWER:
        return extract_sql(text)
    return await asyncio.to_thread(extract_sql, text)
