"""What a split will add to a database, in bytes and seconds, foreseen from a sample and from measured rates."""

from __future__ import annotations

import math

from limosa.stores.sqlite.catalogue import Table
from limosa.stores.sqlite.database import Database, SqliteTx
from limosa.stores.sqlite.names import quoted
from limosa.stores.sqlite.scope import Scope

__all__ = ["foreseen", "vector_index_bytes"]

SAMPLE = 1000
"""Rows from which sizes are taken: at 1536 dimensions as JSON text about 20 MB are read."""

WRITTEN_BYTES_PER_S = 150e6
"""Rows and texts that a split writes to a file, 384 to 3072 dimensions, on two cores and a virtual disk."""

INDEXED_BYTES_PER_S = 6e6
"""Vector index that libSQL builds there: 5.3 to 8 MB a second with the default options, 4.5 with short neighbours."""

_LENGTHS = 50
"""A node's neighbours take at most so many times its own length, and one neighbour more."""

_HEAD_BYTES = 16
"""What stands before a node's vector, and before each neighbour's."""

_COMPRESSED = {"float8": (1, 8), "float16": (2, 0), "floatb16": (2, 0), "float1bit": (1 / 8, 0)}
"""Bytes of an element, and of a whole vector besides, as an index keeps its neighbours."""


def foreseen(database: Database, scope: Scope, table: Table, rows: int, tx: SqliteTx) -> dict[str, object]:
    """Sizes and seconds; every unit rides in the key."""
    payload, vector = _row_bytes(scope, table, tx)
    pages, page = (int(tx.raw(f"PRAGMA {name}")[0][0]) for name in ("page_count", "page_size"))
    added = int(rows * (payload + vector))
    found: dict[str, object] = {"database_bytes": pages * page, "added_bytes": added}
    file = database.engine.path
    if file is not None:
        found |= {"file": file.name, "journal": str(tx.raw("PRAGMA journal_mode")[0][0])}
        found["backfill_s"] = round(added / WRITTEN_BYTES_PER_S, 1)
    if scope.native and scope.split.index is not None:
        known = {d for _, d in scope.split.targets if d is not None}
        lengths = _lengths(scope, table, rows, round(vector / 4), tx)
        indexed = sum(n * vector_index_bytes(d, scope.split.index, page) for d, n in lengths.items() if d in known)
        found |= {"vector_index_bytes": indexed, "vector_index_build_s": round(indexed / INDEXED_BYTES_PER_S, 1)}
    return found


def vector_index_bytes(d: int, options: tuple[str, ...], page: int) -> int:
    """Bytes that libSQL's vector index spends on one row of d dimensions.

    Source: every node is one blob, itself and its neighbours; the lengths of these blobs, and the pages that
    they fill, as libsql 0.1.11 makes them at 16 to 1536 dimensions.
    """
    given = dict(option.split("=", 1) for option in options)
    per_element, besides = _COMPRESSED.get(given.get("compress_neighbors", ""), (4, 0))
    node, edge = 4 * d + _HEAD_BYTES, math.ceil(d * per_element) + besides + _HEAD_BYTES
    most = _LENGTHS * node // edge + 1
    blob = node + edge * int(given.get("max_neighbors") or min(3 * (math.isqrt(d) + 1), most))
    # How SQLite lays a long value out: the end of it on the table's own page, the rest on pages of its own.
    local, least = blob, (page - 12) * 32 // 255 - 23
    if blob > page - 35:
        local = least + (blob - least) % (page - 4)
        local = local if local <= page - 35 else least
    return math.ceil((blob - local) / (page - 4)) * page + page // max(1, (page - 12) // (local + 12))


def _row_bytes(scope: Scope, table: Table, tx: SqliteTx) -> tuple[float, float]:
    """Bytes of a row's payload and of its vector as a blob, on average."""
    carried = " + ".join(f"coalesce(length(CAST({quoted(c.name)} AS BLOB)), 0)" for c in scope.carried)
    kinds = [
        " + ".join(
            f"CASE typeof({quoted(n)}) WHEN '{kind}' THEN length({quoted(n)}) ELSE 0 END" for n in scope.split.vectors
        )
        for kind in ("text", "blob")
    ]
    found = tx.raw(
        f"SELECT avg({carried}), avg({kinds[0]}), avg({kinds[1]})"
        f" FROM (SELECT * FROM {quoted(table.name)} LIMIT {SAMPLE})"
    )[0]
    payload, text, blob = (float(value or 0) for value in found)
    # A JSON text spends about eleven bytes on a float32, the blob four.
    return payload, max(blob, text * 4 / 11)


def _lengths(scope: Scope, table: Table, rows: int, likely: int, tx: SqliteTx) -> dict[int, int]:
    """Rows by the length of their vectors, as they say themselves; by the sample where they say nothing."""
    if scope.split.dimension is None:
        # A text's digits tell a length only nearly.
        nearest = min(scope.split.dimensions, key=lambda d: abs(d - likely))
        return {nearest: rows}
    name = quoted(scope.split.dimension)
    kept = scope.filter("t", table.name)
    found = tx.raw(
        f"SELECT t.{name}, count(*) FROM {quoted(table.name)} AS t"
        f" WHERE {kept} AND typeof(t.{name}) = 'integer' GROUP BY 1"
    )
    return {int(d): int(n) for d, n in found}
