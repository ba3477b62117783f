"""How tables hang together over foreign keys: the smallest tree that joins a set of tables.

A Steiner tree of an unweighted graph whose edges are keys: exact for up to `EXACT` tables (Dreyfus
and Wagner, 1971), and for more by adding the nearest table again and again (Takahashi and
Matsuyama, 1980), which is at most twice as large. A key that the schema declares counts a little
less than one that names imply; among equal trees the first in the schema's order is taken.
"""

from __future__ import annotations

import heapq
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from sqlbench.signals.base import JoinPath
from sqlbench.signals.catalogue import Catalogue
from sqlbench.signals.keys import Key
from sqlbench.signals.statement import Scope, Statement

EXACT = 5
_IMPLIED = 1.25  # what a key costs that is not declared
_FARTHEST = 6.0  # a longer way between two tables is none
_KEPT = 512  # sets of tables whose trees are kept

_Edges = tuple[Key, ...]
_Tree = tuple[float, _Edges]


@dataclass(slots=True)
class KeyGraph:
    """The tables of a schema with the keys between them, by names in lower case."""

    edges: dict[str, list[tuple[str, float, Key]]] = field(default_factory=dict)
    _trees: OrderedDict[tuple[str, ...], tuple[_Edges | None]] = field(default_factory=OrderedDict)

    @classmethod
    def of(cls, keys: Iterable[Key]) -> KeyGraph:
        """Return the graph of some keys; of several between two tables the first counts."""
        graph = cls()
        seen = set()
        for key in keys:
            a, b = key.table.lower(), key.ref_table.lower()
            if a == b or (a, b) in seen or (b, a) in seen:
                continue
            seen.add((a, b))
            cost = 1.0 if key.declared else _IMPLIED
            graph.edges.setdefault(a, []).append((b, cost, key))
            graph.edges.setdefault(b, []).append((a, cost, key))
        return graph

    def ways(self, start: str) -> dict[str, _Tree]:
        """Return the shortest way from a table to each other that is near enough."""
        found: dict[str, _Tree] = {}
        queue: list[tuple[float, int, str, _Edges]] = [(0.0, 0, start, ())]
        pushed = 0
        while queue:
            cost, _, here, edges = heapq.heappop(queue)
            if here in found:
                continue
            found[here] = cost, edges
            for there, more, key in self.edges.get(here, ()):
                if there not in found and cost + more <= _FARTHEST:
                    pushed += 1
                    heapq.heappush(queue, (cost + more, pushed, there, (*edges, key)))
        return found

    def tree(self, wanted: tuple[str, ...]) -> _Edges | None:
        """Return the keys of the smallest tree that joins some tables; None if there is none.

        The last trees are kept: many answers join the same tables.
        """
        if len(wanted) < 2:
            return ()
        if (kept := self._trees.get(wanted)) is not None:
            return kept[0]
        found = _exact(self, wanted) if len(wanted) <= EXACT else _nearest(self, wanted)
        self._trees[wanted] = (found,)
        if len(self._trees) > _KEPT:
            self._trees.popitem(last=False)
        return found


_graphs: weakref.WeakKeyDictionary[Catalogue, KeyGraph] = weakref.WeakKeyDictionary()


def join_path(catalogue: Catalogue, tables: Sequence[str]) -> JoinPath | None:
    """Return how tables are joined over keys; None if the keys do not connect them.

    Parameters
    ----------
    catalogue : Catalogue
        The database.
    tables : sequence of str
        Real tables, named as the catalogue knows them.
    """
    wanted = tuple(dict.fromkeys(name.lower() for name in tables))
    edges = _graph(catalogue).tree(wanted)
    if edges is None:
        return None
    named = list(dict.fromkeys([*wanted, *_ends(edges)]))
    real = {name: name for name in named}
    for key in edges:
        real[key.table.lower()], real[key.ref_table.lower()] = key.table, key.ref_table
    missing = tuple(real[name] for name in named if name not in wanted)
    conditions = tuple(key.condition() for key in edges)
    return JoinPath(tuple(real[name] for name in named), conditions, missing)


def tables_between(catalogue: Catalogue, tables: Sequence[str]) -> tuple[str, ...] | None:
    """Return the tables of that tree, in lower case; None if the keys do not connect them.

    First come those that are asked for, in order, then those between, in the order of the keys.

    Parameters
    ----------
    catalogue, tables
        As for `join_path`.
    """
    wanted = tuple(dict.fromkeys(name.lower() for name in tables))
    edges = _graph(catalogue).tree(wanted)
    return None if edges is None else tuple(dict.fromkeys([*wanted, *_ends(edges)]))


def missed_paths(statement: Statement, catalogue: Catalogue) -> tuple[JoinPath, ...]:
    """Return the paths of those SELECTs that join tables otherwise than over the keys.

    A SELECT is listed if its tables are connected by keys, and it names not all the tables on the
    way, or equates the columns of not one key between two of them.

    Parameters
    ----------
    statement : Statement
        A parsed statement.
    catalogue : Catalogue
        The database.
    """
    found: dict[tuple[str, ...], JoinPath] = {}
    for scope in statement.scopes:
        tables = list(dict.fromkeys(scope.tables))
        if len(tables) < 2:
            continue
        path = join_path(catalogue, tables)
        if path is not None and (path.missing or not follows_keys(scope, catalogue)):
            found.setdefault(path.tables, path)
    return tuple(found.values())


def follows_keys(scope: Scope, catalogue: Catalogue) -> bool:
    """Return whether the keys that a SELECT equates connect all of its tables.

    Parameters
    ----------
    scope : Scope
        One SELECT; what its sub-queries in FROM hold is not looked at.
    catalogue : Catalogue
        The database.
    """
    equal = _equated(scope)
    groups = {table: {table} for table in scope.tables}
    for key in catalogue.keys:
        a, b = key.table.lower(), key.ref_table.lower()
        if a not in groups or b not in groups or groups[a] is groups[b]:
            continue
        pairs = zip(key.columns, key.ref_columns, strict=True)
        if all(frozenset([(a, x.lower()), (b, y.lower())]) in equal for x, y in pairs):
            groups[a] |= groups[b]
            for table in groups[b]:
                groups[table] = groups[a]
    return len({id(group) for group in groups.values()}) <= 1


def _equated(scope: Scope) -> set[frozenset[tuple[str, str]]]:
    """Return the pairs of columns that a SELECT equates, in ON, USING or WHERE."""
    columns = {id(use.node): (use.table, use.name) for use in scope.columns}
    found = set()
    for use in scope.columns:
        node = use.node.parent
        if isinstance(node, exp.EQ) and node.left is use.node and id(node.right) in columns:
            found.add(frozenset([(use.table, use.name), columns[id(node.right)]]))
    for join in scope.joins:
        for name in join.args.get("using") or ():
            found |= {
                frozenset([(a, name.name.lower()), (b, name.name.lower())])
                for a in scope.tables
                for b in scope.tables
                if a != b
            }
    return found


def _graph(catalogue: Catalogue) -> KeyGraph:
    found = _graphs.get(catalogue)
    if found is None:
        found = _graphs[catalogue] = KeyGraph.of(catalogue.keys)
    return found


def _exact(graph: KeyGraph, wanted: Sequence[str]) -> _Edges | None:
    """Dreyfus and Wagner: the best tree of each set of tables, rooted at each table."""
    ways = {table: graph.ways(table) for table in wanted}
    nodes = list(dict.fromkeys(n for found in ways.values() for n in found))
    best: dict[int, dict[str, _Tree]] = {
        1 << i: dict(ways[table]) for i, table in enumerate(wanted[:-1])
    }
    every: dict[str, dict[str, _Tree]] = dict(ways)
    for chosen in range(1, 1 << (len(wanted) - 1)):
        if chosen in best:
            continue
        joined: dict[str, _Tree] = {}
        part = (chosen - 1) & chosen
        while part:
            rest = chosen ^ part
            if part > rest:  # each split once
                for node in nodes:
                    one, two = best[part].get(node), best[rest].get(node)
                    if one is not None and two is not None:
                        _keep(joined, node, (one[0] + two[0], _union(one[1], two[1])))
            part = (part - 1) & chosen
        spread = dict(joined)
        for node, (cost, edges) in joined.items():
            if node not in every:
                every[node] = graph.ways(node)
            for there, (more, way) in every[node].items():
                _keep(spread, there, (cost + more, _union(edges, way)))
        best[chosen] = spread
    found = best[(1 << (len(wanted) - 1)) - 1].get(wanted[-1])
    return None if found is None else found[1]


def _nearest(graph: KeyGraph, wanted: Sequence[str]) -> _Edges | None:
    """Takahashi and Matsuyama: join the table that is nearest to the tree, until all are in it."""
    edges: _Edges = ()
    tree, left = [wanted[0]], list(wanted[1:])
    while left:
        choices = [
            (way[0], i, way[1], table)
            for i, table in enumerate(left)
            for node in tree
            if (way := graph.ways(node).get(table)) is not None
        ]
        if not choices:
            return None
        _, _, way_there, table = min(choices, key=lambda choice: choice[:2])
        edges = _union(edges, way_there)
        tree = list(dict.fromkeys([*tree, *_ends(way_there)]))
        left = [name for name in left if name not in tree and name != table]
    return edges


def _keep(found: dict[str, _Tree], node: str, tree: _Tree) -> None:
    if node not in found or tree[0] < found[node][0]:
        found[node] = tree


def _union(one: _Edges, two: _Edges) -> _Edges:
    return tuple(dict.fromkeys([*one, *two]))


def _ends(edges: _Edges) -> list[str]:
    return [end for key in edges for end in (key.table.lower(), key.ref_table.lower())]
