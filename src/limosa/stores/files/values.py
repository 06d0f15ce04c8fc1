"""Columns that others wrote, as values of a payload: nested ones as they are, times as ISO 8601."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pyarrow as pa
from pyarrow import types

from limosa.errors import Refused

__all__ = ["told"]

_Tell = Callable[[Any], Any]

_PLAIN = (
    types.is_null,
    types.is_boolean,
    types.is_integer,
    types.is_string,
    types.is_large_string,
    types.is_string_view,
)
_TIMES = (types.is_timestamp, types.is_date, types.is_time)
_LISTS = (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view, types.is_large_list_view)


def told(column: Any, name: str) -> list[Any]:
    """The values of a column; None for NULL.

    Raises:
        Refused: JSON has nothing that is equal to values of this type; the path of the field is named.
    """
    wanted, tell = _way(column.type, name)
    found: list[Any] = (column if wanted == column.type else column.cast(wanted)).to_pylist()
    return found if tell is None else _each(found, tell)


def _way(type_: Any, path: str) -> tuple[Any, _Tell | None]:
    """The type that a column is cast to, and what is then done with each value; None for nothing."""
    if isinstance(type_, pa.BaseExtensionType):
        return _way(type_.storage_type, path)
    if any(of(type_) for of in _PLAIN):
        return type_, None
    if types.is_floating(type_):
        return (pa.float32(), None) if types.is_float16(type_) else (type_, None)
    if any(of(type_) for of in _TIMES):
        return pa.string(), _iso if types.is_timestamp(type_) else None
    if types.is_dictionary(type_):
        return _way(type_.value_type, path)
    return _nested(type_, path)


def _nested(type_: Any, path: str) -> tuple[Any, _Tell | None]:
    if any(of(type_) for of in _LISTS):
        wanted, tell = _way(type_.value_type, f"{path}[]")
        made = type_ if wanted == type_.value_type else pa.list_(wanted)
        return made, None if tell is None else partial(_each, tell=tell)
    if types.is_struct(type_):
        fields = [(each.name, *_way(each.type, f"{path}.{each.name}")) for each in type_]
        tells = {name: tell for name, _, tell in fields if tell is not None}
        made = pa.struct([(name, wanted) for name, wanted, _ in fields])
        return made, (lambda value: _struct(value, tells)) if tells else None
    if types.is_map(type_) and types.is_string(type_.key_type):
        wanted, tell = _way(type_.item_type, f"{path}{{}}")
        return pa.map_(pa.string(), wanted), lambda value: {
            key: each if tell is None or each is None else tell(each) for key, each in value
        }
    raise Refused(
        f"The field {path} is of the type {type_}, and JSON has nothing that is equal to it.",
        needed="Numbers, booleans, texts, times, and lists and structs of them.",
        do="Write it as text, or leave it out.",
    )


def _each(values: list[Any], tell: _Tell) -> list[Any]:
    return [None if each is None else tell(each) for each in values]


def _struct(value: dict[str, Any], tells: dict[str, _Tell]) -> dict[str, Any]:
    return {name: tells[name](each) if name in tells and each is not None else each for name, each in value.items()}


def _iso(value: str) -> str:
    # Arrow writes 2026-01-31 12:00:00.000001Z; the zone, where there is one, is UTC or an offset.
    return value.replace(" ", "T", 1)
