"""Collection: a place of a vector store, read in an order of its own, written, made and taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from limosa.model.batch import Key, Vectors
from limosa.model.migration import Form
from limosa.model.point import Collected, Holds, Point, Scalar

__all__ = ["Collection", "OpenCollection", "OpenTable", "Read", "Written"]


class Read(Protocol):
    """The points of one collection, as they are told; threads may share it.

    Ids are compared by the store's own order, and never as texts. Every call is repeated within, for about two minutes,
    where the store fails in passing; then it raises Transient.
    """

    @property
    def title(self) -> str:
        """Names it for a person and for the ledger; no secret in it."""
        ...

    def describe(self) -> Collected:
        """What it says of itself.

        Raises:
            Refused: it is not there, or does not let limosa in.
        """
        ...

    def last(self) -> Key | None:
        """An id behind which no other is now, there or not; None where there is none."""
        ...

    def order(self, key: Key) -> tuple[int, ...]:
        """A value by which ids are in the store's order; one that is not there may come behind all others."""
        ...

    def read(self, after: Key | None, limit: int, *, bare: bool = False) -> list[Point]:
        """The points behind an id, in order; fewer than ``limit`` mean that there are no more.

        Args:
            after: None for the beginning; need not be there any more.
            bare: ids alone, without payload and vectors.
        """
        ...

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points, in any order; those that are not there, or could not be, are left out."""
        ...

    def nearest(
        self, name: str, vector: Vectors, k: int, *, where: Mapping[str, Scalar] | None = None
    ) -> list[tuple[Key, float]]:
        """At most k ids with the store's own score, best first.

        Args:
            name: of the vector that is searched; empty for the one without a name.
            vector: shape (d,), float32.
            where: of points alone whose fields equal these, dots leading into nested ones; only such as
                ``Holds.filters`` matches. The store filters as it does for applications, and may give fewer than there
                are where its index does.
        """
        ...


class Written(Protocol):
    """The same, as it is made and changed; every call may be repeated, and changes nothing then."""

    @property
    def holds(self) -> Holds:
        """What it can keep; asked before it is there."""
        ...

    def stands(self) -> bool:
        """Whether it is there.

        Raises:
            Refused: the store does not let limosa in.
        """
        ...

    def make(self, wanted: Collected) -> None:
        """Makes it, without a point, for vectors and indexed fields such as these; nothing where it is there."""
        ...

    def drop(self) -> None:
        """Takes it away with all that is in it; nothing where it is not there."""
        ...

    def write(self, points: Sequence[Point]) -> list[tuple[int, str]]:
        """Puts points in the place of what stood under their ids; positions that it does not take, with the reason.

        What it answered for is there, and outlives this process, however it ends.
        """
        ...

    def erase(self, keys: Sequence[Key]) -> None:
        """Takes points away; those that are not there are left out."""
        ...

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        ...


class Collection(Read, Written, Protocol):
    """Both."""


class OpenCollection(Protocol):
    """What an entry point of the group ``limosa.collections`` points at."""

    def __call__(self, url: str, name: str, key: str | None) -> Collection:
        """The collection of this name at this URL, which need not be there; may connect, changes nothing.

        Args:
            key: a reference to the secret that the store asks for; None where it asks for none.
        """
        ...


class OpenTable(Protocol):
    """What an entry point of the group ``limosa.tables`` points at."""

    def __call__(self, url: str, name: str, form: Form) -> Collection:
        """The rows of the table of this name at this URL as points; may connect, changes nothing."""
        ...
