"""Signals that read which columns are used, against those that the question's words name."""

from __future__ import annotations

from sqlbench.signals.links import ColumnKey
from sqlbench.signals.reading import Measure, Reading, Register, shown
from sqlbench.signals.statement import ColumnUse, Statement

signal = Register("columns")


def _key(c: ColumnUse) -> ColumnKey:
    return c.table, c.name


def _score(r: Reading, c: ColumnUse) -> float:
    return r.links.columns.get(_key(c), 0.0)


@signal.of_statement
def unknown_names(r: Reading, s: Statement) -> Measure:
    """How many names of a statement that raised the schema does not have."""
    if r.error is None:  # what runs finds all its names: rowid, or a full-text table's own
        return 0
    found = [c.node.name for c in s.columns if not c.known] + s.unknown_tables
    return (len(found), f"The schema has no {shown(map(repr, found))}.") if found else 0


@signal.of_statement
def column_said_unused(r: Reading, s: Statement) -> Measure:
    """How many columns whose whole name the question says are not used under any table."""
    used = {c.name for c in s.columns}
    spots = _spots(r, s)
    missing: dict[str, str] = {}
    for (table, name), score in r.links.columns.items():
        if score >= 0.95 and name not in used and table in s.tables:
            places = r.links.places[table, name]
            if places and not set(places) <= spots:
                missing[name] = f"{table}.{name}"
    text = s.sql.lower()
    for name in r.question.hint_names:  # the hint says it letter for letter
        if name not in text and (homes := r.catalogue.homes(name)):
            missing[name] = f"{homes[0]}.{name}"
    if not missing:
        return 0
    return (
        len(missing),
        f"The question's words name {shown(missing.values())}, which is not used.",
    )


@signal.of_statement
def column_said_elsewhere(r: Reading, s: Statement) -> Measure:
    """How many columns that the question says in full are of tables that are not used."""
    names = {c.name for c in s.columns}
    spots = _spots(r, s)
    found = {
        name: f"{table}.{name}"
        for (table, name), score in r.links.columns.items()
        if score >= 0.95 and table not in s.tables and name not in names
        and r.links.places[table, name] and not set(r.links.places[table, name]) <= spots
    }  # fmt: skip
    return (len(found), f"The question's words name {shown(found.values())}.") if found else 0


@signal.of_statement
def table_said_unused(r: Reading, s: Statement) -> Measure:
    """How many tables that the question says are not used."""
    spots = _spots(r, s)
    found = []
    for table, score in r.links.tables.items():
        if score >= 0.95 and table not in s.tables:
            words = r.links.vocabulary.tables[table]
            places = {p for w in words if w in r.links.hits for p in r.links.hits[w][1]}
            if not places <= spots:
                found.append(table)
    return (len(found), f"The question names {shown(found)}, which is not used.") if found else 0


@signal.of_statement
def table_not_said(r: Reading, s: Statement) -> Measure:
    """The share of the statement's tables of which the question says no word."""
    tables = set(s.tables)
    silent = [t for t in tables if not r.links.tables.get(t)]
    return len(silent) / len(tables) if tables else 0


@signal.of_statement
def words_unexplained(r: Reading, s: Statement) -> Measure:
    """The share of the question's words that no column, table, value or operation explains."""
    content = r.question.content
    spots = _spots(r, s)
    return sum(i not in spots for i in content) / len(content) if content else 0


@signal.of_statement
def schema_words_unexplained(r: Reading, s: Statement) -> Measure:
    """How many words that name something of the schema are explained by nothing that is used."""
    spots = _spots(r, s)
    return len({p for _, places in r.links.hits.values() for p in places} - spots)


@signal.of_statement
def selected_score(r: Reading, s: Statement) -> Measure:
    """How well the question's words fit the worst of the selected columns."""
    return min((_score(r, c) for c in s.selected), default=None)


@signal.of_statement
def selected_mean_score(r: Reading, s: Statement) -> Measure:
    """How well the question's words fit the selected columns."""
    scores = [_score(r, c) for c in s.selected]
    return sum(scores) / len(scores) if scores else None


@signal.of_statement
def selected_unsaid(r: Reading, s: Statement) -> Measure:
    """How many selected columns the question says no word of."""
    found = [c.full for c in s.selected if _score(r, c) < 0.3]
    return (len(found), f"The question does not ask for {shown(found)}.") if found else 0


@signal.of_statement
def selected_other_better(r: Reading, s: Statement) -> Measure:
    """How much better another column of the used tables shares a selected one's words."""
    return _better(r, s, s.selected)


@signal.of_statement
def filtered_other_better(r: Reading, s: Statement) -> Measure:
    """How much better another column of the used tables shares a condition's words."""
    return _better(r, s, [c for c in s.columns if c.clause == "where"])


@signal.of_statement
def filtered_score(r: Reading, s: Statement) -> Measure:
    """How well the question's words fit the worst of the conditions' columns."""
    return min((_score(r, c) for c in s.columns if c.clause == "where"), default=None)


@signal.of_statement
def ordered_score(r: Reading, s: Statement) -> Measure:
    """How well the question's words fit the worst of the columns that are ordered by."""
    return min((_score(r, c) for c in s.columns if c.clause == "order"), default=None)


@signal.of_statement
def grouped_score(r: Reading, s: Statement) -> Measure:
    """How well the question's words fit the best of the columns that are grouped by."""
    return max((_score(r, c) for c in s.columns if c.clause == "group"), default=None)


@signal.of_statement
def aggregated_score(r: Reading, s: Statement) -> Measure:
    """How well the question's words fit the worst of the aggregated columns."""
    found = [_score(r, c) for c in s.columns if c.function and c.function != "count"]
    return min(found, default=None)


@signal.of_statement
def counted_column(r: Reading, s: Statement) -> Measure:
    """COUNT counts a column that is no key: NULLs are left out."""
    for c in s.columns:
        if c.function == "count" and c.table:
            column = r.catalogue.column(c.table, c.name)
            if column is not None and not column.primary_key and not c.name.endswith("id"):
                return 1
    return 0


@signal.of_statement
def selected_twin(r: Reading, s: Statement) -> Measure:
    """A selected column's name is in another used or named table as well."""
    for c in s.selected:
        homes = [h.lower() for h in r.catalogue.homes(c.name)]
        if c.table and any(h != c.table and (h in s.tables or h in r.links.tables) for h in homes):
            return 1
    return 0


@signal.of_statement
def selected_table_score(r: Reading, s: Statement) -> Measure:
    """How much better the question names another table with a selected column's name."""
    worst = 0.0
    for c in s.selected:
        if c.table:
            own = r.links.tables.get(c.table, 0.0)
            homes = [h.lower() for h in r.catalogue.homes(c.name)]
            worst = max(worst, max((r.links.tables.get(h, 0.0) for h in homes), default=0) - own)
    return worst


@signal.of_statement
def selected_position(r: Reading, s: Statement) -> Measure:
    """How late in the question the last of the selected columns is first named, 0 to 1."""
    n = len(r.question.words)
    firsts = [min(p) for c in s.selected if (p := r.links.places.get(_key(c)))]
    return max(firsts) / n if firsts and n else None


@signal.of_statement
def selects_condition(r: Reading, s: Statement) -> Measure:
    """A column that is compared with "=" is selected: its value is known."""
    fixed = {
        x.column.full for x in s.literals if x.column is not None and x.operator in ("=", "in")
    }
    found = [c.full for c in s.selected if c.full in fixed and not c.function]
    return (len(found), f"{shown(found)} is selected, and fixed by a condition.") if found else 0


@signal.of_statement
def selects_id(r: Reading, s: Statement) -> Measure:
    """An identifier is selected, and the question says no word for one."""
    found = [c.full for c in s.selected if not c.function and _is_id(r, c)]
    said = {"id", "identifier", "code", "number", "key"} & set(r.question.stems)
    return (bool(found) and not said, f"{shown(found)} is an identifier; none is asked for.")


@signal.of_statement
def selects_name_for_id(r: Reading, s: Statement) -> Measure:
    """The question asks for an id, and none is selected."""
    said = "id" in r.question.stems or "ids" in r.question.words
    if not said or not s.selected:
        return 0
    return (not any(_is_id(r, c) for c in s.selected), "An id is asked for, and none is selected.")


@signal.of_statement
def selects_key_id(r: Reading, s: Statement) -> Measure:
    """How many identifiers are selected."""
    return sum(not c.function and _is_id(r, c) for c in s.selected)


@signal.of_statement
def name_not_selected(r: Reading, s: Statement) -> Measure:
    """The question asks for a name or title, and no such column is selected."""
    if not {"name", "title"} & set(r.question.stems[:8]) or s.outer is None:
        return 0
    found = any("name" in c.name or "title" in c.name for c in s.selected)
    star = any(e.is_star for e in s.outer.projections)
    return (not found and not star, "A name is asked for, and none is selected.")


@signal.of_statement
def extra_name(r: Reading, s: Statement) -> Measure:
    """A name is selected that the question does not ask for by that word."""
    if {"name", "title", "who"} & r.question.all_stems:
        return 0
    return any("name" in c.name for c in s.selected)


@signal.of_statement
def rival_columns(r: Reading, s: Statement) -> Measure:
    """How many other columns the question's words fit as well as a selected one."""
    most = 0
    for c in s.selected:
        own = _score(r, c)
        places = set(r.links.places.get(_key(c), ()))
        if own >= 0.5:
            rivals = [
                k for k, v in r.links.columns.items()
                if v >= own and k[1] != c.name and set(r.links.places[k]) & places
            ]  # fmt: skip
            most = max(most, len(rivals))
    return most


def _better(r: Reading, s: Statement, columns: list[ColumnUse]) -> Measure:
    worst, said = 0.0, ""
    used = {c.name for c in s.columns}
    tables = set(s.tables)
    for c in columns:
        if not c.table:
            continue
        own, places = _score(r, c), set(r.links.places.get(_key(c), ()))
        for key, score in r.links.columns.items():
            if key[0] not in tables or key[1] in used or score - own <= worst:
                continue
            if places and not places & set(r.links.places[key]):
                continue
            if not places and score < 0.95:
                continue
            worst = score - own
            said = f"The question's words fit {key[0]}.{key[1]} better than {c.full}."
    return (worst, said) if worst else 0


def _is_id(r: Reading, c: ColumnUse) -> bool:
    if c.name == "id" or (c.name.endswith(("_id", "id")) and len(c.name) > 3):
        return True
    column = r.catalogue.column(c.table, c.name) if c.table else None
    return column is not None and column.primary_key and "int" in column.type.lower()


def _spots(r: Reading, s: Statement) -> set[int]:
    """Return the positions of the question's words that the statement explains."""
    if "spots" in r.memory:
        return r.memory["spots"]  # type: ignore[no-any-return]
    vocabulary, hits = r.links.vocabulary, r.links.hits
    words: set[str] = set()
    for c in s.columns:
        for names in vocabulary.columns.get(_key(c), ()):
            words.update(names)
    for table in s.tables:
        words.update(vocabulary.tables.get(table, ()))
    spots = {p for w in words if w in hits for p in hits[w][1]}
    texts = " ".join(x.text.lower() for x in s.literals)
    spots |= {i for i, w in enumerate(r.question.words) if len(w) > 1 and w in texts}
    spots |= {i for i, w in enumerate(r.question.words) if w in _OPERATIONS}
    r.memory["spots"] = spots
    return spots


_operation_words = (
    "average mean total sum count number maximum minimum highest lowest largest smallest most "
    "least greatest fewest top descending ascending order ordered sorted sort alphabetical "
    "alphabetically different distinct unique more less greater larger smaller fewer above "
    "below over under between least both either never without except not starts start begins "
    "contain contains containing including include letter word substring percentage ratio "
    "difference group grouped common popular frequently times"
)
_OPERATIONS = frozenset(_operation_words.split())
