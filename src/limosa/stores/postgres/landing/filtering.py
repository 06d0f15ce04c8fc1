"""A filter of a search as SQL: fields of the payload, wherever they stand, that equal values."""

from __future__ import annotations

import json
from collections.abc import Mapping

from limosa.model.point import Json, Scalar
from limosa.stores.postgres.landing.cells import Unfit, json_bytes
from limosa.stores.postgres.landing.columns import Arrived, Field
from limosa.stores.postgres.names import quoted

__all__ = ["condition_of"]


def condition_of(arrived: Arrived, where: Mapping[str, Scalar], *, after: int) -> tuple[str, list[str]]:
    """Conditions on a table ``t``, each with AND before it, and the texts of their parameters.

    A column is compared as its own type, so that its own index serves. What has none stands in the rest, and is held
    there by ``@>``, which a GIN index answers.

    Args:
        after: the last parameter that is taken.
    """
    parts, values = [], list[str]()
    for field, value in where.items():
        condition, text = _condition(arrived, field, value, f"${after + len(values) + 1}::text")
        values += [] if text is None else [text]
        parts.append(f" AND {condition}")
    return "".join(parts), values


def _condition(arrived: Arrived, field: str, value: Scalar, given: str) -> tuple[str, str | None]:
    """A condition with its parameter; one that no row meets has none."""
    column = next((each for each in arrived.of("field") if each.source == field), None)
    if column is not None:
        return (_equal(column, given), _text(column, value)) if _fits(column, value) else ("false", None)
    around, inner = _around(arrived, field)
    nested: Json = value
    for name in reversed(inner):
        nested = {name: nested}
    if around is None or not _is_json(nested):
        return "false", None
    return f"t.{quoted(around.name)}::jsonb @> {given}::jsonb", json.dumps(nested, ensure_ascii=False)


def _around(arrived: Arrived, field: str) -> tuple[Field | None, list[str]]:
    """The column of JSON in which a field stands that has none of its own, and its path there."""
    path = field.split(".")
    for each in arrived.of("field"):
        if each.type in {"json", "jsonb"} and field.startswith(f"{each.source}."):
            return each, path[each.source.count(".") + 1 :]
    return next(iter(arrived.of("rest")), None), path


def _equal(column: Field, given: str) -> str:
    name = f"t.{quoted(column.name)}"
    if column.type in {"json", "jsonb"}:
        return f"{name}::jsonb = {given}::jsonb"
    # A type that limosa does not write is told as text, and compared as it is told.
    return f"{name} = {given}::{column.type}" if column.cell.pack is not None else f"{name}::text = {given}"


def _fits(column: Field, value: Scalar) -> bool:
    """Whether the column may hold the value."""
    if column.cell.pack is None:
        return isinstance(value, str) and "\0" not in value
    try:
        column.cell.pack(value)
    except Unfit:
        return False
    return True


def _text(column: Field, value: Scalar) -> str:
    """The value as Postgres reads it as the column's type."""
    is_json = column.type in {"json", "jsonb"} or isinstance(value, bool)
    return json.dumps(value, ensure_ascii=False) if is_json else str(value)


def _is_json(value: Json) -> bool:
    """Whether Postgres takes it as jsonb: no text in it holds NUL."""
    try:
        json_bytes(value)
    except Unfit:
        return False
    return True
