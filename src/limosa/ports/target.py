"""Target: where vectors are written, in the transaction that also settles their outcome."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from limosa.model.batch import Key, Row, VectorRows, Written
from limosa.ports.tx import Begin, Tx

__all__ = ["Part", "Target"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a target: the keys in (after, upper], or one table; the other fields are None.

    Attributes:
        after: None for the beginning.
    """

    after: Key | None = None
    upper: Key | None = None
    table: str | None = None


class Target(Protocol):
    """Writes vectors to rows that are there; never inserts."""

    @property
    def begin(self) -> Begin:
        """Opens the transaction that a write and its outcome share."""
        ...

    def write(self, rows: Sequence[Row], vectors: VectorRows, tx: Tx) -> Written:
        """Stores vector i with row i where the row is still the one that was read.

        Args:
            vectors: n of length d, float32, finite; not zero where a model made them.

        Raises:
            Transient: a lock or connection failed; the transaction is to be rolled back.
        """
        ...

    def hold(self, keys: Sequence[Key], tx: Tx) -> list[Row]:
        """Locks the rows of these keys that nobody else has locked, and reads them as they are now."""
        ...

    def withdraw(self, part: Part, tx: Tx) -> int:
        """Takes a part of what was written away and queues its keys; how many there were.

        Raises:
            Refused: the layout knows no such part.
        """
        ...

    def erase(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes the vectors of these keys away (sets them to NULL)."""
        ...
