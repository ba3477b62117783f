"""What a question's words stand for in a database: columns, tables and values.

Schema linking by words alone (RAT-SQL's name- and value-based links, Wang et al. 2020, §3.3 and
appendix A.1): each word of a name is looked for in the question, a rare word counts for more.
"""

from __future__ import annotations

import math
import re
import weakref
from collections import Counter, OrderedDict
from dataclasses import dataclass
from functools import cached_property

from sqlbench.signals.catalogue import Catalogue, full_name
from sqlbench.signals.question import STOP, Question, alike, stem

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_INDEXED = 400_000  # rows that are read for the index of values, all tables together
_LONGEST = 5  # words of a value that is looked for
_KEPT = 512  # questions of a database whose links are kept

_glue_words = "the of and in a an for to by from at on is or"
_GLUE = frozenset(_glue_words.split())

ColumnKey = tuple[str, str]


def name_words(name: str) -> tuple[str, ...]:
    """Return the stems of a name's parts: ``customerTypeCode`` → customer, type, code."""
    found = []
    for part in _PART.findall(name):
        word = part.lower()
        for ending in ("id", "name", "code", "type", "date"):
            if len(word) > len(ending) + 2 and word.endswith(ending):
                found += [stem(word[: -len(ending)]), ending]
                break
        else:
            found.append(stem(word))
    return _without_glue(found)


def _without_glue(words: list[str]) -> tuple[str, ...]:
    return tuple(w for w in words if w not in _GLUE) or tuple(words)


class Vocabulary:
    """The words of a schema, and the values that its columns hold; one a catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = weakref.ref(catalogue)
        self.columns: dict[ColumnKey, tuple[tuple[str, ...], ...]] = {}
        self.tables: dict[str, tuple[str, ...]] = {}
        counts: Counter[str] = Counter()
        for table, column in catalogue.each_column():
            names = [name_words(column.name)]
            comment = column.comment.split(";")[0]
            if comment and len(comment.split()) <= 4:
                names.append(_without_glue([stem(w.lower()) for w in _PART.findall(comment)]))
            key = full_name(table).lower(), column.name.lower()
            self.columns[key] = tuple(n for n in names if n) or ((column.name.lower(),),)
            counts.update({w for n in names for w in n})
        for table in catalogue.schema.tables:
            self.tables[full_name(table).lower()] = name_words(table.name)
            counts.update(set(name_words(table.name)))
        self.weight = {w: 1 / math.log2(1 + n) for w, n in counts.items()}
        self.weight["id"] = 0.3  # of nearly every table, and said of few

    @cached_property
    def values(self) -> dict[str, tuple[ColumnKey, ...]]:
        """Short texts that columns hold, in lower case, with the columns."""
        catalogue = self._catalogue()
        found: dict[str, list[ColumnKey]] = {}
        left = _INDEXED
        for table, column in catalogue.each_column() if catalogue is not None else ():
            size = min(table.row_count or 100_000, 100_000)
            if size > left or catalogue is None:
                continue
            left -= size
            key = full_name(table).lower(), column.name.lower()
            for value in catalogue.values(full_name(table), column.name).found:
                if isinstance(value, str) and 1 < len(value) <= 60:
                    text = " ".join(re.findall(r"\w+", value.lower()))
                    if text and (not text.isdigit()):
                        homes = found.setdefault(text, [])
                        if key not in homes:
                            homes.append(key)
        return {k: tuple(v) for k, v in found.items()}


@dataclass(frozen=True, slots=True)
class ValueMention:
    """A value of the database that the question names, and the columns that hold it."""

    text: str
    start: int
    end: int
    homes: tuple[ColumnKey, ...]


class Links:
    """What one question's words stand for.

    Attributes
    ----------
    columns, tables : dict
        Each column's and table's score: the weighted share of its name's words that the question
        says, 0 to 1; those with 0 are left out.
    """

    def __init__(self, question: Question, vocabulary: Vocabulary) -> None:
        self.question, self.vocabulary = question, vocabulary
        self.hits: dict[str, tuple[float, list[int]]] = {}
        for word in vocabulary.weight:
            self._look(word)
        self.columns: dict[ColumnKey, float] = {}
        self.places: dict[ColumnKey, list[int]] = {}
        for key, names in vocabulary.columns.items():
            score, places = max((self._score(n) for n in names), key=lambda s: s[0])
            if score > 0:
                self.columns[key], self.places[key] = score, places
        self.tables: dict[str, float] = {}
        for table, words in vocabulary.tables.items():
            score, _ = self._score(words)
            if score > 0:
                self.tables[table] = score

    def _look(self, word: str) -> None:
        best, places = 0.0, []
        question = self.question
        for i, said in enumerate(question.stems):
            if question.words[i] in STOP and said != word:
                continue
            score = alike(said, word)
            if score > best:
                best, places = score, [i]
            elif score == best and score:
                places.append(i)
        if best < 1 and question.hint and word in question.all_stems:
            best = max(best, 0.9)
        if best:
            self.hits[word] = best, places

    def _score(self, words: tuple[str, ...]) -> tuple[float, list[int]]:
        total = got = 0.0
        places: list[int] = []
        for word in words:
            weight = self.vocabulary.weight.get(word, 1.0)
            total += weight
            if word in self.hits:
                score, where = self.hits[word]
                got += weight * score
                places += where
        return (got / total if total else 0.0), places

    def score(self, column: ColumnKey) -> float:
        """Return a column's score, with a little of its table's."""
        return self.columns.get(column, 0.0) + 0.1 * self.tables.get(column[0], 0.0)

    @cached_property
    def best(self) -> float:
        """The best score of any column."""
        return max(self.columns.values(), default=0.0)

    @cached_property
    def values(self) -> list[ValueMention]:
        """The values that the question names, the longest first, none inside another."""
        words, found = self.question.words, []
        taken: set[int] = set()
        index = self.vocabulary.values
        for size in range(min(_LONGEST, len(words)), 0, -1):
            for start in range(len(words) - size + 1):
                span = range(start, start + size)
                if taken.intersection(span):
                    continue
                text = " ".join(words[start : start + size])
                homes = index.get(text)
                if homes is None and size == 1:
                    homes = index.get(stem(text)) if len(text) > 3 else None
                if homes is None or (size == 1 and (words[start] in STOP or len(text) < 2)):
                    continue
                if size == 1 and stem(text) in self.hits and self.hits[stem(text)][0] == 1:
                    continue  # a word of the schema too: it names a column or a table
                taken.update(span)
                found.append(ValueMention(text, start, start + size, homes))
        return found

    @cached_property
    def masked(self) -> list[str]:
        """The question's words, with what names the schema, a value or a number masked."""
        masks: dict[int, str] = {}
        for word, (score, places) in self.hits.items():
            kind = "<table>" if word in self._table_words else "<column>"
            for place in places:
                if score >= 0.7 and self.question.words[place] not in _KEEP:
                    masks.setdefault(place, kind)
        for value in self.values:
            masks.update(dict.fromkeys(range(value.start, value.end), "<value>"))
        found: list[str] = []
        for i, word in enumerate(self.question.words):
            mask = masks.get(i) or ("<number>" if word[0].isdigit() else word)
            if not (mask[0] == "<" and found and found[-1] == mask):
                found.append(mask)
        return found

    @cached_property
    def _table_words(self) -> frozenset[str]:
        return frozenset(w for words in self.vocabulary.tables.values() for w in words)


_kept_words = (
    "number numbers name names count total average maximum minimum most least year age ages "
    "old id ids different distinct first last youngest oldest highest lowest largest smallest"
)
_KEEP = frozenset(_kept_words.split())
_vocabularies: weakref.WeakKeyDictionary[Catalogue, Vocabulary] = weakref.WeakKeyDictionary()
_links: weakref.WeakKeyDictionary[Catalogue, OrderedDict[str, Links]] = weakref.WeakKeyDictionary()


def links_of(text: str, catalogue: Catalogue) -> Links:
    """Return what a question stands for in a database; the last questions' links are kept."""
    vocabulary = _vocabularies.get(catalogue)
    if vocabulary is None:
        vocabulary = _vocabularies[catalogue] = Vocabulary(catalogue)
    kept = _links.setdefault(catalogue, OrderedDict())
    found = kept.get(text)
    if found is None:
        found = kept[text] = Links(Question(text), vocabulary)
        while len(kept) > _KEPT:
            kept.popitem(last=False)
    return found
