"""The columns that points become: chosen from real ones, and read from the catalogue once they stand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from limosa.model.identity import taken
from limosa.model.migration import Form
from limosa.model.point import Collected, Json, Point, VectorSpec
from limosa.stores.postgres.landing.cells import CELLS, Cell, Kind, cell_of, kind_of
from limosa.stores.postgres.landing.vectors import TYPES

__all__ = ["Arrived", "Field", "chosen", "kinds", "named", "parted", "put_back"]

Part = Literal["key", "made", "field", "rest", "vector"]


@dataclass(frozen=True, slots=True)
class Field:
    """One column.

    Attributes:
        type: as Postgres writes it, without its modifier; a vector's with ``dimensions``.
        element: of an array of vectors its elements' type, by number.
        source: the payload's field, dots lead into nested ones; or the name of the vector; else empty.
    """

    name: str
    type: str
    part: Part
    source: str = ""
    dimensions: int | None = None
    element: int = 0

    @property
    def cell(self) -> Cell:
        """What values go there and come back."""
        return cell_of(self.type)


@dataclass(frozen=True)
class Arrived:
    """All columns of a table of points, the key first, then an id that is made, fields, the rest, and vectors."""

    fields: tuple[Field, ...]

    @cached_property
    def _parts(self) -> Mapping[Part, tuple[Field, ...]]:
        parts = {each.part for each in self.fields}
        return {part: tuple(each for each in self.fields if each.part == part) for part in parts}

    @property
    def key(self) -> Field:
        """The column for the ids."""
        return self.fields[0]

    def of(self, part: Part) -> tuple[Field, ...]:
        """Columns of one part."""
        return self._parts.get(part, ())

    def vector(self, name: str) -> Field:
        """The column of a vector by its name at the source."""
        return next(each for each in self.of("vector") if each.source == name)


def kinds(sample: Iterable[Point], source: str) -> Counter[Kind]:
    """How often a field is of which kind; points without it are not counted."""
    found = (taken(each.payload, source) for each in sample)
    return Counter(kind_of(value) for there, value in found if there)


def chosen(form: Form, collected: Collected, sample: Sequence[Point]) -> Arrived:
    """The columns for such points; what is of several kinds, or was never seen, becomes jsonb."""
    types = {"uint63": "bigint", "uuid": "uuid"}
    # Rows that the application adds later need an old id of their own, by which they are known.
    fields = [Field(form.key, "text" if form.made is not None else types.get(collected.ids, "text"), "key")]
    fields += [Field(form.made.column, "uuid", "made")] if form.made is not None else []
    for name, source in named(form, collected, sample):
        fields.append(Field(name, _known(collected, source) or _type(kinds(sample, source)), "field", source))
    if form.rest is not None:
        fields.append(Field(form.rest, "jsonb", "rest"))
    for name, column in form.vectors:
        spec = collected.vectors.get(name) or VectorSpec(name=name)
        fields.append(Field(column, TYPES[spec.kind], "vector", name, spec.dimensions))
    return Arrived(tuple(fields))


def named(form: Form, collected: Collected, sample: Sequence[Point]) -> tuple[tuple[str, str], ...]:
    """Columns and their fields: those of the file, or one for each field that the source has."""
    if form.columns is not None:
        return form.columns
    fields = collected.fields or sorted({name for each in sample for name in each.payload})
    return tuple((name, name) for name in fields)


def _known(collected: Collected, source: str) -> str:
    """The type that the source has for a field; what cannot be written is told as text."""
    type_ = collected.fields.get(source)
    return "" if type_ is None else type_ if type_ in CELLS else "text"


def _type(found: Mapping[Kind, int]) -> str:
    seen = {kind for kind in found if kind != "null"}
    if seen == {"text"}:
        return "text"
    if seen == {"boolean"}:
        return "boolean"
    if seen == {"whole number"}:
        return "bigint"
    return "double precision" if seen and seen <= {"whole number", "number"} else "jsonb"


def parted(payload: Mapping[str, Json], sources: Sequence[str]) -> tuple[list[Json], dict[str, Json]]:
    """The values of fields, and the payload without them.

    A field that says null stays in the rest: a column's NULL is a field that is not there.
    """
    if not any("." in source for source in sources):
        rest = {name: value for name, value in payload.items() if value is None or name not in sources}
        return [payload.get(source) for source in sources], rest
    values, rest = [], dict(payload)
    for source in sources:
        there, value = taken(rest, source)
        values.append(value)
        if there and value is not None:
            rest = _without(rest, source.split("."))
    return values, rest


def _without(payload: dict[str, Json], path: Sequence[str]) -> dict[str, Json]:
    name, *inner = path
    if not inner:
        return {key: value for key, value in payload.items() if key != name}
    nested = payload[name]
    return {**payload, name: _without(nested, inner)} if isinstance(nested, dict) else payload


def put_back(rest: Mapping[str, Json], values: Iterable[tuple[str, Json]]) -> dict[str, Json]:
    """The payload that ``parted`` took apart."""
    payload = dict(rest)
    for source, value in values:
        if value is not None and "." not in source:
            payload[source] = value
        elif value is not None:
            payload = _with(payload, source.split("."), value)
    return payload


def _with(payload: Mapping[str, Json], path: Sequence[str], value: Json) -> dict[str, Json]:
    name, *inner = path
    nested = payload.get(name)
    return {**payload, name: _with(nested if isinstance(nested, dict) else {}, inner, value) if inner else value}
