"""For a column or a table that does not exist: the real names that were likely meant.

Each real name is scored by a weighted sum of what speaks for it: how alike the two names are,
where the statement stands (which tables it names, what the column is compared with or joined to,
what those columns hold), and whether the question says it. The weights are a conditional logit's,
fitted on real unknown names of Spider dev; ``tests/benchmarks/bench_facts.py`` fits them again and
has the figures with each database held out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process
from sqlglot import exp

from sqlbench.databases.base import Column
from sqlbench.signals.catalogue import Catalogue, full_name
from sqlbench.signals.likeness import alike, shared_sense, words_of
from sqlbench.signals.statement import ColumnUse, Statement
from sqlbench.signals.unknown import Unknown, unknown_name

COLUMNS = {
    "alike": 5.4, "exact": 1.6, "exact_near": 1.2, "exact_table_said": 0.3, "exact_used":
    -2.2, "beside": 1.0, "scope_alike": -0.0, "alike_with_table": 4.8, "alike_target": 1.3,
    "sense": 0.9, "sense_back": 1.5, "label": 1.6, "in_named": 0.5, "in_scope": 3.9, "said":
    1.0, "said_all": 0.6, "said_sense": 1.0, "table_said": 1.6, "unused": 4.0, "stray_id":
    -0.7, "type": 1.5, "holds": 2.8, "key": 2.4, "joins": 0.9, "within": -3.1, "overlap":
    1.5, "overlap_key": 2.2,
}  # fmt: skip
"""What each feature of a column adds to its score."""

TABLES = {
    "alike": 2.1, "sense": 0.9, "part": 0.7, "columns": 4.6, "said": 2.1, "unused": 2.7,
    "joined": 1.9,
}  # fmt: skip
"""What each feature of a table adds to its score."""

_ALL = 400  # columns of a schema that are all looked at; of a larger one those that may be near
_FEW = 60
_COMPARED = 200  # values of a column that are looked for in another
_LABELS, _IDS = {("name",), ("title",)}, {("id",), ("code",)}
_NUMBERS = ("int", "real", "num", "dec", "float", "double")


@dataclass(frozen=True, slots=True)
class Near:
    """A real name that may have been meant, with its score: higher is likelier.

    ``column`` is empty where a table was meant.
    """

    table: str
    column: str
    score: float


def near_columns(
    uses: Sequence[ColumnUse],
    statement: Statement,
    catalogue: Catalogue,
    question: str,
    weights: Mapping[str, float] = COLUMNS,
) -> list[Near]:
    """Return real columns for one that does not exist, likeliest first.

    Parameters
    ----------
    uses : sequence of ColumnUse
        Where the statement uses the name: the same name and prefix in all of them.
    statement : Statement
        The whole statement.
    catalogue : Catalogue
        The database.
    question : str
        What was asked; it may be empty.
    weights : mapping
        What each feature counts.
    """
    features = column_features(unknown_name(uses, statement), catalogue, question)
    return _ranked(features, weights)


def near_tables(
    name: str,
    statement: Statement,
    catalogue: Catalogue,
    question: str,
    weights: Mapping[str, float] = TABLES,
) -> list[Near]:
    """Return real tables for one that does not exist, likeliest first.

    Parameters
    ----------
    name : str
        What the statement says.
    statement, catalogue, question, weights
        As for `near_columns`.
    """
    features = table_features(name, statement, catalogue, question)
    return _ranked({(table, ""): found for table, found in features.items()}, weights)


def nearest_by_name(name: str, kind: str, catalogue: Catalogue) -> list[Near]:
    """Return real names for one of which nothing else is known: the statement does not parse.

    Parameters
    ----------
    name : str
        The name, with its prefix if it has one.
    kind : {"column", "table"}
        What it was to be.
    catalogue : Catalogue
        The database.
    """
    bare = name.rpartition(".")[2]
    if kind == "column":
        return _ranked(column_features(Unknown(bare), catalogue, ""), COLUMNS)
    near = [Near(full_name(t), "", alike(bare, t.name)) for t in catalogue.schema.tables]
    return sorted(near, key=lambda n: -n.score)


def column_features(
    unknown: Unknown, catalogue: Catalogue, question: str
) -> dict[tuple[str, str], dict[str, float]]:
    """Return what speaks for each column that may have been meant, by table and column."""
    asked = words_of(question)
    near = _neighbours(unknown.scope | unknown.tables, catalogue)
    partners = _key_partners(unknown.partners, catalogue)
    targets = _targets(catalogue)
    ends = targets.keys() | {(k.ref_table.lower(), c.lower()) for k in catalogue.keys
                             for c in k.ref_columns}  # fmt: skip
    found = {}
    for table, column in _candidates(unknown, near, catalogue):
        place = table.lower(), column.name.lower()
        features = _by_name(unknown, table, column, asked, near)
        features["alike_target"] = max(
            (alike(unknown.name, target) for target in targets.get(place, ())), default=0.0
        )
        features["key"] = float(place in partners)
        features["joins"] = float(unknown.joins and place in ends)
        features["holds"] = features["overlap"] = 0.0
        if place[0] in unknown.scope or place[0] in near:
            if unknown.literals:
                held = [catalogue.holds(*place, text) for text in sorted(unknown.literals)]
                features["holds"] = sum(h is True for h in held) / len(held)
            features["overlap"] = max(
                (_overlap(partner, place, catalogue) for partner in unknown.partners), default=0.0
            )
        features["overlap_key"] = features["overlap"] * column.primary_key
        found[table, column.name] = features
    return found


def table_features(
    name: str, statement: Statement, catalogue: Catalogue, question: str
) -> dict[str, dict[str, float]]:
    """Return what speaks for each table that may have been meant."""
    asked, said = set(words_of(question)), words_of(name)
    there = set(statement.tables)
    near = _neighbours(there, catalogue)
    wanted = _columns_said(name, statement)
    found = {}
    for table in catalogue.schema.tables:
        full, words = full_name(table), words_of(table.name)
        held = {words_of(real) for real in catalogue.columns(full)}
        found[full] = {
            "alike": alike(name, table.name),
            "sense": shared_sense(said, words),
            "part": float(bool(set(said) & set(words))),
            "columns": sum(words_of(c) in held for c in wanted) / max(1, len(wanted)),
            "said": sum(w in asked for w in words) / max(1, len(words)),
            "unused": float(full.lower() not in there),
            "joined": float(full.lower() in near),
        }
    return found


def _by_name(
    unknown: Unknown, table: str, column: Column, asked: tuple[str, ...], near: set[str]
) -> dict[str, float]:
    """Return what the names, the statement's tables and the question say of a column."""
    short = table.rpartition(".")[2]
    said, words, own = words_of(unknown.name), words_of(column.name), words_of(short)
    free = tuple(w for w in words if w not in own)  # the question says the others for the table
    likeness = alike(unknown.name, column.name)
    both = alike(unknown.name, f"{short}_{column.name}")  # owner_last_name is owners.last_name
    in_scope = table.lower() in unknown.scope
    return {
        "alike": likeness,
        "exact": float(likeness == 1.0),
        "exact_near": float(likeness == 1.0 and table.lower() in near),
        "exact_table_said": float(likeness == 1.0 and any(w in asked for w in own)),
        "exact_used": float(
            likeness == 1.0 and (table.lower(), column.name.lower()) in unknown.used
        ),
        "scope_alike": likeness if in_scope else 0.0,
        "alike_with_table": max(0.0, both - likeness) if set(own) & set(said) else 0.0,
        "sense": shared_sense(said, words),
        "sense_back": shared_sense(words, said),
        "label": float(words[-1:] in _LABELS and alike(unknown.name, short) > 0.9),
        "in_named": float(table.lower() in unknown.tables),
        "in_scope": float(in_scope),
        "said": sum(w in asked for w in free) / max(1, len(words)),
        "beside": _beside(words, own, asked),
        "said_all": float(bool(words) and all(w in asked for w in words)),
        "said_sense": shared_sense(free, asked),
        "table_said": float(any(w in asked for w in own)),
        "unused": float((table.lower(), column.name.lower()) not in unknown.used),
        "stray_id": float(words[-1:] in _IDS and said[-1:] not in _IDS and not unknown.joins),
        "type": _fits(unknown.numeric, column),
        "within": float(any(table.lower() == other for other, _ in unknown.partners)),
    }


def _beside(words: tuple[str, ...], own: tuple[str, ...], asked: tuple[str, ...]) -> float:
    """Return how near the question says a column's and its table's words to one another."""
    here = [i for i, w in enumerate(asked) if w in words]
    there = [i for i, w in enumerate(asked) if w in own]
    steps = [abs(i - j) for i in here for j in there if i != j]
    return 1.0 / min(steps) if steps else 0.0


def _ranked(
    features: dict[tuple[str, str], dict[str, float]], weights: Mapping[str, float]
) -> list[Near]:
    scored = [
        Near(table, column, sum(weights.get(name, 0.0) * value for name, value in found.items()))
        for (table, column), found in features.items()
    ]
    scored.sort(key=lambda near: -near.score)  # ties stay in the schema's order
    return scored


def _candidates(
    unknown: Unknown, near: set[str], catalogue: Catalogue
) -> Iterable[tuple[str, Column]]:
    pairs = [(full_name(table), column) for table, column in catalogue.each_column()]
    if len(pairs) <= _ALL:
        return pairs
    close = unknown.scope | unknown.tables | near
    names = [f"{table}_{column.name}".lower() for table, column in pairs]
    best = process.extract(unknown.name.lower(), names, scorer=fuzz.partial_ratio, limit=_FEW)
    chosen = {index for _, _, index in best}
    words = words_of(unknown.name)
    same = [i for i, (_, column) in enumerate(pairs) if words_of(column.name) == words]
    chosen.update(same[:_FEW])
    return [p for i, p in enumerate(pairs) if i in chosen or p[0].lower() in close]


def _neighbours(tables: set[str], catalogue: Catalogue) -> set[str]:
    """Return the tables that a key joins to one of these."""
    found: set[str] = set()
    for key in catalogue.keys:
        ends = key.table.lower(), key.ref_table.lower()
        if ends[0] in tables or ends[1] in tables:
            found.update(ends)
    return found


def _key_partners(partners: set[tuple[str, str]], catalogue: Catalogue) -> set[tuple[str, str]]:
    """Return the columns that a key pairs with one of these."""
    found: set[tuple[str, str]] = set()
    for key in catalogue.keys:
        for a, b in zip(key.columns, key.ref_columns, strict=True):
            left, right = (key.table.lower(), a.lower()), (key.ref_table.lower(), b.lower())
            if left in partners:
                found.add(right)
            if right in partners:
                found.add(left)
    return found


def _targets(catalogue: Catalogue) -> dict[tuple[str, str], list[str]]:
    """Return for each column of a foreign key what it refers to, as one name."""
    found: dict[tuple[str, str], list[str]] = {}
    for key in catalogue.keys:
        for a, b in zip(key.columns, key.ref_columns, strict=True):
            found.setdefault((key.table.lower(), a.lower()), []).append(f"{key.ref_table}_{b}")
    return found


def _overlap(one: tuple[str, str], other: tuple[str, str], catalogue: Catalogue) -> float:
    """Return the share of a column's values that another column holds as well."""
    if one == other:
        return 0.0
    texts = list(catalogue.values(*one).texts)[:_COMPARED]
    held = catalogue.values(*other).texts
    return sum(text in held for text in texts) / len(texts) if texts else 0.0


def _fits(numeric: bool | None, column: Column) -> float:
    if numeric is None:
        return 0.0
    kind = column.type.lower()
    return float(any(word in kind for word in _NUMBERS) == numeric) - 0.5


def _columns_said(name: str, statement: Statement) -> list[str]:
    """Return the columns that a statement takes from a table, by its alias or as the only one."""
    nodes = list(statement.tree.find_all(exp.Table))
    mine = [node for node in nodes if node.name.lower() == name.lower()]
    names = {name.lower(), *(node.alias.lower() for node in mine if node.alias)}
    return sorted({
        column.name
        for column in statement.columns
        if column.node.table.lower() in names or (not column.node.table and len(nodes) == 1)
    })  # fmt: skip
