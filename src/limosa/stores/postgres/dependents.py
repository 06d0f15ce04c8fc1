"""What hangs on a column and can be dropped and made again: views, policies, functions, statistics, as statements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, get_args

from limosa.ports.named import named_sql
from limosa.stores.postgres.backup.dependents import Found, Object, in_order, search, statements, view
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import Relation, literal

__all__ = ["Hanging", "HeldName", "Kind", "Remade", "column_settings", "hanging_on", "listed", "unqualified"]

_SQL = named_sql("limosa.stores.postgres", "dependents")
_MADE = named_sql("limosa.stores.postgres.backup", "dependents")
_TABLES = named_sql("limosa.stores.postgres.backup", "definition")

Kind = Literal["view", "materialized view", "statistics", "function", "policy"]

_VIEWS = ("view", "materialized view")


@dataclass(frozen=True, slots=True)
class HeldName:
    """A name that an object holds in its schema; ``kind`` as ``ALTER ... RENAME`` wants it: VIEW, INDEX, STATISTICS."""

    kind: str
    relation: Relation


@dataclass(frozen=True, slots=True, kw_only=True)
class Remade:
    """One dependent of a column, and how it is dropped and made again. Every name in it is qualified.

    Attributes:
        name: for a person, without its kind.
        owner: the role; owned: whether limosa's may act for it.
        names: what it holds in its schema: itself first, then indexes and statistics; none of policy and function.
        drop: one statement; dependents are dropped in reverse order.
        create: statements, with owner, options, grants, comments, indexes, triggers; a materialized view without rows.
        refresh: fills a materialized view; empty for others, and where it has never been filled.
        state: a digest of what it is, as ``asks`` answers it while the search_path is empty; empty for statistics.
        asks: a query of one value, by name.
        through_function: it reads the column by way of a function among these.
    """

    kind: Kind
    name: str
    owner: str
    owned: bool
    names: tuple[HeldName, ...]
    drop: str
    create: tuple[str, ...]
    refresh: str = ""
    state: str = ""
    asks: str = ""
    through_function: bool = False


@dataclass(frozen=True, slots=True)
class Hanging:
    """What hangs on a column.

    Attributes:
        remade: what can be dropped and made again, first what others need.
        others: what hangs on those and cannot, each as Postgres describes it.
    """

    remade: tuple[Remade, ...] = ()
    others: tuple[str, ...] = ()


def listed(remade: Iterable[Remade]) -> str:
    """Their kinds and names, for a person."""
    return ", ".join(f"{each.kind} {each.name}" for each in remade)


def hanging_on(tx: PostgresTx, oid: int, column: int) -> Hanging:
    """What hangs on a column, and what on that, in the order in which it is made; changes nothing.

    Constraints, indexes, triggers, rules and generated columns of the table itself are not told, nor are views of
    limosa's own.

    Args:
        oid: of the table.
        column: its number.
    """
    with unqualified(tx):
        return _hanging(tx, oid, column)


@contextmanager
def unqualified(tx: PostgresTx) -> Iterator[None]:
    """No schema is searched meanwhile, so that Postgres prints every name with its own."""
    path = tx.raw("SELECT current_setting('search_path')")[0][0]
    tx.raw("SELECT set_config('search_path', '', true)")
    yield
    tx.raw("SELECT set_config('search_path', $1, true)", path)


def column_settings(tx: PostgresTx, oid: int, column: int, name: str) -> tuple[str, ...]:
    """What gives another column the storage, compression, statistics target, rights and comment of a column.

    PLAIN storage is left out: two vectors that may not leave their row would not fit into a page together.

    Args:
        oid: of the table.
        column: the number of the one; name: of the other.
    """
    with unqualified(tx):
        rows = [*tx.raw(_TABLES["attributes"], oid, column, name), *tx.raw(_SQL["column_rest"], oid, column, name)]
    return tuple(str(statement) for (statement,) in rows if not statement.endswith("STORAGE PLAIN"))


def _hanging(tx: PostgresTx, oid: int, column: int) -> Hanging:
    found = search(tx, oid, column=column)
    views = {key[1] for key, each in found.items() if each.kind in _VIEWS}
    told = {key: each for key, each in found.items() if each.bearer not in {*views, oid} or _alone(each, oid)}
    remade, others = [], []
    for key in in_order(told):
        each = told[key]
        if each.kind in _VIEWS and each.name.startswith("view limosa."):
            continue
        made = _remade(tx, each, key)
        if made is not None:
            remade.append(replace(made, through_function=_through_function(key, found)))
        elif not _on_the_table(each, oid):
            others.append(each.name)
    return Hanging(tuple(remade), tuple(sorted(set(others))))


def _alone(each: Found, oid: int) -> bool:
    """Stands for itself: a view, or what of the table is made again apart from it."""
    return each.kind in _VIEWS or (each.bearer == oid and each.kind in {"policy", "statistics"})


def _on_the_table(each: Found, oid: int) -> bool:
    return each.bearer == oid


def _remade(tx: PostgresTx, each: Found, key: Object) -> Remade | None:
    if each.kind in _VIEWS or each.kind == "statistics":
        return _of_schema(tx, _kind(each), each, key)
    if each.kind not in {"policy", "function"}:
        return None
    place, owner, owned, readable, *parts = tx.raw(_SQL["place"], key[1], each.kind)[0]
    # A body that is text depends on nothing: this one takes or answers rows of a view, by the view's own type.
    if not readable:
        return None
    asks = _filled(_SQL[each.kind], *parts)
    return Remade(
        kind=_kind(each),
        name=str(place).partition(" ")[2],
        owner=owner,
        owned=owned,
        names=(),
        drop=f"DROP {place}",
        create=tuple(statements(tx, each, key)),
        state=str(tx.raw(asks)[0][0]),
        asks=asks,
    )


def _of_schema(tx: PostgresTx, kind: Kind, each: Found, key: Object) -> Remade:
    """A view or statistics: what has a name in a schema."""
    rows = tx.raw(_SQL["names"], key[1])
    names = tuple(HeldName(what, Relation(schema, name)) for what, schema, name, *_ in rows)
    asks = _filled(_SQL["view"], names[0].relation.sql) if kind in _VIEWS else ""
    return Remade(
        kind=kind,
        name=str(names[0].relation),
        owner=rows[0][3],
        owned=rows[0][4],
        names=names,
        drop=f"DROP {names[0].kind} {names[0].relation.sql}",
        create=tuple(view(tx, key[1]) if kind in _VIEWS else statements(tx, each, key)),
        refresh=next((str(row[0]) for row in tx.raw(_MADE["refresh"], key[1])), ""),
        state=str(tx.raw(asks)[0][0]) if asks else "",
        asks=asks,
    )


def _kind(each: Found) -> Kind:
    return next(known for known in get_args(Kind) if known == each.kind)


def _filled(query: str, *values: str) -> str:
    """The query with its parameters written into it, without what explains it."""
    said = "\n".join(line for line in query.splitlines() if not line.startswith("--")).rstrip(";\n")
    return re.sub(r"\$(\d)", lambda found: literal(values[int(found[1]) - 1]), said)


def _through_function(key: Object, found: Mapping[Object, Found]) -> bool:
    front, seen = {key}, {key}
    while front:
        front = {need for each in front if each in found for need in found[each].needs} - seen
        if any(need in found and found[need].kind == "function" for need in front):
            return True
        seen |= front
    return False
