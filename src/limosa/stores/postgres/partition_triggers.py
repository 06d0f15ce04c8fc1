"""Capture where a table has partitions: what fires on one of them alone, and what came or went since it was armed.

A row trigger of the table is cloned to every partition, also to one that comes later, ENABLE ALWAYS included. A
statement trigger is not: TRUNCATE of one partition fires that partition's own only.
"""

from __future__ import annotations

from collections.abc import Sequence

from limosa.model.operation import Operation
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import literal, quoted
from limosa.stores.postgres.partitions import detached, unarmed, unwatched
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat

__all__ = ["amends", "emptied_body", "faults", "forget", "unwatch", "watch"]


def forget(scope: Scope) -> tuple[str, ...]:
    """Statements that take the rows off limosa's lists that are in the table no more."""
    same = " AND ".join(
        f"t.{quoted(column.name)} = x.key[{place}]::{column.type}" for place, column in enumerate(scope.key, 1)
    )
    return tuple(
        f"DELETE FROM limosa.{name} AS x WHERE x.migration = {literal(scope.id)}"
        f" AND NOT EXISTS (SELECT FROM {scope.relation.sql} AS t WHERE {same})"
        for name in ("exception", "touched")
    )


def emptied_body(scope: Scope) -> str:
    """Of a function for the table beside: TRUNCATE of one partition empties it for all of them; they are queued."""
    return (
        f"BEGIN INSERT INTO limosa.change (migration, key) SELECT {literal(scope.id)}, {scope.key_array('t')}"
        f" FROM {scope.relation.sql} AS t WHERE {scope.where()}; RETURN NULL; END"
    )


def watch(scope: Scope, *, trigger: str, function: str) -> str:
    """The statement that lets TRUNCATE be noticed on every partition that has not got the trigger; may be repeated."""
    make = f"CREATE TRIGGER {quoted(trigger)} AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION {function}"
    always = f"ALTER TABLE %s ENABLE ALWAYS TRIGGER {quoted(trigger)}"
    return (
        "DO $limosa$ DECLARE r regclass; BEGIN FOR r IN SELECT h.inhrelid::regclass FROM pg_inherits AS h"
        f" WHERE h.inhparent = {literal(scope.relation.sql)}::regclass AND NOT h.inhdetachpending AND NOT EXISTS ("
        f"SELECT FROM pg_trigger AS t WHERE t.tgrelid = h.inhrelid AND t.tgname = {literal(trigger)}) LOOP"
        f" EXECUTE format({literal(make)}, r); EXECUTE format({literal(always)}, r); END LOOP; END $limosa$"
    )


def unwatch(trigger: str) -> str:
    """The statement that takes the trigger from every table: partitions, and those that no longer are."""
    drop = f"DROP TRIGGER {quoted(trigger)} ON %s"
    return (
        "DO $limosa$ DECLARE r regclass; BEGIN FOR r IN SELECT t.tgrelid::regclass FROM pg_trigger AS t"
        f" WHERE t.tgname = {literal(trigger)} LOOP EXECUTE format({literal(drop)}, r); END LOOP; END $limosa$"
    )


def faults(tx: PostgresTx, scope: Scope, names: list[str], *, trigger: str, emptied: Sequence[str]) -> str | None:
    """What is wrong with the triggers on the table and its partitions; None while all of them stand, enabled.

    Args:
        trigger: the one that tells of TRUNCATE; emptied: those on the table beside.
    """
    wrong = unarmed(tx, scope.table_oid, names)
    if emptied and scope.beside is not None:
        side = tx.raw("SELECT coalesce(to_regclass($1), 0)::oid", scope.beside.sql)[0][0]
        wrong += unarmed(tx, int(side), list(emptied))
    late = unwatched(tx, scope.table_oid, trigger=trigger)
    # One that came later lacks its own trigger only: run arms it. Whatever else is wrong may have hidden a change.
    lost = [(name, on) for name, on in wrong if name != trigger or on not in late]
    if lost:
        listed = ", ".join(dict.fromkeys(name for name, _ in lost))
        where = ", ".join(dict.fromkeys(str(on) for _, on in lost))
        return f"Trigger {listed} on {where} is missing or not ENABLE ALWAYS."
    if late:
        return f"{', '.join(map(str, late))} came after expand and is not armed yet: limosa run FILE does that."
    return None


def amends(tx: PostgresTx, scope: Scope, *, trigger: str, function: str, seat: Seat) -> list[Operation]:
    """What puts right that partitions came or went since the table was armed.

    Rows of one that was attached came without a change being noted: those without a vector are queued, before the
    trigger tells that this was done. Rows of one that was detached went so: they are taken off the lists.
    """
    made: list[Operation] = []
    for late in unwatched(tx, scope.table_oid, trigger=trigger):
        queue = (
            f"INSERT INTO limosa.change (migration, key) SELECT {literal(scope.id)}, {scope.key_array('t')}"
            f" FROM {late.sql} AS t{seat.joined()} WHERE {scope.where()} AND {seat.missing}"
        )
        made.append(_late(f"queue-{late}", f"Queue the rows of {late}, which came after expand", queue))
    if made:
        statement = watch(scope, trigger=trigger, function=function)
        made.append(_late("watch-partitions", "Notice TRUNCATE of the partitions that came after expand", statement))
    gone = detached(tx, scope.table_oid, trigger=trigger)
    drops = [f"DROP TRIGGER IF EXISTS {quoted(trigger)} ON {name}" for name in gone]
    stale = [sql.replace("DELETE FROM", "SELECT FROM", 1) for sql in forget(scope)]
    if gone or any(tx.raw(f"SELECT EXISTS ({sql})")[0][0] for sql in stale):
        title = f"Forget the rows that went with {', '.join(gone) or 'partitions'}"
        made.append(_late("forget-detached", title, *drops, *forget(scope)))
    return made


def _late(name: str, title: str, *statements: str) -> Operation:
    return Operation(id=name, step="expand", title=title, do=statements)
