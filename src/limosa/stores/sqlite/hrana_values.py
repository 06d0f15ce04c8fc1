"""Values and rows in the JSON of Hrana, libSQL's protocol, and rows packed into statements and requests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pybase64 import b64decode, b64encode

from limosa.errors import Refused, RowRefused
from limosa.stores.sqlite.engine import Value

__all__ = ["chained", "packed", "rows_of", "statement"]

# On loopback 25 to 1,000 rows of 6 KB in one INSERT went equally fast (10,000 a second), 10 a third slower.
_ROWS = 50
_STATEMENT_BYTES = 1_000_000
_REQUEST_BYTES = 4_000_000
# What surrounds a value in JSON, and the least that a value takes itself. A statement of a megabyte has fewer
# values then than the 32,766 that SQLite allows (https://sqlite.org/limits.html).
_AROUND_BYTES, _LEAST_BYTES = 40, 10


def statement(sql: str, params: Sequence[Value] = ()) -> dict[str, Any]:
    """One statement with its values."""
    return {"sql": sql, "args": [_encoded(value) for value in params]}


def chained(statements: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A request for statements of which each runs only where the one before it did not fail."""
    steps = [
        {"stmt": each, "condition": {"type": "ok", "step": place - 1}} if place else {"stmt": each}
        for place, each in enumerate(statements)
    ]
    return {"type": "batch", "batch": {"steps": steps}}


def packed(head: str, row: str, tail: str, rows: Iterable[Sequence[Value]]) -> Iterator[list[dict[str, Any]]]:
    """The rows in order: for each request its statements, for each statement up to fifty rows.

    A statement holds about a megabyte at most and a request four, but always one row.
    """
    request: list[dict[str, Any]] = []
    size = 0
    for group, group_bytes in _groups(rows):
        if request and size + group_bytes > _REQUEST_BYTES:
            yield request
            request, size = [], 0
        values = [value for each in group for value in each]
        request.append(statement(f"{head} VALUES {', '.join([row] * len(group))} {tail}", values))
        size += group_bytes
    if request:
        yield request


def rows_of(found: Sequence[Sequence[dict[str, Any]]]) -> list[tuple[Value, ...]]:
    """Rows as the server answered them."""
    return [tuple([_DECODE[value["type"]](value) for value in row]) for row in found]


def _groups(rows: Iterable[Sequence[Value]]) -> Iterator[tuple[list[Sequence[Value]], int]]:
    group: list[Sequence[Value]] = []
    size = 0
    for each in rows:
        bytes_more = sum(_size(value) for value in each)
        if group and (len(group) == _ROWS or size + bytes_more > _STATEMENT_BYTES):
            yield group, size
            group, size = [], 0
        group.append(each)
        size += bytes_more
    if group:
        yield group, size


def _size(value: Value) -> int:
    # Base64 is a third longer, and so may a text be.
    return _AROUND_BYTES + (max(_LEAST_BYTES, len(value) * 4 // 3) if isinstance(value, bytes | str) else _LEAST_BYTES)


def _encoded(value: Value) -> dict[str, Any]:
    if value is None:
        return {"type": "null"}
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise RowRefused("An integer of more than 64 bits cannot be stored.")
        return {"type": "integer", "value": str(int(value))}
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return {"type": "text", "value": value}
    if isinstance(value, bytes):
        return {"type": "blob", "base64": b64encode(value).decode("ascii")}
    raise Refused(f"A value of type {type(value).__name__} cannot be sent.")


def _float(value: float) -> dict[str, Any]:
    if math.isnan(value):
        return {"type": "null"}  # as SQLite stores it
    if math.isinf(value):
        raise RowRefused("Infinity cannot be sent to a libSQL server: its protocol has no word for it.")
    return {"type": "float", "value": value}


def _read_float(value: dict[str, Any]) -> float:
    if value["value"] is None:
        raise Refused("A row holds infinity, which a libSQL server cannot send.", do="Correct or delete the row.")
    return float(value["value"])


def _read_blob(value: dict[str, Any]) -> bytes:
    text = value["base64"]
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


_DECODE: dict[str, Any] = {
    "null": lambda _: None,
    "integer": lambda value: int(value["value"]),
    "float": _read_float,
    "text": lambda value: value["value"],
    "blob": _read_blob,
}
