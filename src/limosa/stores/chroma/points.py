"""A payload as Chroma keeps it: a document, a URI, and metadata whose values are scalars.

What Chroma keeps exactly lies where its own filters find it; everything else lies as one JSON text in the metadata
field ``limosa``. A payload is told as it was, wherever its parts lie:

- ``document`` is the record's document where it is a text, and ``chroma:uri`` its URI;
- a metadata field that is itself called ``document`` is told as ``metadata.document``, and so on for one that is
  called that: one ``metadata.`` more than in Chroma.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from limosa.model.point import Json, Scalar

__all__ = ["FILTERS", "Kept", "REST", "condition_of", "kept_of", "payload_of"]

REST = "limosa"
"""The metadata field for what Chroma does not keep as it is."""

_DOCUMENT, _URI = "document", "chroma:uri"

_NAMESAKE = re.compile(r"(metadata\.)*document")
_PREFIX = "metadata."

_RESERVED = ("#", "$", "chroma:")
"""Metadata fields may not begin so (seen with chromadb 1.5.9, which refuses the whole batch)."""

_INTS = range(-(2**63), 2**63)
"""A larger number comes back as a float (seen with chromadb 1.5.9)."""

FILTERS = r"(?!(document|limosa)$|#|\$|chroma:)[^.]+"
"""Names of fields by which Chroma filters: what is nested lies in one JSON text, and documents are no metadata."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A payload in Chroma's parts."""

    document: str | None
    uri: str | None
    metadata: Mapping[str, bool | int | float | str]


def kept_of(payload: Mapping[str, Json]) -> Kept:
    """A payload in parts."""
    rest = dict(payload)
    document, uri = _taken(rest, _DOCUMENT), _taken(rest, _URI)
    metadata = {name: rest.pop(name) for name, value in payload.items() if name in rest and _native(name, value)}
    told: dict[str, Any] = {_inside(name): value for name, value in metadata.items()}
    if rest:
        told[REST] = json.dumps(rest)
    return Kept(document, uri, told)


def payload_of(kept: Kept) -> dict[str, Json]:
    """A payload of its parts."""
    payload: dict[str, Json] = {}
    for name, value in kept.metadata.items():
        if name == REST and (rest := _object(value)) is not None:
            payload |= rest
        else:
            payload[_PREFIX + name if _NAMESAKE.fullmatch(name) else name] = _told(value)
    if kept.document is not None:
        payload[_DOCUMENT] = kept.document
    if kept.uri is not None:
        payload[_URI] = kept.uri
    return payload


def condition_of(where: Mapping[str, Scalar]) -> dict[str, Any] | None:
    """Fields of a payload that equal values, as Chroma's condition on metadata; of several it wants a list."""
    each = [{name: {"$eq": value}} for name, value in where.items()]
    return {"$and": each} if len(each) > 1 else each[0] if each else None


def _taken(rest: dict[str, Json], name: str) -> str | None:
    value = rest.get(name)
    if not isinstance(value, str) or not _encodes(value):
        return None
    del rest[name]
    return value


def _inside(name: str) -> str:
    return name.removeprefix(_PREFIX) if _NAMESAKE.fullmatch(name) else name


def _native(name: str, value: Json) -> bool:
    """Whether Chroma keeps a field as it is."""
    # "document" itself is here only where it is no text: inside, the name belongs to "metadata.document".
    if name in {"", REST, _DOCUMENT} or name.startswith(_RESERVED) or not _encodes(name):
        return False
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return _encodes(value)
    return isinstance(value, int) and value in _INTS


def _encodes(text: str) -> bool:
    """JSON can hold half of a surrogate pair; UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(value: object) -> dict[str, Json] | None:
    """What limosa keeps in its field; None where a user's own text lies there."""
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _told(value: Any) -> Json:
    """Lists, and sparse vectors as an object, come from the vendor's own client alone."""
    told: Json = value.to_dict() if hasattr(value, "to_dict") else value
    return told
