"""Vectors to and from Postgres's binary format, whole batches at once in numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limosa.model.batch import Vectors
from limosa.stores.postgres.database import Binary

__all__ = ["HALF_MAX", "array_of_vectors", "decoded", "text_of_vector"]

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
    n, d = vectors.shape
    element = np.dtype([("size", ">i4"), ("d", ">i2"), ("unused", ">i2"), ("values", ">f2" if half else ">f4", (d,))])
    body = np.zeros(n, dtype=element)
    body["size"] = element.itemsize - 4
    body["d"] = d
    body["values"] = vectors
    head = np.array([1, 0, element_oid, n, 1], dtype=">i4").tobytes()
    return Binary(head + body.tobytes())


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
