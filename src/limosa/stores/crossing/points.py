"""Points as rows of the flow: read from a collection, written where they land."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from limosa.errors import Refused
from limosa.model.batch import Key, Row, VectorRows, Vectors, Written
from limosa.model.identity import taken
from limosa.model.place import Text
from limosa.model.point import Json, Point
from limosa.ports.collection import Collection
from limosa.ports.landing import Landing
from limosa.ports.target import Part
from limosa.ports.tx import Begin, Tx
from limosa.stores.crossing.equality import same, trace_of

__all__ = [
    "PLACEHOLDER",
    "BackSource",
    "BackTarget",
    "PointRow",
    "PointSource",
    "PointTarget",
    "Seen",
    "text_of",
]

PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
"""A field in a template."""

_NONE: Vectors = np.zeros(0, dtype=np.float32)
"""Stands for the vectors of a point, which travel in it, and also where it has none."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PointRow(Row):
    """A row that is a point."""

    point: Point

    @property
    def trace(self) -> str:
        """The point's digest, by which a dead one is known again while it stays as it is."""
        return trace_of(self.point)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A point as it was read; equal to another reading of the same. Few are ever held against each other."""

    point: Point

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and all(same(self.point, other.point))

    def __hash__(self) -> int:
        return hash(self.point.key)


@dataclass(frozen=True, slots=True)
class PointSource:
    """Reads a collection as rows.

    Attributes:
        text: how the text is made of a payload that is embedded; None where vectors are carried.
    """

    collection: Collection
    text: Text | None = None

    def top(self) -> Key | None:
        """A key behind which no other can be."""
        return self.collection.last()

    def count(self) -> int:
        """How many points there are now."""
        return self.collection.describe().points

    def cut(self, after: Key | None, top: Key, *, rows: int) -> Key | None:
        """The edge that lies ``rows`` points after ``after``; None when fewer are left."""
        found = self.collection.read(after, rows, bare=True)
        return found[-1].key if len(found) == rows else None

    def read(self, after: Key | None, upper: Key, *, limit: int) -> list[Row]:
        """Points in (after, upper], in the collection's order."""
        found, order = self.collection.read(after, limit), self.collection.order
        end = bisect_right(found, order(upper), key=lambda each: order(each.key))
        return [_row(each, self.text) for each in found[:end]]

    def reread(self, keys: Sequence[Key]) -> list[Row]:
        """These points; missing ones are left out."""
        return [_row(each, self.text) for each in self.collection.fetch(keys)]


@dataclass(frozen=True, slots=True)
class BackSource:
    """Reads what landed, as the application has changed it there: only what was noted is asked for.

    Attributes:
        old: the collection that the points came from.
        text: how the text is made of a payload that was embedded on the way; None where vectors are carried.
    """

    landing: Landing
    old: Collection
    text: Text | None = None

    def top(self) -> Key | None:
        """None: there is no range to read."""
        return None

    def count(self) -> int:
        """Nothing is read by range."""
        return 0

    def cut(self, after: Key | None, top: Key, *, rows: int) -> Key | None:
        """None: see ``top``."""
        return None

    def read(self, after: Key | None, upper: Key, *, limit: int) -> list[Row]:
        """Nothing: see ``top``."""
        return []

    def reread(self, keys: Sequence[Key]) -> list[Row]:
        """These points as they are now; missing ones are left out.

        Where another model made their vectors, a point has the old store's own, if its text is the same there.
        """
        found = self.landing.fetch(keys)
        if self.text is None:
            return [_row(each) for each in found]
        before = {each.key: each for each in self.old.fetch([each.key for each in found])}
        return [self._returning(each, before.get(each.key), self.text) for each in found]

    def _returning(self, point: Point, before: Point | None, text: Text) -> PointRow:
        """A point with the vectors that it has in the old store; without any where they are of another text."""
        told = text_of(point, text)
        stays = before is not None and text_of(before, text) == told
        # Nothing can be made of no text, and some stores keep points without a vector.
        empty = not (told or "").strip() and self.old.holds.bare
        old = replace(point, vectors=before.vectors if before is not None and stays else {})
        return PointRow(
            key=old.key, text=told, version=(), filled=stays or empty, vector=_NONE, raw=(Seen(old),), point=old
        )


@dataclass(frozen=True, slots=True)
class BackTarget:
    """Lets points flow back into the collection that they came from.

    The collection knows no transactions: what is written there stands before the ledger says so, and is written again
    where that fails.
    """

    begin: Begin
    collection: Collection
    source: BackSource

    def write(self, rows: Sequence[Row], vectors: VectorRows, tx: Tx) -> Written:
        """Stores the points in the place of what stood under their ids."""
        points = [_point(row) for row in rows]
        if self.source.text is not None and not all(row.filled for row in rows):
            # Plan saw that there is one.
            name = next(iter(self.collection.describe().vectors))
            points = [
                point if row.filled else replace(point, vectors={name: vectors[place]})
                for place, (row, point) in enumerate(zip(rows, points, strict=True))
            ]
        rejected = self.collection.write(points)
        bad = {place for place, _ in rejected}
        landed = [place for place in range(len(rows)) if place not in bad]
        self.source.landing.note([rows[place].key for place in landed], tx)
        return Written(landed, rejected=rejected)

    def hold(self, keys: Sequence[Key], tx: Tx) -> list[Row]:
        """Reads these points again; whoever changes them meanwhile notes them anew."""
        return self.source.reread(keys) if keys else []

    def withdraw(self, part: Part, tx: Tx) -> int:
        """Refused: points are taken back as a whole."""
        raise _whole()

    def erase(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes points away that are gone; what could not be written stays as it is there."""
        landing = self.source.landing
        there = {each.key for each in landing.fetch(keys, bare=True)}
        gone = [key for key in keys if key not in there]
        self.collection.erase(gone)
        landing.forget(gone, tx)


@dataclass(frozen=True, slots=True)
class PointTarget:
    """Writes rows that are points where they land.

    Attributes:
        made: name of the one vector that is made; None where they are carried.
    """

    begin: Begin
    landing: Landing
    source: PointSource
    made: str | None = None

    def write(self, rows: Sequence[Row], vectors: VectorRows, tx: Tx) -> Written:
        """Stores the points with the vectors that were made for them, or that they carry themselves."""
        points = [_point(row) for row in rows]
        if self.made is not None:
            made = self.made
            points = [replace(each, vectors={made: vectors[i]}) for i, each in enumerate(points)]
        return self.landing.write(points, tx)

    def hold(self, keys: Sequence[Key], tx: Tx) -> list[Row]:
        """Reads these points again: another store's cannot be locked."""
        return self.source.reread(keys) if keys else []

    def withdraw(self, part: Part, tx: Tx) -> int:
        """Refused: points are taken back as a whole."""
        raise _whole()

    def erase(self, keys: Sequence[Key], tx: Tx) -> None:
        """Takes these points away."""
        self.landing.erase(keys, tx)


def _whole() -> Refused:
    return Refused(
        "A part of a copy is not taken back by itself.",
        needed="A rollback of the whole migration.",
        do="limosa rollback FILE without --chunk or --table.",
    )


def text_of(point: Point, text: Text) -> str | None:
    """The text that a payload gives, as a table's columns give theirs; None where it has no part of it."""
    if text.template is not None:
        names = PLACEHOLDER.findall(text.template)
        values = {name: _words(point.payload, name) for name in names}
        if all(value is None for value in values.values()):
            return None
        return PLACEHOLDER.sub(lambda found: values[found[1]] or "", text.template)
    parts = [part for part in (_words(point.payload, name) for name in text.columns) if part is not None]
    return "\n\n".join(parts) if parts else None


def _words(payload: Mapping[str, Json], field: str) -> str | None:
    _, value = taken(payload, field)
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _row(point: Point, text: Text | None = None) -> PointRow:
    told = text_of(point, text) if text is not None else None
    return PointRow(key=point.key, text=told, version=(), vector=_NONE, raw=(Seen(point),), point=point)


def _point(row: Row) -> Point:
    assert isinstance(row, PointRow)  # noqa: S101 - the ports promise that source and target belong together
    return row.point
