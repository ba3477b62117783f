"""Edits of a gold query that should make a database raise an error, by the error's class.

They propose; `faults` runs each proposal and keeps those that fail as they should.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import TokenType, exp

from sqlbench.databases.base import Table
from sqlbench.grading.edits import (
    Query,
    call,
    having,
    in_turn,
    is_date,
    is_number,
    narrowed,
    swap,
    wrong_column_names,
    wrong_table_names,
)

_MISSPELT = {
    "SELECT": "SELCT",
    "FROM": "FORM",
    "WHERE": "WHER",
    "GROUP BY": "GROUP",
    "ORDER BY": "ORDERBY",
    "HAVING": "HAVNG",
    "JOIN": "JION",
    "LIMIT": "LIMT",
    "BETWEEN": "BETWEN",
    "WITH": "WHIT",
    "THEN": "",
    "END": "",
    "ON": "",
    "AS": "AS AS",
}
# Names of other dialects. No version of SQLite has any of them (it has had concat and string_agg
# since 3.44, and if() since 3.48), and where PostgreSQL has one, the next is tried.
_FOREIGN_NAMES = {
    "AVG": ("MEAN", "AVERAGE"),
    "SUM": ("SUMIF", "RUNNING_SUM"),
    "COUNT": ("COUNT_BIG", "COUNTIF"),
    "MIN": ("MINIMUM", "MIN_VALUE"),
    "MAX": ("MAXIMUM", "MAX_VALUE"),
    "ROUND": ("TRUNCATE", "ROUND_TO"),
    "STRFTIME": ("DATE_FORMAT", "FORMAT_DATE"),
    "JULIANDAY": ("TO_DAYS", "DATEVALUE"),
    "DATE": ("TO_DATETIME", "STR_TO_DATE"),
    "SUBSTR": ("MID", "SUBSTRING_INDEX"),
    "SUBSTRING": ("MID", "SUBSTRING_INDEX"),
    "LENGTH": ("LEN", "DATALENGTH"),
    "INSTR": ("CHARINDEX", "LOCATE"),
    "UPPER": ("UCASE", "TO_UPPER"),
    "LOWER": ("LCASE", "TO_LOWER"),
    "COALESCE": ("NVL", "ZEROIFNULL"),
    "IFNULL": ("NVL", "ZEROIFNULL"),
    "GROUP_CONCAT": ("LISTAGG", "COLLECT_LIST"),
    "CAST": ("TRY_CAST", "SAFE_CAST"),
}


def no_such_column(query: Query) -> Iterator[str]:
    """Call a column by a name that it does not have, wherever the query names it."""
    groups: dict[tuple[str, str], list[exp.Column]] = {}
    for node in query.base_columns:
        groups.setdefault((node.table.lower(), node.name.lower()), []).append(node)
    owners = {c.name.lower(): t.name for t in reversed(query.schema.tables) for c in t.columns}
    for shift in range(4):
        for i, ((_, key), nodes) in enumerate(groups.items()):
            names = wrong_column_names(query.columns[key], owners[key])
            names = [n for n in names if n.lower() not in query.columns]
            if shift < len(names):
                name = names[(i + shift) % len(names)]
                yield query.render(*((node, "this", exp.to_identifier(name)) for node in nodes))


def no_such_table(query: Query) -> Iterator[str]:
    """Call a table by a name that it does not have."""
    groups: dict[str, list[exp.Table]] = {}
    for table in query.base_tables:
        groups.setdefault(table.name.lower(), []).append(table)
    for shift in range(4):
        for i, (key, nodes) in enumerate(groups.items()):
            names = [n for n in wrong_table_names(nodes[0].name) if n.lower() not in query.tables]
            new = exp.to_identifier(names[(i + shift) % len(names)])
            qualified = [c for c in query.nodes(exp.Column) if c.table.lower() == key]
            yield query.render(
                *((node, "this", new.copy()) for node in nodes),
                *((column, "table", new.copy()) for column in qualified),
            )


def syntax_error(query: Query) -> Iterator[str]:
    """Misspell or drop a keyword, a parenthesis or a quote, or put a comma too many."""
    yield from query.mixed(
        [_misspelt_keywords(query), _stray_commas(query), _unclosed(query), _unfinished(query)]
    )
    yield f"{query.sql}\n)"


def _misspelt_keywords(query: Query) -> Iterator[str]:
    for token in query.turned(query.tokens):
        word = _MISSPELT.get(token.text.upper())
        if word is not None and token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER):
            yield query.retyped(token, word)


def _stray_commas(query: Query) -> Iterator[str]:
    for token in query.turned(query.tokens):
        if token.token_type == TokenType.FROM:
            yield f"{query.sql[: token.start].rstrip()},\n{query.sql[token.start :]}"
        elif token.token_type == TokenType.COMMA:
            yield query.retyped(token, ",,")


def _unclosed(query: Query) -> Iterator[str]:
    for token in reversed(query.tokens):
        if token.token_type == TokenType.R_PAREN:
            yield query.retyped(token, "")
        elif token.token_type == TokenType.STRING:
            yield query.retyped(token, query.sql[token.start : token.end])


def _unfinished(query: Query) -> Iterator[str]:
    has_where = any(t.token_type == TokenType.WHERE for t in query.tokens)
    yield f"{query.sql}\n{'AND' if has_where else 'WHERE'}"
    yield f"{query.sql}\nORDER"


def ambiguous_column(query: Query) -> Iterator[str]:
    """Leave out the table of a column that several joined tables have, or join such a table."""
    for column in query.base_columns:
        if column.table:
            yield query.render((column, "table", None))
    for select in query.selects:
        yield from _joined_too_much(query, select)


def _joined_too_much(query: Query, select: exp.Select) -> Iterator[str]:
    used = {c.name.lower() for c in query.base_columns if not c.table}
    for alias, table in query.sources(select):
        for other in query.schema.tables:
            links = [(k, table, other) for k in table.foreign_keys if k.ref_table == other.name]
            links += [(k, other, table) for k in other.foreign_keys if k.ref_table == table.name]
            shared = used & {c.name.lower() for c in other.columns}
            for key, owner, target in links if shared and other is not table else ():
                names = {table.name: alias, other.name: other.name}
                on = exp.and_(
                    *(
                        exp.column(left, table=names[owner.name]).eq(
                            exp.column(right, table=names[target.name])
                        )
                        for left, right in zip(key.columns, key.ref_columns, strict=True)
                    )
                )
                table_node = exp.Table(this=exp.to_identifier(other.name))
                join = exp.Join(this=table_node, on=on)
                yield query.render((select, "joins", [*(select.args.get("joins") or []), join]))


def datatype_mismatch(query: Query) -> Iterator[str]:
    """Give LIMIT or OFFSET something that is no whole number: SQLite checks no other type."""
    tree = query.tree
    if not isinstance(tree, exp.Query):
        return
    limit = tree.args.get("limit")
    count = limit.expression.sql() if isinstance(limit, exp.Limit) else ""
    texts = [f"{count} rows", f"top {count}"] if count else ["10%", "all rows"]
    values: list[exp.Expr] = [exp.Literal.string(t) for t in texts]
    values.append(exp.Literal.number(f"{count or 0}.5"))
    for value in values:
        yield query.render((tree, "limit", exp.Limit(expression=value)))
    offset = exp.Offset(expression=exp.Literal.string("first page"))
    some = exp.Limit(expression=exp.Literal.number(count or 100))
    yield query.render((tree, "limit", some), (tree, "offset", offset))


def no_such_function(query: Query) -> Iterator[str]:
    """Call a function by the name that another dialect has for it."""
    yield from query.mixed([_foreign_names(query), _foreign_calls(query)])


def _foreign_names(query: Query) -> Iterator[str]:
    for choice in range(2):
        for token, following in zip(query.tokens, query.tokens[1:], strict=False):
            names = _FOREIGN_NAMES.get(token.text.upper())
            if names and following.token_type == TokenType.L_PAREN:
                yield query.retyped(token, names[choice])


def _foreign_calls(query: Query) -> Iterator[str]:
    for node in query.base_columns:
        column = query.columns[node.name.lower()]
        if is_date(column):
            new = [call("YEAR", node), call("DATE_TRUNC", exp.Literal.string("month"), node)]
        elif is_number(column):
            new = [call("TO_DECIMAL", node), call("NVL", node, exp.Literal.number(0))]
        else:
            new = [call("PROPER", node), call("REGEX_TRIM", node)]
        for function in new:
            yield query.render(swap(node, function))


def aggregation_error(query: Query) -> Iterator[str]:
    """Put an aggregate where none may stand, or HAVING where nothing is aggregated."""
    for select in query.selects:
        yield from query.mixed(
            [
                _clauses_swapped(query, select),
                _nested_aggregates(query, select),
                _grouped_by_aggregate(query, select),
                _maximum_in_where(query, select),
            ]
        )


def _clauses_swapped(query: Query, select: exp.Select) -> Iterator[str]:
    filter_, group_filter = select.args.get("where"), select.args.get("having")
    if group_filter is not None:
        yield query.render(narrowed(select, group_filter.this), (select, "having", None))
    if filter_ is not None:
        yield query.render(having(select, filter_.this), (select, "where", None))
    if select.args.get("group") is not None:
        count = exp.Count(this=exp.Star())
        yield query.render(narrowed(select, exp.GT(this=count, expression=exp.Literal.number(1))))


def _nested_aggregates(query: Query, select: exp.Select) -> Iterator[str]:
    for node in select.find_all(exp.AggFunc):
        if node.find_ancestor(exp.Select) is select and not isinstance(node.parent, exp.Window):
            outer = exp.Max(this=node.copy())
            yield query.render(swap(node, outer))


def _grouped_by_aggregate(query: Query, select: exp.Select) -> Iterator[str]:
    group = select.args.get("group")
    for projection in select.selects:
        aggregate = projection.find(exp.AggFunc)
        if aggregate is not None:
            keys = [*(group.expressions if group is not None else []), aggregate]
            new = exp.Group(expressions=[key.copy() for key in keys])
            yield query.render((select, "group", new))


def _maximum_in_where(query: Query, select: exp.Select) -> Iterator[str]:
    for alias, table in query.sources(select):
        columns = [c for c in table.columns if is_number(c)] or list(table.columns)
        for column in columns[-1:]:
            node = query.column_of(select, alias, column.name)
            yield query.render(narrowed(select, node.eq(exp.Max(this=node.copy()))))


def other(query: Query) -> Iterator[str]:
    """Give a sub-select or a UNION a column too many, or sort by one that is not there."""
    yield from in_turn([_two_columns_for_one(query), _uneven_unions(query), _new_subselects(query)])


def _two_columns_for_one(query: Query) -> Iterator[str]:
    for select in query.selects:
        nested = select.find_ancestor(exp.SetOperation, exp.In, exp.Binary) is not None
        if nested and select.parent is not query.tree and select.selects:
            extra: Sequence[exp.Expr] = [*select.selects, select.selects[0].copy()]
            yield query.render((select, "expressions", extra))
    for operation in query.nodes(exp.SetOperation):
        right = operation.expression
        if isinstance(right, exp.Select) and right.selects:
            yield query.render(
                (right, "expressions", [*right.selects, exp.Literal.number(1)]),
            )


def _uneven_unions(query: Query) -> Iterator[str]:
    for select in query.selects[:1]:
        for _, table in query.sources(select):
            alone = select.copy()
            for key in ("order", "limit", "offset"):
                alone.set(key, None)
            names = [c.name for c in table.columns[: len(select.selects) + 1]]
            union = exp.union(alone, _plain_select(table, names), distinct=False, copy=False)
            yield query.text_of(union)


def _new_subselects(query: Query) -> Iterator[str]:
    for select in query.selects:
        for alias, table in query.sources(select):
            names = [c.name for c in table.columns[:2]]
            nodes = [query.column_of(select, alias, name) for name in names]
            pair = _plain_select(table, names)
            yield query.render(narrowed(select, nodes[0].isin(query=pair)))
            yield query.render(narrowed(select, nodes[-1].eq(exp.Subquery(this=pair.copy()))))
            both = exp.Tuple(expressions=nodes)
            single = exp.Subquery(this=_plain_select(table, names[:1]))
            yield query.render(narrowed(select, exp.In(this=both, query=single)))


def _plain_select(table: Table, names: Sequence[str]) -> exp.Select:
    columns = [exp.column(exp.to_identifier(name)) for name in names]
    return exp.select(*columns).from_(exp.Table(this=exp.to_identifier(table.name)))
