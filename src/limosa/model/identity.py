"""Identity: an id that is made of what a point says, the same wherever it is made."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from limosa.model.point import Json, Point

__all__ = ["CARRIED_IDS", "Identity", "MadeIds", "Unnamed", "made_ids", "taken"]

_PART = re.compile(r"\{([^{}]+)\}")


class Unnamed(Exception):
    """A point lacks a field that its id is made of; the message names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """How ids are made: UUIDs of version 5 (RFC 9562) from a namespace and a text.

    Attributes:
        column: where they go in a table; empty for a collection, whose points have one id.
        old: the column, or the field of a collection's payload, that keeps the ids that points had.
        template: the text; ``{field}`` is a field of the payload, dots lead into nested ones; ``{id}`` the id that the
            point had.
        namespace: a UUID.
    """

    template: str
    namespace: str
    old: str
    column: str = ""

    @property
    def fields(self) -> tuple[str, ...]:
        """What the template names."""
        return tuple(_PART.findall(self.template))

    def made(self, point: Point) -> uuid.UUID:
        """The id of a point.

        Raises:
            Unnamed: a field is not there, or null.
        """

        def filled(found: re.Match[str]) -> str:
            there, value = (True, point.key[0]) if found[1] == "id" else taken(point.payload, found[1])
            if not there or value is None:
                raise Unnamed(found[1])
            return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)

        return uuid.uuid5(uuid.UUID(self.namespace), _PART.sub(filled, self.template))


@dataclass(frozen=True, slots=True)
class MadeIds:
    """By a point's place in its batch: the id, or why it has none; both empty where ids are carried."""

    ids: Mapping[int, uuid.UUID]
    without: Mapping[int, str]


CARRIED_IDS = MadeIds({}, {})
"""Points keep their ids."""


def made_ids(
    points: Sequence[Point], identity: Identity, standing: Callable[[Sequence[str]], Mapping[str, str]]
) -> MadeIds:
    """The ids of a batch: two points that would share one are told apart, and neither overwrites the other.

    Args:
        standing: of ids, those that are taken already, with the old ids of the points that have them; empty where that
            is no point.
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
    # A point of the batch's own goes before it is written anew.
    owners = {each: owner for each, owner in owners.items() if owner not in written}
    for place, made in list(ids.items()):
        owner = owners.setdefault(str(made), points[place].key[0])
        if owner != points[place].key[0]:
            whose = f"the point {owner}" if owner else "a row of the application's"
            without[place] = f"{whose} has the same id by the template, {made}"
            del ids[place]
    return MadeIds(ids, without)


def taken(payload: Mapping[str, Json], source: str) -> tuple[bool, Json]:
    """Whether a payload has a field, and its value; dots lead into nested ones."""
    found: Json = dict(payload)
    for name in source.split("."):
        if not isinstance(found, dict) or name not in found:
            return False, None
        found = found[name]
    return True, found
