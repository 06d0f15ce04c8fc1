"""The border that every vector crosses on its way in: count, size, finite, not zero."""

from __future__ import annotations

import numpy as np

from limosa.errors import Refused
from limosa.model.batch import Embedded, Vectors

__all__ = ["WrongShape", "faults", "normalised", "require_shape"]


class WrongShape(Refused):
    """A provider answered with the wrong number of vectors or the wrong size: its fault, not a row's."""


def require_shape(answer: Embedded, *, n: int, d: int) -> Vectors:
    """The vectors of an answer as float32 of shape (n, d).

    Raises:
        WrongShape: another count or another size came back.
    """
    vectors = np.asarray(answer.vectors, dtype=np.float32)
    if vectors.ndim != 2 or vectors.shape[0] != n:
        raise WrongShape(
            f"{answer.model} answered {vectors.shape[0] if vectors.ndim else 0} vectors for {n} texts.",
            needed="One vector for each text.",
            do="Check the model's name and base_url; nothing of this batch was written.",
        )
    if vectors.shape[1] != d:
        raise WrongShape(
            f"{answer.model} answers vectors of {vectors.shape[1]} dimensions.",
            needed=f"The file asks for {d}.",
            do="Set dimensions in [target.space] to what the model gives.",
        )
    return vectors


def faults(vectors: Vectors) -> dict[int, str]:
    """Positions of vectors that must not be stored, with the reason; empty where all are good."""
    # One pass for the common case: where the sum of squares is finite, every value is. Very large and very small
    # values overflow and vanish in it too, and are looked at one by one.
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", vectors, vectors)
    bad: dict[int, str] = {}
    for i in np.flatnonzero(~np.isfinite(squares) | (squares == 0.0)):
        row = vectors[i]
        if np.isnan(row).any():
            bad[int(i)] = "the provider answered NaN"
        elif np.isinf(row).any():
            bad[int(i)] = "the provider answered infinity"
        elif not row.any():
            bad[int(i)] = "the provider answered an all-zero vector"
    return bad


def normalised(vectors: Vectors) -> Vectors:
    """Each row divided by its L2 norm; an all-zero row or one that is not finite stays as it is."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    # Infinity over infinity would be NaN, and the border would name the wrong reason.
    return (vectors / np.where((norms == 0.0) | ~np.isfinite(norms), 1.0, norms)).astype(np.float32)
