"""Identity: an id that is made of what a point says, the same wherever it is made."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from limosa.model.point import Json, Point

__all__ = ["Identity", "Unnamed", "taken"]

_PART = re.compile(r"\{([^{}]+)\}")


class Unnamed(Exception):
    """A point lacks a field that its id is made of; the message names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """How ids are made: UUIDs of version 5 (RFC 9562) from a namespace and a text.

    Attributes:
        column: where they go.
        template: the text; ``{field}`` is a field of the payload, dots lead into nested ones; ``{id}`` the id that the
            point had.
        namespace: a UUID.
    """

    column: str
    template: str
    namespace: str

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


def taken(payload: Mapping[str, Json], source: str) -> tuple[bool, Json]:
    """Whether a payload has a field, and its value; dots lead into nested ones."""
    found: Json = dict(payload)
    for name in source.split("."):
        if not isinstance(found, dict) or name not in found:
            return False, None
        found = found[name]
    return True, found
