"""Both stores held against each other, point by point; what differs is read again before it is told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from limosa.errors import Refused
from limosa.model.batch import Key, Vectors
from limosa.model.point import Metric, Point, VectorSpec
from limosa.ports.carried import Asked, BuiltIndex, Compared, Looked, Nearest, Routed
from limosa.ports.collection import Collection
from limosa.ports.home import Home
from limosa.ports.landing import Landing
from limosa.ports.search import Neighbour
from limosa.ports.tx import Tx
from limosa.stores.crossing.asking import Asking
from limosa.stores.crossing.equality import UNIT_ERROR, same, trace_of

__all__ = ["CrossedPoints", "classes"]

PAGE_ROWS = 1000
"""Points held against each other at once: of 1536 dimensions 12 MB on both sides, and 6 of the page that is next."""

KEYS = 5000
"""Keys of a landing that are asked for at the source at once."""

TOLD = 20
"""So many keys of one kind are told at most."""


@dataclass(frozen=True, slots=True)
class CrossedPoints:
    """What can be said of points that were carried from a collection to a landing.

    Attributes:
        table: the landing's name.
        vector: the one that is searched; None for the first that the source has.
        switched: the application writes the landing; where nothing notes that, its points are held against the source,
            and what the source alone has is left alone.
        unit: vectors whose length does not count; see ``exact``.
        alone: whether a point fits is its own affair; not so where ids are made, of which another point may have one.
        made: dimensions of the vectors that were made for the points; None where they were carried.
        metric: by which the landing is searched; None for the source's own.
    """

    source: Collection
    landing: Landing
    home: Home
    table: str
    vector: str | None
    switched: bool = False
    unit: frozenset[str] = frozenset()
    made: int | None = None
    alone: bool = True
    metric: Metric | None = None

    @property
    def turned(self) -> bool:
        """The landing's points are held against the source, and not the other way round."""
        return self.switched and not self.landing.watched

    def exact(self) -> CrossedPoints:
        """The same, with the vectors known that a store keeps at length 1; the source's count once points flow back."""
        units = self.landing.units()
        if self.switched:
            units |= {name for name, each in self.source.describe().vectors.items() if each.unit}
        return replace(self, unit=units)

    def _read(self, limit: int) -> Iterator[list[Point]]:
        """All points of the side that the application writes, as the landing tells them."""
        if self.turned:
            yield from map(self.landing.fetch, self.landing.pages(limit))
            return
        after: Key | None = None
        while found := self.source.read(after, limit):
            yield [self.landing.told(each) for each in found]
            if len(found) < limit:
                return
            after = found[-1].key

    def fetch(self, keys: Sequence[Key]) -> list[Point]:
        """These points of that side."""
        found = self.landing.fetch(keys) if self.turned else self.source.fetch(keys)
        return found if self.turned else [self.landing.told(each) for each in found]

    def kept(self, keys: Sequence[Key], *, bare: bool = False) -> Mapping[Key, Point]:
        """These points of the other side, by key."""
        found = self.source.fetch(keys, bare=bare) if self.turned else self.landing.fetch(keys, bare=bare)
        return {each.key: each for each in found}

    def _pages(self, limit: int) -> Iterator[list[Point]]:
        """All points of that side; the next page is read while one is worked on."""
        pages = self._read(limit)
        with ThreadPoolExecutor(1, thread_name_prefix="limosa-page") as pool:
            coming = pool.submit(next, pages, None)
            while (page := coming.result()) is not None:
                coming = pool.submit(next, pages, None)
                yield page

    def compared(self, limit: int) -> Iterator[Compared]:
        """All points in their collection's order, each held against what the other side has."""
        return (self._compare(page)[0] for page in self._pages(limit))

    def looked(self, *, emptied: bool = False) -> Iterator[Looked]:
        """The same, with the keys of points that came, went or changed unseen since they were carried.

        Args:
            emptied: most of what landed may be gone.

        Raises:
            Refused: most of what landed is gone.
        """
        if self.turned and not emptied:
            self._require_most()
        for page in self._pages(PAGE_ROWS):
            compared, bad, excepted = self._compare(page)
            yield Looked(again=[*bad, *self._changed(excepted)], compared=compared)
        rows = 0
        for keys, strange in self._walked():
            rows += len(keys)
            yield Looked(again=() if self.turned else strange)
        for _, gone in self.landing.listed() if self.turned else ():
            yield Looked(again=gone)
        yield Looked(routed=self._routed(rows, ()))

    def _require_most(self) -> None:
        """Lets a landing through that may be the one in which the points landed.

        Another, at an address that was mistaken, would have them deleted on the other side too.

        Raises:
            Refused: most of them are not there, and not waiting either to be deleted.
        """
        listed = gone = 0
        for keys, away in self.landing.listed():
            listed += len(keys)
            gone += len(self._settled(away))
        if 2 * gone > listed:
            raise Refused(
                f"Of {listed:,} points that landed in {self.table}, {gone:,} are not there any more.",
                needed="The place that the application was switched to. Nothing was deleted in the old one.",
                do="Look whether [target] still names that place, and its address is that store's."
                " If they were deleted on purpose: limosa run FILE --accept-deletions.",
            )

    def _compare(self, page: Sequence[Point]) -> tuple[Compared, set[Key], set[Key]]:
        """What is to be said of a page, the keys of its points that differ, and of those that are dead or skipped."""
        waiting, excepted = self._noted([each.key for each in page])
        if self.switched and excepted:
            # What could not flow back is no exception: the old store lacks it.
            excepted -= {each.key for each in self.landing.fetch(list(excepted), bare=True)}
        judged = [each for each in page if each.key not in waiting and each.key not in excepted]
        vectors, payloads, missing = self._differing(judged)
        bad = {*vectors, *payloads, *missing}
        compared = Compared(
            rows=len(page),
            waiting=len(waiting),
            excepted=len(excepted),
            equal=len(judged) - len(bad),
            vectors=len(vectors),
            payloads=len(payloads),
            missing=len(missing),
            examples=tuple(sorted(bad))[:3],
            rule=self._rule(),
            what="points",
        )
        return compared, bad, excepted

    def _rule(self) -> str:
        if self.made is not None:
            return f"payload by payload, each with a vector of {self.made} dimensions"
        return "bit for bit" if not self.unit else f"by the direction of unit vectors, to {UNIT_ERROR:g}"

    def _changed(self, excepted: set[Key]) -> set[Key]:
        """Dead and skipped points that are not what they were any more when they were tried.

        The others are for ``limosa retry``. After the switch both sides may have become others, and all are tried.
        """
        if not excepted or self.switched or not self.alone:
            return excepted
        keys = list(excepted)
        with self.home.begin(snapshot=True) as tx:
            traces = self.home.noted.traces(keys, tx)
        return excepted - {each.key for each in self.source.fetch(keys) if trace_of(each) == traces.get(each.key)}

    def routed(self) -> Routed:
        """How many points the landing holds, and those that the source does not have."""
        rows = 0
        strangers: list[Key] = []
        for keys, strange in self._walked():
            rows += len(keys)
            strangers += self._settled(strange)
        for _, gone in self.landing.listed() if self.turned else ():
            strangers += self._settled([each.key for each in self.source.fetch(gone, bare=True)])
        return self._routed(rows, strangers)

    def _routed(self, rows: int, strangers: Sequence[Key]) -> Routed:
        return Routed(tables={self.table: rows}, models={}, strangers=strangers[:TOLD])

    def _settled(self, keys: Sequence[Key]) -> list[Key]:
        """Those for which nothing waits."""
        waiting, _ = self._noted(keys)
        return [key for key in keys if key not in waiting]

    def indexes(self) -> list[BuiltIndex]:
        """Every index that was asked for."""
        return self.landing.indexes()

    def nearest(self, vector: Vectors, k: int, *, exact: bool = False) -> Nearest:
        """At most k points of the landing, nearest first."""
        name, metric = self._searched()
        self._require_length(name, vector)
        found = self.landing.nearest(name, vector, k, metric=metric, exact=exact)
        how = "every point" if exact or not self.landing.searched else "index"
        rows = [Neighbour(key=key, distance=1 - similarity, similarity=similarity) for key, similarity in found]
        return Nearest(table=self.table, how=how, rows=rows)

    def _require_length(self, name: str, vector: Vectors) -> None:
        """Lets a vector through that can be compared with those that are searched.

        Raises:
            Refused: it is shorter or longer.
        """
        wanted = self.made
        if wanted is None:
            wanted = self.source.describe().vectors[name].dimensions
        if not len(vector) or len(vector) != (wanted or len(vector)):
            called = f"the vectors {name!r} of {self.table}" if name else f"the vectors of {self.table}"
            raise Refused(
                f"The vector has {len(vector):,} numbers, and {called} have {wanted or 'at least one'}.",
                needed="A vector of the model that made them.",
            )

    def beside(self, queries: int, k: int) -> Asked | None:
        """Vectors of points drawn from the landing's first ones, asked on both sides, with filters and without.

        On the new one alone where its vectors were made, or are compared by another metric, or the old one is only
        kept; None where the new one is.
        """
        if not self.landing.searched:
            return None
        name, metric = self._searched()
        alone = self._alone(name, metric)
        asking = Asking(
            source=self.source, landing=self.landing, name=name, metric=metric, alone=alone, noted=self._noted
        )
        return asking.asked(queries, k)

    def _alone(self, name: str, metric: Metric) -> str:
        """Why the old side is not asked for the same; empty where it is."""
        if self.made is not None:
            return "the vectors were made by another model, and find other points"
        if not self.source.holds.searched:
            return "the old store is not searched"
        old = self.source.describe().vectors[name].metric
        return f"the old store compares by {old}, the new one by {metric}" if old != metric else ""

    def _searched(self) -> tuple[str, Metric]:
        """The vector that is searched, and by which metric."""
        specs = self.source.describe().vectors
        if self.made is not None and self.vector is not None:
            return self.vector, self.metric or next(iter(specs.values()), VectorSpec(name="")).metric
        dense = [name for name, each in specs.items() if each.kind == "dense"]
        name = self.vector if self.vector in dense else next(iter(dense), None)
        if name is None:
            raise Refused("There is no vector to search with.", needed="A dense vector at the source.")
        return name, self.metric or specs[name].metric

    def viewed(self, limit: int) -> None:
        """None: there is no view."""
        return

    def _walked(self) -> Iterator[tuple[list[Key], list[Key]]]:
        """Pages of the landing's keys, with those that the source does not have."""
        for keys in self.landing.pages(KEYS):
            there = {each.key for each in self.source.fetch(keys, bare=True)}
            yield keys, [key for key in keys if key not in there]

    def _differing(self, points: Sequence[Point]) -> tuple[list[Key], list[Key], list[Key]]:
        """Keys whose vectors differ, whose payloads alone do, and that are missing; each read again on both sides."""
        suspects = self._held(points, self.kept([each.key for each in points]))
        if not any(suspects):
            return suspects
        keys = [key for part in suspects for key in part]
        return self._held(self.fetch(keys), self.kept(keys))

    def _held(self, points: Sequence[Point], kept: Mapping[Key, Point]) -> tuple[list[Key], list[Key], list[Key]]:
        vectors, payloads, missing = [], [], []
        for each in points:
            if each.key not in kept:
                missing.append(each.key)
                continue
            alike, told = same(each, kept[each.key], unit=self.unit)
            if self.made is not None:
                alike = self._stands(kept[each.key])
            if not alike:
                vectors.append(each.key)
            elif not told:
                payloads.append(each.key)
        return vectors, payloads, missing

    def _stands(self, point: Point) -> bool:
        """Whether a point has a vector that was made; which it is, the text says, and that is in the payload."""
        if self.switched:
            return True
        found = next(iter(point.vectors.values()), None)
        return isinstance(found, np.ndarray) and found.shape == (self.made,) and bool(np.isfinite(found).all())

    def _noted(self, keys: Sequence[Key]) -> tuple[set[Key], set[Key]]:
        """Keys that wait, and keys that are listed as dead or skipped."""
        with self.home.begin(snapshot=True) as tx:
            found = classes(self.source, self.home, keys, tx)
        waiting = {key for key, kind in found.items() if kind == "pending"}
        return waiting, {key for key in found if key not in waiting}


def classes(source: Collection, home: Home, keys: Sequence[Key], tx: Tx) -> dict[Key, str]:
    """Keys that are pending, dead or skipped; others are left out."""
    if not keys:
        return {}
    found = dict(home.noted.outcomes(keys, tx))
    unread = home.noted.unread(tx)
    orders = {key: source.order(key) for key in keys} if unread else {}
    for after, upper in unread:
        low, high = source.order(after) if after is not None else (), source.order(upper)
        found.update({key: "pending" for key, order in orders.items() if low < order <= high})
    return found
