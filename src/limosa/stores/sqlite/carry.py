"""A row's own vector, read from its blob and its JSON text, bit for bit, or the reason why it cannot be."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from limosa.model.batch import Vectors
from limosa.stores.sqlite.decimals import NotAVector, floats
from limosa.stores.sqlite.engine import Value

__all__ = ["vector_of"]


def vector_of(values: Sequence[tuple[str, bytes | None]], dimension: Value) -> tuple[Vectors | None, str]:
    """The vector, shape (d,), or why there is none; both are empty where the row holds no vector.

    Args:
        values: for each vector column SQLite's type of the value, and its bytes.
        dimension: what the row says of its length; None where it says nothing.
    """
    found: list[Vectors] = []
    try:
        for kind, raw in values:
            if raw is not None:
                found.append(_decoded(kind, raw))
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
