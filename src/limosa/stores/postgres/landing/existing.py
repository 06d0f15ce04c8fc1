"""A table of the application's in which points are to arrive: whether it can be, and what a person should know."""

from __future__ import annotations

from collections.abc import Iterator

from limosa.errors import Refused
from limosa.model.plan import Check, refused
from limosa.model.point import Collected
from limosa.stores.postgres.catalogue import Table, look
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.grants import row_security_checks
from limosa.stores.postgres.landing.fitting import fitting_checks
from limosa.stores.postgres.landing.site import Site
from limosa.stores.postgres.landing.standing import VECTOR_METHODS, standing_indexes
from limosa.stores.postgres.names import quoted

__all__ = ["existing_checks"]

_KINDS = {"v": "a view", "m": "a materialized view", "p": "partitioned", "f": "a foreign table"}

_FIRES = {4: "insert", 8: "delete", 16: "update"}
"""What limosa does in the table, by the bits of a trigger's type. Source: pg_trigger.h."""


def existing_checks(site: Site, collected: Collected, tx: PostgresTx) -> list[Check]:
    """Everything at once; where it cannot be such a table at all, that alone."""
    try:
        table = look(tx, site.relation.sql)
    except Refused:
        return [_of_its_own(site, "is no table")]
    wrong = _kind(table)
    if wrong:
        return [_of_its_own(site, wrong)]
    lacking = [*_rights(site, table, tx), *row_security_checks(table)]
    if lacking:
        return lacking
    found = [*fitting_checks(site, collected, tx)]
    if tx.raw(site.made)[0][0]:
        said = f"Points are becoming rows of {site.relation}: what is done was locked when that began."
        return [*found, Check(name="under-way", verdict="note", said=said)]
    return [*found, _consent(site, tx), *_firing(table), *_referring(table, tx), *_notes(site, table, collected, tx)]


def _of_its_own(site: Site, what: str) -> Check:
    return refused(
        "table",
        f"There is {site.relation} already, which {what}.",
        needed="A name that is free, for a table of the points' own; or an ordinary table.",
        do="Give table in [target] another name.",
    )


def _kind(table: Table) -> str:
    if table.kind in _KINDS:
        return f"is {_KINDS[table.kind]}"
    if table.partition:
        return "is a partition of another table"
    return "has tables that inherit from it" if table.inherited else ""


def _rights(site: Site, table: Table, tx: PostgresTx) -> Iterator[Check]:
    user, relation = quoted(table.server.user), table.relation
    if not table.owned:
        yield refused(
            "privilege",
            f"{table.server.user} does not own {relation}; {table.owner} does.",
            needed="Membership in the owner's role: only an owner may make triggers fire always, and take them away.",
            do=f"GRANT {quoted(table.owner)} TO {user};",
        )
    wanted = ("SELECT", "INSERT", "UPDATE", "DELETE")
    held = tx.raw("SELECT " + ", ".join(f"has_table_privilege($1, '{name}')" for name in wanted), relation.sql)[0]
    missing = ", ".join(name for name, has in zip(wanted, held, strict=True) if not has)
    if missing:
        do = f"GRANT {missing} ON {relation.sql} TO {user};"
        yield refused("privilege", f"{table.server.user} lacks {missing} on {relation}.", needed=f"{missing}.", do=do)


def _consent(site: Site, tx: PostgresTx) -> Check:
    rows = int(tx.raw(f"SELECT count(*) FROM {site.relation.sql}")[0][0])
    has = "no rows; points would become its rows"
    if rows:
        has = f"{rows:,} rows; points would become rows beside them, and none of them is touched"
    return Check(
        name="table",
        verdict="accept",
        said=f"There is a table {site.relation} already, with {has}.",
        needed="Your word that the points may stand in this table. The application sees them as they arrive.",
        do="Accept; or give table in [target] a name that is free.",
        flag="--accept-existing",
    )


def _firing(table: Table) -> Iterator[Check]:
    """Triggers that fire for what limosa writes; foreign keys would rest with them, so that they are not let rest."""
    listed = [
        f"{each.name} ({', '.join(what for bit, what in _FIRES.items() if each.type & bit)})"
        for each in table.triggers
        if each.enabled in "AO" and any(each.type & bit for bit in _FIRES)
    ]
    if listed:
        yield Check(
            name="triggers",
            verdict="accept",
            said=f"These triggers fire for every row that limosa writes, or takes back: {', '.join(listed)}.",
            needed="Your word that they may. What they change in a row, verify finds to be different.",
            do="Look at what they do (updated_at, audit), then accept.",
            flag="--accept-triggers",
        )


def _referring(table: Table, tx: PostgresTx) -> Iterator[Check]:
    """Rows of other tables that point to rows of this one."""
    keys = tx.raw(
        "SELECT conrelid::regclass::text, conname, confdeltype IN ('c', 'n', 'd') FROM pg_constraint"
        " WHERE confrelid = $1 AND contype = 'f' ORDER BY 1, 2",
        table.oid,
    )
    following = [f"{name} of {where}" for where, name, follows in keys if follows]
    if following:
        yield Check(
            name="references",
            verdict="accept",
            said=f"Where a point goes, rows that refer to it go or change with it, by {', '.join(following)}.",
            needed="Your word for it: points go when they do at the source, and all of them at a rollback.",
            do="Let nothing refer to points before finish; then accept.",
            flag="--accept-existing",
        )
    holding = [f"{name} of {where}" for where, name, follows in keys if not follows]
    if holding:
        said = (
            f"A point to which another row refers by {', '.join(holding)} cannot go: run and rollback say so and wait."
        )
        yield Check(name="references", verdict="note", said=said, do="Let nothing refer to points before finish.")


def _notes(site: Site, table: Table, collected: Collected, tx: PostgresTx) -> Iterator[Check]:
    if table.row_security:
        said = f"Row security is on for {table.relation}: its policies decide who sees the points."
        yield Check(name="row-security", verdict="note", said=said)
    slow = [each.name for each in standing_indexes(site.relation, tx) if each.method in VECTOR_METHODS]
    if slow:
        said = f"Every row goes into {', '.join(slow)} as it arrives, which makes loading slow."
        yield Check(name="load", verdict="note", said=said, do="Or drop it before, and make it again after the load.")
    if collected.indexed:
        said = (
            f"The source has indexes on {', '.join(sorted(collected.indexed))}; those of the table are yours to make."
        )
        yield Check(name="indexes", verdict="note", said=said)
