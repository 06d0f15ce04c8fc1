"""Ids that are made for points of a collection: which point has which, and how it is told under the one that it had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from limosa.model.batch import Key
from limosa.model.identity import Identity, made_ids
from limosa.model.point import Point
from limosa.ports.home import Landed
from limosa.ports.tx import Tx

__all__ = ["Names", "Renamed"]


@dataclass(frozen=True, slots=True)
class Renamed:
    """A batch as it is to stand.

    Attributes:
        points: by their place in the batch, under their ids there.
        without: why others have no id.
        left: points of the batch that stand under an id that they shall not have any more, and that id.
    """

    points: Mapping[int, Point]
    without: Mapping[int, str] = field(default_factory=dict)
    left: Mapping[Key, Key] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Names:
    """The ids of one collection's points; their own where none are made.

    A point that the application made there after the switch is on no list, and known by its own id.
    """

    landed: Landed
    identity: Identity | None

    def renamed(self, points: Sequence[Point], tx: Tx) -> Renamed:
        """A batch under the ids that are made for it, the old ones in the payload."""
        if self.identity is None:
            return Renamed(dict(enumerate(points)))
        old = self.identity.old

        def standing(ids: Sequence[str]) -> Mapping[str, str]:
            return {of: key for (of,), (key,) in self.landed.keys([(each,) for each in ids], tx).items()}

        found = made_ids(points, self.identity, standing)
        without = dict(found.without)
        for place, each in enumerate(points):
            if old in each.payload:
                without[place] = f"its payload has a field {old}, which is to keep the id that it had"
        made = {
            place: replace(
                points[place], key=(str(each),), payload={**points[place].payload, old: points[place].key[0]}
            )
            for place, each in found.ids.items()
            if place not in without
        }
        before = self.landed.ids([each.key for each in points], tx)
        left = {
            each.key: before[each.key]
            for place, each in enumerate(points)
            if each.key in before and (place not in made or before[each.key] != made[place].key)
        }
        return Renamed(made, without, left)

    def told(self, point: Point, key: Key) -> Point:
        """A point of the collection as it was before it got its id."""
        if self.identity is None:
            return point
        old = self.identity.old
        payload = point.payload
        if payload.get(old) == key[0]:
            payload = {name: value for name, value in payload.items() if name != old}
        return replace(point, key=key, payload=payload)

    def ids(self, keys: Sequence[Key], tx: Tx) -> Mapping[Key, Key]:
        """By key the id that a point has, or had; its own where none was made, if no other point has that."""
        if self.identity is None:
            return {key: key for key in keys}
        made = self.landed.ids(keys, tx)
        own = [key for key in keys if key not in made]
        taken = self.landed.keys(own, tx)
        return {**made, **{key: key for key in own if key not in taken}}

    def keys(self, ids: Sequence[Key]) -> list[Key]:
        """The keys of points with these ids, in their order."""
        if self.identity is None:
            return list(ids)
        with self.landed.begin(snapshot=True) as tx:
            known = self.landed.keys(ids, tx)
        return [known.get(each, each) for each in ids]
