"""What a drop of the table would take along, in the order in which it is made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from limosa.ports.named import named_sql
from limosa.stores.postgres.backup.definition import hung_on, relation_options
from limosa.stores.postgres.database import PostgresTx

__all__ = ["TakenAlong", "constraint", "taken_along"]

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

_Object = tuple[int, int]
"""Catalogue and row: classid and objid, as pg_depend names an object."""


@dataclass(frozen=True, slots=True)
class TakenAlong:
    """What goes with a table: name and statements of each, first what others need; and what cannot be made again."""

    made: tuple[tuple[str, tuple[str, ...]], ...]
    lost: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    """One object outside the table, and the objects that it hangs on."""

    kind: str
    name: str
    bearer: int
    needs: set[_Object] = field(default_factory=set)


def taken_along(tx: PostgresTx, oid: int) -> TakenAlong:
    """Everything outside the table that its drop would take along; the transaction's search_path is empty.

    Extended statistics and memberships in publications are told too: pg_dump leaves them out of a table's archive.
    """
    found = _search(tx, oid)
    relations = {key[1] for key, each in found.items() if each.kind in _VIEWS}
    alone = {key: each for key, each in found.items() if each.kind in _VIEWS or each.bearer not in relations}
    made: dict[str, tuple[str, ...]] = {}
    lost = []
    for key in _order(alone):
        statements = tuple(_statements(tx, alone[key], key))
        if statements:
            made[alone[key].name] = statements
        elif alone[key].kind != "trigger":
            # A trigger without a statement is an internal one of a foreign key.
            lost.append(alone[key].name)
    for kind in ("statistics", "publications"):
        for name, statement in tx.raw(_TABLES[kind], oid):
            title = f"{kind.removesuffix('s') if kind == 'publications' else kind} {name}"
            made[title] = (*made.get(title, ()), str(statement))
    return TakenAlong(tuple(made.items()), tuple(sorted(set(lost))))


def constraint(tx: PostgresTx, oid: int) -> list[str]:
    """The statement that makes a constraint, then its comment where it has one; the search_path is empty."""
    return [str(statement) for (statement,) in tx.raw(_SQL["constraint"], oid)]


def _search(tx: PostgresTx, oid: int) -> dict[_Object, _Found]:
    """Level by level; what belongs to the table itself is followed and not told."""
    relation = int(tx.raw("SELECT 'pg_class'::regclass::oid::bigint")[0][0])
    front: set[_Object] = {(relation, oid)}
    bearers: dict[_Object, _Object] = {(relation, oid): (relation, oid)}
    found: dict[_Object, _Found] = {}
    while front:
        classes, oids = zip(*front, strict=True)
        rows = tx.raw(_SQL["level"], list(map(str, classes)), list(map(str, oids)))
        front = set()
        for need_class, need, kind_class, each, bearer, kind, name in rows:
            seen = (int(kind_class), int(each))
            view = kind in _VIEWS
            # Its toast table's index is borne by that, and that by the table.
            own = bearers.get((relation, int(bearer or 0))) == (relation, oid) and not view
            key = (relation, oid) if own else (relation, int(bearer)) if view else seen
            if seen not in bearers:
                bearers[seen] = key
                front.add(seen)
                if view and key not in bearers:
                    bearers[key] = key
                    front.add(key)
            if not own and _told(kind, name):
                there = found.setdefault(key, _Found(kind, _named(kind, name), int(bearer or 0)))
                there.needs.add(bearers[(int(need_class), int(need))])
    return found


def _told(kind: str, name: str) -> bool:
    # The row type of a view, and its toast table, come with it.
    return not (kind == "object" and name.startswith(("type ", "toast table ")))


def _named(kind: str, name: str) -> str:
    """A view is found by its rule: ``rule _RETURN on view v``."""
    if kind in _VIEWS and name.startswith("rule "):
        return name.partition(" on ")[2]
    return name


def _order(found: Mapping[_Object, _Found]) -> list[_Object]:
    graph = {key: [need for need in each.needs if need in found and need != key] for key, each in found.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError:
        return sorted(found)


def _statements(tx: PostgresTx, each: _Found, key: _Object) -> list[str]:
    oid = key[1]
    if each.kind in _VIEWS:
        return _view(tx, oid)
    if each.kind == "policy":
        return [str(statement) for (statement,) in tx.raw(_TABLES["policies"], 0, oid)]
    if each.kind not in _MADE_BY:
        return []
    return [str(statement) for (statement,) in tx.raw(_SQL[_MADE_BY[each.kind]], oid)]


def _view(tx: PostgresTx, oid: int) -> list[str]:
    made = tx.raw(_SQL["view"], oid, relation_options(tx, oid))
    rest = [tx.raw(_TABLES["owner"], oid), tx.raw(_SQL["view_defaults"], oid)]
    rest += [tx.raw(_TABLES[name], oid) for name in ("attributes", "indexes", "index_settings", "rules", "triggers")]
    statements = [str(statement) for rows in (made, *rest) for (statement,) in rows]
    return [*statements, *hung_on(tx, oid), *(str(each) for (each,) in tx.raw(_SQL["refresh"], oid))]
