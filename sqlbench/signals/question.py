"""The words of a question: stems, numbers, quoted texts and names.

Stems are cut by a handful of rules, which is enough to match a question's words with those of a
schema; what a pair of words has in common is `alike`.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache

_WORD = re.compile(r"[a-z]+|\d+(?:\.\d+)?")
_QUOTED = re.compile(r"\"([^\"]{1,80})\"|(?<![A-Za-z])'([^']{1,80})'(?![A-Za-z])|“([^”]{1,80})”")
_NAME = re.compile(r"(?<=[\w,;] )(?:[A-Z][\w.&-]*)(?: (?:(?:of|the|and|de) )?[A-Z][\w.&-]*)*")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:,\d{3})*(?:\.\d+)?(?![\w])")
_COMPARED = re.compile(r"= ?'([^']{1,60})'")
_IDENTIFIER = re.compile(r"[A-Za-z]+(?:_[A-Za-z0-9]+)+|\b[A-Za-z_]+\.[A-Za-z_]+")
_NUMERALS = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
    "eight": "8", "nine": "9", "ten": "10", "twice": "2", "once": "1",
}  # fmt: skip
_stop_words = (
    "a an and any are as at be been being by can did do does each every find for from get "
    "give had has have having her his how i if in into is it its list me more of on one or "
    "our out please provide return show tell than that the their them there these they this "
    "those to us was we were what when where which who whom whose will with would you your "
    "all also am some such only other both either most least not no than then between among "
    "identify state calculate indicate describe name number many much refers refer"
)
STOP = frozenset(_stop_words.split())
# Words of questions and the words that schemas have for them.
_SYNONYMS = (
    "age old young birthday birth", "length long short duration", "height tall high",
    "weight heavy light", "population people inhabitant resident", "price cost expensive cheap",
    "salary earn income pay wage", "country nation nationality", "location city place town where",
    "year date when time", "city town", "nationality citizen citizenship", "sex gender",
    "car automobile vehicle auto", "maker manufacturer produce producer", "phone telephone cell",
    "mail email", "speed fast slow", "hometown home", "show program", "writer author write",
    "director direct", "student pupil", "teacher instructor", "class course", "company firm",
    "employee worker staff", "movie film", "language speak spoken", "governmentform government",
    "transcript grade", "visitor customer", "zip postal", "zipcode zip", "horsepower horse",
    "color colour", "pet animal", "friend friendship", "rank ranking", "kid child",
    "official officially", "code abbreviation", "surname last", "amount money", "id identifier",
)  # fmt: skip
_GROUPS: dict[str, set[int]] = {}
for _i, _line in enumerate(_SYNONYMS):
    for _word in _line.split():
        _GROUPS.setdefault(_word, set()).add(_i)
_NO_GROUPS: frozenset[int] = frozenset()


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return a lower-case word without its ending."""
    word = word.replace("colour", "color")
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if len(word) > len(ending) + 3 and word.endswith(ending):
            word = word[: -len(ending)]
            return word[:-1] if len(word) > 3 and word[-1] == word[-2] not in "ls" else word
    return word


@lru_cache(maxsize=200_000)
def alike(said: str, named: str) -> float:
    """Return how far a question's stem stands for a schema's: 1 the same, 0 not at all."""
    if said == named:
        return 1.0
    if _GROUPS.get(said, _NO_GROUPS) & _GROUPS.get(named, _NO_GROUPS):
        return 0.7
    short, long = sorted((said, named), key=len)
    if len(short) >= 4 and long.startswith(short):
        return 0.9 if len(long) - len(short) <= 3 else 0.7
    if len(named) >= 2 and named == short and len(named) <= 4 and _abbreviates(named, said):
        return 0.6
    if len(short) >= 6 and len(long) - len(short) <= 1 and _one_letter_apart(short, long):
        return 0.9
    return 0.0


def _abbreviates(short: str, long: str) -> bool:
    """Return whether a word is another's beginning, or its first letter and some consonants."""
    if len(short) >= 3 and long.startswith(short):
        return True
    if len(short) < 3 or short[0] != long[0]:
        return False
    letters = iter(long)
    return all(c in letters for c in short) and not set(short[1:]) & set("aeiou")


def _one_letter_apart(short: str, long: str) -> bool:
    if len(short) == len(long):
        return sum(a != b for a, b in zip(short, long, strict=True)) <= 1
    return any(long[:i] + long[i + 1 :] == short for i in range(len(long)))


class Question:
    """A question's text, and its hint: what comes after the first line's end.

    Attributes
    ----------
    text, hint : str
        In the letters as they are.
    words : list of str
        Words and numbers of the question in lower case, without the hint.
    """

    def __init__(self, text: str) -> None:
        self.text, _, self.hint = text.strip().partition("\n")
        self.lower = self.text.lower()
        self.words: list[str] = _WORD.findall(self.lower)
        self._said: dict[re.Pattern[str], bool] = {}

    @cached_property
    def stems(self) -> list[str]:
        """The words' stems."""
        return [stem(w) for w in self.words]

    @cached_property
    def whole(self) -> str:
        """The question and its hint in lower case, blanks made one."""
        return " ".join(f"{self.text} {self.hint}".lower().split())

    @cached_property
    def all_stems(self) -> frozenset[str]:
        """The stems of the question and of its hint."""
        return frozenset(self.stems) | {stem(w) for w in _WORD.findall(self.hint.lower())}

    @cached_property
    def content(self) -> list[int]:
        """The positions of the words that say what is asked about."""
        return [i for i, w in enumerate(self.words) if w not in STOP and not w[0].isdigit()]

    @cached_property
    def quoted(self) -> list[str]:
        """Texts in quotes."""
        return [a or b or c for a, b, c in _QUOTED.findall(self.text)]

    @cached_property
    def hint_texts(self) -> list[str]:
        """Texts that the hint compares something with: ``… refers to colour = 'Amber'``."""
        return _COMPARED.findall(self.hint)

    @cached_property
    def hint_names(self) -> list[str]:
        """Names of columns as a hint writes them, with underscores or after a table's name."""
        return [n.rsplit(".", 1)[-1].lower() for n in _IDENTIFIER.findall(self.hint)]

    @cached_property
    def names(self) -> list[str]:
        """Words with capital letters inside of a sentence, those in quotes left out."""
        text = _QUOTED.sub(" ", self.text)
        return [n.rstrip(".") for n in _NAME.findall(text) if not n.isupper() or len(n) > 3]

    @cached_property
    def numbers(self) -> frozenset[str]:
        """Numbers in figures, and small ones in words, of the question and its hint."""
        found = {n.replace(",", "") for n in _NUMBER.findall(f"{self.text} {self.hint}")}
        return frozenset(found)

    @cached_property
    def spelled(self) -> frozenset[str]:
        """Small numbers that are written as words."""
        return frozenset(_NUMERALS[w] for w in self.words if w in _NUMERALS)

    def says(self, pattern: re.Pattern[str]) -> bool:
        """Return whether a pattern is in the question, without its hint."""
        found = self._said.get(pattern)
        if found is None:
            found = self._said[pattern] = pattern.search(self.lower) is not None
        return found
