"""The words of SQL by what may follow them; words that are in no set here are names."""

from __future__ import annotations

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
BETWEEN = frozenset(
    "AND OR IN IS LIKE ILIKE GLOB REGEXP RLIKE MATCH BETWEEN ESCAPE SIMILAR COLLATE DIV XOR".split()
)
# They stand before an operand, and never behind one.
BEFORE = frozenset("DISTINCT ALL EXISTS ANY SOME CASE LATERAL ARRAY".split())
# They begin a line of a laid-out statement.
GOES_ON = (
    frozenset(CLAUSES)
    | BETWEEN
    | frozenset(
        "LEFT RIGHT FULL INNER OUTER CROSS NATURAL ASOF GROUP ORDER AS WHEN THEN ELSE END OVER "
        "PARTITION ASC DESC NULLS FILTER FOR NOT SET".split()
    )
)
# They say nothing about what comes next; where an operand is due, they are one.
NEUTRAL = frozenset(
    "LEFT RIGHT FULL INNER OUTER CROSS NATURAL ASOF SEMI ANTI POSITIONAL STRAIGHT_JOIN NOT ASC DESC "
    "NULLS FIRST LAST NEXT ONLY ROW ROWS RANGE GROUPS UNBOUNDED PRECEDING FOLLOWING CURRENT EXCLUDE "
    "TIES OTHERS PARTITION FILTER WITHIN MATERIALIZED RECURSIVE ISNULL NOTNULL INDEXED FOR UPDATE "
    "SHARE NOWAIT SKIP LOCKED SEPARATOR PERCENT TO INTO ZONE LOCAL ORDINALITY TABLESAMPLE "
    "PRECISION VARYING UNSIGNED SIGNED ROLLUP CUBE".split()
)
# A string or a number that follows them belongs to them (DATE '2020-01-01').
TYPES = frozenset("DATE TIME TIMESTAMP INTERVAL ZONE".split())
# Words of a clause or an operator that are a name, or a function's, where an operand is due.
NAMES = frozenset(
    "MATCH GLOB REGEXP RLIKE LIKE ILIKE SIMILAR DIV XOR OFFSET FETCH WINDOW QUALIFY MINUS BY "
    "RETURNING".split()
)
# A unit that follows an interval's number.
UNITS = frozenset(
    "YEAR YEARS MONTH MONTHS WEEK WEEKS DAY DAYS HOUR HOURS MINUTE MINUTES SECOND SECONDS".split()
)
# What has to come next.
MUST = {
    "GROUP": frozenset(("BY", "(")),
    "ORDER": frozenset(("BY",)),
    "AT": frozenset(("TIME", "LOCAL")),
    "OVER": frozenset(("(", "name")),
}
