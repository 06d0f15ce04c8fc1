"""Replacing the rows of a table that is there by those of a backup, under a lock."""

from __future__ import annotations

from limosa.errors import Refused
from limosa.stores.postgres.backup.archive import Archive
from limosa.stores.postgres.backup.dependents import constraint
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import Relation, literal, quoted

__all__ = ["replace_rows"]

LOCK_WAIT_MS = 50
"""As for every change of the schema: who comes later queues behind the wait."""

_COLUMNS = """SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""

_IN_THE_WAY = """SELECT conrelid::regclass::text, conname, oid, convalidated FROM pg_constraint
WHERE contype = 'f' AND confrelid = $1::regclass AND conrelid <> confrelid AND conparentid = 0
   OR conrelid = $1::regclass AND contype IN ('c', 'f') AND NOT convalidated"""
"""Foreign keys to the table forbid TRUNCATE; constraints that were never validated forbid rows that are there."""

_TRIGGERS = """SELECT tgname, CASE tgenabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA'
    ELSE 'DISABLE' END FROM pg_trigger WHERE tgrelid = $1::regclass AND NOT tgisinternal AND tgenabled <> 'O'"""


def replace_rows(tx: PostgresTx, archive: Archive, table: Relation) -> None:
    """The rows of the table become those of the backup; its triggers rest, and foreign keys to it are checked anew.

    Sequences are never set back: a number that was given out since stays given out.

    Raises:
        Refused: the table's columns are not those of the backup.
    """
    manifest = archive.manifest
    tx.raw(f"SET LOCAL lock_timeout = '{LOCK_WAIT_MS}ms'")
    tx.raw(f"LOCK TABLE {table.sql} IN ACCESS EXCLUSIVE MODE")
    kept = [(each.name, each.type) for each in manifest.columns]
    here = [(str(name), str(kind)) for name, kind in tx.raw(_COLUMNS, table.sql)]
    if here != kept:
        raise _other_columns(table, here, kept)
    resting = tx.raw(_TRIGGERS, table.sql)
    again = [statement for found in tx.raw(_IN_THE_WAY, table.sql) for statement in _set_aside(tx, *found)]
    tx.raw(f"ALTER TABLE {table.sql} DISABLE TRIGGER USER")
    tx.raw(f"TRUNCATE {table.sql}")
    archive.fill(tx, table)
    # What is checked late would stand in the way of the next ALTER TABLE.
    tx.raw("SET CONSTRAINTS ALL IMMEDIATE")
    tx.raw(f"ALTER TABLE {table.sql} ENABLE TRIGGER USER")
    for name, state in resting:
        tx.raw(f"ALTER TABLE {table.sql} {state} TRIGGER {quoted(name)}")
    for statement in again:
        tx.raw(statement)
    for sequence, value, called in manifest.sequences:
        tx.raw(
            f"SELECT setval({literal(sequence)}::regclass, $1::bigint, $2) FROM {sequence} WHERE last_value < $1",
            value,
            called,
        )


def _set_aside(tx: PostgresTx, place: str, name: str, oid: int, validated: bool) -> list[str]:
    """Drops a constraint; the statements that make it again, NOT VALID first, so that it is checked apart."""
    made, *comments = constraint(tx, oid)
    tx.raw(f"ALTER TABLE {place} DROP CONSTRAINT {quoted(name)}")
    if not validated:
        return [made, *comments]
    return [f"{made} NOT VALID", f"ALTER TABLE {place} VALIDATE CONSTRAINT {quoted(name)}", *comments]


def _other_columns(table: Relation, here: list[tuple[str, str]], kept: list[tuple[str, str]]) -> Refused:
    other = [f"{name} {kind}" for name, kind in (*here, *kept) if ((name, kind) in here) != ((name, kind) in kept)]
    what = "they differ in " + ", ".join(dict.fromkeys(other)) if other else "they stand in another order"
    return Refused(
        f"The columns of {table} are not those of the backup: {what}.",
        needed="The columns that the table had then.",
        do="Put the backup beside it with --into NAME; or drop the table and restore it as it was.",
    )
