"""A search through every row: what files can do, and exact."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from limosa.model.batch import Vectors
from limosa.model.point import Metric, PointVector

__all__ = ["scores"]


def scores(found: Sequence[PointVector], vector: Vectors, metric: Metric) -> NDArray[np.float64]:
    """One score for each, larger for nearer, in float64.

    The cosine of the angle, 0 for a vector of length 0; the inner product; or the Euclidean or Manhattan distance with
    a minus sign. Of several vectors of one point the nearest counts.

    Args:
        found: each of shape (d,) or (m, d).
        vector: shape (d,).
    """
    rows = [np.atleast_2d(np.asarray(each)) for each in found]
    counts = [len(each) for each in rows]
    if not sum(counts):
        return np.full(len(rows), -np.inf)
    each_score = _scores(np.concatenate(rows).astype(np.float64), vector.astype(np.float64), metric)
    if all(count == 1 for count in counts):
        return each_score
    parts = np.split(each_score, np.cumsum(counts)[:-1])
    return np.asarray([part.max(initial=-np.inf) for part in parts])


def _scores(rows: NDArray[np.float64], vector: NDArray[np.float64], metric: Metric) -> NDArray[np.float64]:
    if metric == "ip":
        return np.asarray(rows @ vector)
    if metric == "cosine":
        lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(vector)
        return np.asarray(np.divide(rows @ vector, lengths, out=np.zeros(len(rows)), where=lengths > 0))
    return -np.asarray(np.linalg.norm(rows - vector, ord=1 if metric == "l1" else 2, axis=1))
