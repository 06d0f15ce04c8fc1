"""Capture where a table has partitions: what fires on one of them alone, and what came or went since it was armed.

A row trigger of the table is cloned to every partition, also to one that comes later, ENABLE ALWAYS included. A
statement trigger is not: TRUNCATE of one partition fires that partition's own only.
"""

from __future__ import annotations

from collections.abc import Sequence

from limosa.model.operation import Operation
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.names import dollar_quoted, literal, quoted
from limosa.stores.postgres.partition_arrivals import arrivals
from limosa.stores.postgres.partitions import Arrival, unarmed, unwatched
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


def watch(scope: Scope, *, trigger: str, function: str, only: Arrival | None = None) -> str:
    """The statement that lets TRUNCATE be noticed on every partition as it is attached now; may be repeated.

    Args:
        function: its name, as SQL writes it.
        only: just this one, and only while it is still attached as it was when it was found.
    """
    make = f"CREATE OR REPLACE TRIGGER {quoted(trigger)} AFTER TRUNCATE ON %s FOR EACH STATEMENT"
    make += f" EXECUTE FUNCTION {function}(%L)"
    always = f"ALTER TABLE %s ENABLE ALWAYS TRIGGER {quoted(trigger)}"
    which = ""
    if only is not None:
        named = f"to_regclass({literal(only.relation.sql)})"
        which = f" AND h.inhrelid = {named} AND h.xmin::text = {literal(only.since)}"
    body = (
        "DECLARE r record; BEGIN FOR r IN SELECT h.inhrelid::regclass AS part, h.xmin::text AS since"
        f" FROM pg_inherits AS h WHERE h.inhparent = {literal(scope.relation.sql)}::regclass"
        f" AND NOT h.inhdetachpending{which} LOOP EXECUTE format({literal(make)}, r.part, r.since);"
        f" EXECUTE format({literal(always)}, r.part); END LOOP; END"
    )
    return f"DO {dollar_quoted(body)}"


def unwatch(trigger: str) -> str:
    """The statement that takes the trigger from every table: partitions, and those that no longer are."""
    drop = f"DROP TRIGGER {quoted(trigger)} ON %s"
    body = (
        "DECLARE r regclass; BEGIN FOR r IN SELECT t.tgrelid::regclass FROM pg_trigger AS t"
        f" WHERE t.tgname = {literal(trigger)} LOOP EXECUTE format({literal(drop)}, r); END LOOP; END"
    )
    return f"DO {dollar_quoted(body)}"


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
    arrived = {each.relation for each in late}
    lost = [(name, on) for name, on in wrong if name != trigger or on not in arrived]
    if lost:
        listed = ", ".join(dict.fromkeys(name for name, _ in lost))
        where = ", ".join(dict.fromkeys(str(on) for _, on in lost))
        return f"Trigger {listed} on {where} is missing or not ENABLE ALWAYS."
    told = []
    for came, how in ((False, "came after expand"), (True, "was detached and attached again")):
        named = ", ".join(str(each.relation) for each in late if each.returned is came)
        told += [f"{named} {how}"] if named else []
    return f"{'; '.join(told)} and is not armed yet: limosa run FILE does that." if told else None


def amends(tx: PostgresTx, scope: Scope, *, trigger: str, function: str, seat: Seat) -> list[Operation]:
    """What puts right that partitions came or went since the table was armed.

    Rows of one that was attached came without a change being noted: they are queued, before the trigger tells that
    this was done. It stays on one that is detached, until finish or rollback, and tells that it was there before. Rows
    that went with a partition are taken off the lists.
    """
    made: list[Operation] = []
    for late in unwatched(tx, scope.table_oid, trigger=trigger):
        made.append(arrivals(scope, late, seat))
        statement = watch(scope, trigger=trigger, function=function, only=late)
        made.append(_late(f"watch-{late.relation}", f"Notice TRUNCATE of {late.relation}", statement))
    stale = [sql.replace("DELETE FROM", "SELECT FROM", 1) for sql in forget(scope)]
    if any(tx.raw(f"SELECT EXISTS ({sql})")[0][0] for sql in stale):
        made.append(_late("forget-detached", "Forget the rows that went with partitions", *forget(scope)))
    return made


def _late(name: str, title: str, *statements: str) -> Operation:
    return Operation(id=name, step="expand", title=title, do=statements)
