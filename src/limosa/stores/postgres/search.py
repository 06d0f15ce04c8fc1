"""Searching the vectors of one column: nearest neighbours, blocks in key order, random samples."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from limosa.model.batch import Key, Vectors
from limosa.ports.search import Neighbour, Stored
from limosa.stores.postgres.codec import decoded, text_of_vector
from limosa.stores.postgres.database import Database, PostgresTx
from limosa.stores.postgres.match import distance_operator
from limosa.stores.postgres.names import literal, quoted
from limosa.stores.postgres.rows import RowSource, keys_parameter, same_key, sent_keys
from limosa.stores.postgres.scope import Scope
from limosa.stores.postgres.seat import Seat, seated

__all__ = [
    "BY_INDEX",
    "EXACT",
    "FULL_SAMPLE_ROWS",
    "ColumnSearch",
    "VectorColumn",
    "estimated_rows",
    "iterates",
    "neighbours",
    "settings",
    "similarity",
    "vector_column",
]

EXACT = {"enable_indexscan": "off", "enable_seqscan": "on", "enable_sort": "on"}
"""Vector indexes answer in plain index scans only, so every row is compared.

The other two must be allowed: where the database forbids them too, the index would be the cheapest of the forbidden.
"""

BY_INDEX = {"enable_seqscan": "off", "enable_bitmapscan": "off", "enable_sort": "off"}
"""Only the index gives rows in order of distance without a sort."""

FULL_SAMPLE_ROWS = 200_000
"""Up to here a sample looks at every row (well under a second); above it, at some pages only."""

OVERSAMPLE = 100
"""Rows on the pages that are looked at, for each row wanted: neighbours on a page must not fill a sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorColumn:
    """One vector column as it is now.

    Attributes:
        base: ``vector`` or ``halfvec``.
        dimensions: of the space that lives in it.
    """

    seat: Seat
    base: str
    dimensions: int


def vector_column(tx: PostgresTx, seat: Seat, *, dimensions: int) -> VectorColumn | None:
    """The column of this seat; None where it is not there."""
    found = seated(tx, seat)
    return VectorColumn(seat=seat, base=found.base, dimensions=dimensions) if found is not None else None


def estimated_rows(tx: PostgresTx, table_oid: int) -> float:
    """Rows of a table by its statistics; 0 where they say nothing.

    A partitioned table has no rows of its own, and -1 until it is analysed itself; its partitions have.
    """
    found = tx.raw(
        "SELECT coalesce(sum(greatest(reltuples, 0)), 0)::float8 FROM pg_class WHERE relkind <> 'p'"
        " AND (oid = $1 OR oid IN (SELECT relid FROM pg_partition_tree($1::oid::regclass)))",
        table_oid,
    )
    return float(found[0][0])


def iterates(extension: str | None) -> bool:
    """Whether this version of pgvector can go on searching where a filter leaves too few rows (0.8 and newer)."""
    found = re.match(r"(\d+)\.(\d+)", extension or "")
    return found is not None and (int(found[1]), int(found[2])) >= (0, 8)


@contextmanager
def settings(tx: PostgresTx, wanted: Mapping[str, str]) -> Iterator[None]:
    """Settings that hold for a part of a transaction."""
    for name, value in wanted.items():
        tx.raw(f"SET LOCAL {name} = {literal(value)}")
    yield
    for name in wanted:
        tx.raw(f"SET LOCAL {name} TO DEFAULT")


def similarity(distance: float, metric: str) -> float:
    """Greater is nearer; the same formulas as in the match function."""
    if metric == "cosine":
        return 1.0 - distance
    return 1.0 / (1.0 + distance) if metric == "l2" else -distance


def neighbours(
    scope: Scope, column: VectorColumn, metric: str, *, k: int, where: str = "true", listed: str | None = None
) -> str:
    """The query for k neighbours of ``$1``: key columns as text, or what is listed, then the distance."""
    seat = column.seat
    cast = f"$1::{quoted(scope.extension_schema)}.{quoted(column.base)}"
    distance = f"{seat.value} {distance_operator(scope, metric)} {cast}"
    return (
        f"SELECT {listed or scope.key_texts('t')}, {distance} FROM {scope.relation.sql} AS t{seat.joined('JOIN')}"
        f" WHERE {seat.value} IS NOT NULL AND {where} ORDER BY {distance} LIMIT {int(k)}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSearch:
    """Searches one column of the place of a scope.

    Attributes:
        iterative: the extension can go on searching where the filter leaves too few rows.
    """

    database: Database
    scope: Scope
    column: VectorColumn
    metric: str
    iterative: bool

    def nearest(self, vector: Vectors, k: int, *, exact: bool = False) -> list[Neighbour]:
        """At most k rows of the filter, nearest first."""
        how = dict(EXACT) if exact else {}
        if not exact and self.iterative and self.scope.filter is not None:
            # By default a filter that few rows satisfy would leave fewer than k, and not say so.
            how = {"hnsw.iterative_scan": "strict_order", "ivfflat.iterative_scan": "relaxed_order"}
        with self.database.begin() as tx, settings(tx, how):
            return self.nearest_in(tx, vector, k, where=self.scope.where())

    def nearest_in(self, tx: PostgresTx, vector: Vectors, k: int, *, where: str = "true") -> list[Neighbour]:
        """``nearest`` in a transaction that is open already, under its settings."""
        sql = neighbours(self.scope, self.column, self.metric, k=k, where=where)
        found = tx.raw(sql, text_of_vector(np.asarray(vector)), prepare=False)
        near = [(row[:-1], float(row[-1])) for row in found]
        # A zero vector has no cosine: its distance is NaN. Relaxed order is put right here.
        kept = sorted(((key, d) for key, d in near if not math.isnan(d)), key=lambda each: each[1])
        return [Neighbour(key, d, similarity(d, self.metric)) for key, d in kept]

    def vectors(self, after: Key | None, limit: int) -> tuple[list[Key], Vectors]:
        """The next vectors of the filter in key order; of the space's size only."""
        scope, seat, span = self.scope, self.column.seat, self.scope.span(after, None)
        sql = (
            f"SELECT {scope.key_texts('t')}, {self._sent} FROM {scope.relation.sql} AS t"
            f"{seat.joined('JOIN', span.inside)} WHERE {self._held} AND {span.inside('t')}"
            f" AND {quoted(scope.extension_schema)}.vector_dims({seat.value}) = {self.column.dimensions}"
            f" ORDER BY {scope.keys('t')} LIMIT {int(limit)}"
        )
        with self.database.begin() as tx:
            found = tx.raw(sql, *span.params, binary=True)
        if not found:
            return [], np.zeros((0, self.column.dimensions), dtype=np.float32)
        return [row[:-1] for row in found], self._decoded([row[-1] for row in found])

    def count(self) -> int:
        """How many rows of the filter hold a vector."""
        with self.database.begin() as tx:
            return int(tx.raw(f"SELECT count(*) FROM {self._joined()} WHERE {self._held}")[0][0])

    def sample(self, n: int) -> list[Stored]:
        """At most n rows that hold a vector and that no outstanding change covers, drawn at random."""
        scope = self.scope
        changed = (
            f"EXISTS (SELECT FROM limosa.change AS c WHERE c.migration = {literal(scope.id)}"
            f" AND c.key = {scope.key_array('t')})"
        )
        with self.database.begin(snapshot=True) as tx:
            share = self._share(tx, n)
            keys: list[Key] = []
            for pages in (f" TABLESAMPLE SYSTEM ({share:.6f})", "") if share < 100 else ("",):
                keys = tx.raw(
                    f"SELECT {scope.key_texts('t')} FROM {self._joined(pages)}"
                    f" WHERE {self._held} AND NOT {changed} ORDER BY random() LIMIT {int(n)}"
                )
                if len(keys) == n:
                    break
            return self._rows(keys, tx)

    def rows(self, keys: Sequence[Key]) -> list[Stored]:
        """These rows as they are now; those that are gone or left the filter are left out."""
        with self.database.begin(snapshot=True) as tx:
            return self._rows(keys, tx)

    def _joined(self, pages: str = "") -> str:
        return f"{self.scope.relation.sql} AS t{pages}{self.column.seat.joined('JOIN')}"

    @property
    def _held(self) -> str:
        return f"{self.column.seat.value} IS NOT NULL AND {self.scope.where()}"

    @property
    def _sent(self) -> str:
        # The column itself would end a prepared statement when a switch gives its name to another size.
        scope, column = self.scope, self.column
        return f"{quoted(scope.extension_schema)}.{column.base}_send({column.seat.value})"

    def _share(self, tx: PostgresTx, n: int) -> float:
        """Percent of the table's pages that a sample looks at."""
        rows = estimated_rows(tx, self.scope.table_oid)
        return 100.0 if rows <= FULL_SAMPLE_ROWS else min(100.0, 100.0 * OVERSAMPLE * n / rows)

    def _rows(self, keys: Sequence[Key], tx: PostgresTx) -> list[Stored]:
        if not keys:
            return []
        scope = self.scope
        texts = {row.key: row.text for row in RowSource(self.database, scope, self.column.seat).reread_in(keys, tx)}
        found: list[tuple[Any, ...]] = tx.raw(
            f"SELECT {scope.key_texts('t')}, {self._sent} FROM {sent_keys(scope)}"
            f" JOIN {scope.relation.sql} AS t ON {same_key(scope)}{self.column.seat.joined()}",
            *keys_parameter(keys),
            binary=True,
        )
        vectors = {row[:-1]: self._decoded([row[-1]])[0] for row in found if row[-1] is not None}
        return [Stored(key, text, vectors.get(key)) for key, text in texts.items()]

    def _decoded(self, values: Sequence[bytes]) -> Vectors:
        return decoded(values, half=self.column.base == "halfvec")
