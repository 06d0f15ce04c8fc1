"""What a migration costs the database: bytes on disk, write-ahead log, memory, and how fast it writes and builds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from limosa.model.migration import Index
from limosa.stores.postgres.catalogue import Table
from limosa.stores.postgres.indexes import index_bytes, index_memory_bytes
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.surroundings import Room

__all__ = [
    "WAL_FACTOR",
    "ann_indexes",
    "build_memory_bytes",
    "build_s",
    "sizes",
    "toast_bytes",
    "vector_bytes",
    "write_rows_per_s",
]

_PAGE = 8160
"""Bytes of an 8,192-byte page that hold tuples (PageHeaderData is 24 bytes, and special space of none)."""

_TOAST_CHUNK = 1996
"""TOAST_MAX_CHUNK_SIZE of an 8 kB page (heaptoast.h); a chunk's tuple has 36 bytes more, header and line pointer."""

_TOAST_FROM = 2000
"""TOAST_TUPLE_THRESHOLD: from about a quarter of a page on a row's vectors move out of it (heaptoast.h: 2,032)."""

WAL_FACTOR = 1.35
WAL_FACTOR_BESIDE = 1.22
"""Write-ahead log of a row over the bytes of its vector: 8.3 kB measured for 6,152 as a column, 7.5 kB in a table
beside, the row's lock included (Postgres 18)."""

_BESIDE_ROW = 36
_BESIDE_KEY = 22
"""Bytes of a row beside its vector, header, line pointer and a bigint key, and of the key in its index (Postgres's
documentation, "Database Page Layout")."""

_RATE = 20_000.0
_RATE_HNSW = 650.0
_MEASURED = 1536
"""Rows a second that pipelined UPDATEs of 1,536 dimensions were measured to write (Postgres 18.4, pgvector 0.8.5,
two cores), and with an HNSW index of as many dimensions standing on the old column."""

_HNSW_S = 1.3e-6
"""Seconds a row and dimension of an HNSW build, m = 16, ef_construction = 64, one process: 29 s for 30,000 x 768 and
112 s for 100,000 x 768 were measured."""

_PARALLEL = 1.9
_SPILLED = 3.8
"""Two workers build 1.9 times as fast; a graph that does not fit into maintenance_work_mem took 110 s instead of 29."""

_IVF_S = 7.2e-8
_IVF_LIST_S = 4.5e-10
"""Seconds a row and dimension of an IVFFlat build, and those for each list: 1.3, 1.8 and 2.5 s were measured for
20,000 x 768 with 20, 100 and 200 lists."""


def vector_bytes(dimensions: int, base: str) -> int:
    """Bytes of one value: 4 d + 8 for ``vector``, 2 d + 8 for ``halfvec`` (pgvector's README, "Reference")."""
    return (2 if base == "halfvec" else 4) * dimensions + 8


def toast_bytes(size: int, rows: int) -> int:
    """Bytes that values of this size take in the TOAST table: chunks, as many to a page as fit, and its index.

    A 1,536-d vector takes a page of its own, though it has 6,152 bytes: its last chunk leaves no room for the next.
    """
    chunks = [min(_TOAST_CHUNK, size - start) + 36 for start in range(0, size, _TOAST_CHUNK)]
    pages, free, sampled = 0, 0, 200
    for _ in range(sampled):
        for chunk in chunks:
            if chunk > free:
                pages, free = pages + 1, _PAGE
            free -= chunk
    return int(rows * (pages * 8192 / sampled + 24 * len(chunks)))


def ann_indexes(table: Table, scope: Scope) -> list[str]:
    """The approximate indexes that stand on the old column: every UPDATE that is not HOT enters the row again."""
    return [each.name for each in table.indexes if each.method in {"hnsw", "ivfflat"} and scope.vector in each.columns]


def write_rows_per_s(table: Table, scope: Scope, *, beside: bool) -> float:
    """Rows a second that the database is expected to take, scaled by the bytes of a vector.

    Args:
        beside: into a table beside, whose rows enter no old index.
    """
    hnsw = (
        not beside
        and not scope.in_place
        and any(each.method == "hnsw" and scope.vector in each.columns for each in table.indexes)
    )
    plain = _RATE * min(2.0, vector_bytes(_MEASURED, "vector") / vector_bytes(scope.new_dimensions, scope.base))
    if not hnsw:
        return plain
    return min(plain, _RATE_HNSW * _MEASURED / max(1, scope.old_dimensions))


def build_memory_bytes(rows: int, scope: Scope) -> int:
    """Memory in which an HNSW build stays fast."""
    return index_memory_bytes(rows, scope.new_dimensions)


def build_s(rows: int, scope: Scope, index: Index, *, spared_bytes: int, parallel: bool) -> float:
    """Seconds of an index build: a rule of thumb from measured builds."""
    if index.kind == "ivfflat":
        lists = index.lists or max(10, rows // 1000)
        return rows * scope.new_dimensions * (_IVF_S + _IVF_LIST_S * lists)
    serial = rows * scope.new_dimensions * _HNSW_S * index.ef_construction / 64
    if build_memory_bytes(rows, scope) > spared_bytes:
        return serial * _SPILLED
    return serial / _PARALLEL if parallel else serial


def sizes(table: Table, scope: Scope, index: Index | None, room: Room, counts: dict[str, int]) -> dict[str, object]:
    """Bytes, memory, rates and seconds; every unit rides in the key.

    What is called ``after`` stands from the end of the index build until finish; nothing of it is given
    back to the disk by finish itself.
    """
    added = _added(table, scope, counts, beside=scope.new(0).beside)
    indexes = table.index_bytes + added.index
    estimated: dict[str, object] = {
        "heap_bytes_before": table.heap_bytes,
        "heap_bytes_after": table.heap_bytes + added.heap,
        "toast_bytes_before": table.toast_bytes,
        "toast_bytes_after": table.toast_bytes + added.toast,
        "index_bytes_before": table.index_bytes,
        "index_bytes_after": indexes,
        "vector_bytes_a_row": vector_bytes(scope.new_dimensions, scope.base),
        "wal_bytes": added.wal,
        "write_rows_per_s": added.rows_per_s,
        "write_basis": _basis(table, scope),
    }
    if scope.shape == "upgrade":
        estimated["layouts"] = {
            name: _added(table, scope, counts, beside=beside).facts
            for name, beside in (("column", False), ("side_table", True))
        }
    if index is not None and scope.shape == "upgrade":
        built = counts["rows"] - counts["without_text"]
        spared = max(room.maintenance_work_bytes, room.effective_cache_bytes // 4)
        wanted = build_memory_bytes(built, scope) if index.kind == "hnsw" else 0
        made = index_bytes(built, scope.new_dimensions, base=scope.base)
        seconds = build_s(built, scope, index, spared_bytes=spared, parallel=table.server.parallel_workers > 0)
        estimated.update(
            index_bytes_after=indexes + made,
            index_wal_bytes=made,
            index_memory_bytes=wanted,
            index_memory_spared_bytes=spared,
            index_build_s=round(seconds, 1),
            index_build_basis="builds measured on two cores, scaled by rows and dimensions",
        )
    return estimated


@dataclass(frozen=True, slots=True)
class _Added:
    """What writing the vectors adds, in bytes, and rows a second; without the index to be built."""

    heap: int
    toast: int
    index: int
    wal: int
    rows_per_s: float

    @property
    def facts(self) -> dict[str, object]:
        """As the plan shows it."""
        grown = self.heap + self.toast + self.index
        return {"write_rows_per_s": self.rows_per_s, "wal_bytes": self.wal, "added_bytes": grown}


def _added(table: Table, scope: Scope, counts: dict[str, int], *, beside: bool) -> _Added:
    filled, rows = counts["to_embed"], max(1, counts["rows"] + counts["outside"])
    size = vector_bytes(scope.new_dimensions, scope.base)
    rate = round(write_rows_per_s(table, scope, beside=beside), 1)
    if beside:
        out = size > _TOAST_FROM
        heap = filled * (_BESIDE_ROW + (18 if out else size))
        wal = math.ceil(filled * size * WAL_FACTOR_BESIDE)
        return _Added(heap, toast_bytes(size, filled) if out else 0, filled * _BESIDE_KEY, wal, rate)
    row_bytes = table.heap_bytes / rows
    out = size > _TOAST_FROM or row_bytes + size > _TOAST_FROM
    # Every row is written anew beside its old version, whose room later rows may take.
    heap = int(filled * (row_bytes + (18 if out else size)))
    index = int(table.index_bytes * filled / rows)
    wal = math.ceil(filled * size * WAL_FACTOR)
    return _Added(heap, toast_bytes(size, filled) if out else 0, index, wal, rate)


def _basis(table: Table, scope: Scope) -> str:
    hnsw = ann_indexes(table, scope) if not scope.new(0).beside and not scope.in_place else []
    kept = f", {', '.join(hnsw)} on the old column kept" if hnsw else ""
    return f"writes measured at {_MEASURED:,} dimensions on two cores{kept}, scaled; not measured here"
