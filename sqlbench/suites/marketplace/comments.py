"""What the schema's source says beside its columns, for engines that keep comments."""

from __future__ import annotations

import re

_COLUMN = re.compile(r"^  (\w+) [A-Z][^-]*-- (.+)$")
_TABLE = re.compile(r"^CREATE TABLE (\w+) \($")


def table_names(source: str) -> list[str]:
    """Return the tables that a schema's source makes, in order."""
    return [m.group(1) for line in source.splitlines() if (m := _TABLE.match(line))]


def comments(source: str) -> list[tuple[str, str, str]]:
    """Return the remarks beside the columns: table, column, remark."""
    found, table = [], ""
    for line in source.splitlines():
        if match := _TABLE.match(line):
            table = match.group(1)
        elif match := _COLUMN.match(line):
            found.append((table, match.group(1), match.group(2)))
    return found
