"""What a person should have read before a migration begins, though nothing of it stands in the way."""

from __future__ import annotations

from limosa.model.migration import Migration
from limosa.model.plan import Check
from limosa.stores.postgres.beside import beside_notes
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.names import quoted
from limosa.stores.postgres.partitioned import partition_notes
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.sizes import WAL_FACTOR, ann_indexes, build_memory_bytes, vector_bytes
from limosa.stores.postgres.surroundings import Room, Surroundings

__all__ = ["count_checks", "notes"]

_FEW_PER_LIST = 50
"""Rows a list below which k-means has too little to go by. Source: pgvector's README, "IVFFlat" (rows / 1000 lists)."""


def count_checks(scope: Scope, counts: dict[str, int], *, repeated: int = 0) -> list[Check]:
    """What the rows themselves forbid or are worth a word."""
    rows, silent, outside = counts["rows"], counts["without_text"], counts["outside"]
    if not rows:
        said = f"{scope.relation} is empty." if not outside else f"No row of {scope.relation} satisfies the filter."
        return [Check(name="empty", verdict="note", said=said, do="Rows that come later are followed.")]
    found = []
    if repeated:
        found.append(
            Check(
                name="text-query",
                verdict="refused",
                said=f"The text query answers several rows for {repeated:,} keys.",
                needed="One row a key.",
                do="Put the texts of one key together, for example with string_agg and GROUP BY.",
            )
        )
    if silent == rows:
        found.append(
            Check(
                name="text",
                verdict="refused",
                said=f"None of the {rows:,} rows has a text.",
                needed="At least one row whose text is neither NULL nor blank.",
                do="Check text, template or query in [source].",
            )
        )
    elif silent:
        found.append(
            Check(
                name="text",
                verdict="note",
                said=f"{silent:,} rows have no text: they are skipped, listed, and have no new vector.",
            )
        )
    if scope.shape == "fill" and not counts["to_embed"] and silent < rows:
        found.append(
            Check(
                name="nothing-to-do",
                verdict="refused",
                said=f"Every row of {scope.relation} that has a text has a vector, and the spaces are the same.",
                needed="Rows without a vector, or another space.",
                do="Set [target.space] to the model that you want to move to.",
            )
        )
    if outside and scope.shape == "upgrade":
        found.append(
            Check(
                name="outside",
                verdict="note",
                said=f"{outside:,} rows outside the filter hold an old vector; finish drops it, none gets a new one.",
                do="Leave where out of [source] to take them along.",
            )
        )
    return found


def notes(
    table: Table, scope: Scope, migration: Migration, around: Surroundings, counts: dict[str, int]
) -> list[Check]:
    """Notes about table, layout, index and server."""
    found = (
        _replication(scope, around.room, counts)
        + _hidden(table, migration, around.room)
        + _old_index(table, scope, counts)
    )
    found += partition_notes(table, scope)
    if scope.shape == "fill":
        if migration.index is not None:
            said = "[target.index] is not used: the space stays, and so does the index that stands."
            found.append(Check(name="index", verdict="note", said=said))
        return found
    return found + _layout(table, scope, around) + _index(scope, migration, around.room, counts)


def _replication(scope: Scope, room: Room, counts: dict[str, int]) -> list[Check]:
    if not room.slots and not room.standbys:
        return []
    wal = int(counts["to_embed"] * vector_bytes(scope.new_dimensions, scope.base) * WAL_FACTOR)
    said = (
        f"{room.slots} replication slots and {room.standbys} standbys have to read about {wal / 2**20:,.0f} MB"
        " of write-ahead log."
    )
    do = "See that the primary's disk has that much room while they catch up."
    if 0 <= room.max_slot_wal_keep_bytes < wal:
        said += f" max_slot_wal_keep_size is {room.max_slot_wal_keep_bytes / 2**20:,.0f} MB: a slot that lags is lost."
        do = "Raise max_slot_wal_keep_size, or run with --limit and let them catch up."
    return [Check(name="replication", verdict="note", said=said, do=do)]


def _hidden(table: Table, migration: Migration, room: Room) -> list[Check]:
    """A brake that sees nothing must not be relied on."""
    if not room.hidden or migration.backfill.limits.max_lag_s is None:
        return []
    return [
        Check(
            name="lag",
            verdict="note",
            said=f"{table.server.user} may not see how far {room.hidden} standbys are behind:"
            " max_lag_s does not heed them.",
            do=f"GRANT pg_monitor TO {quoted(table.server.user)};",
        )
    ]


def _old_index(table: Table, scope: Scope, counts: dict[str, int]) -> list[Check]:
    names = ann_indexes(table, scope)
    if not names or not counts["rows"] or scope.new(0).beside or scope.in_place:
        return []
    bytes_ = sum(each.size_bytes for each in table.indexes if each.name in names)
    said = (
        f"Every row that is filled enters {', '.join(names)} ({bytes_ / 2**20:,.1f} MB) again unless the update is HOT:"
        " at 1,536 dimensions 650 rows a second were measured with HNSW instead of 20,000, and the index grows."
    )
    do = (
        "A lower fillfactor set well before helps (7,300 rows a second at 50):"
        f" ALTER TABLE {table.relation.sql} SET (fillfactor = 50); then VACUUM FULL."
    )
    return [Check(name="old-index", verdict="note", said=said, do=do)]


def _layout(table: Table, scope: Scope, around: Surroundings) -> list[Check]:
    column = table.column(scope.vector)
    reconnect = [
        Check(
            name="reconnect",
            verdict="accept",
            said=(
                f"{scope.relation} gets another column. Prepared statements whose result holds the vector (SELECT *)"
                " fail until their connection deallocates them, from expand on; COPY FROM and INSERT ... SELECT *"
                f" without a list of columns fail too, and the application must not write {scope.vector} itself."
            ),
            needed="An application that names its columns and searches through the match function.",
            do="Restart or reconnect the application after expand and after cutover, then accept.",
            flag="--accept-reconnect",
        )
    ]
    found = beside_notes(table, scope) if scope.beside is not None else reconnect
    if scope.in_place:
        found = [*_downtime(table, scope), *reconnect]
    elif scope.old_beside is None:
        said = "Finish gives no disk back by itself: DROP COLUMN leaves the old vectors where they are."
        do = f"VACUUM FULL {table.relation.sql} afterwards, under its lock, or let new rows take the room."
        found.append(Check(name="disk", verdict="note", said=said, do=do))
    if column is not None and column.not_null and scope.old_beside is None:
        when = "expand" if scope.in_place else "cutover"
        said = f"NOT NULL of {scope.vector} is lifted at {when}; rollback restores it, finish does not."
        found.append(Check(name="not-null", verdict="note", said=said))
    if table.inbound_keys:
        said = f"Foreign keys that point here stay as they are: {', '.join(table.inbound_keys)}."
        found.append(Check(name="foreign-keys", verdict="note", said=said))
    statistics = [each.name for each in around.dependents if each.kind == "statistics"]
    if statistics and scope.beside is not None:
        said = f"These statistics stay with the old column and go with it: {', '.join(statistics)}."
        found.append(Check(name="statistics", verdict="note", said=said))
    return found


def _downtime(table: Table, scope: Scope) -> list[Check]:
    mb = table.total_bytes / 2**20
    return [
        Check(
            name="downtime",
            verdict="accept",
            said=f"Expand locks {scope.relation} while it saves the old vectors and writes the table anew"
            f" ({mb:,.0f} MB): nobody reads or writes it meanwhile. From then on until the step index is complete,"
            f" {scope.vector} is empty or partly filled, and takes no vector of {scope.old_dimensions} dimensions."
            " A rollback locks the table as long again.",
            needed="A maintenance window: a time in which the application can do without searching.",
            do='Announce it; or set layout = "side_table" in [target], which needs none.',
            flag="--accept-downtime",
        )
    ]


def _index(scope: Scope, migration: Migration, room: Room, counts: dict[str, int]) -> list[Check]:
    index, rows = migration.index, counts["rows"] - counts["without_text"]
    if index is None:
        return [Check(name="index", verdict="note", said="No index is built: every search reads every vector.")]
    if index.kind == "ivfflat":
        lists = index.lists or max(10, rows // 1000)
        if 0 < rows < _FEW_PER_LIST * lists:
            said = f"IVFFlat with {lists} lists over {rows:,} rows: centres made from so little data cost recall."
            do = "HNSW needs no data to begin with; or set fewer lists."
            return [Check(name="index", verdict="note", said=said, do=do)]
        return []
    wanted = build_memory_bytes(rows, scope)
    spared = max(room.maintenance_work_bytes, room.effective_cache_bytes // 4)
    if wanted <= spared:
        return []
    said = (
        f"The index wants {wanted / 2**20:,.0f} MB to be built fast; the server spares {spared / 2**20:,.0f} MB"
        " (a quarter of effective_cache_size, at least maintenance_work_mem). The build takes several times as long."
    )
    do = "Raise maintenance_work_mem for this role if the machine has the memory."
    return [Check(name="index-memory", verdict="note", said=said, do=do)]
