"""Rows of a table as points, and points as rows."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import types

from limosa.errors import RowRefused
from limosa.model.batch import Vectors
from limosa.model.point import Json, Point
from limosa.stores.lancedb.layout import PAYLOAD, Layout

__all__ = ["points_of", "rows_of"]


def points_of(found: pa.Table, layout: Layout) -> list[Point]:
    """Points of the columns that are there.

    Bytes are told in base64; dates, times and decimals as texts, with every digit that they have.
    """
    keys = [str(each) for each in found[layout.key].to_pylist()]
    vectors = {
        spec.name: _vectors(found[column]) for column, spec in layout.vectors.items() if column in found.schema.names
    }
    payloads = _payloads(found, layout)
    return [
        Point(
            key=(key,),
            vectors={name: each for name, column in vectors.items() if (each := column[row]) is not None},
            payload=payloads[row],
        )
        for row, key in enumerate(keys)
    ]


def rows_of(points: Sequence[Point], layout: Layout) -> pa.Table:
    """Points as rows with every column of the table.

    Raises:
        RowRefused: a column does not hold a value as it is, or there is none for a field.
    """
    columns = {spec.name: column for column, spec in layout.vectors.items()}
    made: dict[str, Any] = {layout.key: [int(each.key[0]) if layout.numbers else each.key[0] for each in points]}
    for name, column in columns.items():
        made[column] = [each.vectors.get(name) for each in points]
    if layout.own:
        made[PAYLOAD] = [json.dumps(dict(each.payload)) for each in points]
    else:
        _fields(points, layout, made)
    arrays = [_array(made[field.name], field) for field in layout.schema]
    rows = pa.Table.from_arrays(arrays, schema=layout.schema)
    if not layout.own:
        _must_be_equal(points, rows, layout)
    return rows


def _vectors(column: pa.ChunkedArray) -> list[Vectors | None]:
    found: list[Vectors | None] = []
    for chunk in column.chunks:
        values = chunk.values.slice(chunk.offset * chunk.type.list_size, len(chunk) * chunk.type.list_size)
        # to_numpy would do, and imports pandas.
        numbers = np.from_dlpack(values.fill_null(0) if values.null_count else values)
        rows = numbers.astype(np.float32, copy=False).reshape(len(chunk), chunk.type.list_size)
        found += [row if there else None for row, there in zip(rows, chunk.is_valid().to_pylist(), strict=True)]
    return found


def _payloads(found: pa.Table, layout: Layout) -> list[dict[str, Json]]:
    if layout.own:
        return (
            [json.loads(each) for each in found[PAYLOAD].to_pylist()] if PAYLOAD in found.schema.names else _none(found)
        )
    names = [name for name in found.schema.names if name != layout.key and name not in layout.vectors]
    columns = [_told(found[name]) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)] if names else _none(found)


def _none(found: pa.Table) -> list[dict[str, Json]]:
    return [{} for _ in range(found.num_rows)]


def _told(column: pa.ChunkedArray) -> list[Json]:
    if types.is_binary(column.type) or types.is_large_binary(column.type):
        return [None if each is None else base64.b64encode(each).decode() for each in column.to_pylist()]
    if _as_text(column.type):
        column = column.cast(pa.string())
    told: list[Json] = column.to_pylist()
    return told


def _as_text(kind: pa.DataType) -> bool:
    return bool(types.is_temporal(kind) or types.is_decimal(kind))


def _fields(points: Sequence[Point], layout: Layout, made: dict[str, Any]) -> None:
    names = [name for name in layout.schema.names if name not in made]
    for each in points:
        strange = sorted(set(each.payload) - set(names))
        if strange:
            raise RowRefused(f"the table has no column for its field {strange[0]!r}")
    for name in names:
        made[name] = [each.payload.get(name) for each in points]


def _array(values: Sequence[Any], field: pa.Field) -> pa.Array:
    try:
        if types.is_fixed_size_list(field.type) and any(isinstance(each, np.ndarray) for each in values):
            return _fixed(values, field.type)
        if types.is_binary(field.type) or types.is_large_binary(field.type):
            return pa.array([None if each is None else base64.b64decode(each) for each in values], field.type)
        if _as_text(field.type):
            return pa.array(values, pa.string()).cast(field.type)
        return pa.array(values, field.type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise RowRefused(
            f"the column {field.name} does not take it: {str(error).partition(chr(10))[0][:150]}"
        ) from error


def _fixed(values: Sequence[Vectors | None], kind: pa.DataType) -> pa.Array:
    none = np.zeros(kind.list_size, np.float32)
    flat = np.concatenate([none if each is None else each for each in values])
    missing = pa.array([each is None for each in values])
    return pa.FixedSizeListArray.from_arrays(pa.array(flat, pa.float32()), type=kind, mask=missing)


def _must_be_equal(points: Sequence[Point], rows: pa.Table, layout: Layout) -> None:
    """A column may be narrower than a value: a float32 keeps 0.1 as something else, and no error is raised."""
    for each, kept in zip(points, points_of(rows, layout), strict=True):
        wrong = [name for name, value in each.payload.items() if not _equal(value, kept.payload[name])]
        if wrong:
            raise RowRefused(f"the column {wrong[0]} would keep another value than the field's")


def _equal(one: Json | Mapping[str, Json], other: Json) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True) or (
        isinstance(one, (int, float)) and not isinstance(one, bool) and not isinstance(other, bool) and one == other
    )
