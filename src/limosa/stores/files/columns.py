"""Columns of vectors: decoded by views of what Arrow has in memory, and made of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import types

from limosa.errors import Refused
from limosa.model.batch import Vectors
from limosa.model.point import Point, PointVector, Sparse, VectorSpec

__all__ = ["column_of", "flat", "is_list", "numbers_of", "type_of", "valid_of", "vectors_of"]

_FLOAT = pa.float32()


def type_of(spec: VectorSpec) -> Any:
    """The type of the column that limosa writes for a vector."""
    if spec.kind == "sparse":
        return pa.struct([("positions", pa.list_(pa.uint32())), ("values", pa.list_(_FLOAT))])
    one = pa.list_(_FLOAT) if spec.dimensions is None else pa.list_(_FLOAT, spec.dimensions)
    return pa.list_(one) if spec.kind == "multi" else one


def is_list(type_: Any) -> bool:
    """Whether a column holds lists, of a fixed size or not, of floating-point numbers."""
    lists = (types.is_list, types.is_large_list, types.is_fixed_size_list)
    return any(of(type_) for of in lists) and types.is_floating(type_.value_type)


def vectors_of(array: Any, spec: VectorSpec, where: str) -> list[PointVector | None]:
    """The vectors of a column; None for NULL.

    Raises:
        Refused: a number in one is NULL.
    """
    if types.is_fixed_size_list(array.type) and array.type.list_size and not array.null_count:
        return list(flat(array, where)[0].reshape(-1, array.type.list_size))
    valid = valid_of(array)
    if spec.kind == "sparse":
        positions = vectors_of(array.field("positions"), VectorSpec(name=""), where)
        values = vectors_of(array.field("values"), VectorSpec(name=""), where)
        pairs = zip(positions, values, valid, strict=True)
        return [Sparse(np.asarray(at), np.asarray(of)) if there else None for at, of, there in pairs]
    if spec.kind == "multi":
        inner, starts, ends = _bounds(array)
        whole = flat(inner, where)[0].reshape(-1, inner.type.list_size)
        return [whole[a:b] if there else None for a, b, there in zip(starts, ends, valid, strict=True)]
    numbers, starts, ends = flat(array, where)
    return [numbers[a:b] if there else None for a, b, there in zip(starts, ends, valid, strict=True)]


def flat(array: Any, where: str) -> tuple[NDArray[Any], Any, Any]:
    """All numbers behind each other, and where each row's begin and end; float32, or uint32 where they are."""
    child, starts, ends = _bounds(array)
    if child.null_count and array.flatten().null_count:
        raise Refused(f"A vector in {where} has a NULL among its numbers.", needed="Numbers alone.")
    numbers = numbers_of(child.fill_null(0) if child.null_count else child)
    return numbers if numbers.dtype == np.uint32 else numbers.astype(np.float32, copy=False), starts, ends


def numbers_of(array: Any) -> NDArray[Any]:
    """Numbers of which none is NULL, as numpy sees them where they are.

    ``to_numpy`` would do, and imports pandas, where that is installed, with 60 MB.
    """
    return np.from_dlpack(array)


def valid_of(array: Any) -> NDArray[np.bool_]:
    """Which values are not NULL."""
    return np.ones(len(array), bool) if not array.null_count else numbers_of(array.is_valid().cast("uint8")) == 1


def _bounds(array: Any) -> tuple[Any, Any, Any]:
    """The array of what is in the lists, and where each row's begin and end in it."""
    if types.is_fixed_size_list(array.type):
        size = array.type.list_size
        starts = list(range(0, len(array) * size, size)) if size else [0] * len(array)
        child = array.values.slice(array.offset * size, len(array) * size)
        return child, starts, [start + size for start in starts]
    edges = numbers_of(array.offsets)
    first = int(edges[0]) if len(edges) else 0
    child = array.values.slice(first, int(edges[-1]) - first if len(edges) else 0)
    edges = (edges - first).tolist()
    return child, edges[:-1], edges[1:]


def column_of(points: Sequence[Point], spec: VectorSpec) -> Any:
    """The column of a vector, bit for bit; NULL for points that lack it."""
    found = [point.vectors.get(spec.name) for point in points]
    missing = pa.array([each is None for each in found], type=pa.bool_())
    if spec.kind == "sparse":
        sparse = [each for each in found if isinstance(each, Sparse) or each is None]
        positions = _lists([None if each is None else each.positions for each in sparse], pa.uint32())
        values = _lists([None if each is None else each.values for each in sparse], _FLOAT)
        return pa.StructArray.from_arrays([positions, values], fields=list(type_of(spec)), mask=missing)
    dense = [None if each is None else np.asarray(each) for each in found]
    if spec.kind == "multi":
        counts = [0 if each is None else len(each) for each in dense]
        inner = _fixed(_joined([each for each in dense if each is not None]), spec.dimensions or 1, None)
        return pa.ListArray.from_arrays(_offsets(counts), inner, type=type_of(spec), mask=missing)
    if spec.dimensions is None:
        return _lists(dense, _FLOAT)
    none = np.zeros(spec.dimensions, dtype=np.float32)
    numbers = _joined([none if each is None else each for each in dense])
    return _fixed(numbers, spec.dimensions, missing)


def _fixed(numbers: Vectors, size: int, missing: Any) -> Any:
    return pa.FixedSizeListArray.from_arrays(pa.array(numbers), type=pa.list_(_FLOAT, size), mask=missing)


def _lists(found: Sequence[NDArray[Any] | None], type_: Any) -> Any:
    offsets = _offsets([0 if each is None else len(each) for each in found])
    there = [each for each in found if each is not None]
    numbers = (
        np.concatenate(there) if there else np.zeros(0, dtype=np.uint32 if types.is_integer(type_) else np.float32)
    )
    missing = pa.array([each is None for each in found], type=pa.bool_())
    return pa.ListArray.from_arrays(offsets, pa.array(numbers, type=type_), type=pa.list_(type_), mask=missing)


def _joined(found: Sequence[Vectors]) -> Vectors:
    return np.concatenate([np.ravel(each) for each in found]) if found else np.zeros(0, dtype=np.float32)


def _offsets(counts: Sequence[int]) -> Any:
    return pa.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
