"""Pairing: how near the nearest rows of the same rows are, in the old and in the new space."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from limosa.ports.search import Search, Stored
from limosa.verify.thresholds import K, Similarities

__all__ = ["similarities_of"]

PATIENCE_S = 30.0
"""After so long no further row is looked at; without an index each reads the whole table."""


def similarities_of(
    old: Search, new: Search, pairs: Sequence[tuple[Stored, Stored | None]]
) -> tuple[Similarities, Similarities]:
    """For each row that has both vectors its nearest rows' similarities on both sides, equally many for all.

    Args:
        pairs: the same row on the new and on the old side.
    """
    started = time.monotonic()
    found: list[tuple[list[float], list[float]]] = []
    for row, before in pairs:
        if time.monotonic() - started > PATIENCE_S:
            break
        if before is None:
            continue
        one, two = _near(old, before), _near(new, row)
        if one and two:
            found.append((one, two))
    k = min((len(each) for pair in found for each in pair), default=0)
    empty = np.zeros((0, 0))
    if not found:
        return empty, empty
    return np.array([one[:k] for one, _ in found]), np.array([two[:k] for _, two in found])


def _near(search: Search, row: Stored) -> list[float]:
    """Similarities of the nearest rows but itself, best first."""
    if row.vector is None or not np.any(row.vector):
        return []
    return [each.similarity for each in search.nearest(row.vector, K + 1) if each.key != row.key][:K]
