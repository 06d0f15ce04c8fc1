"""What hangs on a column and can be dropped and made again: views, policies, functions, statistics, as statements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from limosa.ports.named import named_sql
from limosa.stores.postgres.backup.dependents import Found, Object, in_order, search, statements, view
from limosa.stores.postgres.backup.rows import settle
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import Relation

__all__ = ["Hanging", "HeldName", "Kind", "Remade", "hanging_on"]

_SQL = named_sql("limosa.stores.postgres.backup", "dependents")

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
        text: of a view, what Postgres prints as its query while the search_path is empty.
    """

    kind: Kind
    name: str
    owner: str
    owned: bool
    names: tuple[HeldName, ...]
    drop: str
    create: tuple[str, ...]
    refresh: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Hanging:
    """What hangs on a column.

    Attributes:
        remade: what can be dropped and made again, first what others need.
        others: what hangs on those and cannot, each as Postgres describes it.
    """

    remade: tuple[Remade, ...] = ()
    others: tuple[str, ...] = ()


def hanging_on(tx: PostgresTx, oid: int, column: int) -> Hanging:
    """What hangs on a column, and what on that, in the order in which it is made; changes nothing.

    Constraints, indexes, triggers, rules and generated columns of the table itself are not told, nor are views of
    limosa's own. The search_path is empty from here to the end of the transaction.

    Args:
        oid: of the table.
        column: its number.
    """
    settle(tx)
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
            remade.append(made)
        elif not _on_the_table(each, oid):
            others.append(each.name)
    return Hanging(tuple(remade), tuple(sorted(set(others))))


def _alone(each: Found, oid: int) -> bool:
    """Stands for itself: a view, or what of the table is made again apart from it."""
    return each.kind in _VIEWS or (each.bearer == oid and each.kind in {"policy", "statistics"})


def _on_the_table(each: Found, oid: int) -> bool:
    return each.bearer == oid


def _remade(tx: PostgresTx, each: Found, key: Object) -> Remade | None:
    kind = next((known for known in get_args(Kind) if known == each.kind), None)
    if kind is None:
        return None
    if kind in {"policy", "function"}:
        name, owner, owned, readable = tx.raw(_SQL["place"], key[1], kind)[0]
        # A body that is text depends on nothing: this one takes or answers rows of a view, by the view's own type.
        if not readable:
            return None
        create = tuple(statements(tx, each, key))
        return Remade(
            kind=kind,
            name=str(name).partition(" ")[2],
            owner=owner,
            owned=owned,
            names=(),
            drop=f"DROP {name}",
            create=create,
        )
    return _of_schema(tx, kind, each, key)


def _of_schema(tx: PostgresTx, kind: Kind, each: Found, key: Object) -> Remade:
    """A view or statistics: what has a name in a schema."""
    rows = tx.raw(_SQL["names"], key[1])
    names = tuple(HeldName(what, Relation(schema, name)) for what, schema, name, *_ in rows)
    return Remade(
        kind=kind,
        name=str(names[0].relation),
        owner=rows[0][3],
        owned=rows[0][4],
        names=names,
        drop=f"DROP {names[0].kind} {names[0].relation.sql}",
        create=tuple(view(tx, key[1]) if kind in _VIEWS else statements(tx, each, key)),
        refresh=next((str(row[0]) for row in tx.raw(_SQL["refresh"], key[1])), ""),
        text=str(tx.raw(_SQL["definition"], key[1])[0][0]) if kind in _VIEWS else "",
    )
