"""Checks and notes of a table with partitions: what cannot be carried, by name, and what is done for each of them."""

from __future__ import annotations

from limosa.model.migration import Migration
from limosa.model.plan import Check, refused
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.partitions import Partition
from limosa.stores.postgres.runner import LOCK_WAIT_MS
from limosa.stores.postgres.scope import Scope

__all__ = ["partition_checks", "partition_notes", "unfit_partitions"]

_SHOWN = 5
"""Names that a note lists."""


def unfit_partitions(table: Table) -> list[tuple[str, str]]:
    """What is wrong with partitions, and what to do: each must keep every row, and fire triggers for every change."""
    found: list[tuple[str, str]] = []
    if table.kind == "p" and not table.partitions:
        found.append((f"{table.relation} has no partition.", "Make one first."))
    for each in table.partitions:
        said = f"The partition {each.relation} of {table.relation} is"
        detach = f"ALTER TABLE {table.relation.sql} DETACH PARTITION {each.relation.sql};"
        if each.kind == "p":
            found.append((f"{said} partitioned again: one level of partitions is carried.", detach))
        elif each.kind == "f":
            found.append((f"{said} a foreign table: no trigger follows what another server changes.", detach))
        elif each.persistence == "u":
            found.append(
                (f"{said} unlogged: it is empty after a crash.", f"ALTER TABLE {each.relation.sql} SET LOGGED;")
            )
    return found


def partition_checks(table: Table, scope: Scope, migration: Migration) -> list[Check]:
    """What the layout, the backup and the role's rights have against the partitions."""
    if table.kind != "p":
        return []
    found: list[Check] = []
    if scope.in_place:
        said = f"in_place would write all {len(table.partitions)} partitions of {table.relation} anew under one lock."
        do = 'Set layout = "column" or "side_table" in [target].'
        found.append(refused("layout", said, needed="A layout that carries partitions.", do=do))
    if migration.backup == "table":
        said = f'backup = "table" would hold {table.relation} without its partitions, where the rows are.'
        do = 'Set backup = "database".'
        found.append(refused("backup", said, needed="A backup of the partitions too.", do=do))
    for each in table.partitions:
        found += _rights(each, table, scope) + _columns(each, table, scope)
    return found


def _rights(partition: Partition, table: Table, scope: Scope) -> list[Check]:
    role, relation = quoted(table.server.user), partition.relation
    if not partition.owned:
        said = f"{table.server.user} does not own the partition {relation}; {partition.owner} does."
        needed = "Membership in the owner's role: only an owner may add a column, a trigger or an index."
        return [refused("privilege", said, needed=needed, do=f"GRANT {quoted(partition.owner)} TO {role};")]
    if not partition.indexable and scope.beside is None and scope.shape == "upgrade":
        said = f"{table.server.user} lacks CREATE on the schema {relation.schema} of the partition {relation}."
        do = f"GRANT CREATE ON SCHEMA {quoted(relation.schema)} TO {role};"
        return [refused("privilege", said, needed="CREATE, for its index.", do=do)]
    return []


def _columns(partition: Partition, table: Table, scope: Scope) -> list[Check]:
    if scope.vector not in partition.not_null or scope.shape == "fill":
        return []
    said = f"{scope.vector} is NOT NULL in the partition {partition.relation}, and not in {table.relation}."
    do = f"ALTER TABLE {partition.relation.sql} ALTER COLUMN {quoted(scope.vector)} DROP NOT NULL;"
    return [
        refused("partition", said, needed="One rule for all rows: after cutover new rows have no old vector.", do=do)
    ]


def partition_notes(table: Table, scope: Scope) -> list[Check]:
    """What is done for partitions, and what an application that makes and drops them should know."""
    if table.kind != "p":
        return []
    count = len(table.partitions)
    parts = "1 partition" if count == 1 else f"{count} partitions"
    named = [each.relation.name for each in table.partitions[:_SHOWN]]
    listed = ", ".join(named) + (", ..." if count > _SHOWN else "")
    said = (
        f"{scope.relation} has {parts} ({listed}). Triggers stand on each; one that is made or attached later is"
        " followed at once, and armed against TRUNCATE by the next run."
    )
    if scope.shape == "fill":
        return [Check(name="partitions", verdict="note", said=said)]
    told = _beside(scope, parts) if scope.beside is not None else _within(parts)
    return [Check(name="partitions", verdict="note", said=said), *told]


def _within(parts: str) -> list[Check]:
    said = (
        "Each partition gets an index of its own, built while it stays in use, then attached. Expand, cutover, rollback"
        f" and finish change columns under one lock of the table and its {parts}: each is waited for at most"
        f" {LOCK_WAIT_MS} ms, while those before it are held."
    )
    return [Check(name="partition-locks", verdict="note", said=said)]


def _beside(scope: Scope, parts: str) -> list[Check]:
    said = (
        f"The foreign key from {scope.beside} holds on the {parts}, after finish too: a partition can be detached or"
        f" dropped only once its vectors are deleted from {scope.beside}, and TRUNCATE of one with CASCADE takes the"
        " vectors of all of them; until finish the others are embedded again. A row that moves to another partition"
        " is embedded again too."
    )
    do = 'Where partitions are dropped in turn, layout = "column" is the better one.'
    return [Check(name="partition-vectors", verdict="note", said=said, do=do)]
