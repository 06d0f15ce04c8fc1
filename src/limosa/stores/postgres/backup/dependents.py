"""What a drop of the table would take along, in the order in which it is made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from limosa.ports.named import named_sql
from limosa.stores.postgres.backup.definition import hung_on, relation_options
from limosa.stores.postgres.database import PostgresTx

__all__ = ["Found", "Object", "TakenAlong", "constraint", "in_order", "search", "statements", "taken_along", "view"]

_SQL = named_sql("limosa.stores.postgres.backup", "dependents")
_TABLES = named_sql("limosa.stores.postgres.backup", "definition")

_VIEWS = ("view", "materialized view")

_MADE_BY = {
    "foreign key": "constraint",
    "constraint": "constraint",
    "trigger": "trigger",
    "rule": "rule",
    "index": "index",
    "default": "default",
    "function": "function",
}
"""The statement that makes an object of a kind again."""

Object = tuple[int, int]
"""Catalogue and row: classid and objid, as pg_depend names an object."""


@dataclass(frozen=True, slots=True)
class TakenAlong:
    """What goes with a table: name and statements of each, first what others need; and what cannot be made again."""

    made: tuple[tuple[str, tuple[str, ...]], ...]
    lost: tuple[str, ...]


@dataclass(slots=True)
class Found:
    """One object, the relation that bears it (0 for none), and the objects that it hangs on."""

    kind: str
    name: str
    bearer: int
    needs: set[Object] = field(default_factory=set)


def taken_along(tx: PostgresTx, oid: int) -> TakenAlong:
    """Everything outside the table that its drop would take along; the transaction's search_path is empty.

    Extended statistics and memberships in publications are told too: pg_dump leaves them out of a table's archive.
    """
    found = search(tx, oid)
    relations = {key[1] for key, each in found.items() if each.kind in _VIEWS}
    alone = {key: each for key, each in found.items() if each.kind in _VIEWS or each.bearer not in relations}
    made: dict[str, tuple[str, ...]] = {}
    lost = []
    for key in in_order(alone):
        again = tuple(statements(tx, alone[key], key))
        if again:
            made[alone[key].name] = again
        elif alone[key].kind != "trigger":
            # A trigger without a statement is an internal one of a foreign key.
            lost.append(alone[key].name)
    for kind in ("statistics", "publications"):
        for name, statement in tx.raw(_TABLES[kind], oid, *((0,) if kind == "statistics" else ())):
            title = f"{kind.removesuffix('s') if kind == 'publications' else kind} {name}"
            made[title] = (*made.get(title, ()), str(statement))
    return TakenAlong(tuple(made.items()), tuple(sorted(set(lost))))


def constraint(tx: PostgresTx, oid: int) -> list[str]:
    """The statement that makes a constraint, then its comment where it has one; the search_path is empty."""
    return [str(statement) for (statement,) in tx.raw(_SQL["constraint"], oid)]


def search(tx: PostgresTx, oid: int, *, column: int = 0) -> dict[Object, Found]:
    """What hangs on a table, level by level; what belongs to the table itself is followed and not told.

    Args:
        column: number of the one column that is asked about; what of the table itself hangs on it is told then too.
    """
    relation = int(tx.raw("SELECT 'pg_class'::regclass::oid::bigint")[0][0])
    front: set[Object] = {(relation, oid)}
    bearers: dict[Object, Object] = {(relation, oid): (relation, oid)}
    found: dict[Object, Found] = {}
    while front:
        classes, oids = zip(*front, strict=True)
        rows = tx.raw(_SQL["level"], list(map(str, classes)), list(map(str, oids)), oid, column)
        front = set()
        for need_class, need, kind_class, each, bearer, kind, name in rows:
            seen = (int(kind_class), int(each))
            view = kind in _VIEWS
            # Its toast table's index is borne by that, and that by the table.
            own = not column and not view and bearers.get((relation, int(bearer or 0))) == (relation, oid)
            key = (relation, oid) if own else (relation, int(bearer)) if view else seen
            if seen not in bearers:
                bearers[seen] = key
                front.add(seen)
                if view and key not in bearers:
                    bearers[key] = key
                    front.add(key)
            if not own and _told(kind, name):
                there = found.setdefault(key, Found(kind, _named(kind, name), int(bearer or 0)))
                there.needs.add(bearers[(int(need_class), int(need))])
    return found


def _told(kind: str, name: str) -> bool:
    # The row type of a view, and its toast table with its index, come with it.
    own = kind == "object" and name.startswith(("type ", "toast table "))
    return not own and not name.startswith("index pg_toast.")


def _named(kind: str, name: str) -> str:
    """A view is found by its rule: ``rule _RETURN on view v``."""
    if kind in _VIEWS and name.startswith("rule "):
        return name.partition(" on ")[2]
    return name


def in_order(found: Mapping[Object, Found]) -> list[Object]:
    """Their objects, first what others need."""
    graph = {key: [need for need in each.needs if need in found and need != key] for key, each in found.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        return sorted(found)


def statements(tx: PostgresTx, each: Found, key: Object) -> list[str]:
    """What makes an object again, a materialized view with its rows; empty where nothing does."""
    oid = key[1]
    if each.kind in _VIEWS:
        return [*view(tx, oid), *(str(refresh) for (refresh,) in tx.raw(_SQL["refresh"], oid))]
    if each.kind == "policy":
        rows = [*tx.raw(_TABLES["policies"], 0, oid), *tx.raw(_SQL["policy_comment"], oid)]
        return [str(statement) for (statement,) in rows]
    if each.kind == "statistics":
        return [str(statement) for _, statement in tx.raw(_TABLES["statistics"], 0, oid)]
    if each.kind not in _MADE_BY:
        return []
    return [str(statement) for (statement,) in tx.raw(_SQL[_MADE_BY[each.kind]], oid)]


def view(tx: PostgresTx, oid: int) -> list[str]:
    """What makes a view or a materialized view again with all that belongs to it, but not its rows."""
    made = tx.raw(_SQL["view"], oid, relation_options(tx, oid))
    rest = [
        tx.raw(_TABLES["owner"], oid),
        tx.raw(_SQL["view_defaults"], oid),
        tx.raw(_TABLES["attributes"], oid, 0, ""),
    ]
    rest += [tx.raw(_TABLES[name], oid) for name in ("indexes", "index_settings", "rules", "triggers")]
    rest.append([(statement,) for _, statement in tx.raw(_TABLES["statistics"], oid, 0)])
    return [*(str(statement) for rows in (made, *rest) for (statement,) in rows), *hung_on(tx, oid)]
