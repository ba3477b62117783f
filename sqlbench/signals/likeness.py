"""How alike two names are: as letters, as words, and as one short for the other."""

from __future__ import annotations

import re
from functools import lru_cache

from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

# Where a word of a name ends: before a capital that follows a small letter, at digits and signs.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_SHORT = {
    "num": "number", "no": "number", "nr": "number", "cnt": "count", "qty": "quantity",
    "amt": "amount", "avg": "average", "addr": "address", "dept": "department", "desc":
    "description", "fname": "first name", "lname": "last name", "dob": "birth date", "pct":
    "percent", "yr": "year", "lang": "language", "gov": "government", "tel": "telephone",
    "pop": "population", "lat": "latitude", "long": "longitude", "lng": "longitude",
}  # fmt: skip
# Words that name the same thing in one schema and another.
_groups = (
    "sex gender; leader head ruler; begin start from since open; end finish until close to; cost "
    "price fee expense charge amount spend spent spending; title name label; phone telephone "
    "mobile cell; mail email; zip postcode postal; count number total quantity; nation country; "
    "location place venue site address; city town hometown; state province county; birth birthday "
    "born; description detail text info information content comment note summary; role type kind "
    "category class sort; salary wage income earning pay revenue; rank ranking position place; "
    "author writer written; teacher instructor lecturer; student pupil stu; firm company "
    "business; employee staff worker; death killed dead casualty; score point result mark grade; "
    "area surface size; language tongue; picture image photo; arrive arrival destination dest; "
    "depart departure source origin leave left; buy purchase; maker manufacturer make producer; "
    "weight mass; power horsepower; date day time; status state condition; code id identifier key "
    "number; parent mother father; full complete; first given; last family surname; abbreviation "
    "short; membership level; customer client; product item good; hurt injured injury; money "
    "earning dollar; speed velocity pace; winner champion won "
)
_SAME: dict[str, frozenset[str]] = {}
for _group in _groups.split(";"):
    for _word in _group.split():
        _SAME[_word] = _SAME.get(_word, frozenset()) | frozenset(_group.split())


def related(word: str) -> frozenset[str]:
    """Return the words that often name the same thing as a word, itself included."""
    return _SAME.get(word, frozenset()) | {word}


def shared_sense(said: tuple[str, ...], real: tuple[str, ...]) -> float:
    """Return the share of one name's words that another has, or has another word for."""
    if not said or not real:
        return 0.0
    there = set(real)
    return sum(bool(related(word) & there) for word in said) / len(said)


@lru_cache(maxsize=50_000)
def words_of(name: str) -> tuple[str, ...]:
    """Return the words of a name or a text, in lower case and in the singular.

    ``SurfaceArea``, ``surface_area`` and ``surface areas`` are the same two words; common
    abbreviations are written out.
    """
    found: list[str] = []
    for part in _WORD.findall(name):
        word = part.lower()
        found.extend(_SHORT.get(word, singular(word)).split())
    return tuple(found)


def singular(word: str) -> str:
    """Return an English noun's singular by its ending; a word that has none stays as it is."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


@lru_cache(maxsize=100_000)
def alike(said: str, real: str) -> float:
    """Return how alike two names are, from 0 to 1; 1 if they have the same words.

    The greatest of the share of letters kept (Levenshtein with insertions and deletions), of that
    with the words sorted, of Jaro-Winkler, and of what holds where one name is part of the other
    or short for it.

    Parameters
    ----------
    said : str
        The name that was written.
    real : str
        A name that there is.
    """
    a, b = words_of(said), words_of(real)
    one, two = "".join(a), "".join(b)
    if not one or not two:
        return float(said.lower() == real.lower())
    if one == two or sorted(a) == sorted(b):
        return 1.0
    letters = fuzz.ratio(one, two) / 100
    ordered = fuzz.ratio(" ".join(sorted(a)), " ".join(sorted(b))) / 100
    start = JaroWinkler.normalized_similarity(one, two) - 0.1
    parts = 0.0
    shared = set(a) & set(b)
    if shared:
        parts = 0.45 + 0.5 * sum(map(len, shared)) / max(len(one), len(two))
    return min(0.99, max(letters, ordered, start, parts, 0.85 * is_short_for(one, b)))


def is_short_for(short: str, words: tuple[str, ...]) -> bool:
    """Return whether a string is made of the beginnings of all words, in order: ``stuid``.

    Parameters
    ----------
    short : str
        Lower-case letters.
    words : tuple of str
        The words of a longer name.
    """
    ends = {0}
    for word in words:
        ends = {
            at + n for at in ends for n in range(1, len(word) + 1) if short.startswith(word[:n], at)
        }
        if not ends:
            return False
    return len(words) > 0 and len(short) > 1 and len(short) in ends
