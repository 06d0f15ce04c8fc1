"""Landing: the place where points of another store arrive, and whose keys are the ids that they had there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from limosa.model.batch import Key, Vectors, Written
from limosa.model.migration import Migration
from limosa.model.operation import Operation
from limosa.model.plan import Check
from limosa.model.point import Collected, Metric, Point, Scalar
from limosa.ports.carried import BuiltIndex
from limosa.ports.home import Home
from limosa.ports.tx import Tx

__all__ = ["Ground", "Landing", "OpenLanding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What a landing says before anything is touched.

    Attributes:
        operations: the whole way from expand to finish.
        sizes: figures whose units ride in their names.
    """

    checks: tuple[Check, ...]
    operations: tuple[Operation, ...]
    sizes: dict[str, object] = field(default_factory=dict)


class Landing(Protocol):
    """Takes points in, and gives them back as they came."""

    @property
    def watched(self) -> bool:
        """What the application changes here after the switch is noted; else it is looked for."""
        ...

    @property
    def searched(self) -> bool:
        """Applications search it."""
        ...

    @property
    def filters(self) -> str:
        """Which payload fields its searches can be filtered by; see ``Holds.filters``."""
        ...

    def units(self) -> frozenset[str]:
        """Names of vectors that are kept at length 1, whatever came."""
        ...

    def told(self, point: Point) -> Point:
        """A point of the source as this will tell it once it has landed."""
        ...

    def ground(self, collected: Collected, sample: Sequence[Point]) -> Ground:
        """What has to be made for such points; changes nothing.

        Args:
            sample: some of them, as they are.
        """
        ...

    def write(self, points: Sequence[Point], tx: Tx) -> Written:
        """Stores the points, each in the place of what stood under its key; those that do not fit are rejected."""
        ...

    def erase(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes these points away; those that are not there are left out."""
        ...

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points as the source would tell them, in any order; those that are not there are left out.

        Args:
            bare: keys alone.
        """
        ...

    def pages(self, limit: int) -> Iterator[list[Key]]:
        """Keys of all that is there, in an order of the landing's own, at most so many at a time."""
        ...

    def listed(self) -> Iterator[tuple[list[Key], list[Key]]]:
        """Keys of all that landed, page by page, with those that are there no more; none where that is noted."""
        ...

    def note(self, keys: Sequence[Key], tx: Tx) -> None:
        """These points, which came into being here, stand on the other side too now."""
        ...

    def forget(self, keys: Sequence[Key], tx: Tx) -> None:
        """These points are gone on both sides."""
        ...

    def nearest(
        self,
        name: str,
        vector: Vectors,
        k: int,
        *,
        metric: Metric,
        exact: bool = False,
        where: Mapping[str, Scalar] | None = None,
    ) -> list[tuple[Key, float]]:
        """At most k keys and similarities, nearest first.

        Args:
            name: the vector's name at the source.
            exact: every row is compared and no index of vectors asked.
            where: of points alone whose fields equal these; see ``Read.nearest``.
        """
        ...

    def indexes(self) -> list[BuiltIndex]:
        """Every index that was asked for."""
        ...

    def intact(self) -> str | None:
        """What is wrong with what notes the application's changes after the switch; None where nothing is."""
        ...


class OpenLanding(Protocol):
    """What an entry point of the group ``limosa.landings`` points at."""

    def __call__(self, url: str, migration: Migration) -> tuple[Home, Landing]:
        """The database at this URL, and the place in it where points arrive; connects, changes nothing."""
        ...
