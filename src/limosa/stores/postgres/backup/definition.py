"""The definition of a table, as statements that make it again up to and from its rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from limosa.ports.named import named_sql
from limosa.stores.postgres.backup.manifest import Kept
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import Relation

__all__ = ["Definition", "create_table", "define", "hung_on", "relation_options"]

_SQL = named_sql("limosa.stores.postgres.backup", "definition")

_AFTER = ("keys", "constraints", "indexes", "foreign_keys", "index_settings", "rules", "triggers")
_HUNG = ("security", "grants", "comments")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What makes a table: its columns, and statements before and after its rows.

    Attributes:
        sequences: those that belong to it, with last value and whether it was given out already.
    """

    columns: tuple[Kept, ...]
    key: tuple[str, ...]
    sequences: tuple[tuple[str, int, bool], ...]
    before: tuple[str, ...]
    after: tuple[str, ...]


def define(tx: PostgresTx, oid: int, table: Relation) -> Definition:
    """The definition of a table; the transaction's search_path is empty."""
    columns = tuple(
        Kept(name=name, type=kind, generated=generated, plain=plain, rest=rest)
        for name, kind, generated, plain, rest in tx.raw(_SQL["columns"], oid)
    )
    not_null = _texts(tx, "not_null", oid)
    made = create_table(table, [each.plain + each.rest for each in columns], not_null, relation_options(tx, oid))
    before = (
        *_texts(tx, "sequences", oid),
        made,
        *(str(statement) for (statement,) in tx.raw(_SQL["attributes"], oid, 0, "")),
        *(s for name in ("owned", "owner") for s in _texts(tx, name, oid)),
    )
    after = [s for name in _AFTER for s in _texts(tx, name, oid)]
    return Definition(
        columns=columns,
        key=_key(tx, oid),
        sequences=tuple(_state(tx, name) for name in _texts(tx, "states", oid)),
        before=before,
        after=(*after, *(each for (each,) in tx.raw(_SQL["policies"], oid, 0)), *hung_on(tx, oid)),
    )


def create_table(table: Relation, columns: Iterable[str], constraints: Iterable[str], options: str = "") -> str:
    """The statement that makes a table of these columns."""
    return f"CREATE TABLE {table.sql} ({', '.join([*columns, *constraints])}){options}"


def hung_on(tx: PostgresTx, oid: int) -> list[str]:
    """Row security, grants and comments of a table or view, of its columns and of what belongs to it."""
    return [statement for name in _HUNG for statement in _texts(tx, name, oid)]


def relation_options(tx: PostgresTx, oid: int) -> str:
    """Access method, storage parameters and tablespace of a table or view."""
    return str(tx.raw(_SQL["options"], oid)[0][0])


def _texts(tx: PostgresTx, name: str, oid: int) -> list[str]:
    return [str(statement) for (statement,) in tx.raw(_SQL[name], oid)]


def _key(tx: PostgresTx, oid: int) -> tuple[str, ...]:
    found = tx.raw(
        "SELECT a.attname FROM pg_constraint AS c CROSS JOIN unnest(c.conkey) WITH ORDINALITY AS k(attnum, position)"
        " JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.attnum"
        " WHERE c.conrelid = $1 AND c.contype = 'p' ORDER BY k.position",
        oid,
    )
    return tuple(name for (name,) in found)


def _state(tx: PostgresTx, sequence: str) -> tuple[str, int, bool]:
    value, called = tx.raw(f"SELECT last_value, is_called FROM {sequence}")[0]
    return sequence, int(value), bool(called)
