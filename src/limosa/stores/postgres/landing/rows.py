"""Points as rows of COPY in its binary format, and rows of a SELECT as points."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from limosa.model.point import Json, Point
from limosa.stores.postgres.landing.cells import Unfit, kind_of, text_bytes
from limosa.stores.postgres.landing.columns import Arrived, Field, parted, put_back
from limosa.stores.postgres.landing.made import CARRIED_IDS, MadeIds
from limosa.stores.postgres.landing.vectors import packed_rows, told_rows

__all__ = ["blocks", "canonical", "packed", "points_of"]

_HEAD, _END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"

_BLOCK_BYTES = 1 << 20
"""A megabyte is sent at a time: enough that the calls cost nothing."""


def packed(points: Sequence[Point], arrived: Arrived, made: MadeIds = CARRIED_IDS) -> Iterator[bytes | Unfit]:
    """Each point as a row of COPY in its binary format, or why it cannot stand in the table; made as they are taken.

    Args:
        made: the ids that are made for them.

    Source: Postgres's documentation, "COPY", Binary Format; vector_recv in pgvector.
    """
    vectors = [
        packed_rows([point.vectors.get(each.source) for point in points], each.type, each.dimensions, each.element)
        for each in arrived.of("vector")
    ]
    known = frozenset(each.source for each in arrived.of("vector"))
    for place, point in enumerate(points):
        try:
            strange = sorted(point.vectors.keys() - known)
            if strange:
                raise Unfit(f"it has a vector {strange[0]!r}, for which there is no column")
            cells = [*_cells(point, arrived, made.of(place)), *_stored(vectors, place, arrived)]
        except Unfit as error:
            yield error
            continue
        yield b"".join([struct.pack(">h", len(cells)), *(_sized(cell) for cell in cells)])


def _cells(point: Point, arrived: Arrived, made: uuid.UUID | None) -> Iterator[bytes | None]:
    """All but the vectors."""
    fields = arrived.of("field")
    values, rest = parted(point.payload, [each.source for each in fields])
    yield _key(point.key[0], arrived.key)
    if made is not None:
        yield made.bytes
    for column, value in zip(fields, values, strict=True):
        yield _cell(column, value)
    for column in arrived.of("rest"):
        yield _cell(column, rest)
    if rest and not arrived.of("rest"):
        raise Unfit(f"there is no column for its {sorted(rest)[0]}")


def _stored(vectors: Sequence[Sequence[bytes | Unfit | None]], place: int, arrived: Arrived) -> Iterator[bytes | None]:
    for column, found in zip(arrived.of("vector"), vectors, strict=True):
        cell = found[place]
        if isinstance(cell, Unfit):
            raise Unfit(f"the vector {column.source!r} {cell}" if column.source else f"its vector {cell}")
        yield cell


def blocks(rows: Iterable[bytes]) -> Iterator[bytes]:
    """Rows as the stream that COPY reads."""
    parts, size = [_HEAD], 0
    for row in rows:
        parts.append(row)
        size += len(row)
        if size >= _BLOCK_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    yield b"".join([*parts, _END])


def _sized(cell: bytes | None) -> bytes:
    return b"\xff\xff\xff\xff" if cell is None else struct.pack(">i", len(cell)) + cell


_WHOLE = {"smallint": ">h", "integer": ">i", "bigint": ">q"}


def _key(key: str, column: Field) -> bytes:
    if column.type in _WHOLE:
        try:
            return struct.pack(_WHOLE[column.type], int(key) if str(int(key)) == key else "")
        except (ValueError, struct.error) as error:
            raise Unfit(f"its id does not fit into {column.name}, which takes {column.type}") from error
    if column.type == "uuid":
        try:
            return uuid.UUID(key if "-" in key else "").bytes
        except ValueError as error:
            raise Unfit(f"its id is no UUID, and {column.name} takes none else") from error
    try:
        return text_bytes(key)
    except Unfit as error:
        raise Unfit(f"its id {error}") from error


def _cell(column: Field, value: Json) -> bytes | None:
    if value is None:
        return None
    cell = column.cell
    told = column.source or f"a text for {column.name}"
    if cell.pack is None:
        raise Unfit(f"{column.name} is of the type {column.type}, which is only read")
    try:
        return cell.pack(value)
    except Unfit as error:
        why = str(error) or f"is a {kind_of(value)} here, and the column takes {cell.takes}"
        raise Unfit(f"{told} {why}") from error


def _others(value: Any, name: str) -> dict[str, Json]:
    """The rest of a payload; what is no object is told under the column's own name."""
    return value if isinstance(value, dict) else {} if value is None else {name: value}


def canonical(point: Point, arrived: Arrived) -> Point:
    """The point as it is told once it has come back."""
    columns = [each for each in arrived.of("field") if each.cell.changes]
    if not columns:
        return point
    values, rest = parted(point.payload, [each.source for each in columns])
    told = [(each.source, each.cell.canonical(value)) for each, value in zip(columns, values, strict=True)]
    return replace(point, payload=put_back(rest, told))


def points_of(rows: Sequence[Sequence[Any]], arrived: Arrived, *, bare: bool = False) -> list[Point]:
    """Points from rows whose cells are: the key as text, fields, the rest, and vectors as they are sent.

    Args:
        bare: only the key was asked for.
    """
    if bare:
        return [Point(key=(row[0],), vectors={}, payload={}) for row in rows]
    fields, rest, columns = arrived.of("field"), arrived.of("rest"), arrived.of("vector")
    at = 1 + len(fields)
    first = at + len(rest)
    stored = [told_rows([row[first + i] for row in rows], each.type) for i, each in enumerate(columns)]
    found = []
    for place, row in enumerate(rows):
        inner = [
            (each.source, None if value is None else each.cell.told(value))
            for each, value in zip(fields, row[1:at], strict=True)
        ]
        others = _others(row[at], rest[0].name) if rest else {}
        vectors = {
            column.source: vector
            for column, told in zip(columns, stored, strict=True)
            if (vector := told[place]) is not None
        }
        found.append(Point(key=(row[0],), payload=put_back(others, inner), vectors=vectors))
    return found
