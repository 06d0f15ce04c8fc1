"""Points as rows of COPY in its binary format, and rows of a SELECT as points."""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, repeat
from typing import Any, TypeAlias, TypeVar

from limosa.model.identity import CARRIED_IDS, MadeIds
from limosa.model.point import Json, Point, PointVector
from limosa.stores.postgres.landing.cells import Unfit, kind_of, text_bytes
from limosa.stores.postgres.landing.columns import Arrived, Field, parted, put_back
from limosa.stores.postgres.landing.vectors import NULL, packed_rows, told_rows

__all__ = ["Cells", "Packed", "blocks", "canonical", "packed", "packed_parts", "points_of"]

_HEAD, _END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"

_PART_ROWS = 200
"""Points that are packed and sent at a time, of 1536 dimensions a megabyte: enough that the calls cost nothing."""

_SIZE = struct.Struct(">i").pack

Cells: TypeAlias = Sequence[bytes | memoryview]
"""Values of a column, or of a row, each with its size."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Packed:
    """Points as rows of COPY in its binary format.

    Attributes:
        places: of the points that can stand in the table, ascending.
        rows: of each of these the parts that its row is made of.
        unfit: why each of the others cannot stand there, by its place.
    """

    places: Sequence[int]
    rows: Sequence[Cells]
    unfit: Mapping[int, str]


def packed_parts(
    points: Sequence[Point], places: Sequence[int], arrived: Arrived, made: MadeIds = CARRIED_IDS
) -> Iterator[Packed]:
    """The points at these places of a batch in parts, each packed when it is asked for."""
    for first in range(0, len(places), _PART_ROWS):
        some = places[first : first + _PART_ROWS]
        yield packed([points[place] for place in some], arrived, made, places=some)


def packed(
    points: Sequence[Point], arrived: Arrived, made: MadeIds = CARRIED_IDS, *, places: Sequence[int] | None = None
) -> Packed:
    """Points as rows of COPY, made column by column.

    Args:
        made: the ids that are made for the points of the batch.
        places: where these points are in the batch; None where they are all of it.

    Source: Postgres's documentation, "COPY", Binary Format; vector_recv in pgvector.
    """
    unfit = _strange(points, arrived)
    at = places if places is not None else range(len(points))
    for number, place in enumerate(at if made.without else ()):
        if place in made.without:
            unfit.setdefault(number, made.without[place])
    ids = [made.ids.get(place) for place in at] if arrived.of("made") else ()
    columns = [*_plain(points, arrived, ids, unfit)]
    columns += [
        _vectors([point.vectors.get(field.source) for point in points], field, unfit) for field in arrived.of("vector")
    ]
    rows = list(zip(repeat(struct.pack(">h", len(columns)), len(points)), *columns, strict=True))
    if unfit:
        fit = [number for number in range(len(points)) if number not in unfit]
        why = {at[number]: each for number, each in unfit.items()}
        return Packed([at[number] for number in fit], [rows[number] for number in fit], why)
    return Packed(at, rows, unfit)


def _plain(
    points: Sequence[Point], arrived: Arrived, ids: Sequence[uuid.UUID | None], unfit: dict[int, str]
) -> Iterator[Cells]:
    """All columns but those of the vectors."""
    fields, rest = arrived.of("field"), arrived.of("rest")
    sources = [each.source for each in fields]
    parts = [parted(point.payload, sources) for point in points]
    yield _column([point.key[0] for point in points], partial(_key, arrived.key), unfit)
    if ids:
        yield _column(ids, _made, unfit)
    for at, field in enumerate(fields):
        yield _column([values[at] for values, _ in parts], _cell(field), unfit)
    for field in rest:
        yield _column([others for _, others in parts], _cell(field), unfit)
    for place, (_, others) in enumerate(() if rest else parts):
        if others:
            unfit.setdefault(place, f"there is no column for its {sorted(others)[0]}")


def _strange(points: Sequence[Point], arrived: Arrived) -> dict[int, str]:
    known = frozenset(each.source for each in arrived.of("vector"))
    return {
        place: f"it has a vector {sorted(point.vectors.keys() - known)[0]!r}, for which there is no column"
        for place, point in enumerate(points)
        if not point.vectors.keys() <= known
    }


def _column(values: Iterable[_T], pack: Callable[[_T], bytes | None], unfit: dict[int, str]) -> Cells:
    """Cells with their sizes; why one cannot be made goes to ``unfit``, the first reason of a point counts."""
    found: list[bytes] = []
    for place, value in enumerate(values):
        try:
            cell = pack(value)
        except Unfit as error:
            unfit.setdefault(place, str(error))
            cell = None
        found.append(NULL if cell is None else _SIZE(len(cell)) + cell)
    return found


def _vectors(vectors: Sequence[PointVector | None], column: Field, unfit: dict[int, str]) -> Cells:
    found, bad = packed_rows(vectors, column.type, column.dimensions, column.element)
    called = f"the vector {column.source!r}" if column.source else "its vector"
    for place, why in bad.items():
        unfit.setdefault(place, f"{called} {why}")
    return found


def _made(found: uuid.UUID | None) -> bytes | None:
    return None if found is None else found.bytes


def blocks(parts: Iterable[Packed]) -> Iterator[bytes]:
    """Rows as the stream that COPY reads."""
    yield _HEAD
    for part in parts:
        yield b"".join(chain.from_iterable(part.rows))
    yield _END


_WHOLE = {"smallint": ">h", "integer": ">i", "bigint": ">q"}


def _key(column: Field, key: str) -> bytes:
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


def _cell(column: Field) -> Callable[[Json], bytes | None]:
    pack, takes = column.cell.pack, column.cell.takes
    told = column.source or f"a text for {column.name}"

    def cell(value: Json) -> bytes | None:
        if value is None:
            return None
        if pack is None:
            raise Unfit(f"{column.name} is of the type {column.type}, which is only read")
        try:
            return pack(value)
        except Unfit as error:
            raise Unfit(
                f"{told} {str(error) or f'is a {kind_of(value)} here, and the column takes {takes}'}"
            ) from error

    return cell


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
        return [Point((row[0],)) for row in rows]
    parts = (rows[start : start + _PART_ROWS] for start in range(0, len(rows), _PART_ROWS))
    return [point for part in parts for point in _points(part, arrived)]


def _points(rows: Sequence[Sequence[Any]], arrived: Arrived) -> Iterator[Point]:
    fields, rest, vectors = arrived.of("field"), arrived.of("rest"), arrived.of("vector")
    keys, *columns = zip(*rows, strict=True)
    sources = [each.source for each in fields]
    told = [_values(each, column) for each, column in zip(fields, columns, strict=False)]
    values = zip(*told, strict=True) if told else repeat((), len(rows))
    others = [_others(value, rest[0].name) for value in columns[len(fields)]] if rest else repeat({}, len(rows))
    payloads = (put_back(other, zip(sources, row, strict=True)) for other, row in zip(others, values, strict=True))
    names = [each.source for each in vectors]
    stored = columns[len(fields) + len(rest) :]
    found = [told_rows(column, each.type) for each, column in zip(vectors, stored, strict=True)]
    rows_of_vectors = zip(*found, strict=True) if found else repeat((), len(rows))
    for key, payload, row in zip(keys, payloads, rows_of_vectors, strict=True):
        here = {name: vector for name, vector in zip(names, row, strict=True) if vector is not None}
        yield Point((key,), here, payload)


def _values(column: Field, found: Sequence[Any]) -> Sequence[Json]:
    told = column.cell.told
    return [None if value is None else told(value) for value in found]
