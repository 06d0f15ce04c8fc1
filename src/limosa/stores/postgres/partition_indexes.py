"""The index of a partitioned table: one for each partition, built while it stays in use, then attached to the table's.

Postgres builds no index of a partitioned table concurrently. The table's own stays invalid until every partition has
one under it; from then on a partition that comes later gets its own when it is made.
"""

from __future__ import annotations

from dataclasses import replace

from limosa.model.migration import Index
from limosa.model.operation import Operation
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.database import PostgresTx
from limosa.stores.postgres.indexes import building, has_workers, index_relation, parallel, stood_on
from limosa.stores.postgres.names import Relation, distinct, literal
from limosa.stores.postgres.partitions import Partition, unindexed
from limosa.stores.postgres.scope import Scope

__all__ = ["build_apart", "late_indexes", "partition_index"]


def partition_index(scope: Scope, partition: Relation) -> Relation:
    """Name of a partition's index while the migration lives."""
    return Relation(partition.schema, distinct(f"{partition.name}_{scope.vector}", "_limosa_idx"))


def build_apart(scope: Scope, table: Table, index: Index, *, rows: int) -> list[Operation]:
    """The operations that build the index, on the column as it is named before the switch.

    A partition that is dropped or detached meanwhile needs none; one that comes is found by ``late_indexes``.
    """
    helped = index.kind == "hnsw" and table.server.parallel_workers > 0
    serial = [each.relation.sql for each in table.partitions if helped and not has_workers(each.options)]
    made = [_whole(scope, index, rows=rows)]
    made += [parallel(serial, on=True)] if serial else []
    for number, each in enumerate(table.partitions, 1):
        made += _part(scope, index, each.relation, rows=_share(each, rows), number=str(number))
    return made + ([parallel(serial, on=False)] if serial else [])


def late_indexes(tx: PostgresTx, scope: Scope, index: Index, *, epoch: int) -> list[Operation]:
    """What builds the indexes of partitions that came after plan, and before the table's own index stood."""
    found = unindexed(tx, scope.table_oid, index_relation(scope))
    return [
        operation
        for each in found
        for operation in _part(scope, index, each, rows=_rows(tx, each), number=f"late-{each}", epoch=epoch)
    ]


def _share(partition: Partition, rows: int) -> int:
    """Rows of a partition by its statistics; where it has none it may have them all."""
    return min(rows, partition.estimated_rows or rows)


def _rows(tx: PostgresTx, partition: Relation) -> int:
    found = tx.raw("SELECT greatest(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass($1)", partition.sql)
    return int(found[0][0]) if found else 0


def _whole(scope: Scope, index: Index, *, rows: int) -> Operation:
    relation = index_relation(scope)
    return Operation(
        id="make-index",
        step="index",
        title=f"Make {index.kind} {relation.name} on {scope.relation}, to which each partition's index is attached",
        do=(f"CREATE INDEX {stood_on(scope, index, relation, f'ONLY {scope.relation.sql}', rows=rows)}",),
        undo=(f"DROP INDEX IF EXISTS {relation.sql}",),
        probe=f"SELECT to_regclass({literal(relation.sql)}) IS NOT NULL",
        lock="SHARE",
    )


def _part(
    scope: Scope, index: Index, partition: Relation, *, rows: int, number: str, epoch: int = 0
) -> list[Operation]:
    """Builds the index of one partition and attaches it: two operations, as only the first may take long."""
    whole, part = index_relation(scope), partition_index(scope, partition)
    gone = (
        f"NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass({literal(partition.sql)})"
        f" AND inhparent = {literal(scope.relation.sql)}::regclass AND NOT inhdetachpending)"
    )
    under = (
        f"EXISTS (SELECT FROM pg_inherits AS h JOIN pg_index AS i ON i.indexrelid = h.inhrelid"
        f" WHERE h.inhparent = to_regclass({literal(whole.sql)})"
        f" AND i.indrelid = to_regclass({literal(partition.sql)}) AND i.indisvalid)"
    )
    built = building(scope, index, part, partition.sql, rows=rows, epoch=epoch)
    return [
        replace(
            built,
            id=f"build-index-{number}",
            title=f"Build {index.kind} {part.name} while {partition} stays in use",
            probe=f"{built.probe} OR {under} OR {gone}",
        ),
        Operation(
            id=f"attach-index-{number}",
            step="index",
            title=f"Attach {part.name} to {whole.name}",
            do=(f"ALTER INDEX {whole.sql} ATTACH PARTITION {part.sql}",),
            # An attached index cannot be taken away alone: the whole one goes first, and takes all of them along.
            undo=(f"DROP INDEX IF EXISTS {whole.sql}",),
            probe=f"SELECT {under} OR {gone}",
            lock="SHARE UPDATE EXCLUSIVE",
        ),
    ]
