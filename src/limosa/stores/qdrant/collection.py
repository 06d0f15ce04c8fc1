"""A collection of Qdrant, read so that nothing is lost: by ids, with patience, and asking for less where it is slow."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from limosa.errors import Transient
from limosa.model.batch import Key, Vectors
from limosa.model.point import Collected, Holds, IdKind, Point, PointVector, Scalar, Sparse
from limosa.ports.memory import give_back
from limosa.stores.qdrant.engine import Engine, TimedOut, Unfit
from limosa.stores.qdrant.filters import FILTERS
from limosa.stores.qdrant.ids import Id, id_of, key_of, order, successor, valid

__all__ = ["PATIENCE_S", "QdrantCollection"]

PATIENCE_S = 120.0
"""How long a server that does not answer is asked again: it comes back from a restart in seconds, with a large
collection in a minute."""

FIRST, MOST, BARE = 50, 1000, 2000
"""Points of the first page, most points of any, and most ids of one without vectors and payloads."""

GIVE_BACK = 5
"""Pages after which freed memory is given back: 500,000 numbers of vectors, and more of text."""

WRITE_POINTS = 256
"""Points of one write: of 1536 dimensions some 5 MB of JSON, well below a server's usual bound of 32 MB."""

HOLDS = Holds(
    ids=frozenset({"uint63", "uint64", "uuid", "mixed"}),
    kinds=frozenset({"dense", "sparse", "multi"}),
    metrics=frozenset({"cosine", "l2", "ip", "l1"}),
    several=True,
    bare=True,
    dimensions=65_536,
    filters=FILTERS,
)
"""Source: Qdrant's documentation, "Collections" and "Points" (read 2026-11)."""

_INDEXES = frozenset({"keyword", "integer", "float", "bool", "geo", "datetime", "text", "uuid"})

_INT8, _LAST = (1 << 63) - 1, (1 << 64) - 1
"""The last number that eight bytes with a sign hold, and the last that an id can be."""

_T = TypeVar("_T")


class QdrantCollection:
    """Reads one collection; threads may share it.

    Args:
        patience_s: how long a call is repeated before it raises Transient.
    """

    def __init__(self, engine: Engine, title: str, *, patience_s: float = PATIENCE_S) -> None:
        self.engine = engine
        self.title = title
        self._patience_s = patience_s
        self._most, self._bound = FIRST, MOST

    @property
    def holds(self) -> Holds:
        """Ids are numbers and UUIDs; all else can be kept."""
        return HOLDS

    def last(self) -> Key:
        """The largest UUID."""
        return key_of(uuid.UUID(int=(1 << 128) - 1))

    def describe(self) -> Collected:
        """What it says of itself."""
        return replace(self._asked(self.engine.describe), ids=self._ids())

    def _ids(self) -> IdKind:
        """Numbers come before UUIDs, small ones before large ones: three ids tell."""
        first, large, named = (self.read(after, 1, bare=True) for after in (None, (str(_INT8),), (str(_LAST),)))
        if named:
            return "uuid" if first[0].key == named[0].key else "mixed"
        return "uint64" if large else "uint63" if first else "mixed"

    def stands(self) -> bool:
        """Whether it is there."""
        return self._asked(self.engine.stands)

    def make(self, wanted: Collected) -> None:
        """Makes it, without a point."""
        indexed = {name: kind for name, kind in wanted.indexed.items() if kind in _INDEXES}
        self._written(lambda: self.engine.make(replace(wanted, indexed=indexed)))

    def drop(self) -> None:
        """Takes it away with all that is in it."""
        self._written(self.engine.drop)

    def order(self, key: Key) -> tuple[int, ...]:
        """A value by which ids are in the store's order."""
        return order(key)

    def read(self, after: Key | None, limit: int, *, bare: bool = False) -> list[Point]:
        """The points behind an id, in order; fewer than ``limit`` mean that there are no more."""
        start: Id | None = None
        if after is not None:
            start = successor(after)
            if start is None:
                return []
        found: list[Point] = []
        while len(found) < limit:
            page, following = self._page(start, limit - len(found), bare=bare)
            found += page
            if following is None:
                break
            # A page that is short, or empty, says nothing of the end.
            start = following
        return found

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points, in any order; those that are not there are left out."""
        found: list[Point] = []
        # What cannot be an id is not there; a server would refuse all of them for it.
        rest = [id_of(key) for key in keys if valid(key)]
        while rest:
            size = BARE if bare else self._most
            part, rest = rest[:size], rest[size:]
            found += self._halved(part, bare=bare)
        return found

    def write(self, points: Sequence[Point]) -> list[tuple[int, str]]:
        """Puts points in the place of what stood under their ids."""
        fitting = [place for place, each in enumerate(points) if valid(each.key)]
        rejected = [
            (place, "its id is neither a whole number of 64 bits nor a UUID")
            for place in range(len(points))
            if place not in set(fitting)
        ]
        for start in range(0, len(fitting), WRITE_POINTS):
            rejected += self._put(points, fitting[start : start + WRITE_POINTS])
        return sorted(rejected)

    def _put(self, points: Sequence[Point], places: Sequence[int]) -> list[tuple[int, str]]:
        """Writes the points at these places; halved until those that are not taken stand alone."""
        part = [(id_of(points[i].key), points[i]) for i in places]
        try:
            self._written(lambda: self.engine.upsert(part))
        except Unfit as error:
            if len(places) == 1:
                return [(places[0], str(error))]
            half = len(places) // 2
            return [*self._put(points, places[:half]), *self._put(points, places[half:])]
        return []

    def erase(self, keys: Sequence[Key]) -> None:
        """Takes points away."""
        ids = [id_of(key) for key in keys if valid(key)]
        if ids:
            self._written(lambda: self.engine.delete(ids))

    def nearest(
        self, name: str, vector: Vectors, k: int, *, where: Mapping[str, Scalar] | None = None
    ) -> list[tuple[Key, float]]:
        """At most k ids with Qdrant's score, best first."""
        found = self._asked(lambda: self.engine.nearest(name, vector, k, where or {}))
        return [(key_of(number), score) for number, score in found]

    def close(self) -> None:
        """Gives every connection back; safe to call again."""
        self.engine.close()

    def _page(self, start: Id | None, limit: int, *, bare: bool) -> tuple[list[Point], Id | None]:
        """One page; where the server does not make it in time, a smaller one, and so from then on."""
        give_back(every=GIVE_BACK)
        while True:
            size = min(limit, BARE if bare else self._most)
            try:
                found, following = self._asked(lambda size=size: self.engine.scroll(start, size, bare=bare))  # type: ignore[misc]
            except TimedOut as error:
                if size <= 1:
                    raise self._never(str(error)) from error
                limit = size // 2
                self._ask_for_less(limit, bare=bare)
            else:
                self._fit(found, bare=bare)
                return found, following

    def _halved(self, ids: Sequence[Id], *, bare: bool) -> list[Point]:
        try:
            found = self._asked(lambda: self.engine.retrieve(ids, bare=bare))
        except TimedOut as error:
            if len(ids) <= 1:
                raise self._never(str(error)) from error
            half = len(ids) // 2
            self._ask_for_less(half, bare=bare)
            return [*self._halved(ids[:half], bare=bare), *self._halved(ids[half:], bare=bare)]
        self._fit(found, bare=bare)
        return found

    def _ask_for_less(self, size: int, *, bare: bool) -> None:
        if not bare:
            self._bound = self._most = min(self._bound, size)

    def _fit(self, found: Sequence[Point], *, bare: bool) -> None:
        """Long vectors come in small pages, short ones in large."""
        numbers = sum(_numbers(each) for point in found for each in point.vectors.values())
        if numbers and not bare:
            self._most = max(1, min(self._bound, self.engine.told * len(found) // numbers))

    def _asked(self, call: Callable[[], _T]) -> _T:
        """What a call answers; repeated with growing pauses while the server fails in passing."""
        started, pause_s = time.monotonic(), 0.05
        while True:
            try:
                return call()
            except Transient:
                if time.monotonic() - started > self._patience_s:
                    raise
            time.sleep(pause_s * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
            pause_s = min(5.0, pause_s * 2)

    def _written(self, call: Callable[[], None]) -> None:
        """A write that was perhaps carried out is sent again: it says the same."""
        try:
            self._asked(call)
        except TimedOut as error:
            raise self._never(str(error)) from error

    def _never(self, said: str) -> Transient:
        return Transient(
            f"{self.title} does not answer in time, though it was asked for a single point: {said}.",
            needed="A server that answers.",
            do="Look at its memory and disk; then repeat the command, which goes on where it ended.",
        )


def _numbers(vector: PointVector) -> int:
    return len(vector.values) if isinstance(vector, Sparse) else vector.size
