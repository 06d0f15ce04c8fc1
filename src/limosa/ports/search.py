"""Search: the vectors of one side, read back: by nearness, in key order, or at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from limosa.model.batch import Key, Vectors

__all__ = ["Neighbour", "OldOrNew", "Search", "Stored"]

OldOrNew = Literal["old", "new"]
"""The side of the source space or of the target space; in a fill both are the same vectors."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One row that lies near.

    Attributes:
        distance: as the store's operator gives it; smaller is nearer.
        similarity: greater is nearer: 1 - d (cosine), 1 / (1 + d) (l2), the inner product (ip).
    """

    key: Key
    distance: float
    similarity: float


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """One row with its text as it is now and its vector, shape (d,); None where either is missing."""

    key: Key
    text: str | None
    vector: Vectors | None


class Search(Protocol):
    """The vectors of one side, of rows that satisfy the filter."""

    def nearest(self, vector: Vectors, k: int, *, exact: bool = False) -> list[Neighbour]:
        """At most k rows, nearest first.

        Args:
            vector: shape (d,), float32.
            exact: every row is compared and no index asked.
        """
        ...

    def vectors(self, after: Key | None, limit: int) -> tuple[list[Key], Vectors]:
        """The next vectors in key order: n keys, and shape (n, d) float32; n = 0 at the end."""
        ...

    def count(self) -> int:
        """How many rows hold a vector."""
        ...

    def sample(self, n: int) -> list[Stored]:
        """At most n rows that hold a vector and that no outstanding change covers, drawn at random."""
        ...

    def rows(self, keys: Sequence[Key]) -> list[Stored]:
        """These rows as they are now, in any order; those that are gone or left the filter are left out."""
        ...
