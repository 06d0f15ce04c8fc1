"""Which columns of a table are id, vectors and payload; of a table that limosa made, and of any other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import types

from limosa.errors import Refused
from limosa.model.point import Collected, Scalar, VectorSpec

__all__ = ["KEYS", "Layout", "PAYLOAD", "layout_of", "made_schema"]

KEYS = ("id", "_id", "key")
"""Columns that are taken for the id, the first that is there."""

PAYLOAD = "payload"
"""The column of a table of limosa's own: the payload as JSON text."""

_NOTE = b"limosa"
"""In the metadata of a schema: which vector a column holds, and how it is compared."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table.

    Attributes:
        numbers: ids are whole numbers; else texts.
        vectors: by column, what it holds.
        own: limosa made it; the payload is JSON text in one column.
        filters: by payload field that a search can be filtered by, its column in SQL, and whether its values are truth
            values, whole numbers or texts. The JSON text of a table of limosa's own holds none.
    """

    key: str
    numbers: bool
    vectors: Mapping[str, VectorSpec]
    own: bool
    schema: pa.Schema
    filters: Mapping[str, tuple[str, type[Scalar]]]


def layout_of(schema: pa.Schema) -> Layout:
    """Reads a schema.

    Raises:
        Refused: no column can be the id, or one holds what no payload can.
    """
    note = json.loads((schema.metadata or {}).get(_NOTE, b"{}"))
    key = next((name for name in KEYS if name in schema.names), None)
    if key is None or not (types.is_integer(schema.field(key).type) or _text(schema.field(key).type)):
        raise Refused(
            f"No column of the table can be the id; it has {', '.join(schema.names)}.",
            needed=f"A column of texts or whole numbers that is called {' or '.join(KEYS)}.",
            do="Add one with table.add_columns, with a value of its own in every row.",
        )
    vectors = {
        field.name: _spec(field, note.get("vectors", {}).get(field.name)) for field in schema if _dense(field.type)
    }
    rest = [field for field in schema if field.name != key and field.name not in vectors]
    strange = [f"{field.name} ({field.type})" for field in rest if not _carried(field.type)]
    if strange or schema.field(key).type == pa.uint64():
        raise Refused(
            f"LanceDB's columns hold what limosa cannot carry: {', '.join(strange) or key + ' (uint64)'}.",
            needed="Truth values, numbers and texts, lists and structs of these, bytes, dates, times and decimals.",
            do="Change or drop these columns in a copy of the table.",
        )
    filters = {} if note else {name: each for field in rest for name, each in _filters(field)}
    return Layout(key, types.is_integer(schema.field(key).type), vectors, bool(note), schema, filters)


def made_schema(wanted: Collected) -> pa.Schema:
    """The schema of a table for these vectors."""
    columns = {_column(place, name): spec for place, (name, spec) in enumerate(wanted.vectors.items())}
    note = {column: {"name": spec.name, "metric": spec.metric} for column, spec in columns.items()}
    fields = [pa.field(column, pa.list_(pa.float32(), spec.dimensions or 0)) for column, spec in columns.items()]
    return pa.schema(
        [pa.field(KEYS[0], pa.string(), nullable=False), *fields, pa.field(PAYLOAD, pa.string(), nullable=False)],
        metadata={_NOTE: json.dumps({"vectors": note}).encode()},
    )


def _column(place: int, name: str) -> str:
    """A name that needs no quotes wherever LanceDB takes one."""
    if not name:
        return "vector"
    free = name.isascii() and name.isidentifier() and name not in {*KEYS, PAYLOAD, "vector"}
    return name if free and not name.startswith("_") else f"vector_{place}"


def _spec(field: pa.Field, note: Mapping[str, str] | None) -> VectorSpec:
    name = note["name"] if note else "" if field.name == "vector" else field.name
    # LanceDB compares by l2 where nothing else is said; an index says it for its column.
    metric = note["metric"] if note else "l2"
    return VectorSpec(name=name, dimensions=field.type.list_size, metric=metric)  # type: ignore[arg-type]


def _filters(field: pa.Field, before: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, type[Scalar]]]]:
    """The fields in a column that can be compared with a value: itself, or those of a struct."""
    path = (*before, field.name)
    if types.is_struct(field.type):
        for each in field.type:
            yield from _filters(each, path)
    kinds: dict[type[Scalar], bool] = {
        bool: types.is_boolean(field.type),
        int: types.is_integer(field.type),
        str: _text(field.type),
    }
    for kind, its in kinds.items():
        if its and not any("`" in name or "." in name for name in path):
            yield ".".join(path), (".".join(f"`{name}`" for name in path), kind)


def _dense(kind: pa.DataType) -> bool:
    return bool(types.is_fixed_size_list(kind) and kind.value_type == pa.float32())


def _text(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind))


def _carried(kind: pa.DataType) -> bool:
    time = types.is_temporal(kind) and not types.is_duration(kind) and not types.is_interval(kind)
    binary = types.is_binary(kind) or types.is_large_binary(kind)
    return bool(time or binary or types.is_decimal(kind) or _json(kind))


def _json(kind: pa.DataType) -> bool:
    """Whether values are JSON as they are, all the way down."""
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        return _json(kind.value_type)
    if types.is_struct(kind):
        return all(_json(field.type) for field in kind)
    plain = types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind)
    return bool(plain or _text(kind))
