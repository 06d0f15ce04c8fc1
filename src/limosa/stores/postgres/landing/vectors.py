"""Vectors of a point as pgvector's types send and receive them: dense, sparse, and several in an array."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from limosa.model.batch import Vectors
from limosa.model.point import PointVector, Sparse, VectorKind
from limosa.stores.postgres.landing.cells import Unfit

__all__ = ["SHAPES", "SPARSE_DIMENSIONS", "TYPES", "Shape", "packed_rows", "told_rows"]

SPARSE_DIMENSIONS = 1_000_000_000
"""A sparse vector says its dimensions, and those of a collection are to be comparable: the most that pgvector takes.
Source: pgvector's documentation, "Sparse Vectors"."""

MOST_POSITIONS = 16_000
"""Values that are not zero in one sparsevec. Source: as above."""


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
        raise Unfit("holds a value that is not finite")


def _dense(vector: PointVector, dimensions: int | None, element: int) -> bytes:
    if not isinstance(vector, np.ndarray) or vector.ndim != 1:
        raise Unfit("is not a dense one")
    if dimensions is not None and len(vector) != dimensions:
        raise Unfit(f"has {len(vector)} dimensions, and the column takes {dimensions}")
    _finite(vector)
    return struct.pack(">hh", len(vector), 0) + vector.astype(">f4").tobytes()


def _floats(value: bytes) -> Vectors:
    return np.frombuffer(value, dtype=">f4", offset=4).astype(np.float32)


def _dense_rows(vectors: Sequence[PointVector | None], dimensions: int | None) -> list[bytes | Unfit | None]:
    """The same for the vectors of a batch: those of the column's length are turned at once."""
    found: list[bytes | Unfit | None] = [None] * len(vectors)
    alike: list[int] = []
    for place, vector in enumerate(vectors):
        if isinstance(vector, np.ndarray) and vector.shape == (dimensions,):
            alike.append(place)
        elif vector is not None:
            found[place] = _tried(vector, dimensions)
    if alike:
        block = np.stack([np.asarray(vectors[place]) for place in alike])
        finite = np.isfinite(block).all(axis=1)
        size, sent = 4 * block.shape[1], block.astype(">f4").tobytes()
        head = struct.pack(">hh", block.shape[1], 0)
        for at, place in enumerate(alike):
            found[place] = (
                head + sent[at * size : (at + 1) * size] if finite[at] else _tried(vectors[place], dimensions)
            )
    return found


def _tried(vector: PointVector | None, dimensions: int | None) -> bytes | Unfit:
    try:
        return _dense(vector, dimensions, 0)  # type: ignore[arg-type]
    except Unfit as error:
        return error


def packed_rows(
    vectors: Sequence[PointVector | None], type_: str, dimensions: int | None, element: int
) -> list[bytes | Unfit | None]:
    """A batch of vectors for one column, each as COPY sends it, None, or why it cannot stand there."""
    if type_ == "vector":
        return _dense_rows(vectors, dimensions)
    found: list[bytes | Unfit | None] = []
    for vector in vectors:
        try:
            found.append(None if vector is None else SHAPES[type_].pack(vector, dimensions, element))
        except Unfit as error:
            found.append(error)
    return found


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
