"""Likeness: how similar pairs of random rows are, in the old and in the new space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limosa.errors import LimosaError
from limosa.model.batch import Vectors
from limosa.model.vectors import normalised
from limosa.ports.search import OldOrNew
from limosa.steps.search import open_side
from limosa.steps.voyage import Voyage

__all__ = ["BINS", "ROWS", "Likeness", "likeness", "similarities"]

ROWS = 256
"""Rows of a sample: their 32,640 pairs give a smooth curve, and their vectors take 3 MB at 3072 dimensions."""

BINS = 40
"""Classes of equal width from -1 to 1: 0.05 each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """The cosine similarities of all pairs of sampled rows, on one side.

    Attributes:
        rows: sampled rows that hold a vector; pairs: how many were compared.
        counts: pairs in each of ``BINS`` classes from -1 to 1; empty where nothing was compared.
        low, median, high: what 5, 50 and 95 in 100 pairs do not exceed; None where nothing was compared.
        why: why this side could not be sampled; empty where it was.
    """

    side: OldOrNew
    space: str
    rows: int = 0
    pairs: int = 0
    counts: tuple[int, ...] = ()
    low: float | None = None
    median: float | None = None
    high: float | None = None
    why: str = ""


def likeness(voyage: Voyage) -> tuple[Likeness, ...]:
    """Both sides, the old one first; empty for a split, whose rows have many models. Changes nothing."""
    if voyage.migration.carries or voyage.migration.copy is not None:
        return ()
    sides: tuple[OldOrNew, ...] = ("old", "new")
    return tuple(_of(voyage, side) for side in sides)


def _of(voyage: Voyage, side: OldOrNew) -> Likeness:
    space = (voyage.migration.source if side == "old" else voyage.migration.target).space
    try:
        found = open_side(voyage, side)
        if isinstance(found, str):
            return Likeness(side=side, space=space.title, why=found)
        vectors = [row.vector for row in found.sample(ROWS) if row.vector is not None]
    except LimosaError:
        return Likeness(side=side, space=space.title, why="the vectors could not be read")
    near = similarities([each for each in vectors if len(each) == space.dimensions and np.any(each)])
    if not len(near):
        return Likeness(side=side, space=space.title, rows=len(vectors), why="there are no two vectors to compare")
    counts, _ = np.histogram(near, bins=BINS, range=(-1.0, 1.0))
    low, median, high = (float(each) for each in np.quantile(near, [0.05, 0.5, 0.95]))
    return Likeness(
        side=side,
        space=space.title,
        rows=len(vectors),
        pairs=len(near),
        counts=tuple(int(each) for each in counts),
        low=low,
        median=median,
        high=high,
    )


def similarities(vectors: Sequence[Vectors]) -> Vectors:
    """Cosine of every pair, each once, shape (n (n - 1) / 2,).

    Args:
        vectors: n of shape (d,); none of them is zero.
    """
    if len(vectors) < 2:
        return np.zeros(0, dtype=np.float32)
    unit = normalised(np.stack(vectors))
    near: Vectors = (unit @ unit.T)[np.triu_indices(len(vectors), k=1)]
    return np.clip(near, -1.0, 1.0)
