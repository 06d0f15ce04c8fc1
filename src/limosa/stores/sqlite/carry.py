"""Rows' own vectors, read from blobs and JSON texts, bit for bit, or the reasons why they cannot be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from limosa.model.batch import Vectors
from limosa.stores.sqlite.decimals import NotAVector, floats, plain_floats
from limosa.stores.sqlite.engine import Value

__all__ = ["vectors_of"]

Values = Sequence[tuple[str, bytes | None]]
"""For each vector column of a row SQLite's type of the value, and its bytes."""


def vectors_of(rows: Sequence[tuple[Values, Value]]) -> list[tuple[Vectors | None, str]]:
    """For each row its vector, shape (d,), or why there is none; both are empty where it holds no vector.

    Args:
        rows: for each its values, and what it says of its length; None where it says nothing.
    """
    plain = plain_floats([raw for values, _ in rows for kind, raw in values if kind == "text" and raw is not None])
    return [_vector_of(values, dimension, plain) for values, dimension in rows]


def _vector_of(values: Values, dimension: Value, plain: Mapping[bytes, Vectors]) -> tuple[Vectors | None, str]:
    found: list[Vectors] = []
    try:
        for kind, raw in values:
            if raw is not None:
                found.append(plain[raw] if kind == "text" and raw in plain else _decoded(kind, raw))
        if not found:
            return None, ""
        _require_length(found[0], dimension)
    except NotAVector as error:
        return None, str(error)
    if any(each.tobytes() != found[0].tobytes() for each in found[1:]):
        return None, "blob and text disagree"
    return found[0], ""


def _decoded(kind: str, raw: bytes) -> Vectors:
    if kind == "text":
        return floats(raw)
    if kind != "blob":
        raise NotAVector(f"the vector is of type {kind}")
    if not raw or len(raw) % 4:
        raise NotAVector(f"a blob of {len(raw)} bytes holds no float32 vector")
    vector = np.frombuffer(raw, dtype="<f4").astype(np.float32, copy=False)
    # One pass over the exponents: all bits set means NaN or infinity.
    odd = np.flatnonzero((vector.view(np.uint32) & 0x7F800000) == 0x7F800000)
    if len(odd):
        raise NotAVector(f"element {odd[0]} is {'NaN' if np.isnan(vector[odd[0]]) else 'infinity'}")
    return vector


def _require_length(vector: Vectors, dimension: Value) -> None:
    if dimension is None:
        return
    try:
        said = int(dimension) if not isinstance(dimension, bytes) else -1
    except ValueError:
        said = -1
    if said != len(vector):
        shown = dimension if isinstance(dimension, int | float | str) else "a blob"
        raise NotAVector(f"it has {len(vector)} elements and says {str(shown)[:20]}")
