"""Vectors of a point as pgvector's types send and receive them: dense, sparse, and several in an array."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limosa.model.batch import Vectors
from limosa.model.point import PointVector, Sparse, VectorKind
from limosa.stores.postgres.landing.cells import Unfit

__all__ = ["NULL", "SHAPES", "SPARSE_DIMENSIONS", "TYPES", "Shape", "packed_rows", "told_rows"]

SPARSE_DIMENSIONS = 1_000_000_000
"""A sparse vector says its dimensions, and those of a collection are to be comparable: the most that pgvector takes.
Source: pgvector's documentation, "Sparse Vectors"."""

MOST_POSITIONS = 16_000
"""Values that are not zero in one sparsevec. Source: as above."""


NULL = b"\xff\xff\xff\xff"
"""A cell without a value, as COPY sends it in its binary format."""

_ENDLESS = "holds a value that is not finite"


@dataclass(frozen=True, slots=True)
class Shape:
    """A type of vector column.

    Attributes:
        pack: a vector, the column's dimensions and its element type's oid as COPY sends it in binary.
        told: what ``sent`` answers as a vector.
        sent: the expression by which a column is read, with the extension's schema and the column.
    """

    pack: Callable[[PointVector, int | None, int], bytes]
    told: Callable[[bytes], PointVector]
    sent: str


def _finite(values: Vectors) -> None:
    if not np.isfinite(values).all():
        raise Unfit(_ENDLESS)


def _dense(vector: PointVector, dimensions: int | None, element: int) -> bytes:
    if not isinstance(vector, np.ndarray) or vector.ndim != 1:
        raise Unfit("is not a dense one")
    if dimensions is not None and len(vector) != dimensions:
        raise Unfit(f"has {len(vector)} dimensions, and the column takes {dimensions}")
    _finite(vector)
    return struct.pack(">hh", len(vector), 0) + vector.astype(">f4").tobytes()


def _floats(value: bytes) -> Vectors:
    return np.frombuffer(value, dtype=">f4", offset=4).astype(np.float32)


def packed_rows(
    vectors: Sequence[PointVector | None], type_: str, dimensions: int | None, element: int
) -> tuple[Sequence[bytes | memoryview], Mapping[int, Unfit]]:
    """A batch of vectors for one column, each with its size as COPY sends it, and why some cannot stand there.

    Dense ones of the column's length are turned at once.
    """
    found: list[bytes | memoryview] = [NULL] * len(vectors)
    unfit: dict[int, Unfit] = {}
    alike: list[int] = []
    for place, vector in enumerate(vectors):
        if vector is None:
            continue
        if type_ == "vector" and isinstance(vector, np.ndarray) and vector.shape == (dimensions,):
            alike.append(place)
            continue
        try:
            cell = SHAPES[type_].pack(vector, dimensions, element)
            found[place] = struct.pack(">i", len(cell)) + cell
        except Unfit as error:
            unfit[place] = error
    if alike:
        block = np.concatenate([np.asarray(vectors[place]) for place in alike], dtype=np.float32)
        block = block.reshape(len(alike), -1)
        unfit |= {alike[at]: Unfit(_ENDLESS) for at in np.flatnonzero(~np.isfinite(block).all(axis=1)).tolist()}
        for place, sent in zip(alike, _cells(block), strict=True):
            found[place] = sent
    return found, unfit


def _cells(block: Vectors) -> list[memoryview]:
    """Rows of a block, each with its size, in one buffer."""
    n, d = block.shape
    cell = np.dtype([("size", ">i4"), ("dimensions", ">i2"), ("unused", ">i2"), ("values", ">f4", (d,))])
    cells = np.zeros(n, cell)
    cells["size"], cells["dimensions"], cells["values"] = cell.itemsize - 4, d, block
    sent = cells.view(np.uint8).data
    return [sent[start : start + cell.itemsize] for start in range(0, n * cell.itemsize, cell.itemsize)]


def told_rows(values: Sequence[bytes | None], type_: str) -> list[PointVector | None]:
    """A batch of one column's values as vectors: dense ones of one length are turned at once."""
    there = [value for value in values if value is not None]
    sizes = {len(value) for value in there}
    if type_ != "vector" or len(sizes) != 1:
        return [None if value is None else SHAPES[type_].told(value) for value in values]
    row = np.dtype([("head", ">i4"), ("values", ">f4", ((sizes.pop() - 4) // 4,))])
    block = iter(np.frombuffer(b"".join(there), dtype=row)["values"].astype(np.float32))
    return [None if value is None else next(block) for value in values]


def _sparse(vector: PointVector, dimensions: int | None, element: int) -> bytes:
    if not isinstance(vector, Sparse):
        raise Unfit("is not a sparse one")
    positions, values = vector.positions, vector.values
    if len(positions) and int(positions[-1]) >= SPARSE_DIMENSIONS:
        raise Unfit(f"has a value at the position {int(positions[-1])}, and sparsevec ends at {SPARSE_DIMENSIONS}")
    if len(positions) > MOST_POSITIONS:
        raise Unfit(f"has {len(positions)} values, and sparsevec takes {MOST_POSITIONS}")
    if not values.all():
        raise Unfit("holds a zero that is written out, which sparsevec does not keep")
    _finite(values)
    head = struct.pack(">iii", SPARSE_DIMENSIONS, len(positions), 0)
    return head + positions.astype(">i4").tobytes() + values.astype(">f4").tobytes()


def _positions(value: bytes) -> Sparse:
    count = struct.unpack_from(">i", value, 4)[0]
    positions = np.frombuffer(value, dtype=">i4", offset=12, count=count).astype(np.uint32)
    return Sparse(positions, np.frombuffer(value, dtype=">f4", offset=12 + 4 * count, count=count).astype(np.float32))


def _several(vector: PointVector, dimensions: int | None, element: int) -> bytes:
    if not isinstance(vector, np.ndarray) or vector.ndim != 2:
        raise Unfit("is not one of several vectors")
    parts = [_dense(each, dimensions, 0) for each in vector]
    head = struct.pack(">iiiii", 1, 0, element, len(parts), 1)
    return head + b"".join(struct.pack(">i", len(part)) + part for part in parts)


def _rows(value: bytes) -> Vectors:
    count = struct.unpack_from(">i", value, 12)[0] if struct.unpack_from(">i", value)[0] else 0
    at, found = 20, []
    for _ in range(count):
        size = struct.unpack_from(">i", value, at)[0]
        found.append(_floats(value[at + 4 : at + 4 + size]))
        at += 4 + size
    return np.stack(found) if found else np.zeros((0, 0), dtype=np.float32)


SHAPES: Mapping[str, Shape] = {
    "vector": Shape(_dense, _floats, "{schema}.vector_send({column})"),
    "sparsevec": Shape(_sparse, _positions, "{schema}.sparsevec_send({column})"),
    "vector[]": Shape(_several, _rows, "array_send({column})"),
}
"""By the type's name. Source: vector_send, sparsevec_send in pgvector 0.8; array_send in Postgres 18."""

TYPES: Mapping[VectorKind, str] = {"dense": "vector", "sparse": "sparsevec", "multi": "vector[]"}
"""The type for each kind of vector."""
