"""The words of SQL by what may follow them; words that are in no set here are names."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# They begin a clause, and an operand has to follow.
CLAUSES = {
    "SELECT": "list",
    "FROM": "from",
    "JOIN": "from",
    "ON": "on",
    "WHERE": "where",
    "HAVING": "where",
    "QUALIFY": "where",
    "BY": "by",
    "LIMIT": "by",
    "OFFSET": "by",
    "FETCH": "by",
    "UNION": "set",
    "INTERSECT": "set",
    "EXCEPT": "set",
    "MINUS": "set",
    "VALUES": "values",
    "RETURNING": "list",
    "USING": "from",
    "WINDOW": "from",
}
# They stand between two operands.
BETWEEN = _words(
    "AND OR IN IS LIKE ILIKE GLOB REGEXP RLIKE MATCH BETWEEN ESCAPE SIMILAR COLLATE DIV XOR"
)
# They stand before an operand, and never behind one.
BEFORE = _words("DISTINCT ALL EXISTS ANY SOME CASE LATERAL ARRAY")
# They begin a line of a laid-out statement.
GOES_ON = (
    frozenset(CLAUSES)
    | BETWEEN
    | _words(
        "LEFT RIGHT FULL INNER OUTER CROSS NATURAL ASOF GROUP ORDER AS WHEN THEN ELSE END OVER "
        "PARTITION ASC DESC NULLS FILTER FOR NOT SET"
    )
)
# They say nothing about what comes next; where an operand is due, they are one.
NEUTRAL = _words(
    "LEFT RIGHT FULL INNER OUTER CROSS NATURAL ASOF SEMI ANTI POSITIONAL NOT ASC DESC "
    "NULLS FIRST LAST NEXT ONLY ROW ROWS RANGE GROUPS UNBOUNDED PRECEDING FOLLOWING CURRENT "
    "EXCLUDE TIES OTHERS PARTITION FILTER WITHIN MATERIALIZED RECURSIVE ISNULL NOTNULL INDEXED FOR "
    "UPDATE SHARE NOWAIT SKIP LOCKED SEPARATOR PERCENT TO INTO ZONE LOCAL ORDINALITY TABLESAMPLE "
    "PRECISION VARYING UNSIGNED SIGNED ROLLUP CUBE"
)
# A string or a number that follows them belongs to them (DATE '2020-01-01').
TYPES = _words("DATE TIME TIMESTAMP INTERVAL ZONE")
# Words of a clause or an operator that are a name, or a function's, where an operand is due.
NAMES = _words(
    "MATCH GLOB REGEXP RLIKE LIKE ILIKE SIMILAR DIV XOR OFFSET FETCH WINDOW QUALIFY MINUS BY "
    "RETURNING"
)
# A unit that follows an interval's number.
UNITS = _words(
    "YEAR YEARS MONTH MONTHS WEEK WEEKS DAY DAYS HOUR HOURS MINUTE MINUTES SECOND SECONDS"
)
# What has to come next.
MUST = {
    "GROUP": frozenset(("BY", "(")),
    "ORDER": frozenset(("BY",)),
    "AT": frozenset(("TIME", "LOCAL")),
    "OVER": frozenset(("(", "name")),
}
