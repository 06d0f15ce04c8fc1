"""Filters of a search: fields of the payload that equal values, as Qdrant names and finds them."""

from __future__ import annotations

from collections.abc import Mapping

from limosa.model.identity import taken
from limosa.model.point import Json, Scalar

__all__ = ["FILTERS", "held", "path"]

FILTERS = '[^"]+'
"""Names of fields by which Qdrant filters: its paths know quotes, and no escape for one."""


def path(field: str) -> str:
    """A field's path in Qdrant's words: without quotes only names of plain letters and digits are taken."""
    return ".".join(f'"{name}"' for name in field.split("."))


def held(payload: Mapping[str, Json], where: Mapping[str, Scalar]) -> bool:
    """Whether Qdrant would find a payload by these fields; of a list it takes every element."""
    return all(_equal(taken(payload, field)[1], value) for field, value in where.items())


def _equal(found: Json, value: Scalar) -> bool:
    if isinstance(found, list):
        return any(_equal(each, value) for each in found if not isinstance(each, list))
    return type(found) is type(value) and found == value
