"""Search over the tables of a split: the query's length picks the table, the engine's best means answer."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from limosa.errors import LimosaError, Refused
from limosa.model.batch import Vectors
from limosa.ports.carried import Nearest
from limosa.ports.search import Neighbour
from limosa.stores.sqlite.database import Database
from limosa.stores.sqlite.engine import Connection
from limosa.stores.sqlite.names import quoted
from limosa.stores.sqlite.scope import Scope

__all__ = ["nearest"]

PAGE_ROWS = 2000
"""Vectors compared at once in numpy: 24 MB at 3072 dimensions."""


@dataclass(frozen=True, slots=True)
class _Table:
    """One target with the metric in which it is searched."""

    scope: Scope
    name: str
    l2: bool

    @property
    def key(self) -> str:
        return quoted(self.scope.key.name)

    @property
    def vector(self) -> str:
        return quoted(self.scope.split.vector)

    @property
    def index(self) -> str:
        return f"{self.name}_{self.scope.split.vector}"

    def similarity(self, distance: float) -> float:
        """Greater is nearer: 1 - d (cosine), 1 / (1 + d) (l2)."""
        return 1 / (1 + distance) if self.l2 else 1 - distance


def nearest(database: Database, scope: Scope, vector: Vectors, k: int, *, exact: bool) -> Nearest:
    """At most k rows, nearest first; equally near ones by key.

    Args:
        vector: shape (d,), float32; d picks the table.
        exact: every row is compared and no index asked.

    Raises:
        Refused: the query is empty, not finite or zero.
    """
    query = np.ascontiguousarray(vector, dtype="<f4")
    if query.ndim != 1 or not len(query) or not np.isfinite(query).all() or not query.any():
        raise Refused("This is no vector to search with.", needed="Finite numbers, not all of them zero.")
    table = _Table(scope, scope.split.target(len(query)), l2="metric=l2" in (scope.split.index or ()))
    with database.session(write=False) as connection:
        if not exact and _indexed(connection, table):
            return Nearest(table.name, "index", _by_index(connection, table, query, k))
        function = _function(connection, scope, l2=table.l2)
        if function:
            return Nearest(table.name, function, _by_function(connection, table, function, query, k))
        return Nearest(table.name, "numpy", _by_numpy(connection, table, query, k))


def _indexed(connection: Connection, table: _Table) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = ?", (table.index,))
    return bool(found) and table.scope.native


def _function(connection: Connection, scope: Scope, *, l2: bool) -> str:
    """The distance that the database itself can compute; empty where it knows none."""
    if scope.native:
        return "vector_distance_l2" if l2 else "vector_distance_cos"
    with suppress(LimosaError):
        connection.execute("SELECT vec_version()")
        return "vec_distance_l2" if l2 else "vec_distance_cosine"
    return ""


def _by_index(connection: Connection, table: _Table, query: Vectors, k: int) -> list[Neighbour]:
    function = "vector_distance_l2" if table.l2 else "vector_distance_cos"
    rows = connection.execute(
        f"SELECT CAST(t.{table.key} AS TEXT), {function}(t.{table.vector}, ?) AS distance"
        f" FROM vector_top_k(?, ?, ?) AS v JOIN {quoted(table.name)} AS t ON t.rowid = v.id"
        f" ORDER BY distance, t.{table.key}",
        (query.tobytes(), table.index, query.tobytes(), k),
    )
    return [_neighbour(table, str(name), float(distance or 0.0)) for name, distance in rows]


def _by_function(connection: Connection, table: _Table, function: str, query: Vectors, k: int) -> list[Neighbour]:
    rows = connection.execute(
        f"SELECT CAST(t.{table.key} AS TEXT), {function}(t.{table.vector}, ?) AS distance"
        f" FROM {quoted(table.name)} AS t WHERE length(t.{table.vector}) = ?"
        f" ORDER BY distance, t.{table.key} LIMIT ?",
        (query.tobytes(), 4 * len(query), k),
    )
    return [_neighbour(table, str(name), float(distance)) for name, distance in rows if distance is not None]


def _by_numpy(connection: Connection, table: _Table, query: Vectors, k: int) -> list[Neighbour]:
    best: list[tuple[float, str]] = []
    for names, vectors in _pages(connection, table, 4 * len(query)):
        best = heapq.nsmallest(k, [*best, *zip(_distances(vectors, query, l2=table.l2), names, strict=True)])
    return [_neighbour(table, name, distance) for distance, name in best]


def _distances(vectors: Vectors, query: Vectors, *, l2: bool) -> list[float]:
    wide, asked = vectors.astype(np.float64), query.astype(np.float64)
    if l2:
        found = np.linalg.norm(wide - asked, axis=1)
    else:
        norms = np.linalg.norm(wide, axis=1) * np.linalg.norm(asked)
        # An all-zero vector has no direction: as far away as can be.
        found = 1 - np.divide(wide @ asked, norms, out=np.full(len(wide), -1.0), where=norms > 0)
    return [float(value) for value in found]


def _pages(connection: Connection, table: _Table, size_bytes: int) -> Iterator[tuple[list[str], Vectors]]:
    after = -1
    while True:
        rows = connection.execute(
            f"SELECT t.rowid, CAST(t.{table.key} AS TEXT), t.{table.vector} FROM {quoted(table.name)} AS t"
            f" WHERE t.rowid > ? AND length(t.{table.vector}) = ? ORDER BY t.rowid LIMIT {PAGE_ROWS}",
            (after, size_bytes),
        )
        if not rows:
            return
        blobs = b"".join(blob for _, _, blob in rows if isinstance(blob, bytes))
        yield [str(name) for _, name, _ in rows], np.frombuffer(blobs, dtype="<f4").reshape(len(rows), -1)
        after = int(rows[-1][0] or 0)


def _neighbour(table: _Table, name: str, distance: float) -> Neighbour:
    return Neighbour((name,), distance, table.similarity(distance))
