"""The nearest-neighbour index of a vector column, in the words of the file."""

from __future__ import annotations

import re
from typing import Literal

from limosa.ports.discovery import VectorIndex
from limosa.ports.named import named_sql
from limosa.ports.tx import Tx
from limosa.stores.postgres.discovery.columns import VectorColumn

__all__ = ["index_of"]

_SQL = named_sql("limosa.stores.postgres", "discovery")
_CLASS = re.compile(r"(vector|halfvec|bit|sparsevec)_(\w+)_ops")
_METRICS: dict[str, Literal["cosine", "l2", "ip"]] = {"cosine": "cosine", "l2": "l2", "ip": "ip"}
_OPTIONS = {"hnsw": ("m", "ef_construction"), "ivfflat": ("lists",)}


def index_of(tx: Tx, column: VectorColumn) -> VectorIndex | None:
    """The best valid index over the column or a cast of it: HNSW before others, whole before partial ones."""
    rows = tx.execute(_SQL["vector_indexes"], {"oid": column.oid, "attnum": column.number})
    if not rows:
        return None
    name, kind, operator_class, given = rows[0]
    found = _CLASS.fullmatch(operator_class)
    metric = _METRICS.get(found[2]) if found and kind in _OPTIONS else None
    options = dict(option.split("=", 1) for option in given)
    return VectorIndex(
        name=name,
        kind=kind,
        metric=metric or "",
        element=found[1] if found else column.element,
        options={key: int(options[key]) for key in _OPTIONS.get(kind, ()) if key in options},
    )
