"""Vectors to and from Postgres's binary format, whole batches at once in numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from limosa.model.batch import Vectors
from limosa.stores.postgres.database import Binary

__all__ = ["HALF_MAX", "array_of_vectors", "copy_blocks", "decoded", "text_of_vector"]

HALF_MAX = 65504.0
"""Largest finite half-precision float (IEEE 754 binary16)."""


def array_of_vectors(vectors: Vectors, *, element_oid: int, half: bool) -> Binary:
    """The rows as one binary ``vector[]`` or ``halfvec[]`` parameter.

    Args:
        vectors: shape (n, d) float32.
        element_oid: the type's oid in this database.
        half: the elements are halfvec: rounded to nearest half precision.

    Source: array_recv in Postgres (dimensions, flags, element oid, then length and lower bound, then
    each element with its length); vector_recv in pgvector (int16 d, int16 unused, d big-endian floats).
    """
    head = np.array([1, 0, element_oid, len(vectors), 1], dtype=">i4").tobytes()
    return Binary(head + _elements(vectors, half=half).tobytes())


def _elements(vectors: Vectors, *, half: bool) -> npt.NDArray[np.void]:
    """Each vector with its length before it, in the type's binary format."""
    n, d = vectors.shape
    element = np.dtype([("size", ">i4"), ("d", ">i2"), ("unused", ">i2"), ("values", ">f2" if half else ">f4", (d,))])
    body = np.zeros(n, dtype=element)
    body["size"] = element.itemsize - 4
    body["d"] = d
    body["values"] = vectors
    return body


def copy_blocks(keys: Sequence[Sequence[bytes]], vectors: Vectors, *, half: bool) -> Iterator[bytes]:
    """Rows of key columns and a vector, as COPY takes them in its binary format.

    Args:
        keys: of each row the key columns, each as the server sends it in binary format.
        vectors: shape (n, d) float32, in the order of the keys.

    Source: Postgres's documentation, "COPY", Binary Format.
    """
    yield _COPY_HEAD
    rows = _elements(vectors, half=half)
    for start in range(0, len(keys), _COPY_ROWS):
        parts: list[bytes] = []
        for key, row in zip(keys[start : start + _COPY_ROWS], rows[start : start + _COPY_ROWS], strict=True):
            parts.append((len(key) + 1).to_bytes(2, "big"))
            for column in key:
                parts += (len(column).to_bytes(4, "big"), column)
            parts.append(row.tobytes())
        yield b"".join(parts)
    yield b"\xff\xff"


_COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)

_COPY_ROWS = 128
"""Rows of a block: of 1,536 dimensions 800 kB, enough that the calls cost nothing."""


def decoded(values: Sequence[bytes], *, half: bool) -> Vectors:
    """Binary vectors of one size as shape (n, d) float32.

    Source: vector_send in pgvector.
    """
    if not values:
        return np.zeros((0, 0), dtype=np.float32)
    block = np.frombuffer(b"".join(values), dtype=np.uint8).reshape(len(values), -1)
    body = np.ascontiguousarray(block[:, 4:]).view(">f2" if half else ">f4")
    return body.astype(np.float32)


def text_of_vector(vector: Vectors) -> str:
    """One vector as pgvector's text; for queries, not for storing.

    Nine significant digits bring every float32 back.
    """
    return "[" + ",".join(f"{value:.9g}" for value in vector.tolist()) + "]"
