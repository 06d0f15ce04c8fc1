"""Rows of Milvus as points, and points as rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from pymilvus import DataType

from limosa.errors import RowRefused
from limosa.model.point import Json, Point, PointVector, Sparse, VectorSpec
from limosa.stores.milvus.fields import PAYLOAD, Fields

__all__ = ["point_of", "row_of", "unfit"]

_TEXT = "limosa"
"""The only field of a payload that Milvus's JSON does not hold as it is; in it the payload as JSON text."""

_INTS = range(-(2**63), 2**64)


def point_of(row: Mapping[str, Any], fields: Fields) -> Point:
    """A row, as the client tells it, as a point."""
    rest = {name: value for name, value in row.items() if name != fields.key and name not in fields.vectors}
    return Point(
        key=(str(row[fields.key]),),
        vectors={
            spec.name: _vector(row[field], spec) for field, spec in fields.vectors.items() if row.get(field) is not None
        },
        payload=_opened(rest[PAYLOAD]) if fields.own else {name: _plain(value) for name, value in rest.items()},
    )


def row_of(point: Point, fields: Fields) -> dict[str, Any]:
    """A point as a row.

    Raises:
        RowRefused: there is no field for one of the payload's, or it would keep another value.
    """
    row: dict[str, Any] = {fields.key: int(point.key[0]) if fields.numbers else point.key[0]}
    for field, spec in fields.vectors.items():
        vector = point.vectors[spec.name]
        row[field] = _weights(vector) if isinstance(vector, Sparse) else vector
    if fields.own:
        return {**row, PAYLOAD: _closed(dict(point.payload))}
    strange = sorted(set(point.payload) - set(fields.scalars))
    if strange and (not fields.dynamic or "$meta" in strange):
        raise RowRefused(f"the collection has no field {strange[0]!r}")
    for name, value in point.payload.items():
        if fields.scalars.get(name) == DataType.FLOAT and value is not None and not _is_float32(value):
            raise RowRefused(f"the field {name} would keep another value")
        row[name] = value
    # A nullable field that is not named would keep what stood there.
    return {**dict.fromkeys(fields.scalars), **row}


def unfit(point: Point, fields: Fields) -> str:
    """Why the vectors of a point are not taken."""
    if set(point.vectors) != {spec.name for spec in fields.vectors.values()}:
        return "Milvus keeps every vector of the collection for each point, and no other"
    for spec in fields.vectors.values():
        vector = point.vectors[spec.name]
        if why := _unfit_sparse(vector) if spec.kind == "sparse" else _unfit_dense(vector, spec):
            return f"its vector {spec.name!r} {why}"
    return ""


def _unfit_sparse(vector: PointVector) -> str:
    if not isinstance(vector, Sparse):
        return "is not sparse"
    fits = len(vector.values) > 0 and np.isfinite(vector.values).all() and (vector.values >= 0).all()
    return "" if fits and vector.values.any() else "has no weight, or one that is negative or no number"


def _unfit_dense(vector: PointVector, spec: VectorSpec) -> str:
    if isinstance(vector, Sparse) or vector.shape != (spec.dimensions,):
        return f"is not one of {spec.dimensions} dimensions"
    return "" if np.isfinite(vector).all() else "holds a value that is no number"


def _vector(told: Any, spec: VectorSpec) -> PointVector:
    if spec.kind == "dense":
        return np.asarray(told, dtype=np.float32)
    pairs = sorted(told.items())
    return Sparse(np.array([at for at, _ in pairs], np.uint32), np.array([value for _, value in pairs], np.float32))


def _weights(vector: Sparse) -> dict[int, float]:
    return dict(zip(vector.positions.tolist(), vector.values.tolist(), strict=True))


def _plain(value: Any) -> Json:
    """Arrays come in a sequence of the client's own."""
    told: Json = value if value is None or isinstance(value, (bool, int, float, str, list, dict)) else list(value)
    return told


def _closed(payload: dict[str, Json]) -> dict[str, Json]:
    return payload if _held(payload) and set(payload) != {_TEXT} else {_TEXT: json.dumps(payload)}


def _opened(told: Any) -> dict[str, Json]:
    found: dict[str, Json] = json.loads(told[_TEXT]) if set(told) == {_TEXT} else told
    return found


def _held(value: Json) -> bool:
    """Whether Milvus's JSON keeps a value as it is."""
    if isinstance(value, dict):
        return all(_held(name) and _held(each) for name, each in value.items())
    if isinstance(value, list):
        return all(map(_held, value))
    if isinstance(value, str):
        return not any("\ud800" <= each <= "\udfff" for each in value)
    if isinstance(value, float):
        return bool(np.isfinite(value))
    return value is None or value in _INTS


def _is_float32(value: Json) -> bool:
    return isinstance(value, (int, float)) and float(np.float32(value)) == value
