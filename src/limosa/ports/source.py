"""Source: where rows are read, in key order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from limosa.model.batch import Key, Row

__all__ = ["Source"]


class Source(Protocol):
    """Reads the rows of a place; keys are compared by the store, never by the client."""

    def top(self) -> Key | None:
        """The largest key now; None for an empty table."""
        ...

    def count(self) -> int:
        """How many rows satisfy the filter now."""
        ...

    def cut(self, after: Key | None, top: Key, *, rows: int) -> Key | None:
        """The edge that lies ``rows`` keys after ``after``, at most ``top``; None when nothing is left."""
        ...

    def read(self, after: Key | None, upper: Key, *, limit: int) -> list[Row]:
        """Rows of the filter without a vector of the target space, in (after, upper], in key order.

        Fewer than ``limit`` rows mean that the range is read to its end.
        """
        ...

    def reread(self, keys: Sequence[Key]) -> list[Row]:
        """The rows of these keys that are in the filter now, in any order; missing ones are left out."""
        ...
