"""A folder of files as a collection: read in the order of its parts and rows, written by whole parts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import TypeVar

import numpy as np

from limosa.errors import Refused, Transient
from limosa.model.batch import Key, Vectors
from limosa.model.point import Collected, Holds, IdKind, Point, Scalar
from limosa.stores.files.fitting import unfit
from limosa.stores.files.ids import kind_of_all
from limosa.stores.files.index import Index, Place
from limosa.stores.files.near import scores
from limosa.stores.files.parts import Parts

__all__ = ["FileCollection"]

HOLDS = Holds(
    ids=frozenset({"uint63", "uint64", "uuid", "mixed", "text"}),
    kinds=frozenset({"dense", "sparse", "multi"}),
    metrics=frozenset({"cosine", "l2", "ip", "l1"}),
    several=True,
    bare=True,
    searched=False,
    filters="",
)

_TRIES = 5
"""Times that a read begins again because another process wrote meanwhile."""

_RECENT = 50_000
"""Positions that are kept of the ids that were read last: whoever reads a page asks for their order next."""

_BEHIND = 1 << 62
"""Behind every position."""

_T = TypeVar("_T")


class FileCollection:
    """One folder, or one file; threads may share it, and read one at a time.

    Args:
        finite: its files have no NaN and no infinity.
    """

    def __init__(self, parts: Parts, title: str, *, finite: bool) -> None:
        self.title = title
        self._parts = parts
        self._finite = finite
        self._lock = threading.RLock()
        self._recent: dict[str, int] = {}
        self._counted: tuple[object, int, IdKind] | None = None

    @property
    def holds(self) -> Holds:
        """Everything."""
        return HOLDS

    def describe(self) -> Collected:
        """What it says of itself; where limosa did not write the files, the metric is a guess."""
        with self._lock:
            index, shape = self._parts.ready()
            if self._counted is None or self._counted[0] != self._parts.seen:
                points, kinds = index.counted()
                self._counted = (self._parts.seen, points, kind_of_all(kinds))
            return Collected(points=self._counted[1], ids=self._counted[2], vectors=dict(shape.specs))

    def last(self) -> Key | None:
        """The id of the last row of the last part."""
        with self._lock:
            key = self._parts.ready()[0].last()
            return None if key is None else (key,)

    def order(self, key: Key) -> tuple[int, ...]:
        """Part and row as one number; ids that are not there, and never were, come behind all others."""
        with self._lock:
            found = self._recent.get(key[0])
            if found is None:
                found = self._parts.ready()[0].position(key[0])
            return (_BEHIND if found is None else found,)

    def read(self, after: Key | None, limit: int, *, bare: bool = False) -> list[Point]:
        """The points behind an id, in order; fewer than ``limit`` mean that there are no more.

        Raises:
            Refused: nothing is known of ``after`` any more, so that it cannot be said what is behind it.
        """

        def page(index: Index) -> list[Place]:
            position = -1 if after is None else index.position(after[0])
            if position is None:
                raise Refused(
                    f"The id {after[0] if after else ''} is in no file of {self.title} any more.",
                    needed="The files as they were when limosa began to read them.",
                    do="Put them back; or take the migration back, and begin it again.",
                )
            return index.behind(position, limit)

        return self._read(page, bare=bare)

    def fetch(self, keys: Sequence[Key], *, bare: bool = False) -> list[Point]:
        """These points, in any order; those that are not there are left out."""
        texts = [key[0] for key in keys]
        return self._read(lambda index: index.find(texts), bare=bare)

    def nearest(
        self, name: str, vector: Vectors, k: int, *, where: Mapping[str, Scalar] | None = None
    ) -> list[tuple[Key, float]]:
        """At most k ids, best first, found among all rows.

        The score is the cosine, the inner product, or the distance with a minus sign. Nobody filters here.
        """
        with self._lock:
            index, shape = self._parts.ready()
            spec = shape.specs.get(name)
            if spec is None or spec.kind == "sparse":
                raise Refused(f"{self.title} has no vector {name!r} that a dense one can be held against.")
            # Rows that a crash has left, and in whose place others count, are looked at too.
            most = k + int(index.fact("twice") or 0)
            best: list[tuple[float, str, str, int]] = []
            for part in self._parts.folder.parts():
                for some in self._parts.format.scan(self._parts.folder.path / part.name, name, shape):
                    near = scores(some.vectors, vector, spec.metric)
                    rows = np.argsort(-near, kind="stable")[:most]
                    best += [(float(near[i]), some.key(i), part.name, int(some.places[i])) for i in rows]
                    best = sorted(best, key=lambda each: -each[0])[:most]
            there: set[tuple[str, str, int]] = {
                (key, part, place) for _, key, part, place in index.find([key for _, key, *_ in best])
            }
            found: list[tuple[Key, float]] = [((key,), score) for score, key, *at in best if (key, *at) in there]
            return found[:k]

    def stands(self) -> bool:
        """Whether it is there."""
        with self._lock:
            return self._parts.stands()

    def make(self, wanted: Collected) -> None:
        """Makes it, without a point."""
        with self._lock:
            if not self._parts.stands():
                self._parts.make(wanted.vectors)

    def drop(self) -> None:
        """Takes away what makes it a collection, and nothing else that lies in the folder."""
        with self._lock:
            if self._parts.stands():
                self._parts.drop()
            self._recent.clear()

    def write(self, points: Sequence[Point]) -> list[tuple[int, str]]:
        """Puts points in the place of what stood under their ids; new ones become a part of their own."""
        with self._lock, self._parts.writing() as (index, shape):
            self._recent.clear()
            bad = unfit(points, shape.specs, finite=self._finite)
            fresh = {each.key[0]: each for place, each in enumerate(points) if place not in bad}
            standing = index.find(list(fresh))
            for name, group in _by_part(standing):
                self._parts.change(name, {place: fresh[key] for _, key, _, place in group})
            for _, key, *_ in standing:
                del fresh[key]
            if fresh:
                self._parts.append(list(fresh.values()))
                self._parts.merge()
            return sorted(bad.items())

    def erase(self, keys: Sequence[Key]) -> None:
        """Takes points away."""
        with self._lock, self._parts.writing() as (index, _):
            self._recent.clear()
            for name, group in _by_part(index.find([key[0] for key in keys])):
                self._parts.change(name, {place: None for *_, place in group}, [key for _, key, *_ in group])

    def close(self) -> None:
        """Gives every file back; safe to call again."""
        with self._lock:
            self._parts.close()
            self._recent.clear()

    def _read(self, find: Callable[[Index], list[Place]], *, bare: bool) -> list[Point]:
        for _ in range(_TRIES):
            with self._lock:
                before = self._parts.seen
                index, _ = self._parts.ready()
                if before != self._parts.seen or len(self._recent) > _RECENT:
                    self._recent.clear()
                places = find(index)
                if bare:
                    return [Point((key,)) for _, key, *_ in places]
                self._recent.update((key, position) for position, key, *_ in places)
                found = self._held(places)
            if found is not None:
                return found
        raise Transient(f"The files of {self.title} change all the time.", do="Repeat the command when they do not.")

    def _held(self, places: Sequence[Place]) -> list[Point] | None:
        """The points, if they are those of these ids; None where the files were changed meanwhile."""
        try:
            found = self._parts.points(places)
        except (FileNotFoundError, IndexError, ValueError):
            found = []
        if [each.key[0] for each in found] == [key for _, key, *_ in places]:
            return found
        self._parts.forget()
        return None


def _by_part(places: Sequence[Place]) -> list[tuple[str, list[Place]]]:
    return [(name, list(group)) for name, group in groupby(places, key=lambda place: place[2])]
