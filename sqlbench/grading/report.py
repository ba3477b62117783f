"""What `sqlbench grade` prints and writes: Markdown tables of one or several graded files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlbench.grading.leaderboard import accuracy, compare_pair, failures, leaderboard, share
from sqlbench.grading.neighbour_rows import Kind
from sqlbench.html import Card, Grid, Text
from sqlbench.stats import points_text
from sqlbench.words import markdown_table

if TYPE_CHECKING:
    import pandas as pd

    from sqlbench.grading.graded import Graded

_NAMED = 5
_FEW = 10  # clusters: with fewer an interval is wide, and rough


def grade_text(graded: Graded) -> str:
    """Return one file's tables: by hardness, by database, failures, and what to know of them."""
    meta = graded.meta
    parts = [
        f"# {_title(graded)}",
        f"By hardness ({meta['hardness_by']}):",
        _rates(accuracy(graded, "hardness"), "hardness"),
        "By database:",
        _rates(accuracy(graded, "db_id"), "database"),
    ]
    wrong = _wrong(graded)
    if wrong.rows:
        parts += ["Wrong predictions:", _markdown(wrong)]
    return "\n\n".join([*parts, "\n".join(_notes(graded))])


def graded_card(graded: Graded) -> Card:
    """Return what a notebook shows of one graded file."""
    tiers, wrong = accuracy(graded, "hardness"), _wrong(graded)
    databases = replace(_rate_grid(accuracy(graded, "db_id"), "database"), title="By database")
    parts = [_rate_grid(tiers, "hardness"), databases]
    parts += [replace(wrong, title="Wrong predictions")] if wrong.rows else []
    return Card(f"Graded: {_title(graded)}", [*parts, *map(Text, _notes(graded))])


def comparison_text(graded: Sequence[Graded], level: int = 1) -> str:
    """Return the leader board of several files and every paired comparison with the best.

    Parameters
    ----------
    graded : sequence of Graded
        The files.
    level : int
        Of the heading: where the text stands below another one.
    """
    parts = [f"{'#' * level} {_shared_title(graded)}", _markdown(_board(graded))]
    for first, other in _pairs(graded):
        grid, sentence = _pair(first, other)
        against = f"{first.name} against {other.name}:"
        parts.append("\n\n".join([against, _markdown(grid), sentence]))
    return "\n\n".join(parts)


def board_card(graded: Sequence[Graded]) -> Card:
    """Return what a notebook shows of several graded files."""
    if not graded:
        return Card("Graded: no file", [])
    pairs = [(a, b, *_pair(a, b)) for a, b in _pairs(graded)]
    found = [Text(f"{a.name} against {b.name}: {sentence}") for a, b, _, sentence in pairs]
    return Card(f"Graded: {_shared_title(graded)}", [_board(graded), *found])


def _title(graded: Graded) -> str:
    return f"{graded.name}: {graded.meta['metric']} on {graded.meta['suite']}"


def _shared_title(graded: Sequence[Graded]) -> str:
    return f"{graded[0].metric} on {graded[0].meta['suite']}"


def _board(graded: Sequence[Graded]) -> Grid:
    table = leaderboard(graded)
    rows = [
        (name, _rate(r), int(r["vacuous"]), int(r["ties"]), _lucky(r), int(r["invalid"]))
        for name, r in table.iterrows()
    ]
    right = "right [95% interval] (count/n)"
    return Grid(["predictions", right, "vacuous", "ties", "lucky", "invalid"], rows)


def _pairs(graded: Sequence[Graded]) -> list[tuple[Graded, Graded]]:
    """Return the best file beside each of the others."""
    by_name = {g.name: g for g in graded}
    best, *others = (by_name[str(name)] for name in leaderboard(graded).index)
    return [(best, other) for other in others]


def _pair(first: Graded, second: Graded) -> tuple[Grid, str]:
    c = compare_pair(first, second)
    row = [c[k] for k in ("both", "only_first", "only_second", "neither", "n")]
    header = ["both right", f"only {first.name}", f"only {second.name}", "neither", "n"]
    ends = float(str(c["difference"])), float(str(c["low"])), float(str(c["high"]))
    n = int(str(c["databases"]))
    by = f"paired, by database, of which there are {'only ' if n < _FEW else ''}{n}"
    span = "" if math.isnan(ends[1]) else f" ({by})"
    return Grid(header, [row]), (
        f"Difference in points: {points_text(*ends)}{span}; "
        f"McNemar's exact p = {c['p']:.2g}. {c['sentence']}"
    )


def _wrong(graded: Graded) -> Grid:
    wrong = failures(graded)
    rows = zip(wrong["reason"], wrong["error_class"], wrong["n"], wrong["share"], strict=True)
    cells = [(reason, kind, n, f"{part:.1%}") for reason, kind, n, part in rows]
    return Grid(["reason", "class", "n", "share"], cells)


def _notes(graded: Graded) -> list[str]:
    frame = graded.frame
    notes = [f"Note: {note}" for note in graded.meta["notes"]]
    vacuous, ties = frame[frame["vacuous"]], frame[frame["tie"]]
    if len(vacuous):
        notes.append(
            f"Vacuous matches (both results empty): {len(vacuous)} ({_ids(vacuous)}); without "
            f"them {_strict(frame)}."
        )
    if len(ties):
        notes.append(f"Golds whose LIMIT cuts a tie: {len(ties)} ({_ids(ties)}).")
    if graded.invalid:
        notes.append(f"Invalid golds, left out: {len(graded.invalid)}:")
        notes += [f"  {name}: {message}" for name, message in graded.invalid.items()]
    timeouts = frame[frame["reason"] == "timeout"]
    if len(timeouts):
        notes.append(f"Stopped by a limit: {len(timeouts)} ({_ids(timeouts)}).")
    unknown = (frame["error_class"] == "no_such_table").mean()
    if unknown > 0.5:
        notes.append(
            f"Warning: {unknown:.0%} of the predictions name tables that their database does not "
            "have. Is the file in another order, or of another benchmark?"
        )
    no_sql = (frame["error_class"] == "syntax_error").mean()
    if no_sql > 0.5:
        notes.append(
            f"Warning: {no_sql:.0%} of the predictions are syntax errors. Are they answers with "
            "prose or code fences around the SQL? They are graded as they stand: take the SQL out "
            "first (sqlbench.models.extract.extract_sql), as a run does."
        )
    if graded.meta.get("neighbours"):
        notes += _luck_notes(graded)
    return notes


def _luck_notes(graded: Graded) -> list[str]:
    frame = graded.frame
    tested = frame[frame["lucky"].notna()]
    lucky = tested[tested["lucky"].astype(bool)]
    matches = int(frame["correct"].sum())
    notes = [
        f"Lucky matches (right here, wrong on one of {graded.meta['neighbours']} neighbour "
        f"databases): {share(len(lucky), len(tested))} of the matches that a neighbour could "
        f"test; {matches - len(tested)} of {matches} matches none could."
    ]
    for kind, what in _KINDS.items():
        found = lucky[lucky["lucky_on"].str.startswith(kind)]
        if len(found):
            notes.append(f"  {len(found)} {what} ({_ids(found)})")
    return notes


_KINDS = {
    Kind.PLAIN: "on plain neighbours: other rows, names still unique",
    Kind.NAMES: "only where names repeat: a name was taken for a key, here or in the gold",
    Kind.NULLS: "only where there are NULLs",
}


def _strict(frame: pd.DataFrame) -> str:
    kept = frame[~frame["vacuous"]]
    return str(share(int(kept["correct"].sum()), len(kept)))


def _ids(frame: pd.DataFrame) -> str:
    ids = frame["question_id"].tolist()
    return ", ".join(ids[:_NAMED]) + (", …" if len(ids) > _NAMED else "")


def _rates(table: pd.DataFrame, name: str) -> str:
    return _markdown(_rate_grid(table, name))


def _rate_grid(table: pd.DataFrame, name: str) -> Grid:
    rows = [(i, _rate(r)) for i, r in table.iterrows()]
    return Grid([name, "right [95% interval] (count/n)"], rows)


def _markdown(grid: Grid) -> str:
    return markdown_table(list(map(str, grid.header)), grid.rows)


def _rate(row: pd.Series[float]) -> str:
    return str(share(int(row["correct"]), int(row["n"])))


def _lucky(row: pd.Series[float]) -> str:
    return f"{row['lucky']:.0f}/{row['tested']:.0f}" if row["tested"] else "—"
