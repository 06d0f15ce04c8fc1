"""Equality of points, by what each store keeps: vectors bit for bit or by direction, payloads by the values of JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from limosa.model.point import Json, Point, PointVector, Sparse
from limosa.model.vectors import normalised

__all__ = ["UNIT_ERROR", "same", "trace_of"]

UNIT_ERROR = 1e-6
"""The most that normalising twice in float32 moves a component of a unit vector: some units in the last place."""


def same(one: Point, other: Point, *, unit: Set[str] = frozenset()) -> tuple[bool, bool]:
    """Whether the vectors are equal, and whether the payloads are.

    Args:
        unit: names of vectors that one side keeps at length 1: they are equal where they point the same way, to
            ``UNIT_ERROR``; all others bit for bit.
    """
    alike = one.vectors.keys() == other.vectors.keys() and all(
        _alike(vector, other.vectors[name], unit=name in unit) for name, vector in one.vectors.items()
    )
    return alike, _told(one.payload, other.payload)


def _alike(one: PointVector, other: PointVector, *, unit: bool) -> bool:
    if isinstance(one, Sparse) or isinstance(other, Sparse):
        return isinstance(one, Sparse) and isinstance(other, Sparse) and _parts(one) == _parts(other)
    # Every bit counts, that of -0.0 too.
    if one.shape == other.shape and _bits(one, "<f4") == _bits(other, "<f4"):
        return True
    if not unit or one.shape != other.shape:
        return False
    # The vectors of a point that has several of one name are each of length 1.
    apart = normalised(np.atleast_2d(one)) - normalised(np.atleast_2d(other))
    return bool(np.abs(apart).max(initial=0) <= UNIT_ERROR)


def _parts(vector: Sparse) -> tuple[bytes, bytes]:
    return _bits(vector.positions, "<u4"), _bits(vector.values, "<f4")


def _bits(values: NDArray[Any], dtype: str) -> bytes:
    return values.astype(dtype, copy=False).tobytes()


def _told(one: Mapping[str, Json], other: Mapping[str, Json]) -> bool:
    """Whether payloads are equal; most are so to the letter."""
    return (one == other and _letters(one) == _letters(other) != b"") or _equal(one, other)


def _letters(payload: Mapping[str, Json]) -> bytes:
    try:
        return orjson.dumps(payload, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return b""


def _equal(one: object, other: object) -> bool:
    """Values of JSON: numbers by their value, and a truth value is none."""
    if isinstance(one, Mapping):
        return (
            isinstance(other, Mapping)
            and len(one) == len(other)
            and all(name in other and _equal(value, other[name]) for name, value in one.items())
        )
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(_equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and one == other


def trace_of(point: Point) -> str:
    """Sixteen hexadecimal digits that are equal for equal points, wherever they are.

    Of id, payload and every vector, bit for bit; numbers of the payload by their value.
    """
    made = hashlib.blake2b(digest_size=8)
    made.update(json.dumps([point.key, _plain(dict(point.payload))], sort_keys=True, ensure_ascii=True).encode())
    for name, vector in sorted(point.vectors.items()):
        made.update(name.encode() + b"\0")
        parts = _parts(vector) if isinstance(vector, Sparse) else (repr(vector.shape).encode(), _bits(vector, "<f4"))
        for part in parts:
            made.update(part)
    return made.hexdigest()


def _plain(value: Json) -> Json:
    """1.0 is 1: stores differ in which they give back."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return {name: _plain(each) for name, each in value.items()} if isinstance(value, dict) else value
