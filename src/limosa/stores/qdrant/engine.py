"""What the ways to Qdrant have in common: few calls, each answered by points or ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from limosa.model.batch import Vectors
from limosa.model.point import Collected, Point, Scalar
from limosa.stores.qdrant.ids import Id

__all__ = ["TOLD", "Engine", "TimedOut", "Unfit"]

TOLD = 100_000
"""Numbers of vectors that are told at once, as text or as Python's numbers: each takes about 40 bytes on the way, so
that a page takes 4 MB; of 1536 dimensions it has 65 points."""


class TimedOut(Exception):
    """The server did not answer in time: it may do so when it is asked for less."""


class Unfit(Exception):
    """The server does not take a point of these as it is; which one, it does not say."""


class Engine(Protocol):
    """One collection, by whichever way.

    Attributes:
        told: numbers of vectors that are to be told at once.

    Raises:
        TimedOut: asked for less, it may answer.
        Transient: the server is not there, or ill; it is asked again.
        Refused: it is there, and says no.
    """

    told: int

    def describe(self) -> Collected:
        """What the collection says of itself."""
        ...

    def stands(self) -> bool:
        """Whether the collection is there."""
        ...

    def make(self, wanted: Collected) -> None:
        """Makes it where it is not there, and every index of a payload field."""
        ...

    def drop(self) -> None:
        """Takes it away where it is there."""
        ...

    def scroll(self, start: Id | None, limit: int, *, bare: bool) -> tuple[list[Point], Id | None]:
        """Points from an id on, itself included, in the order of ids; and where the next page begins, None at the end.

        A page may be short of ``limit``, and is not the last one for that.
        """
        ...

    def retrieve(self, ids: Sequence[Id], *, bare: bool) -> list[Point]:
        """These points, in any order."""
        ...

    def upsert(self, points: Sequence[tuple[Id, Point]]) -> None:
        """Writes points whole, and waits until they can be read.

        Raises:
            Unfit: a point of them is not taken.
        """
        ...

    def delete(self, ids: Sequence[Id]) -> None:
        """Takes points away, and waits."""
        ...

    def nearest(self, name: str, vector: Vectors, k: int, where: Mapping[str, Scalar]) -> list[tuple[Id, float]]:
        """At most k ids and their scores, best first, of points whose fields equal these."""
        ...

    def close(self) -> None:
        """Gives up what it holds."""
        ...
