"""Ids that are made for points: two points that would share one are told apart, and neither overwrites the other."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from limosa.model.identity import Identity, Unnamed
from limosa.model.point import Point
from limosa.stores.postgres.landing.cells import Unfit

__all__ = ["CARRIED_IDS", "MadeIds", "made_ids"]


@dataclass(frozen=True, slots=True)
class MadeIds:
    """By a point's place in its batch: the id, or why it has none; both empty where ids are carried."""

    ids: Mapping[int, uuid.UUID]
    without: Mapping[int, str]

    def of(self, place: int) -> uuid.UUID | None:
        """The id of the point at this place; None where ids are carried.

        Raises:
            Unfit: it has none.
        """
        if place in self.without:
            raise Unfit(self.without[place])
        return self.ids.get(place)


CARRIED_IDS = MadeIds({}, {})
"""Points keep their ids."""


def made_ids(
    points: Sequence[Point], identity: Identity, standing: Callable[[Sequence[str]], Mapping[str, str]]
) -> MadeIds:
    """The ids of a batch.

    Args:
        standing: of ids, those that rows have already, with the old ids of these rows; empty where the row is no point.
    """
    ids: dict[int, uuid.UUID] = {}
    without: dict[int, str] = {}
    for place, point in enumerate(points):
        try:
            ids[place] = identity.made(point)
        except Unnamed as error:
            without[place] = f"it lacks {error}, of which its id is made"
    owners = dict(standing([str(each) for each in ids.values()]))
    written = {point.key[0] for point in points}
    # A row of the batch's own goes before it is written anew.
    owners = {each: owner for each, owner in owners.items() if owner not in written}
    for place, made in list(ids.items()):
        owner = owners.setdefault(str(made), points[place].key[0])
        if owner != points[place].key[0]:
            whose = f"the point {owner}" if owner else "a row of the application's"
            without[place] = f"{whose} has the same id by the template, {made}"
            del ids[place]
    return MadeIds(ids, without)
