"""The fields of a collection as Milvus describes them: id, vectors, and everything else as payload."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymilvus import CollectionSchema, DataType, FieldSchema, MilvusClient

from limosa.errors import Refused
from limosa.model.point import Collected, Metric, Scalar, VectorSpec

__all__ = ["ID_BYTES", "METRICS", "PAYLOAD", "Fields", "condition_of", "fields_of", "indexes_of", "schema_of"]

METRICS: Mapping[Metric, str] = {"cosine": "COSINE", "l2": "L2", "ip": "IP"}
"""Milvus's name of each metric."""

ID_BYTES = 65_535
"""The longest text that a field can be made for. Taken by milvus-lite 3.2; not yet proved on a server."""

PAYLOAD = "limosa_payload"
"""The JSON field that tells a collection which limosa made; milvus-lite 3.2 keeps no descriptions that could."""

_NAME = re.compile(r"(?!limosa_)[A-Za-z_][A-Za-z0-9_]*")
"""Names of vectors that are names of fields too."""

_CODED = "limosa_"
"""So begins the field of a vector with any other name, which follows as UTF-8 in hexadecimal digits."""

_SCALARS = {
    DataType.BOOL,
    DataType.INT8,
    DataType.INT16,
    DataType.INT32,
    DataType.INT64,
    DataType.FLOAT,
    DataType.DOUBLE,
    DataType.VARCHAR,
    DataType.ARRAY,
    DataType.JSON,
}


_FILTERS: Mapping[DataType, tuple[type[Scalar], ...]] = {
    DataType.BOOL: (bool,),
    **dict.fromkeys((DataType.INT8, DataType.INT16, DataType.INT32, DataType.INT64), (int,)),
    DataType.VARCHAR: (str,),
}
"""What a field is compared with in a filter; one of JSON with anything."""


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a collection.

    Attributes:
        numbers: ids are whole numbers of 64 bits with a sign; else texts.
        vectors: by field, what it holds.
        scalars: by field, of which kind it is; the id is none of them.
        dynamic: points may have fields that the schema does not name.
        own: limosa made it; the payload lies in one field.
        given: ids are the writer's; else Milvus makes them.
    """

    key: str
    numbers: bool
    vectors: Mapping[str, VectorSpec]
    scalars: Mapping[str, DataType]
    dynamic: bool
    own: bool
    given: bool


def fields_of(told: Mapping[str, Any], indexes: Mapping[str, Mapping[str, Any]]) -> Fields:
    """Reads a description.

    Args:
        told: what ``describe_collection`` answers.
        indexes: by field, what ``describe_index`` answers.

    Raises:
        Refused: a field holds what limosa does not carry.
    """
    own = any(each["name"] == PAYLOAD for each in told["fields"])
    [key] = [each for each in told["fields"] if each.get("is_primary")]
    rest = [each for each in told["fields"] if not each.get("is_primary")]
    dense = {DataType.FLOAT_VECTOR, DataType.SPARSE_FLOAT_VECTOR}
    strange = [each["name"] for each in rest if each["type"] not in _SCALARS | dense]
    if strange:
        raise Refused(
            f"Fields of the collection hold what limosa cannot carry: {', '.join(strange)}.",
            needed="Vectors of float32, dense or sparse; truth values, numbers, texts, arrays and JSON.",
            do="Copy the collection without these fields.",
        )
    return Fields(
        key=key["name"],
        numbers=key["type"] == DataType.INT64,
        vectors={
            each["name"]: _spec(each, indexes.get(each["name"], {}), own=own) for each in rest if each["type"] in dense
        },
        scalars={each["name"]: each["type"] for each in rest if each["type"] in _SCALARS},
        dynamic=bool(told.get("enable_dynamic_field")),
        own=own,
        given=not told.get("auto_id"),
    )


def condition_of(fields: Fields, where: Mapping[str, Scalar]) -> str | None:
    """Fields of the payload that equal values, as Milvus's condition; None where no point can have such a field."""
    parts = [
        _equal(fields, [PAYLOAD, *name.split(".")] if fields.own else name.split("."), where[name]) for name in where
    ]
    return None if None in parts else " and ".join(filter(None, parts))


def _equal(fields: Fields, path: Sequence[str], value: Scalar) -> str | None:
    first, *inner = path
    kind = fields.scalars.get(first)
    if kind is None:
        # What the schema does not name lies in Milvus's own field of JSON.
        first, inner, kind = "$meta", list(path), DataType.JSON if fields.dynamic else DataType.NONE
    # A value of another type than the field's would be an error there.
    if kind != DataType.JSON and (inner or type(value) not in _FILTERS.get(kind, ())):
        return None
    return f"{first}{''.join(f'[{_quoted(each)}]' for each in inner)} == {_quoted(value)}"


def _quoted(value: Scalar) -> str:
    """Texts in the quotes and with the escapes of JSON, which are Milvus's too."""
    return json.dumps(value, ensure_ascii=False)


def schema_of(wanted: Collected) -> CollectionSchema:
    """The schema of a collection for these vectors."""
    fields = [FieldSchema("id", DataType.VARCHAR, is_primary=True, max_length=ID_BYTES)]
    for field, spec in _named(wanted).items():
        size = {} if spec.kind == "sparse" else {"dim": spec.dimensions}
        kind = DataType.SPARSE_FLOAT_VECTOR if spec.kind == "sparse" else DataType.FLOAT_VECTOR
        fields.append(FieldSchema(field, kind, **size))
    fields.append(FieldSchema(PAYLOAD, DataType.JSON))
    return CollectionSchema(fields)


def indexes_of(wanted: Collected) -> Any:
    """An index for each vector: Milvus searches and loads none without."""
    made = MilvusClient.prepare_index_params()
    for field, spec in _named(wanted).items():
        if spec.kind == "sparse":
            made.add_index(field, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
            continue
        graph = {"M": spec.m or 16, "efConstruction": spec.ef_construction or 100}
        made.add_index(field, index_type="HNSW", metric_type=METRICS[spec.metric], params=graph)
    return made


def _named(wanted: Collected) -> dict[str, VectorSpec]:
    """By field."""
    return {_field(name): spec for name, spec in wanted.vectors.items()}


def _field(name: str) -> str:
    if not name:
        return "vector"
    return name if _NAME.fullmatch(name) and name not in {"id", "vector"} else _CODED + name.encode().hex()


def _told(field: str, *, own: bool) -> str:
    if own and field.startswith(_CODED):
        return bytes.fromhex(field.removeprefix(_CODED)).decode()
    return "" if field == "vector" else field


def _spec(field: Mapping[str, Any], index: Mapping[str, Any], *, own: bool) -> VectorSpec:
    name = _told(field["name"], own=own)
    if field["type"] == DataType.SPARSE_FLOAT_VECTOR:
        return VectorSpec(name=name, kind="sparse", metric="ip")
    told = index.get("metric_type", "COSINE")
    return VectorSpec(
        name=name,
        dimensions=int(field["params"]["dim"]),
        metric=next((each for each, its in METRICS.items() if its == told), "cosine"),
        m=_number(index.get("M")),
        ef_construction=_number(index.get("efConstruction")),
    )


def _number(told: Any) -> int | None:
    return None if told is None else int(told)
